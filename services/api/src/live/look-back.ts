import { setImmediate as nextTurn } from 'node:timers/promises'
import { concernsWaiting, LONGEST_WAIT_MS, Waiting } from '@weaklink/chains'
import {
  type EventLog,
  type LogRecord,
  offsetSince,
  type PartitionRange,
  PositionOutOfRangeError,
} from '@weaklink/event-log'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { factIn } from './records.ts'

/** Some milliseconds of work, after which others have their turn. */
const READ_RECORDS = 2_000

/**
 * Who waits by what the log took in within the last hour. Of a busy hour nearly nothing is about the phone, and the rest is
 * not parsed: measured, 0.75 M records a second, of which 15 % are about calls (0.3 M where all are parsed).
 *
 * @param ends what the log holds; looks at what is before the end of each
 * @param now epoch milliseconds
 * @throws LogError
 */
export async function lookBack(log: EventLog, ends: readonly PartitionRange[], now: number): Promise<Waiting> {
  const waiting = new Waiting()
  for (const range of ends) {
    let position = await offsetSince(log, INTERACTIONS_TOPIC, range, now - LONGEST_WAIT_MS)
    while (position < range.end) {
      const records = await read(log, range, position)
      for (const record of records) {
        if (!concernsWaiting(record)) continue
        const fact = factIn(record)
        if (fact !== null) waiting.take(fact, now)
      }
      position = (records.at(-1)?.offset ?? range.end) + 1
      await nextTurn()
    }
  }
  return waiting
}

/** From the oldest record on where the log dropped it just now. */
async function read(
  log: EventLog,
  { partition, end }: PartitionRange,
  position: number,
): Promise<readonly LogRecord[]> {
  try {
    return await log.read(INTERACTIONS_TOPIC, partition, position, Math.min(READ_RECORDS, end - position))
  } catch (error) {
    if (!(error instanceof PositionOutOfRangeError)) throw error
    const held = (await log.ranges(INTERACTIONS_TOPIC)).find((range) => range.partition === partition)
    if (held === undefined || held.start <= position) throw error
    return held.start >= end ? [] : await read(log, { ...held, end }, held.start)
  }
}
