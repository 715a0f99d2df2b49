import { type Interaction, type Person, type PersonKind, personOf } from './interaction.ts'
import { type Rejection, type RejectionReason, show } from './rejection.ts'
import { isText, MAX_ID, MAX_PERSON } from './schema.ts'
import { lengthOf } from './slug.ts'
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

export const RECORD_HEADER = 'weaklink-record'
/**
 * On interactions of an anonymous person that were moved to the customer who it is: which link moved them, by the place
 * of its record in the log, since the ids that producers give to links need not be unique.
 */
export const LINK_HEADER = 'weaklink-link'
/** On interactions that an import brought: its id, the file, and the line in it. */
export const IMPORT_HEADER = 'weaklink-import'
export const FILE_HEADER = 'weaklink-file'
export const LINE_HEADER = 'weaklink-line'

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

/**
 * Reads one record of the interactions log.
 *
 * @param timestamp when the log took the record in, epoch milliseconds: the receipt that `at` and ticks are held against
 */
export function decodeFact(record: RawRecord, timestamp: number): Decoded {
  const kind = record.headers[RECORD_HEADER]
  const json = utf8Text(record.value)
  let value: unknown
  try {
    if (json === null) throw new Error('not UTF-8')
    value = JSON.parse(json)
  } catch {
    return rejected('not_json', '', 'JSON in UTF-8', new TextDecoder().decode(record.value.subarray(0, 100)))
  }
  if (kind !== undefined) return decodeControl(kind, Object(value), record.key, timestamp)
  const result = validate(value, { receivedAt: timestamp, idRequired: true })
  if (!result.ok) return result
  const { customer } = personOf(result.interaction)
  if (!isKey(record.key, customer)) return rejected('key_mismatch', 'key', customer, keyText(record.key))
  return { ok: true, fact: { kind: 'interaction', interaction: result.interaction } }
}

function decodeControl(
  kind: string,
  value: Readonly<Record<string, unknown>>,
  key: Uint8Array | null,
  timestamp: number,
): Decoded {
  switch (kind) {
    case 'tick': {
      const { tick } = value
      if (typeof tick !== 'number' || !Number.isSafeInteger(tick))
        return rejected('bad_control_record', 'tick', 'epoch milliseconds', tick)
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
      if (typeof importId !== 'string' || importId === '')
        return rejected('bad_control_record', 'importId', 'an id', importId)
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
