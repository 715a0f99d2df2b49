/** Metrics of what the API reads: how far ClickHouse is behind the log, what it counts, and the room it has. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '@weaklink/clickhouse'
import { type EventLog, type LogRecord, type PartitionRange, PositionOutOfRangeError } from '@weaklink/event-log'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { aggregatesState } from '@weaklink/reports'
import { Gauge, type Registry } from 'prom-client'

/** What was found is told again for this long: several may ask, and each of them several times. */
const KEPT_MS = 5_000
/** A server that hangs must not keep the metrics from being read: those that say so are among them. */
const PATIENCE_MS = 500
/** What was found longer ago is not told: no value rather than an old one. */
const OLDEST_MS = 60_000
const GIVE_UP_MS = 10_000

/**
 * Looks something up when somebody asks, not twice at a time and not more often than each few seconds. Answers the newest
 * that was found, null where that is too long ago.
 */
function lookup<T>(look: (signal: AbortSignal) => Promise<T>): () => Promise<T | null> {
  let found: { readonly value: T; readonly at: number } | null = null
  let underWay: Promise<void> | null = null
  const isYounger = (ms: number) => found !== null && performance.now() - found.at < ms
  const start = async () => {
    try {
      found = { value: await look(AbortSignal.timeout(GIVE_UP_MS)), at: performance.now() }
    } catch {
      // Other metrics say that ClickHouse or the log is away.
    }
    underWay = null
  }
  return async () => {
    if (!isYounger(KEPT_MS)) {
      underWay ??= start()
      await Promise.race([underWay, sleep(PATIENCE_MS, undefined, { ref: false })])
    }
    return isYounger(OLDEST_MS) ? (found?.value ?? null) : null
  }
}

/** A gauge whose series are those of now; none where they cannot be looked up. */
function gauge<Label extends string>(
  registry: Registry,
  options: { readonly name: string; readonly help: string; readonly labelNames?: readonly Label[] },
  series: () => Promise<Iterable<readonly [labels: Record<Label, string | number>, value: number]> | null>,
): void {
  new Gauge({
    ...options,
    labelNames: options.labelNames ?? [],
    registers: [registry],
    async collect() {
      const now = (await series()) ?? []
      this.reset()
      // Without labels `reset` leaves a 0.
      this.remove({})
      for (const [labels, value] of now) this.set(labels, value)
    },
  })
}

interface Lag {
  readonly partition: number
  /** Of the first record that is not in ClickHouse. */
  readonly offset: number
  readonly records: number
  /** How long ago the log took the first of them in; 0 where there is none. */
  readonly ms: number
}

/** How far ClickHouse is behind the log: the same whoever takes records in, also where nobody does. */
export function observeLag(store: Store, log: EventLog, registry: Registry): void {
  const lags = lookup((signal) => lagsOf(store, log, signal))
  const labelNames = ['partition'] as const
  gauge(
    registry,
    {
      name: 'weaklink_pipeline_offset',
      help: 'Offset of the first record of the interactions log that is not in ClickHouse, as the positions there say.',
      labelNames,
    },
    async () => (await lags())?.map(({ partition, offset }) => [{ partition }, offset] as const) ?? null,
  )
  gauge(
    registry,
    {
      name: 'weaklink_pipeline_lag_records',
      help: 'Records of the interactions log that are not in ClickHouse; told also where no tracker runs.',
      labelNames,
    },
    async () => (await lags())?.map(({ partition, records }) => [{ partition }, records] as const) ?? null,
  )
  gauge(
    registry,
    {
      name: 'weaklink_pipeline_lag_seconds',
      help: 'How long ago the log took in the oldest record that is not in ClickHouse; 0 where there is none.',
      labelNames,
    },
    async () => (await lags())?.map(({ partition, ms }) => [{ partition }, ms / 1_000] as const) ?? null,
  )
}

async function lagsOf(store: Store, log: EventLog, signal: AbortSignal): Promise<readonly Lag[]> {
  // The log first: what the positions say is then not behind for the time in between.
  const [{ identity }, ranges] = await Promise.all([log.describe(INTERACTIONS_TOPIC), log.ranges(INTERACTIONS_TOPIC)])
  const positions = await store.query<{ partition: number; logIdentity: string; offset: number }>(
    'SELECT partition, logIdentity, offset FROM positions FINAL WHERE epoch = (SELECT max(epoch) FROM positions)',
    {},
    { signal },
  )
  return await Promise.all(
    ranges.map(async (range) => {
      // A position in another log says nothing of this one: nothing of it was taken in.
      const position = positions.find((one) => one.partition === range.partition && one.logIdentity === identity)
      const offset = Math.max(range.start, position?.offset ?? range.start)
      const first = await recordAt(log, range, offset)
      // A log may leave out offsets, also the last ones: then nothing waits.
      if (first === null) return { partition: range.partition, offset, records: 0, ms: 0 }
      const ms = Math.max(0, Date.now() - first.timestamp)
      return { partition: range.partition, offset, records: Math.max(1, range.end - first.offset), ms }
    }),
  )
}

/** The first record from an offset on; null where there is none. */
async function recordAt(log: EventLog, { partition, end }: PartitionRange, offset: number): Promise<LogRecord | null> {
  if (offset >= end) return null
  try {
    const [record] = await log.read(INTERACTIONS_TOPIC, partition, offset, 1)
    return record ?? null
  } catch (error) {
    // Dropped just now.
    if (error instanceof PositionOutOfRangeError) return null
    throw error
  }
}

interface ChainCount {
  readonly state: string
  /** Of broken ones; else empty. */
  readonly reason: string
  readonly chains: number
}

/** What the aggregates count, and how old they are: reports are read from them. */
export function observeAggregates(store: Store, registry: Registry): void {
  const state = lookup(() => aggregatesState(store))
  gauge(
    registry,
    {
      name: 'weaklink_aggregates_age_seconds',
      help: 'How long ago the chains were read that the aggregates count; a refresh every 46 s makes them anew.',
    },
    async () => {
      const ageMs = (await state())?.ageMs ?? null
      return ageMs === null ? null : [[{}, ageMs / 1_000]]
    },
  )
  const counts = lookup((signal) => store.query<ChainCount>(CHAINS, {}, { signal }))
  gauge(
    registry,
    {
      name: 'weaklink_chains',
      help: 'Chains by state, the broken ones also by reason, as the aggregates count them.',
      labelNames: ['state', 'reason'],
    },
    async () => (await counts())?.map(({ state, reason, chains }) => [{ state, reason }, chains] as const) ?? null,
  )
}

/** The numbers are places in `counts`, as 0004-aggregates.sql lists them. */
const CHAINS = `
  SELECT one.1 AS state, one.2 AS reason, sum(counts[one.3]) AS chains
  FROM aggregates
  ARRAY JOIN if(kind = 'chains',
    [('open', '', 2), ('converted', '', 4), ('ignored', '', 8)],
    [('broken', 'refused', 6), ('broken', 'abandoned', 7), ('broken', 'dissatisfied', 8), ('broken', 'silence', 9)]) AS one
  WHERE kind IN ('chains', 'places') AND level = 0
  GROUP BY state, reason`

/** The disks of the server that is asked; absent where its account may not see them. */
export function observeDisks(store: Store, registry: Registry): void {
  const disks = lookup((signal) =>
    store.query<{ disk: string; free: number; size: number }>(
      'SELECT name AS disk, free_space AS free, total_space AS size FROM system.disks WHERE total_space > 0',
      {},
      { signal },
    ),
  )
  const labelNames = ['disk'] as const
  gauge(
    registry,
    {
      name: 'weaklink_clickhouse_disk_free_bytes',
      help: 'Free bytes on the disks of ClickHouse.',
      labelNames,
    },
    async () => (await disks())?.map(({ disk, free }) => [{ disk }, free] as const) ?? null,
  )
  gauge(
    registry,
    {
      name: 'weaklink_clickhouse_disk_size_bytes',
      help: 'Size of the disks of ClickHouse.',
      labelNames,
    },
    async () => (await disks())?.map(({ disk, size }) => [{ disk }, size] as const) ?? null,
  )
}
