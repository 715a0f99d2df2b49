import { LINK_HEADER, RECORD_HEADER, wrongEventHeader, wrongHeader, wrongMode } from './event-headers.ts'
import { type Interaction, type Person, type PersonKind, personOf } from './interaction.ts'
import { partitionOfKey } from './partition.ts'
import { type Rejection, type RejectionReason, show } from './rejection.ts'
import { isText, MAX_ID, MAX_PERSON } from './schema.ts'
import { lengthOf } from './slug.ts'
import { END_OF_TIME, FIRST_INSTANT } from './time.ts'
import { encode, validate } from './validate.ts'

/**
 * What the interactions log carries: interactions, and the control records by which time, rules and requests enter the
 * log, so that a replay meets them at the same place. A control record is told by the header `weaklink-record`.
 */
export type Fact =
  | { readonly kind: 'interaction'; readonly interaction: Interaction }
  /** Says what time it is: epoch milliseconds, not after the record's own timestamp. */
  | { readonly kind: 'tick'; readonly tick: number }
  /** From here on the catalogue with this hash is in force. */
  | { readonly kind: 'catalogue'; readonly hash: string }
  /** This person is to be derived again. */
  | { readonly kind: 'touch'; readonly person: Person }
  /** This anonymous person is that customer. A link that came before, by its id, changes nothing. */
  | { readonly kind: 'link'; readonly link: IdentityLink }
  /** The link of this anonymous person was wrong: what was moved goes back. */
  | { readonly kind: 'unlink'; readonly anonymousId: string }
  /** What was moved to this customer by that link (as in `LINK_HEADER`) is no longer theirs. */
  | { readonly kind: 'withdraw'; readonly customer: string; readonly link: string }
  /** The import with this id has put everything into this partition. */
  | { readonly kind: 'import-end'; readonly importId: string }

/** Says that an anonymous person is a customer. */
export interface IdentityLink {
  /** Idempotency key, 1..128 characters. */
  readonly id: string
  readonly anonymousId: string
  readonly customer: string
}

/** Interactions and control records, keyed by their person. */
export const INTERACTIONS_TOPIC = 'weaklink.interactions'
/** What could not be taken in, with its raw bytes, its coordinates and the reason. */
export const REJECTED_TOPIC = 'weaklink.rejected'
/** What became of breaks, for other systems; keyed as the interactions are. */
export const BREAKS_TOPIC = 'weaklink.breaks'
/** What alerts remember: one partition, JSON by key, the newest of a key counts. */
export const ALERTS_TOPIC = 'weaklink.alerts'

/** Bytes of an interaction as it stands on the log. */
export const MAX_INTERACTION_BYTES = 32 * 1024
/** What the customer adds to the interaction of an anonymous person that is moved there. */
const MOVED_BYTES = 2 * 1024

export interface RawRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

export type Decoded = { readonly ok: true; readonly fact: Fact } | { readonly ok: false; readonly rejection: Rejection }

/** A fact as the log carries it. What concerns one person is keyed by their id; the others have no key. */
export function encodeFact(fact: Fact, headers: Readonly<Record<string, string>> = {}): RawRecord {
  switch (fact.kind) {
    case 'interaction':
      return {
        key: Buffer.from(personOf(fact.interaction).customer),
        value: Buffer.from(encode(fact.interaction)),
        headers,
      }
    case 'touch':
      return control(fact.kind, { person: fact.person.kind }, Buffer.from(fact.person.customer))
    case 'link': {
      const { id, anonymousId, customer } = fact.link
      return control(fact.kind, { id, customer }, Buffer.from(anonymousId))
    }
    case 'unlink':
      return control(fact.kind, {}, Buffer.from(fact.anonymousId))
    case 'withdraw':
      return control(fact.kind, { link: fact.link }, Buffer.from(fact.customer))
    case 'tick':
      return control(fact.kind, { tick: fact.tick })
    case 'catalogue':
      return control(fact.kind, { hash: fact.hash })
    case 'import-end':
      return control(fact.kind, { importId: fact.importId })
  }
}

function control(kind: Fact['kind'], value: object, key: Uint8Array | null = null): RawRecord {
  return { key, value: Buffer.from(JSON.stringify(value)), headers: { [RECORD_HEADER]: kind } }
}

/** Where a record stands, and among how many partitions. */
export interface Place {
  readonly partition: number
  readonly partitions: number
}

/**
 * Reads one record of the interactions log. Never throws.
 *
 * @param timestamp when the log took the record in, epoch milliseconds: the receipt that `at` and ticks are held against
 * @param place where it stands; absent: anywhere is right
 */
export function decodeFact(record: RawRecord, timestamp: number, place?: Place): Decoded {
  const { key, value: bytes, headers } = record
  const wrong = wrongHeader(headers)
  if (wrong !== null) return { ok: false, rejection: wrong }
  const kind = headers[RECORD_HEADER]
  if (bytes.length === 0)
    return rejected('no_value', '', kind === undefined ? 'an interaction as JSON' : 'JSON', undefined)
  const most = headers[LINK_HEADER] === undefined ? MAX_INTERACTION_BYTES : MAX_INTERACTION_BYTES + MOVED_BYTES
  if (bytes.length > most)
    return {
      ok: false,
      rejection: {
        reason: 'record_too_large',
        field: '',
        expected: `at most ${most} bytes`,
        got: `${bytes.length} bytes`,
      },
    }
  const json = utf8Text(bytes)
  let value: unknown
  try {
    if (json === null) throw new Error('not UTF-8')
    value = JSON.parse(json)
  } catch {
    return rejected('not_json', '', 'JSON in UTF-8', new TextDecoder().decode(bytes.subarray(0, 100)))
  }
  const decoded =
    kind === undefined ? decodeInteraction(record, value, timestamp) : decodeControl(kind, value, key, timestamp)
  if (!decoded.ok || place === undefined || place.partitions === 1) return decoded
  return misplaced(decoded.fact, key, place) ?? decoded
}

function decodeInteraction({ key, headers }: RawRecord, value: unknown, timestamp: number): Decoded {
  const mode = wrongMode(headers)
  if (mode !== null) return { ok: false, rejection: mode }
  // A topic that takes the time of its producers may say anything.
  const result = validate(value, { receivedAt: Math.max(timestamp, FIRST_INSTANT), idRequired: true })
  if (!result.ok) return result
  const { interaction } = result
  const { customer } = personOf(interaction)
  if (!isKey(key, customer)) return rejected('key_mismatch', 'key', customer, keyText(key))
  const wrong = wrongEventHeader(headers, interaction.id)
  if (wrong !== null) return { ok: false, rejection: wrong }
  if (
    headers[LINK_HEADER] !== undefined &&
    (interaction.customer === undefined || interaction.anonymousId === undefined)
  )
    return rejected(
      'bad_header',
      LINK_HEADER,
      'none on an interaction that has not both customer and anonymousId',
      headers[LINK_HEADER],
    )
  return { ok: true, fact: { kind: 'interaction', interaction } }
}

/** What concerns a person stands in the partition of their id: elsewhere another tracker would take it in. */
function misplaced(fact: Fact, key: Uint8Array | null, { partition, partitions }: Place): Decoded | null {
  if (key === null || isOfEverybody(fact)) return null
  const right = partitionOfKey(key, partitions)
  if (right === partition) return null
  return rejected('wrong_partition', 'key', `partition ${right} of ${partitions} for this key`, partition)
}

const isOfEverybody = ({ kind }: Fact) => kind === 'tick' || kind === 'catalogue' || kind === 'import-end'

function decodeControl(kind: string, content: unknown, key: Uint8Array | null, timestamp: number): Decoded {
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return rejected('bad_control_record', '', 'a JSON object', content)
  const value = content as Readonly<Record<string, unknown>>
  switch (kind) {
    case 'tick': {
      const { tick } = value
      if (typeof tick !== 'number' || !Number.isSafeInteger(tick) || tick < FIRST_INSTANT || tick >= END_OF_TIME)
        return rejected('bad_control_record', 'tick', 'epoch milliseconds, of the years 1970 to 2200', tick)
      if (tick > timestamp)
        return rejected('tick_in_future', 'tick', `at most the record's own timestamp ${timestamp}`, tick)
      return { ok: true, fact: { kind, tick } }
    }
    case 'catalogue': {
      const { hash } = value
      if (typeof hash !== 'string' || !/^[0-9a-f]{32}$/.test(hash))
        return rejected('bad_control_record', 'hash', '32 hex digits', hash)
      return { ok: true, fact: { kind, hash } }
    }
    case 'touch': {
      const { person } = value
      if (!isKind(person)) return rejected('bad_control_record', 'person', 'customer or anonymous', person)
      const customer = personOfRecord(key)
      if (customer === null) return rejected('key_mismatch', 'key', 'the customer, in UTF-8', keyText(key))
      return { ok: true, fact: { kind, person: { kind: person, customer } } }
    }
    case 'link': {
      const { id, customer } = value
      if (!isShort(id, MAX_ID)) return rejected('bad_control_record', 'id', `1 to ${MAX_ID} characters`, id)
      if (!isShort(customer, MAX_PERSON))
        return rejected('bad_control_record', 'customer', `1 to ${MAX_PERSON} characters`, customer)
      const anonymousId = personOfRecord(key)
      if (anonymousId === null) return rejected('key_mismatch', 'key', 'the anonymous id, in UTF-8', keyText(key))
      return { ok: true, fact: { kind, link: { id, anonymousId, customer } } }
    }
    case 'unlink': {
      const anonymousId = personOfRecord(key)
      if (anonymousId === null) return rejected('key_mismatch', 'key', 'the anonymous id, in UTF-8', keyText(key))
      return { ok: true, fact: { kind, anonymousId } }
    }
    case 'withdraw': {
      const { link } = value
      if (!isShort(link, MAX_ID)) return rejected('bad_control_record', 'link', `1 to ${MAX_ID} characters`, link)
      const customer = personOfRecord(key)
      if (customer === null) return rejected('key_mismatch', 'key', 'the customer, in UTF-8', keyText(key))
      return { ok: true, fact: { kind, customer, link } }
    }
    case 'import-end': {
      const { importId } = value
      if (!isShort(importId, MAX_ID))
        return rejected('bad_control_record', 'importId', `1 to ${MAX_ID} characters`, importId)
      return { ok: true, fact: { kind, importId } }
    }
    default:
      return rejected(
        'bad_control_record',
        RECORD_HEADER,
        'tick, catalogue, touch, link, unlink, withdraw or import-end',
        kind,
      )
  }
}

function isKind(value: unknown): value is PersonKind {
  return value === 'customer' || value === 'anonymous'
}

/** The id that a key holds, null where it holds none. */
function personOfRecord(key: Uint8Array | null): string | null {
  const text = key === null ? null : utf8Text(key)
  return isShort(text, MAX_PERSON) ? text : null
}

function isShort(value: unknown, max: number): value is string {
  return typeof value === 'string' && value !== '' && isText(value) && lengthOf(value, max) <= max
}

function isKey(key: Uint8Array | null, customer: string): boolean {
  return key !== null && key.length >= customer.length && utf8Text(key) === customer
}

/** Null where the bytes are not UTF-8. */
function utf8Text(bytes: Uint8Array): string | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  // What is not UTF-8 comes out as U+FFFD, which hardly any text has of its own: then the slower way decides.
  return text.includes('\ufffd') && !isUtf8(bytes) ? null : text
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function isUtf8(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes)
    return true
  } catch {
    return false
  }
}

function keyText(key: Uint8Array | null): string | undefined {
  return key === null ? undefined : new TextDecoder().decode(key)
}

function rejected(reason: RejectionReason, field: string, expected: string, got: unknown): Decoded {
  return { ok: false, rejection: { reason, field, expected, got: show(got) } }
}
