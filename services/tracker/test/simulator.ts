import { type Catalogue, contentOf, nextDeadline } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import {
  decodeFact,
  encodeFact,
  IMPORT_HEADER,
  type Interaction,
  type Person,
  personKey,
  personOf,
  sameContent,
} from '@weaklink/interactions'
import { oracle } from '../../../packages/chains/src/oracle.ts'
import { PartitionTracker, type RejectedRecord } from '../src/partition.ts'
import { type CustomerRow, type ImportCounts, type InteractionRow, type Position, versionOf } from '../src/store.ts'
import { type ListStore, MemoryStore, trackerStoreOf } from './memory-store.ts'
import { type Entry, type Happening, RECORDED_AT, type Schedule } from './schedule.ts'

/**
 * The simulator: trackers of one partition live and die by a schedule over a store in memory, and what is there in the
 * end is held against what the naive reading makes of the log. There is no clock and no chance in it, so a schedule
 * does the same each time.
 */

/** All that a tracker writes to and reads from, besides the log. */
export interface Ports {
  readonly store: ListStore
  readonly putAside: (rejected: readonly RejectedRecord[]) => Promise<void>
}

/** Stands between a tracker and its ports, anew for every process: what it holds back dies with that. */
export type Plant = (ports: Ports, schedule: Schedule) => Ports

/** Everything that is there in the end. */
export interface Outcome {
  /** By personKey. */
  readonly customers: ReadonlyMap<string, Pick<CustomerRow, 'version' | 'catalogue' | 'chains' | 'nextDeadline'>>
  /** By personKey and id. */
  readonly interactions: ReadonlyMap<string, Pick<InteractionRow, 'version' | 'interaction'>>
  /** What was put aside, by its coordinates: the reason, and the bytes. */
  readonly rejected: ReadonlyMap<string, string>
  readonly position: Position | null
  /** What the last owner waits for. */
  readonly deadline: number | null
}

/** Runs a schedule, with something planted where that is given. `deaths`: what each process asked for when it died. */
export async function simulate(
  schedule: Schedule,
  plant: Plant = (ports) => ports,
): Promise<{ readonly outcome: Outcome; readonly deaths: readonly string[] }> {
  const world = new World(schedule, plant)
  for (const [k, { entries, happenings }] of schedule.logs.entries()) {
    await world.replaceLog(logOf(k + 1, entries))
    for (const happening of happenings) await world.happen(happening)
    await world.finish()
  }
  await world.wakeAll()
  return { outcome: world.outcome(), deaths: world.deaths }
}

interface Log {
  readonly identity: string
  readonly records: readonly LogRecord[]
}

function logOf(epoch: number, entries: readonly Entry[]): Log {
  return { identity: `log ${epoch}`, records: entries.map(recordOf) }
}

function recordOf(entry: Entry, offset: number): LogRecord {
  const headers = entry.importId === null ? {} : { [IMPORT_HEADER]: entry.importId }
  const raw =
    entry.kind === 'fact'
      ? encodeFact(entry.fact, headers)
      : { key: null, value: new TextEncoder().encode(entry.text), headers }
  return { partition: 0, offset, timestamp: RECORDED_AT, ...raw }
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
  readonly #rejected = new Map<string, string>()
  #log!: Log
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

  async replaceLog(log: Log): Promise<void> {
    this.#log = log
    await this.start()
  }

  async start(): Promise<void> {
    do {
      const { limits, catalogues, customerLimit } = this.#schedule
      const process = new Process(this.#log, this.#dyingNext.shift() ?? null)
      const { store, putAside } = this.#plant(this.#portsOf(process), this.#schedule)
      const options = {
        store: trackerStoreOf(store),
        putAside,
        partition: 0,
        logIdentity: process.log.identity,
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
    if (happening.kind === 'take') await owner.take(happening.records)
    else if (happening.kind === 'flush') await owner.live((tracker) => tracker.flush())
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
    for (;;) {
      while (!this.#owner.isAtTheEnd && !this.#owner.dead) await this.#owner.take(5)
      await this.#owner.live((tracker) => tracker.settle())
      if (!this.#owner.dead) return
      await this.start()
    }
  }

  /** In the end those that sleep write what they have, and what was under way arrives. */
  async wakeAll(): Promise<void> {
    for (const late of this.#asleep) await late.live((tracker) => tracker.settle())
    await turns(2 * Math.max(...this.#schedule.pace))
  }

  outcome(): Outcome {
    return {
      customers: new Map(
        [...this.#store.customers].map(([key, { version, catalogue, chains, nextDeadline }]) => [
          key,
          { version, catalogue, chains, nextDeadline },
        ]),
      ),
      interactions: new Map(
        [...this.#store.interactions].map(([key, { version, interaction }]) => [key, { version, interaction }]),
      ),
      rejected: this.#rejected,
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
        loadInteractions: (persons, below) => asked('loadInteractions', () => store.loadInteractions(persons, below)),
        loadDeadlines: (partition) => asked('loadDeadlines', () => store.loadDeadlines(partition)),
        loadCatalogue: (hash) => asked('loadCatalogue', () => store.loadCatalogue(hash)),
        storeCatalogue: (hash, content) => asked('storeCatalogue', () => store.storeCatalogue(hash, content)),
        async writeRows(interactions, customers) {
          await asked('writeRows, interactions', () => store.writeRows(interactions, []))
          await asked('writeRows, customers', () => store.writeRows([], customers))
        },
        writePosition: (position) => asked('writePosition', () => store.writePosition(position)),
      },
      putAside: (rejected) =>
        asked('putAside', async () => {
          for (const { record, rejection } of rejected) {
            const text = new TextDecoder().decode(record.value)
            this.#rejected.set(`${process.log.identity}, ${record.offset}`, `${rejection.reason}: ${text}`)
          }
        }),
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let k = 0; k < count; k++) await null
}

/** Somebody as the naive reading knows them. */
interface Known {
  readonly person: Person
  readonly byId: Map<string, Interaction>
  /** Of the record that changed them last, and in force at it. */
  version: number
  catalogue: Catalogue
}

/** What the naive reading makes of all logs, one record after the other. */
export function expected({ logs, catalogues, customerLimit }: Schedule): Outcome {
  const known = new Map<string, Known>()
  const interactions = new Map<string, Pick<InteractionRow, 'version' | 'interaction'>>()
  const rejected = new Map<string, string>()
  let catalogue = catalogues[0]!
  let tick: number | null = null
  let position: Position | null = null
  const chainsOf = (one: Known) => oracle(one.person, [...one.byId.values()], one.catalogue, tick)
  for (const [k, { entries }] of logs.entries()) {
    const { identity, records } = logOf(k + 1, entries)
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
      } else {
        const { interaction } = fact
        const person = personOf(interaction)
        const key = personKey(person)
        const { byId } = known.get(key) ?? { byId: new Map<string, Interaction>() }
        const first = byId.get(interaction.id)
        if (first !== undefined) {
          count('duplicates')
          if (!sameContent(first, interaction)) count('conflicts')
        } else if (byId.size >= customerLimit) reject('customer_limit')
        else {
          count('accepted')
          known.set(key, { person, byId: byId.set(interaction.id, interaction), version, catalogue })
          interactions.set(`${key}\0${interaction.id}`, { version, interaction })
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
      return [key, { version: one.version, catalogue: one.catalogue.hash, chains, nextDeadline: nextDeadline(chains) }]
    }),
  )
  const deadlines = [...customers.values()].flatMap((row) => row.nextDeadline ?? [])
  const deadline = deadlines.length > 0 ? Math.min(...deadlines) : null
  return { customers, interactions, rejected, position, deadline }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
