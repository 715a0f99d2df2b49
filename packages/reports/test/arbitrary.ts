import { type Catalogue, catalogueFromContent, deriveChains, type Touchpoint } from '@weaklink/chains'
import type { Interaction, Person } from '@weaklink/interactions'
import fc from 'fast-check'
import type { BreakpointsOptions } from '../src/index.ts'
import type { PersonChains } from './naive.ts'

/** A small business: a dozen people over a few weeks, on a grid of six hours, in which every rule happens. */
export interface Business {
  readonly catalogue: Catalogue
  readonly tick: number | null
  readonly people: readonly PersonChains[]
}

const HOUR = 3_600_000
const START = Date.UTC(2024, 2, 1)
const grid = (max: number) => fc.integer({ min: 0, max }).map((step) => START + step * 6 * HOUR)
/** Present with a probability of `percent`. */
const optional = <T>(arbitrary: fc.Arbitrary<T>, percent = 50) =>
  fc.oneof({ weight: percent, arbitrary }, { weight: 100 - percent, arbitrary: fc.constant(undefined) })

const TOUCHPOINTS: readonly Touchpoint[] = [
  { id: 'ad', step: 1 },
  { id: 'call_wait', group: 'phone', step: 2 },
  { id: 'home', group: 'site' },
  { id: 'call_talk', group: 'phone', step: 3, patienceMs: 36 * HOUR },
  { id: 'quote', by: 'company', patienceMs: 5 * 24 * HOUR, step: 4 },
  { id: 'pay', outcome: 'bought', step: 5, epilogueMs: 12 * HOUR },
  { id: 'mail', by: 'company' },
  { id: 'deal_lost', result: true, outcome: 'refused', group: 'phone' },
  { id: 'note', result: true },
  { id: 'review', stage: 'post_purchase' },
]

/** The first ones always: every group is known, and some place has a step. */
const catalogue = fc
  .subarray(TOUCHPOINTS.slice(3))
  .map((some) => [...TOUCHPOINTS.slice(0, 3), ...some])
  .map((touchpoints) =>
    catalogueFromContent(JSON.stringify({ patienceMs: 72 * HOUR, epilogueMs: 6 * HOUR, touchpoints })),
  )

const props = fc.record(
  {
    plan: fc.constantFrom<(string | number | boolean)[]>('pro', 'a"b/é', '', '1', 1, 1.5, true, false),
    'dotted.key': fc.constantFrom('x', 'true'),
  },
  { requiredKeys: [] },
)

const interaction: fc.Arbitrary<Omit<Interaction, 'id'>> = fc
  .record({
    touchpoint: fc.constantFrom(...TOUCHPOINTS.map(({ id }) => id), 'call_wait', 'call_talk', 'home', 'неизвестно'),
    at: grid(60),
    by: optional(fc.constantFrom('customer', 'company'), 30),
    outcome: optional(fc.constantFrom('continued', 'bought', 'refused', 'abandoned')),
    reaction: optional(fc.constantFrom('positive', 'neutral', 'negative')),
    episode: optional(fc.constantFrom('e1', 'e2', 'e3'), 70),
    order: optional(fc.constantFrom('o1', 'o2'), 25),
    waitMs: optional(fc.integer({ min: 0, max: 60_000 }), 50),
    value: optional(fc.constantFrom(0, 10, 12.5), 30),
    channel: optional(fc.constantFrom('ads', 'seo', "o'neil\\"), 60),
    campaign: optional(fc.constantFrom('spring'), 30),
    props: optional(props, 60),
  })
  .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never)

const person: fc.Arbitrary<Person> = fc.record({
  kind: fc.constantFrom('customer', 'customer', 'anonymous'),
  customer: fc.constantFrom(...'abcdefghij'),
})

export const business: fc.Arbitrary<Business> = fc
  .record({
    catalogue,
    tick: fc.option(grid(110), { freq: 8 }),
    histories: fc.uniqueArray(fc.tuple(person, fc.array(interaction, { minLength: 1, maxLength: 20, size: 'max' })), {
      maxLength: 12,
      size: 'max',
      selector: ([{ kind, customer }]) => `${kind} ${customer}`,
    }),
  })
  .map(({ catalogue, tick, histories }) => ({
    catalogue,
    tick,
    people: histories.map(([person, fields]) => {
      const whose = person.kind === 'customer' ? { customer: person.customer } : { anonymousId: person.customer }
      const arrivals = fields.map((rest, index) => ({ ...rest, ...whose, id: `i${index}` }))
      return { person, chains: deriveChains(person, arrivals, catalogue, tick) }
    }),
  }))

const day = grid(100).map((at) => new Date(at).toISOString())
const KEYS = [
  'channel',
  'campaign',
  'touchpoint',
  'by',
  'outcome',
  'reaction',
  'waitMs',
  'value',
  'at',
  'customer',
  'order',
]
const key = fc.constantFrom(...KEYS, 'props.plan', 'props.dotted.key', 'props.none', 'returning')
const condition = fc.constantFrom(
  ...['channel=ads', 'channel=seo', 'channel=', "channel=o'neil\\", 'by=customer', 'outcome=continued', 'value=10.0'],
  ...['value=', 'waitMs=', 'customer=a', 'customer=', 'returning=true', 'returning=false', 'reaction=negative'],
  ...['props.plan=1', 'props.plan=pro', 'props.plan=', 'props.plan=true', 'props.plan=a"b/é', 'props.dotted.key=true'],
  ...['touchpoint=call_wait', 'touchpoint=ad', 'props.none=', 'at=2024-03-04', 'campaign=spring'],
)

export const options: fc.Arbitrary<BreakpointsOptions> = fc
  .record({
    from: optional(day, 30),
    to: optional(day, 30),
    date: optional(fc.constantFrom('start', 'end')),
    at: optional(fc.constantFrom('place', 'furthest')),
    within: optional(fc.constantFrom('phone', 'phone', 'site'), 30),
    by: optional(fc.uniqueArray(key, { minLength: 1, maxLength: 3 }), 40),
    where: optional(fc.array(condition, { maxLength: 3 }), 40),
  })
  .filter(({ from, to }) => from === undefined || to === undefined || from < to)
