import { setTimeout as sleep } from 'node:timers/promises'
import { builtinCatalogue } from '@weaklink/chains'
import type { PartitionRange } from '@weaklink/event-log'
import { type Position, startTracker, type Tracker, type TrackerOptions } from '@weaklink/tracker'
import type { ServiceLog } from './log.ts'
import type { ServiceStore } from './store.ts'

/** Log → tracker → ClickHouse, and how far the one is behind the other. */
export interface Pipeline {
  positions(): readonly Position[]
  /** Where each partition stands that this tracker owns: the end of the log, what is taken in, what is not. */
  standing(): readonly Standing[]
  /** Why nothing more may be taken in at the moment, null where it may. */
  overloaded(): string | null
  /** As of the tracker; only where it is alone. */
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
  readonly log: ServiceLog
  readonly store: ServiceStore
  /** Whether all partitions are its own. Else it has a share of them, which changes as others come and go; maybe none. */
  readonly isAlone: boolean
  readonly onWritten: NonNullable<TrackerOptions['onWritten']>
  /** What waits in the log beyond this many records makes the collector refuse more; default 200,000. */
  readonly maxLag?: number
}

/** Some seconds of work for the tracker: more would only be waited for longer. */
const MAX_LAG = 200_000
const BEGIN_POLL_MS = 10

/** Starts the tracker on the log, by the wall clock; one that is alone has begun when it knows where it stands. */
export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { log, store, isAlone, onWritten, maxLag = MAX_LAG } = options
  const tracker = await startTracker({
    log: log.patientLog,
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

  const standing = () => standingOf(log.ranges(), tracker)
  const begun = () => !isAlone || tracker.positions().length >= (log.ranges() ?? []).length
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
    stop: () => log.ending(tracker.stop()),
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
