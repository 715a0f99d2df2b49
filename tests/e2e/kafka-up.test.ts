import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { connect, DEFAULT_DATABASE, type EmbeddedServer, startEmbeddedServer } from '@weaklink/clickhouse'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../infra/kafka/broker.ts'
import type { BreakpointsReport } from '../../packages/reports/src/index.ts'
import { describeWithJava } from '../support/kafka.ts'
import { type Background, background, endAll, until } from '../support/up.ts'
import { temporaryFolder, weaklink } from '../support/weaklink.ts'

// `weaklink up` in parts, each in a process of its own, as containers run them: with a real Kafka, a ClickHouse that
// another process runs, and none of the packages of the embedded engines.

const folder = temporaryFolder()
afterAll(async () => {
  await endAll()
  folder.remove()
})

const HOOK = fileURLToPath(new URL('../support/without-embedded.mjs', import.meta.url))
const [WRITE, READ] = ['a-write-key-of-the-test', 'a-read-key-of-the-test']
const KEYS = { WEAKLINK_WRITE_KEYS: WRITE, WEAKLINK_READ_KEYS: READ }
const PARTITIONS = 8
const STACK = /^ +at /m

interface Part extends Background {
  readonly url: string
  readonly says: Readonly<Record<string, unknown>>
}

/** `weaklink up`, where it is to end by itself; if it does not, it is ended with the tests. */
const ended = (args: readonly string[], env: NodeJS.ProcessEnv) =>
  background(['up', '--port', '0', ...args], { env }).ended

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()

describe.concurrent('parts that cannot be', () => {
  it.each([
    ['a name that is none', 'collector,dashboard', {}, /Expected one or more of collector, tracker, api/],
    ['no name at all', '', {}, /Expected one or more of collector, tracker, api/],
    ['a part without Kafka', 'tracker', {}, /--services tracker .*set KAFKA_BROKERS/],
    ['a part without ClickHouse', 'api', { KAFKA_BROKERS: '127.0.0.1:9' }, /--services api .*set CLICKHOUSE_URL/],
  ])('%s', async (_, services, env, message) => {
    const outcome = await ended(['--services', services], { KAFKA_BROKERS: '', ...env })
    expect(outcome).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(message) })
  })

  it('a part beyond this machine without the keys that it needs', async () => {
    const env = { KAFKA_BROKERS: '127.0.0.1:9', CLICKHOUSE_URL: 'http://127.0.0.1:9', WEAKLINK_WRITE_KEYS: WRITE }
    const outcome = await ended(['--host', '0.0.0.0', '--services', 'tracker'], env)
    expect(outcome).toMatchObject({ status: 1, stderr: expect.stringMatching(/: WEAKLINK_READ_KEYS or .* to ask/) })
  })
})

await describeWithJava('weaklink up in parts, on Kafka', () => {
  let broker: Broker
  let server: EmbeddedServer
  let env: NodeJS.ProcessEnv
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([
      startBroker({ secure: { users: [{ username: 'weaklink', password: 'right' }] } }),
      startEmbeddedServer({ directory: join(folder.path, 'clickhouse'), what: 'a test' }),
    ])
    const url = new URL(server.url)
    url.username = server.username
    url.password = server.password
    env = {
      ...KEYS,
      KAFKA_BROKERS: broker.brokers.join(','),
      // As soon as may be.
      KAFKA_SESSION_MS: '6000',
      CLICKHOUSE_URL: url.href,
      NODE_OPTIONS: `--import ${pathToFileURL(HOOK)}`,
    }
  })
  afterEach(endAll)
  afterAll(async () => {
    await server?.stop()
    await broker?.stop()
  })

  /** A process that runs these services, from when it has told where. */
  async function part(services: string, dataDir = join(folder.path, 'never-made')): Promise<Part> {
    const one = background(['up', '--services', services, '--port', '0', '--json', '--data-dir', dataDir], { env })
    const isUp = () => /^\}$/m.test(one.stdout())
    await until(() => isUp() || one.child.exitCode !== null, `${services} was up`)
    if (!isUp()) throw new Error(`${services} did not start: ${one.stderr()}`)
    const says = JSON.parse(one.stdout()) as Part['says']
    expect(says).toMatchObject({ services: [services], log: env.KAFKA_BROKERS, dataDirectory: null })
    return { ...one, url: String(says.url), says }
  }

  const readiness = async ({ url }: Pick<Part, 'url'>) => {
    const answer = await fetch(`${url}/readyz`)
    return [answer.status, await answer.text()] as const
  }
  const owned = async ({ url }: Part): Promise<number[]> => {
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${READ}` } })
    const text = await answer.text()
    const partitions = [...text.matchAll(/^weaklink_tracker_lag_records\{partition="(\d+)"\} \d+$/gm)]
    expect(text).toContain(`weaklink_tracker_partitions ${partitions.length}\n`)
    return partitions.map(([, partition]) => Number(partition))
  }
  const numbers = (n: number) => Array.from({ length: n }, (_, k) => k)

  let sent = 0
  /** Sends one chain each of so many new customers, which counts where it is acknowledged. */
  async function send({ url }: Pick<Part, 'url'>, customers: number): Promise<Response> {
    const interactions = numbers(customers).flatMap((k) => {
      const customer = `c-${sent + k}`
      return [
        { id: `${customer}-1`, customer, touchpoint: 'site_visit', at: ago(60) },
        { id: `${customer}-2`, customer, touchpoint: 'deal_lost', at: ago(50), outcome: 'refused' },
      ]
    })
    const answer = await fetch(`${url}/v1/interactions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${WRITE}`, 'content-type': 'application/json' },
      body: JSON.stringify(interactions),
    })
    if (answer.status === 202) sent += customers
    return answer
  }
  const taken = { status: 202 }
  const refused = async (answer: Promise<Response>) => {
    const { status, headers } = await answer
    expect([status, Number(headers.get('retry-after'))]).toEqual([503, expect.any(Number)])
  }
  /** Waits until every chain that was sent is in the report of the API. */
  const allThere = ({ url }: Part) =>
    until(async () => {
      const answer = await fetch(`${url}/api/v1/reports/breakpoints`, { headers: { authorization: `Bearer ${READ}` } })
      expect(answer.status).toBe(200)
      const { totals } = (await answer.json()) as BreakpointsReport
      expect(totals.broken).toBeLessThanOrEqual(sent)
      return totals.broken === sent
    }, `all ${sent} chains were there`)

  describe('before the topics are there', () => {
    it('a service ends, and says how they are made', async () => {
      expect(await ended(['--services', 'collector'], env)).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^there is no topic weaklink.interactions .*: weaklink migrate --partitions 8$/m),
      })
    })

    it('a wrong password ends it too', async () => {
      const secure = {
        KAFKA_BROKERS: broker.secure?.brokers.join(','),
        KAFKA_SSL: 'true',
        KAFKA_SSL_CA: broker.secure?.ca,
      }
      const account = { KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: 'weaklink' }
      const start = (password: string) =>
        ended(['--services', 'collector'], { ...env, ...secure, ...account, KAFKA_SASL_PASSWORD: password })
      const [wrong, right] = await Promise.all([start('wrong'), start('right')])
      expect(wrong).toMatchObject({ status: 1, stderr: expect.stringMatching(/^.*authentication failed.*$/im) })
      expect(wrong.stderr).not.toMatch(STACK)
      expect(right.stderr).toMatch(/there is no topic/)
    })

    it('a Kafka that is away is waited for, which is said once, and to whoever asks', async () => {
      const away = background(['up', '--services', 'collector', '--port', '0', '--json'], {
        env: { ...env, KAFKA_BROKERS: '127.0.0.1:9' },
      })
      const listening = /listening at (http:[^"]+)/
      await until(() => listening.test(away.stderr()), 'it listened')
      const url = listening.exec(away.stderr())?.[1] ?? ''
      await until(async () => (await readiness({ url }))[1].includes('127.0.0.1:9'), 'it said what is away')
      await refused(send({ url }, 1))
      expect(await away.end()).toMatchObject({ status: 0, stdout: '' })
      expect(away.stderr().match(/Trying again/g)).toHaveLength(1)
    })
  })

  describe('with topics', () => {
    const migrate = (...more: readonly string[]) =>
      weaklink(['migrate', '--partitions', String(PARTITIONS), ...more], { env })
    beforeAll(async () => {
      expect(await migrate()).toMatchObject({ status: 0 })
    })

    it('trackers share the partitions; one that ends or is killed leaves them to the others, and nothing is lost', async () => {
      const parts = await Promise.all(['collector', 'tracker', 'tracker', 'api'].map((services) => part(services)))
      const [collector, first, second, api] = parts as [Part, Part, Part, Part]
      expect(collector.says.clickhouse).toBeNull()
      const all = async () => [...(await owned(first)), ...(await owned(second))].sort((a, b) => a - b)
      // The one that came first has all until the other one is there.
      const isHalf = async (part: Part) => (await owned(part)).length === PARTITIONS / 2
      await until(async () => (await isHalf(first)) && (await isHalf(second)), 'each had its half')
      expect(await all()).toEqual(numbers(PARTITIONS))
      for (const one of parts) expect(await readiness(one)).toEqual([200, '{"status":"ready"}'])
      expect(await send(first, 1)).toMatchObject({ status: 404 })

      expect(await send(collector, 300)).toMatchObject(taken)
      await allThere(api)

      expect(await first.end('SIGTERM')).toMatchObject({ status: 0, stderr: expect.stringContaining('has stopped') })
      expect(await send(collector, 300)).toMatchObject(taken)
      await until(async () => (await owned(second)).length === PARTITIONS, 'the other one had all')
      await allThere(api)

      await second.end('SIGKILL')
      expect(await send(collector, 300)).toMatchObject(taken)
      // On a new machine, with nothing.
      const empty = join(folder.path, 'empty')
      mkdirSync(empty)
      const third = await part('tracker', empty)
      await until(async () => (await owned(third)).length === PARTITIONS, 'the third one had all')
      await allThere(api)

      const store = connect({ ...server, database: DEFAULT_DATABASE })
      const [row] = await store.query('SELECT count() AS n, uniqExact(id) AS ids FROM interactions')
      await store.close()
      expect(row).toEqual({ n: 2 * sent, ids: 2 * sent })
      for (const one of [collector, third, api]) expect(await one.end()).toMatchObject({ status: 0 })
      expect([readdirSync(empty), existsSync(join(folder.path, 'never-made'))]).toEqual([[], false])
    })

    it('Kafka is killed and comes back: refused meanwhile, then taken in; one that hangs keeps nobody from ending', async () => {
      const parts = await Promise.all(['collector', 'tracker', 'api'].map((services) => part(services)))
      const [collector, tracker, api] = parts as [Part, Part, Part]
      await broker.kill()
      for (const one of parts) await until(async () => (await readiness(one))[0] === 503, 'it said that Kafka is away')
      expect((await readiness(tracker))[1]).toMatch(/Kafka at 127/)
      await refused(send(collector, 1))
      await broker.start()
      for (const one of parts) await until(async () => (await readiness(one))[0] === 200, 'it said that Kafka is back')
      await until(async () => (await send(collector, 100)).status === 202, 'it was taken in again')
      await allThere(api)

      broker.pause()
      try {
        for (const over of await Promise.all(parts.map((one) => one.end()))) expect(over).toMatchObject({ status: 0 })
      } finally {
        broker.resume()
      }
    })

    it('parts that share a directory share its keys, which one of them makes', async () => {
      const dataDir = join(folder.path, 'shared')
      const named = { KAFKA_BROKERS: env.KAFKA_BROKERS, CLICKHOUSE_URL: env.CLICKHOUSE_URL }
      const start = (services: string) =>
        background(['up', '--services', services, '--port', '0', '--data-dir', dataDir], { env: named })
      const parts = ['collector', 'api'].map(start)
      for (const one of parts) await until(() => one.stdout().includes('Ctrl-C'), 'it was up')
      const keys = JSON.parse(readFileSync(join(dataDir, 'keys.json'), 'utf8')) as { write: string; admin: string }
      expect(parts.filter((one) => one.stdout().includes(keys.write))).toHaveLength(1)
      const url = /up, collector: (\S+)$/m.exec(parts[0]?.stdout() ?? '')?.[1]
      const headers = { authorization: `Bearer ${keys.write}` }
      const answer = await fetch(`${url}/v1/interactions?dryRun=1`, { method: 'POST', headers, body: '[]' })
      expect(answer.status).toBe(200)
    })

    it('a topic that was created anew ends the tracker in one line, until the new one is meant', async () => {
      const parts = await Promise.all(['collector', 'tracker', 'api'].map((services) => part(services)))
      const [collector, tracker, api] = parts as [Part, Part, Part]
      expect(await send(collector, 1)).toMatchObject(taken)
      await allThere(api)
      const admin = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING }).admin()
      await admin.deleteTopics({ topics: ['weaklink.interactions'] })
      await admin.disconnect()
      expect(await migrate()).toMatchObject({ status: 0 })
      const over = await tracker.ended
      expect(over).toMatchObject({ status: 1, stderr: expect.stringMatching(/^.*weaklink\.interactions.*$/m) })
      expect(over.stderr).not.toMatch(STACK)
      const again = await ended(['--services', 'tracker'], env)
      expect(again).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^The topic .*weaklink migrate --new-log$/m),
      })
      expect(again.stderr).not.toMatch(STACK)
      expect(await migrate('--new-log')).toMatchObject({ status: 0 })
      expect(await readiness(await part('tracker'))).toEqual([200, '{"status":"ready"}'])
    })
  })
})
