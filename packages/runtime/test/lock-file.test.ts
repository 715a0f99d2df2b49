import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { InUseError, lockFile } from '../src/index.ts'

let directory: string
let path: string
const children: ChildProcess[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weaklink-lock-'))
  path = join(directory, 'data', 'lock')
})
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill))
  rmSync(directory, { recursive: true })
})

async function holder(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('hold-lock.ts', import.meta.url)), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout!, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

function refusal(): InUseError {
  try {
    lockFile(path, 'a second one').release()
  } catch (error) {
    if (error instanceof InUseError) return error
    throw error
  }
  throw new Error('the lock was granted twice')
}

describe('a lock', () => {
  test('is refused within the same process while it is held, and granted after its release', () => {
    const lock = lockFile(path, 'the first one')
    expect(refusal()).toMatchObject({ code: 'in_use', path, pid: process.pid, what: 'the first one' })
    lock.release()
    lock.release()
    lockFile(path, 'the next one').release()
  })

  test('is refused to another process with who holds it, since when, and what to do', async () => {
    const child = await holder()
    const error = refusal()
    expect(error.pid).toBe(child.pid)
    expect(error.message).toMatch(
      /data is in use by process \d+ \(the holder of the test, since \d\d:\d\d\): end it, or name another directory with --data-dir$/,
    )
  })

  test('dies with its process, even by SIGKILL', async () => {
    await kill(await holder())
    lockFile(path, 'the heir').release()
  })

  test('is not inherited by the children of its process', () => {
    const lock = lockFile(path, 'the parent')
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)'])
    children.push(child)
    lock.release()
    lockFile(path, 'the heir').release()
  })
})

describe('a lock with a wait', () => {
  test('is granted when the holder ends in time', async () => {
    const child = await holder()
    const waiting = lockFile(path, 'the patient one', { waitMs: 60_000 })
    await sleep(50)
    await kill(child)
    const lock = await waiting
    expect(refusal().what).toBe('the patient one')
    lock.release()
  })

  test('is refused at the end of the wait', async () => {
    const lock = lockFile(path, 'the first one')
    await expect(lockFile(path, 'a second one', { waitMs: 60 })).rejects.toBeInstanceOf(InUseError)
    lock.release()
  })
})
