import { type Catalogue, catalogueFromContent, deriveChains } from '@weaklink/chains'
import type { Interaction, Person } from '@weaklink/interactions'
import fc from 'fast-check'
import type { PersonChains } from './naive.ts'

/** Calls to two queues, told one by one, or at random. */

export const HOUR = 3_600_000
export const CATALOGUE: Catalogue = catalogueFromContent(
  JSON.stringify({
    patienceMs: 48 * HOUR,
    epilogueMs: 2 * HOUR,
    touchpoints: [
      { id: 'ad_view' },
      { id: 'call_queue' },
      { id: 'call_wait' },
      { id: 'call_answer' },
      { id: 'call_back', by: 'company' },
      { id: 'visit', outcome: 'bought' },
    ],
  }),
)

export type Told = readonly [at: string, touchpoint: string, more?: Partial<Interaction>]

export function customer(name: string, told: readonly Told[], tick: number | null = TICK): PersonChains {
  const person = { kind: 'customer', customer: name } as const
  const arrivals = told.map(([at, touchpoint, more], index) => ({
    id: `${name}-${index}`,
    customer: name,
    touchpoint,
    at: Date.parse(at),
    ...more,
  }))
  return { person, chains: deriveChains(person, arrivals, CATALOGUE, tick) }
}

/** Weeks later. */
export const TICK = Date.parse('2024-12-01T00:00:00Z')

/** On a coarse grid around two changes of clocks, so that instants are equal and ends come before beginnings. */
export const instant = fc
  .tuple(
    fc.constantFrom('2024-03-30T21:00Z', '2024-10-26T21:00Z', '2024-09-07T22:00Z'),
    fc.integer({ min: 0, max: 1000 }),
  )
  .map(([start, step]) => Date.parse(start) + step * 47_000)
export const optional = <T>(arbitrary: fc.Arbitrary<T>, percent: number) =>
  fc.oneof({ weight: percent, arbitrary }, { weight: 100 - percent, arbitrary: fc.constant(undefined) })

const met: fc.Arbitrary<Omit<Interaction, 'id'>> = fc
  .record({
    touchpoint: fc.constantFrom(
      ...['call_queue', 'call_queue', 'call_queue', 'call_wait', 'call_wait', 'call_wait', 'call_answer'],
      ...['call_back', 'ad_view', 'visit'],
    ),
    at: instant,
    outcome: optional(fc.constantFrom('abandoned', 'continued'), 40),
    episode: optional(fc.constantFrom('e1', 'e2', 'e3'), 85),
    queue: optional(fc.constantFrom('sales', 'support'), 85),
    waitMs: optional(fc.constantFrom(0, 4_999, 5_000, 5_001, 20_000, 20_001, 61_000, 9 * HOUR, 1e15), 70),
    durationMs: optional(fc.integer({ min: 0, max: 600_000 }), 70),
    channel: optional(fc.constantFrom('ads', 'seo'), 60),
    props: optional(
      fc.oneof(
        fc.constantFrom('closed', 'full', 'empty', 'diverted').map((turnedAway) => ({ turnedAway })),
        fc.constantFrom('timeout', 'key', 'empty', 'system', 'aliens').map((ended) => ({ ended })),
        fc.constant({ position: 3 }),
      ),
      40,
    ),
  })
  .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never)

const person: fc.Arbitrary<Person> = fc.record({
  kind: fc.constantFrom('customer', 'customer', 'anonymous'),
  customer: fc.constantFrom(...'abcdefgh'),
})

export interface Phone {
  readonly tick: number | null
  readonly people: readonly PersonChains[]
}

export const phone: fc.Arbitrary<Phone> = fc
  .record({
    tick: fc.constantFrom(TICK, TICK, Date.parse('2024-10-27T01:30Z'), null),
    histories: fc.uniqueArray(fc.tuple(person, fc.array(met, { minLength: 1, maxLength: 25, size: 'max' })), {
      maxLength: 8,
      size: 'max',
      selector: ([{ kind, customer }]) => `${kind} ${customer}`,
    }),
  })
  .map(({ tick, histories }) => ({
    tick,
    people: histories.map(([person, fields]) => {
      const whose = person.kind === 'customer' ? { customer: person.customer } : { anonymousId: person.customer }
      const arrivals = fields.map((rest, index) => ({ ...rest, ...whose, id: `i${index}` }))
      return { person, chains: deriveChains(person, arrivals, CATALOGUE, tick) }
    }),
  }))
