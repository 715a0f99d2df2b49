import * as z from 'zod'
import { ACTORS, OUTCOMES, REACTIONS } from './interaction.ts'
import type { RejectionReason } from './rejection.ts'
import { isTouchpoint, lengthOf, MAX_TOUCHPOINT_LENGTH } from './slug.ts'
import { END_OF_TIME, FIRST_INSTANT, parseRfc3339 } from './time.ts'

/**
 * The one definition of an interaction as producers send it. A length counts characters (Unicode code points), as JSON
 * Schema does. Each check carries the name of its rejection, each field the words for what is expected there; the
 * JSON Schema and every rejection are made of these.
 */

export const MAX_PROPS = 32
/** Characters of the id of an interaction, and of a customer's or an anonymous one. */
export const MAX_ID = 128
export const MAX_PERSON = 256

/** 3650 days. The waits of all the interactions that a customer may have then add up to a safe integer. */
export const LONGEST_MS = 3650 * 86_400_000

export const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'))

/** A check with the name of its rejection. Later checks of the same value do not run once one failed. */
const check = <T>(reason: RejectionReason, right: (value: T) => boolean) =>
  [right, { abort: true, params: { reason } }] as const

export const isText = (text: string) => text.isWellFormed() && !text.includes('\u0000')

const text = (minLength: 0 | 1, maxLength: number) =>
  z
    .string()
    .refine(...check('not_unicode', isText))
    .refine(...check('empty', (value: string) => value.length >= minLength))
    .refine(...check('too_long', (value: string) => lengthOf(value, maxLength) <= maxLength))
    .meta({ minLength, maxLength })

const key = (maxLength: number) => text(1, maxLength).describe(`a string of 1 to ${maxLength} characters`)
/** The empty string says the same as leaving the field out. */
const label = () => text(0, 128).describe('a string of at most 128 characters')

const wholeMilliseconds = () =>
  z
    .number()
    .refine(...check('not_an_integer', Number.isSafeInteger))
    .refine(...check('negative', (value: number) => value >= 0))
    .refine(...check('too_large', (value: number) => value <= LONGEST_MS))
    .meta({ type: 'integer', minimum: 0, maximum: LONGEST_MS })
    .describe('a whole number of milliseconds, from 0 to 3650 days')

const amount = () =>
  z
    .number()
    .refine(...check('negative', (value: number) => value >= 0))
    .meta({ minimum: 0 })
    .describe('a number, 0 or more')

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values).describe(`one of ${values.join(', ')}`)

const at = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const instant = typeof value === 'number' ? Math.floor(value) : parseRfc3339(value)
    if (typeof instant === 'number' && instant >= FIRST_INSTANT && instant < END_OF_TIME) return instant
    const reason: RejectionReason = typeof instant === 'string' ? instant : 'at_out_of_range'
    context.addIssue({ code: 'custom', params: { reason } })
    return z.NEVER
  })
  .describe(
    'an RFC 3339 time with its offset from UTC, as 2024-03-13T10:21:14+03:00, or epoch milliseconds, of the years 1970 to 2200',
  )

const props = z
  .record(
    z.string().refine(...check('bad_prop', (name: string) => name !== '' && isText(name))),
    z.union([z.string().refine(...check('not_unicode', isText)), z.number(), z.boolean()]),
  )
  .refine(...check('too_many_props', (value: object) => Object.keys(value).length <= MAX_PROPS))
  .meta({ maxProperties: MAX_PROPS })
  .describe(`a flat object of at most ${MAX_PROPS} keys with strings, finite numbers, true or false`)

export const interactionSchema = z
  .strictObject({
    id: key(MAX_ID).optional(),
    customer: key(MAX_PERSON).optional(),
    anonymousId: key(MAX_PERSON).optional(),
    touchpoint: z
      .string()
      .refine(...check('not_unicode', isText))
      .refine(...check('bad_touchpoint', isTouchpoint))
      .meta({ pattern: '^[\\p{L}\\p{N}][\\p{L}\\p{N}\\p{M}_.-]*$', maxLength: MAX_TOUCHPOINT_LENGTH })
      .describe(
        `a touchpoint id: lower case letters and digits, after the first also _ . -, at most ${MAX_TOUCHPOINT_LENGTH} characters, in Unicode NFC`,
      ),
    at,
    by: oneOf(ACTORS).optional(),
    outcome: oneOf(OUTCOMES).optional(),
    reaction: oneOf(REACTIONS).optional(),
    episode: key(128).optional(),
    order: key(128).optional(),
    waitMs: wholeMilliseconds().optional(),
    durationMs: wholeMilliseconds().optional(),
    value: amount().optional(),
    cost: amount().optional(),
    currency: z
      .string()
      .refine(...check('not_a_currency', (code: string) => CURRENCIES.has(code)))
      .meta({ pattern: '^[A-Z]{3}$' })
      .describe('an ISO 4217 currency code, as EUR')
      .optional(),
    channel: label().optional(),
    campaign: label().optional(),
    queue: label().optional(),
    agent: label().optional(),
    props: props.optional(),
  })
  .refine(
    ...check(
      'missing_customer',
      (value: { customer?: unknown; anonymousId?: unknown }) =>
        value.customer !== undefined || value.anonymousId !== undefined,
    ),
  )
  .meta({ anyOf: [{ required: ['customer'] }, { required: ['anonymousId'] }] })
  .describe('An interaction: this customer met this touchpoint at this instant.')

export type FieldName = keyof typeof interactionSchema.shape

/** In the order in which an interaction is always written. */
export const FIELD_NAMES = Object.keys(interactionSchema.shape) as readonly FieldName[]

export function isFieldName(name: string): name is FieldName {
  return Object.hasOwn(interactionSchema.shape, name)
}

/** What is expected in a field, in words. */
export function expectedIn(field: FieldName): string {
  const schema = interactionSchema.shape[field]
  const description = schema.description ?? ('unwrap' in schema ? schema.unwrap().description : undefined)
  return description ?? 'a value'
}
