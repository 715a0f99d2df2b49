import { type Consumer, Kafka, logLevel, Partitioners } from 'kafkajs'
import { type Compression, openKafkaLog } from '../../packages/event-log/src/kafka/index.ts'
import { encode, eventHeaders, partitionOfKey } from '../../packages/interactions/src/index.ts'
import { chance } from '../../services/simulator/src/index.ts'
import { stream } from './stream.ts'

/**
 * One client of kafka-clients.ts, in a process of its own: `ours COMPRESSION`, `kafkajs` or `kafkajs-gathered`. Does what
 * it is asked, and answers what that took of this process.
 */

export type ClientKind = 'ours' | 'kafkajs' | 'kafkajs-gathered'

export type Task =
  | (Topic & { readonly task: 'append'; readonly callers: number; readonly batch: number })
  | (Topic & { readonly task: 'consume'; readonly group: string })

interface Topic {
  readonly topic: string
  readonly partitions: number
  /** How many are appended, or are to be read. */
  readonly records: number
}
type Append = Extract<Task, { task: 'append' }>
type Consume = Extract<Task, { task: 'consume' }>

/** Of this process. */
export interface Took {
  readonly seconds: number
  readonly cpuSeconds: number
}

/** Averages of what is appended. */
export interface Sizes {
  readonly value: number
  readonly headers: number
}

/** Different interactions, again and again: far more than one batch of a partition holds, so compression never meets one twice. */
const DIFFERENT = 50_000
/** As the log asks for. */
const FETCH = { maxWaitMs: 100, maxBytes: 16_000_000, partitionBytes: 2_000_000 }

const PAGES = evenly('/', '/repairs', '/prices', '/repairs/screen', '/contact')
const DEVICES = evenly('phone, android', 'phone, ios', 'desktop, windows', 'tablet')

interface Message {
  readonly key: Buffer
  readonly value: Buffer
  readonly headers: Readonly<Record<string, string>>
}

function evenly(...choices: readonly string[]) {
  return choices.map((choice) => [choice, 1] as const)
}

function messagesOf(count: number): Message[] {
  const random = chance(5)
  const hex = (digits: number) => Array.from({ length: digits }, () => random.between(0, 15).toString(16)).join('')
  const all = stream({ interactions: count, customers: count / 5, days: 120 })
  return Array.from(all, (one) => {
    const props = {
      ...one.props,
      session: hex(16),
      page: random.pick(PAGES),
      visit: random.between(1, 40),
      device: random.pick(DEVICES),
    }
    const value = Buffer.from(encode({ ...one, id: hex(32), props }))
    return { key: Buffer.from(one.customer ?? ''), value, headers: eventHeaders(value) }
  })
}

const [kind = 'ours', compression = 'none', ...brokers] = process.argv.slice(2) as [
  ClientKind,
  Compression,
  ...string[],
]
const messages = messagesOf(DIFFERENT)

/** So many callers, each of which sends its next batch when its last one is acknowledged. */
async function eachCaller(
  { callers, batch, records }: Append,
  send: (messages: Message[]) => Promise<unknown>,
): Promise<void> {
  let sent = 0
  const caller = async () => {
    while (sent < records) {
      const from = sent % DIFFERENT
      sent += batch
      await send(messages.slice(from, from + batch))
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

/** Opened for one task, since the topics of earlier ones are gone. */
interface Client {
  append(task: Append): Promise<void>
  /**
   * Resolves when all are read.
   *
   * @param begin called when there are partitions to read
   */
  consume(task: Consume, begin: () => void): Promise<void>
  close(): Promise<void>
}

async function ours(topic: string): Promise<Client> {
  const log = openKafkaLog({ brokers, compression })
  await log.describe(topic)
  return {
    append: (task) =>
      eachCaller(task, (some) =>
        log.append(
          topic,
          some.map((message) => ({ partition: partitionOfKey(message.key, task.partitions), ...message })),
        ),
      ),
    async consume({ group, records }, begin) {
      const all = counted(records)
      await log.consume(topic, group, {
        async assigned() {
          begin()
          return 0
        },
        records: async (_, some) => all.add(some.length),
        async caughtUp() {},
        async revoked() {},
        lost() {},
      })
      await all.there
    },
    close: () => log.close(),
  }
}

async function kafkajs(isGathered: boolean): Promise<Client> {
  const kafka = new Kafka({ brokers, clientId: 'bench', logLevel: logLevel.NOTHING })
  // Idempotent, it ends with OUT_OF_ORDER_SEQUENCE_NUMBER where many callers send at the same time.
  const producer = kafka.producer({ idempotent: false, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  let consumer: Consumer | null = null
  return {
    async append(task) {
      const { topic, records, callers, batch } = task
      if (!isGathered) {
        await eachCaller(task, (some) => producer.send({ topic, acks: -1, messages: some }))
        return
      }
      // As somebody does who has the batches of all callers at hand.
      for (let sent = 0; sent < records; sent += callers * batch) {
        const count = Math.min(callers * batch, records - sent)
        const gathered = Array.from({ length: count }, (_, k) => messages[(sent + k) % DIFFERENT]!)
        await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages: gathered }] })
      }
    },
    async consume({ topic, group, records }, begin) {
      const all = counted(records)
      const { maxWaitMs, maxBytes, partitionBytes } = FETCH
      consumer = kafka.consumer({
        groupId: group,
        maxWaitTimeInMs: maxWaitMs,
        maxBytes,
        maxBytesPerPartition: partitionBytes,
      })
      consumer.on(consumer.events.GROUP_JOIN, begin)
      await consumer.connect()
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      await consumer.run({ autoCommitInterval: 5_000, eachBatch: async ({ batch }) => all.add(batch.messages.length) })
      await all.there
    },
    async close() {
      await consumer?.disconnect()
      await producer.disconnect()
    },
  }
}

/** Counts until all are there. */
function counted(expected: number): { readonly there: Promise<void>; add(count: number): void } {
  const there = Promise.withResolvers<void>()
  let seen = 0
  return {
    there: there.promise,
    add(count) {
      seen += count
      if (seen >= expected) there.resolve()
    },
  }
}

async function run(task: Task): Promise<Took> {
  const client = await (kind === 'ours' ? ours(task.topic) : kafkajs(kind === 'kafkajs-gathered'))
  const now = () => ({ at: performance.now(), cpu: process.cpuUsage() })
  let begun = task.task === 'append' ? now() : null
  if (task.task === 'append') await client.append(task)
  else {
    // Of joining the group nobody wants to know here: it counts from the first partition on.
    await client.consume(task, () => {
      begun ??= now()
    })
  }
  if (begun === null) throw new Error(`nothing of ${task.topic} was assigned`)
  const { user, system } = process.cpuUsage(begun.cpu)
  const took = { seconds: (performance.now() - begun.at) / 1_000, cpuSeconds: (user + system) / 1e6 }
  await client.close()
  return took
}

process.on('message', async (task: Task) => process.send?.(await run(task)))
process.once('disconnect', () => process.exit())
const headerBytes = ({ headers }: Message) => Object.entries(headers).flat().join('').length
const sizes: Sizes = {
  value: messages.reduce((sum, { value }) => sum + value.length, 0) / DIFFERENT,
  headers: messages.reduce((sum, message) => sum + headerBytes(message), 0) / DIFFERENT,
}
process.send?.(sizes)
