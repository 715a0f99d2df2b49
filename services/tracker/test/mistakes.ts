import { type CustomerRow, versionOf } from '../src/store.ts'
import type { Outcome, Plant, Ports } from './simulator.ts'

/** Versions of one epoch lie closer together than this. */
const EPOCH = versionOf(1, 0)

export interface Mistake {
  /** The part of the outcome that is wrong in the end. */
  readonly breaks: (outcome: Outcome) => unknown
  readonly plant: Plant
}

/** Of every customer: the versions would give some mistakes away that nobody could see in a report. */
const chains = ({ customers }: Outcome) => new Map([...customers].map(([key, one]) => [key, one.chains]))

/**
 * Mistakes that a tracker, or its store, could make: each breaks one sentence of "Determinism instead of transactions"
 * in ARCHITECTURE.md. They are planted between the two, so that the tracker under test is the real one.
 */
export const MISTAKES: Readonly<Record<string, Mistake>> = {
  'T is lost at a restart': {
    breaks: chains,
    plant: ({ store, putAside }) => ({
      putAside,
      store: {
        ...store,
        loadPositions: async () => (await store.loadPositions()).map((position) => ({ ...position, tick: null })),
      },
    }),
  },

  'a load sees the future': {
    breaks: chains,
    plant: ({ store, putAside }) => ({
      putAside,
      store: { ...store, loadInteractions: (persons) => store.loadInteractions(persons, Number.POSITIVE_INFINITY) },
    }),
  },

  'a load sees one record too many': {
    breaks: chains,
    plant: ({ store, putAside }) => ({
      putAside,
      store: { ...store, loadInteractions: (persons, below) => store.loadInteractions(persons, below + 1) },
    }),
  },

  'a load sees one record too few': {
    breaks: chains,
    plant: ({ store, putAside }) => ({
      putAside,
      store: { ...store, loadInteractions: (persons, below) => store.loadInteractions(persons, below - 1) },
    }),
  },

  'a new log forgets what the older ones brought': {
    breaks: chains,
    plant: ({ store, putAside }) => ({
      putAside,
      store: {
        ...store,
        async loadInteractions(persons, below) {
          const older = await store.loadInteractions(persons, below - (below % EPOCH))
          const all = await store.loadInteractions(persons, below)
          return new Map([...all].map(([key, list]) => [key, list.slice(older.get(key)?.length ?? 0)]))
        },
      },
    }),
  },

  'the position is written before the rows': {
    breaks: chains,
    plant: ({ store, putAside }) => {
      const late = afterPosition(store)
      return {
        putAside,
        store: { ...late.store, writeRows: late.hold((rows, customers) => store.writeRows(rows, customers)) },
      }
    },
  },

  "the position is written before the customers' rows": {
    breaks: chains,
    plant: ({ store, putAside }) => {
      const late = afterPosition(store)
      const customersLate = late.hold((customers: readonly CustomerRow[]) => store.writeRows([], customers))
      return {
        putAside,
        store: {
          ...late.store,
          async writeRows(interactions, customers) {
            await store.writeRows(interactions, [])
            await customersLate(customers)
          },
        },
      }
    },
  },

  'the position is written before what was rejected is put aside': {
    breaks: ({ rejected }) => rejected,
    plant: ({ store, putAside }) => {
      const late = afterPosition(store)
      return { store: late.store, putAside: late.hold(putAside) }
    },
  },

  'rows are acknowledged before they are durable': {
    breaks: chains,
    plant: ({ store, putAside }) => {
      const held: (() => Promise<void>)[] = []
      return {
        putAside,
        store: {
          ...store,
          async writeRows(interactions, customers) {
            held.push(() => store.writeRows(interactions, customers))
          },
          async writePosition(position) {
            for (const write of held.splice(0)) await write()
            await store.writePosition(position)
          },
        },
      }
    },
  },

  'the offset alone is the version, whatever the log': {
    breaks: chains,
    plant: ({ store, putAside }) => ({
      putAside,
      store: {
        ...store,
        loadInteractions: (persons, below) => store.loadInteractions(persons, below % EPOCH),
        writeRows: (interactions, customers) =>
          store.writeRows(
            interactions.map((row) => ({ ...row, version: row.version % EPOCH })),
            customers.map((row) => ({ ...row, version: row.version % EPOCH })),
          ),
      },
    }),
  },

  "of a customer's rows the one written last wins": {
    breaks: chains,
    plant: ({ store, putAside }) => ({
      putAside,
      store: {
        ...store,
        writeRows: (interactions, customers) =>
          store.writeRows(
            interactions,
            customers.map((row) => ({ ...row, version: 0 })),
          ),
      },
    }),
  },

  'who starts does not know what is open': {
    breaks: chains,
    plant: ({ store, putAside }) => ({ putAside, store: { ...store, loadDeadlines: async () => [] } }),
  },

  'the catalogue in force is lost at a restart': {
    breaks: chains,
    plant: ({ store, putAside }, { catalogues }) => ({
      putAside,
      store: {
        ...store,
        loadPositions: async () =>
          (await store.loadPositions()).map((position) => ({ ...position, catalogue: catalogues[0]!.hash })),
      },
    }),
  },

  'what was counted is lost at a restart': {
    breaks: ({ position }) => position,
    plant: ({ store, putAside }) => ({
      putAside,
      store: {
        ...store,
        loadPositions: async () =>
          (await store.loadPositions()).map((position) => ({ ...position, accepted: 0, duplicates: 0, rejected: 0 })),
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
      async writePosition(position) {
        await store.writePosition(position)
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
