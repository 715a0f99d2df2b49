import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { type Broker, startBroker } from '../../infra/kafka/broker.ts'
import { COMPRESSIONS, type Compression } from '../../packages/event-log/src/kafka/index.ts'
import type { ClientKind, Sizes, Task, Took } from './kafka-client-process.ts'
import { createTopic } from './kafka-world.ts'
import { cpuSecondsOf, markdownTable, percentile } from './support.ts'

/**
 * Our log against kafkajs, which a user could take instead, and our log with each compression. Every client has a process
 * of its own; in each round they take turns, each with a topic of its own.
 */

const ROUNDS = 3
const [PARTITIONS, CALLERS, BATCH] = [8, 50, 100] as const
/** So many records end the warm-up, which does not count. */
const WARM_UP = 100_000

interface Way {
  readonly title: string
  readonly kind: ClientKind
  readonly compression: Compression
}

const WAYS: readonly Way[] = [
  { title: 'kafkajs, `send` by each caller', kind: 'kafkajs', compression: 'none' },
  { title: 'kafkajs, `sendBatch` of what all callers have', kind: 'kafkajs-gathered', compression: 'none' },
  ...COMPRESSIONS.map((compression): Way => ({ title: `our log, ${compression}`, kind: 'ours', compression })),
]
const [EACH, GATHERED, OURS] = WAYS as [Way, Way, Way]

/** What the broker took beside the client, and what it had on its disk afterwards. */
interface Appended extends Took {
  readonly brokerCpuSeconds: number
  readonly bytes: number
}

interface Read extends Took {
  readonly brokerCpuSeconds: number
}

export interface ClientFigures {
  readonly records: number
  readonly sizes: Sizes
  readonly appended: ReadonlyMap<Way, readonly Appended[]>
  /** By who wrote the topic, then by who read it. */
  readonly read: ReadonlyMap<Way, ReadonlyMap<Way, readonly Read[]>>
}

/** @param records of each topic */
export async function measureClients(records: number): Promise<ClientFigures> {
  const broker = await startBroker({ properties: { 'log.segment.delete.delay.ms': '1000' } })
  const clients = new Map<Way, Client>()
  try {
    for (const way of WAYS) clients.set(way, await startClient(way, broker))
    const sizes = clients.get(OURS)!.sizes
    const appended = new Map<Way, Appended[]>(WAYS.map((way) => [way, []]))
    const read = new Map(WAYS.map((way) => [way, new Map(readersOf(way).map((reader) => [reader, [] as Read[]]))]))
    for (let round = 0; round <= ROUNDS; round++) {
      // Another one begins each round.
      const start = (round * 2) % WAYS.length
      for (const way of [...WAYS.slice(start), ...WAYS.slice(0, start)]) {
        const topic = { topic: `bench-${round}-${WAYS.indexOf(way)}`, partitions: PARTITIONS }
        const some = { ...topic, records: round === 0 ? Math.min(WARM_UP, records) : records }
        await createTopic(broker, topic.topic, PARTITIONS)
        const one = await withBroker(broker, () =>
          clients.get(way)!.run({ task: 'append', ...some, callers: CALLERS, batch: BATCH }),
        )
        if (round > 0) appended.get(way)?.push({ ...one, bytes: bytesOf(broker, topic.topic) })
        for (const [reader, reads] of read.get(way) ?? []) {
          const group = `${topic.topic}-${WAYS.indexOf(reader)}`
          const all = await withBroker(broker, () => clients.get(reader)!.run({ task: 'consume', ...some, group }))
          if (round > 0) reads.push(all)
        }
        await deleteTopic(broker, topic.topic)
      }
    }
    return { records, sizes, appended, read }
  } finally {
    for (const client of clients.values()) await client.stop()
    await broker.stop()
  }
}

/** Both read what a plain producer wrote, in many small batches, and what our log wrote, in large ones. */
function readersOf(way: Way): readonly Way[] {
  if (way === GATHERED) return []
  return way === EACH || way === OURS ? [EACH, OURS] : [way]
}

interface Client {
  readonly sizes: Sizes
  run(task: Task): Promise<Took>
  stop(): Promise<void>
}

const PROCESS = fileURLToPath(new URL('kafka-client-process.ts', import.meta.url))

async function startClient({ kind, compression }: Way, broker: Broker): Promise<Client> {
  const child: ChildProcess = fork(PROCESS, [kind, compression, ...broker.brokers])
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the client ${kind} ended with ${code}`)
  })
  ended.catch(() => {})
  const answer = async <T>() => (await Promise.race([once(child, 'message'), ended]))[0] as T
  const sizes = await answer<Sizes>()
  return {
    sizes,
    async run(task) {
      child.send(task)
      return await answer<Took>()
    },
    async stop() {
      if (child.connected) child.disconnect()
      await ended.catch(() => {})
    },
  }
}

async function withBroker(broker: Broker, work: () => Promise<Took>): Promise<Read> {
  const before = cpuSecondsOf(broker.pid ?? 0)
  const took = await work()
  return { ...took, brokerCpuSeconds: cpuSecondsOf(broker.pid ?? 0) - before }
}

async function deleteTopic({ brokers }: Broker, topic: string): Promise<void> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
}

/** What stands on the disk is what came over the wire: the broker keeps batches as they are. */
function bytesOf({ directory }: Broker, topic: string): number {
  const data = join(directory, 'data')
  const folders = readdirSync(data).filter((name) => name.replace(/-\d+$/, '') === topic)
  const files = folders.flatMap((folder) =>
    readdirSync(join(data, folder)).flatMap((name) => (name.endsWith('.log') ? join(data, folder, name) : [])),
  )
  return files.reduce((sum, file) => sum + statSync(file).size, 0)
}

const n = (value: number) => Math.round(value).toLocaleString('en-US')
const median = <T>(runs: readonly T[], what: (run: T) => number) =>
  percentile(
    runs.map(what).sort((a, b) => a - b),
    0.5,
  )
const right = (title: string) => ({ title, align: 'right' as const })
const left = (title: string) => ({ title, align: 'left' as const })

function speedOf(runs: readonly Took[], records: number) {
  return {
    perSecond: records / median(runs, ({ seconds }) => seconds),
    perCpuSecond: records / median(runs, ({ cpuSeconds }) => cpuSeconds),
  }
}

/** Rows for the top of the page. */
export function clientsInShort({ records, appended, read }: ClientFigures): readonly (readonly [string, string])[] {
  const perCpu = (runs: readonly Took[] | undefined) => speedOf(runs ?? [], records).perCpuSecond
  const ratio = (mine: number, theirs: number) => `${(mine / theirs).toFixed(2)} × kafkajs`
  const [append, consume] = [perCpu(appended.get(OURS)), perCpu(read.get(OURS)?.get(OURS))]
  const best = Math.max(perCpu(appended.get(EACH)), perCpu(appended.get(GATHERED)))
  return [
    ['append, records per CPU-second', `${n(append)}; ${ratio(append, best)} at its best`],
    ['consume, records per CPU-second', `${n(consume)}; ${ratio(consume, perCpu(read.get(OURS)?.get(EACH)))}`],
  ]
}

/** The section of the page. */
export function clientsText(figures: ClientFigures): string {
  const { records, sizes, appended, read } = figures
  const row = (what: string, runs: readonly Read[], to: readonly Read[]) => {
    const [mine, theirs] = [speedOf(runs, records), speedOf(to, records)]
    return [
      what,
      n(mine.perSecond),
      n(mine.perCpuSecond),
      (mine.perSecond / theirs.perSecond).toFixed(2),
      (mine.perCpuSecond / theirs.perCpuSecond).toFixed(2),
      median(runs, ({ brokerCpuSeconds }) => brokerCpuSeconds).toFixed(1),
    ]
  }
  const columns = [
    left('what'),
    ...['records a second', 'records per CPU-second', 'ratio, a second', 'ratio, per CPU-second'].map(right),
    right("broker's CPU-seconds"),
  ]
  const reads = (writer: Way, reader: Way) => read.get(writer)?.get(reader) ?? []
  const appends = (way: Way) => appended.get(way) ?? []
  const bytes = (way: Way) => median(appends(way), (one) => one.bytes) / records
  const compressed = WAYS.filter(({ kind }) => kind === 'ours').map((way) => {
    const [write, back] = [speedOf(appends(way), records), speedOf(reads(way, way), records)]
    return [
      way.compression,
      bytes(way).toFixed(0),
      (bytes(way) / bytes(OURS)).toFixed(2),
      n(write.perSecond),
      n(write.perCpuSecond),
      n(back.perSecond),
      n(back.perCpuSecond),
      n(1e9 / (1 / write.perCpuSecond + 1 / back.perCpuSecond) / 1e9),
      median(appends(way), ({ brokerCpuSeconds }) => brokerCpuSeconds).toFixed(1),
    ]
  })
  return `## Our log against kafkajs

${n(records)} interactions of ${n(sizes.value)} bytes with the five headers of a CloudEvent (${n(sizes.headers)} bytes) to ${PARTITIONS} partitions: ${CALLERS} callers, each of which appends ${BATCH} and waits until they are durable (acks=all, no compression; ours idempotent, kafkajs not: with so many callers it ends with OUT_OF_ORDER_SEQUENCE_NUMBER). Medians of ${ROUNDS} runs after one that does not count, the ways taken in turn; every way has a process of its own, whose CPU-seconds count.

${markdownTable(
  columns,
  [EACH, GATHERED, OURS].map((way) =>
    row(way === OURS ? 'our log, `append` by each caller' : way.title, appends(way), appends(EACH)),
  ),
)}
Both then read from the start, in a group of one, with the same limits of a fetch (${n(2)} MB a partition, 16 MB in all): kafkajs by \`eachBatch\`, our log by \`consume\`. Ours checks the checksum of every batch and hands headers over as texts; kafkajs does not check, and leaves them as bytes. What each caller sent with kafkajs stands in batches of ${n(BATCH / PARTITIONS)} records or so, since our log puts together what all callers have, in large ones.

${markdownTable(columns, [
  row('large batches: kafkajs', reads(OURS, EACH), reads(OURS, EACH)),
  row('large batches: our log', reads(OURS, OURS), reads(OURS, EACH)),
  row('small batches: kafkajs', reads(EACH, EACH), reads(EACH, EACH)),
  row('small batches: our log', reads(EACH, OURS), reads(EACH, EACH)),
])}
## Compression

The same with our log alone. Bytes are those on the broker's disk (and on the wire) for each interaction, key, headers and all; _there and back_ is what one CPU-second of ours appends and reads.

${markdownTable(
  [
    left('compression'),
    ...[
      'bytes an interaction',
      'of none',
      'appended a second',
      'per CPU-second',
      'read a second',
      'per CPU-second',
    ].map(right),
    right('there and back, per CPU-second'),
    right("broker's CPU-seconds to append"),
  ],
  compressed,
)}`
}
