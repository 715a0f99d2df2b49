import { type Interaction, type Person, personKey, personOf } from '@weaklink/interactions'
import { type CustomerRow, type InteractionRow, type Position, type TrackerStore, versionOf } from '../src/store.ts'

/** A tracker's store that is given its rows as lists: easier to write down, and to plant mistakes in. */
export interface ListStore extends Omit<TrackerStore, 'newRows'> {
  writeRows(interactions: readonly InteractionRow[], customers: readonly CustomerRow[]): Promise<void>
}

/** The port of a tracker over such a store. */
export function trackerStoreOf(store: ListStore): TrackerStore {
  return {
    ...store,
    newRows() {
      const [interactions, customers]: [InteractionRow[], CustomerRow[]] = [[], []]
      return {
        addInteraction: (row) => void interactions.push(row),
        addCustomer: (row) => void customers.push(row),
        write: () => store.writeRows(interactions, customers),
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
  readonly customers = new Map<string, CustomerRow>()
  readonly positions = new Map<number, Position>()
  readonly catalogues = new Map<string, string>()

  async loadPositions(): Promise<readonly Position[]> {
    return [...this.positions.values()]
  }

  async loadInteractions(
    persons: readonly Person[],
    below: number,
  ): Promise<ReadonlyMap<string, readonly Interaction[]>> {
    const wanted = new Set(persons.map(personKey))
    const rows = [...this.interactions.values()]
      .filter((row) => row.version < below)
      .sort((a, b) => a.version - b.version)
    const histories = new Map<string, Interaction[]>()
    for (const { interaction } of rows) {
      const key = personKey(personOf(interaction))
      if (!wanted.has(key)) continue
      histories.set(key, [...(histories.get(key) ?? []), interaction])
    }
    return histories
  }

  async loadDeadlines(partition: number): Promise<readonly { person: Person; deadline: number }[]> {
    return [...this.customers.values()].flatMap((row) =>
      row.partition === partition && row.nextDeadline !== null
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

  async writeRows(interactions: readonly InteractionRow[], customers: readonly CustomerRow[]): Promise<void> {
    for (const row of interactions) {
      const key = `${personKey(personOf(row.interaction))}\0${row.interaction.id}`
      const stored = this.interactions.get(key)
      if (stored === undefined || row.version <= stored.version) this.interactions.set(key, row)
    }
    for (const row of customers) {
      const key = personKey(row.person)
      const stored = this.customers.get(key)
      if (stored === undefined || row.version >= stored.version) this.customers.set(key, row)
    }
  }

  async writePosition(position: Position): Promise<void> {
    const stored = this.positions.get(position.partition)
    const version = (one: Position) => versionOf(one.epoch, one.offset)
    if (stored === undefined || version(stored) <= version(position)) this.positions.set(position.partition, position)
  }
}
