/**
 * A rejection says why something was not taken in: a **reason** from the closed tables below, the **field** it is about
 * (empty where it is about the whole), what was **expected** there and what was **got** instead. These are those of what
 * comes to the collector or the log.
 */
export const LOG_REASONS = {
  // The record as a whole.
  not_json: 'It is not JSON.',
  not_an_object: 'An interaction is a JSON object.',
  no_value: 'The record has no value.',
  record_too_large: 'The record is larger than an interaction may be.',
  // Fields of an interaction.
  missing_customer: 'Neither `customer` nor `anonymousId` says whose interaction it is.',
  missing_field: 'A required field is missing.',
  unknown_field: 'The field is not one of an interaction; other data belongs into `props`.',
  wrong_type: 'The value has the wrong type.',
  unknown_value: 'The value is not one of those allowed.',
  empty: 'The value is empty.',
  too_long: 'The value is too long.',
  bad_touchpoint: 'The value is not a touchpoint id.',
  not_unicode: 'The text is not well-formed Unicode, or holds a NUL character.',
  bad_time: 'The value is not a time of the expected form.',
  time_without_offset: 'The time does not say its offset from UTC, so its instant is unknown.',
  at_out_of_range: 'The time is outside of the years 1970 to 2200.',
  at_in_future: 'The time is more than 5 minutes after the receipt.',
  not_a_number: 'The text is not a number.',
  negative: 'The number is negative.',
  too_large: 'The number is larger than allowed.',
  not_an_integer: 'The number is not a whole number of at most 2^53 - 1.',
  not_a_currency: 'The value is not an ISO 4217 currency code.',
  too_many_props: 'There are too many props.',
  bad_prop: 'A prop is flat: a key with a string, a finite number, true or false.',
  // What only the reader of the log can know.
  customer_limit: 'The customer has as many interactions as can be stored.',
  tick_in_future: 'The tick is later than its record.',
  key_mismatch: 'The key of the record is not its customer, so it may stand in the wrong partition.',
  wrong_partition:
    'The record stands in another partition than that of its key; the partitioner is that of the Java client.',
  unknown_header: 'The name of the header begins with `weaklink-`, and is none of ours.',
  bad_header: 'The header does not say what it must.',
  unreadable_batch: 'The log holds bytes here that cannot be read as records.',
  unknown_catalogue: 'No catalogue with this hash is stored.',
  identity_conflict: 'The anonymous id is already linked to another customer.',
  bad_control_record: 'The control record is of an unknown kind, or its content is damaged.',
} as const satisfies Record<string, string>

/** Of lines of files, which never come to the log. */
const FILE_REASONS = {
  malformed_json: 'The line is not JSON.',
  incomplete_line: 'The last line of the file breaks off.',
  malformed_csv: 'The line is not well-formed CSV.',
  unclosed_quote: 'A quote is opened in this line and never closed.',
  wrong_column_count: 'The row has more or fewer columns than the header.',
  invalid_encoding: 'The line is not in the encoding of the file.',
  line_too_long: 'The line is too long.',
  malformed_queue_log: 'The line is not one of a queue log.',
  unknown_event: 'The event is none that is known of a queue log.',
  nothing_emitted: 'The mapping makes no interaction of this row.',
} as const satisfies Record<string, string>

export const REJECTION_REASONS = { ...LOG_REASONS, ...FILE_REASONS } as const

export type RejectionReason = keyof typeof REJECTION_REASONS

export interface Rejection {
  readonly reason: RejectionReason
  /** Name of the field, `props.x` for a prop, empty for the whole. */
  readonly field: string
  /** What would have been right, in words. */
  readonly expected: string
  /** The value at fault, at most 80 characters; `nothing` where it is absent. */
  readonly got: string
}

/** One line for people: reason, field, what was expected and what came. */
export function rejectionText(rejection: Rejection): string {
  const where = rejection.field === '' ? '' : `${rejection.field}: `
  return `${where}${REJECTION_REASONS[rejection.reason]} Expected ${rejection.expected}, got ${rejection.got}.`
}

const MAX_SHOWN = 80

/** A value as `got` shows it: texts as JSON, objects and arrays by what they hold, all cut at 80 characters. */
export function show(value: unknown): string {
  return cut(describe(value))
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  // The first characters are enough, and quoting a megabyte for them is not.
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MAX_SHOWN + 1))
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const keys = Object.keys(value)
  return keys.length === 0 ? 'an empty object' : `an object with ${keys.slice(0, 10).join(', ')}`
}

function cut(text: string): string {
  return text.length <= MAX_SHOWN ? text.toWellFormed() : `${text.slice(0, MAX_SHOWN - 1).toWellFormed()}…`
}

/** The name among `known` that `name` was probably meant to be: at most two typing errors away, case apart. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let least = Math.min(3, Math.ceil(name.length / 2) + 1)
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), least)
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  return nearest
}

/** Levenshtein distance, or `limit` where it is not below it. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(change, previous[j]! + 1, row[j - 1]! + 1))
    }
    previous = row
  }
  return Math.min(previous[b.length]!, limit)
}
