import { randomUUID } from 'node:crypto'
import type { EventLog, NewRecord } from '@weaklink/event-log'
import {
  IMPORT_HEADER,
  INTERACTIONS_TOPIC,
  partitionOfKey,
  personOf,
  RECORD_HEADER,
  REJECTED_TOPIC,
  REPLAY_HEADER,
  type RejectedRecord,
  validate,
} from '@weaklink/interactions'
import type { Derivation } from '../run.ts'
import { countByReason, type Entry, recordsOf, surveyRejected } from './survey.ts'

/** What became of the records that were put into the log once more. */
export interface Replayed {
  readonly replayed: number
  /** Interactions that were not there before. */
  readonly accepted: number
  /** Interactions that were; conflicts included. */
  readonly duplicates: number
  /** Links, ticks and the like. */
  readonly others: number
  readonly rejected: number
  readonly rejectedBy: Readonly<Record<string, number>>
}

/** Records in one append. */
const APPEND = 1_000
/** Control records that concern a whole partition. */
const OF_A_PARTITION: ReadonlySet<string | undefined> = new Set(['tick', 'catalogue', 'import-end'])

/**
 * A rejected record as it goes into the log once more: as it came, in the partition of its key. Where the key was what was
 * wrong, it gets that of its customer. It carries where it was rejected first, so that it is known when it comes back, and
 * the id of the replay, under which the tracker counts what becomes of it.
 */
export function recordAgain(
  { record, rejection, source, origin }: RejectedRecord,
  replayId: string,
  partitions: number,
) {
  const key = rejection.reason === 'key_mismatch' ? (customerOf(record.value) ?? record.key) : record.key
  const stays = key === null || OF_A_PARTITION.has(record.headers[RECORD_HEADER])
  return {
    partition: stays ? source.partition % partitions : partitionOfKey(key, partitions),
    key,
    value: record.value,
    headers: { ...record.headers, [IMPORT_HEADER]: replayId, [REPLAY_HEADER]: origin },
  } satisfies NewRecord
}

function customerOf(value: Uint8Array): Uint8Array | null {
  try {
    const checked = validate(JSON.parse(Buffer.from(value).toString('utf8')), {
      receivedAt: Number.MAX_SAFE_INTEGER,
      idRequired: true,
    })
    return checked.ok ? Buffer.from(personOf(checked.interaction).customer) : null
  } catch {
    return null
  }
}

/**
 * Puts records into the log once more, and waits until the tracker has taken them in. Those that are bad again come back
 * to the rejected ones, where they still count once. The same replay again changes nothing: the ids are known.
 */
export async function replay(log: EventLog, tracker: Derivation, entries: readonly Entry[]): Promise<Replayed> {
  const replayId = `replay-${randomUUID()}`
  const { partitions } = await log.describe(INTERACTIONS_TOPIC)
  const from = new Map((await log.ranges(REJECTED_TOPIC)).map(({ partition, end }) => [partition, end]))
  let [waiting, replayed]: [NewRecord[], number] = [[], 0]
  const append = async () => {
    if (waiting.length > 0) await log.append(INTERACTIONS_TOPIC, waiting)
    replayed += waiting.length
    waiting = []
  }
  for await (const { rejected } of recordsOf(log, entries)) {
    waiting.push(recordAgain(rejected, replayId, partitions))
    if (waiting.length >= APPEND) await append()
  }
  await append()
  await tracker.settled()

  const counts = tracker.positions().flatMap(({ imports }) => imports.filter(({ id }) => id === replayId))
  const sum = (what: 'accepted' | 'duplicates') => counts.reduce((total, one) => total + one[what], 0)
  const isOfReplay = ({ record }: RejectedRecord) => record.headers[IMPORT_HEADER] === replayId
  const { entries: again } = await surveyRejected(log, { from, matches: isOfReplay })
  const [accepted, duplicates] = [sum('accepted'), sum('duplicates')]
  return {
    replayed,
    accepted,
    duplicates,
    others: replayed - accepted - duplicates - again.length,
    rejected: again.length,
    rejectedBy: Object.fromEntries(countByReason(again).map(({ reason, records }) => [reason, records])),
  }
}
