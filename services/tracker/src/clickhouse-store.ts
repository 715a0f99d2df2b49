import type { Store } from '@weaklink/clickhouse'
import type { Actor, Interaction, Outcome, Person, Props, Reaction } from '@weaklink/interactions'
import { personKey } from '@weaklink/interactions'
import type { IdentityChange } from './identity.ts'
import {
  customerColumns,
  identityColumns,
  interactionColumns,
  positionColumns,
  pushCustomer,
  pushIdentity,
  pushInteraction,
} from './rows.ts'
import type { ImportCounts, Position, StoredHistory, TrackerStore } from './store.ts'

/**
 * What the tracker remembers, in the tables of packages/clickhouse/migrations.
 *
 * @param attempt how to meet a store that is away for a while: it runs the operation until it succeeds or gives up
 */
export function clickhouseStore(store: Store, attempt: <T>(operation: () => Promise<T>) => Promise<T>): TrackerStore {
  return {
    async loadPositions() {
      const rows = await attempt(() => store.query<StoredPosition>(POSITIONS))
      return rows.map(positionOf)
    },
    async loadHistories(persons, below) {
      const keys = keysOf(persons)
      const [interactions, changes] = await Promise.all([
        attempt(() => store.queryWithKeys<StoredInteraction>(INTERACTIONS, keys, { below })),
        attempt(() => store.queryWithKeys<StoredChange>(IDENTITY, keys, { below })),
      ])
      const histories = new Map<string, Mutable<StoredHistory>>()
      const historyOf = (person: Person) => {
        const key = personKey(person)
        const known = histories.get(key)
        if (known !== undefined) return known
        const begun = { interactions: [], identity: [] }
        histories.set(key, begun)
        return begun
      }
      for (const row of interactions) {
        historyOf(row).interactions.push({ interaction: interactionOf(row), link: row.link })
      }
      for (const row of changes) historyOf(row).identity.push(row)
      return histories
    },
    async loadCatalogues(persons, below) {
      const rows = await attempt(() => store.queryWithKeys<DerivedUnder>(CATALOGUES, keysOf(persons), { below }))
      return new Map(rows.map((row) => [personKey(row), row.catalogue]))
    },
    async loadDeadlines(partition, partitions) {
      const groups = await attempt(() => store.query<DeadlineGroup>(DEADLINES, { partition, partitions }))
      return deadlinesOf(groups)
    },
    loadAhead: (partition, partitions, version) =>
      attempt(() => store.query<Person>(AHEAD, { partition, partitions, version })),
    async loadCatalogue(hash) {
      const [row] = await attempt(() => store.query<{ content: string }>(CATALOGUE, { hash }))
      return row?.content ?? null
    },
    async storeCatalogue(hash, content) {
      await attempt(() =>
        store.command('INSERT INTO catalogues (hash, content) VALUES ({hash:String}, {content:String})', {
          hash,
          content,
        }),
      )
    },
    newRows() {
      const [interactions, identities, customers] = [interactionColumns(), identityColumns(), customerColumns()]
      return {
        addInteraction: (row) => pushInteraction(interactions, row),
        addIdentity: (row) => pushIdentity(identities, row),
        addCustomer: (row) => pushCustomer(customers, row),
        async write() {
          await attempt(() => store.insert('interactions_log', interactions))
          await attempt(() => store.insert('identity_log', identities))
          await attempt(() => store.insert('customer_chains', customers))
        },
      }
    },
    async writePositions(positions) {
      const rows = positionColumns(positions)
      await attempt(() => store.insert('positions', rows))
    },
  }
}

function keysOf(persons: readonly Person[]) {
  return {
    name: 'keys',
    columns: `kind Enum8('customer' = 1, 'anonymous' = 2), customer String`,
    rows: persons.map(({ kind, customer }) => [kind, customer]),
  }
}

const CATALOGUE = 'SELECT content FROM catalogues WHERE hash = {hash:String} LIMIT 1'

// By the key's partition as producers choose it (`partitionOf`), not by the one that the row was written for: that may
// have been of another log.
const OF_THE_PARTITION = 'kafkaMurmurHash(customer) % {partitions:UInt32} = {partition:UInt32}'

// In groups, since a million rows as objects take longer to read than all the rest of a start.
const DEADLINES = `
  SELECT kind, groupArray(customer) AS customers,
         groupArray(toUnixTimestamp64Milli(assumeNotNull(nextDeadline))) AS deadlines
  FROM customer_chains FINAL
  WHERE nextDeadline IS NOT NULL AND ${OF_THE_PARTITION}
  GROUP BY kind, cityHash64(customer) % 256`

const AHEAD = `
  SELECT DISTINCT kind, customer
  FROM customer_chains
  WHERE version >= {version:UInt64} AND ${OF_THE_PARTITION}`

interface DeadlineGroup {
  readonly kind: Person['kind']
  readonly customers: readonly string[]
  readonly deadlines: readonly number[]
}

function* deadlinesOf(groups: readonly DeadlineGroup[]): Generator<{ person: Person; deadline: number }> {
  for (const { kind, customers, deadlines } of groups) {
    for (const [k, customer] of customers.entries()) yield { person: { kind, customer }, deadline: deadlines[k] ?? 0 }
  }
}

// Without FINAL, which costs twice as much: rows of one interaction come in the order of the log, and of an id the first
// counts, whether those behind it are merged away already or not.
const INTERACTIONS = `
  SELECT kind, customer, id, touchpoint, toUnixTimestamp64Milli(at) AS atMs, by, outcome, reaction, episode, order, waitMs,
         durationMs, value, cost, currency, channel, campaign, queue, agent, props, anonymousId, link
  FROM interactions_log
  WHERE (kind, customer) IN keys AND version < {below:UInt64}
  ORDER BY customer, kind, version`

const IDENTITY = `
  SELECT kind, customer, change, linkId, link, other
  FROM identity_log FINAL
  WHERE (kind, customer) IN keys AND version < {below:UInt64} AND change != 'derived'
  ORDER BY version`

// Whoever wrote a row a second time wrote the same: the first need not be told from it.
const CATALOGUES = `
  SELECT kind, customer, argMax(catalogue, version) AS catalogue
  FROM (
    SELECT kind, customer, catalogue, version FROM interactions_log
    WHERE (kind, customer) IN keys AND version < {below:UInt64} AND catalogue != ''
    UNION ALL
    SELECT kind, customer, catalogue, version FROM identity_log
    WHERE (kind, customer) IN keys AND version < {below:UInt64} AND catalogue != '')
  GROUP BY kind, customer`

interface DerivedUnder extends Person {
  readonly catalogue: string
}

const POSITIONS = `
  SELECT partition, epoch, logIdentity, offset, toUnixTimestamp64Milli(tick) AS tickMs, catalogue, accepted, duplicates,
         conflicts, rejected, toUnixTimestamp64Milli(newestAt) AS newestAtMs, imports
  FROM positions FINAL`

interface StoredPosition extends Omit<Position, 'tick' | 'newestAt' | 'imports'> {
  readonly tickMs: number | null
  readonly newestAtMs: number | null
  readonly imports: readonly ImportCounts[]
}

function positionOf({ tickMs, newestAtMs, ...rest }: StoredPosition): Position {
  return { ...rest, tick: tickMs, newestAt: newestAtMs }
}

interface StoredInteraction extends Person {
  readonly id: string
  readonly touchpoint: string
  readonly atMs: number
  readonly by: Actor | ''
  readonly outcome: Outcome | ''
  readonly reaction: Reaction | ''
  readonly episode: string
  readonly order: string
  readonly waitMs: number | null
  readonly durationMs: number | null
  readonly value: number | null
  readonly cost: number | null
  readonly currency: string
  readonly channel: string
  readonly campaign: string
  readonly queue: string
  readonly agent: string
  readonly props: string
  readonly anonymousId: string
  readonly link: string
}

type StoredChange = Person & IdentityChange

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] }

/** The interaction as it was accepted: what stands empty in the row was left out. */
function interactionOf(row: StoredInteraction): Interaction {
  const { kind, customer, atMs, props, anonymousId, link: _, ...fields } = row
  const stored: Record<string, unknown> = { at: atMs }
  if (kind === 'customer') stored.customer = customer
  if (anonymousId !== '') stored.anonymousId = anonymousId
  for (const [name, value] of Object.entries(fields)) if (value !== '' && value !== null) stored[name] = value
  if (props !== '') stored.props = JSON.parse(props) as Props
  return stored as unknown as Interaction
}
