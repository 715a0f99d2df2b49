import type { Interaction } from '@weaklink/interactions'
import fc from 'fast-check'
import { type Catalogue, catalogueOf, type Touchpoint } from '../src/catalogue.ts'

/**
 * Histories in which the rare rules are likely: few touchpoints of diverse rules; instants, patience and epilogue on
 * one small grid, so that equal instants and exact ends happen all the time; few orders, episodes and ids.
 */
export interface Case {
  readonly catalogue: Catalogue
  /** In the order of the log. */
  readonly arrivals: readonly Interaction[]
  readonly tick: number | null
}

/** One step of the grid, in milliseconds. */
export const STEP = 1000
const steps = (max: number) => fc.integer({ min: 0, max }).map((count) => count * STEP)

/** Ids in the order of UTF-16 are not in the order of UTF-8: "\uFF41" sorts before "\u{1F600}" in bytes only. */
const IDS = [...'abcdefghijklmnopqrst', '\uFF41', '\u{1F600}', 'é', '\u{10348}x', 'a\uFF41', 'a\u{1F600}']

const TOUCHPOINTS = ['ad', 'call', 'visit', 'mail', 'offer', 'pay', 'note', 'after', 'back', 'uncatalogued']

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

/** There in so many of a hundred cases. */
const maybe = <T>(percent: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: percent, arbitrary }, { weight: 100 - percent, arbitrary: fc.constant(undefined) })

/** Leaves out what is undefined, as the log does. */
function present<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T
}

const anyRules = fc.record({
  by: optional(fc.constantFrom('customer', 'company')),
  outcome: optional(fc.constantFrom('continued', 'bought', 'refused', 'abandoned')),
  reaction: maybe(30, fc.constantFrom('positive', 'neutral', 'negative')),
  result: maybe(20, fc.constant(true)),
  stage: maybe(30, fc.constantFrom('post_purchase', 'decision')),
  step: optional(fc.integer({ min: 1, max: 3 })),
  group: optional(fc.constantFrom('phone', 'site')),
  patienceMs: optional(steps(6)),
  epilogueMs: optional(steps(4)),
})

/** What each touchpoint is for, over which chance writes in some catalogues. */
const USUAL: Readonly<Record<string, object>> = {
  ad: { step: 1 },
  call: { group: 'phone', step: 2 },
  visit: { patienceMs: 4 * STEP, step: 2 },
  mail: { by: 'company' },
  offer: { by: 'company', patienceMs: 5 * STEP, step: 3 },
  pay: { outcome: 'bought', epilogueMs: 2 * STEP, step: 3 },
  note: { result: true },
  after: { stage: 'post_purchase' },
  back: { stage: 'post_purchase', outcome: 'refused', by: 'company' },
}

const touchpoint = (id: string): fc.Arbitrary<Touchpoint> =>
  fc
    .oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: anyRules })
    .map((chance) => present({ id, ...USUAL[id], ...present(chance) }) as Touchpoint)

const catalogue: fc.Arbitrary<Catalogue> = fc
  .record({
    patienceMs: steps(5),
    epilogueMs: steps(2),
    touchpoints: fc.tuple(...Object.keys(USUAL).map(touchpoint)),
  })
  .map(catalogueOf)

const interaction: fc.Arbitrary<Omit<Interaction, 'id'>> = fc
  .record({
    customer: fc.constant('u'),
    touchpoint: fc.constantFrom(...TOUCHPOINTS),
    at: steps(24),
    by: maybe(25, fc.constantFrom('customer', 'company')),
    outcome: maybe(45, fc.constantFrom('continued', 'bought', 'refused', 'abandoned')),
    reaction: maybe(20, fc.constantFrom('positive', 'neutral', 'negative')),
    episode: maybe(40, fc.constantFrom('call-1', 'call-2')),
    order: maybe(40, fc.constantFrom('o1', 'o2')),
    agent: maybe(40, fc.constantFrom('ann', 'bob')),
    waitMs: maybe(20, fc.integer({ min: 0, max: 9 })),
  })
  .map((fields) => present(fields) as Omit<Interaction, 'id'>)

const tick = maybe(80, steps(36)).map((time) => time ?? null)

const MAX_LENGTH = 14

/** Every id once. */
export const distinctCase: fc.Arbitrary<Case> = fc
  .record({
    catalogue,
    tick,
    ids: fc.shuffledSubarray(IDS, { maxLength: MAX_LENGTH }),
    fields: fc.array(interaction, { minLength: MAX_LENGTH, maxLength: MAX_LENGTH }),
  })
  .map(({ catalogue, tick, ids, fields }) => ({
    catalogue,
    tick,
    arrivals: ids.map((id, index) => ({ id, ...fields[index]! })),
  }))

/** Ids come again, with the same content or with another one. */
export const anyCase: fc.Arbitrary<Case> = fc
  .record({
    base: distinctCase,
    again: fc.array(fc.record({ from: fc.nat(), to: fc.nat(), conflict: optional(interaction) }), { maxLength: 3 }),
  })
  .map(({ base, again }) => {
    const arrivals = [...base.arrivals]
    for (const { from, to, conflict } of again) {
      const original = arrivals[from % Math.max(arrivals.length, 1)]
      if (original === undefined) continue
      const repeat = conflict === undefined ? original : { ...conflict, id: original.id }
      arrivals.splice(to % (arrivals.length + 1), 0, repeat)
    }
    return { ...base, arrivals }
  })

/** A case and the same interactions in another order, with repeats. */
export const shuffledCase: fc.Arbitrary<Case & { readonly shuffled: readonly Interaction[] }> = distinctCase.chain(
  (one) =>
    fc
      .tuple(
        fc.shuffledSubarray([...one.arrivals], { minLength: one.arrivals.length }),
        fc.shuffledSubarray([...one.arrivals]),
      )
      .map(([all, repeats]) => ({ ...one, shuffled: [...all, ...repeats] })),
)
