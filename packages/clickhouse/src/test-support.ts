/** For the tests of other packages: a real ClickHouse with a database of their own. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedServer, startEmbeddedServer } from './embedded/server.ts'
import { DEFAULT_DATABASE } from './settings.ts'
import { connect, type Store } from './store.ts'

export interface TestStore {
  readonly store: Store
  /** Null when CLICKHOUSE_URL names a server. */
  readonly server: EmbeddedServer | null
  /** Created, without tables. */
  readonly database: string
  /** Removes the database, the server and its directory. */
  stop(): Promise<void>
}

/** On the server of CLICKHOUSE_URL in a new database, or else on an embedded server of its own in a temporary folder. */
export async function startTestStore(): Promise<TestStore> {
  const url = process.env.CLICKHOUSE_URL
  if (url !== undefined && url !== '') {
    const database = `weaklink_test_${randomBytes(6).toString('hex')}`
    const store = connect({ url, database })
    await store.createDatabase()
    const stop = async () => {
      await store.command(`DROP DATABASE IF EXISTS \`${database}\``)
      await store.close()
    }
    return { store, server: null, database, stop }
  }
  const directory = await mkdtemp(join(tmpdir(), 'weaklink-clickhouse-'))
  const server = await startEmbeddedServer({ directory, what: 'a test' })
  const store = connect({ ...server, database: DEFAULT_DATABASE })
  await store.createDatabase()
  const stop = async () => {
    await store.close()
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
  return { store, server, database: DEFAULT_DATABASE, stop }
}
