import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encode,
  type Interaction,
  interactionJsonSchema,
  REJECTION_REASONS,
  rejectionText,
  sameContent,
  validate,
  withId,
} from '../src/index.ts'
import { interactionArbitrary } from './arbitrary.ts'

const NOW = Date.parse('2024-05-01T12:00:00Z')
const good = { id: 'i1', customer: 'ann', touchpoint: 'call_wait', at: '2024-05-01T10:00:00Z' }
const options = { receivedAt: NOW, idRequired: true } as const

function reasonFor(input: unknown): string {
  const result = validate(input, options)
  return result.ok ? 'ok' : `${result.rejection.reason} ${result.rejection.field}`.trim()
}

const props = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))

describe('validate refuses, by name', () => {
  const table: [given: string, input: unknown, then: string][] = [
    ['nothing', undefined, 'not_an_object'],
    ['null', null, 'not_an_object'],
    ['a text', 'hello', 'not_an_object'],
    ['an array', [good], 'not_an_object'],
    ['nobody', { ...good, customer: undefined }, 'missing_customer customer'],
    ['no touchpoint', { ...good, touchpoint: undefined }, 'missing_field touchpoint'],
    ['no time', { ...good, at: undefined }, 'missing_field at'],
    ['no id', { ...good, id: undefined }, 'missing_field id'],
    ['a typing error in a key', { ...good, wiatMs: 3 }, 'unknown_field wiatMs'],
    [
      'a prototype as a key',
      JSON.parse('{"customer":"a","touchpoint":"b","at":1,"__proto__":{"id":"x"}}'),
      'unknown_field __proto__',
    ],
    ['a number as customer', { ...good, customer: 7 }, 'wrong_type customer'],
    ['null as episode', { ...good, episode: null }, 'wrong_type episode'],
    ['true as time', { ...good, at: true }, 'wrong_type at'],
    ['NaN as time', { ...good, at: Number.NaN }, 'wrong_type at'],
    ['an infinite value', { ...good, value: Number.POSITIVE_INFINITY }, 'wrong_type value'],
    ['an outcome that is none', { ...good, outcome: 'lost' }, 'unknown_value outcome'],
    ['an actor that is none', { ...good, by: 'robot' }, 'unknown_value by'],
    ['a reaction that is none', { ...good, reaction: '' }, 'unknown_value reaction'],
    ['an empty customer', { ...good, customer: '' }, 'empty customer'],
    ['an empty id', { ...good, id: '' }, 'empty id'],
    ['an id of 129', { ...good, id: 'x'.repeat(129) }, 'too_long id'],
    ['a customer of 257', { ...good, customer: 'x'.repeat(257) }, 'too_long customer'],
    ['a channel of 129', { ...good, channel: 'x'.repeat(129) }, 'too_long channel'],
    ['a touchpoint in upper case', { ...good, touchpoint: 'Call' }, 'bad_touchpoint touchpoint'],
    ['a touchpoint with a space', { ...good, touchpoint: 'call wait' }, 'bad_touchpoint touchpoint'],
    ['a touchpoint that begins with _', { ...good, touchpoint: '_call' }, 'bad_touchpoint touchpoint'],
    ['a touchpoint not in NFC', { ...good, touchpoint: 'cafe\u0301' }, 'bad_touchpoint touchpoint'],
    ['a touchpoint of 65', { ...good, touchpoint: 'x'.repeat(65) }, 'bad_touchpoint touchpoint'],
    ['a lone surrogate', { ...good, customer: 'a\ud800' }, 'not_unicode customer'],
    ['a NUL character', { ...good, agent: 'a\u0000b' }, 'not_unicode agent'],
    ['a NUL character in a prop', { ...good, props: { a: '\u0000' } }, 'not_unicode props.a'],
    ['no time at all', { ...good, at: 'yesterday' }, 'bad_time at'],
    ['30 February', { ...good, at: '2024-02-30T10:00:00Z' }, 'bad_time at'],
    ['25 o’clock', { ...good, at: '2024-02-20T25:00:00Z' }, 'bad_time at'],
    ['a time without seconds', { ...good, at: '2024-02-20T10:00Z' }, 'bad_time at'],
    ['a time without offset', { ...good, at: '2024-05-01T10:00:00' }, 'time_without_offset at'],
    ['a date', { ...good, at: '2024-05-01' }, 'time_without_offset at'],
    ['1969', { ...good, at: '1969-12-31T23:59:59Z' }, 'at_out_of_range at'],
    ['1969 by its offset', { ...good, at: '1970-01-01T00:00:00+01:00' }, 'at_out_of_range at'],
    ['2201', { ...good, at: '2201-01-01T00:00:00Z' }, 'at_out_of_range at'],
    ['a millisecond more than 5 minutes ahead', { ...good, at: NOW + 300_001 }, 'at_in_future at'],
    ['a negative wait', { ...good, waitMs: -1 }, 'negative waitMs'],
    ['a negative value', { ...good, value: -0.01 }, 'negative value'],
    ['half a millisecond', { ...good, durationMs: 0.5 }, 'not_an_integer durationMs'],
    ['more than JSON can count', { ...good, waitMs: 2 ** 53 }, 'not_an_integer waitMs'],
    ['a wait of more than 3650 days', { ...good, waitMs: 315_360_000_001 }, 'too_large waitMs'],
    ['a duration of more than 3650 days', { ...good, durationMs: Number.MAX_SAFE_INTEGER }, 'too_large durationMs'],
    ['a currency that is none', { ...good, currency: 'euro' }, 'not_a_currency currency'],
    ['a currency in lower case', { ...good, currency: 'eur' }, 'not_a_currency currency'],
    ['33 props', { ...good, props: props(33) }, 'too_many_props props'],
    ['a prop within a prop', { ...good, props: { a: { b: 1 } } }, 'bad_prop props.a'],
    ['null as a prop', { ...good, props: { a: null } }, 'bad_prop props.a'],
    ['an infinite prop', { ...good, props: { a: Number.NEGATIVE_INFINITY } }, 'bad_prop props.a'],
    ['a prop without a name', { ...good, props: { '': 1 } }, 'bad_prop props.'],
    ['a prototype as a prop', { ...good, props: JSON.parse('{"__proto__":1}') }, 'bad_prop props.__proto__'],
    ['an array as props', { ...good, props: [1] }, 'wrong_type props'],
  ]

  it.each(table)('%s', (_given, input, then) => {
    expect(reasonFor(input)).toBe(then)
  })

  it('and tells what was expected and what came, in one line', () => {
    const result = validate({ ...good, wiatMs: 3 }, options)
    expect(result.ok ? '' : rejectionText(result.rejection)).toBe(
      'wiatMs: The field is not one of an interaction; other data belongs into `props`. Expected waitMs, or the data in props, got 3.',
    )
  })

  it('whatever it is given, shortly and without throwing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything({ withBigInt: true, withNullPrototype: true }),
          fc.record(
            { ...Object.fromEntries(Object.keys(good).map((key) => [key, fc.anything()])) },
            { requiredKeys: [] },
          ),
        ),
        (input) => {
          const result = validate(input, options)
          if (result.ok) return
          expect(result.rejection.got.length).toBeLessThanOrEqual(80)
          expect(REJECTION_REASONS).toHaveProperty(result.rejection.reason)
        },
      ),
    )
  })
})

describe('validate accepts', () => {
  const accepted = (input: object) => {
    const result = validate(input, options)
    return result.ok ? result.interaction : result.rejection
  }

  const times: [given: string, at: unknown, then: number][] = [
    ['an offset', '2024-05-01T13:00:00+03:00', NOW - 7_200_000],
    ['a negative offset', '2024-05-01T05:30:00-04:30', NOW - 7_200_000],
    ['lower case', '2024-05-01t10:00:00z', NOW - 7_200_000],
    ['a fraction, floored', '2024-05-01T10:00:00.1239Z', NOW - 7_200_000 + 123],
    ['a leap second', '2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
    ['milliseconds with a fraction, floored', 1714557600000.9, NOW - 7_200_000],
    ['the first instant', 0, 0],
    ['exactly 5 minutes ahead', NOW + 300_000, NOW + 300_000],
  ]
  it.each(times)('as time %s', (_given, at, then) => {
    expect(accepted({ ...good, at })).toMatchObject({ at: then })
  })

  it('the last millisecond of 2200, if it was received then', () => {
    const at = '2200-12-31T23:59:59.999Z'
    expect(validate({ ...good, at }, { receivedAt: Date.UTC(2201, 0, 1) })).toMatchObject({ ok: true })
  })

  it('lengths counted in characters, not in UTF-16 units', () => {
    expect(accepted({ ...good, id: '😀'.repeat(128) })).toMatchObject({ id: '😀'.repeat(128) })
    expect(reasonFor({ ...good, id: '😀'.repeat(129) })).toBe('too_long id')
    expect(accepted({ ...good, touchpoint: '𐐨'.repeat(64) })).toMatchObject({ touchpoint: '𐐨'.repeat(64) })
  })

  it('a wait and a duration of 3650 days', () => {
    const longest = { waitMs: 315_360_000_000, durationMs: 315_360_000_000 }
    expect(accepted({ ...good, ...longest })).toMatchObject(longest)
  })

  it('empty labels and empty props as absent', () => {
    const input = { ...good, channel: '', campaign: '', queue: '', agent: '', props: {} }
    expect(accepted(input)).toEqual({ ...good, at: NOW - 7_200_000 })
  })

  it('whoever is not known yet', () => {
    expect(accepted({ ...good, customer: undefined, anonymousId: 'cookie' })).toMatchObject({ anonymousId: 'cookie' })
  })

  it('an interaction without id from a producer, and gives it one', () => {
    const result = validate({ ...good, id: undefined }, { receivedAt: NOW })
    expect(result.ok && withId(result.interaction, 'minted').id).toBe('minted')
    expect(withId(good as unknown as Interaction, 'minted').id).toBe('i1')
  })

  it('its own encoding, unchanged', () => {
    fc.assert(
      fc.property(interactionArbitrary, (interaction) => {
        const result = validate(JSON.parse(encode(interaction)), {
          receivedAt: Number.MAX_SAFE_INTEGER,
          idRequired: true,
        })
        expect(result).toEqual({ ok: true, interaction })
      }),
    )
  })
})

describe('encode and sameContent', () => {
  it('do not depend on the order of keys', () => {
    const a = { id: '1', customer: 'c', touchpoint: 't', at: 1, props: { a: 1, b: -0 } }
    const b = { props: { b: 0, a: 1 }, at: 1, touchpoint: 't', customer: 'c', id: '1' }
    expect(encode(a)).toBe(encode(b))
    expect(sameContent(a, b)).toBe(true)
  })

  it('tell every difference', () => {
    fc.assert(
      fc.property(interactionArbitrary, interactionArbitrary, (a, b) => {
        expect(sameContent(a, structuredClone(a))).toBe(true)
        const equal = fc.stringify(JSON.parse(JSON.stringify(a))) === fc.stringify(JSON.parse(JSON.stringify(b)))
        if (!equal) expect(sameContent(a, b)).toBe(false)
        expect(sameContent(a, { ...a, at: a.at + 1 })).toBe(false)
      }),
    )
  })
})

it('the JSON Schema tells every field with its words', () => {
  const schema = interactionJsonSchema()
  expect(schema).toMatchObject({
    type: 'object',
    required: ['touchpoint', 'at'],
    additionalProperties: false,
    anyOf: [{ required: ['customer'] }, { required: ['anonymousId'] }],
    properties: {
      id: { minLength: 1, maxLength: 128 },
      waitMs: { type: 'integer', minimum: 0, maximum: 315_360_000_000 },
      props: { maxProperties: 32 },
    },
  })
  expect(Object.values(schema.properties ?? {}).every((field) => typeof field === 'object' && field.description)).toBe(
    true,
  )
})
