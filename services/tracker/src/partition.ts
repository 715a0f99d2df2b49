import {
  addInteraction,
  type Catalogue,
  catalogueFromContent,
  chainsOf,
  changeCatalogue,
  type History,
  nextDeadline,
  startHistory,
} from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import {
  decodeFact,
  type Fact,
  IMPORT_HEADER,
  type Interaction,
  type Person,
  personKey,
  personOf,
  type Rejection,
  show,
} from '@weaklink/interactions'
import { Deadlines } from './deadlines.ts'
import { Histories } from './histories.ts'
import {
  type Counts,
  type CustomerRow,
  type ImportCounts,
  type InteractionRow,
  type Position,
  type TrackerStore,
  versionOf,
} from './store.ts'

export interface PartitionOptions {
  readonly store: TrackerStore
  readonly partition: number
  readonly logIdentity: string
  /** In force until the log says otherwise. */
  readonly catalogue: Catalogue
  /** Puts records that cannot be taken in aside, durably, before the position moves. */
  readonly putAside: (rejected: readonly RejectedRecord[]) => Promise<void>
  /** Beyond this many stored interactions a customer's further ones are rejected. */
  readonly customerLimit: number
  /** How many interactions the cache of histories holds. */
  readonly cacheLimit: number
  /** Rows (interactions and customers) that make a flush due. */
  readonly flushRows: number
}

export interface RejectedRecord {
  readonly record: LogRecord
  readonly rejection: Rejection
}

const NOBODY: ReadonlyMap<string, readonly Interaction[]> = new Map()
/** The last imports whose counts a position carries. */
const IMPORTS_KEPT = 16
/** Records that are loaded for at once: a batch of the log may touch more customers than should be in memory. */
const RUN = 5_000
/** Customers whose deadlines one tick passed are derived in slices, so that a tick over a million of them stays small. */
const TICK_SLICE = 2_000

/**
 * The tracker of one partition: takes records in the order of the log, and writes rows and position.
 *
 * "Same log prefix → same rows; the highest version wins." It reads no clock and nothing but the log and the store, so a
 * crash, a replay or a second owner writes what was written before.
 */
export class PartitionTracker {
  readonly #options: PartitionOptions
  readonly #store: TrackerStore
  readonly #histories: Histories
  readonly #deadlines = new Deadlines()
  readonly #position: WorkingPosition
  #catalogue: Catalogue

  /** Customers whose row is older than what they are now, and the version that changed them last. */
  #dirty = new Map<string, number>()
  /** Of those, whose deadline is not yet in `#deadlines`. */
  #undated = new Set<string>()
  /**
   * Nothing below the position is outside of the cache: nobody ever wrote before this process began, and it has not
   * dropped a history yet. Then who is not in the cache is new, and need not be looked for.
   */
  #cacheIsWhole = false
  /** Interactions that the dirty customers had when they became dirty. */
  #pinned = 0
  #newInteractions: InteractionRow[] = []
  #rejected: RejectedRecord[] = []

  /** Customers in the write under way: pinned until it is acknowledged. */
  #writing: ReadonlyMap<string, number> = new Map()
  #write: Promise<void> = Promise.resolve()
  #writtenOffset: number

  /** Reads where this partition stands; a log that was never seen begins a new epoch over what older ones left. */
  static async open(options: PartitionOptions, logStart: number): Promise<PartitionTracker> {
    const positions = await options.store.loadPositions()
    const position = positions.find(({ partition }) => partition === options.partition)
    const resumed = position?.logIdentity === options.logIdentity ? position : newEpoch(options, positions, logStart)
    const catalogue = await loadCatalogue(options.store, resumed.catalogue)
    const tracker = new PartitionTracker(options, resumed, catalogue ?? options.catalogue)
    tracker.#cacheIsWhole = positions.length === 0
    for (const { person, deadline } of await options.store.loadDeadlines(options.partition)) {
      tracker.#deadlines.set(personKey(person), deadline)
    }
    return tracker
  }

  private constructor(options: PartitionOptions, position: Position, catalogue: Catalogue) {
    this.#options = options
    this.#store = options.store
    this.#position = { ...position, imports: position.imports.map((one) => ({ ...one })) }
    this.#catalogue = catalogue
    this.#histories = new Histories(options.cacheLimit)
    this.#writtenOffset = position.offset
  }

  /** Where it stands, unwritten records included. */
  get position(): Position {
    return { ...this.#position, imports: this.#position.imports.map((one) => ({ ...one })) }
  }

  /** Offset up to which everything is durable in the store. */
  get writtenOffset(): number {
    return this.#writtenOffset
  }

  /** The next deadline of anything open, epoch milliseconds. */
  nextDeadline(): number | null {
    this.#dateDirty()
    return this.#deadlines.next()
  }

  /** Takes the next records in; flushes when enough rows have gathered. */
  async take(records: readonly LogRecord[]): Promise<void> {
    let run: DecodedRecord[] = []
    for (const record of records) {
      const decoded = { record, ...decodeFact(record, record.timestamp) }
      const ofOnePerson = !decoded.ok || decoded.fact.kind === 'interaction' || decoded.fact.kind === 'touch'
      if (ofOnePerson) {
        run.push(decoded)
        if (run.length < RUN) continue
      }
      await this.#takeRun(run)
      run = []
      if (ofOnePerson) continue
      await this.#takeControl(decoded.fact, record)
      this.#position.offset = record.offset + 1
    }
    await this.#takeRun(run)
  }

  /** Takes records in that concern one person each: one load for all of them, then one after the other. */
  async #takeRun(run: readonly DecodedRecord[]): Promise<void> {
    await this.#load(run.flatMap((decoded) => (decoded.ok ? personsOf(decoded.fact) : [])))
    for (const decoded of run) {
      if (!decoded.ok) this.#reject(decoded.record, decoded.rejection)
      else if (decoded.fact.kind === 'interaction') this.#takeInteraction(decoded.fact.interaction, decoded.record)
      else if (decoded.fact.kind === 'touch') {
        this.#deriveAgain(personKey(decoded.fact.person), versionOf(this.#position.epoch, decoded.record.offset))
      }
      this.#position.offset = decoded.record.offset + 1
    }
    if (this.#isFlushDue()) await this.flush()
    this.#evict()
  }

  /** Enough rows have gathered, or what waits to be written pins as much again as the cache may hold. */
  #isFlushDue(): boolean {
    const { flushRows, cacheLimit } = this.#options
    const rows = this.#newInteractions.length + this.#dirty.size
    return rows >= flushRows || (rows > 0 && this.#pinned >= Math.max(cacheLimit, flushRows))
  }

  /** Begins to write everything taken in so far; resolves when the write before it is done. */
  async flush(): Promise<void> {
    await this.#write
    if (this.#position.offset === this.#writtenOffset) return
    this.#startWrite(this.position)
  }

  /** Resolves when everything taken in so far is durable in the store. */
  async settle(): Promise<void> {
    await this.flush()
    await this.#write
  }

  async #takeControl(fact: Fact, record: LogRecord): Promise<void> {
    if (fact.kind === 'tick') await this.#takeTick(fact.tick, record)
    else if (fact.kind === 'catalogue') await this.#takeCatalogue(fact.hash, record)
    else if (fact.kind === 'import-end') this.#import(fact.importId).ended = true
  }

  #takeInteraction(interaction: Interaction, record: LogRecord): void {
    const key = personKey(personOf(interaction))
    const history = this.#history(key)
    if (history.byId.size >= this.#options.customerLimit && !history.byId.has(interaction.id)) {
      const expected = `at most ${this.#options.customerLimit} interactions of one customer`
      const got = show(interaction.customer ?? interaction.anonymousId)
      this.#reject(record, { reason: 'customer_limit', field: 'customer', expected, got })
      return
    }
    const importId = record.headers[IMPORT_HEADER]
    const intake = addInteraction(history, interaction)
    if (intake !== 'accepted') {
      this.#count(importId, 'duplicates')
      if (intake === 'conflict') this.#count(importId, 'conflicts')
      return
    }
    this.#histories.grew()
    const version = versionOf(this.#position.epoch, record.offset)
    this.#newInteractions.push({ interaction, partition: record.partition, version })
    this.#changed(key, version)
    this.#count(importId, 'accepted')
    this.#position.newestAt = Math.max(this.#position.newestAt ?? interaction.at, interaction.at)
  }

  /** Somebody without interactions has no chains, and gets no row. */
  #deriveAgain(key: string, version: number): void {
    if (this.#history(key).byId.size > 0) this.#changed(key, version)
  }

  async #takeTick(tick: number, record: LogRecord): Promise<void> {
    if (this.#position.tick !== null && tick <= this.#position.tick) return
    // Deadlines first, by the T that was: under the new one, what it ends would no longer have a deadline to pass, and its
    // row would change under the version of an older record, which a second owner may overwrite.
    this.#dateDirty()
    this.#position.tick = tick
    const version = versionOf(this.#position.epoch, record.offset)
    for (;;) {
      const keys = this.#deadlines.takePassed(tick, TICK_SLICE)
      if (keys.length === 0) return
      await this.#load(keys.map(personOfKey), version)
      for (const key of keys) this.#deriveAgain(key, version)
      if (this.#isFlushDue()) {
        // In the middle of a record: rows may be written early, the position may not.
        await this.#write
        this.#startWrite(null)
        this.#evict()
      }
    }
  }

  async #takeCatalogue(hash: string, record: LogRecord): Promise<void> {
    const catalogue = await loadCatalogue(this.#store, hash)
    if (catalogue === null) {
      const expected = 'the hash of a stored catalogue'
      this.#reject(record, { reason: 'unknown_catalogue', field: 'hash', expected, got: show(hash) })
      return
    }
    // What is dirty now is derived under the catalogue that was in force when it changed.
    await this.#write
    this.#startWrite(null)
    this.#catalogue = catalogue
    this.#position.catalogue = hash
  }

  #reject(record: LogRecord, rejection: Rejection): void {
    this.#rejected.push({ record, rejection })
    this.#count(record.headers[IMPORT_HEADER], 'rejected')
  }

  #history(key: string): History {
    const history = this.#histories.get(key)
    if (history === undefined) throw new Error(`the history of ${key} must be loaded before it is used`)
    changeCatalogue(history, this.#catalogue)
    return history
  }

  #changed(key: string, version: number): void {
    if (!this.#dirty.has(key)) this.#pinned += this.#history(key).byId.size
    this.#dirty.set(key, version)
    this.#undated.add(key)
  }

  #evict(): void {
    if (this.#histories.evict((key) => this.#isPinned(key)) > 0) this.#cacheIsWhole = false
  }

  #isPinned(key: string): boolean {
    return this.#dirty.has(key) || this.#writing.has(key)
  }

  /** Loads those that are not in the cache: what the store holds of them below this batch is all there is of them. */
  async #load(
    persons: readonly Person[],
    below = versionOf(this.#position.epoch, this.#position.offset),
  ): Promise<void> {
    const missing = new Map<string, Person>()
    for (const person of persons) {
      const key = personKey(person)
      if (!this.#histories.has(key)) missing.set(key, person)
    }
    if (missing.size === 0) return
    const stored = this.#cacheIsWhole ? NOBODY : await this.#store.loadInteractions([...missing.values()], below)
    for (const [key, person] of missing) {
      const history = startHistory(person, this.#catalogue)
      for (const interaction of stored.get(key) ?? []) addInteraction(history, interaction)
      this.#histories.put(key, history)
    }
  }

  /** Brings the deadlines up to date with what changed since. */
  #dateDirty(): void {
    for (const key of this.#undated) {
      this.#deadlines.set(key, nextDeadline(chainsOf(this.#history(key), this.#position.tick)))
    }
    this.#undated.clear()
  }

  /** Encodes what is dirty now and begins to write it: rejected records, rows, then the position. */
  #startWrite(position: Position | null): void {
    const customers: CustomerRow[] = []
    for (const [key, version] of this.#dirty) {
      const history = this.#history(key)
      const chains = chainsOf(history, this.#position.tick)
      const deadline = nextDeadline(chains)
      this.#deadlines.set(key, deadline)
      customers.push({
        person: history.person,
        partition: this.#options.partition,
        version,
        catalogue: history.catalogue.hash,
        nextDeadline: deadline,
        chains,
      })
    }
    const [interactions, rejected] = [this.#newInteractions, this.#rejected]
    this.#writing = this.#dirty
    this.#dirty = new Map()
    this.#pinned = 0
    this.#undated.clear()
    this.#newInteractions = []
    this.#rejected = []
    this.#write = this.#writeAll(rejected, interactions, customers, position)
    // The failure is met by whoever awaits the write next; here it must not count as unhandled.
    this.#write.catch(() => {})
  }

  /** The order is the promise: nothing is skipped (P6) or counted (P2) before what it stands for is durable. */
  async #writeAll(
    rejected: readonly RejectedRecord[],
    interactions: readonly InteractionRow[],
    customers: readonly CustomerRow[],
    position: Position | null,
  ): Promise<void> {
    if (rejected.length > 0) await this.#options.putAside(rejected)
    if (interactions.length > 0 || customers.length > 0) await this.#store.writeRows(interactions, customers)
    if (position !== null) {
      await this.#store.writePosition(position)
      this.#writtenOffset = position.offset
    }
    this.#writing = new Map()
  }

  #count(importId: string | undefined, what: keyof Counts): void {
    this.#position[what]++
    if (importId !== undefined) this.#import(importId)[what]++
  }

  #import(id: string): Mutable<ImportCounts> {
    const { imports } = this.#position
    const known = imports.find((one) => one.id === id)
    if (known !== undefined) return known
    const begun = { id, accepted: 0, duplicates: 0, conflicts: 0, rejected: 0, ended: false }
    imports.push(begun)
    if (imports.length > IMPORTS_KEPT) imports.shift()
    return begun
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type WorkingPosition = Mutable<Omit<Position, 'imports'>> & { readonly imports: Mutable<ImportCounts>[] }
type DecodedRecord = { readonly record: LogRecord } & ReturnType<typeof decodeFact>

function newEpoch(options: PartitionOptions, positions: readonly Position[], logStart: number): Position {
  const ofThisLog = positions.find(({ logIdentity }) => logIdentity === options.logIdentity)
  const older = positions.filter(({ logIdentity }) => logIdentity !== options.logIdentity)
  const ticks = older.flatMap(({ tick }) => (tick === null ? [] : [tick]))
  const newest = older.reduce<Position | null>((a, b) => (a === null || b.epoch >= a.epoch ? b : a), null)
  return {
    partition: options.partition,
    epoch: ofThisLog?.epoch ?? Math.max(0, ...positions.map(({ epoch }) => epoch)) + 1,
    logIdentity: options.logIdentity,
    offset: logStart,
    tick: ticks.length > 0 ? Math.max(...ticks) : null,
    catalogue: newest?.catalogue ?? options.catalogue.hash,
    newestAt: null,
    accepted: 0,
    duplicates: 0,
    conflicts: 0,
    rejected: 0,
    imports: [],
  }
}

async function loadCatalogue(store: TrackerStore, hash: string): Promise<Catalogue | null> {
  const content = await store.loadCatalogue(hash)
  return content === null ? null : catalogueFromContent(content)
}

function personsOf(fact: Fact): readonly Person[] {
  if (fact.kind === 'interaction') return [personOf(fact.interaction)]
  return fact.kind === 'touch' ? [fact.person] : []
}

function personOfKey(key: string): Person {
  return { kind: key.startsWith('c:') ? 'customer' : 'anonymous', customer: key.slice(2) }
}
