import { parseCatalogue } from '@weaklink/chains'
import type { Fact, Person } from '@weaklink/interactions'
import type { Entry, Happening, Schedule } from './schedule.ts'

/** Schedules in which something happens that chance would bring about once in some thousand. */

const V: Person = { kind: 'customer', customer: 'v' }
const patient = parseCatalogue('defaults: { patience: 30d }\ntouchpoints: [{ id: visit }]', 'patient.yaml')
const impatient = parseCatalogue('defaults: { patience: 1s }\ntouchpoints: [{ id: visit }]', 'impatient.yaml')

const fact = (one: Fact): Entry => ({ kind: 'fact', fact: one, importId: null })
const visit = (who: { customer: string } | { anonymousId: string }) =>
  fact({ kind: 'interaction', interaction: { id: 'a', touchpoint: 'visit', at: 0, ...who } })
const link = (id: string, customer: string) => fact({ kind: 'link', link: { id, anonymousId: 'w', customer } })
const silence = fact({ kind: 'tick', tick: 60_000 })
const touch = fact({ kind: 'touch', person: V })
const moreRelaxed = fact({ kind: 'catalogue', hash: patient.hash })

const take = (records: number): Happening => ({ kind: 'take', produced: records, records })
const settle: Happening = { kind: 'settle' }
const kill: Happening = { kind: 'kill' }
/** Once its interactions, identities and customers are written. */
const dieWhenItTells: Happening = { kind: 'die', after: [3] }

const schedule = (entries: readonly Entry[], happenings: readonly Happening[]): Schedule => ({
  logs: [{ entries, happenings }],
  catalogues: [impatient, patient],
  customerLimit: 1000,
  limits: [{ cacheLimit: 1000, flushRows: 1000, slice: 1000, watchBeyond: 1000 }],
  pace: [0],
})

/** A link was refused; after an unlink it comes again, to somebody who has forgotten it. */
export const linkedAgain = schedule(
  [
    visit({ anonymousId: 'w' }),
    link('l1', 'u'),
    link('l2', 'v'),
    fact({ kind: 'unlink', anonymousId: 'w' }),
    link('l2', 'v'),
  ],
  [take(3), settle, kill, take(2)],
)

/** A chain breaks by silence. It is written, but not told: whoever comes next finds nothing open any more. */
export const killedWhileTelling = schedule(
  [visit({ customer: 'v' }), silence],
  [take(1), settle, take(1), dieWhenItTells, settle],
)

/** A chain is healed by a catalogue with more patience. It is written, but not told. */
export const relaxedWhileTelling = schedule(
  [visit({ customer: 'v' }), silence, moreRelaxed, touch],
  [take(2), settle, take(2), dieWhenItTells, settle],
)

/** The same, and told; then the customer is forgotten, and derived once more. */
export const derivedUnderAnother = schedule(
  [visit({ customer: 'v' }), silence, moreRelaxed, touch, touch],
  [take(4), settle, kill, take(1)],
)
