import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { decodeFact, partitionOf, personOf } from '@weaklink/interactions'
import fc from 'fast-check'
import { type EachMessagePayload, Kafka, logLevel } from 'kafkajs'
import { afterAll, expect, it } from 'vitest'
import { describeWithJava, ownName, realKafka } from '../support/kafka.ts'
import { temporaryFolder } from '../support/weaklink.ts'

// Any producer in any language may write to the topic: then a customer's records must lie where ours would. The Java
// client is the one that the others follow.

const run = promisify(execFile)
const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

await describeWithJava('a producer in Java', ({ java, classPath }) => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  const produce = (program: string, ...args: readonly string[]) =>
    run(java, ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', classPath, program, ...args])

  it('puts every key where partitionOf does', async () => {
    const { client, brokers } = await connected()
    const keys = keysToTry()
    const file = join(folder.path, 'keys')
    await writeFile(file, keys.map((key) => `${Buffer.from(key).toString('base64')}\n`).join(''))
    const topics = new Map([1, 3, 8, 50].map((partitions) => [ownName(`keys-${partitions}`), partitions]))
    await onTopics(client, topics, async () => {
      await produce(source('KeyProducer.java'), brokers, file, ...topics.keys())
      const wrong: object[] = []
      let seen = 0
      await readAll(client, [...topics.keys()], keys.length * topics.size, ({ topic, partition, message }) => {
        const key = keys[Number(message.value)]!
        const expected = partitionOf(key, topics.get(topic)!)
        if (message.key?.toString() !== key || partition !== expected) wrong.push({ topic, key, partition, expected })
        seen++
      })
      expect({ seen, wrong }).toEqual({ seen: keys.length * topics.size, wrong: [] })
    })
  })

  it('writes interactions that we read, by the example', async () => {
    const { client, brokers } = await connected()
    const topic = ownName('interactions')
    await onTopics(client, new Map([[topic, 3]]), async () => {
      await produce(source('../../infra/kafka/InteractionProducer.java'), brokers, topic, '5')
      const touchpoints: Record<string, string[]> = {}
      await readAll(client, [topic], 15, ({ partition, message }) => {
        const headers = Object.fromEntries(
          Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
        )
        const decoded = decodeFact({ key: message.key, value: message.value!, headers }, Number(message.timestamp))
        if (!decoded.ok || decoded.fact.kind !== 'interaction') throw new Error(JSON.stringify(decoded))
        const { interaction } = decoded.fact
        const { customer } = personOf(interaction)
        expect(partition).toBe(partitionOf(customer, 3))
        expect(headers).toMatchObject({ ce_specversion: '1.0', ce_id: interaction.id, ce_subject: customer })
        touchpoints[customer] = [...(touchpoints[customer] ?? []), interaction.touchpoint]
      })
      const each = ['ad_view', 'call_wait', 'order']
      expect(touchpoints).toEqual(Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`java-${n}`, each])))
    })
  })
})

async function connected(): Promise<{ client: Kafka; brokers: string }> {
  const { brokers } = await realKafka()
  // With Java there is always one.
  if (brokers === null) throw new Error('no broker')
  return { client: new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }), brokers: brokers.join(',') }
}

/** A few thousand, different from each other: by hand what tends to go wrong, and by chance whatever else there is. */
function keysToTry(): string[] {
  const byHand = ['', ' ', '0', 'a', 'ab', 'abc', 'abcd', 'abcde', '\u0000', '\u007f', '\u0080', '\uffff', '\ufeff']
  const alphabets = [
    'c-1',
    'Ада',
    '客户',
    'مشتر',
    '🙂',
    '👩‍👩‍👧',
    'e\u0301',
    'x'.repeat(300),
    'ж'.repeat(400),
    '🦊'.repeat(90),
  ]
  const counted = alphabets.flatMap((text) => Array.from({ length: 100 }, (_, n) => `${text}${n}`))
  const random = [
    ...fc.sample(fc.string({ unit: 'binary', maxLength: 300 }), 1000),
    ...fc.sample(fc.uuid(), 500),
    // Whatever bytes there are, as the text that they are read as.
    ...fc.sample(fc.uint8Array({ maxLength: 64 }), 1000).map((bytes) => Buffer.from(bytes).toString('utf8')),
  ]
  return [...new Set([...byHand, ...counted, ...random])]
}

async function onTopics(client: Kafka, topics: ReadonlyMap<string, number>, work: () => Promise<void>): Promise<void> {
  const admin = client.admin()
  await admin.connect()
  try {
    await admin.createTopics({
      topics: [...topics].map(([topic, numPartitions]) => ({ topic, numPartitions, replicationFactor: 1 })),
      waitForLeaders: true,
    })
    try {
      await work()
    } finally {
      await admin.deleteTopics({ topics: [...topics.keys()] })
    }
  } finally {
    await admin.disconnect()
  }
}

/** Resolves when so many records were handed over; rejects with what `each` throws. */
async function readAll(
  client: Kafka,
  topics: string[],
  count: number,
  each: (payload: EachMessagePayload) => void,
): Promise<void> {
  const consumer = client.consumer({ groupId: ownName('reader') })
  await consumer.connect()
  try {
    await consumer.subscribe({ topics, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      let left = count
      const eachMessage = async (payload: EachMessagePayload) => {
        try {
          each(payload)
        } catch (error) {
          reject(error)
        }
        if (--left === 0) resolve()
      }
      consumer.run({ eachMessage }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
}
