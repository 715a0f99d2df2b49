import { setTimeout as sleep } from 'node:timers/promises'
import { builtinCatalogue } from '@weaklink/chains'
import { type EventLog, LogError, type PartitionRange } from '@weaklink/event-log'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { retry } from '@weaklink/runtime'
import { type Position, startTracker, type Tracker, type TrackerOptions } from '@weaklink/tracker'
import type { ServiceStore } from './store.ts'

/** Log → tracker → ClickHouse, and how far the one is behind the other. */
export interface Pipeline {
  positions(): readonly Position[]
  /** Where each partition stands: the end of the log, what is taken in, what is not. */
  standing(): readonly Standing[]
  /** Why nothing more may be taken in at the moment, null where it may. */
  overloaded(): string | null
  /** As of the tracker. */
  judged(instant: number): Promise<void>
  /** Takes everything in that it has begun with, and writes it. */
  stop(): Promise<void>
  /** Rejects when it cannot go on. */
  readonly done: Promise<void>
}

interface Standing {
  readonly partition: number
  readonly end: number
  readonly offset: number
  readonly lag: number
}

export interface PipelineOptions {
  readonly log: EventLog
  readonly store: ServiceStore
  readonly onWritten: NonNullable<TrackerOptions['onWritten']>
  /** What waits in the log beyond this many records makes the collector refuse more; default 200,000. */
  readonly maxLag?: number
}

/** Some seconds of work for the tracker: more would only be waited for longer. */
const MAX_LAG = 200_000
const LOOK_MS = 200
const BEGIN_POLL_MS = 10
const WAITS = { firstDelayMs: 200, maxDelayMs: 5_000 } as const

/** Starts the tracker on the log, by the wall clock; resolves when it knows where it stands. */
export async function startPipeline({ log, store, onWritten, maxLag = MAX_LAG }: PipelineOptions): Promise<Pipeline> {
  const stopping = new AbortController()
  const tracker = await startTracker({
    log: patient(log, stopping.signal),
    store: store.trackerStore,
    catalogue: builtinCatalogue,
    clock: 'wall',
    onWritten,
  })
  let ended: string | null = null
  tracker.done.then(
    () => {
      ended = 'The tracker has stopped.'
    },
    (error: unknown) => {
      ended = `The tracker cannot go on: ${error instanceof Error ? error.message : error}`
    },
  )
  let ranges: readonly PartitionRange[] | null = null
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      ranges = await log.ranges(INTERACTIONS_TOPIC).catch(() => ranges)
      await sleep(LOOK_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
  })()

  const standing = () => standingOf(ranges, tracker)
  const begun = () => ranges !== null && tracker.positions().length >= ranges.length
  while (!begun() && ended === null) await sleep(BEGIN_POLL_MS)
  return {
    positions: () => tracker.positions(),
    standing,
    overloaded() {
      if (ended !== null) return ended
      const lag = standing().reduce((sum, one) => sum + one.lag, 0)
      if (lag <= maxLag) return null
      return [`${lag.toLocaleString('en-US')} records wait to be taken in.`, store.trouble() ?? ''].join(' ').trim()
    },
    judged: (instant) => tracker.judged(instant),
    async stop() {
      await tracker.stop()
      stopping.abort()
      await looking
    },
    done: tracker.done,
  }
}

function standingOf(ranges: readonly PartitionRange[] | null, tracker: Tracker): readonly Standing[] {
  const positions = new Map(tracker.positions().map((position) => [position.partition, position.offset]))
  return (ranges ?? []).flatMap(({ partition, end }) => {
    const offset = positions.get(partition)
    // The range was looked up a moment ago; the tracker may be past it.
    return offset === undefined ? [] : { partition, end: Math.max(end, offset), offset, lag: Math.max(0, end - offset) }
  })
}

/** The log as a tracker that never gives up appends to it: where the disk is full it waits until it is not. */
function patient(log: EventLog, signal: AbortSignal): EventLog {
  return {
    createTopic: (topic, partitions) => log.createTopic(topic, partitions),
    describe: (topic) => log.describe(topic),
    ranges: (topic) => log.ranges(topic),
    append: (topic, records) =>
      retry(() => log.append(topic, records), {
        ...WAITS,
        signal,
        giveUp: (error) => !(error instanceof LogError && error.retryHelps),
      }),
    read: (topic, partition, position, max) => log.read(topic, partition, position, max),
    consume: (topic, group, handler) => log.consume(topic, group, handler),
    close: () => log.close(),
  }
}
