import * as fc from 'fast-check'
import { ACTORS, END_OF_TIME, type Interaction, isTouchpoint, OUTCOMES, REACTIONS, slug } from '../src/index.ts'

const text = (minLength: number, maxLength: number) =>
  fc
    .string({ minLength, maxLength, unit: 'grapheme' })
    .map((value) => [...value.replaceAll('\u0000', '')].slice(0, maxLength).join(''))
    .filter((value) => value.length >= minLength)

const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const milliseconds = fc.integer({ min: 0, max: 3650 * 86_400_000 })

const touchpointArbitrary = fc.oneof(
  fc.constantFrom('call_wait', 'site_visit', 'checkout', 'ожидание', '电话等待'),
  fc.string({ unit: 'grapheme', maxLength: 100 }).map(slug).filter(isTouchpoint),
)

const propsArbitrary = fc
  .dictionary(
    text(1, 20).filter((name) => name !== '__proto__'),
    fc.oneof(
      text(0, 30),
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    ),
    { minKeys: 1, maxKeys: 32, noNullPrototype: true },
  )
  .map((props) => Object.fromEntries(Object.entries(props).sort(([a], [b]) => (a < b ? -1 : 1))))

/** Any interaction in its normal form. */
export const interactionArbitrary: fc.Arbitrary<Interaction> = fc
  .record(
    {
      id: text(1, 128),
      customer: text(1, 256),
      anonymousId: text(1, 256),
      touchpoint: touchpointArbitrary,
      at: fc.integer({ min: 0, max: END_OF_TIME - 1 }),
      by: fc.constantFrom(...ACTORS),
      outcome: fc.constantFrom(...OUTCOMES),
      reaction: fc.constantFrom(...REACTIONS),
      episode: text(1, 128),
      order: text(1, 128),
      waitMs: milliseconds,
      durationMs: milliseconds,
      value: amount,
      cost: amount,
      currency: fc.constantFrom('EUR', 'RUB', 'CNY'),
      channel: text(1, 128),
      campaign: text(1, 128),
      queue: text(1, 128),
      agent: text(1, 128),
      props: propsArbitrary,
    },
    { requiredKeys: ['id', 'touchpoint', 'at'] },
  )
  .filter(({ customer, anonymousId }) => customer !== undefined || anonymousId !== undefined)
