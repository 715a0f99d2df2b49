import {
  ACTORS,
  END_OF_TIME,
  FIELD_NAMES,
  type FieldName,
  isTouchpoint,
  MAX_AHEAD_MS,
  MAX_PROPS,
  OUTCOMES,
  REACTIONS,
} from '@weaklink/interactions'
import { instantEnd, readInstant } from './scan-time.ts'

/**
 * The short way in: reads interactions from the bytes of a request, without the objects that JSON.parse makes of them,
 * and gives the bytes that go into the log. It knows nothing of its own: whatever it takes, `validate` takes, and
 * `encodeFact` gives the same bytes (a property in the tests); where it is not sure, of an escape, a number of an odd
 * form, a long text, anything that is wrong, it says nothing, and the ordinary way decides and finds the words.
 */

/** An interaction as it goes into the log. */
export interface Scanned {
  /** Empty where it has none. */
  readonly id: string
  /** Of the record: whose it is, … */
  readonly key: Buffer
  /** … and whether that is a customer, or somebody anonymous. */
  readonly isCustomer: boolean
  /** Its value in the log, as long as it has its id. */
  readonly value: Buffer
}

/** An element of the array: scanned, or its JSON for the ordinary way. */
export type Element = Scanned | { readonly ordinary: unknown }

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d]

type Kind = 'text' | 'touchpoint' | 'at' | 'whole' | 'amount' | 'word' | 'props'
interface Field {
  readonly name: FieldName
  /** `"name"`. */
  readonly opening: Buffer
  readonly kind: Kind
  /** Bytes of a text; so many characters are allowed at least. */
  readonly max: number
  readonly words: ReadonlySet<string>
}

const WORDS: Partial<Record<FieldName, readonly string[]>> = {
  by: ACTORS,
  outcome: OUTCOMES,
  reaction: REACTIONS,
  currency: Intl.supportedValuesOf('currency'),
}
const KINDS: Partial<Record<FieldName, Kind>> = {
  touchpoint: 'touchpoint',
  at: 'at',
  waitMs: 'whole',
  durationMs: 'whole',
  value: 'amount',
  cost: 'amount',
  props: 'props',
}
const FIELDS: readonly Field[] = FIELD_NAMES.map((name) => ({
  name,
  opening: Buffer.from(`"${name}"`),
  kind: WORDS[name] === undefined ? (KINDS[name] ?? 'text') : 'word',
  max: name === 'customer' || name === 'anonymousId' ? 256 : 128,
  words: new Set(WORDS[name]),
}))
/** The first letter of each name: most that are not looked for differ there. */
const FIRST_LETTERS = Uint8Array.from(FIELDS, ({ opening }) => opening[1]!)
const placeOf = (name: FieldName) => FIELD_NAMES.indexOf(name)
const [ID, CUSTOMER, ANONYMOUS, TOUCHPOINT, AT] = [
  placeOf('id'),
  placeOf('customer'),
  placeOf('anonymousId'),
  placeOf('touchpoint'),
  placeOf('at'),
]
const NEEDED = (1 << TOUCHPOINT) | (1 << AT)

/** Where the key of each field stands, and its value, of the object that is being read. */
const keys = new Int32Array(FIELDS.length)
const starts = new Int32Array(FIELDS.length)
const ends = new Int32Array(FIELDS.length)
/** A bit for each field that it has; its instant. */
let [present, instant] = [0, 0]
/** Whether it has no blanks; whether it is in its normal form as it stands. */
let [isCompact, asItStands] = [true, true]
/** Where the object ends. */
let objectEnd = 0

/**
 * The elements of a JSON array; null where only JSON.parse can tell whether it is one.
 *
 * @param bytes valid UTF-8
 */
export function scanArray(bytes: Buffer, receivedAt: number): Element[] | null {
  let at = blanksEnd(bytes, 0)
  if (bytes[at] !== OPEN_LIST) return null
  const elements: Element[] = []
  do {
    at = blanksEnd(bytes, at + 1)
    if (bytes[at] !== OPEN) return null
    if (isPlain(bytes, at, receivedAt)) {
      elements.push(scanned(bytes, at))
      at = blanksEnd(bytes, objectEnd)
    } else {
      const end = anyObjectEnd(bytes, at)
      const ordinary = end < 0 ? undefined : parsed(bytes, at, end)
      if (ordinary === undefined) return null
      elements.push({ ordinary })
      at = blanksEnd(bytes, end)
    }
  } while (bytes[at] === COMMA)
  return bytes[at] === CLOSE_LIST && blanksEnd(bytes, at + 1) === bytes.length ? elements : null
}

function parsed(bytes: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', start, end))
  } catch {
    return undefined
  }
}

/** Reads an object into the variables above; false where it is not plainly right. */
function isPlain(bytes: Buffer, start: number, receivedAt: number): boolean {
  present = 0
  isCompact = true
  asItStands = true
  let place = -1
  let at = start
  do {
    const keyAt = blanksEnd(bytes, at + 1)
    const next = fieldAt(bytes, keyAt, place + 1)
    if (next < 0 || (present & (1 << next)) !== 0) return false
    const field = FIELDS[next]!
    const colonAt = blanksEnd(bytes, keyAt + field.opening.length)
    if (bytes[colonAt] !== COLON) return false
    const valueAt = blanksEnd(bytes, colonAt + 1)
    const end = valueEnd(bytes, valueAt, field)
    if (end < 0) return false
    keys[next] = keyAt
    starts[next] = valueAt
    ends[next] = end
    present |= 1 << next
    const restAt = blanksEnd(bytes, end)
    if (valueAt !== at + 2 + field.opening.length || restAt !== end) isCompact = false
    if (next < place) asItStands = false
    place = next
    at = restAt
  } while (bytes[at] === COMMA)
  objectEnd = at + 1
  if (!isCompact) asItStands = false
  const hasPerson = (present & ((1 << CUSTOMER) | (1 << ANONYMOUS))) !== 0
  return bytes[at] === CLOSE && hasPerson && (present & NEEDED) === NEEDED && instant <= receivedAt + MAX_AHEAD_MS
}

/** The field whose key stands here, looked for from the most probable one on; -1 where there is none. */
function fieldAt(bytes: Buffer, at: number, probable: number): number {
  const first = bytes[at + 1]!
  for (let k = 0; k < FIELDS.length; k++) {
    const place = probable + k < FIELDS.length ? probable + k : probable + k - FIELDS.length
    if (FIRST_LETTERS[place] === first && startsWith(bytes, at, FIELDS[place]!.opening)) return place
  }
  return -1
}

function startsWith(bytes: Buffer, at: number, what: Buffer): boolean {
  for (let k = 0; k < what.length; k++) if (bytes[at + k] !== what[k]) return false
  return true
}

/** Behind the value, -1 where it is not plainly right. */
function valueEnd(bytes: Buffer, at: number, { kind, max, words }: Field): number {
  switch (kind) {
    case 'text':
      return textEnd(bytes, at, max)
    case 'touchpoint':
      return touchpointEnd(bytes, at)
    case 'word': {
      const end = textEnd(bytes, at, max)
      return end >= 0 && words.has(bytes.toString('latin1', at + 1, end - 1)) ? end : -1
    }
    case 'whole':
      // Eleven digits are within what a wait may be.
      return wholeEnd(bytes, at, 11)
    case 'amount':
      return numberEnd(bytes, at)
    case 'at':
      return atEnd(bytes, at)
    case 'props':
      return propsEnd(bytes, at)
  }
}

/** Behind a text of 1 to `max` bytes without escapes. */
function textEnd(bytes: Buffer, at: number, max: number): number {
  if (bytes[at] !== QUOTE) return -1
  const last = at + 1 + max
  for (let k = at + 1; k <= last; k++) {
    const byte = bytes[k]!
    if (byte > QUOTE ? byte === BACKSLASH : !(byte === 0x20 || byte === 0x21)) {
      return byte === QUOTE && k > at + 1 ? k + 1 : -1
    }
  }
  return -1
}

/** Behind a text that is the id of a touchpoint. */
function touchpointEnd(bytes: Buffer, at: number): number {
  const end = textEnd(bytes, at, 128)
  if (end < 0) return -1
  const first = bytes[at + 1]!
  let isPlainName = end - at <= 66 && first !== 0x5f && first !== 0x2e && first !== 0x2d
  for (let k = at + 1; isPlainName && k < end - 1; k++) isPlainName = NAME_BYTES[bytes[k]!] === 1
  return isPlainName || isTouchpoint(bytes.toString('utf8', at + 1, end - 1)) ? end : -1
}

/** 1 for the bytes of a-z 0-9 _ . - */
const NAME_BYTES = new Uint8Array(256)
for (const byte of Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789_.-')) NAME_BYTES[byte] = 1

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

/** Behind a whole number of at most `max` digits as JSON.stringify writes it. */
function wholeEnd(bytes: Buffer, at: number, max: number): number {
  let end = at
  while (isDigit(bytes[end])) end++
  if (end === at || end - at > max || (bytes[at] === 0x30 && end > at + 1)) return -1
  return isFraction(bytes[end]) ? -1 : end
}

/** Whether a number goes on here, with a point or an exponent. */
function isFraction(byte: number | undefined): boolean {
  return byte === 0x2e || byte === 0x65 || byte === 0x45
}

/**
 * Behind a number, 0 or more, as JSON.stringify writes it: at most nine digits and six behind the point, the last of
 * them not 0. No two texts of fifteen digits mean the same double, so it is written as it came.
 */
function numberEnd(bytes: Buffer, at: number): number {
  let end = at
  while (isDigit(bytes[end])) end++
  if (end === at || end - at > 9 || (bytes[at] === 0x30 && end > at + 1)) return -1
  if (bytes[end] === 0x2e) {
    const point = end++
    while (isDigit(bytes[end])) end++
    if (end === point + 1 || end - point > 7 || bytes[end - 1] === 0x30) return -1
  }
  return (bytes[end]! | 0x20) === 0x65 ? -1 : end
}

/** Behind an instant, which it leaves in `instant`. */
function atEnd(bytes: Buffer, at: number): number {
  if (bytes[at] === QUOTE) {
    const read = readInstant(bytes, at + 1)
    const end = instantEnd()
    if (!(read >= 0 && read < END_OF_TIME) || bytes[end] !== QUOTE) return -1
    instant = read
    asItStands = false
    return end + 1
  }
  let [end, read] = [at, 0]
  for (let byte = bytes[end]!; byte >= 0x30 && byte <= 0x39 && end - at < 14; byte = bytes[++end]!) {
    read = read * 10 + byte - 0x30
  }
  instant = read
  const isWhole = end > at && (bytes[at] !== 0x30 || end === at + 1) && !isFraction(bytes[end])
  return isWhole && read < END_OF_TIME ? end : -1
}

/** Behind props in the order of their names, without blanks. */
function propsEnd(bytes: Buffer, start: number): number {
  if (bytes[start] !== OPEN) return -1
  let [at, count, lastAt, lastEnd] = [start, 0, 0, 0]
  do {
    const nameAt = at + 1
    const nameEnd = textEnd(bytes, nameAt, 128)
    if (nameEnd < 0 || ++count > MAX_PROPS || bytes[nameEnd] !== COLON) return -1
    if (!isPropName(bytes, nameAt + 1, nameEnd - 1)) return -1
    if (count > 1 && !isBefore(bytes, lastAt, lastEnd, nameAt + 1, nameEnd - 1)) return -1
    lastAt = nameAt + 1
    lastEnd = nameEnd - 1
    at = propEnd(bytes, nameEnd + 1)
    if (at < 0) return -1
  } while (bytes[at] === COMMA)
  return bytes[at] === CLOSE ? at + 1 : -1
}

/** Begins with a letter: objects put names of digits first. All ASCII: the order of its bytes is that of the text. */
function isPropName(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start]! | 0x20
  if (first < 0x61 || first > 0x7a) return false
  for (let k = start; k < end; k++) if (bytes[k]! >= 0x80) return false
  return true
}

function isBefore(bytes: Buffer, a: number, aEnd: number, b: number, bEnd: number): boolean {
  for (let k = 0; ; k++) {
    if (b + k === bEnd) return false
    if (a + k === aEnd) return true
    const difference = bytes[a + k]! - bytes[b + k]!
    if (difference !== 0) return difference < 0
  }
}

const [TRUE, FALSE] = [Buffer.from('true'), Buffer.from('false')]

function propEnd(bytes: Buffer, at: number): number {
  if (bytes[at] === QUOTE) return bytes[at + 1] === QUOTE ? at + 2 : textEnd(bytes, at, 1_000)
  if (startsWith(bytes, at, TRUE)) return at + 4
  return startsWith(bytes, at, FALSE) ? at + 5 : numberEnd(bytes, at)
}

function blanksEnd(bytes: Buffer, at: number): number {
  let end = at
  for (let byte = bytes[end]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) byte = bytes[++end]
  return end
}

/** Behind an object of whatever content, -1 where it has no end. JSON.parse says whether it is one. */
function anyObjectEnd(bytes: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++
    } else if (byte === OPEN) depth++
    else if (byte === CLOSE && --depth === 0) return at + 1
  }
  return -1
}

function scanned(bytes: Buffer, start: number): Scanned {
  const isCustomer = (present & (1 << CUSTOMER)) !== 0
  const who = isCustomer ? CUSTOMER : ANONYMOUS
  return {
    id: (present & (1 << ID)) === 0 ? '' : bytes.toString('utf8', starts[ID]! + 1, ends[ID]! - 1),
    key: bytes.subarray(starts[who]! + 1, ends[who]! - 1),
    isCustomer,
    value: asItStands ? bytes.subarray(start, objectEnd) : rewritten(bytes),
  }
}

/** The object in its normal form. What stands side by side in both is copied at once. */
function rewritten(bytes: Buffer): Buffer {
  const digits = bytes[starts[AT]!] === QUOTE ? String(instant) : ''
  let length = 1
  for (let place = 0; place < FIELDS.length; place++) {
    if ((present & (1 << place)) !== 0) length += FIELDS[place]!.opening.length + 2 + ends[place]! - starts[place]!
  }
  if (digits !== '') length += digits.length - (ends[AT]! - starts[AT]!)
  const value = Buffer.allocUnsafe(length)
  let [at, runStart, runEnd] = [0, 0, 0]
  for (let place = 0; place < FIELDS.length; place++) {
    if ((present & (1 << place)) === 0) continue
    const isInWords = place === AT && digits !== ''
    if (isCompact && !isInWords && keys[place] === runEnd + 1 && runEnd > 0) {
      runEnd = ends[place]!
      continue
    }
    at += bytes.copy(value, at, runStart, runEnd)
    value[at] = at === 0 ? OPEN : COMMA
    at++
    if (isCompact && !isInWords) {
      runStart = keys[place]!
      runEnd = ends[place]!
      continue
    }
    const { opening } = FIELDS[place]!
    for (let k = 0; k < opening.length; k++) value[at++] = opening[k]!
    value[at++] = COLON
    if (isInWords) for (let k = 0; k < digits.length; k++) value[at++] = digits.charCodeAt(k)
    else at += bytes.copy(value, at, starts[place]!, ends[place]!)
    runStart = runEnd = 0
  }
  at += bytes.copy(value, at, runStart, runEnd)
  value[at] = CLOSE
  return value
}
