import type { Catalogue } from '@weaklink/chains'
import type { Fact, Interaction, Person } from '@weaklink/interactions'
import fc from 'fast-check'
import { anyCase, STEP } from '../../../packages/chains/test/arbitrary.ts'

/** One record of a log. */
export type Entry =
  | { readonly kind: 'fact'; readonly fact: Fact; readonly importId: string | null }
  /** Bytes that are no fact. */
  | { readonly kind: 'broken'; readonly text: string; readonly importId: string | null }

/** What happens while the log is there, one after the other. A process that dies is started again at once. */
export type Happening =
  /** So many records come, and so many are taken. */
  | { readonly kind: 'take'; readonly produced: number; readonly records: number }
  | { readonly kind: 'flush' }
  | { readonly kind: 'settle' }
  /** Dies here, with whatever write is under way. */
  | { readonly kind: 'kill' }
  /**
   * Dies when it asks the store (or for something to be put aside) once more than so many times, be it reading or
   * writing, starting or going on; the second number is for the process after it, and so on.
   */
  | { readonly kind: 'die'; readonly after: readonly number[] }
  /** A second owner starts; the first one does not know, and sleeps. */
  | { readonly kind: 'stall' }
  /** One of those that sleep takes so many records of the log that it knows, and writes what it has: late. */
  | { readonly kind: 'wake'; readonly which: number; readonly records: number }

/** What a process may keep and how much it gathers; the next one may have been configured otherwise. */
interface Limits {
  readonly cacheLimit: number
  readonly flushRows: number
  readonly slice: number
  readonly watchBeyond: number
}

export interface Schedule {
  /** Each log takes the place of the one before it, once that was taken in whole. None is empty. */
  readonly logs: readonly { readonly entries: readonly Entry[]; readonly happenings: readonly Happening[] }[]
  /** All that are stored; the first is in force until the log says otherwise. */
  readonly catalogues: readonly Catalogue[]
  readonly customerLimit: number
  /** Of the first process, the second one, and so on, over and over. */
  readonly limits: readonly Limits[]
  /** How many turns of the event loop's microtasks each answer of the store takes, over and over. */
  readonly pace: readonly number[]
}

/** When the log took each record in. */
export const RECORDED_AT = 1e12
const MAX_LOGS = 3
const MAX_FACTS = 45

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      produced: fc.nat(12),
      records: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'settle' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'kill' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('die' as const),
      after: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'stall' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wake' as const), which: fc.nat(3), records: fc.nat(12) }),
  },
)

/** The second is not the first, although they have the same name. */
const PERSONS: readonly Person[] = [
  { kind: 'customer', customer: 'u' },
  { kind: 'anonymous', customer: 'u' },
  { kind: 'customer', customer: 'v' },
  { kind: 'anonymous', customer: 'w' },
]
const NOBODY: Person = { kind: 'customer', customer: 'nobody' }

/** What stands between the interactions: of each kind one for so many of the others. */
const extra: fc.Arbitrary<(catalogues: readonly Catalogue[]) => Entry> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.nat(30).map((steps) => () => control({ kind: 'tick', tick: steps * STEP })),
  },
  // An instant that the log itself has not reached.
  { weight: 1, arbitrary: fc.constant(() => control({ kind: 'tick', tick: RECORDED_AT + 1 })) },
  {
    weight: 2,
    arbitrary: fc.nat(1).map((which) => (catalogues: readonly Catalogue[]) => {
      return control({ kind: 'catalogue', hash: catalogues[which % catalogues.length]!.hash })
    }),
  },
  { weight: 1, arbitrary: fc.constant(() => control({ kind: 'catalogue', hash: '0'.repeat(32) })) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...PERSONS, NOBODY).map((person) => () => control({ kind: 'touch', person })),
  },
  {
    weight: 8,
    arbitrary: fc
      .record({
        id: fc.constantFrom('l1', 'l2', 'l3', 'l4', 'l5'),
        anonymousId: fc.constantFrom('u', 'u', 'w', 'w', 'nobody'),
        customer: fc.constantFrom('u', 'u', 'v', 'nobody'),
      })
      .map((link) => () => control({ kind: 'link', link })),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('u', 'w').map((anonymousId) => () => control({ kind: 'unlink', anonymousId })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('i1', 'i2').map((importId) => () => control({ kind: 'import-end', importId })),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('', '{"id"', 'null', '{}')
      .map((text) => (): Entry => ({ kind: 'broken', text, importId: 'i1' })),
  },
)

export const schedules: fc.Arbitrary<Schedule> = fc
  .record({
    cases: fc.array(anyCase, { minLength: 1, maxLength: PERSONS.length }),
    order: fc.array(
      fc.record({
        pick: fc.nat(5),
        importId: fc.constantFrom(null, 'i1', 'i2'),
        /** Which cookie a customer's interaction carries as well. */
        cookie: fc.constantFrom(undefined, undefined, undefined, undefined, 'u', 'w'),
        /** Whose somebody anonymous turns out to be: the same interaction comes again, as theirs. */
        owner: fc.constantFrom(undefined, undefined, undefined, undefined, 'u', 'v'),
      }),
      { minLength: MAX_FACTS, maxLength: MAX_FACTS },
    ),
    extras: fc.array(fc.record({ at: fc.nat(60), extra }), { maxLength: 12 }),
    cuts: fc.array(fc.nat(60), { maxLength: MAX_LOGS - 1 }),
    again: fc.constantFrom(0, 0, 3, 12),
    happenings: fc.array(fc.array(happening, { maxLength: 16 }), { minLength: MAX_LOGS, maxLength: MAX_LOGS }),
    customerLimit: fc.constantFrom(1000, 1000, 1000, 6, 3),
    limits: fc.array(
      fc.record({
        cacheLimit: fc.constantFrom(0, 2, 5, 12, 1000),
        flushRows: fc.constantFrom(1, 3, 9, 1000, 1000),
        slice: fc.constantFrom(1, 2, 1000),
        watchBeyond: fc.constantFrom(0, 3, 1000),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    pace: fc.array(fc.constantFrom(0, 0, 1, 5, 25, 100), { minLength: 1, maxLength: 7 }),
  })
  .map(({ cases, order, extras, cuts, again, happenings, ...rest }): Schedule => {
    const queues = cases.map(({ arrivals }, k) => arrivals.map((one) => ofPerson(one, PERSONS[k]!)))
    const entries: Entry[] = []
    for (const { pick, importId, cookie, owner } of order) {
      const left = queues.filter((queue) => queue.length > 0)
      const interaction = left[pick % Math.max(left.length, 1)]?.shift()
      if (interaction === undefined) continue
      const came =
        interaction.customer === undefined || cookie === undefined
          ? interaction
          : { ...interaction, anonymousId: cookie }
      entries.push({ kind: 'fact', fact: { kind: 'interaction', interaction: came }, importId })
      if (came.customer === undefined && owner !== undefined) {
        entries.push({
          kind: 'fact',
          fact: { kind: 'interaction', interaction: { ...came, customer: owner } },
          importId,
        })
      }
    }
    const catalogues = cases.slice(0, 2).map(({ catalogue }) => catalogue)
    for (const one of extras) entries.splice(one.at % (entries.length + 1), 0, one.extra(catalogues))
    const ends = [...new Set(cuts.map((cut) => 1 + (cut % entries.length)))].sort((a, b) => a - b)
    const logs = [...ends, entries.length].map((end, k) => entries.slice(ends[k - 1] ?? 0, end))
    const logsWithRepeats = logs
      .filter((log) => log.length > 0)
      .map((log, k, all) => [...(all[k - 1] ?? []).filter(isInteraction).slice(0, again), ...log])
    return {
      logs: logsWithRepeats.map((log, k) => ({ entries: log, happenings: happenings[k] ?? [] })),
      catalogues,
      ...rest,
    }
  })
  .filter(({ logs }) => logs.length > 0)

function ofPerson({ customer: _, ...interaction }: Interaction, { kind, customer }: Person): Interaction {
  return kind === 'customer' ? { ...interaction, customer } : { ...interaction, anonymousId: customer }
}

function control(fact: Fact): Entry {
  return { kind: 'fact', fact, importId: null }
}

function isInteraction(entry: Entry): boolean {
  return entry.kind === 'fact' && entry.fact.kind === 'interaction'
}
