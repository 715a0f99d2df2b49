import { type EventLog, LogError, type LogRecord, type NewRecord, PositionOutOfRangeError } from '@weaklink/event-log'
import { ALERTS_TOPIC } from '@weaklink/interactions'
import type { Memory, MemoryRecord } from './alert.ts'

/** The topic is the only memory of this service, and who owns its partition is the one that alerts. */
export const ALERTS_PARTITIONS = 1
const PARTITION = 0
const READ_RECORDS = 5_000
/** Of one append: Kafka takes no batch of more than a megabyte. */
const MOST_BYTES = 256 * 1024

/** Null for what is no record of ours. */
export function decodeMemory({ key, value, timestamp }: LogRecord): MemoryRecord | null {
  if (key === null) return null
  try {
    return { key: Buffer.from(key).toString('utf8'), value: JSON.parse(Buffer.from(value).toString('utf8')), timestamp }
  } catch {
    return null
  }
}

/** The newest of each key, as they come one after the other; what was forgotten leaves. */
export class Newest {
  readonly #records = new Map<string, MemoryRecord>()

  add(records: readonly MemoryRecord[]): void {
    for (const record of records) {
      // So that the order is that of the newest ones.
      this.#records.delete(record.key)
      if (record.value !== null) this.#records.set(record.key, record)
    }
  }

  all(): readonly MemoryRecord[] {
    return [...this.#records.values()]
  }
}

/** The memory of a log, whose topic need not be there to be read. */
export function memoryOf(log: EventLog): Memory {
  return {
    async remember(records) {
      let batch: NewRecord[] = []
      let bytes = 0
      const append = async () => {
        if (batch.length > 0) await log.append(ALERTS_TOPIC, batch)
        ;[batch, bytes] = [[], 0]
      }
      for (const { key, value } of records) {
        const record = { partition: PARTITION, key: Buffer.from(key), value: Buffer.from(JSON.stringify(value)) }
        if (bytes + record.value.length > MOST_BYTES) await append()
        batch.push(record)
        bytes += record.value.length
      }
      await append()
    },
    async load() {
      const newest = new Newest()
      try {
        let [{ start: position, end } = { start: 0, end: 0 }] = await log.ranges(ALERTS_TOPIC)
        while (position < end) {
          const records = await log.read(ALERTS_TOPIC, PARTITION, position, READ_RECORDS)
          newest.add(records.map(decodeMemory).filter((record) => record !== null))
          position = (records.at(-1)?.offset ?? end) + 1
        }
      } catch (error) {
        if (error instanceof LogError && error.code === 'topic_unknown') return []
        // The log dropped its beginning just now.
        if (error instanceof PositionOutOfRangeError) return await this.load()
        throw error
      }
      return newest.all()
    },
  }
}

/** Creates the topic where it is missing. */
export async function createAlertsTopic(log: EventLog): Promise<void> {
  try {
    await log.describe(ALERTS_TOPIC)
  } catch (error) {
    if (!(error instanceof LogError && error.code === 'topic_unknown')) throw error
    await log.createTopic(ALERTS_TOPIC, ALERTS_PARTITIONS)
  }
}
