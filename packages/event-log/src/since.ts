import { PositionOutOfRangeError } from './errors.ts'
import type { EventLog, PartitionRange } from './port.ts'

/**
 * Where to read a partition from to see everything that the log took in since an instant: the first offset that it holds whose
 * record is not older, or the end. Some twenty reads of one record, however long the log is.
 *
 * @param timestamp epoch milliseconds
 * @throws LogError
 */
export async function offsetSince(
  log: EventLog,
  topic: string,
  { partition, start, end }: PartitionRange,
  timestamp: number,
): Promise<number> {
  let [low, high] = [start, end]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [record] = await read(log, topic, partition, middle)
    // A log may leave out offsets: the next record then says it for all of those before it.
    if (record === undefined || record.timestamp >= timestamp) high = middle
    else low = Math.max(middle, record.offset) + 1
  }
  return Math.min(low, end)
}

/** Nothing where the log dropped it just now: what it holds begins later. */
async function read(log: EventLog, topic: string, partition: number, offset: number) {
  try {
    return await log.read(topic, partition, offset, 1)
  } catch (error) {
    if (error instanceof PositionOutOfRangeError) return [{ timestamp: Number.NEGATIVE_INFINITY, offset }]
    throw error
  }
}
