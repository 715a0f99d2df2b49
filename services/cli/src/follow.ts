import { setTimeout as sleep } from 'node:timers/promises'
import { builtinCatalogue } from '@weaklink/chains'
import type { EventLog, PartitionRange } from '@weaklink/event-log'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { FOLLOWING_ROUNDS, type Position, positionIn, type TrackerStore } from '@weaklink/tracker'
import type { Derivation } from './run.ts'
import { CommandError } from './terminal.ts'

/** Trackers, most often of other processes, seen by the positions that they write. */
export interface FollowedTracker extends Derivation {
  /** Records of the log that it has not written yet. */
  lag(): Promise<number>
  /**
   * Waits a moment for it to go on.
   * @throws CommandError where the service has ended
   */
  pause(): Promise<void>
}

const POLL_MS = 100
/** How often it is looked whether the service still runs. */
const LOOK_MS = 2_000
/**
 * How far a command may run ahead of the tracker: enough for it to work at full speed, and far below what makes the
 * collector refuse what others send.
 */
const MAX_AHEAD = 50_000

/**
 * Follows trackers by what they write.
 *
 * @param gone why they will not go on, null as long as they do
 * @throws LogChangedError where they follow another log
 */
export async function followTracker(
  log: EventLog,
  store: TrackerStore,
  gone: () => Promise<string | null>,
): Promise<FollowedTracker> {
  const topic = await log.describe(INTERACTIONS_TOPIC)
  let positions: readonly Position[] = []
  let lookedAt = performance.now()

  const look = async (): Promise<readonly PartitionRange[]> => {
    const ranges = await log.ranges(INTERACTIONS_TOPIC)
    const stored = await store.loadPositions()
    positions = ranges.map((range) => positionIn(stored, topic, range, builtinCatalogue.hash))
    return ranges
  }
  const pause = async () => {
    await sleep(POLL_MS)
    if (performance.now() - lookedAt < LOOK_MS) return
    lookedAt = performance.now()
    const why = await gone()
    if (why !== null) throw new CommandError(`${why} What was read is kept; run the same command again to complete it.`)
  }
  await look()
  return {
    positions: () => positions,
    async lag() {
      const ranges = await look()
      return ranges.reduce((sum, { end }, k) => sum + end - (positions[k]?.offset ?? 0), 0)
    },
    pause,
    async settled() {
      for (let round = 0; round < FOLLOWING_ROUNDS; round++) {
        const ends = (await log.ranges(INTERACTIONS_TOPIC)).map(({ end }) => end)
        for (await look(); !positions.every(({ offset }, k) => offset >= (ends[k] ?? 0)); await look()) await pause()
      }
    },
  }
}

/** The log, for a command that appends much while others send too: it waits where the tracker falls behind. */
export function paced(log: EventLog, tracker: FollowedTracker): EventLog {
  /** So many more may be appended without looking. */
  let credit = 0
  return {
    createTopic: (topic, partitions) => log.createTopic(topic, partitions),
    describe: (topic) => log.describe(topic),
    ranges: (topic) => log.ranges(topic),
    async append(topic, records) {
      if (credit < records.length) {
        while ((await tracker.lag()) > MAX_AHEAD) await tracker.pause()
        credit = MAX_AHEAD
      }
      credit -= records.length
      return await log.append(topic, records)
    },
    read: (topic, partition, position, max) => log.read(topic, partition, position, max),
    consume: (topic, group, handler) => log.consume(topic, group, handler),
    close: () => log.close(),
  }
}
