import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtinCatalogue, deriveChains } from '@weaklink/chains'
import { migrate, type Store } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import type { EventLog } from '@weaklink/event-log'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import {
  encodeFact,
  type Fact,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOf,
  personOf,
  REJECTED_TOPIC,
} from '@weaklink/interactions'
import { customerReport } from '@weaklink/reports'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clickhouseStore, startTracker, type Tracker } from '../src/index.ts'

// Identity with a real log of several partitions and a real ClickHouse: an anonymous person and the customer who it is
// are mostly in different ones.

const MIGRATIONS = fileURLToPath(new URL('../../../packages/clickhouse/migrations', import.meta.url))
const HOUR = 3_600_000
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
  folder = mkdtempSync(join(tmpdir(), 'weaklink-identity-'))
  log = await openEmbeddedLog(join(folder, 'log'))
  await log.createTopic(INTERACTIONS_TOPIC, PARTITIONS)
  await log.createTopic(REJECTED_TOPIC, 1)
})
afterEach(async () => {
  await log.close()
  await test.stop()
  rmSync(folder, { recursive: true, force: true })
})

const start = () =>
  startTracker({
    log,
    store: clickhouseStore(store, (operation) => operation()),
    catalogue: builtinCatalogue,
    clock: 'none',
    cacheLimit: 0,
  })

async function withTracker(work: (tracker: Tracker) => Promise<void>): Promise<void> {
  const tracker = await start()
  await work(tracker)
  await tracker.settled()
  await tracker.stop()
}

function keyOf(fact: Fact): string {
  if (fact.kind === 'interaction') return personOf(fact.interaction).customer
  if (fact.kind === 'link') return fact.link.anonymousId
  return fact.kind === 'unlink' ? fact.anonymousId : ''
}

const append = async (...facts: readonly Fact[]) => {
  const records = facts.map((fact) => ({ partition: partitionOf(keyOf(fact), PARTITIONS), ...encodeFact(fact) }))
  await log.append(INTERACTIONS_TOPIC, records)
}

const met = (id: string, hour: number, more: Partial<Interaction>): Fact => ({
  kind: 'interaction',
  interaction: { id, touchpoint: 'site_visit', at: START + hour * HOUR, ...more },
})
const link = (id: string, anonymousId: string, customer: string): Fact => ({
  kind: 'link',
  link: { id, anonymousId, customer },
})

interface Shown {
  readonly kind: string
  readonly customer: string
  readonly state: string
  readonly touchpoints: readonly string[]
}
const chains = () =>
  store.query<Shown>('SELECT kind, customer, state, touchpoints FROM chains ORDER BY kind, customer, ordinal')
const counted = async () => {
  const rows = await store.query<{ who: string }>(
    "SELECT concat(kind, ' ', customer, ': ', arrayStringConcat(arraySort(groupArray(id)), ' ')) AS who FROM interactions GROUP BY kind, customer ORDER BY who",
  )
  return rows.map(({ who }) => who)
}
const rejected = async () =>
  (await log.read(REJECTED_TOPIC, 0, 0, 100)).map(({ headers }) => [
    headers['weaklink-reason'],
    headers['weaklink-expected'],
    headers['weaklink-got'],
  ])

describe('cookie, phone call, sale', () => {
  const ad = met('ad', 0, { anonymousId: 'cookie', touchpoint: 'ad_view' })
  const visit = met('visit', 1, { anonymousId: 'cookie', touchpoint: 'landing_page' })
  const call = met('call', 2, { customer: 'anna', touchpoint: 'call_answer' })
  const sale = met('sale', 3, { customer: 'anna', anonymousId: 'cookie', touchpoint: 'purchase' })
  const identify = link('l1', 'cookie', 'anna')
  const one = [
    {
      kind: 'customer',
      customer: 'anna',
      state: 'converted',
      touchpoints: ['ad_view', 'landing_page', 'call_answer', 'purchase'],
    },
  ]

  it('is one chain, told by an interaction that carries both ids', async () => {
    await withTracker(() => append(ad, visit, call, sale))
    expect(await chains()).toEqual(one)
    expect(await counted()).toEqual(['customer anna: ad call sale visit'])
    expect(await store.query('SELECT * FROM identities')).toEqual([{ anonymousId: 'cookie', customer: 'anna' }])
    expect(await rejected()).toEqual([])
    const asked = await customerReport(store, 'cookie')
    expect(asked.people).toMatchObject([
      { kind: 'anonymous', customer: 'cookie', movedTo: 'anna', chains: [] },
      { kind: 'customer', customer: 'anna', movedTo: null, anonymousIds: ['cookie'], chains: [{ state: 'converted' }] },
    ])
    expect(asked.people[1]).toEqual((await customerReport(store, 'anna')).people[0])
  })

  it.each([
    ['the link first', [identify, ad, visit, call, sale]],
    ['the link last', [sale, call, visit, ad, identify]],
    ['the link twice, and everything again', [call, ad, identify, sale, visit, identify, ad, visit, call, sale]],
  ] as const)('is one chain: %s', async (_, facts) => {
    for (const fact of facts) await withTracker(() => append(fact))
    expect(await chains()).toEqual(one)
    expect(await counted()).toEqual(['customer anna: ad call sale visit'])
  })

  it('comes apart again when it was wrong, and can then be somebody else', async () => {
    await withTracker(() => append(ad, visit, call, identify))
    await withTracker(() => append(link('l2', 'cookie', 'bert')))
    expect(await rejected()).toEqual([
      ['identity_conflict', 'anna, whose anonymous id this is; unlink it first if that is wrong', '"bert"'],
    ])
    expect(await counted()).toEqual(['customer anna: ad call visit'])

    await withTracker(() => append({ kind: 'unlink', anonymousId: 'cookie' }))
    expect(await counted()).toEqual(['anonymous cookie: ad visit', 'customer anna: call'])
    expect((await chains()).map(({ kind, customer, touchpoints }) => [kind, customer, ...touchpoints])).toEqual([
      ['customer', 'anna', 'call_answer'],
      ['anonymous', 'cookie', 'ad_view', 'landing_page'],
    ])

    await withTracker(() => append(link('l3', 'cookie', 'bert'), met('later', 4, { anonymousId: 'cookie' })))
    expect(await counted()).toEqual(['customer anna: call', 'customer bert: ad later visit'])
    await withTracker(() => append({ kind: 'unlink', anonymousId: 'cookie' }, link('l4', 'cookie', 'anna')))
    expect(await counted()).toEqual(['customer anna: ad call later visit'])
    expect(await rejected()).toHaveLength(1)
  })

  it('keeps what came under the customer as well when the link was wrong', async () => {
    const again = met('visit', 1, { customer: 'anna', anonymousId: 'cookie', touchpoint: 'landing_page' })
    await withTracker(() => append(ad, visit, identify))
    await withTracker(() => append(again, call))
    expect(await counted()).toEqual(['customer anna: ad call visit'])
    await withTracker(() => append({ kind: 'unlink', anonymousId: 'cookie' }))
    expect(await counted()).toEqual(['anonymous cookie: ad visit', 'customer anna: call visit'])
  })
})

describe('many at once', () => {
  it('the order in which interactions and links arrive, restarts and repeats change nothing', async () => {
    const families = Array.from({ length: 12 }, (_, k) => {
      const [customer, phone, laptop] = [`customer-${k}`, `phone-${k}`, `laptop-${k}`]
      return [
        met(`a-${k}`, k, { anonymousId: phone, touchpoint: 'ad_view' }),
        met(`b-${k}`, k + 1, { anonymousId: laptop, touchpoint: 'landing_page' }),
        met(`c-${k}`, k + 2, { anonymousId: phone }),
        met(`d-${k}`, k + 3, { customer, anonymousId: laptop, touchpoint: 'quote', by: 'company' }),
        met(`e-${k}`, k + 4, { customer, touchpoint: 'purchase' }),
        met(`f-${k}`, k + 5, { customer, anonymousId: phone, touchpoint: 'review' }),
        link(`l-${k}`, phone, customer),
      ]
    })
    const facts = families.flat()
    const seed = Date.now() % 1_000_000
    const [shuffled = []] = fc.sample(fc.shuffledSubarray(facts, { minLength: facts.length }), { seed, numRuns: 1 })
    const arrivals = [...shuffled, ...shuffled.slice(0, 30)]
    for (let from = 0; from < arrivals.length; from += 29) {
      await withTracker(() => append(...arrivals.slice(from, from + 29)))
    }
    const expected = families
      .flatMap((family, k) => {
        const customer = `customer-${k}`
        const own = family.flatMap((fact) => (fact.kind === 'interaction' ? { ...fact.interaction, customer } : []))
        return deriveChains({ kind: 'customer', customer }, own, builtinCatalogue, null).map(({ id, state }) => ({
          customer,
          id,
          state,
        }))
      })
      .sort((a, b) => (a.customer < b.customer ? -1 : a.customer > b.customer ? 1 : 0))
    const found = await store.query('SELECT customer, id, state FROM chains ORDER BY customer, ordinal')
    expect(found, `seed ${seed}`).toEqual(expected)
    const [all] = await store.query<{ n: number }>('SELECT count() AS n FROM interactions')
    expect(all?.n).toBe(72)
  })
})
