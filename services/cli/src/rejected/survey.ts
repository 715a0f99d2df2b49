import { createHash } from 'node:crypto'
import type { EventLog, LogRecord } from '@weaklink/event-log'
import { decodeRejected, REJECTED_TOPIC, type RejectedRecord, type Source } from '@weaklink/interactions'

/** A rejected record, once, by the last time that it was rejected. */
export interface Entry {
  /** When it was set aside, epoch milliseconds. */
  readonly at: number
  readonly reason: string
  /** Where it stood in the log. */
  readonly source: Source
  readonly origin: string
  readonly replayed: boolean
  /** It can be put into the log again: it is a record, and nothing of it was left out. */
  readonly whole: boolean
  /** Where it stands in the topic of rejected ones. */
  readonly place: { readonly partition: number; readonly offset: number }
}

export interface Survey {
  /** In the order of time. */
  readonly entries: readonly Entry[]
  /** Records that somebody else put into the topic: they say neither why nor where they stood. */
  readonly foreign: number
}

export interface SurveyOptions {
  /** Where to begin in each partition of the topic; default: the oldest record. */
  readonly from?: ReadonlyMap<number, number>
  readonly matches?: (rejected: RejectedRecord) => boolean
}

/** The reason of a batch that nobody can read: what it holds cannot be put into the log as records. */
export const UNREADABLE_BATCH = 'unreadable_batch'
const READ = 1_000

/**
 * What stands in the topic of rejected ones. After a crash, or a replay, the same record stands there more than once: it
 * is known by where it stood first, and by its bytes, since another log has the same coordinates.
 */
export async function surveyRejected(log: EventLog, options: SurveyOptions = {}): Promise<Survey> {
  const { from, matches = () => true } = options
  const latest = new Map<string, Entry>()
  let foreign = 0
  for (const { partition, start, end } of await log.ranges(REJECTED_TOPIC)) {
    for await (const record of between(log, partition, Math.max(start, from?.get(partition) ?? start), end)) {
      const rejected = decodeRejected(record)
      if (rejected === null) {
        foreign++
        continue
      }
      if (!matches(rejected)) continue
      const { source, origin, replayed, rejection } = rejected
      const digest = createHash('sha1').update(rejected.record.value).digest('base64')
      const key = `${source.topic}/${origin}/${digest}`
      const known = latest.get(key)
      if (known !== undefined && known.at > record.timestamp) continue
      const place = { partition, offset: record.offset }
      const { reason } = rejection
      const whole = reason !== UNREADABLE_BATCH && rejected.cut === null
      latest.set(key, { at: record.timestamp, reason, source, origin, replayed, whole, place })
    }
  }
  const entries = [...latest.values()].sort(
    (a, b) => a.at - b.at || a.place.partition - b.place.partition || a.place.offset - b.place.offset,
  )
  return { entries, foreign }
}

/** How many there are of each reason, the most frequent first. */
export function countByReason(entries: readonly Entry[]): readonly { reason: string; records: number }[] {
  const counts = new Map<string, number>()
  for (const { reason } of entries) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return Array.from(counts, ([reason, records]) => ({ reason, records })).sort(
    (a, b) => b.records - a.records || (a.reason < b.reason ? -1 : 1),
  )
}

/** The records of some entries, partition by partition in the order of the topic. */
export async function* recordsOf(
  log: EventLog,
  entries: readonly Entry[],
): AsyncGenerator<{ entry: Entry; rejected: RejectedRecord }> {
  for (const [partition, some] of Map.groupBy(entries, ({ place }) => place.partition)) {
    const wanted = new Map(some.map((entry) => [entry.place.offset, entry]))
    const offsets = [...wanted.keys()].sort((a, b) => a - b)
    for await (const record of between(log, partition, offsets[0] ?? 0, (offsets.at(-1) ?? -1) + 1)) {
      const entry = wanted.get(record.offset)
      const rejected = entry === undefined ? null : decodeRejected(record)
      if (entry !== undefined && rejected !== null) yield { entry, rejected }
    }
  }
}

/** The records of a partition of the topic from an offset up to, not including, another. */
async function* between(log: EventLog, partition: number, start: number, end: number): AsyncGenerator<LogRecord> {
  for (let position = start; position < end; ) {
    const records = await log.read(REJECTED_TOPIC, partition, position, READ)
    for (const record of records) {
      if (record.offset >= end) return
      yield record
    }
    const last = records.at(-1)
    if (last === undefined) return
    position = last.offset + 1
  }
}
