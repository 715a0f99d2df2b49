/**
 * A **silence** keeps alerts whose labels fit from being told, from one instant to another. People make them, on any
 * machine: each is a record of the topic `weaklink.alerts`, which the running service reads within a second.
 */

import { randomUUID } from 'node:crypto'
import { RE2JS } from 're2js'
import { z } from 'zod'
import type { Memory, MemoryRecord } from '../alert.ts'

const OPERATORS = ['=', '!=', '=~', '!~'] as const

export interface Matcher {
  readonly label: string
  readonly operator: (typeof OPERATORS)[number]
  /** A text, or a regular expression that the whole value has to fit. */
  readonly value: string
}

export interface Silence {
  readonly id: string
  /** All have to fit. A label that an alert lacks is an empty text, as at Alertmanager. */
  readonly matchers: readonly Matcher[]
  /** Epoch milliseconds, half-open. */
  readonly from: number
  readonly until: number
  readonly by: string
  readonly why: string
}

/** What is wrong with a silence that somebody asks for; the message says what was expected. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError'
}

const PREFIX = 'silence/'
const LONGEST = 256

const silenceSchema = z.object({
  id: z.string(),
  matchers: z.array(z.object({ label: z.string(), operator: z.enum(OPERATORS), value: z.string() })).min(1),
  from: z.number(),
  until: z.number(),
  by: z.string(),
  why: z.string(),
})

/**
 * Reads `label=value`, `label!=value`, `label=~regex` or `label!~regex`; the value may stand in double quotes.
 *
 * @throws SilenceError
 */
export function parseMatcher(text: string): Matcher {
  const [, label, operator, raw = ''] = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s.exec(text) ?? []
  if (label === undefined || operator === undefined) {
    throw new SilenceError(
      `got ${JSON.stringify(text)}, expected label=value, label!=value, label=~regex or label!~regex`,
    )
  }
  const value = /^".*"$/s.test(raw) ? raw.slice(1, -1) : raw
  if (value.length > LONGEST) throw new SilenceError(`the value of ${label} is longer than ${LONGEST} characters`)
  const matcher = { label, operator: operator as Matcher['operator'], value }
  try {
    expressionOf(matcher)
  } catch (error) {
    throw new SilenceError(
      `got ${JSON.stringify(value)} for ${label}, expected a regular expression (${(error as Error).message})`,
    )
  }
  return matcher
}

export function matcherText({ label, operator, value }: Matcher): string {
  return `${label}${operator}${JSON.stringify(value)}`
}

/**
 * Makes a silence and remembers it: the running service keeps to it within a second.
 *
 * @param wish `from` and `until` in epoch milliseconds
 * @throws SilenceError where it has no matcher, fits every alert there is, is over already, or names nobody and no reason
 */
export async function addSilence(
  memory: Pick<Memory, 'remember'>,
  wish: Omit<Silence, 'id'>,
  now: number,
): Promise<Silence> {
  const { matchers, from, until, by, why } = wish
  if (matchers.every((matcher) => fits(matcher, {}))) {
    throw new SilenceError(
      'it would silence every alert; expected at least one label with a value, as in queue=support',
    )
  }
  if (until <= from) throw new SilenceError('it ends before it begins')
  if (until <= now) throw new SilenceError('it would be over already')
  if (by.trim() === '') throw new SilenceError('expected who makes it')
  if (why.trim() === '') throw new SilenceError('expected why: others will want to know')
  const silence = { id: randomUUID().slice(0, 8), matchers, from, until, by: by.trim(), why: why.trim() }
  await memory.remember([recordOf(silence)])
  return silence
}

/**
 * Ends a silence now; one that is over already stays as it is.
 *
 * @throws SilenceError where there is none with this id
 */
export async function expireSilence(memory: Memory, id: string, now: number): Promise<Silence> {
  const silence = silencesIn(await memory.load()).find((one) => one.id === id)
  if (silence === undefined) throw new SilenceError(`there is no silence ${id}`)
  if (silence.until <= now) return silence
  const ended = { ...silence, from: Math.min(silence.from, now), until: now }
  await memory.remember([recordOf(ended)])
  return ended
}

/** The silences among the records of the topic; the newest record of each counts. */
export function silencesIn(records: readonly Pick<MemoryRecord, 'key' | 'value'>[]): readonly Silence[] {
  const byId = new Map<string, Silence>()
  for (const { key, value } of records) {
    if (!key.startsWith(PREFIX)) continue
    const id = key.slice(PREFIX.length)
    const silence = silenceOf(value)
    if (silence === null) byId.delete(id)
    else byId.set(id, silence)
  }
  return [...byId.values()]
}

function recordOf(silence: Silence): Omit<MemoryRecord, 'timestamp'> {
  return { key: `${PREFIX}${silence.id}`, value: silence }
}

/** Null for what is none: a record by hand is not to stop the service. */
function silenceOf(value: unknown): Silence | null {
  const parsed = silenceSchema.safeParse(value)
  if (!parsed.success) return null
  try {
    parsed.data.matchers.forEach(expressionOf)
    return parsed.data
  } catch {
    return null
  }
}

/** Those in force, ready to be asked often. */
export class Silences {
  readonly #byId = new Map<string, { readonly silence: Silence; readonly fits: (labels: Labels) => boolean }>()

  /** Takes in a record of the topic; false where it is of something else. */
  recall({ key, value }: Pick<MemoryRecord, 'key' | 'value'>): boolean {
    if (!key.startsWith(PREFIX)) return false
    const id = key.slice(PREFIX.length)
    const silence = silenceOf(value)
    if (silence === null) this.#byId.delete(id)
    else {
      const tests = silence.matchers.map((matcher) => testOf(matcher))
      this.#byId.set(id, { silence, fits: (labels) => tests.every((test) => test(labels)) })
    }
    return true
  }

  /** Whether a silence kept alerts with these labels quiet at an instant. */
  cover(labels: Labels, at: number): boolean {
    for (const { silence, fits } of this.#byId.values()) {
      if (silence.from <= at && at < silence.until && fits(labels)) return true
    }
    return false
  }

  /** Forgets those that ended before an instant. */
  forget(before: number): void {
    for (const [id, { silence }] of this.#byId) if (silence.until < before) this.#byId.delete(id)
  }
}

type Labels = Readonly<Record<string, string>>

function fits(matcher: Matcher, labels: Labels): boolean {
  return testOf(matcher)(labels)
}

function testOf(matcher: Matcher): (labels: Labels) => boolean {
  const { label, operator, value } = matcher
  const expression = expressionOf(matcher)
  const holds = expression === null ? (text: string) => text === value : (text: string) => expression.matches(text)
  const wanted = !operator.startsWith('!')
  return (labels) => holds(labels[label] ?? '') === wanted
}

/**
 * Null where the operator compares texts. RE2, as Alertmanager has it: it takes time in proportion to the text, whatever the
 * expression is, and fits the whole text.
 *
 * @throws where it is none
 */
function expressionOf({ operator, value }: Matcher): RE2JS | null {
  return operator.endsWith('~') ? RE2JS.compile(value, RE2JS.DOTALL) : null
}
