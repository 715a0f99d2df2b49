import type { Chain } from '@weaklink/chains'
import type { Interaction, Person } from '@weaklink/interactions'
import type { IdentityChange } from './identity.ts'

/**
 * What the tracker remembers, and all it remembers: everything else is a cache. One implementation is ClickHouse; the
 * tests have one in memory with the same promises.
 */
export interface TrackerStore {
  /** The newest position of every partition that was ever written: where to go on, or what a new log goes on from. */
  loadPositions(): Promise<readonly Position[]>
  /**
   * What is stored of these persons as of a version: only rows below it, so that a replay repeats itself exactly. In the
   * order of the log, by personKey. Persons of whom nothing is stored are left out.
   */
  loadHistories(persons: readonly Person[], below: number): Promise<ReadonlyMap<string, StoredHistory>>
  /** The hashes of the catalogues that they were derived under last, as of a version, by personKey; who is unknown is left out. */
  loadCatalogues(persons: readonly Person[], below: number): Promise<ReadonlyMap<string, string>>
  /** The deadlines of what is open, of the customers that belong into this one of so many partitions. */
  loadDeadlines(partition: number, partitions: number): Promise<Iterable<{ person: Person; deadline: number }>>
  /** Of the same customers those whose row has this version or a higher one: a load as of it sees them otherwise. */
  loadAhead(partition: number, partitions: number, version: number): Promise<Iterable<Person>>
  /** The catalogue's content by its hash, null where nobody stored it. */
  loadCatalogue(hash: string): Promise<string | null>
  storeCatalogue(hash: string, content: string): Promise<void>
  /** No rows yet. */
  newRows(): Rows
  /** Last of all: what they stand for is written. All of them, or none. */
  writePositions(positions: readonly Position[]): Promise<void>
}

/** Rows that are written together. Each is taken as it is when it is added; nothing of it is kept in another form. */
export interface Rows {
  addInteraction(row: InteractionRow): void
  addIdentity(row: IdentityRow): void
  addCustomer(row: CustomerRow): void
  /** Writes interactions and identities, then customers: all durable when it resolves. Writing the same rows again changes nothing. */
  write(): Promise<void>
}

/** Versions order what the log did to a customer: `epoch · 2^40 + offset` of a record. */
export function versionOf(epoch: number, offset: number): number {
  return epoch * 2 ** 40 + offset
}

/** Somebody's past as it is stored. */
export interface StoredHistory {
  /** `link`: of one that was moved here, the id of the link; empty where it came under this person. */
  readonly interactions: readonly { readonly interaction: Interaction; readonly link: string }[]
  readonly identity: readonly IdentityChange[]
}

export interface InteractionRow {
  readonly interaction: Interaction
  /** Of one that was moved here from somebody anonymous: the id of the link, else empty. */
  readonly link: string
  /** The link that moved the one here which counts in its stead, until that is withdrawn; else empty. */
  readonly behind: string
  /** Hash of the catalogue that its person is derived under from here on; empty where the row changes no chains. */
  readonly catalogue: string
  readonly partition: number
  readonly version: number
}

/** `derived`: nothing was said about who they are, but they are derived under another catalogue than before. */
export interface IdentityRow extends Omit<IdentityChange, 'change'> {
  readonly change: IdentityChange['change'] | 'derived'
  readonly person: Person
  /** As of an interaction. */
  readonly catalogue: string
  readonly partition: number
  readonly version: number
}

export interface CustomerRow {
  readonly person: Person
  readonly partition: number
  readonly version: number
  /** Hash of the catalogue that the chains were derived under. */
  readonly catalogue: string
  readonly nextDeadline: number | null
  /** Of somebody anonymous who is a customer: which one. The chains are there. */
  readonly movedTo: string | null
  readonly chains: readonly Chain[]
}

/** What became of the interactions that the tracker read; conflicts are among the duplicates. */
export interface Counts {
  readonly accepted: number
  readonly duplicates: number
  readonly conflicts: number
  readonly rejected: number
}

export interface ImportCounts extends Counts {
  readonly id: string
  /** The end of the import was read: the counts are whole. */
  readonly ended: boolean
}

/** Where a partition stands. Every field is a function of the log below `offset`. */
export interface Position extends Counts {
  readonly partition: number
  /** Grows when the log's identity changes, so that versions of different logs compare. */
  readonly epoch: number
  readonly logIdentity: string
  /** Of the next record to read. */
  readonly offset: number
  /** T, null for minus infinity. */
  readonly tick: number | null
  /** Hash of the catalogue in force. */
  readonly catalogue: string
  /** The newest `at` of an accepted interaction. */
  readonly newestAt: number | null
  /** The last imports that this partition has seen, oldest first. */
  readonly imports: readonly ImportCounts[]
}
