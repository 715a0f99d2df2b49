import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { glance } from '../src/fast-path.ts'
import { FIELD_NAMES } from '../src/schema.ts'
import { encode, validate, validateBySchema } from '../src/validate.ts'
import { interactionArbitrary } from './arbitrary.ts'

const options = { receivedAt: Number.MAX_SAFE_INTEGER }

/** Values that one of the two ways might read differently from the other. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      undefined,
      null,
      '',
      ' ',
      0,
      -0,
      1,
      -1,
      0.5,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      2 ** 53,
      3650 * 86_400_000,
      true,
      [],
      {},
    ],
    ...[
      '\u0000',
      'a\u0000',
      '\ud800',
      'a\udc00',
      '😀',
      '\ufeff',
      'a',
      'A',
      'é',
      'e\u0301',
      'EUR',
      'eur',
      'XXX',
      '__proto__',
    ],
    ...['customer', 'company', 'bought', 'positive', 'constructor', 'a'.repeat(64), 'a'.repeat(65), 'a'.repeat(128)],
    ...['a'.repeat(129), '😀'.repeat(128), 'a'.repeat(256), 'a'.repeat(257)],
    ...[Date.UTC(2200, 11, 31), Date.UTC(2201, 0, 1), Date.UTC(2201, 0, 1) - 1],
    ...[
      '2024-05-01T10:00:00Z',
      '2024-05-01T10:00:00',
      '2201-01-01T00:00:00Z',
      '1969-12-31T23:59:59.999Z',
      '1970-01-01T00:00:00Z',
    ],
    ...[
      { a: 1, b: '' },
      { b: 1, a: 2 },
      { 10: 1, 9: 2 },
      { '': 1 },
      { a: -0 },
      { a: Number.NaN },
      { a: [] },
      { a: null },
    ],
    ...[{ a: '\ud800' }, { '\u0000': 1 }, JSON.parse('{"__proto__":1}'), Object.create(null), new Date(0)],
    Object.fromEntries(Array.from({ length: 33 }, (_, k) => [`k${k}`, k])),
  ),
  fc.anything(),
)

/** Interactions without the characters that the short way leaves to the schema. */
const plain = interactionArbitrary.map((interaction): typeof interaction =>
  JSON.parse(encode(JSON.parse(JSON.stringify(interaction).replaceAll(/[\ud800-\udfff]/g, 'x')))),
)

/** An interaction in which something may be missing, odd, or in another order. */
const almost = fc
  .tuple(
    fc.oneof(plain, interactionArbitrary),
    fc.array(fc.tuple(fc.oneof(fc.constantFrom(...FIELD_NAMES), fc.constantFrom('Customer', '__proto__', 'x')), odd), {
      maxLength: 3,
    }),
    fc.array(fc.nat(19), { maxLength: 3 }),
  )
  .map(([interaction, changes, moved]) => {
    const entries: [string, unknown][] = Object.entries(interaction)
    for (const [name, value] of changes) {
      const known = entries.find(([other]) => other === name)
      if (known === undefined) entries.push([name, value])
      else known[1] = value
    }
    for (const place of moved) entries.push(...entries.splice(place % entries.length, 1))
    return Object.fromEntries(entries)
  })

describe('the short way', () => {
  it('comes to what the schema comes to, whatever it is given', () => {
    let short = 0
    const runs = 5_000
    fc.assert(
      fc.property(almost, (input) => {
        const bySchema = validateBySchema(input, options)
        expect(validate(input, options)).toEqual(bySchema)
        const seen = glance(input)
        if (seen === null) return
        short++
        expect(bySchema.ok).toBe(true)
        // The order of keys and the sign of zero count as well.
        expect(JSON.stringify(validate(input, options))).toBe(JSON.stringify(bySchema))
        if (seen.normal) expect(bySchema).toMatchObject({ interaction: input })
      }),
      { numRuns: runs },
    )
    // It must have been taken often, or this test says nothing.
    expect(short).toBeGreaterThan(runs / 10)
  })

  it('is the way of what the log carries', () => {
    fc.assert(
      fc.property(plain, (interaction) => {
        expect(glance(interaction)).toMatchObject({ normal: true })
      }),
    )
  })

  it('knows a time with its offset', () => {
    const given = { id: 'i', customer: 'c', touchpoint: 'call_wait', at: '2024-05-01T13:00:00+03:00' }
    expect(glance(given)).toEqual({ normal: false, at: Date.UTC(2024, 4, 1, 10) })
  })
})
