import { join } from 'node:path'
import { type EmbeddedServer, startEmbeddedServer } from '@weaklink/clickhouse'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../infra/kafka/broker.ts'
import { describeWithJava } from '../support/kafka.ts'
import { background, endAll, until } from '../support/up.ts'
import { temporaryFolder } from '../support/weaklink.ts'

const [WRITE, READ] = ['a-write-key-of-the-test', 'a-read-key-of-the-test']
const PARTITIONS = 4
const CUSTOMERS = 200

await describeWithJava('parts of Weaklink on Kafka', () => {
  const folder = temporaryFolder()
  let broker: Broker
  let server: EmbeddedServer
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    ;[broker, server] = await Promise.all([
      startBroker(),
      startEmbeddedServer({ directory: join(folder.path, 'clickhouse'), what: 'a test' }),
    ])
    const url = new URL(server.url)
    url.username = server.username
    url.password = server.password
    env = {
      ...{ WEAKLINK_WRITE_KEYS: WRITE, WEAKLINK_READ_KEYS: READ },
      ...{ KAFKA_BROKERS: broker.brokers.join(','), KAFKA_SESSION_MS: '6000', CLICKHOUSE_URL: url.href },
    }
    const migrating = background(['migrate', '--partitions', `${PARTITIONS}`], { env, cwd: folder.path })
    const created = () => migrating.stdout().includes('Created in Kafka')
    await until(() => created() || migrating.child.exitCode !== null, 'the topics were made')
    expect(migrating.stderr()).toBe('')
  })
  afterAll(async () => {
    await endAll()
    await server?.stop()
    await broker?.stop()
    folder.remove()
  })

  /** Where it answers. */
  async function part(services: string): Promise<string> {
    const one = background(['up', '--services', services, '--port', '0', '--json'], { env, cwd: folder.path })
    await until(() => /^\}$/m.test(one.stdout()) || one.child.exitCode !== null, `${services} was up`)
    return (JSON.parse(one.stdout()) as { url: string }).url
  }
  /** Values of the series of a metric. */
  async function values(url: string, name: string): Promise<number[]> {
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${READ}` } })
    return [...(await answer.text()).matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map(([, n]) =>
      Number(n),
    )
  }
  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)

  it('no tracker runs: the API says what waits in the log and for how long, until one comes', async () => {
    const [collector, api] = await Promise.all([part('collector'), part('api')])
    const interactions = Array.from({ length: CUSTOMERS }, (_, n) => ({
      ...{ id: `${n}`, customer: `c-${n}`, touchpoint: 'site_visit', at: Date.now() },
    }))
    const sent = await fetch(`${collector}/v1/interactions`, {
      ...{ method: 'POST', headers: { authorization: `Bearer ${WRITE}` }, body: JSON.stringify(interactions) },
    })
    expect(sent.status).toBe(202)

    const waits = async () => await values(api, 'weaklink_pipeline_lag_records')
    await until(async () => sum(await waits()) === CUSTOMERS, 'all that was sent was said to wait')
    const ages = await values(api, 'weaklink_pipeline_lag_seconds')
    expect([(await waits()).length, ages.length]).toEqual([PARTITIONS, PARTITIONS])
    expect(Math.min(...ages)).toBeGreaterThan(0)
    // Neither of them has a tracker, a data directory or a ClickHouse of its own.
    for (const url of [collector, api]) {
      for (const name of ['tracker_partitions', 'data_disk_free_bytes', 'clickhouse_restarts_total'])
        expect(await values(url, `weaklink_${name}`)).toEqual([])
      for (const name of ['build_info', 'ready', 'log_up']) expect(await values(url, `weaklink_${name}`)).toEqual([1])
    }

    const tracker = await part('tracker')
    await until(async () => sum(await waits()) === 0, 'a tracker had taken it in, and the API said so')
    expect(Math.max(...(await values(api, 'weaklink_pipeline_lag_seconds')))).toBe(0)
    expect(await values(tracker, 'weaklink_tracker_partitions')).toEqual([PARTITIONS])
  })
})
