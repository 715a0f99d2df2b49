import { type Catalogue, contentOf, nextDeadline } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import {
  decodeFact,
  encodeFact,
  IMPORT_HEADER,
  type Interaction,
  LINK_HEADER,
  type Person,
  personKey,
  personOf,
  type RawRecord,
  sameContent,
} from '@weaklink/interactions'
import { oracle } from '../../../packages/chains/src/oracle.ts'
import { beginEpoch } from '../src/epoch.ts'
import { PartitionTracker } from '../src/partition.ts'
import {
  type CustomerRow,
  type IdentityRow,
  type ImportCounts,
  type InteractionRow,
  type Position,
  versionOf,
} from '../src/store.ts'
import type { Following, RejectedRecord } from '../src/writer.ts'
import { type ListStore, MemoryStore, NO_ROWS, trackerStoreOf } from './memory-store.ts'
import { type Entry, type Happening, RECORDED_AT, type Schedule } from './schedule.ts'
import { misplaced } from './stitching.ts'

/**
 * The simulator: trackers of one partition live and die by a schedule over a store in memory, and what is there in the
 * end is held against what the naive reading makes of the log. There is no clock and no chance in it, so a schedule
 * does the same each time.
 */

/** All that a tracker writes to and reads from, besides the log. */
export interface Ports {
  readonly store: ListStore
  readonly putAside: (rejected: readonly RejectedRecord[]) => Promise<void>
  readonly follow: (following: readonly Following[]) => Promise<void>
}

/** Stands between a tracker and its ports, anew for every process: what it holds back dies with that. */
export type Plant = (ports: Ports, schedule: Schedule) => Ports

/** Everything that is there in the end. */
export interface Outcome {
  /** By personKey. */
  readonly customers: ReadonlyMap<
    string,
    Pick<CustomerRow, 'version' | 'catalogue' | 'chains' | 'nextDeadline' | 'movedTo'>
  >
  /** By personKey, id and link. */
  readonly interactions: ReadonlyMap<string, Omit<InteractionRow, 'partition'>>
  /** By personKey and version. */
  readonly identities: ReadonlyMap<string, Omit<IdentityRow, 'partition' | 'person'>>
  /** What was put aside, by its coordinates: the reason, and the bytes. */
  readonly rejected: ReadonlyMap<string, string>
  readonly position: Position | null
  /** What the last owner waits for. */
  readonly deadline: number | null
  /** Whom the links put somewhere else than where they are: nobody. */
  readonly misplaced: readonly string[]
}

/** A log that grows while it is read. */
export interface Log {
  readonly identity: string
  readonly records: LogRecord[]
  /** So many of them were taken in whole; what somebody late appends to a log that was replaced, nobody reads. */
  taken: number
}

/** Runs a schedule, with something planted where that is given. `deaths`: what each process asked for when it died. */
export async function simulate(
  schedule: Schedule,
  plant: Plant = (ports) => ports,
): Promise<{ readonly outcome: Outcome; readonly logs: readonly Log[]; readonly deaths: readonly string[] }> {
  const world = new World(schedule, plant)
  for (const { entries, happenings } of schedule.logs) {
    await world.replaceLog(entries)
    for (const happening of happenings) await world.happen(happening)
    await world.finish()
  }
  await world.wakeAll()
  await world.finish()
  return { outcome: world.outcome(), logs: world.logs, deaths: world.deaths }
}

function append({ records }: Log, raw: RawRecord): void {
  records.push({ partition: 0, offset: records.length, timestamp: RECORDED_AT, ...raw })
}

function rawOf(entry: Entry): RawRecord {
  const headers = entry.importId === null ? {} : { [IMPORT_HEADER]: entry.importId }
  return entry.kind === 'fact'
    ? encodeFact(entry.fact, headers)
    : { key: null, value: new TextEncoder().encode(entry.text), headers }
}

class Death extends Error {}

/** A process with its tracker: it lives until it has asked its ports so many times, or is killed. */
class Process {
  readonly log: Log
  tracker!: PartitionTracker
  dead = false
  /** How often it may still ask; null: for ever. */
  left: number | null

  constructor(log: Log, left: number | null) {
    this.log = log
    this.left = left
  }

  /** Once before everything it asks. What it has asked is done, even if it dies meanwhile. */
  ask(): void {
    if (this.left === 0) this.dead = true
    if (this.dead) throw new Death()
    if (this.left !== null) this.left--
  }

  /** Goes on until it has done that, or dies. */
  async live(action: (tracker: PartitionTracker) => Promise<void>): Promise<void> {
    try {
      if (!this.dead) await action(this.tracker)
    } catch (error) {
      if (!(error instanceof Death)) throw error
    }
  }

  async take(count: number): Promise<void> {
    await this.live(async (tracker) => {
      const from = tracker.position.offset
      const records = this.log.records.slice(from, from + count)
      if (records.length > 0) await tracker.take(records)
    })
  }

  get isAtTheEnd(): boolean {
    return this.tracker.position.offset >= this.log.records.length
  }
}

class World {
  readonly #schedule: Schedule
  readonly #plant: Plant
  readonly deaths: string[] = []
  readonly #store = new MemoryStore()
  readonly #rejected: { readonly log: Log; readonly offset: number; readonly text: string }[] = []
  readonly logs: Log[] = []
  #log!: Log
  /** What the log will get. */
  #toCome: readonly Entry[] = []
  #owner!: Process
  /** They do not know that somebody else has begun. */
  readonly #asleep: Process[] = []
  /** When the next processes die. */
  #dyingNext: number[] = []
  #started = 0
  #asked = 0

  constructor(schedule: Schedule, plant: Plant) {
    this.#schedule = schedule
    this.#plant = plant
    for (const catalogue of schedule.catalogues) this.#store.catalogues.set(catalogue.hash, contentOf(catalogue))
  }

  async replaceLog(entries: readonly Entry[]): Promise<void> {
    this.#log = { identity: `log ${this.logs.length + 1}`, records: [], taken: 0 }
    this.logs.push(this.#log)
    this.#toCome = entries
    const { store } = this.#plant(this.#portsOf(new Process(this.#log, null)), this.#schedule)
    const ranges = [{ partition: 0, start: 0, end: 0 }]
    await beginEpoch(trackerStoreOf(store), topicOf(this.#log), ranges, this.#schedule.catalogues[0]!.hash)
    await this.start()
  }

  /** So many more records come. */
  produce(count: number): void {
    for (const entry of this.#toCome.slice(0, count)) append(this.#log, rawOf(entry))
    this.#toCome = this.#toCome.slice(count)
  }

  async start(): Promise<void> {
    do {
      const { limits, catalogues, customerLimit } = this.#schedule
      const process = new Process(this.#log, this.#dyingNext.shift() ?? null)
      const { store, putAside, follow } = this.#plant(this.#portsOf(process), this.#schedule)
      const options = {
        store: trackerStoreOf(store),
        putAside,
        follow,
        partition: 0,
        topic: topicOf(process.log),
        catalogue: catalogues[0]!,
        customerLimit,
        ...limits[this.#started++ % limits.length]!,
      }
      this.#owner = process
      await process.live(async () => {
        process.tracker = await PartitionTracker.open(options, 0)
      })
    } while (this.#owner.dead)
  }

  async happen(happening: Happening): Promise<void> {
    const owner = this.#owner
    if (happening.kind === 'take') {
      this.produce(happening.produced)
      await owner.take(happening.records)
    } else if (happening.kind === 'flush') await owner.live((tracker) => tracker.flush())
    else if (happening.kind === 'settle') await owner.live((tracker) => tracker.settle())
    else if (happening.kind === 'kill') owner.dead = true
    else if (happening.kind === 'die') {
      const [first, ...others] = happening.after
      owner.left = first ?? null
      this.#dyingNext = others
    } else if (happening.kind === 'stall') {
      this.#asleep.push(owner)
      await this.start()
    } else if (this.#asleep.length > 0) {
      const late = this.#asleep[happening.which % this.#asleep.length]!
      await late.take(happening.records)
      await late.live((tracker) => tracker.flush())
    }
    if (owner.dead) await this.start()
  }

  /** Everything that the log holds is taken in and written. */
  async finish(): Promise<void> {
    this.produce(this.#toCome.length)
    for (;;) {
      while (!this.#owner.isAtTheEnd && !this.#owner.dead) await this.#owner.take(5)
      await this.#owner.live((tracker) => tracker.settle())
      if (this.#owner.dead) await this.start()
      else if (this.#owner.isAtTheEnd) break
    }
    this.#log.taken = this.#log.records.length
  }

  /** In the end those that sleep write what they have, and what was under way arrives. */
  async wakeAll(): Promise<void> {
    for (const late of this.#asleep) await late.live((tracker) => tracker.settle())
    await turns(2 * Math.max(...this.#schedule.pace))
  }

  outcome(): Outcome {
    const { customers, interactions, identities } = this.#store
    const rejected = new Map(
      this.#rejected
        .filter(({ log, offset }) => offset < log.taken)
        .map(({ log, offset, text }) => [`${log.identity}, ${offset}`, text]),
    )
    return {
      customers: new Map([...customers].map(([key, { partition: _, person: __, ...row }]) => [key, row])),
      interactions: new Map([...interactions].map(([key, { partition: _, ...row }]) => [key, row])),
      identities: new Map([...identities].map(([key, { partition: _, person: __, ...row }]) => [key, row])),
      misplaced: misplaced(this.#schedule, this.#store, rejected),
      rejected,
      position: this.#store.positions.get(0) ?? null,
      deadline: this.#owner.tracker.nextDeadline(),
    }
  }

  /** The ports as a process sees them: each answer takes its time, and none comes to the dead. */
  #portsOf(process: Process): Ports {
    const { pace } = this.#schedule
    const asked = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      if (process.left === 0 && !process.dead) this.deaths.push(what)
      process.ask()
      await turns(pace[this.#asked++ % pace.length]!)
      return await work()
    }
    const store = this.#store
    return {
      store: {
        loadPositions: () => asked('loadPositions', () => store.loadPositions()),
        loadHistories: (persons, below) => asked('loadHistories', () => store.loadHistories(persons, below)),
        loadDeadlines: (partition, partitions) =>
          asked('loadDeadlines', () => store.loadDeadlines(partition, partitions)),
        loadCatalogue: (hash) => asked('loadCatalogue', () => store.loadCatalogue(hash)),
        storeCatalogue: (hash, content) => asked('storeCatalogue', () => store.storeCatalogue(hash, content)),
        async writeRows({ interactions, identities, customers }) {
          await asked('writeRows, interactions', () => store.writeRows({ ...NO_ROWS, interactions }))
          await asked('writeRows, identities', () => store.writeRows({ ...NO_ROWS, identities }))
          await asked('writeRows, customers', () => store.writeRows({ ...NO_ROWS, customers }))
        },
        writePositions: (positions) => asked('writePositions', () => store.writePositions(positions)),
      },
      follow: (following) =>
        asked('follow', async () => {
          for (const { fact, headers } of following) append(process.log, encodeFact(fact, headers))
        }),
      putAside: (rejected) =>
        asked('putAside', async () => {
          for (const { record, rejection } of rejected) {
            const text = new TextDecoder().decode(record.value)
            this.#rejected.push({ log: process.log, offset: record.offset, text: `${rejection.reason}: ${text}` })
          }
        }),
    }
  }
}

const topicOf = ({ identity }: Log) => ({ topic: 'interactions', partitions: 1, identity })

async function turns(count: number): Promise<void> {
  for (let k = 0; k < count; k++) await null
}

/** Somebody as the naive reading knows them. */
interface Known {
  readonly person: Person
  /** In the order in which they came: by id, all ways that it came. */
  readonly ways: Map<string, { readonly interaction: Interaction; readonly link: string }[]>
  readonly links: Set<string>
  readonly withdrawn: Set<string>
  current: { readonly link: string; readonly customer: string } | null
  /** Of the record that changed them last, and in force at it. */
  version: number
  catalogue: Catalogue
}

/** Of each id the first way that it came and that was not taken back. */
function counting({ ways, withdrawn }: Known): { readonly interaction: Interaction; readonly link: string }[] {
  return [...ways.values()].flatMap((each) => each.find(({ link }) => !withdrawn.has(link)) ?? [])
}

/** What the naive reading makes of all logs, one record after the other. */
export function expected({ catalogues, customerLimit }: Schedule, logs: readonly Log[]): Outcome {
  const known = new Map<string, Known>()
  const interactions = new Map<string, Omit<InteractionRow, 'partition'>>()
  const identities = new Map<string, Omit<IdentityRow, 'partition' | 'person'>>()
  const rejected = new Map<string, string>()
  let catalogue = catalogues[0]!
  let tick: number | null = null
  let position: Position | null = null
  const knownAs = (person: Person): Known =>
    known.get(personKey(person)) ?? {
      ...{ person, ways: new Map(), links: new Set(), withdrawn: new Set(), current: null, version: 0, catalogue },
    }
  const chainsOf = (one: Known) =>
    one.current === null
      ? oracle(
          one.person,
          counting(one).map(({ interaction }) => interaction),
          one.catalogue,
          tick,
        )
      : []
  for (const [k, { identity, records: all, taken }] of logs.entries()) {
    const records = all.slice(0, taken)
    const counts = { accepted: 0, duplicates: 0, conflicts: 0, rejected: 0 }
    const imports = new Map<string, Mutable<ImportCounts>>()
    const importOf = (id: string) => {
      const one = imports.get(id) ?? { id, accepted: 0, duplicates: 0, conflicts: 0, rejected: 0, ended: false }
      imports.set(id, one)
      return one
    }
    let newestAt: number | null = null
    for (const record of records) {
      const version = versionOf(k + 1, record.offset)
      const count = (what: keyof typeof counts) => {
        const importId = record.headers[IMPORT_HEADER]
        for (const one of importId === undefined ? [counts] : [counts, importOf(importId)]) one[what]++
      }
      const reject = (reason: string) => {
        rejected.set(`${identity}, ${record.offset}`, `${reason}: ${new TextDecoder().decode(record.value)}`)
        count('rejected')
      }
      const decoded = decodeFact(record, record.timestamp)
      if (!decoded.ok) {
        reject(decoded.rejection.reason)
        continue
      }
      const { fact } = decoded
      if (fact.kind === 'tick') {
        for (const one of known.values()) {
          const deadline = nextDeadline(chainsOf(one))
          if (deadline !== null && fact.tick > deadline) Object.assign(one, { version, catalogue })
        }
        tick = Math.max(tick ?? fact.tick, fact.tick)
      } else if (fact.kind === 'import-end') importOf(fact.importId).ended = true
      else if (fact.kind === 'catalogue') {
        const stored = catalogues.find(({ hash }) => hash === fact.hash)
        if (stored === undefined) reject('unknown_catalogue')
        else catalogue = stored
      } else if (fact.kind === 'touch') {
        const one = known.get(personKey(fact.person))
        if (one !== undefined) Object.assign(one, { version, catalogue })
      } else if (fact.kind === 'link' || fact.kind === 'unlink') {
        const anonymousId = fact.kind === 'link' ? fact.link.anonymousId : fact.anonymousId
        const one = knownAs({ kind: 'anonymous', customer: anonymousId })
        if (fact.kind === 'unlink' ? one.current === null : one.links.has(fact.link.id)) continue
        known.set(personKey(one.person), Object.assign(one, { version, catalogue }))
        const key = `${personKey(one.person)}\0${version}`
        if (fact.kind === 'unlink') {
          identities.set(key, { change: 'unlinked', linkId: '', link: '', other: '', version })
          one.current = null
          continue
        }
        const { id, customer } = fact.link
        one.links.add(id)
        const change = one.current === null || one.current.customer === customer ? 'linked' : 'refused'
        const link = change === 'linked' ? `0-${version}` : ''
        identities.set(key, { change, linkId: id, link, other: customer, version })
        if (change === 'refused') reject('identity_conflict')
        else one.current ??= { link, customer }
      } else if (fact.kind === 'withdraw') {
        const one = knownAs({ kind: 'customer', customer: fact.customer })
        if (one.withdrawn.has(fact.link)) continue
        known.set(personKey(one.person), Object.assign(one, { version, catalogue }))
        one.withdrawn.add(fact.link)
        identities.set(`${personKey(one.person)}\0${version}`, {
          ...{ change: 'withdrawn', linkId: '', link: fact.link, other: '', version },
        })
      } else {
        const { interaction } = fact
        const link = record.headers[LINK_HEADER] ?? ''
        const one = knownAs(personOf(interaction))
        if (one.withdrawn.has(link)) continue
        const first = counting(one).find((way) => way.interaction.id === interaction.id)
        const rowKey = `${personKey(one.person)}\0${interaction.id}\0${link}`
        const ways = one.ways.get(interaction.id) ?? []
        if (first !== undefined) {
          if (first.link !== '' && first.link !== link && !interactions.has(rowKey)) {
            ways.push({ interaction, link })
            interactions.set(rowKey, { version, interaction, link, behind: first.link })
          }
          if (link !== '') continue
          count('duplicates')
          if (!sameContent(first.interaction, interaction)) count('conflicts')
        } else if (counting(one).length >= customerLimit) reject('customer_limit')
        else {
          one.ways.set(interaction.id, [...ways, { interaction, link }])
          known.set(personKey(one.person), Object.assign(one, { version, catalogue }))
          if (!interactions.has(rowKey)) interactions.set(rowKey, { version, interaction, link, behind: '' })
          if (link !== '') continue
          count('accepted')
          newestAt = Math.max(newestAt ?? interaction.at, interaction.at)
        }
      }
    }
    position = {
      partition: 0,
      epoch: k + 1,
      logIdentity: identity,
      offset: records.length,
      tick,
      catalogue: catalogue.hash,
      newestAt,
      ...counts,
      imports: [...imports.values()],
    }
  }
  const customers = new Map(
    [...known].map(([key, one]) => {
      const chains = chainsOf(one)
      const { version, catalogue, current } = one
      const row = { version, catalogue: catalogue.hash, chains, nextDeadline: nextDeadline(chains) }
      return [key, { ...row, movedTo: current?.customer ?? null }]
    }),
  )
  const deadlines = [...customers.values()].flatMap((row) => row.nextDeadline ?? [])
  const deadline = deadlines.length > 0 ? Math.min(...deadlines) : null
  return { customers, interactions, identities, rejected, position, deadline, misplaced: [] }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
