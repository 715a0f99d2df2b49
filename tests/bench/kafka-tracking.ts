import type { LogPlace } from '../../services/cli/src/workspace.ts'
import { openLog } from '../../services/cli/src/workspace.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import { fill, kafkaPlace, startClickHouse, startKafka, startTrackerProcess, takenIn } from './kafka-world.ts'
import { stream } from './stream.ts'
import { cpuSecondsOf, markdownTable } from './support.ts'

/** What taking interactions in costs through the tracker: the embedded log, then Kafka with one tracker, two, three. */

interface Way {
  readonly title: string
  readonly partitions: number
  readonly trackers: number
  /** Whether breaks are told in their topic, as trackers on Kafka do where it exists. */
  readonly breaks: boolean
}

const PARTITIONS = 8
const ALONE = { trackers: 1, breaks: false }
const EMBEDDED: Way = { title: 'embedded log, 1 partition, 1 tracker', partitions: 1, ...ALONE }
const WAYS: readonly Way[] = [
  { title: 'Kafka, 1 partition, 1 tracker', partitions: 1, ...ALONE },
  { title: `Kafka, ${PARTITIONS} partitions, 1 tracker`, partitions: PARTITIONS, ...ALONE },
  { title: '… which tells breaks', partitions: PARTITIONS, trackers: 1, breaks: true },
  { title: '… 2 trackers', partitions: PARTITIONS, trackers: 2, breaks: true },
  { title: '… 3 trackers', partitions: PARTITIONS, trackers: 3, breaks: true },
]
const CUSTOMERS_PER_INTERACTION = 0.2

interface Cost {
  readonly seconds: number
  readonly trackerCpuSeconds: number
  readonly clickhouseCpuSeconds: number
  /** Null where the log is in the tracker's process. */
  readonly brokerCpuSeconds: number | null
  /** Of the largest tracker. */
  readonly peakMb: number
}

export interface TrackingFigures {
  readonly interactions: number
  readonly customers: number
  readonly costs: readonly (readonly [Way, Cost])[]
}

export async function measureTracking(interactions: number): Promise<TrackingFigures> {
  const customers = Math.ceil(interactions * CUSTOMERS_PER_INTERACTION)
  const all = () => stream({ interactions, customers, days: 120 })
  const costs: [Way, Cost][] = []

  const folder = temporaryFolder()
  try {
    const embedded = { directory: folder.path, environment: {} }
    await fill(embedded, all())
    costs.push([EMBEDDED, await measure(EMBEDDED, embedded, null)])
  } finally {
    folder.remove()
  }
  for (const [partitions, ways] of Map.groupBy(WAYS, (way) => way.partitions)) {
    const broker = await startKafka(partitions)
    try {
      await fill(kafkaPlace(broker), all())
      for (const way of ways) costs.push([way, await measure(way, kafkaPlace(broker), broker.pid)])
    } finally {
      await broker.stop()
    }
  }
  return { interactions, customers, costs }
}

/** From the moment on that the first tracker has a partition, until everything is durable in ClickHouse. */
async function measure({ trackers, breaks }: Way, place: LogPlace, broker: number | null): Promise<Cost> {
  const clickhouse = await startClickHouse()
  const log = await openLog(place)
  const settings = { clock: 'none', breaks } as const
  const processes = Array.from({ length: trackers }, () => startTrackerProcess(place, clickhouse, settings))
  const used = () => ({
    clickhouse: cpuSecondsOf(clickhouse.server.pid),
    broker: broker === null ? 0 : cpuSecondsOf(broker),
  })
  try {
    await Promise.race(processes.map((one) => one.heard('joined')))
    const before = used()
    await takenIn(log, clickhouse.store)
    const [after, endedAt] = [used(), Date.now()]
    // By their own word: a tracker that is busy is heard late.
    const joined = await Promise.all(processes.map((one) => one.heard('joined')))
    const seconds = (endedAt - Math.min(...joined.map(({ at }) => at))) / 1_000
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
    const trackerCpuSeconds =
      sum(processes.map((one) => one.cpuSeconds())) - sum(joined.map(({ cpuSeconds }) => cpuSeconds))
    return {
      seconds,
      trackerCpuSeconds,
      clickhouseCpuSeconds: after.clickhouse - before.clickhouse,
      brokerCpuSeconds: broker === null ? null : after.broker - before.broker,
      peakMb: Math.max(...processes.map((one) => one.peakMb())),
    }
  } finally {
    await Promise.all(processes.map((one) => one.end('SIGTERM')))
    await log.close()
    await clickhouse.stop()
  }
}

const n = (value: number) => Math.round(value).toLocaleString('en-US')
const perCpuSecond = (interactions: number, cost: Cost) =>
  interactions / (cost.trackerCpuSeconds + cost.clickhouseCpuSeconds)

export function trackingInShort({ interactions, costs }: TrackingFigures): readonly (readonly [string, string])[] {
  return costs.map(([{ title }, cost]) => [
    `tracking: ${title}`,
    `${n(interactions / cost.seconds)} a second, ${n(perCpuSecond(interactions, cost))} per CPU-second`,
  ])
}

export function trackingText({ interactions, customers, costs }: TrackingFigures): string {
  const base = costs[0]?.[1]
  const right = (title: string) => ({ title, align: 'right' as const })
  const rows = costs.map(([{ title }, cost]) => [
    title,
    n(interactions / cost.seconds),
    n(perCpuSecond(interactions, cost)),
    base === undefined ? '' : (perCpuSecond(interactions, cost) / perCpuSecond(interactions, base)).toFixed(2),
    cost.trackerCpuSeconds.toFixed(1),
    cost.clickhouseCpuSeconds.toFixed(1),
    cost.brokerCpuSeconds?.toFixed(1) ?? '',
    n(cost.peakMb),
  ])
  return `## Through the tracker

${n(interactions)} interactions of ${n(customers)} customers wait in the log; then trackers start, each in a process of its own, and take them in, until everything is durable in a ClickHouse that is new each time. They flush every second, as services do, and append no ticks. Per CPU-second counts trackers and ClickHouse together, the ratio is that of CPU-seconds. Each way once. Brokers, trackers and ClickHouse share one machine, so that more trackers are no faster where it has no more cores: what they add in CPU-seconds is what the scale-out costs.

${markdownTable(
  [
    { title: 'what', align: 'left' },
    ...['interactions a second', 'interactions per CPU-second', 'ratio'].map(right),
    ...['CPU-seconds: trackers', 'ClickHouse', 'broker', 'MB of the largest tracker'].map(right),
  ],
  rows,
)}`
}
