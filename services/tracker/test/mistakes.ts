import { type CustomerRow, versionOf } from '../src/store.ts'
import { NO_ROWS } from './memory-store.ts'
import { derivedUnderAnother, killedWhileTelling, linkedAgain, relaxedWhileTelling } from './rare.ts'
import type { Schedule } from './schedule.ts'
import type { Outcome, Plant, Ports } from './simulator.ts'

/** Versions of one epoch lie closer together than this. */
const EPOCH = versionOf(1, 0)

export interface Mistake {
  /** The part of the outcome that is wrong in the end. */
  readonly breaks: (outcome: Outcome) => unknown
  readonly plant: Plant
  /** Where chance would come upon it too seldom: a schedule that shows it. */
  readonly shownBy?: Schedule
}

/** Of every customer: the versions would give some mistakes away that nobody could see in a report. */
const chains = ({ customers }: Outcome) => new Map([...customers].map(([key, one]) => [key, one.chains]))

/** Who is who, and what each one did. */
const stitching = ({ misplaced }: Outcome) => misplaced

/** What other systems were told of breaks. */
const told = ({ told }: Outcome) => told

/**
 * Mistakes that a tracker, or its store, could make: each breaks one sentence of "Determinism instead of transactions"
 * in ARCHITECTURE.md. They are planted between the two, so that the tracker under test is the real one.
 */
export const MISTAKES: Readonly<Record<string, Mistake>> = {
  'T is lost at a restart': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        loadPositions: async () => (await store.loadPositions()).map((position) => ({ ...position, tick: null })),
      },
    }),
  },

  'a load sees the future': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: { ...store, loadHistories: (persons) => store.loadHistories(persons, Number.POSITIVE_INFINITY) },
    }),
  },

  'a load sees one record too many': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: { ...store, loadHistories: (persons, below) => store.loadHistories(persons, below + 1) },
    }),
  },

  'a load sees one record too few': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: { ...store, loadHistories: (persons, below) => store.loadHistories(persons, below - 1) },
    }),
  },

  'a new log forgets what the older ones brought': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        async loadHistories(persons, below) {
          const older = await store.loadHistories(persons, below - (below % EPOCH))
          const all = await store.loadHistories(persons, below)
          return new Map(
            [...all].map(([key, { interactions, identity }]) => [
              key,
              { identity, interactions: interactions.slice(older.get(key)?.interactions.length ?? 0) },
            ]),
          )
        },
      },
    }),
  },

  'the position is written before the rows': {
    breaks: chains,
    plant: ({ store, ...others }) => {
      const late = afterPosition(store)
      return {
        ...others,
        store: { ...late.store, writeRows: late.hold((rows) => store.writeRows(rows)) },
      }
    },
  },

  "the position is written before the customers' rows": {
    breaks: chains,
    plant: ({ store, ...others }) => {
      const late = afterPosition(store)
      const customersLate = late.hold((customers: readonly CustomerRow[]) => store.writeRows({ ...NO_ROWS, customers }))
      return {
        ...others,
        store: {
          ...late.store,
          async writeRows(rows) {
            await store.writeRows({ ...rows, customers: [] })
            await customersLate(rows.customers)
          },
        },
      }
    },
  },

  'the position is written before what was rejected is put aside': {
    breaks: ({ rejected }) => rejected,
    plant: ({ store, putAside, ...others }) => {
      const late = afterPosition(store)
      return { ...others, store: late.store, putAside: late.hold(putAside) }
    },
  },

  'rows are acknowledged before they are durable': {
    breaks: chains,
    plant: ({ store, ...others }) => {
      const held: (() => Promise<void>)[] = []
      return {
        ...others,
        store: {
          ...store,
          async writeRows(rows) {
            held.push(() => store.writeRows(rows))
          },
          async writePositions(positions) {
            for (const write of held.splice(0)) await write()
            await store.writePositions(positions)
          },
        },
      }
    },
  },

  'the offset alone is the version, whatever the log': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        loadHistories: (persons, below) => store.loadHistories(persons, below % EPOCH),
        writeRows: ({ interactions, identities, customers }) =>
          store.writeRows({
            interactions: interactions.map((row) => ({ ...row, version: row.version % EPOCH })),
            identities: identities.map((row) => ({ ...row, version: row.version % EPOCH })),
            customers: customers.map((row) => ({ ...row, version: row.version % EPOCH })),
          }),
      },
    }),
  },

  "of a customer's rows the one written last wins": {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        writeRows: (rows) =>
          store.writeRows({ ...rows, customers: rows.customers.map((row) => ({ ...row, version: 0 })) }),
      },
    }),
  },

  'who starts does not know what is open': {
    breaks: chains,
    plant: ({ store, ...others }) => ({ ...others, store: { ...store, loadDeadlines: async () => [] } }),
  },

  'the catalogue in force is lost at a restart': {
    breaks: chains,
    plant: ({ store, ...others }, { catalogues }) => ({
      ...others,
      store: {
        ...store,
        loadPositions: async () =>
          (await store.loadPositions()).map((position) => ({ ...position, catalogue: catalogues[0]!.hash })),
      },
    }),
  },

  'what was counted is lost at a restart': {
    breaks: ({ position }) => position,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        loadPositions: async () =>
          (await store.loadPositions()).map((position) => ({ ...position, accepted: 0, duplicates: 0, rejected: 0 })),
      },
    }),
  },

  'what follows is appended after the position': {
    breaks: stitching,
    plant: ({ store, follow, ...others }) => {
      const late = afterPosition(store)
      return { ...others, store: late.store, follow: late.hold(follow) }
    },
  },

  'links are lost at a restart': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        async loadHistories(persons, below) {
          const all = await store.loadHistories(persons, below)
          return new Map([...all].map(([key, history]) => [key, { ...history, identity: [] }]))
        },
      },
    }),
  },

  'what was refused is forgotten': {
    shownBy: linkedAgain,
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        writeRows: (rows) =>
          store.writeRows({ ...rows, identities: rows.identities.filter(({ change }) => change !== 'refused') }),
      },
    }),
  },

  'what was moved has the key of what came itself': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        writeRows: (rows) =>
          store.writeRows({
            ...rows,
            interactions: rows.interactions.map((row) => ({ ...row, link: row.link === '' ? '' : 'any' })),
          }),
      },
    }),
  },

  'what came in its own right is not kept beside what was moved': {
    breaks: chains,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        writeRows: (rows) =>
          store.writeRows({ ...rows, interactions: rows.interactions.filter(({ behind }) => behind === '') }),
      },
    }),
  },

  'breaks are told after the position': {
    breaks: told,
    plant: ({ store, tell, ...others }) => {
      const late = afterPosition(store)
      return { ...others, store: late.store, tell: late.hold(tell) }
    },
  },

  'breaks are told before they are there': {
    breaks: told,
    plant: ({ store, tell, ...others }) => {
      const held: (() => Promise<void>)[] = []
      const release = async () => {
        for (const write of held.splice(0)) await write()
      }
      return {
        ...others,
        store: {
          ...store,
          async writeRows({ customers, ...rows }) {
            await release()
            await store.writeRows({ ...rows, customers: [] })
            held.push(() => store.writeRows({ ...NO_ROWS, customers }))
          },
          async writePositions(positions) {
            await release()
            await store.writePositions(positions)
          },
        },
        tell,
      }
    },
  },

  'breaks are told once a flush': {
    breaks: told,
    plant: ({ tell, ...others }) => ({
      ...others,
      tell: (events) => tell([...new Map(events.map((event) => [event.chain, event])).values()]),
    }),
  },

  'breaks are told under the newest version of the flush': {
    breaks: told,
    plant: ({ tell, ...others }) => ({
      ...others,
      tell: (events) => {
        const version = Math.max(...events.map((event) => event.version))
        return tell(events.map((event) => ({ ...event, version, event: `${event.chain}@${version}` })))
      },
    }),
  },

  'nobody is told that a chain healed': {
    breaks: told,
    plant: ({ tell, ...others }) => ({
      ...others,
      tell: (events) => tell(events.filter(({ type }) => type !== 'healed')),
    }),
  },

  'what breaks is held against the future': {
    breaks: told,
    plant: ({ store, ...others }) => ({
      ...others,
      store: { ...store, loadHistories: (persons) => store.loadHistories(persons, Number.POSITIVE_INFINITY) },
    }),
  },

  'what a row ahead of the position no longer waits for is not told again': {
    shownBy: killedWhileTelling,
    breaks: told,
    plant: ({ store, ...others }) => ({ ...others, store: { ...store, loadAhead: async () => [] } }),
  },

  'under which catalogue somebody was derived is forgotten': {
    breaks: told,
    plant: ({ store, ...others }) => ({ ...others, store: { ...store, loadCatalogues: async () => new Map() } }),
  },

  'under which catalogue somebody was derived is known from the future': {
    shownBy: relaxedWhileTelling,
    breaks: told,
    plant: ({ store, ...others }) => ({
      ...others,
      store: { ...store, loadCatalogues: (persons) => store.loadCatalogues(persons, Number.POSITIVE_INFINITY) },
    }),
  },

  'nothing says that a tick or a request derived somebody under another catalogue': {
    shownBy: derivedUnderAnother,
    breaks: told,
    plant: ({ store, ...others }) => ({
      ...others,
      store: {
        ...store,
        writeRows: (rows) =>
          store.writeRows({ ...rows, identities: rows.identities.filter(({ change }) => change !== 'derived') }),
      },
    }),
  },
}

/** Holds writes back until the position is written: a death in between loses them. */
function afterPosition(store: Ports['store']): {
  readonly store: Ports['store']
  hold<A extends readonly unknown[]>(write: (...args: A) => Promise<void>): (...args: A) => Promise<void>
} {
  const held: (() => Promise<void>)[] = []
  return {
    store: {
      ...store,
      async writePositions(positions) {
        await store.writePositions(positions)
        for (const write of held.splice(0)) await write()
      },
    },
    hold:
      (write) =>
      async (...args) => {
        held.push(() => write(...args))
      },
  }
}
