import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Admin, Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs'
import { afterEach, expect, test } from 'vitest'
import { type Broker, type BrokerOptions, startBroker } from '../../infra/kafka/broker.ts'
import { brokerAnswers } from '../../infra/kafka/ports.ts'
import { describeWithJava } from '../support/kafka.ts'
import { lives, until } from '../support/up.ts'

// The support that other tests kill and pause brokers with.

const OWNER = fileURLToPath(new URL('programs/broker-owner.ts', import.meta.url))
const running: Broker[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((broker) => broker.stop()))
})

async function start(options?: BrokerOptions): Promise<Broker> {
  const broker = await startBroker(options)
  running.push(broker)
  return broker
}

async function asAdmin<T>(config: KafkaConfig, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ logLevel: logLevel.NOTHING, retry: { retries: 2 }, ...config }).admin()
  try {
    await admin.connect()
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

await describeWithJava('a broker of Apache Kafka', () => {
  test('comes back on the same ports with the same data after a SIGKILL; wiped, it is another cluster', async () => {
    const broker = await start()
    const config = { brokers: [...broker.brokers] }
    const clusterOf = () => asAdmin(config, async (admin) => (await admin.describeCluster()).clusterId)
    const topics = () => asAdmin(config, (admin) => admin.listTopics())
    const cluster = await clusterOf()
    await asAdmin(config, (admin) => admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 3 }] }))
    const { pid } = broker

    await broker.kill()
    expect(await broker.ended).toContain('SIGKILL')
    expect([broker.pid, lives(pid!)]).toEqual([null, false])
    await broker.start()
    expect([await clusterOf(), await topics()]).toEqual([cluster, ['kept']])

    await expect(broker.wipe()).rejects.toThrow('kill it first')
    await broker.kill('SIGTERM')
    await broker.wipe()
    await broker.start()
    expect(await clusterOf()).not.toBe(cluster)
    expect(await topics()).toEqual([])

    await broker.stop()
    expect(existsSync(broker.directory)).toBe(false)
  })

  test('paused, it answers nothing; continued, it goes on', async () => {
    const broker = await start()
    const port = Number(broker.brokers[0]!.split(':')[1])
    broker.pause()
    await until(async () => !(await brokerAnswers(port)), 'it was silent')
    expect([await brokerAnswers(port), lives(broker.pid!)]).toEqual([false, true])
    broker.resume()
    await until(() => brokerAnswers(port), 'it answered again')
    broker.pause()
    await broker.kill('SIGTERM')
  })

  test('with TLS and passwords, by each mechanism', async () => {
    const user = { username: 'alice', password: randomBytes(9).toString('hex') }
    const broker = await start({ secure: { users: [user, { username: 'bob', password: 'b' }] } })
    const { brokers, ca } = broker.secure!
    const secure = (sasl: SASLOptions, ssl: KafkaConfig['ssl'] = { ca: [readFileSync(ca, 'utf8')] }) =>
      asAdmin({ brokers: [...brokers], ssl, sasl, retry: { retries: 0 } }, (admin) => admin.describeCluster())
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      expect((await secure({ mechanism, ...user })).brokers).toHaveLength(1)
      await expect(secure({ mechanism, ...user, password: 'wrong' })).rejects.toThrow(/[Aa]uthentication|credentials/)
    }
    await expect(secure({ mechanism: 'plain', ...user }, true)).rejects.toThrow(/certificate/)
    // The plain listener is there as well, for whoever looks at what happened.
    await asAdmin({ brokers: [...broker.brokers] }, (admin) => admin.listTopics())
  })

  test('may ask for a certificate of the client', async () => {
    const user = { username: 'alice', password: 'secret' }
    const broker = await start({ secure: { users: [user], clientCertificates: true } })
    const files = broker.secure!
    const connect = (ssl: object) =>
      asAdmin(
        {
          brokers: [...files.brokers],
          ssl: { ca: [readFileSync(files.ca, 'utf8')], ...ssl },
          sasl: { mechanism: 'scram-sha-256', ...user },
          retry: { retries: 0 },
        },
        (admin) => admin.listTopics(),
      )
    await connect({ cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') })
    await expect(connect({})).rejects.toThrow()
  })

  test('that does not start says why', async () => {
    await expect(startBroker({ properties: { 'num.io.threads': 'many' } })).rejects.toThrow(
      /did not start: it ended with exit code 1\n.*Invalid value many for configuration num.io.threads/s,
    )
  })

  test('dies with its owner, also where that one is killed', async () => {
    const owner = spawn(process.execPath, [OWNER], { stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve, reject) => {
      owner.stdout.setEncoding('utf8').once('data', resolve)
      owner.once('exit', (code) => reject(new Error(`it ended with ${code}`)))
    })
    const { pid, directory } = JSON.parse(line) as { pid: number; directory: string }
    try {
      expect(lives(pid)).toBe(true)
      owner.kill('SIGKILL')
      await until(() => !lives(pid), 'the broker was gone')
    } finally {
      owner.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    }
  })
})
