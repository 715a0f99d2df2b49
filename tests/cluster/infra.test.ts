import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

// Containers cannot run everywhere; that the files of infra/clickhouse speak of the same servers can be read.

const read = (name: string) => readFile(new URL(`../../infra/clickhouse/${name}`, import.meta.url), 'utf8')

interface Service {
  readonly hostname: string
  readonly environment: Readonly<Record<string, string>>
}

test('compose.yml runs the servers that config.d names, each with its shard, and the keepers that they ask', async () => {
  const [compose, config, users, keeper] = await Promise.all(
    ['compose.yml', 'config.d/weaklink.xml', 'users.d/weaklink.xml', 'keeper/keeper_config.xml'].map(read),
  )
  const services: Readonly<Record<string, Service>> = parse(compose ?? '', { merge: true }).services
  const hosts = (text = '', pattern: RegExp) => [...text.matchAll(pattern)].map(([, host = '']) => host)
  const servers = hosts(config, /<replica><host>([^<]+)</g)
  const keepers = hosts(config, /<node><host>([^<]+)</g)
  expect(Object.keys(services)).toEqual([...servers, ...keepers])
  expect(hosts(keeper, /<hostname>([^<]+)</g)).toEqual(keepers)
  for (const [name, { hostname }] of Object.entries(services)) expect(hostname).toBe(name)

  const shards = (config ?? '').match(/<shard>.*?<\/shard>/gs) ?? []
  for (const [n, shard] of shards.entries()) {
    const replicas = hosts(shard, /<replica><host>([^<]+)</g)
    for (const host of replicas) {
      expect(services[host]?.environment).toMatchObject({ CLICKHOUSE_HOST: host, CLICKHOUSE_SHARD: String(n + 1) })
    }
    const names = replicas.map((host) => services[host]?.environment.CLICKHOUSE_REPLICA)
    expect(new Set(names).size).toBe(replicas.length)
    // Of two replicas, the majority is both.
    expect(replicas).toHaveLength(2)
  }

  const given = services[servers[0] ?? '']?.environment ?? {}
  const wanted = hosts(`${config}${users}`, /from_env="([^"]+)"/g)
  for (const name of wanted) expect(given, name).toHaveProperty(name)
})
