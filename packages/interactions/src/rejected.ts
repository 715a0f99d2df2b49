import { REPLAY_HEADER } from './event-headers.ts'
import type { RawRecord } from './records.ts'
import { REJECTION_REASONS, type Rejection, rejectionText } from './rejection.ts'

/**
 * A record that could not be taken in, as the topic of rejected ones carries it: its bytes, key and headers as they came,
 * with headers of ours that say why, and where it stood.
 */
export interface RejectedRecord {
  /**
   * Where it stood when it was rejected first, `partition-offset`: it counts once, though it may be rejected twice after a
   * crash, and again after a replay.
   */
  readonly origin: string
  readonly source: Source
  /** The reason may be one that this version does not know. */
  readonly rejection: Omit<Rejection, 'reason'> & { readonly reason: string }
  /** It had been rejected before, and was put into the log once more. */
  readonly replayed: boolean
  /** As it came, unless it was cut. */
  readonly record: RawRecord
  /** What was left out because it was too large to be kept, in words; null where it is whole. */
  readonly cut: string | null
}

/** Where a record stood. */
export interface Source {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** The headers of ours on a record of the topic of rejected ones. */
export const REJECTED_HEADERS = {
  reason: 'weaklink-reason',
  field: 'weaklink-field',
  expected: 'weaklink-expected',
  got: 'weaklink-got',
  topic: 'weaklink-topic',
  partition: 'weaklink-partition',
  offset: 'weaklink-offset',
  cut: 'weaklink-cut',
} as const
const OURS: ReadonlySet<string> = new Set(Object.values(REJECTED_HEADERS))

/**
 * What is kept of a rejected record: more than a topic with the usual settings takes, but compressed ones unpack to
 * anything, and whatever cannot be set aside would stop its partition.
 */
const MAX_VALUE_BYTES = 1_100_000
const MAX_KEY_BYTES = 64 * 1024
/** Of its own headers, together. */
const MAX_HEADER_BYTES = 64 * 1024
/** The topic of rejected records has to take that much more than that of interactions: keys and headers, and our own. */
export const REJECTED_ROOM_BYTES = 256 * 1024

/** A rejected record as the topic of rejected ones carries it. */
export function encodeRejected({ key, value, headers }: RawRecord, rejection: Rejection, source: Source): RawRecord {
  const { reason, field, expected, got } = rejection
  const { topic, partition, offset } = source
  const ownBytes = Object.entries(headers).reduce((sum, [name, text]) => sum + bytesOf(name) + bytesOf(text), 0)
  const cut = [
    value.length > MAX_VALUE_BYTES ? `value of ${value.length} bytes` : '',
    key !== null && key.length > MAX_KEY_BYTES ? `key of ${key.length} bytes` : '',
    ownBytes > MAX_HEADER_BYTES ? `headers of ${ownBytes} bytes` : '',
  ].filter((one) => one !== '')
  const why = { reason, field, expected, got, topic, partition: String(partition), offset: String(offset) }
  const ours = Object.entries(why).map(([name, text]) => [REJECTED_HEADERS[name as keyof typeof why], text])
  return {
    key: key?.subarray(0, MAX_KEY_BYTES) ?? null,
    value: value.subarray(0, MAX_VALUE_BYTES),
    headers: {
      ...(ownBytes > MAX_HEADER_BYTES ? {} : headers),
      ...Object.fromEntries(ours),
      ...(cut.length > 0 && { [REJECTED_HEADERS.cut]: cut.join(', ') }),
    },
  }
}

const bytesOf = (text: string) => new TextEncoder().encode(text).length

/** Reads a record of the topic of rejected ones; null where somebody else put it there. */
export function decodeRejected({ key, value, headers }: RawRecord): RejectedRecord | null {
  const said = (name: keyof typeof REJECTED_HEADERS) => headers[REJECTED_HEADERS[name]] ?? ''
  const [reason, topic] = [said('reason'), said('topic')]
  const [partition, offset] = [wholeOf(said('partition')), wholeOf(said('offset'))]
  if (reason === '' || topic === '' || partition === null || offset === null) return null
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => !OURS.has(name)))
  const replayOf = headers[REPLAY_HEADER]
  return {
    origin: replayOf ?? `${partition}-${offset}`,
    source: { topic, partition, offset },
    rejection: { reason, field: said('field'), expected: said('expected'), got: said('got') },
    replayed: replayOf !== undefined,
    record: { key, value, headers: own },
    cut: headers[REJECTED_HEADERS.cut] ?? null,
  }
}

/** One line for people: why it was rejected. */
export function rejectedText({ rejection }: RejectedRecord): string {
  const { reason, field, expected, got } = rejection
  if (Object.hasOwn(REJECTION_REASONS, reason)) return rejectionText(rejection as Rejection)
  return `${field === '' ? '' : `${field}: `}${reason}. Expected ${expected}, got ${got}.`
}

function wholeOf(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}
