import type { Rejection } from './rejection.ts'
import { show } from './rejection.ts'
import { slug } from './slug.ts'

/**
 * A **template** makes one value of a row: literal text with **placeholders** in braces. A placeholder lists
 * **alternatives**, of which the first that is present and not empty counts: `{phone:e164|email:lower|visitor}`. An
 * alternative is a column, or a dotted path into JSON, with **filters** after colons. A backslash takes the next
 * character as it is. Where a placeholder finds nothing, the whole template gives nothing: `{country}-{number}` must
 * not make one customer of all who have no number.
 */

export interface Scope {
  readonly row: unknown
  /** The element of the row's array that `each` is at; what it lacks is looked up in the row. */
  readonly element?: unknown
}

/** The value cannot be used; the field's name is added by who asked for it. */
export class Unusable {
  readonly rejection: Omit<Rejection, 'field'>

  constructor(rejection: Omit<Rejection, 'field'>) {
    this.rejection = rejection
  }
}

export type Value = string | number | boolean

export interface Template {
  /** Columns or paths that it reads, with their offsets in its text. */
  readonly references: readonly { readonly path: string; readonly index: number }[]
  /** The value for a row, undefined where there is none. */
  readonly evaluate: (scope: Scope) => Value | undefined | Unusable
}

/** What is wrong with the text of a template, and where. */
export interface TemplateFault {
  readonly index: number
  readonly expected: string
  readonly got: string
}

export interface TemplateOptions {
  /** Whether the field counts milliseconds, so that `s`, `m` … may say what the column counts. */
  readonly units: boolean
  readonly number: (text: string) => number | undefined
}

const FILTERS = new Map<string, (text: string) => string>([
  ['lower', (text) => text.toLowerCase()],
  ['trim', (text) => text.trim()],
  ['digits', (text) => text.replace(/\D+/g, '')],
  ['e164', e164],
  ['slug', slug],
])

const UNITS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/**
 * A phone number as E.164 writes it. With `+` or `00` the country is known; eleven digits and more are taken to begin
 * with the country, and eleven that begin with the Russian trunk prefix 8 to be Russian. Seven to ten digits without a
 * country stay plain digits: still one key a number, never another country's. Fewer (an extension), more than fifteen,
 * or none ("anonymous") give nothing.
 */
function e164(text: string): string {
  const international = /^[\s(]*(?:\+|00)/.test(text)
  const digits = text.replace(/\D+/g, '').replace(/^00/, '')
  if (digits.length < 7 || digits.length > 15) return ''
  if (international) return `+${digits}`
  if (/^8[34789]\d{9}$/.test(digits)) return `+7${digits.slice(1)}`
  return digits.length >= 11 ? `+${digits}` : digits
}

/** A template that always gives the same; nothing where the text is empty. */
export function constant(value: Value): Template {
  return { references: [], evaluate: () => (value === '' ? undefined : value) }
}

export function parseTemplate(text: string, options: TemplateOptions): Template | TemplateFault {
  const parts: (string | Placeholder)[] = []
  let literal = ''
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '\\' && index + 1 < text.length) literal += text[++index]
    else if (text[index] !== '{') literal += text[index]
    else {
      const end = endOfPlaceholder(text, index + 1)
      if (end === -1) return { index, expected: 'a } that closes this {', got: show(text.slice(index)) }
      const placeholder = parsePlaceholder(text, index + 1, end, options)
      if ('expected' in placeholder) return placeholder
      if (literal !== '') parts.push(literal)
      parts.push(placeholder)
      literal = ''
      index = end
    }
  }
  if (literal !== '') parts.push(literal)
  if (!parts.some((part) => typeof part !== 'string')) return constant(parts.join(''))
  const references = parts.flatMap((part) => (typeof part === 'string' ? [] : part.alternatives))
  const [only] = parts
  if (parts.length === 1 && typeof only === 'object') return { references, evaluate: (scope) => pick(only, scope) }
  return { references, evaluate: (scope) => join(parts, scope) }
}

interface Placeholder {
  readonly alternatives: readonly Alternative[]
}

interface Alternative {
  readonly path: string
  readonly index: number
  readonly find: (scope: Scope) => unknown
  readonly filters: readonly ((text: string) => string)[]
  /** Milliseconds that the unit has, where one is named. */
  readonly unit: number | undefined
  readonly number: (text: string) => number | undefined
}

function endOfPlaceholder(text: string, from: number): number {
  for (let index = from; index < text.length; index++) {
    if (text[index] === '\\') index++
    else if (text[index] === '}') return index
    else if (text[index] === '{') return -1
  }
  return -1
}

function parsePlaceholder(
  text: string,
  from: number,
  end: number,
  options: TemplateOptions,
): Placeholder | TemplateFault {
  const alternatives: Alternative[] = []
  for (const piece of splitUnescaped(text, from, end, '|')) {
    const [name, ...filterNames] = splitUnescaped(text, piece.from, piece.to, ':')
    const path = withoutBackslashes(text.slice(name!.from, name!.to)).trim()
    const index = name!.from
    if (path === '')
      return { index, expected: 'the name of a column, or a path', got: show(text.slice(from - 1, end + 1)) }
    const filters: ((text: string) => string)[] = []
    let unit: number | undefined
    for (const [position, { from: start, to }] of filterNames.entries()) {
      const filterName = text.slice(start, to).trim()
      const filter = FILTERS.get(filterName)
      if (filter !== undefined) filters.push(filter)
      else if (options.units && UNITS.has(filterName) && position === filterNames.length - 1)
        unit = UNITS.get(filterName)
      else return { index: start, expected: expectedFilter(options.units), got: show(filterName) }
    }
    alternatives.push({ path, index, find: finder(path), filters, unit, number: options.number })
  }
  return { alternatives }
}

function expectedFilter(units: boolean): string {
  const filters = `a filter (${[...FILTERS.keys()].join(', ')})`
  return units
    ? `${filters}, or at the end a unit (${[...UNITS.keys()].join(', ')})`
    : `${filters}; units are for waitMs and durationMs, and a colon within a name is written \\:`
}

function splitUnescaped(text: string, from: number, end: number, separator: string): { from: number; to: number }[] {
  const pieces: { from: number; to: number }[] = []
  let start = from
  for (let index = from; index < end; index++) {
    if (text[index] === '\\') index++
    else if (text[index] === separator) {
      pieces.push({ from: start, to: index })
      start = index + 1
    }
  }
  pieces.push({ from: start, to: end })
  return pieces
}

function withoutBackslashes(text: string): string {
  return text.replace(/\\(.)/gsu, '$1')
}

/** Looks a path up: first in the element, then in the row. */
export function finder(path: string): (scope: Scope) => unknown {
  const keys = path.split('.')
  return (scope) => {
    const inElement = scope.element === undefined ? undefined : lookUp(scope.element, path, keys)
    return inElement === undefined ? lookUp(scope.row, path, keys) : inElement
  }
}

function lookUp(from: unknown, path: string, keys: readonly string[]): unknown {
  // A column may have dots in its name.
  const whole = own(from, path)
  if (whole !== undefined || keys.length === 1) return whole
  let value: unknown = from
  for (const key of keys) value = own(value, key)
  return value
}

function own(from: unknown, key: string): unknown {
  if (typeof from !== 'object' || from === null || !Object.hasOwn(from, key)) return undefined
  return (from as Record<string, unknown>)[key]
}

export function isEmpty(value: unknown): value is undefined | null | '' {
  return value === undefined || value === null || (typeof value === 'string' && value.trim() === '')
}

function pick(placeholder: Placeholder, scope: Scope): Value | undefined | Unusable {
  for (const { path, find, filters, unit, number } of placeholder.alternatives) {
    const found = find(scope)
    if (isEmpty(found)) continue
    if (typeof found === 'object') {
      return new Unusable({ reason: 'wrong_type', expected: `a single value at {${path}}`, got: show(found) })
    }
    if (filters.length === 0 && unit === undefined) return found as Value
    let text = String(found)
    for (const filter of filters) text = filter(text)
    if (isEmpty(text)) continue
    if (unit === undefined) return text
    const amount = typeof found === 'number' && filters.length === 0 ? found : number(text)
    if (amount === undefined) {
      return new Unusable({ reason: 'not_a_number', expected: `a number at {${path}}`, got: show(found) })
    }
    return Math.round(amount * unit)
  }
  return undefined
}

function join(parts: readonly (string | Placeholder)[], scope: Scope): string | undefined | Unusable {
  let text = ''
  for (const part of parts) {
    const value = typeof part === 'string' ? part : pick(part, scope)
    if (value === undefined || value instanceof Unusable) return value
    text += String(value)
  }
  return text
}
