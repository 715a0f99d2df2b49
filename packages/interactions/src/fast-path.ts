import { ACTORS, OUTCOMES, REACTIONS } from './interaction.ts'
import { CURRENCIES, FIELD_NAMES, type FieldName, LONGEST_MS, MAX_PROPS } from './schema.ts'
import { isTouchpoint } from './slug.ts'
import { END_OF_TIME, FIRST_INSTANT, parseRfc3339 } from './time.ts'

/**
 * The short way through validation for what is plainly right: a tenth of the schema's time. It knows nothing of its own:
 * whatever it accepts of plain data, as JSON.parse makes it, the schema accepts, with the same normal form (a property in
 * the tests), and where it is not sure it says nothing, and the schema decides and finds the words.
 */

/** `normal`: the input is in its normal form; `valid`: it is right, and has this instant. */
export type Glance = { readonly normal: boolean; readonly at: number } | null

/** Looks at an object; null where only the schema can tell. */
export function glance(input: object): Glance {
  if (Object.getPrototypeOf(input) !== Object.prototype) return null
  let [normal, place, at] = [true, -1, -1]
  let [hasPerson, hasTouchpoint] = [false, false]
  for (const name in input) {
    const field = FIELDS.get(name)
    if (field === undefined) return null
    const value = (input as Readonly<Record<string, unknown>>)[name]
    if (field.place < place) normal = false
    place = field.place
    if (name === 'at') {
      const instant = typeof value === 'string' ? parseRfc3339(value) : value
      if (typeof instant !== 'number' || !Number.isInteger(instant) || !(instant >= FIRST_INSTANT)) return null
      if (instant >= END_OF_TIME || Object.is(instant, -0)) return null
      at = instant
      if (typeof value === 'string') normal = false
    } else if (!field.right(value)) return null
    if (name === 'customer' || name === 'anonymousId') hasPerson = true
    else if (name === 'touchpoint') hasTouchpoint = true
  }
  return at >= 0 && hasPerson && hasTouchpoint ? { normal, at } : null
}

/** Characters of the Basic Multilingual Plane without NUL: one UTF-16 unit each, and none of them half of a pair. */
const plainText = (max: number) => (value: unknown) => {
  if (typeof value !== 'string' || value.length === 0 || value.length > max) return false
  return hasPlainCharacters(value)
}

function hasPlainCharacters(text: string): boolean {
  for (let k = 0; k < text.length; k++) {
    const unit = text.charCodeAt(k)
    if (unit === 0 || (unit & 0xf800) === 0xd800) return false
  }
  return true
}

const wordOf = (words: readonly string[]) => (value: unknown) => words.includes(value as string)

const milliseconds = (value: unknown) => amount(value) && Number.isSafeInteger(value) && (value as number) <= LONGEST_MS

const amount = (value: unknown) =>
  typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY && !Object.is(value, -0)

/** In the order of their names, as the normal form has them. */
const props = (value: unknown) => {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false
  let [count, last] = [0, '']
  for (const name in value) {
    if (++count > MAX_PROPS || name <= last || name === '__proto__' || !hasPlainCharacters(name)) return false
    last = name
    const content = (value as Readonly<Record<string, unknown>>)[name]
    if (typeof content === 'string') {
      if (!hasPlainCharacters(content)) return false
    } else if (typeof content === 'number') {
      if (!Number.isFinite(content) || Object.is(content, -0)) return false
    } else if (typeof content !== 'boolean') return false
  }
  return count > 0
}

const RIGHT: Readonly<Record<Exclude<FieldName, 'at'>, (value: unknown) => boolean>> = {
  id: plainText(128),
  customer: plainText(256),
  anonymousId: plainText(256),
  touchpoint: (value) => typeof value === 'string' && isTouchpoint(value),
  by: wordOf(ACTORS),
  outcome: wordOf(OUTCOMES),
  reaction: wordOf(REACTIONS),
  episode: plainText(128),
  order: plainText(128),
  waitMs: milliseconds,
  durationMs: milliseconds,
  value: amount,
  cost: amount,
  currency: (value) => CURRENCIES.has(value as string),
  channel: plainText(128),
  campaign: plainText(128),
  queue: plainText(128),
  agent: plainText(128),
  props,
}

const FIELDS: ReadonlyMap<string, { readonly place: number; readonly right: (value: unknown) => boolean }> = new Map(
  FIELD_NAMES.map((name, place) => [name, { place, right: name === 'at' ? () => false : RIGHT[name] }]),
)
