import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog } from '../../packages/event-log/src/index.ts'
import { INTERACTIONS_TOPIC, type Interaction } from '../../packages/interactions/src/index.ts'
import { openLog } from '../../services/cli/src/workspace.ts'
import { type Probes, startProbes } from './kafka-probes.ts'
import {
  type ClickHouse,
  fill,
  kafkaPlace,
  recordOf,
  startClickHouse,
  startKafka,
  startTrackerProcess,
  type TrackerProcess,
  takenIn,
} from './kafka-world.ts'
import { stream } from './stream.ts'
import { cpuSecondsOf } from './support.ts'

/**
 * Trackers over much that is stored: how long a new one, which has no disk of its own, takes to its first interaction,
 * and how long an interaction takes to its row while 1,000 a second come.
 */

export const [PARTITIONS, PER_SECOND] = [8, 1_000] as const
/** Shorter than the patience of every touchpoint: who has not decided is open at the end, as with a business that lives. */
const DAYS = 20
const DAY_MS = 86_400_000
const INTERACTIONS_PER_CUSTOMER = 10
/** How long everything goes well before a tracker is ended. */
const STEADY_MS = 3_000
const BATCH_MS = 20
const LOOK_MS = 20
const SERVICE = { clock: 'wall' } as const
/** While the store is filled: rarer, since nobody waits for the rows. */
const FILLING = { clock: 'none', flushMs: 5_000 } as const

/** Milliseconds. Where not said otherwise, of the first partition: each step until the next one. */
export interface Start {
  readonly after: string
  readonly load: number
  readonly ask: number
  readonly join: number
  readonly own: number
  readonly read: number
  readonly write: number
  /** From the start of the process to the row of the first interaction that was appended meanwhile. */
  readonly total: number
  readonly partitions: number
  /** The same for the last partition that came to it. */
  readonly lastTotal: number
  /** How long ClickHouse took over what it was asked, all partitions together. */
  readonly asked: Readonly<Record<string, number>>
  /** The longest that any interaction waited for its row meanwhile. */
  readonly longestWait: number
}

interface Latency {
  readonly seconds: number
  /** Milliseconds, ascending. */
  readonly took: readonly number[]
  readonly perSecond: number
  readonly trackerCpu: number
  readonly clickhouseCpu: number
  readonly brokerCpu: number
}

export interface StoredFigures {
  readonly interactions: number
  readonly customers: number
  /** How many of them have a deadline that a tracker loads. */
  readonly open: number
  readonly starts: readonly Start[]
  readonly latency: Latency
}

interface World {
  readonly log: EventLog
  readonly clickhouse: ClickHouse
  start(settings: typeof SERVICE | typeof FILLING): TrackerProcess
}

/** @param seconds for which interactions come at a steady pace */
export async function measureStored(interactions: number, seconds: number): Promise<StoredFigures> {
  const customers = Math.ceil(interactions / INTERACTIONS_PER_CUSTOMER)
  const broker = await startKafka(PARTITIONS)
  const clickhouse = await startClickHouse()
  const place = kafkaPlace(broker)
  const log = await openLog(place)
  const trackers: TrackerProcess[] = []
  const start: World['start'] = (settings) => {
    const tracker = startTrackerProcess(place, clickhouse, settings)
    trackers.push(tracker)
    return tracker
  }
  const world: World = { log, clickhouse, start }
  try {
    await fill(place, untilNow(interactions, customers))
    const filler = start(FILLING)
    await filler.heard('owns')
    await takenIn(log, clickhouse.store)
    await filler.end('SIGTERM')
    const [row] = await clickhouse.store.query<{ open: number }>(
      'SELECT count() AS open FROM customer_chains FINAL WHERE nextDeadline IS NOT NULL',
    )

    const first = start(SERVICE)
    await owns(first, PARTITIONS)
    const second = await measureStart(world, 'a clean stop', PARTITIONS, () => first.end('SIGTERM'))
    const third = await measureStart(world, 'a SIGKILL', PARTITIONS, () => second.tracker.end('SIGKILL'))
    const fourth = await measureStart(world, 'nothing: another one lives', PARTITIONS / 2, async () => {})
    const pair = [third.tracker, fourth.tracker]
    const latency = await measureLatency(world, { seconds, customers, trackers: pair, broker: broker.pid ?? 0 })
    const starts = [second, third, fourth].map((one) => one.start)
    return { interactions, customers, open: row?.open ?? 0, starts, latency }
  } finally {
    for (const tracker of trackers) await tracker.end('SIGTERM')
    await log.close()
    await clickhouse.stop()
    await broker.stop()
  }
}

/** The stream as if it came to its end just now. */
function* untilNow(interactions: number, customers: number): Generator<Interaction> {
  let shift: number | null = null
  const now = Date.now()
  for (const one of stream({ interactions, customers, days: DAYS })) {
    shift ??= now - DAYS * DAY_MS - one.at
    yield { ...one, at: one.at + shift }
  }
}

async function owns(tracker: TrackerProcess, partitions: number): Promise<void> {
  await tracker.heard('owns')
  while (new Set(tracker.told.flatMap((one) => (one.what === 'owns' ? one.partition : []))).size < partitions) {
    await sleep(LOOK_MS)
  }
}

/** @param partitions that will come to the new tracker */
async function measureStart(
  { log, clickhouse, start }: World,
  after: string,
  partitions: number,
  end: () => Promise<void>,
): Promise<{ readonly start: Start; readonly tracker: TrackerProcess }> {
  await sleep(STEADY_MS)
  const probes = startProbes(log, PARTITIONS, clickhouse.store, `${Date.now()}`)
  await sleep(STEADY_MS)
  await end()
  const tracker = start(SERVICE)
  let written = firstRows(tracker, probes)
  while (written.length < partitions) {
    await sleep(LOOK_MS)
    written = firstRows(tracker, probes)
  }
  const { told, startedAt } = tracker
  const waits = await probes.stop()
  const at = (what: 'loaded' | 'asks to join' | 'joined' | 'owns') => told.find((one) => one.what === what)?.at ?? 0
  const [first, last] = [written[0]!, written.at(-1)!]
  const asked: Record<string, number> = {}
  for (const one of told) if (one.what === 'store') asked[one.asked] = (asked[one.asked] ?? 0) + one.ms
  return {
    tracker,
    start: {
      after,
      load: at('loaded') - startedAt,
      ask: at('asks to join') - at('loaded'),
      join: at('joined') - at('asks to join'),
      own: at('owns') - at('joined'),
      read: first.takenAt - at('owns'),
      write: first.seenAt - first.takenAt,
      total: first.seenAt - startedAt,
      partitions,
      lastTotal: last.seenAt - startedAt,
      asked,
      longestWait: waits.at(-1) ?? 0,
    },
  }
}

/** Of each partition the first probe that this tracker took in and wrote, in the order of their rows. */
function firstRows({ told }: TrackerProcess, { seenAt }: Probes) {
  return told
    .flatMap((one) => {
      if (one.what !== 'takes') return []
      // The tracker before it may have written some of them.
      const seen = one.keys.map((key) => seenAt.get(key) ?? 0).find((at) => at >= one.at)
      return seen === undefined ? [] : { takenAt: one.at, seenAt: seen }
    })
    .sort((a, b) => a.seenAt - b.seenAt)
}

interface LatencyOptions {
  readonly seconds: number
  readonly customers: number
  readonly trackers: readonly TrackerProcess[]
  readonly broker: number
}

async function measureLatency({ log, clickhouse }: World, options: LatencyOptions): Promise<Latency> {
  const { seconds, customers, trackers, broker } = options
  const used = () => ({
    trackers: trackers.reduce((sum, one) => sum + one.cpuSeconds(), 0),
    clickhouse: cpuSecondsOf(clickhouse.server.pid),
    broker: cpuSecondsOf(broker),
  })
  await takenIn(log, clickhouse.store)
  const probes = startProbes(log, PARTITIONS, clickhouse.store, 'latency')
  const appends: Promise<unknown>[] = []
  const [before, started] = [used(), performance.now()]
  let sent = 0
  for (;;) {
    const elapsed = (performance.now() - started) / 1_000
    if (elapsed >= seconds) break
    const records = []
    for (; sent < elapsed * PER_SECOND; sent++) records.push(recordOf(visitOf(sent, customers), PARTITIONS))
    appends.push(log.append(INTERACTIONS_TOPIC, records))
    await sleep(BATCH_MS)
  }
  const [after, took] = [used(), (performance.now() - started) / 1_000]
  await Promise.all(appends)
  return {
    seconds,
    took: await probes.stop(),
    perSecond: sent / took,
    trackerCpu: (after.trackers - before.trackers) / took,
    clickhouseCpu: (after.clickhouse - before.clickhouse) / took,
    brokerCpu: (after.broker - before.broker) / took,
  }
}

/** Somebody whose history is stored comes again. */
function visitOf(k: number, customers: number): Interaction {
  const customer = `customer-${(k * 7919) % customers}`
  return { id: `again-${k}`, customer, touchpoint: 'site_visit', at: Date.now(), channel: 'direct', durationMs: 94_000 }
}
