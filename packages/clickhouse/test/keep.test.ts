import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InUseError } from '@weaklink/runtime'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  column,
  connect,
  type KeptServer,
  keepEmbeddedServer,
  readEndpoint,
  type Store,
  startEmbeddedServer,
} from '../src/index.ts'

let directory: string
let server: KeptServer
let store: Store
let events: string[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weaklink-kept-'))
  events = []
  server = await keepEmbeddedServer({
    directory,
    what: 'a test',
    onDown: (reason) => events.push(`down: ${reason.split('\n')[0]}`),
    onUp: () => events.push('up'),
  })
  store = connect({ ...server, database: 'weaklink' })
  await store.createDatabase()
  await store.command('CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1')
})
afterEach(async () => {
  await store.close()
  await server.stop()
  await rm(directory, { recursive: true })
})

async function insert(number: number): Promise<void> {
  const n = column.uint32()
  n.push(number)
  await store.insert('t', { n })
}

/** Tries until it answers. */
async function answered<T>(question: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await question()
    } catch (error) {
      if (attempt > 600) throw error
      await sleep(50)
    }
  }
}

test('killed, and again: it is there again at the same place, for the same clients, with what it held', async () => {
  for (const round of [1, 2]) {
    await insert(round)
    const victim = server.pid
    process.kill(victim, 'SIGKILL')
    await answered(async () => {
      if (server.pid === victim || server.down() !== null) throw new Error('not yet')
    })
    expect(await store.query('SELECT count() AS n FROM t')).toEqual([{ n: round }])
    expect(await readEndpoint(directory)).toMatchObject({ url: server.url, pid: server.pid })
  }
  expect(events).toEqual(['down: it ended (SIGKILL)', 'up', 'down: it ended (SIGKILL)', 'up'])
})

test('it holds its directory while it is down, too; stopped, it is gone and the directory free', async () => {
  process.kill(server.pid, 'SIGKILL')
  await expect(startEmbeddedServer({ directory, what: 'another' })).rejects.toThrow(InUseError)
  await server.stop()
  await expect(store.ping()).rejects.toMatchObject({ code: 'unreachable' })
  await expect(access(join(directory, 'endpoint.json'))).rejects.toThrow()
  await (await startEmbeddedServer({ directory, what: 'another' })).stop()
})
