import {
  addInteraction,
  type BreakEvent,
  breakEventOf,
  type Catalogue,
  type Chain,
  chainsOf,
  knownInteraction,
  nextDeadline,
} from '@weaklink/chains'
import type { LogRecord, TopicDescription } from '@weaklink/event-log'
import {
  decodeFact,
  type Fact,
  IMPORT_HEADER,
  type Interaction,
  LINK_HEADER,
  type Person,
  personKey,
  personOf,
  personOfKey,
  type Rejection,
  show,
} from '@weaklink/interactions'
import { Deadlines } from './deadlines.ts'
import { positionIn } from './epoch.ts'
import type { Remembered } from './histories.ts'
import { applyChange, changeBy, type IdentityFact, linkSaidBy } from './identity.ts'
import { loadCatalogue, loaded, Memory, type Wanted } from './memory.ts'
import { type Cause, observe, ownInteractions } from './observer.ts'
import { type Position, type StoredHistory, type TrackerStore, versionOf } from './store.ts'
import { copyOf, count, importIn, type WorkingPosition } from './working-position.ts'
import { Writer, type WriterOptions } from './writer.ts'

export interface PartitionOptions extends WriterOptions {
  readonly partition: number
  /** The topic that is followed. */
  readonly topic: TopicDescription
  /** In force until the log says otherwise. */
  readonly catalogue: Catalogue
  /** Beyond this many stored interactions a customer's further ones are rejected. */
  readonly customerLimit: number
  /** How many interactions the cache of histories may hold at the moment. */
  readonly cacheLimit: () => number
  /** Interactions that are written together. */
  readonly flushRows: number
  /** How many customers are loaded, derived or written at once, so that a million of them stay small. */
  readonly slice: number
  /** A customer with more interactions is watched for breaks until the next flush: a walk takes memory, walking time. */
  readonly watchBeyond: number
}

const NOTHING: StoredHistory = { interactions: [], identity: [] }
const NO_EVENTS: readonly BreakEvent[] = []

/**
 * The tracker of one partition: takes records in the order of the log, and writes rows and position.
 *
 * "Same log prefix → same rows; the highest version wins." It reads no clock and nothing but the log and the store, so a
 * crash, a replay or a second owner writes what was written before.
 */
export class PartitionTracker {
  readonly #options: PartitionOptions
  readonly #store: TrackerStore
  readonly #memory: Memory
  readonly #deadlines = new Deadlines()
  readonly #position: WorkingPosition
  #catalogue: Catalogue

  /** Customers whose row is older than what they are now. */
  #changed: Remembered[] = []
  /** Of those, whose deadline is not yet in `#deadlines`. */
  #undated: Remembered[] = []
  /** About how many interactions those who changed have. */
  #pinned = 0
  readonly #writer: Writer

  /**
   * Reads where this partition stands.
   *
   * @param start of the log, for a partition that was never followed
   * @throws LogChangedError
   */
  static async open(options: PartitionOptions, start: number): Promise<PartitionTracker> {
    const { partition, topic, store } = options
    const positions = await store.loadPositions()
    const resumed = positionIn(positions, topic, { partition, start }, options.catalogue.hash)
    // From now on everybody can see which log is followed: the tracker of another one would not begin any more.
    if (!positions.includes(resumed)) await store.writePositions([resumed])
    const catalogue = await loadCatalogue(store, resumed.catalogue)
    const memory = new Memory(options, resumed.epoch === 1 && resumed.offset === 0)
    const tracker = new PartitionTracker(options, resumed, catalogue ?? options.catalogue, memory)
    for (const { person, deadline } of await store.loadDeadlines(partition, topic.partitions)) {
      tracker.#deadlines.set(personKey(person), deadline)
    }
    if (options.tell !== undefined) await tracker.#dateThoseAhead()
    return tracker
  }

  private constructor(options: PartitionOptions, position: Position, catalogue: Catalogue, memory: Memory) {
    this.#options = options
    this.#store = options.store
    this.#position = copyOf(position)
    this.#catalogue = catalogue
    this.#memory = memory
    this.#writer = new Writer(options, position.offset)
  }

  /** Where it stands, unwritten records included. */
  get position(): Position {
    return copyOf(this.#position)
  }

  /** Offset up to which everything is durable in the store. */
  get writtenOffset(): number {
    return this.#writer.writtenOffset
  }

  /** The next deadline of anything open, epoch milliseconds. */
  nextDeadline(): number | null {
    this.#dateChanged()
    return this.#deadlines.next()
  }

  /** Takes the next records in; flushes when enough rows have gathered. */
  async take(records: readonly LogRecord[]): Promise<void> {
    const place = { partition: this.#options.partition, partitions: this.#options.topic.partitions }
    let run: Taken[] = []
    for (const record of records) {
      const decoded = decodeFact(record, record.timestamp, place)
      const person = decoded.ok ? personIn(decoded.fact) : null
      if (decoded.ok && person === null) {
        await this.#takeRun(run)
        run = []
        await this.#takeControl(decoded.fact, record)
        this.#position.offset = record.offset + 1
        continue
      }
      run.push({ record, decoded, wanted: person === null ? null : this.#memory.want(person) })
      if (run.length < this.#options.slice) continue
      await this.#takeRun(run)
      run = []
    }
    await this.#takeRun(run)
  }

  /** Takes records in that concern one person each: one load for all of them, then one after the other. */
  async #takeRun(run: readonly Taken[]): Promise<void> {
    const wanted = run.flatMap((one) => one.wanted ?? [])
    await this.#memory.load(wanted, versionOf(this.#position.epoch, this.#position.offset))
    for (const { record, decoded, wanted } of run) {
      if (!decoded.ok) this.#reject(record, decoded.rejection)
      else if (decoded.fact.kind === 'interaction') {
        this.#takeInteraction(loaded(wanted), decoded.fact.interaction, record)
      } else if (decoded.fact.kind === 'link' || decoded.fact.kind === 'unlink') {
        this.#takeIdentity(loaded(wanted), decoded.fact, record)
      } else this.#deriveAgain(loaded(wanted), record, this.#tickOf(loaded(wanted)))
      this.#position.offset = record.offset + 1
    }
    await this.#flushWhatIsDue()
    this.#memory.evict()
  }

  /**
   * A customer is derived and written whole, so the later that happens the less often: it waits for `flush`, or until
   * those who changed are half of what the cache may hold. Interactions and what was rejected are written once, in time.
   */
  async #flushWhatIsDue(): Promise<void> {
    const { flushRows, cacheLimit } = this.#options
    if (this.#pinned >= Math.max(cacheLimit() / 2, flushRows)) await this.flush()
    else if (this.#writer.waiting >= flushRows) {
      await this.#writer.idle()
      this.#startWrite(0, null)
    }
  }

  /** Begins to write everything taken in so far; resolves when the write before it is done. */
  async flush(): Promise<void> {
    await this.#writer.idle()
    if (this.#position.offset === this.writtenOffset) return
    await this.#writeChanged()
    this.#startWrite(this.#changed.length, this.position)
  }

  /** Writes customers in slices, so that their rows never stand in memory all at once; leaves less than one. */
  async #writeChanged(): Promise<void> {
    while (this.#changed.length > this.#options.slice) {
      this.#startWrite(this.#options.slice, null)
      await this.#writer.idle()
    }
  }

  /** The log holds nothing below this offset that was not taken in: an aborted transaction leaves a gap behind. */
  pass(offset: number): void {
    this.#position.offset = Math.max(this.#position.offset, offset)
  }

  /** Somebody else goes on with this partition: nothing is written for it any more. */
  abandon(): void {
    this.#writer.abandon()
  }

  /** Resolves when everything taken in so far is durable in the store. */
  async settle(): Promise<void> {
    await this.flush()
    await this.#writer.idle()
  }

  async #takeControl(fact: Fact, record: LogRecord): Promise<void> {
    if (fact.kind === 'tick') await this.#takeTick(fact.tick, record)
    else if (fact.kind === 'catalogue') await this.#takeCatalogue(fact.hash, record)
    else if (fact.kind === 'withdraw') await this.#takeWithdrawal(fact, record)
    else if (fact.kind === 'import-end') importIn(this.#position, fact.importId).ended = true
  }

  #takeInteraction(history: Remembered, interaction: Interaction, record: LogRecord): void {
    const importId = record.headers[IMPORT_HEADER]
    const link = record.headers[LINK_HEADER] ?? ''
    // A copy that comes late, after what was moved was taken back.
    if (link !== '' && history.identity?.withdrawn.has(link) === true) return
    const { customerLimit } = this.#options
    if (history.interactions.length >= customerLimit && knownInteraction(history, interaction.id) === undefined) {
      const expected = `at most ${customerLimit} interactions of one customer`
      const got = show(interaction.customer ?? interaction.anonymousId)
      this.#reject(record, { reason: 'customer_limit', field: 'customer', expected, got })
      return
    }
    const intake = addInteraction(history, history.share(interaction))
    const version = versionOf(this.#position.epoch, record.offset)
    const row = { interaction, link, partition: record.partition, version, catalogue: this.#catalogue.hash }
    if (intake !== 'accepted') {
      const behind = history.identity?.moved.get(interaction.id) ?? link
      if (behind !== link) {
        // It came in its own right as well: it stays where what was moved is taken back.
        this.#writer.addInteraction({ ...row, behind, catalogue: '' })
      }
      // A copy is not counted: what it is a copy of was.
      if (link !== '') return
      count(this.#position, importId, 'duplicates')
      if (intake === 'conflict') count(this.#position, importId, 'conflicts')
      return
    }
    this.#memory.grew(1)
    this.#writer.addInteraction({ ...row, behind: '' })
    this.#change(history, record, 1, 'interaction')
    if (link !== '') {
      history.knownIdentity.moved.set(interaction.id, link)
      return
    }
    count(this.#position, importId, 'accepted')
    this.#position.newestAt = Math.max(this.#position.newestAt ?? interaction.at, interaction.at)
    const said = linkSaidBy(history.interactions, interaction, `implied-${record.partition}-${version}`)
    if (said !== null) this.#writer.follow({ fact: { kind: 'link', link: said }, headers: {} })
    this.#moveOn(history, [interaction])
  }

  /** Moves what somebody anonymous did to the customer who it is, where that is known. */
  #moveOn({ identity }: Remembered, interactions: readonly Interaction[]): void {
    if (identity === null || identity.current === null) return
    const { customer, link } = identity.current
    for (const interaction of interactions) {
      const moved = { ...interaction, customer }
      this.#writer.follow({ fact: { kind: 'interaction', interaction: moved }, headers: { [LINK_HEADER]: link } })
    }
  }

  /** A link, or the end of one: of somebody anonymous. */
  #takeIdentity(history: Remembered, fact: IdentityFact, record: LogRecord): void {
    const version = versionOf(this.#position.epoch, record.offset)
    const change = changeBy(history.identity, fact, `${record.partition}-${version}`)
    if (change === null) return
    const before = history.identity?.current ?? null
    const interactionsBefore = ownInteractions(history)
    applyChange(history.knownIdentity, change)
    this.#writer.addIdentity({ ...change, ...this.#identityRow(history, record) })
    this.#change(history, record, 0, { before: interactionsBefore })
    if (change.change === 'refused') {
      const expected = `${before?.customer}, whose anonymous id this is; unlink it first if that is wrong`
      this.#reject(record, { reason: 'identity_conflict', field: 'customer', expected, got: show(change.other) })
    } else if (change.change === 'unlinked' && before !== null) {
      const { customer, link } = before
      this.#writer.follow({ fact: { kind: 'withdraw', customer, link }, headers: {} })
    } else if (before === null) this.#moveOn(history, history.interactions)
  }

  /** What was moved to a customer is taken back: their history is read anew without it. */
  async #takeWithdrawal(fact: Extract<IdentityFact, { kind: 'withdraw' }>, record: LogRecord): Promise<void> {
    const person: Person = { kind: 'customer', customer: fact.customer }
    const wanted = this.#memory.want(person)
    const version = versionOf(this.#position.epoch, record.offset)
    await this.#memory.load([wanted], version)
    const history = loaded(wanted)
    const change = changeBy(history.identity, fact, '')
    if (change === null) return
    await this.#writer.idle()
    this.#startWrite(0, null)
    await this.#writer.idle()
    const stored = (await this.#store.loadHistories([person], version)).get(history.key) ?? NOTHING
    const before = history.interactions
    history.recall({ ...stored, identity: [...stored.identity, change] })
    const lost = before.length - history.interactions.length
    this.#memory.grew(-lost)
    if (history.changed > 0) this.#pinned -= lost
    this.#writer.addIdentity({ ...change, ...this.#identityRow(history, record) })
    this.#change(history, record, 0, { before })
  }

  #identityRow({ person }: Remembered, { partition, offset }: LogRecord) {
    return { person, partition, version: versionOf(this.#position.epoch, offset), catalogue: this.#catalogue.hash }
  }

  /**
   * Somebody of whom nothing is stored has no chains, and gets no row.
   *
   * @param tickBefore T that they were derived at before
   */
  #deriveAgain(history: Remembered, record: LogRecord, tickBefore: number | null): void {
    if (history.interactions.length === 0 && history.identity === null) return
    if (this.#options.tell !== undefined && history.catalogue?.hash !== this.#catalogue.hash) {
      const derived = { change: 'derived', linkId: '', link: '', other: '' } as const
      this.#writer.addIdentity({ ...derived, ...this.#identityRow(history, record) })
    }
    this.#change(history, record, 0, 'again', tickBefore)
  }

  async #takeTick(tick: number, record: LogRecord): Promise<void> {
    if (this.#position.tick !== null && tick <= this.#position.tick) return
    // Deadlines first, by the T that was: under the new one, what it ends would no longer have a deadline to pass.
    this.#dateChanged()
    const before = this.#position.tick
    this.#position.tick = tick
    // Who is in memory comes before anything is written: a row that the tick changed must not carry the version of an
    // older record, which a second owner may overwrite.
    const absent: string[] = []
    const ended = this.#deadlines.takePassed(tick)
    const tickBefore = (key: string) => tickAt(before, ended.get(key) ?? null)
    for (const key of ended.keys()) {
      const history = this.#memory.get(key)
      if (history === undefined) absent.push(key)
      else this.#deriveAgain(history, record, tickBefore(key))
    }
    const { slice } = this.#options
    for (let from = 0; from < absent.length; from += slice) {
      const passed = absent.slice(from, from + slice).map((key) => this.#memory.want(personOfKey(key)))
      await this.#memory.load(passed, versionOf(this.#position.epoch, record.offset))
      for (const wanted of passed) this.#deriveAgain(loaded(wanted), record, tickBefore(wanted.key))
      // In the middle of a record: rows may be written early, the position may not.
      await this.#writer.idle()
      await this.#writeChanged()
      this.#memory.evict()
    }
  }

  async #takeCatalogue(hash: string, record: LogRecord): Promise<void> {
    const catalogue = await loadCatalogue(this.#store, hash)
    if (catalogue === null) {
      const expected = 'the hash of a stored catalogue'
      this.#reject(record, { reason: 'unknown_catalogue', field: 'hash', expected, got: show(hash) })
      return
    }
    // What has changed is derived under the catalogue that was in force when it did.
    await this.#writer.idle()
    await this.#writeChanged()
    this.#startWrite(this.#changed.length, null)
    this.#catalogue = catalogue
    this.#position.catalogue = hash
  }

  #reject(record: LogRecord, rejection: Rejection): void {
    this.#writer.reject({ record, rejection })
    count(this.#position, record.headers[IMPORT_HEADER], 'rejected')
  }

  /** @param grown how many interactions it took in */
  #change(
    history: Remembered,
    record: LogRecord,
    grown: number,
    cause: Cause,
    tickBefore = this.#tickOf(history),
  ): void {
    if (history.changed > 0) this.#pinned += grown
    else {
      this.#changed.push(history)
      this.#pinned += history.interactions.length + 1
    }
    const version = versionOf(this.#position.epoch, record.offset)
    if (this.#options.tell !== undefined) {
      const moment = {
        version,
        recordedAt: record.timestamp,
        catalogue: this.#catalogue,
        tick: this.#position.tick,
        watchBeyond: this.#options.watchBeyond,
      }
      this.#pinned += observe(history, cause, tickBefore, moment)
    }
    history.changed = version
    if (!history.dated) return
    history.dated = false
    this.#undated.push(history)
  }

  /**
   * Somebody's row may be ahead of the position, and its deadline with it: a tick that comes again would no longer end
   * what it ended, and nobody would be told.
   */
  async #dateThoseAhead(): Promise<void> {
    const { partition, topic, slice } = this.#options
    const { epoch, offset } = this.#position
    const version = versionOf(epoch, offset)
    const ahead = [...(await this.#store.loadAhead(partition, topic.partitions, version))]
    for (let from = 0; from < ahead.length; from += slice) {
      const wanted = ahead.slice(from, from + slice).map((person) => this.#memory.want(person))
      await this.#memory.load(wanted, version)
      for (const one of wanted) {
        const history = loaded(one)
        const chains = this.#chainsOf(history, history.catalogue ?? this.#catalogue)
        this.#deadlines.set(one.key, nextDeadline(chains))
      }
      this.#memory.evict()
    }
  }

  /** T that their chains were derived at: in a log that follows another one, it may be past what no tick has ended yet. */
  #tickOf(history: Remembered): number | null {
    return tickAt(this.#position.tick, history.dated ? this.#deadlines.of(history.key) : null)
  }

  /** Brings the deadlines up to date with what changed since. */
  #dateChanged(): void {
    for (const history of this.#undated) {
      if (history.dated) continue
      this.#deadlines.set(history.key, nextDeadline(this.#chainsOf(history)))
      history.dated = true
    }
    this.#undated = []
  }

  #chainsOf(history: Remembered, catalogue = this.#catalogue): Chain[] {
    if (history.identity !== null && history.identity.current !== null) return []
    return chainsOf(history, catalogue, this.#position.tick)
  }

  /** Derives the first of those who changed and begins to write: rejected records, rows, then the position. */
  #startWrite(customerCount: number, position: Position | null): void {
    const changed = this.#changed.splice(0, customerCount)
    for (const history of changed) {
      const chains = this.#chainsOf(history)
      const nextOfThem = nextDeadline(chains)
      this.#deadlines.set(history.key, nextOfThem)
      const row = {
        person: history.person,
        partition: this.#options.partition,
        version: history.changed,
        catalogue: this.#catalogue.hash,
        nextDeadline: nextOfThem,
        movedTo: history.identity?.current?.customer ?? null,
        chains,
      }
      const { observed } = history
      this.#writer.addCustomer(row, observed?.news.map((news) => breakEventOf(history.person, news)) ?? NO_EVENTS)
      this.#pinned -= history.interactions.length + 1 + (observed?.weight ?? 0)
      history.observed = null
      history.changed = 0
      history.writing = true
      history.dated = true
    }
    if (this.#changed.length === 0) this.#undated = []
    this.#writer.begin(position, () => {
      for (const history of changed) history.writing = false
    })
  }
}

/** T as of somebody whose deadline no tick has passed yet: not later than that. */
function tickAt(tick: number | null, deadline: number | null): number | null {
  return tick === null || deadline === null ? tick : Math.min(tick, deadline)
}

/** A record that concerns one person, or that nobody can read. */
interface Taken {
  readonly record: LogRecord
  readonly decoded: ReturnType<typeof decodeFact>
  readonly wanted: Wanted | null
}

/** Whom the fact concerns and nothing else; null where it is everybody, or more is to be read for it. */
function personIn(fact: Fact): Person | null {
  switch (fact.kind) {
    case 'interaction':
      return personOf(fact.interaction)
    case 'touch':
      return fact.person
    case 'link':
      return { kind: 'anonymous', customer: fact.link.anonymousId }
    case 'unlink':
      return { kind: 'anonymous', customer: fact.anonymousId }
    default:
      return null
  }
}
