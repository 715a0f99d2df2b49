import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type EmbeddedLog, openEmbeddedLog } from '../src/embedded/index.ts'
import { readAll, record, text } from './contract.ts'

/** Ways to get a small disk; both need root on Linux. */
const DISKS: { name: string; mount: (directory: string) => void }[] = [
  { name: 'tmpfs', mount: (at) => run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', at) },
  {
    name: 'ext4',
    mount: (at) => {
      const image = `${at}.img`
      run('dd', 'if=/dev/zero', `of=${image}`, 'bs=1M', 'count=12', 'status=none')
      run('mkfs.ext4', '-q', image)
      run('mount', '-o', 'loop', image, at)
    },
  },
]

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' })
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Answers why there is no such disk here, if so. */
function smallDisk(mount: (at: string) => void): { disk: string } | { reason: string } {
  const parent = mkdtempSync(join(tmpdir(), 'weaklink-disk-'))
  cleanups.push(() => rmSync(parent, { recursive: true }))
  const disk = join(parent, 'disk')
  mkdirSync(disk)
  try {
    mount(disk)
  } catch (error) {
    return { reason: `a small disk cannot be mounted here: ${error instanceof Error ? error.message : error}` }
  }
  cleanups.push(() => run('umount', disk))
  return { disk }
}

/** Fills the disk to the last byte; answers how to free it again. */
function fill(disk: string): () => void {
  const path = join(disk, 'ballast')
  const file = openSync(path, 'w')
  for (const size of [65_536, 512]) {
    const block = Buffer.alloc(size)
    try {
      while (writeSync(file, block) === size);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' })
    }
  }
  closeSync(file)
  return () => rmSync(path)
}

async function open(directory: string): Promise<EmbeddedLog> {
  const log = await openEmbeddedLog(directory)
  cleanups.push(() => log.close())
  return log
}

describe.for(DISKS)('on a full disk ($name)', ({ mount }) => {
  test('an append is refused whole, reading goes on, and appending too once there is space', async (context) => {
    const small = smallDisk(mount)
    if ('reason' in small) return context.skip(small.reason)
    const log = await open(join(small.disk, 'log'))
    await log.createTopic('t', 2)
    expect(await log.append('t', [record(0, 'before'), record(1, 'before')])).toEqual([0, 0])
    const free = fill(small.disk)
    const big = 'x'.repeat(300_000)
    for (let attempt = 0; attempt < 3; attempt++) {
      const appends = [0, 1].map((n) => log.append('t', [record(0, `${n}`), record(0, big), record(1, `${n}`)]))
      for (const result of await Promise.allSettled(appends)) {
        expect(result).toMatchObject({
          status: 'rejected',
          reason: {
            code: 'disk_full',
            retryHelps: true,
            systemCode: 'ENOSPC',
            message: expect.stringMatching(/topic t .*no space left/),
          },
        })
      }
      expect((await log.ranges('t')).map(({ end }) => end)).toEqual([1, 1])
    }
    expect((await readAll(log, 't', 0)).map(text)).toEqual(['before'])
    free()
    expect(await log.append('t', [record(0, 'after'), record(0, big), record(1, 'after')])).toEqual([1, 2, 1])
    await log.close()
    const reopened = await open(join(small.disk, 'log'))
    expect((await readAll(reopened, 't', 0)).map(text)).toEqual(['before', 'after', big])
    expect((await readAll(reopened, 't', 1)).map(text)).toEqual(['before', 'after'])
  })

  test('a log cannot be opened, with an error that says so', async (context) => {
    const small = smallDisk(mount)
    if ('reason' in small) return context.skip(small.reason)
    const free = fill(small.disk)
    const directory = join(small.disk, 'log')
    const full = { code: 'disk_full', systemCode: 'ENOSPC', message: expect.stringContaining(directory) }
    await expect(openEmbeddedLog(directory)).rejects.toMatchObject(full)
    free()
    const log = await open(directory)
    await log.createTopic('t', 1)
  })
})
