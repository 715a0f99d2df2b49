import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InUseError } from '@weaklink/runtime'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { libraryPath } from '../src/embedded/library.ts'
import { column, connect, type EmbeddedServer, readEndpoint, type Store, startEmbeddedServer } from '../src/index.ts'

const HOLD_SERVER = fileURLToPath(new URL('./fixtures/hold-server.ts', import.meta.url))

let directory: string
const servers: EmbeddedServer[] = []
const stores: Store[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weaklink-embedded-'))
})
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
  await Promise.all(servers.splice(0).map((server) => server.stop()))
  await rm(directory, { recursive: true })
})

async function start(where = directory): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ directory: where, what: 'a test' })
  servers.push(server)
  return server
}

async function open(server: EmbeddedServer): Promise<Store> {
  const store = connect({ ...server, database: 'weaklink' })
  stores.push(store)
  await store.createDatabase()
  return store
}

async function insert(store: Store, ...numbers: number[]): Promise<void> {
  const n = column.uint32()
  for (const number of numbers) n.push(number)
  await store.insert('t', { n })
}

const T = 'CREATE TABLE IF NOT EXISTS t (n UInt32) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1'
const rowsOf = async (store: Store, table = 't') =>
  (await store.query<{ n: number }>(`SELECT n FROM ${table} ORDER BY n`)).map(({ n }) => n)

test('what was stored is there after a stop and a start', async () => {
  const first = await start()
  const store = await open(first)
  await store.command(T)
  await insert(store, 1, 2)
  await first.stop()
  expect(await first.exited).toEqual({ expected: true, reason: 'it was stopped' })
  expect(await rowsOf(await open(await start()))).toEqual([1, 2])
})

test('stopping twice, or what has ended already, is fine', async () => {
  const server = await start()
  await Promise.all([server.stop(), server.stop()])
  await server.stop()
})

describe('the server is killed', () => {
  test('while rows come in: all acknowledged ones are there after a restart in the same directory', async () => {
    let server = await start()
    await (await open(server)).command(T)
    const acknowledged: number[] = []
    for (let round = 0; round < 3; round++) {
      const store = await open(server)
      const victim = server.pid
      for (let n = round * 1000; ; n++) {
        if (n === round * 1000 + 5) process.kill(victim, 'SIGKILL')
        try {
          await insert(store, n)
          acknowledged.push(n)
        } catch (error) {
          expect(error).toMatchObject({ code: 'unreachable', retriable: true })
          break
        }
      }
      expect(await server.exited).toMatchObject({ expected: false, reason: expect.stringContaining('SIGKILL') })
      server = await start()
    }
    expect(await rowsOf(await open(server))).toEqual(expect.arrayContaining(acknowledged))
  })

  test('its endpoint is gone then', async () => {
    const server = await start()
    process.kill(server.pid, 'SIGKILL')
    await server.exited
    expect(await readEndpoint(directory)).toBeNull()
    await expect(access(join(directory, 'endpoint.json'))).rejects.toThrow()
  })
})

test('a signal for the whole group, like Ctrl-C, leaves it running: its parent still has to write', async () => {
  const server = await start()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(server.pid, signal)
  const store = await open(server)
  await store.query('SELECT sleep(0.2)')
  await store.ping()
})

test('the parent is killed: the server goes too, and the next one has the directory at once, with the rows', async () => {
  const parent = spawn(process.execPath, [HOLD_SERVER, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string]
  const held = JSON.parse(line) as { pid: number; url: string }
  await expect(start()).rejects.toThrow(InUseError)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  const store = await open(await start())
  expect(await rowsOf(store, 'held')).toEqual([1])
  const orphan = connect({ url: held.url, database: 'weaklink' })
  stores.push(orphan)
  await expect(orphan.ping()).rejects.toMatchObject({ code: 'unreachable' })
})

describe('a directory', () => {
  test('in use: an error that says by whom', async () => {
    await start()
    const error = await startEmbeddedServer({ directory, what: 'another' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(InUseError)
    expect(error).toMatchObject({ pid: process.pid, what: 'a test' })
    expect((error as Error).message).toContain(directory)
  })

  test('two of them at once', async () => {
    const stores = await Promise.all(['a', 'b'].map(async (name) => await open(await start(join(directory, name)))))
    for (const [n, store] of stores.entries()) {
      await store.command(T)
      await insert(store, n)
    }
    expect(await Promise.all(stores.map((store) => rowsOf(store)))).toEqual([[0], [1]])
  })

  test('that the engine cannot use: an error with its words, and the directory is free again', async () => {
    await writeFile(join(directory, 'data'), 'not a directory')
    await expect(start()).rejects.toMatchObject({
      code: 'start_failed',
      message: expect.stringMatching(/did not start: it ended.*directory/is),
    })
    await rm(join(directory, 'data'))
    await start()
  })

  test('with an odd name', async () => {
    await (await open(await start(join(directory, `it's <b> & "電" `)))).ping()
  })
})

describe('the endpoint', () => {
  test('lets another process of the same user in while the server runs', async () => {
    expect(await readEndpoint(directory)).toBeNull()
    const server = await start()
    const endpoint = await readEndpoint(directory)
    expect(endpoint).toEqual({
      url: server.url,
      username: server.username,
      password: server.password,
      pid: server.pid,
      analyst: server.analyst,
    })
    await server.stop()
    expect(await readEndpoint(directory)).toBeNull()
  })

  test('and the configuration are readable by their owner only', async () => {
    await start()
    for (const file of ['endpoint.json', 'config.xml', 'users.xml']) {
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600)
    }
  })

  test('of a server that is gone is not taken for one that answers there now', async () => {
    const server = await start(join(directory, 'running'))
    const left = {
      url: server.url,
      username: 'weaklink',
      password: 'of an earlier start',
      pid: 1,
      analyst: server.analyst,
    }
    await writeFile(join(directory, 'endpoint.json'), JSON.stringify(left))
    expect(await readEndpoint(directory)).toBeNull()
  })
})

test.each([
  ['win32', 'x64'],
  ['darwin', process.platform === 'darwin' && process.arch === 'arm64' ? 'x64' : 'arm64'],
])('on %s-%s, without the library, the error says what to do instead', (platform, arch) => {
  expect(() => libraryPath(platform, arch)).toThrow(expect.objectContaining({ code: 'no_embedded_server' }))
  expect(() => libraryPath(platform, arch)).toThrow(/Set CLICKHOUSE_URL/)
})
