import { type BreakEvent, contentOf } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import { encodeFact, IMPORT_HEADER, personKey, personOf, type RawRecord } from '@weaklink/interactions'
import { beginEpoch } from '../src/epoch.ts'
import { PartitionTracker } from '../src/partition.ts'
import { type CustomerRow, type IdentityRow, type InteractionRow, type Position, versionOf } from '../src/store.ts'
import type { Following, RejectedRecord } from '../src/writer.ts'
import { textOf } from './expected.ts'
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
  readonly tell: (events: readonly BreakEvent[]) => Promise<void>
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
  /** What was told of breaks, by the id of the event: all that was ever told under it, each text once. */
  readonly told: ReadonlyMap<string, readonly string[]>
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
  readonly #told = new Map<string, Set<string>>()
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
      const { store, ...others } = this.#plant(this.#portsOf(process), this.#schedule)
      const limit = limits[this.#started++ % limits.length]!
      const options = {
        store: trackerStoreOf(store),
        ...others,
        partition: 0,
        topic: topicOf(process.log),
        catalogue: catalogues[0]!,
        customerLimit,
        ...limit,
        cacheLimit: () => limit.cacheLimit,
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
      told: this.#toldOfWhatWasTaken(),
      position: this.#store.positions.get(0) ?? null,
      deadline: this.#owner.tracker.nextDeadline(),
    }
  }

  /** What is told, and whether whoever is told finds it in the store. */
  #textOf(event: BreakEvent): string {
    const person = personOf({
      ...(event.customer === undefined ? {} : { customer: event.customer }),
      ...(event.anonymousId === undefined ? {} : { anonymousId: event.anonymousId }),
    })
    const isThere = (this.#store.customers.get(personKey(person))?.version ?? 0) >= event.version
    return `${textOf(event)}${isThere ? '' : ', before it is there'}`
  }

  #toldOfWhatWasTaken(): ReadonlyMap<string, readonly string[]> {
    const isTaken = (id: string) => {
      const version = Number(id.slice(id.indexOf('@') + 1))
      const log = this.logs[Math.floor(version / EPOCH) - 1]
      return log !== undefined && version % EPOCH < log.taken
    }
    return new Map([...this.#told].flatMap(([id, texts]) => (isTaken(id) ? [[id, [...texts]]] : [])))
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
        loadCatalogues: (persons, below) => asked('loadCatalogues', () => store.loadCatalogues(persons, below)),
        loadDeadlines: (partition, partitions) =>
          asked('loadDeadlines', () => store.loadDeadlines(partition, partitions)),
        loadAhead: (partition, partitions, version) =>
          asked('loadAhead', () => store.loadAhead(partition, partitions, version)),
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
      tell: (events) =>
        asked('tell', async () => {
          for (const event of events) {
            const texts = this.#told.get(event.event) ?? new Set()
            this.#told.set(event.event, texts.add(this.#textOf(event)))
          }
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

const EPOCH = versionOf(1, 0)
const topicOf = ({ identity }: Log) => ({ topic: 'interactions', partitions: 1, identity })

async function turns(count: number): Promise<void> {
  for (let k = 0; k < count; k++) await null
}
