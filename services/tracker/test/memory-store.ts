import { type Person, partitionOf, personKey, personOf } from '@weaklink/interactions'
import {
  type CustomerRow,
  type IdentityRow,
  type InteractionRow,
  type Position,
  type StoredHistory,
  type TrackerStore,
  versionOf,
} from '../src/store.ts'

export interface RowLists {
  readonly interactions: readonly InteractionRow[]
  readonly identities: readonly IdentityRow[]
  readonly customers: readonly CustomerRow[]
}

export const NO_ROWS: RowLists = { interactions: [], identities: [], customers: [] }

/** A tracker's store that is given its rows as lists: easier to write down, and to plant mistakes in. */
export interface ListStore extends Omit<TrackerStore, 'newRows'> {
  writeRows(rows: RowLists): Promise<void>
}

/** The port of a tracker over such a store. */
export function trackerStoreOf(store: ListStore): TrackerStore {
  return {
    loadPositions: () => store.loadPositions(),
    loadHistories: (persons, below) => store.loadHistories(persons, below),
    loadCatalogues: (persons, below) => store.loadCatalogues(persons, below),
    loadDeadlines: (partition, partitions) => store.loadDeadlines(partition, partitions),
    loadAhead: (partition, partitions, version) => store.loadAhead(partition, partitions, version),
    loadCatalogue: (hash) => store.loadCatalogue(hash),
    storeCatalogue: (hash, content) => store.storeCatalogue(hash, content),
    writePositions: (positions) => store.writePositions(positions),
    newRows() {
      const [interactions, identities, customers]: [InteractionRow[], IdentityRow[], CustomerRow[]] = [[], [], []]
      return {
        addInteraction: (row) => void interactions.push(row),
        addIdentity: (row) => void identities.push(row),
        addCustomer: (row) => void customers.push(row),
        write: () => store.writeRows({ interactions, identities, customers }),
      }
    },
  }
}

/**
 * A store in memory with the promises of ClickHouse's tables: the earliest interaction of an id wins, the highest version
 * of a customer wins, the highest position wins, and merging may already have destroyed every other row.
 */
export class MemoryStore implements ListStore {
  readonly interactions = new Map<string, InteractionRow>()
  readonly identities = new Map<string, IdentityRow>()
  readonly customers = new Map<string, CustomerRow>()
  readonly positions = new Map<number, Position>()
  readonly catalogues = new Map<string, string>()

  async loadPositions(): Promise<readonly Position[]> {
    return [...this.positions.values()]
  }

  async loadHistories(persons: readonly Person[], below: number): Promise<ReadonlyMap<string, StoredHistory>> {
    const histories = new Map<string, StoredHistory>()
    for (const person of persons) {
      const key = personKey(person)
      const interactions = this.#interactionsOf(person, below)
      const identity = this.#identitiesOf(person, below).flatMap(({ change, linkId, link, other }) =>
        change === 'derived' ? [] : [{ change, linkId, link, other }],
      )
      if (interactions.length + identity.length > 0) histories.set(key, { interactions, identity })
    }
    return histories
  }

  #interactionsOf(person: Person, below: number): InteractionRow[] {
    return asOf(this.interactions, ({ interaction }) => personOf(interaction), person, below)
  }

  #identitiesOf(person: Person, below: number): IdentityRow[] {
    return asOf(this.identities, (row) => row.person, person, below)
  }

  async loadCatalogues(persons: readonly Person[], below: number): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>()
    for (const person of persons) {
      const last = [...this.#interactionsOf(person, below), ...this.#identitiesOf(person, below)]
        .filter(({ catalogue }) => catalogue !== '')
        .sort((a, b) => a.version - b.version)
        .at(-1)
      if (last !== undefined) found.set(personKey(person), last.catalogue)
    }
    return found
  }

  async loadAhead(partition: number, partitions: number, version: number): Promise<readonly Person[]> {
    return [...this.customers.values()].flatMap((row) =>
      partitionOf(row.person, partitions) === partition && row.version >= version ? [row.person] : [],
    )
  }

  async loadDeadlines(partition: number, partitions: number): Promise<readonly { person: Person; deadline: number }[]> {
    return [...this.customers.values()].flatMap((row) =>
      partitionOf(row.person, partitions) === partition && row.nextDeadline !== null
        ? [{ person: row.person, deadline: row.nextDeadline }]
        : [],
    )
  }

  async loadCatalogue(hash: string): Promise<string | null> {
    return this.catalogues.get(hash) ?? null
  }

  async storeCatalogue(hash: string, content: string): Promise<void> {
    this.catalogues.set(hash, content)
  }

  async writeRows({ interactions, identities, customers }: RowLists): Promise<void> {
    for (const row of interactions) {
      const key = `${personKey(personOf(row.interaction))}\0${row.interaction.id}\0${row.link}`
      const stored = this.interactions.get(key)
      if (stored === undefined || row.version <= stored.version) this.interactions.set(key, row)
    }
    for (const row of identities) this.identities.set(`${personKey(row.person)}\0${row.version}`, row)
    for (const row of customers) {
      const key = personKey(row.person)
      const stored = this.customers.get(key)
      if (stored === undefined || row.version >= stored.version) this.customers.set(key, row)
    }
  }

  async writePositions(positions: readonly Position[]): Promise<void> {
    const version = (one: Position) => versionOf(one.epoch, one.offset)
    for (const position of positions) {
      const stored = this.positions.get(position.partition)
      if (stored === undefined || version(stored) <= version(position)) this.positions.set(position.partition, position)
    }
  }
}

function asOf<T extends { readonly version: number }>(
  rows: ReadonlyMap<string, T>,
  personOfRow: (row: T) => Person,
  person: Person,
  below: number,
): T[] {
  return [...rows.values()]
    .filter((row) => row.version < below && personKey(personOfRow(row)) === personKey(person))
    .sort((a, b) => a.version - b.version)
}
