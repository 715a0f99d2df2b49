import { setTimeout as sleep } from 'node:timers/promises'
import { type BreakEvent, type Catalogue, contentOf, encodeBreak } from '@weaklink/chains'
import { type Consumer, type EventLog, LogError, type NewRecord } from '@weaklink/event-log'
import {
  BREAKS_TOPIC,
  encodeFact,
  encodeRejected,
  IMPORT_HEADER,
  INTERACTIONS_TOPIC,
  partitionOfKey,
  REJECTED_TOPIC,
} from '@weaklink/interactions'
import { positionsIn } from './epoch.ts'
import { PartitionTracker } from './partition.ts'
import type { CustomerRow, Position, TrackerStore } from './store.ts'
import type { Following, RejectedRecord } from './writer.ts'

/** The consumer group of all trackers of a log. */
export const TRACKER_GROUP = 'weaklink-tracker'

export interface TrackerOptions {
  readonly log: EventLog
  readonly store: TrackerStore
  /** In force until the log says otherwise. */
  readonly catalogue: Catalogue
  /**
   * `wall`: once the clock is after a partition's next deadline (and now and then while anything is open), and
   * nothing is left to read, a tick is appended.
   * `none`: somebody else appends the ticks (an import does, when it has ended).
   */
  readonly clock: 'wall' | 'none'
  readonly customerLimit?: number
  /** How many interactions the caches of all partitions hold together. */
  readonly cacheLimit?: number
  readonly flushRows?: number
  /** Rows wait at most about this long before they are written while the log does not pause. */
  readonly flushMs?: number
  /** By the wall clock, T is never older than about this while anything is open. */
  readonly tickMs?: number
  /**
   * Whether every break, healing and retraction is told in the topic `weaklink.breaks`. Default: where the log has it.
   * Looking for them costs a little for each interaction.
   */
  readonly breaks?: boolean
  /** Told of customers whose rows were written: their chains as everybody can read them from now on. */
  readonly onWritten?: (rows: readonly CustomerRow[]) => void
}

const TRACKER_DEFAULTS = {
  customerLimit: 20_000,
  cacheLimit: 4_500_000,
  flushRows: 100_000,
  slice: 50_000,
  watchBeyond: 16,
  flushMs: 1_000,
  tickMs: 60_000,
} as const

/** An import that brought nothing for this long has ended, or was interrupted. */
const IMPORT_PAUSE_MS = 5_000
/**
 * What one record makes follow, at most: an interaction with both ids a link, that link the moved interactions. Whoever
 * waits for everything waits so many times for what the log then holds.
 */
export const FOLLOWING_ROUNDS = 3
/** How often it is looked whether the tick has come that somebody waits for. */
const TICK_POLL_MS = 50

export interface Tracker {
  /** Where the partitions stand, durably written or not. */
  positions(): readonly Position[]
  /**
   * Resolves when everything that the log held when it was asked for, and what followed from it, is durable in the
   * store. For a tracker that is alone: it waits for every partition of the topic.
   */
  settled(): Promise<void>
  /**
   * Resolves when, beside that, everything has ended whose deadline lies before this instant (epoch milliseconds, not
   * ahead of the clock). For a tracker that goes by the wall clock.
   */
  judged(instant: number): Promise<void>
  /** Writes what was taken in, and stops. */
  stop(): Promise<void>
  /** Rejects when the tracker cannot go on. */
  readonly done: Promise<void>
}

/**
 * Starts to follow the interactions log: every partition that the log assigns to this process.
 *
 * @throws LogChangedError where the rows in the store come from another log
 */
export async function startTracker(options: TrackerOptions): Promise<Tracker> {
  const { log, store } = options
  const settings = { ...TRACKER_DEFAULTS, ...options }
  const topic = await log.describe(INTERACTIONS_TOPIC)
  // Before this tracker joins a group, or says that it is there.
  positionsIn(await store.loadPositions(), topic)
  const breakPartitions = await breakPartitionsOf(log, options.breaks)
  await store.storeCatalogue(options.catalogue.hash, contentOf(options.catalogue))
  const partitions = new Map<number, Owned>()
  const waiting = new Set<{
    ends: ReadonlyMap<number, number>
    resolve: () => void
    reject: (error: unknown) => void
  }>()

  const answerWaiting = () => {
    for (const waiter of waiting) {
      const settled = [...waiter.ends].every(([partition, end]) => {
        const owned = partitions.get(partition)
        return owned !== undefined && owned.tracker.writtenOffset >= end
      })
      if (!settled) continue
      waiting.delete(waiter)
      waiter.resolve()
    }
  }

  const owned = (partition: number) => {
    const found = partitions.get(partition)
    if (found === undefined) throw new Error(`partition ${partition} was not assigned to this tracker`)
    return found
  }

  const consumer: Consumer = await log.consume(INTERACTIONS_TOPIC, TRACKER_GROUP, {
    async assigned(partition) {
      // Anew each time: it may be another one by now, whose offsets say nothing here.
      const topic = await log.describe(INTERACTIONS_TOPIC)
      const range = (await log.ranges(INTERACTIONS_TOPIC)).find((one) => one.partition === partition)
      const tracker = await PartitionTracker.open(
        {
          ...settings,
          cacheLimit: () => settings.cacheLimit / Math.max(1, partitions.size),
          partition,
          topic,
          putAside: (rejected) => putAside(log, rejected),
          follow: (records) => follow(log, topic.partitions, records),
          tell: breakPartitions === null ? undefined : (events) => tell(log, breakPartitions, events),
        },
        range?.start ?? 0,
      )
      partitions.set(partition, { tracker, flushedAt: Date.now(), tickedAt: 0, importedAt: 0 })
      return tracker.position.offset
    },
    async records(partition, records) {
      const part = owned(partition)
      await part.tracker.take(records)
      if (records.some(({ headers }) => headers[IMPORT_HEADER] !== undefined)) part.importedAt = Date.now()
      if (Date.now() - part.flushedAt < settings.flushMs) return
      part.flushedAt = Date.now()
      await part.tracker.flush()
    },
    async caughtUp(partition, position) {
      const part = owned(partition)
      part.tracker.pass(position)
      // A producer that is slower than we are leaves us at the end all the time: that alone is no reason to write.
      if (waiting.size === 0 && Date.now() - part.flushedAt < settings.flushMs) return
      await part.tracker.settle()
      part.flushedAt = Date.now()
      answerWaiting()
      if (options.clock !== 'wall') return
      const now = Date.now()
      const next = part.tracker.nextDeadline()
      // Now and then also without need, so that answers say how late it is.
      const isDue = next !== null && (now > next || now - (part.tracker.position.tick ?? 0) > settings.tickMs)
      if (!isDue || now - part.tickedAt < 1_000) return
      // While an import feeds the log, a tick would only end what the next line goes on with.
      if (now - part.importedAt < IMPORT_PAUSE_MS) return
      part.tickedAt = now
      await log.append(INTERACTIONS_TOPIC, [{ partition, ...encodeFact({ kind: 'tick', tick: now }) }])
    },
    async revoked(partition) {
      const part = partitions.get(partition)
      partitions.delete(partition)
      await part?.tracker.settle()
    },
    lost(partition) {
      partitions.get(partition)?.tracker.abandon()
      partitions.delete(partition)
    },
  })

  const done = consumer.done.catch((error: unknown) => {
    for (const waiter of waiting) waiter.reject(error)
    waiting.clear()
    throw error
  })
  // Whoever awaits `done` or `settled` meets the failure; alone it must not end the process.
  done.catch(() => {})

  const settled = async () => {
    for (let round = 0; round < FOLLOWING_ROUNDS; round++) {
      const ranges = await log.ranges(INTERACTIONS_TOPIC)
      const ends = new Map(ranges.map(({ partition, end }) => [partition, end]))
      await Promise.race([
        done.then(() => Promise.reject(new Error('the tracker was stopped before it had taken everything in'))),
        new Promise<void>((resolve, reject) => {
          waiting.add({ ends, resolve, reject })
          answerWaiting()
        }),
      ])
    }
  }
  const isPassed = ({ tracker }: Owned, instant: number) => {
    const next = tracker.nextDeadline()
    return next !== null && next < instant
  }

  return {
    positions: () => [...partitions.values()].map(({ tracker }) => tracker.position),
    settled,
    async judged(instant) {
      for (;;) {
        await settled()
        if (![...partitions.values()].some((part) => isPassed(part, instant))) return
        await sleep(TICK_POLL_MS)
      }
    },
    stop: () => consumer.stop(),
    done,
  }
}

interface Owned {
  readonly tracker: PartitionTracker
  flushedAt: number
  tickedAt: number
  /** When the last record of an import came. */
  importedAt: number
}

/** Appends what follows from records taken in, each to the partition of whom it concerns. */
async function follow(log: EventLog, partitions: number, following: readonly Following[]): Promise<void> {
  const records = following.map(({ fact, headers }): NewRecord => {
    const record = encodeFact(fact, headers)
    return { partition: partitionOfKey(record.key ?? new Uint8Array(), partitions), ...record }
  })
  await log.append(INTERACTIONS_TOPIC, records)
}

/** How many partitions the topic of breaks has; null where nobody is to be told. */
async function breakPartitionsOf(log: EventLog, wanted: boolean | undefined): Promise<number | null> {
  if (wanted === false) return null
  try {
    return (await log.describe(BREAKS_TOPIC)).partitions
  } catch (error) {
    if (wanted === undefined && error instanceof LogError && error.code === 'topic_unknown') return null
    throw error
  }
}

/** Tells other systems what became of breaks, each customer's in their order. */
async function tell(log: EventLog, partitions: number, events: readonly BreakEvent[]): Promise<void> {
  const records = events.map((event): NewRecord => {
    const record = encodeBreak(event)
    return { partition: partitionOfKey(record.key, partitions), ...record }
  })
  await log.append(BREAKS_TOPIC, records)
}

/** Sets rejected records aside with their raw bytes, their coordinates and the reason. */
async function putAside(log: EventLog, rejected: readonly RejectedRecord[]): Promise<void> {
  const { partitions } = await log.describe(REJECTED_TOPIC)
  const records = rejected.map(
    ({ record, rejection }): NewRecord => ({
      partition: record.partition % partitions,
      ...encodeRejected(record, rejection, {
        topic: INTERACTIONS_TOPIC,
        partition: record.partition,
        offset: record.offset,
      }),
    }),
  )
  await log.append(REJECTED_TOPIC, records)
}
