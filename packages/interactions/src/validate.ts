import type * as z from 'zod'
import { glance } from './fast-path.ts'
import type { Interaction, Props } from './interaction.ts'
import { nearestName, type Rejection, type RejectionReason, show } from './rejection.ts'
import { expectedIn, FIELD_NAMES, interactionSchema, isFieldName } from './schema.ts'

/** How far the clock of a producer may be ahead of ours. */
export const MAX_AHEAD_MS = 5 * 60_000

/** An interaction of a producer that need not give an id; whoever takes it in does. */
export type ProducedInteraction = Omit<Interaction, 'id'> & { readonly id?: string }

export type Validation<T> =
  | { readonly ok: true; readonly interaction: T }
  | { readonly ok: false; readonly rejection: Rejection }

export interface ValidateOptions {
  /** Epoch milliseconds at which it was received: the collector's clock, or the timestamp of the log's record. */
  readonly receivedAt: number
  /** True on the log, where every interaction has its id. */
  readonly idRequired?: boolean
}

/**
 * Takes anything, and gives an interaction in its normal form or the reason why it is none. The normal form: `at` in
 * whole epoch milliseconds, keys and props in a fixed order, what is empty left out. Never throws. What is in its normal
 * form already comes back itself.
 */
export function validate(
  input: unknown,
  options: ValidateOptions & { readonly idRequired: true },
): Validation<Interaction>
export function validate(input: unknown, options: ValidateOptions): Validation<ProducedInteraction>
export function validate(input: unknown, options: ValidateOptions): Validation<ProducedInteraction> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return refuse('not_an_object', '', 'a JSON object', input)
  }
  const seen = glance(input)
  if (seen !== null) {
    const produced = input as ProducedInteraction
    const interaction = seen.normal ? produced : normalForm({ ...produced, at: seen.at })
    return withinLimits(interaction, options)
  }
  return validateBySchema(input, options)
}

/** The same without the short way. */
export function validateBySchema(input: object, options: ValidateOptions): Validation<ProducedInteraction> {
  const parsed = interactionSchema.safeParse(input)
  if (!parsed.success) return { ok: false, rejection: rejectionOf(parsed.error.issues[0]!, input) }
  // zod leaves this key out of a record without a word.
  if ('props' in input && Object.hasOwn(Object(input.props), '__proto__')) {
    return refuse('bad_prop', 'props.__proto__', 'another name for the prop', '__proto__')
  }
  return withinLimits(normalForm(parsed.data as ProducedInteraction), options)
}

/** What depends on where and when it was received. */
function withinLimits(interaction: ProducedInteraction, options: ValidateOptions): Validation<ProducedInteraction> {
  const { at, id } = interaction
  if (options.idRequired === true && id === undefined) return refuse('missing_field', 'id', expectedIn('id'), undefined)
  if (at > options.receivedAt + MAX_AHEAD_MS) {
    const expected = `at most 5 minutes after the receipt at ${new Date(options.receivedAt).toISOString()}`
    return refuse('at_in_future', 'at', expected, new Date(at).toISOString())
  }
  return { ok: true, interaction }
}

/** The interaction with the id that was minted for it; an id of its own stays. */
export function withId(produced: ProducedInteraction, id: string): Interaction {
  return { id, ...produced }
}

/** The JSON of an interaction as it stands on the log: equal interactions give equal text, whatever their key order. */
export function encode(interaction: Interaction): string {
  return JSON.stringify(glance(interaction)?.normal === true ? interaction : normalForm(interaction))
}

/** Whether two interactions say the same; those of one id that do not are a conflict. */
export function sameContent(a: Interaction, b: Interaction): boolean {
  return encode(a) === encode(b)
}

function normalForm<T extends ProducedInteraction>(interaction: T): T {
  const normal: Record<string, unknown> = {}
  for (const name of FIELD_NAMES) {
    const value = interaction[name]
    if (value === undefined || value === '') continue
    if (name === 'props') {
      const sorted = sortedProps(value as Props)
      if (sorted !== undefined) normal[name] = sorted
    } else normal[name] = normalValue(value)
  }
  return normal as T
}

/** Undefined where there are none: the store does not tell that from an empty object. */
function sortedProps(props: Props): Props | undefined {
  const names = Object.keys(props)
  if (names.length === 0) return undefined
  const sorted: Record<string, string | number | boolean> = {}
  for (const name of names.sort()) sorted[name] = normalValue(props[name]!)
  return sorted
}

/** JSON has no negative zero, so neither have we. */
function normalValue<T>(value: T): T {
  return value === 0 ? (0 as T) : value
}

function refuse(reason: RejectionReason, field: string, expected: string, got: unknown): Validation<never> {
  return { ok: false, rejection: { reason, field, expected, got: show(got) } }
}

/** Names the first thing that zod found wrong. */
function rejectionOf(issue: z.core.$ZodIssue, input: object): Rejection {
  if (issue.code === 'unrecognized_keys') {
    const name = issue.keys[0]!
    const nearest = nearestName(name, FIELD_NAMES)
    const expected = nearest === undefined ? `one of ${FIELD_NAMES.join(', ')}` : `${nearest}, or the data in props`
    return { reason: 'unknown_field', field: name, expected, got: show((input as Record<string, unknown>)[name]) }
  }
  const [name, prop] = issue.path.map(String)
  if (name === undefined || !isFieldName(name)) {
    const expected = `customer (${expectedIn('customer')}), or anonymousId while the customer is not known`
    return { reason: reasonOf(issue, input), field: 'customer', expected, got: 'nothing' }
  }
  const value = (input as Record<string, unknown>)[name]
  if (prop === undefined) {
    return { reason: reasonOf(issue, value), field: name, expected: expectedIn(name), got: show(value) }
  }
  const content = (value as Record<string, unknown>)[prop]
  return {
    // Of the kinds that a prop may be, only a string can be of the right kind and still be wrong.
    reason: issue.code === 'invalid_union' && typeof content === 'string' ? 'not_unicode' : 'bad_prop',
    field: `${name}.${show(prop).slice(1, -1)}`,
    expected: 'a key, and a string, a finite number, true or false',
    got: show(content),
  }
}

function reasonOf(issue: z.core.$ZodIssue, value: unknown): RejectionReason {
  if (issue.code === 'custom') return issue.params?.reason as RejectionReason
  if (value === undefined) return 'missing_field'
  return issue.code === 'invalid_value' && typeof value === 'string' ? 'unknown_value' : 'wrong_type'
}
