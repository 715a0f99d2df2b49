import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtinCatalogue, type Catalogue, type Chain, contentOf, deriveChains, parseCatalogue } from '@weaklink/chains'
import { migrate, type Store } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import type { EventLog, NewRecord } from '@weaklink/event-log'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import {
  encodeFact,
  type Fact,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOf,
  personKey,
  personOf,
  REJECTED_TOPIC,
} from '@weaklink/interactions'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { beginEpoch, clickhouseStore, startTracker, type TrackerOptions } from '../src/index.ts'

// The tracker with a real log and a real ClickHouse.

const MIGRATIONS = fileURLToPath(new URL('../../../packages/clickhouse/migrations', import.meta.url))
const DAY = 86_400_000
const START = Date.UTC(2024, 0, 1)
const PARTITIONS = 3

let test: TestStore
let store: Store
let folder: string
let log: EventLog
beforeEach(async () => {
  test = await startTestStore()
  store = test.store
  await migrate(store, MIGRATIONS)
  folder = mkdtempSync(join(tmpdir(), 'weaklink-tracker-'))
  log = await openLog('log')
})
afterEach(async () => {
  await log.close()
  await test.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function openLog(name: string, partitions = PARTITIONS): Promise<EventLog> {
  const opened = await openEmbeddedLog(join(folder, name))
  await opened.createTopic(INTERACTIONS_TOPIC, partitions)
  await opened.createTopic(REJECTED_TOPIC, 1)
  return opened
}

const trackerStore = () => clickhouseStore(store, (operation) => operation())

const start = (options: Partial<TrackerOptions> = {}) =>
  startTracker({
    log,
    store: trackerStore(),
    catalogue: builtinCatalogue,
    clock: 'none',
    ...options,
  })

const met = (customer: string, n: number, more: Partial<Interaction> = {}): Interaction => ({
  id: `${customer}-${n}`,
  customer,
  touchpoint: 'site_visit',
  at: START + n * DAY,
  ...more,
})

const append = (facts: readonly Fact[]) =>
  log.append(
    INTERACTIONS_TOPIC,
    facts.map((fact): NewRecord => {
      const partition = fact.kind === 'interaction' ? partitionOf(personOf(fact.interaction).customer, PARTITIONS) : 0
      return { partition, ...encodeFact(fact) }
    }),
  )
const happened = (interactions: readonly Interaction[]) =>
  append(interactions.map((interaction) => ({ kind: 'interaction', interaction })))
const everywhere = (fact: Fact, partitions = PARTITIONS) =>
  log.append(
    INTERACTIONS_TOPIC,
    Array.from({ length: partitions }, (_, partition) => ({ partition, ...encodeFact(fact) })),
  )

interface StoredChain {
  readonly customer: string
  readonly id: string
  readonly state: string
  readonly reason: string
  readonly place: string
  readonly interactions: number
  readonly returned: boolean
}

const storedChains = () =>
  store.query<StoredChain>(
    'SELECT customer, id, state, reason, place, interactions, returned FROM chains ORDER BY customer, ordinal',
  )
const asStored = (customer: string, chains: readonly Chain[]): StoredChain[] =>
  chains.map(({ id, state, reason, place, interactions, returned }) => ({
    customer,
    id,
    state,
    reason: reason ?? '',
    place,
    interactions: interactions.length,
    returned,
  }))
const derived = (interactions: readonly Interaction[], tick: number | null, catalogue: Catalogue = builtinCatalogue) =>
  Map.groupBy(interactions, (one) => one.customer ?? '')
    .entries()
    .toArray()
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([customer, own]) =>
      asStored(customer, deriveChains({ kind: 'customer', customer }, own, catalogue, tick)),
    )

describe('the tracker', () => {
  it('L6: a reader sees the chains of one moment only, however fast they change', async () => {
    const tracker = await start({ flushRows: 1, cacheLimit: 0 })
    // Every purchase ends a chain and every visit begins or extends one; the late ones split what was already written.
    const interactions = Array.from({ length: 60 }, (_, n) =>
      met('anna', n * 2, n % 5 === 4 ? { touchpoint: 'payment', outcome: 'bought' } : {}),
    )
    const late = Array.from({ length: 20 }, (_, n) =>
      met('anna', n * 6 + 1, { outcome: n % 2 === 0 ? 'refused' : 'bought' }),
    )
    const arrivals = [...interactions, ...late]
    const moments = new Set(
      [...arrivals.keys(), arrivals.length].map((n) => JSON.stringify(derived(arrivals.slice(0, n), null))),
    )
    let done = false
    let reads = 0
    const reader = (async () => {
      const seen = new Set<string>()
      for (; !done; reads++) seen.add(JSON.stringify(await storedChains()))
      return seen
    })()
    for (const [k, one] of arrivals.entries()) {
      await happened([one])
      if (k % 10 !== 9) continue
      // However slow the reader is, it begins and ends a read of this moment before the next one comes.
      await tracker.settled()
      const before = reads
      await expect.poll(() => reads, { timeout: 60_000 }).toBeGreaterThanOrEqual(before + 2)
    }
    await tracker.settled()
    done = true
    const seen = await reader
    expect([...seen].filter((moment) => !moments.has(moment))).toEqual([])
    expect(seen.size).toBeGreaterThanOrEqual(arrivals.length / 10)
    expect(await storedChains()).toEqual(derived(arrivals, null))
    await tracker.stop()
  })

  it('what is not in the cache comes back from ClickHouse, field by field', async () => {
    const everything: Interaction = {
      ...met('анна', 3),
      anonymousId: 'cookie',
      by: 'company',
      outcome: 'continued',
      reaction: 'positive',
      episode: 'e',
      order: 'o',
      waitMs: 0,
      durationMs: 3650 * 86_400_000,
      value: 0.1,
      cost: 1e-9,
      currency: 'EUR',
      channel: 'c',
      campaign: 'd',
      queue: 'q',
      agent: 'a',
      props: { b: false, n: 1.5, s: '"\u2028', z: 0 },
    }
    const arrivals = [
      everything,
      met('анна', 5),
      met('cookie', 1),
      { id: 'x', anonymousId: 'анна', touchpoint: 'chat', at: START },
    ]
    const first = await start()
    await happened(arrivals)
    await first.settled()
    await first.stop()
    const loaded = await clickhouseStore(store, (operation) => operation()).loadHistories(
      [
        { kind: 'customer', customer: 'анна' },
        { kind: 'anonymous', customer: 'анна' },
        { kind: 'customer', customer: 'nobody' },
      ],
      2 ** 52,
    )
    const storedOf = (key: string) => loaded.get(key)?.interactions.map(({ interaction }) => interaction)
    expect(storedOf('анна')).toEqual([everything, met('анна', 5)])
    expect(storedOf(personKey({ kind: 'anonymous', customer: 'анна' }))).toEqual([arrivals[3]])
    expect(loaded.size).toBe(2)

    // Restarted without any memory, a repeat is a duplicate, another content a conflict, and a new one joins the chain.
    const second = await start()
    await happened([everything, { ...everything, value: 0.2 }, met('анна', 6)])
    await second.settled()
    const sum = (what: 'accepted' | 'duplicates' | 'conflicts') =>
      second.positions().reduce((n, one) => n + one[what], 0)
    expect({ accepted: sum('accepted'), duplicates: sum('duplicates'), conflicts: sum('conflicts') }).toEqual({
      accepted: 5,
      duplicates: 2,
      conflicts: 1,
    })
    await second.stop()
  })

  it('a tick ends what is overdue, also of customers that nobody remembers', async () => {
    const arrivals = [met('a', 0), met('b', 10), met('c', 40)]
    const first = await start()
    await happened(arrivals)
    await first.settled()
    await first.stop()
    const second = await start({ cacheLimit: 0 })
    await everywhere({ kind: 'tick', tick: START + 45 * DAY })
    await second.settled()
    expect(await storedChains()).toEqual(derived(arrivals, START + 45 * DAY))
    expect((await storedChains()).map(({ state }) => state)).toEqual(['broken', 'broken', 'open'])
    await second.stop()
  })

  it('by the wall clock, a chain breaks once its deadline is over, without anybody doing anything', async () => {
    const tracker = await start({ clock: 'wall' })
    await happened([met('a', 0)])
    await expect
      .poll(async () => (await storedChains()).map(({ state }) => state), { timeout: 60_000 })
      .toEqual(['broken'])
    await tracker.stop()
  })

  it('by the wall clock, T goes on while something is open, so that answers say how late it is', async () => {
    const tracker = await start({ clock: 'wall', tickMs: 1 })
    const since = Date.now()
    await happened([met('a', 0, { at: since })])
    const tick = () => tracker.positions().reduce((latest, one) => Math.max(latest, one.tick ?? 0), 0)
    await expect.poll(tick, { timeout: 60_000 }).toBeGreaterThan(since)
    expect((await storedChains()).map(({ state }) => state)).toEqual(['open'])
    const before = tick()
    await expect.poll(tick, { timeout: 60_000 }).toBeGreaterThan(before)
    await tracker.stop()
  })

  it('a changed catalogue holds for who comes after it; a touch brings the others under it', async () => {
    const catalogue = parseCatalogue('defaults: { patience: 1d }\ntouchpoints: [{ id: site_visit }]', 't.yaml')
    const memory = clickhouseStore(store, (operation) => operation())
    await memory.storeCatalogue(catalogue.hash, contentOf(catalogue))
    const tracker = await start()
    await happened([met('a', 0), met('a', 2), met('b', 0), met('b', 2)])
    await everywhere({ kind: 'tick', tick: START + 4 * DAY })
    await everywhere({ kind: 'catalogue', hash: catalogue.hash })
    await happened([met('b', 3)])
    await tracker.settled()
    const [a, b] = [
      [met('a', 0), met('a', 2)],
      [met('b', 0), met('b', 2), met('b', 3)],
    ]
    expect(await storedChains()).toEqual([...derived(a, START + 4 * DAY), ...derived(b, START + 4 * DAY, catalogue)])
    await log.append(INTERACTIONS_TOPIC, [
      {
        partition: partitionOf('a', PARTITIONS),
        ...encodeFact({ kind: 'touch', person: { kind: 'customer', customer: 'a' } }),
      },
    ])
    await tracker.settled()
    expect(await storedChains()).toEqual(derived([...a, ...b], START + 4 * DAY, catalogue))
    await tracker.stop()
  })

  it('P6: a bad record is set aside with its bytes, coordinates and reason; the partition goes on', async () => {
    const tracker = await start({ customerLimit: 2 })
    const bad = new Uint8Array([0x7b, 0xff])
    await log.append(INTERACTIONS_TOPIC, [{ partition: 0, key: null, value: bad, headers: { trace: 'x' } }])
    await everywhere({ kind: 'tick', tick: Date.now() + DAY })
    await everywhere({ kind: 'catalogue', hash: '0'.repeat(32) })
    await happened([met('a', 1), met('a', 2), met('a', 3), met('a', 1)])
    await tracker.settled()
    const rejected = await log.read(REJECTED_TOPIC, 0, 0, 100)
    const reasons = rejected.map(({ headers }) => headers['weaklink-reason']).sort()
    expect(reasons).toEqual([
      'customer_limit',
      'not_json',
      ...Array(PARTITIONS).fill('tick_in_future'),
      ...Array(PARTITIONS).fill('unknown_catalogue'),
    ])
    const first = rejected.find(({ headers }) => headers['weaklink-reason'] === 'not_json')
    expect([...(first?.value ?? [])]).toEqual([...bad])
    expect(first?.headers).toMatchObject({
      trace: 'x',
      'weaklink-topic': INTERACTIONS_TOPIC,
      'weaklink-partition': '0',
      'weaklink-offset': '0',
    })
    expect(await storedChains()).toEqual(derived([met('a', 1), met('a', 2)], null))
    await tracker.stop()
  })

  it('another log over the same ClickHouse goes on from what is there, under a new epoch', async () => {
    const first = await start()
    await happened([met('a', 0), met('b', 0)])
    await everywhere({ kind: 'tick', tick: START + DAY })
    await first.settled()
    await first.stop()
    await log.close()
    log = await openLog('another')
    await expect(start()).rejects.toMatchObject({
      code: 'log_changed',
      message: expect.stringContaining('--new-log'),
    })
    const topic = await log.describe(INTERACTIONS_TOPIC)
    const begin = async () =>
      beginEpoch(trackerStore(), topic, await log.ranges(INTERACTIONS_TOPIC), builtinCatalogue.hash)
    expect(await begin()).toEqual({ epoch: 2, before: expect.stringMatching(/./) })
    expect(await begin()).toEqual({ epoch: 2, before: null })

    const second = await start()
    await happened([met('a', 1), met('a', 0)])
    await second.settled()
    expect(second.positions().map(({ epoch, tick }) => [epoch, tick])).toEqual(Array(PARTITIONS).fill([2, START + DAY]))
    expect(await storedChains()).toEqual(derived([met('a', 0), met('a', 1), met('b', 0)], START + DAY))
    await second.stop()
  })

  it('two logs never write into one ClickHouse, also where neither has brought anything yet', async () => {
    const first = await start()
    await first.settled()
    await log.close()
    log = await openLog('another')
    await expect(start()).rejects.toMatchObject({ code: 'log_changed' })
  })

  it('who is still open is judged on time in a log of more partitions', async () => {
    const first = await start()
    const people = Array.from({ length: 20 }, (_, k) => `customer ${k}`)
    await happened(people.map((customer) => met(customer, 0)))
    await first.settled()
    await first.stop()
    await log.close()
    log = await openLog('another', PARTITIONS + 4)
    const topic = await log.describe(INTERACTIONS_TOPIC)
    await beginEpoch(trackerStore(), topic, await log.ranges(INTERACTIONS_TOPIC), builtinCatalogue.hash)
    const second = await start()
    await second.settled()
    await everywhere({ kind: 'tick', tick: START + 1_000 * DAY }, PARTITIONS + 4)
    await second.settled()
    expect(await storedChains()).toEqual(
      derived(
        people.map((customer) => met(customer, 0)),
        START + 1_000 * DAY,
      ),
    )
    await second.stop()
  })

  it('a log that no longer holds the position is a named error, never a reset', async () => {
    const first = await start()
    await happened([met('a', 0), met('a', 1)])
    await first.settled()
    await first.stop()
    const partition = partitionOf('a', PARTITIONS)
    await store.command(
      `INSERT INTO positions (partition, epoch, logIdentity, offset) SELECT partition, epoch, logIdentity, 99 FROM positions FINAL WHERE partition = ${partition}`,
    )
    const second = await start()
    await expect(second.done).rejects.toMatchObject({ code: 'position_out_of_range', position: 99 })
  })
})
