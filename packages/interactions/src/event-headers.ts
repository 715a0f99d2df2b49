import { type Rejection, show } from './rejection.ts'

/**
 * The headers of a record of the interactions log. An interaction there is a CloudEvent in binary mode: its value is the
 * data, and what the event says about itself stands in headers `ce_…`. None of them is required; those that are there
 * must be right. Names in our own namespace are known to us or a mistake; all others are nobody's business here.
 */

/** The kind of a control record; an interaction has none. */
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
/** On records that were rejected and are in the log once more: where the first of them stood, `partition-offset`. */
export const REPLAY_HEADER = 'weaklink-replay'

export const EVENT_TYPE = 'weaklink.interaction'
const SPEC_VERSION = '1.0'
const SOURCE = 'weaklink'
const CONTENT_TYPE = 'application/json'

const NAMESPACE = 'weaklink-'
const KNOWN: ReadonlySet<string> = new Set([
  RECORD_HEADER,
  LINK_HEADER,
  IMPORT_HEADER,
  FILE_HEADER,
  LINE_HEADER,
  REPLAY_HEADER,
])
/** What a header of ours may hold: ids, names of files. */
const MAX_CHARACTERS = 4_096
/** Ids that end up in rows and positions. */
const MAX_ID_CHARACTERS = 128

type Headers = Readonly<Record<string, string>>

/** What is wrong with the headers of a record by themselves; null where nothing is. */
export function wrongHeader(headers: Headers): Rejection | null {
  for (const name in headers) {
    if (!name.startsWith(NAMESPACE)) continue
    if (!KNOWN.has(name)) {
      const expected = `none that begins with ${NAMESPACE}, or one of ${[...KNOWN].join(', ')}`
      return { reason: 'unknown_header', field: show(name).slice(1, -1), expected, got: show(headers[name]) }
    }
    const value = headers[name] ?? ''
    const most = name === LINK_HEADER || name === IMPORT_HEADER ? MAX_ID_CHARACTERS : MAX_CHARACTERS
    if (value.length === 0 || value.length > most) return bad(name, `1 to ${most} characters`, value)
  }
  return null
}

/** What the headers say of an event that its interaction with this id does not; null where they agree. */
export function wrongEventHeader(headers: Headers, id: string): Rejection | null {
  const { ce_specversion, ce_type, ce_id } = headers
  if (ce_specversion !== undefined && ce_specversion !== SPEC_VERSION)
    return bad('ce_specversion', SPEC_VERSION, ce_specversion)
  if (ce_type !== undefined && ce_type !== EVENT_TYPE) return bad('ce_type', EVENT_TYPE, ce_type)
  if (ce_id !== undefined && ce_id !== id) return bad('ce_id', `the id of the interaction, ${show(id)}`, ce_id)
  return null
}

/** A CloudEvent whose envelope stands in the value, which is read here as the interaction itself: null where it is none. */
export function wrongMode(headers: Headers): Rejection | null {
  const type = headers['content-type']
  if (type === undefined || !/^\s*application\/cloudevents\b/i.test(type)) return null
  return bad('content-type', `${CONTENT_TYPE}: the interaction itself as the value, its event in headers ce_…`, type)
}

const bad = (field: string, expected: string, got: unknown): Rejection => ({
  reason: 'bad_header',
  field,
  expected,
  got: show(got),
})

const BEGINNING = Buffer.from('{"id":"')
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * The headers that make a record of an interaction a CloudEvent in binary mode; none where the value has no id, as that of
 * a record which is not an interaction at all.
 *
 * @param value an interaction as `encode` writes it
 */
export function eventHeaders(value: Uint8Array): Record<string, string> {
  const id = idOf(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
  if (id === null) return {}
  return {
    ce_specversion: SPEC_VERSION,
    ce_id: id,
    ce_type: EVENT_TYPE,
    ce_source: SOURCE,
    'content-type': CONTENT_TYPE,
  }
}

/** The id stands first, and seldom holds anything that JSON escapes: then the rest need not be read. */
function idOf(value: Buffer): string | null {
  if (value.subarray(0, BEGINNING.length).equals(BEGINNING)) {
    const end = value.indexOf(QUOTE, BEGINNING.length)
    const id = value.subarray(BEGINNING.length, end)
    if (end > 0 && !id.includes(BACKSLASH)) return id.toString('utf8')
  }
  try {
    const { id } = Object(JSON.parse(value.toString('utf8'))) as { id?: unknown }
    return typeof id === 'string' ? id : null
  } catch {
    return null
  }
}
