import { type Catalogue, type Chain, contentOf } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import { encodeFact, type Fact, type Interaction, type Person, personKey, personOf } from '@weaklink/interactions'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { oracle } from '../../../packages/chains/src/oracle.ts'
import { anyCase, STEP } from '../../../packages/chains/test/arbitrary.ts'
import { PartitionTracker, type RejectedRecord } from '../src/partition.ts'
import { MemoryStore } from './memory-store.ts'

/**
 * L4: however the log is cut into batches, wherever the tracker dies and starts again, whatever it forgets, and whoever
 * else still writes: the chains are those of the oracle, and nothing is counted twice.
 */

/** What happens to the tracker, one after the other, while the log is there. */
type Happening =
  | { readonly kind: 'take'; readonly records: number }
  | { readonly kind: 'flush' }
  /** Dies before this write (counted from here) and starts again from the store. */
  | { readonly kind: 'die'; readonly beforeWrite: number }
  /** A second owner starts; the first one, which does not know, goes on by so many records and writes them late. */
  | { readonly kind: 'stall'; readonly records: number }

interface Schedule {
  readonly facts: readonly Fact[]
  /** From this fact on they stand in another log, which takes the place of the first; null: there is only one. */
  readonly cut: number | null
  readonly catalogues: readonly Catalogue[]
  readonly happenings: readonly Happening[]
  readonly cacheLimit: number
  readonly flushRows: number
}

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('take' as const), records: fc.integer({ min: 1, max: 7 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('die' as const), beforeWrite: fc.integer({ min: 0, max: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stall' as const), records: fc.integer({ min: 0, max: 9 }) }) },
)

const schedule: fc.Arbitrary<Schedule> = fc
  .record({
    cases: fc.array(anyCase, { minLength: 1, maxLength: 3 }),
    order: fc.array(fc.nat(), { minLength: 45, maxLength: 45 }),
    ticks: fc.array(fc.record({ at: fc.nat(45), tick: fc.integer({ min: 0, max: 30 }) }), { maxLength: 4 }),
    changes: fc.array(fc.nat(45), { maxLength: 1 }),
    cut: fc.option(fc.nat(45), { freq: 2 }),
    happenings: fc.array(happening, { maxLength: 30 }),
    cacheLimit: fc.constantFrom(0, 3, 1000),
    flushRows: fc.constantFrom(1, 4, 1000),
  })
  .map(({ cases, order, ticks, changes, cut, ...rest }): Schedule => {
    const queues = cases.map(({ arrivals }, k) => arrivals.map((one) => ({ ...one, customer: `u${k}` })))
    const facts: Fact[] = []
    for (const pick of order) {
      const left = queues.filter((queue) => queue.length > 0)
      const next = left[pick % Math.max(left.length, 1)]?.shift()
      if (next !== undefined) facts.push({ kind: 'interaction', interaction: next })
    }
    for (const { at, tick } of ticks) facts.splice(at % (facts.length + 1), 0, { kind: 'tick', tick: tick * STEP })
    const catalogues = cases.slice(0, 2).map(({ catalogue }) => catalogue)
    const changed = catalogues[1]
    if (changed !== undefined && changes[0] !== undefined) {
      facts.splice(changes[0] % (facts.length + 1), 0, { kind: 'catalogue', hash: changed.hash })
      // A rebuild: every customer comes under the catalogue in force.
      for (let k = 0; k < cases.length; k++)
        facts.push({ kind: 'touch', person: { kind: 'customer', customer: `u${k}` } })
    }
    return { facts, cut: cut === null || facts.length === 0 ? null : cut % facts.length, catalogues, ...rest }
  })

interface Log {
  readonly identity: string
  readonly records: readonly LogRecord[]
}

function logOf(identity: string, facts: readonly Fact[]): Log {
  return {
    identity,
    records: facts.map((fact, offset) => ({ partition: 0, offset, timestamp: 1e12, ...encodeFact(fact) })),
  }
}

class Death extends Error {}

class World {
  readonly store = new MemoryStore()
  readonly rejected = new Map<number, RejectedRecord>()
  readonly #schedule: Schedule
  log: Log
  tracker!: PartitionTracker

  constructor(schedule: Schedule, log: Log) {
    this.#schedule = schedule
    this.log = log
    for (const catalogue of schedule.catalogues) this.store.catalogues.set(catalogue.hash, contentOf(catalogue))
  }

  async start(): Promise<void> {
    this.store.beforeWrite = () => {}
    this.tracker = await PartitionTracker.open(
      {
        store: this.store,
        partition: 0,
        logIdentity: this.log.identity,
        catalogue: this.#schedule.catalogues[0]!,
        putAside: async (records) => {
          for (const one of records) this.rejected.set(one.record.offset, one)
        },
        customerLimit: 1000,
        cacheLimit: this.#schedule.cacheLimit,
        flushRows: this.#schedule.flushRows,
      },
      0,
    )
  }

  async take(tracker: PartitionTracker, count: number, log = this.log): Promise<void> {
    const from = tracker.position.offset
    const records = log.records.slice(from, from + count)
    if (records.length > 0) await tracker.take(records)
  }

  /** Everything that the log holds is taken in and written. */
  async finish(): Promise<void> {
    while (this.tracker.position.offset < this.log.records.length) await this.take(this.tracker, 5)
    await this.tracker.settle()
  }

  async happen(happening: Happening): Promise<void> {
    switch (happening.kind) {
      case 'take':
        return this.take(this.tracker, happening.records)
      case 'flush':
        return this.tracker.flush()
      case 'die': {
        let writes = 0
        this.store.beforeWrite = () => {
          if (writes++ >= happening.beforeWrite) throw new Death()
        }
        try {
          for (let k = 0; k < 4; k++) await this.take(this.tracker, 3)
          await this.tracker.settle()
        } catch (error) {
          if (!(error instanceof Death)) throw error
        }
        return this.start()
      }
      case 'stall': {
        const zombie = this.tracker
        await this.start()
        await this.take(this.tracker, 5)
        await this.tracker.flush()
        await this.take(zombie, happening.records)
        return zombie.settle()
      }
    }
  }
}

/** What the naive reading makes of all logs; the counts are those of the last one. */
function expected({ facts, cut, catalogues }: Schedule): {
  chains: Map<string, Chain[]>
  /** Interactions of all logs. */
  ids: number
  accepted: number
  duplicates: number
  tick: number | null
} {
  const arrivals = new Map<string, { person: Person; interactions: Interaction[] }>()
  let tick: number | null = null
  let catalogue = catalogues[0]!
  const ids = new Set<string>()
  let [accepted, duplicates] = [0, 0]
  for (const [k, fact] of facts.entries()) {
    if (k === cut) [accepted, duplicates] = [0, 0]
    if (fact.kind === 'tick') tick = Math.max(tick ?? fact.tick, fact.tick)
    else if (fact.kind === 'catalogue') catalogue = catalogues.find(({ hash }) => hash === fact.hash)!
    else if (fact.kind === 'interaction') {
      const { interaction } = fact
      const person = personOf(interaction)
      const key = personKey(person)
      const known = arrivals.get(key) ?? { person, interactions: [] }
      known.interactions.push(interaction)
      arrivals.set(key, known)
      if (ids.has(`${key}\0${interaction.id}`)) duplicates++
      else accepted++
      ids.add(`${key}\0${interaction.id}`)
    }
  }
  const chains = new Map(
    [...arrivals].map(([key, { person, interactions }]) => [key, oracle(person, interactions, catalogue, tick)]),
  )
  return { chains, ids: ids.size, accepted, duplicates, tick }
}

const seed = process.env.WEAKLINK_SEED
const runs = Number(process.env.WEAKLINK_RUNS ?? 2_000)

describe('the tracker of a partition', () => {
  it('L4: batches, flushes, deaths, evictions and late writers change nothing', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async (plan) => {
        const { facts, cut, happenings } = plan
        const half = cut === null ? happenings.length : happenings.length >> 1
        const world = new World(plan, logOf('the first log', facts.slice(0, cut ?? facts.length)))
        await world.start()
        for (const one of happenings.slice(0, half)) await world.happen(one)
        if (cut !== null) {
          const [first, zombie] = [world.log, world.tracker]
          await world.start()
          await world.finish()
          world.log = logOf('another log', facts.slice(cut))
          await world.start()
          for (const one of happenings.slice(half)) await world.happen(one)
          await world.finish()
          await world.take(zombie, 9, first)
          await zombie.settle()
        }
        await world.finish()

        const truth = expected(plan)
        const chains = new Map([...world.store.chains()].map(([key, list]) => [key, list]))
        expect(chains).toEqual(truth.chains)
        const position = world.store.positions.get(0)
        expect(position?.offset ?? 0).toBe(world.log.records.length)
        expect({
          accepted: position?.accepted ?? 0,
          duplicates: position?.duplicates ?? 0,
          tick: position?.tick ?? null,
        }).toEqual({
          accepted: truth.accepted,
          duplicates: truth.duplicates,
          tick: truth.tick,
        })
        expect(world.store.interactions.size).toBe(truth.ids)
        expect(world.rejected.size).toBe(0)
      }),
      { numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed) }) },
    )
  })
})
