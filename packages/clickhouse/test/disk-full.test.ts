import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { open, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { column, connect, type EmbeddedServer, startEmbeddedServer } from '../src/index.ts'

/** A file system of 64 MB, where this user may mount one. */
function mountSmallDisk(): string | null {
  if (process.platform !== 'linux') return null
  const directory = mkdtempSync(join(tmpdir(), 'weaklink-small-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', directory], { stdio: 'ignore' })
    return directory
  } catch {
    execFileSync('rmdir', [directory])
    return null
  }
}

/** Writes a file until nothing more fits. */
async function fillUp(path: string): Promise<void> {
  const file = await open(path, 'w')
  const piece = Buffer.alloc(64 * 1024, 1)
  try {
    for (;;) await file.write(piece)
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  } finally {
    await file.close()
  }
}

const disk = mountSmallDisk()
let server: EmbeddedServer | undefined
afterAll(async () => {
  await server?.stop()
  if (disk === null) return
  execFileSync('umount', [disk])
  await rmdir(disk)
})

describe.skipIf(disk === null)('a full disk (skipped where this user may not mount a tmpfs)', () => {
  test('is a StoreError that says so; with space again, writing goes on and nothing acknowledged is missing', async () => {
    const directory = join(disk ?? '', 'clickhouse')
    server = await startEmbeddedServer({ directory, what: 'a test' })
    const store = connect({ ...server, database: 'weaklink' })
    await store.createDatabase()
    await store.command(
      'CREATE TABLE t (n UInt32, s String) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1',
    )
    const insert = async (n: number, bytes: number) => {
      const row = { n: column.uint32(), s: column.string() }
      row.n.push(n)
      row.s.push('x'.repeat(bytes))
      await store.insert('t', row)
    }
    await insert(1, 10)

    const ballast = join(disk ?? '', 'ballast')
    await fillUp(ballast)
    for (const bytes of [10, 1_000_000]) {
      await expect(insert(2, bytes)).rejects.toMatchObject({
        code: 'disk_full',
        retriable: true,
        message: expect.stringContaining(server.url),
      })
    }
    // Reading goes on: right, or not at all, but never with fewer rows.
    expect(await store.query('SELECT n FROM t')).toEqual([{ n: 1 }])
    const table = await store.streamTable('SELECT n FROM t')
    expect((await Array.fromAsync(table.rows)).flat()).toEqual([[1]])
    const many = store.query('SELECT number, repeat($$x$$, 100) AS s FROM numbers(200000)')
    expect(await many.then((rows) => rows.length)).toBe(200_000)

    await rm(ballast)
    await insert(2, 10)
    expect(await store.query('SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
    await store.close()
  })
})
