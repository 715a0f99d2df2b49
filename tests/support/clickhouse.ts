import { randomBytes } from 'node:crypto'
import { connect, type Store } from '@weaklink/clickhouse'
import { noDocker } from './docker.ts'

const IMAGE = 'clickhouse/clickhouse-server:26.7'

export interface RealClickHouse {
  /** On a database of its own, which exists. */
  readonly store: Store
  /** How the server came about, in words. */
  readonly how: string
  /** Removes the database, and the server where it was started here. */
  stop(): Promise<void>
}

/**
 * A server as ClickHouse ships it, not our embedded one: that of CLICKHOUSE_URL, or else one that Docker starts.
 * `missing` says why there is none; in CI as well, because CI may have neither.
 */
export async function realClickHouse(): Promise<RealClickHouse | { readonly store: null; readonly missing: string }> {
  const url = process.env.CLICKHOUSE_URL
  if (url !== undefined && url !== '') return onServer(url, 'named by CLICKHOUSE_URL', async () => {})
  const docker = await noDocker()
  if (docker !== null) return { store: null, missing: `CLICKHOUSE_URL is not set, and ${docker}` }
  try {
    const { ClickHouseContainer } = await import('@testcontainers/clickhouse')
    const container = await new ClickHouseContainer(IMAGE).start()
    const address = new URL(container.getHttpUrl())
    address.username = container.getUsername()
    address.password = container.getPassword()
    return await onServer(address.href, `started by Docker out of ${IMAGE}`, async () => void (await container.stop()))
  } catch (error) {
    return { store: null, missing: `Docker could not run ${IMAGE} (${error instanceof Error ? error.message : error})` }
  }
}

async function onServer(url: string, how: string, stopServer: () => Promise<void>): Promise<RealClickHouse> {
  const database = `weaklink_test_${randomBytes(6).toString('hex')}`
  const store = connect({ url, database })
  const stop = async () => {
    await store.command(`DROP DATABASE IF EXISTS \`${database}\``)
    await store.close()
    await stopServer()
  }
  try {
    await store.createDatabase()
  } catch (error) {
    await store.close()
    await stopServer()
    throw error
  }
  return { store, how, stop }
}
