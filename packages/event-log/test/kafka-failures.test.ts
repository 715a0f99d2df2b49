import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, describe, expect, test } from 'vitest'
import { type Broker, startBroker } from '../../../infra/kafka/broker.ts'
import { describeOnKafka, describeWithJava, ownName } from '../../../tests/support/kafka.ts'
import type { Consumer, EventLog, PartitionHandler } from '../src/index.ts'
import { Fetcher } from '../src/kafka/fetcher.ts'
import { type KafkaLog, type KafkaOptions, openKafkaLog } from '../src/kafka/index.ts'
import { clusterOf } from '../src/kafka/wire.ts'
import { eventually, failureOf, Recorder, readAll, record, text } from './contract.ts'

const opened: EventLog[] = []
const consumers: Consumer[] = []
const clients: { disconnect(): Promise<void> }[] = []
afterEach(async () => {
  for (const consumer of consumers.splice(0)) await consumer.stop()
  for (const log of opened.splice(0)) await log.close()
  for (const client of clients.splice(0)) await client.disconnect()
})

function open(brokers: readonly string[], options: Partial<KafkaOptions> = {}): KafkaLog {
  const log = openKafkaLog({ brokers, ...options })
  opened.push(log)
  return log
}

async function consume(log: EventLog, topic: string, handler: PartitionHandler, group = ownName('group')) {
  const consumer = await log.consume(topic, group, handler)
  consumers.push(consumer)
  return consumer
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
const kafkaAt = (brokers: readonly string[]) => new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })

async function adminOf(brokers: readonly string[]) {
  const admin = kafkaAt(brokers).admin()
  await admin.connect()
  clients.push(admin)
  return admin
}

async function transactionsOf(brokers: readonly string[]) {
  const producer = kafkaAt(brokers).producer({
    transactionalId: ownName('id'),
    maxInFlightRequests: 1,
    idempotent: true,
  })
  await producer.connect()
  clients.push(producer)
  return producer
}

await describeOnKafka('a group on Kafka', ({ brokers }) => {
  test('deals partitions out evenly; what a member keeps goes on undisturbed; who leaves or dies is replaced', async () => {
    const topic = ownName('shared')
    const group = ownName('group')
    const log = open(brokers)
    await log.createTopic(topic, 6)
    const [a, b] = [new Recorder(), new Recorder()]
    const first = await consume(log, topic, a, group)
    await eventually(() => expect(a.assignedTo.toSorted()).toEqual(range(0, 6)))
    const second = await consume(open(brokers), topic, b, group)
    await eventually(() => expect(b.assignedTo).toHaveLength(3))
    await eventually(() => expect(a.lostFrom.toSorted()).toEqual(b.assignedTo.toSorted()))
    expect(a.assignedTo).toHaveLength(6)
    expect((await log.membersOf(group)).length).toBe(2)

    await log.append(
      topic,
      range(0, 600).map((n) => record(n % 6, `${n}`)),
    )
    const received = () => range(0, 6).flatMap((partition) => [...a.texts(partition), ...b.texts(partition)])
    await eventually(() => expect(new Set(received())).toEqual(new Set(range(0, 600).map(String))))
    expect(received()).toHaveLength(600)

    await second.stop()
    expect(b.revokedFrom.toSorted()).toEqual(b.assignedTo.toSorted())
    await eventually(() => expect(a.assignedTo).toHaveLength(9))
    await first.stop()
    expect(a.revokedFrom.toSorted()).toEqual(range(0, 6))
    expect(await log.membersOf(group)).toEqual([])
  })

  test('does not lose a member whose handler takes longer than a session', async () => {
    const topic = ownName('slow')
    const group = ownName('group')
    const log = open(brokers, { sessionMs: 6_000 })
    await log.createTopic(topic, 1)
    await log.append(topic, [record(0, 'a')])
    const begun = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const slow = new Recorder()
    slow.records = async () => {
      begun.resolve()
      await go.promise
    }
    await consume(log, topic, slow, group)
    await begun.promise
    await sleep(8_000)
    expect(slow.lostFrom).toEqual([])
    expect(await log.membersOf(group)).toHaveLength(1)
    go.resolve()
    await eventually(() => expect(slow.caughtUpAt.get(0)).toContain(1))
    expect(slow.assignedTo).toEqual([0])
  })

  test('hands a partition to one that came while its records were worked on, and tells who had it at once', async () => {
    const topic = ownName('handed')
    const group = ownName('group')
    const log = open(brokers)
    await log.createTopic(topic, 2)
    await log.append(topic, [record(0, 'a'), record(1, 'b')])
    const go = Promise.withResolvers<void>()
    const stuck = new Recorder()
    const handled: number[] = []
    stuck.records = async (partition) => {
      await go.promise
      handled.push(partition)
    }
    await consume(log, topic, stuck, group)
    await eventually(() => expect(stuck.assignedTo).toHaveLength(2))
    const other = new Recorder()
    await consume(open(brokers), topic, other, group)
    await eventually(() => expect(other.received.size).toBe(1))
    expect(stuck.lostFrom).toEqual([...other.received.keys()])
    expect(handled).toEqual([])
    go.resolve()
    await eventually(() => expect(handled).toHaveLength(2))
    // Of the one that it lost it hears no more.
    expect(stuck.caughtUpAt.has(stuck.lostFrom[0]!)).toBe(false)
  })
})

await describeOnKafka('a log on Kafka', ({ brokers }) => {
  test('a position that retention has taken away is a named error, never a reset', async () => {
    const topic = ownName('trimmed')
    const log = open(brokers)
    await log.createTopic(topic, 1)
    await log.append(
      topic,
      range(0, 100).map((n) => record(0, `${n}`)),
    )
    const admin = await adminOf(brokers)
    await admin.fetchTopicMetadata({ topics: [topic] })
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '40' }] })
    const recorder = new Recorder(() => 10)
    expect(await failureOf(await consume(log, topic, recorder))).toMatchObject({
      ...{ code: 'position_out_of_range', topic, partition: 0, position: 10, start: 40, end: 100 },
    })
    expect(recorder.received.size).toBe(0)
    await expect(log.read(topic, 0, 10, 1)).rejects.toMatchObject({ code: 'position_out_of_range', start: 40 })
    expect(await log.ranges(topic)).toEqual([{ partition: 0, start: 40, end: 100 }])
  })

  test('an answer that comes for where a partition was read before is none for where it is read now', async () => {
    const topic = ownName('elsewhere')
    const log = open(brokers)
    await log.createTopic(topic, 1)
    await log.append(
      topic,
      range(0, 100).map((n) => record(0, `${n}`)),
    )
    const fetcher = new Fetcher({
      cluster: clusterOf(kafkaAt(brokers)),
      topic,
      check: async () => {},
      outOfRange: async () => new Error('out of range'),
      unreadable: () => new Error('unreadable'),
    })
    for (const from of range(0, 20)) {
      const end = (await log.ranges(topic))[0]!.end
      expect(await fetcher.read(0, end)).toEqual({ records: [], next: end })
      // The broker is being asked from the end on when somebody else begins further in front, and something comes.
      const [{ records }] = await Promise.all([
        sleep(from).then(() => {
          fetcher.forget(0)
          return fetcher.read(0, from)
        }),
        sleep(from).then(() => log.append(topic, [record(0, 'new')])),
      ])
      expect(records[0]?.offset).toBe(from)
      fetcher.forget(0)
    }
    await fetcher.ended()
  })

  test('a topic that is deleted and created anew while it is read is a named error', async () => {
    const topic = ownName('anew')
    const log = open(brokers)
    const before = await log.createTopic(topic, 1)
    await log.append(topic, [record(0, 'a'), record(0, 'b')])
    const recorder = new Recorder()
    const consumer = await consume(log, topic, recorder)
    await eventually(() => expect(recorder.texts(0)).toEqual(['a', 'b']))
    const failed = failureOf(consumer)
    const admin = await adminOf(brokers)
    await admin.deleteTopics({ topics: [topic] })
    const other = open(brokers)
    await eventually(async () => expect((await other.createTopic(topic, 1)).identity).not.toBe(before.identity))
    await other.append(
      topic,
      ['x', 'y', 'z'].map((value) => record(0, value)),
    )
    const error = await failed
    expect(error).toMatchObject({ code: 'topic_recreated' })
    expect(recorder.texts(0)).toEqual(['a', 'b'])
  })

  test('a topic that is deleted leaves the others alone', async () => {
    const [gone, stays] = [ownName('gone'), ownName('stays')]
    const log = open(brokers)
    for (const topic of [gone, stays]) {
      await log.createTopic(topic, 1)
      await log.append(topic, [record(0, 'a')])
      await log.ranges(topic)
      await log.read(topic, 0, 0, 1)
    }
    await (await adminOf(brokers)).deleteTopics({ topics: [gone] })
    await eventually(() => expect(log.describe(gone)).rejects.toMatchObject({ code: 'topic_unknown' }))
    expect((await log.read(stays, 0, 0, 1)).map(text)).toEqual(['a'])
    expect(await log.ranges(stays)).toEqual([{ partition: 0, start: 0, end: 1 }])
    expect(await log.append(stays, [record(0, 'b')])).toEqual([1])
    await expect(log.append(gone, [record(0, 'b')])).rejects.toMatchObject({
      message: expect.stringContaining(`no topic ${gone}`),
    })
    expect(await log.append(stays, [record(0, 'c')])).toEqual([2])
  })

  test('partitions that somebody adds end whoever reads: customers would stand elsewhere than their history', async () => {
    const topic = ownName('grown')
    const log = open(brokers)
    const before = await log.createTopic(topic, 1)
    const recorder = new Recorder()
    const consumer = await consume(log, topic, recorder)
    await eventually(() => expect(recorder.caughtUpAt.get(0)).toContain(0))
    const failed = failureOf(consumer)
    const admin = await adminOf(brokers)
    await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] })
    await eventually(async () => {
      const after = await log.describe(topic)
      expect(after).toMatchObject({ partitions: 2 })
      expect(after.identity).not.toBe(before.identity)
    })
    expect(await failed).toMatchObject({ code: 'topic_recreated' })
  })

  test('one that is idle for long is not one that stands still', async () => {
    const topic = ownName('idle')
    const log = open(brokers, { stallMs: 1_000 })
    await log.createTopic(topic, 1)
    const recorder = new Recorder()
    const consumer = await consume(log, topic, recorder)
    let ended = false
    consumer.done
      .catch(() => {})
      .finally(() => {
        ended = true
      })
    for (let n = 0; n < 6; n++) {
      await sleep(1_150)
      await log.append(topic, [record(0, `${n}`)])
    }
    await eventually(() => expect(recorder.texts(0)).toHaveLength(6))
    expect(ended).toBe(false)
  })

  test('aborted transactions are not read, committed ones are, and the end is reached behind their marks', async () => {
    const topic = ownName('transactions')
    const log = open(brokers)
    await log.createTopic(topic, 1)
    const producer = await transactionsOf(brokers)
    const send = async (value: string, outcome: 'commit' | 'abort') => {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ partition: 0, value }] })
      await transaction[outcome]()
    }
    await log.append(topic, [record(0, 'plain')])
    await send('aborted', 'abort')
    await send('committed', 'commit')
    await send('aborted too', 'abort')
    const recorder = new Recorder()
    await consume(log, topic, recorder)
    const { end } = (await log.ranges(topic))[0]!
    expect(end).toBe(7)
    await eventually(() => expect(recorder.caughtUpAt.get(0)).toContain(end))
    expect(recorder.texts(0)).toEqual(['plain', 'committed'])
    expect((await log.read(topic, 0, 0, 10)).map(text)).toEqual(['plain', 'committed'])
    expect(await log.read(topic, 0, 5, 10)).toEqual([])
  })

  test('a partition that stands still while its end moves ends the consumer by name', async () => {
    const topic = ownName('stalled')
    const log = open(brokers, { stallMs: 3_000 })
    await log.createTopic(topic, 2)
    const producer = await transactionsOf(brokers)
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ partition: 1, value: 'never committed' }] })
    await log.append(topic, [record(0, 'a'), record(1, 'behind it')])
    const recorder = new Recorder()
    const error = await failureOf(await consume(log, topic, recorder))
    expect(error).toMatchObject({ code: 'partition_stalled' })
    expect((error as Error).message).toMatch(/partition 1 of topic \S+ stands still at offset 0 .* up to 2/)
    expect(recorder.texts(0)).toEqual(['a'])
    await transaction.abort()
  })

  test('a record that the topic does not take is named, and those beside it are taken', async () => {
    const topic = ownName('large')
    const log = open(brokers)
    await log.createTopic(topic, 1)
    const large = { partition: 0, key: null, value: Buffer.alloc(1_100_000) }
    const [refused, taken] = await Promise.allSettled([
      log.append(topic, [large]),
      sleep(50).then(() => log.append(topic, [record(0, 'small')])),
    ])
    expect(refused).toMatchObject({ reason: { code: 'record_too_large', message: expect.stringContaining(topic) } })
    expect(taken).toEqual({ status: 'fulfilled', value: [0] })
  })

  test('settings of a topic are made and told', async () => {
    const topic = ownName('settings')
    const log = open(brokers)
    await log.createTopic(topic, 2, { retentionMs: 86_400_000, maxMessageBytes: 2_000_000, cleanupPolicy: 'compact' })
    expect(await log.settingsOf(topic)).toEqual({
      ...{ replication: 1, retentionMs: 86_400_000, timestampType: 'LogAppendTime', maxMessageBytes: 2_000_000 },
      cleanupPolicy: 'compact',
    })
    const forever = ownName('settings')
    await log.createTopic(forever, 1, { retentionMs: null, timestampType: 'CreateTime' })
    expect(await log.settingsOf(forever)).toMatchObject({ retentionMs: null, timestampType: 'CreateTime' })
  })
})

await describeWithJava('a broker', () => {
  const brokers: Broker[] = []
  afterEach(async () => {
    for (const broker of brokers.splice(0)) await broker.stop()
  })
  const start = async (...options: Parameters<typeof startBroker>) => {
    const broker = await startBroker(...options)
    brokers.push(broker)
    return broker
  }

  test('that dies and comes back: what was acknowledged is there, readers go on, writers too', async () => {
    const broker = await start()
    const log = open(broker.brokers)
    const topic = ownName('dies')
    await log.createTopic(topic, 2)
    const recorder = new Recorder()
    await consume(log, topic, recorder)
    const acknowledged: string[] = []
    let writing = true
    const writer = (async () => {
      for (let n = 0; writing; n++) {
        const batch = [record(0, `${n}/0`), record(1, `${n}/1`)]
        const offsets = await log.append(topic, batch).catch((error: { retryHelps?: boolean }) => {
          expect(error).toMatchObject({ retryHelps: true })
          return null
        })
        if (offsets !== null) acknowledged.push(...batch.map(text))
        else await sleep(100)
      }
    })()
    for (const _ of range(0, 2)) {
      const before = acknowledged.length
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 100))
      await broker.kill('SIGKILL')
      await sleep(1_000)
      await broker.start()
    }
    const before = acknowledged.length
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 100))
    writing = false
    await writer
    await eventually(() => {
      const read = new Set([...recorder.texts(0), ...recorder.texts(1)])
      expect(acknowledged.filter((one) => !read.has(one))).toEqual([])
    })
    for (const partition of [0, 1])
      expect(recorder.offsets(partition)).toEqual(range(0, recorder.offsets(partition).length))
  })

  test('that does not answer for longer than requests wait: what is acknowledged later is stored under its own offset', async () => {
    const broker = await start()
    const log = open(broker.brokers)
    const topic = ownName('hangs')
    await log.createTopic(topic, 1)
    await log.append(topic, [record(0, 'before')])
    broker.pause()
    // The broker will have taken it when it wakes; the client was never told.
    const lost = log.append(topic, [record(0, 'unknown')]).catch((error) => error)
    await sleep(200)
    const waking = sleep(17_000).then(() => broker.resume())
    const outcome = await lost
    await waking
    if (outcome instanceof Error) expect(outcome).toMatchObject({ retryHelps: true })
    const [offset] = (await log.append(topic, [record(0, 'after')])) as [number]
    const stored = (await readAll(log, topic, 0)).map(text)
    expect(stored[offset]).toBe('after')
    expect(stored.filter((one) => one !== 'unknown')).toEqual(['before', 'after'])
  })

  test('whose disk was damaged: the batch is named with its offsets, those before it are delivered, its bytes can be had', async () => {
    const broker = await start()
    const topic = ownName('damaged')
    const log = open(broker.brokers)
    await log.createTopic(topic, 1)
    for (const n of range(0, 3))
      await log.append(
        topic,
        range(0, 10).map((k) => record(0, `batch ${n}, record ${k}`)),
      )
    await log.close()
    await broker.kill('SIGTERM')
    const folder = readdirSync(broker.directory, { recursive: true, encoding: 'utf8' }).find((one) =>
      one.endsWith(join(`${topic}-0`, '00000000000000000000.log')),
    )!
    const path = join(broker.directory, folder)
    const bytes = readFileSync(path)
    bytes.write('BATCH', bytes.indexOf('batch 1, record 4'))
    writeFileSync(path, bytes)
    await broker.start()

    const again = open(broker.brokers)
    const recorder = new Recorder()
    const error = await failureOf(await consume(again, topic, recorder))
    expect(error).toMatchObject({ code: 'batch_unreadable' })
    expect((error as Error).message).toMatch(
      new RegExp(
        `partition 0 of topic ${topic} holds .* offsets 10 to 19: its checksum .* rejected skip --partition 0 --offset 10`,
      ),
    )
    expect(recorder.offsets(0)).toEqual(range(0, 10))
    expect(await again.unreadableBatch(topic, 0, 0)).toBeNull()
    const batch = await again.unreadableBatch(topic, 0, 10)
    expect(batch).toMatchObject({ offset: 10, next: 20 })
    expect(batch?.bytes.includes('BATCH 1, record 4')).toBe(true)
    await expect(again.read(topic, 0, 10, 5)).rejects.toMatchObject({ code: 'batch_unreadable' })
    expect(await again.unreadableBatch(topic, 0, 20)).toBeNull()
    const behind = new Recorder(() => 20)
    await consume(again, topic, behind)
    await eventually(() => expect(behind.offsets(0)).toEqual(range(20, 30)))
  })

  test('that lost its data is a named error', async () => {
    const broker = await start()
    const log = open(broker.brokers)
    const topic = ownName('wiped')
    await log.createTopic(topic, 1)
    await log.append(topic, [record(0, 'a'), record(0, 'b')])
    const recorder = new Recorder()
    const consumer = await consume(log, topic, recorder)
    await eventually(() => expect(recorder.texts(0)).toEqual(['a', 'b']))
    const failed = failureOf(consumer)
    await broker.kill('SIGKILL')
    await broker.wipe()
    await broker.start()
    expect(await failed).toMatchObject({ code: 'topic_unknown', message: expect.stringContaining(topic) })
    const other = open(broker.brokers)
    await other.createTopic(topic, 1)
    await other.append(topic, [record(0, 'x')])
    const resumed = new Recorder(() => 2)
    expect(await failureOf(await consume(other, topic, resumed))).toMatchObject({
      ...{ code: 'position_out_of_range', position: 2, start: 0, end: 1 },
    })
  })

  describe('with TLS and passwords', () => {
    const users = [{ username: 'weaklink', password: 'correcthorse' }]

    test('takes those that show the right ones, by every mechanism, and tells the others what is wrong', async () => {
      const { secure } = await start({ secure: { users } })
      const { ca, brokers: addresses } = secure!
      const ssl = { ca: readFileSync(ca, 'utf8') }
      const account = { username: 'weaklink', password: 'correcthorse' }
      const topic = ownName('secret')
      for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
        const log = open(addresses, { ssl, sasl: { mechanism, ...account } })
        await log.createTopic(topic, 1)
        await log.append(topic, [record(0, mechanism)])
        const recorder = new Recorder()
        await consume(log, topic, recorder)
        await eventually(() => expect(recorder.texts(0)).toContain(mechanism))
        const wrong = open(addresses, { ssl, sasl: { mechanism, ...account, password: 'wrong' } })
        await expect(wrong.describe(topic)).rejects.toMatchObject({ code: 'not_authorized', retryHelps: false })
        await expect(wrong.append(topic, [record(0, 'x')])).rejects.toMatchObject({ code: 'not_authorized' })
      }
      const untrusting = open(addresses, { ssl: true, sasl: { mechanism: 'plain', ...account } })
      await expect(untrusting.describe(topic)).rejects.toThrow(/certificate/)
    })
  })
})
