import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { builtinCatalogue } from '../../packages/chains/src/index.ts'
import { ANALYST_SETTINGS, migrate, type Store, StoreError } from '../../packages/clickhouse/src/index.ts'
import { startTestStore, type TestStore } from '../../packages/clickhouse/src/test-support.ts'
import { openEmbeddedLog } from '../../packages/event-log/src/embedded/index.ts'
import type { EventLog } from '../../packages/event-log/src/index.ts'
import {
  encodeFact,
  type Fact,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOf,
  personOf,
  REJECTED_TOPIC,
} from '../../packages/interactions/src/index.ts'
import { aggregatedBreakpoints } from '../../packages/reports/src/breakpoints/aggregated.ts'
import { freshBreakpoints } from '../../packages/reports/src/breakpoints/query.ts'
import {
  breakpoints,
  breakpointsQuery,
  chainsQuery,
  chainsReport,
  customerReport,
  touchpointsReport,
} from '../../packages/reports/src/index.ts'
import { retry } from '../../packages/runtime/src/index.ts'
import { clickhouseStore, startTracker, type Tracker } from '../../services/tracker/src/index.ts'
import { stream } from '../bench/stream.ts'
import { type Cluster, type Engine, startCluster } from './engines.ts'

// Two shards of two replicas against one server: the same log, the same tracker, the same reports.

const MIGRATIONS = fileURLToPath(new URL('../../packages/clickhouse/migrations', import.meta.url))
const DATABASE = 'weaklink'
const TABLES = ['interactions_log', 'identity_log', 'customer_chains', 'positions', 'catalogues']
const VIEWS = ['interactions', 'chains', 'chain_interactions', 'identities']
const PARTITIONS = 4
const DAY = 86_400_000

let cluster: Cluster
let engines: readonly Engine[]
let single: TestStore
let folder: string
let log: EventLog
/** Ends trackers that wait for a server. */
const over = new AbortController()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weaklink-cluster-log-'))
  log = await openEmbeddedLog(folder)
  await log.createTopic(INTERACTIONS_TOPIC, PARTITIONS)
  await log.createTopic(REJECTED_TOPIC, 1)
  single = await startTestStore()
  await migrate(single.store, MIGRATIONS)
  cluster = await startCluster(DATABASE)
  engines = cluster.engines
  await migrate(asked(0), MIGRATIONS, { cluster: cluster.name })
  await append(arrivals.slice(0, THIRD))
  await catchUp(asked(0))
})
afterAll(async () => {
  over.abort()
  await log?.close()
  await cluster?.stop()
  await single?.stop()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

/** The whole cluster, by way of one of its servers. */
const asked = (server: number): Store => engines[server]!.store

/** A tracker that knows nothing and remembers little, so that it has to load what it wrote. */
const track = (store: Store, onRetry: (error: StoreError) => void = () => {}): Promise<Tracker> =>
  startTracker({
    log,
    store: clickhouseStore(store, (operation) =>
      retry(operation, {
        signal: over.signal,
        firstDelayMs: 20,
        maxDelayMs: 100,
        onRetry: (error) => onRetry(error as StoreError),
      }),
    ),
    catalogue: builtinCatalogue,
    clock: 'none',
    cacheLimit: 400,
    flushRows: 500,
  })
const trackAll = async (store: Store) => {
  const tracker = await track(store)
  await tracker.settled()
  await tracker.stop()
}

const all = [...stream({ interactions: 2_000, customers: 150, days: 240 })].map((one): Fact => {
  // Every third customer first is a cookie, some for ever, and says at last who it is. Every ninth comes late.
  const n = Number(one.customer?.split('-')[1])
  const k = Number(one.id.slice(1))
  const { customer = '', ...rest } = one
  if (n % 3 !== 0) return { kind: 'interaction', interaction: one }
  const anonymousId = `cookie-${n}`
  if (n % 30 === 0 || k < 450) return { kind: 'interaction', interaction: { ...rest, anonymousId } }
  return { kind: 'interaction', interaction: { ...rest, customer, anonymousId } }
})
const isLate = (_: Fact, k: number) => k % 9 === 4
const arrivals: readonly Fact[] = [
  ...all.filter((fact, k) => !isLate(fact, k)),
  ...all.filter(isLate),
  ...[3, 9, 33].map((n): Fact => ({ kind: 'unlink', anonymousId: `cookie-${n}` })),
]
const THIRD = Math.ceil(arrivals.length / 3)
const lastAt = Math.max(...all.map((fact) => (fact.kind === 'interaction' ? fact.interaction.at : 0)))

const append = (facts: readonly Fact[]) =>
  log.append(
    INTERACTIONS_TOPIC,
    facts.map((fact) => {
      const key = fact.kind === 'interaction' ? personOf(fact.interaction as Interaction).customer : ''
      const who = fact.kind === 'unlink' ? fact.anonymousId : key
      return { partition: partitionOf(who, PARTITIONS), ...encodeFact(fact) }
    }),
  )
const tick = (at: number) =>
  log.append(
    INTERACTIONS_TOPIC,
    Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, ...encodeFact({ kind: 'tick', tick: at }) })),
  )

const rowsOf = (store: Store, table: string, final = 'FINAL') =>
  store.query<Record<string, unknown>>(`SELECT * FROM ${table} ${final} ORDER BY ALL`)

/** Everything that somebody may ask. */
async function answers(store: Store) {
  const report = (options = {}) => breakpoints(store, breakpointsQuery(options))
  return {
    breakpoints: await report(),
    byChannel: await report({ by: 'channel' }),
    returning: await report({ by: 'returning', where: 'channel=search' }),
    furthest: await report({ at: 'furthest' }),
    withinPhone: await report({ within: 'phone' }),
    ofAMonth: await report({ from: '2026-02-01', to: '2026-03-01', date: 'end' }),
    chains: await chainsReport(store, chainsQuery({ state: 'broken', limit: '1000' })),
    someChains: await chainsReport(store, chainsQuery({ where: 'returning=true', limit: '7' })),
    touchpoints: await touchpointsReport(store),
    customer: await customerReport(store, 'customer-6'),
    cookie: await customerReport(store, 'cookie-6'),
    unlinked: await customerReport(store, 'cookie-9'),
    perDay: await store.query(
      'SELECT toDate(at) AS day, touchpoint, count() AS n FROM interactions GROUP BY ALL ORDER BY ALL',
    ),
    places: await store.query('SELECT place, reason, count() AS n FROM chains GROUP BY ALL ORDER BY ALL'),
    waits: await store.query(`
      SELECT touchpoint, count() AS n, quantileExact(0.5)(waitMs) AS p50, uniqExact(customer) AS customers
      FROM chain_interactions WHERE NOT epilogue GROUP BY touchpoint ORDER BY touchpoint`),
  }
}

/** Both have read the whole log, and what each made follow in it as well. */
async function catchUp(store: Store): Promise<void> {
  for (const one of [single.store, store, single.store]) await trackAll(one)
}

/** What these servers say of the cluster is what the one server says. */
async function same(...servers: readonly number[]): Promise<void> {
  const read = async (store: Store) => {
    const rows: Record<string, unknown> = {}
    for (const table of TABLES) rows[table] = await rowsOf(store, table)
    for (const view of VIEWS) rows[view] = await rowsOf(store, view, '')
    return { rows, answers: await answers(store) }
  }
  const expected = await read(single.store)
  for (const n of servers) expect(await persistent(() => read(asked(n))), `server ${n}`).toEqual(expected)
}

/** As a service asks: again, where that may help. */
const persistent = <T>(question: () => Promise<T>): Promise<T> =>
  retry(question, {
    signal: over.signal,
    firstDelayMs: 50,
    maxDelayMs: 200,
    giveUp: (error) => !(error instanceof StoreError && error.retriable),
  })

async function replicasAgree(): Promise<void> {
  for (const table of TABLES) {
    const rows = await Promise.all(engines.map(({ store }) => persistent(() => rowsOf(store, `${table}_shard`))))
    for (const [n, { shard }] of engines.entries()) {
      const first = engines.findIndex((engine) => engine.shard === shard)
      expect(rows[n], `${table} of ${shard}-${engines[n]?.replica}`).toEqual(rows[first])
    }
  }
}

describe('two shards of two replicas', () => {
  it('have the columns of one server, whichever server one asks', async () => {
    const columns = (store: Store, table: string) =>
      store.query(
        'SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}',
        {
          table,
        },
      )
    for (const { store } of engines) {
      for (const table of [...TABLES, ...VIEWS, 'schema_migrations']) {
        const expected = await columns(single.store, table)
        expect(expected).not.toEqual([])
        expect(await columns(store, table), table).toEqual(expected)
        expect(await columns(store, `${table}_shard`), `${table}_shard`).toEqual(expected)
      }
    }
    expect(await migrate(asked(3), MIGRATIONS, { cluster: cluster.name })).toEqual({ applied: [] })
  })

  it('hold the rows and give the answers that one server does, whichever server one asks', async () => {
    await same(0, 3)
    await replicasAgree()
  })

  it('count beforehand, each server what is of its shard: a report from these counts is that of the chains', async () => {
    for (const { store } of engines) {
      await persistent(() => store.command('SYSTEM WAIT VIEW aggregates_refresh_shard'))
      await persistent(() => store.command('SYSTEM REFRESH VIEW aggregates_refresh_shard'))
      await persistent(() => store.command('SYSTEM WAIT VIEW aggregates_refresh_shard'))
    }
    const use = { fromInteractions: 1, untilAgeMs: 600_000 }
    for (const options of [{}, { by: 'channel' }, { where: 'channel=search', from: '2026-02-01' }]) {
      const query = breakpointsQuery(options)
      const got = await persistent(() => aggregatedBreakpoints(asked(0), query, undefined, use))
      expect(got?.refreshedAt).not.toBeNull()
      expect({ ...got, refreshedAt: null }).toEqual(await freshBreakpoints(single.store, query))
    }
    const sums =
      'SELECT (SELECT sum(broke) FROM breakpoints_daily) AS broke, (SELECT sum(broken) FROM conversion_daily) AS broken'
    const analyst = engines[3]!.connect({ username: 'analyst', password: 'of-analysts', settings: ANALYST_SETTINGS })
    const { totals } = await freshBreakpoints(single.store, breakpointsQuery({}))
    expect(await analyst.query(sums)).toEqual([{ broke: String(totals.broken), broken: String(totals.broken) }])
  })

  it("keep a customer on one shard: that of the customer's partition, where the position is as well", async () => {
    for (const table of ['interactions_log', 'customer_chains', 'identity_log', 'positions']) {
      const rows = await asked(0).query<{ partition: number; shards: number[] }>(
        `SELECT partition, groupUniqArray(_shard_num) AS shards FROM ${table} GROUP BY partition ORDER BY partition`,
      )
      expect(rows, table).toEqual([0, 1, 2, 3].map((partition) => ({ partition, shards: [(partition % 2) + 1] })))
    }
    const keys = ['anna', '', 'Łódź', '日本', 'customer-17', 'x'.repeat(300), '+49 170 123']
    const hashes = await asked(0).query<{ key: string; hash: number }>(
      'SELECT arrayJoin({keys:Array(String)}) AS key, kafkaMurmurHash(key) AS hash',
      { keys },
    )
    for (const { key, hash } of hashes) {
      expect([key, hash % 64, hash % 6]).toEqual([key, partitionOf(key, 64), partitionOf(key, 6)])
    }
  })

  it('let an analyst read the views, at any server, and nothing else', async () => {
    const analyst = engines[3]!.connect({ username: 'analyst', password: 'of-analysts', settings: ANALYST_SETTINGS })
    const count = (view: string) => `SELECT toUInt32(count()) AS n FROM ${view}`
    for (const view of VIEWS) expect(await analyst.query(count(view)), view).toEqual(await asked(0).query(count(view)))
    const forbidden = [
      'SELECT count() FROM customer_chains',
      'SELECT count() FROM customer_chains_shard',
      'DROP TABLE chains',
    ]
    for (const sql of forbidden) await expect(analyst.command(sql), sql).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('refuse an account without the settings that what is acknowledged depends on', async () => {
    const wrong = {
      distributed_foreground_insert: [0, /has to be 1, or an insert is acknowledged before its shard has it/],
      insert_quorum: ['1', /has to be 'auto', or a row is acknowledged that another replica, .* does not have yet/],
      distributed_product_mode: ['local', /has to be 'global', or a question about several customers/],
      skip_unavailable_shards: [1, /has to be 0, or a report leaves out/],
    } as const
    for (const [name, [value, message]] of Object.entries(wrong)) {
      const store = engines[0]!.connect({ settings: { [name]: value } })
      await expect(migrate(store, MIGRATIONS, { cluster: cluster.name }), name).rejects.toMatchObject({
        code: 'schema',
        message: expect.stringMatching(message),
      })
    }
  })

  it('are not taken for one server, nor one server for them', async () => {
    await expect(migrate(asked(0), MIGRATIONS)).rejects.toMatchObject({
      code: 'schema',
      message: expect.stringMatching(/is of the cluster "weaklink". Set CLICKHOUSE_CLUSTER=weaklink\.$/),
    })
    const alone = engines[0]!.connect({ database: 'alone' })
    await migrate(alone, MIGRATIONS)
    await expect(migrate(alone, MIGRATIONS, { cluster: cluster.name })).rejects.toMatchObject({
      code: 'schema',
      message: expect.stringMatching(/is of one server, and not of the cluster "weaklink"/),
    })
  })

  it('aggregate on the shards what is asked of a view', async () => {
    const plan = await asked(0).query<{ explain: string }>('EXPLAIN SELECT place, count() FROM chains GROUP BY place')
    expect(plan[0]?.explain ?? '').not.toBe('')
    const steps = plan.map(({ explain }) => explain.replace(/^\W+/, ''))
    expect(steps.findIndex((step) => step.startsWith('MergingAggregated'))).toBeGreaterThanOrEqual(0)
  })

  it('give their tables to a server that has none, in the words of another one', async () => {
    const rows = await asked(0).query<{ sql: string }>(`
      SELECT create_table_query AS sql FROM system.tables WHERE database = currentDatabase()
      ORDER BY multiIf(engine LIKE '%MergeTree', 1, engine = 'View', 2, 3)`)
    const newcomer = engines[3]!.connect({ database: 'another' })
    await newcomer.createDatabase()
    for (const { sql } of rows) {
      await newcomer.command(
        sql.replaceAll(`${DATABASE}.`, 'another.').replaceAll(`', '${DATABASE}', '`, "', 'another', '"),
      )
    }
    expect(await newcomer.query('SELECT * FROM interactions_log_shard')).toEqual([])
  })

  it('take over what one server holds: the rows are copied, and a tracker goes on from the position', async () => {
    const old = engines[0]!.connect({ database: 'old' })
    await migrate(old, MIGRATIONS)
    await trackAll(old)
    const moved = engines[0]!.another('moved')
    for (const engine of engines) await engine.another('moved').createDatabase()
    await migrate(moved, MIGRATIONS, { cluster: cluster.name })
    for (const table of TABLES) await moved.command(`INSERT INTO ${table} SELECT * FROM old.${table}`)
    for (const table of TABLES) expect(await rowsOf(moved, table), table).toEqual(await rowsOf(old, table))
    await append([
      { kind: 'interaction', interaction: { id: 'moved', customer: 'anna', touchpoint: 'quote', at: lastAt } },
    ])
    await trackAll(moved)
    await trackAll(old)
    for (const table of TABLES) expect(await rowsOf(moved, table), table).toEqual(await rowsOf(old, table))
    expect(await answers(moved)).toEqual(await answers(old))
  })

  it('lose nothing and count nothing twice while replicas are killed and come back', async () => {
    const [first, second] = engines as [Engine, Engine]

    // A replica dies: everything can be asked, nothing is acknowledged, and the tracker waits.
    const refused = new Set<string>()
    const tracker = await track(asked(2), ({ code, retriable }) => refused.add(`${code}, ${retriable}`))
    await second.kill()
    await append(arrivals.slice(THIRD, 2 * THIRD))
    await expect.poll(() => [...refused], { timeout: 30_000 }).not.toEqual([])
    await persistent(() => answers(asked(0)))
    const stood = await persistent(() => rowsOf(asked(3), 'positions'))
    await second.start()
    await tracker.settled()
    expect(
      [...refused].every((one) => one.endsWith('true')),
      [...refused].join('; '),
    ).toBe(true)
    expect(await persistent(() => rowsOf(asked(3), 'positions'))).not.toEqual(stood)
    await replicasAgree()

    // Both of a shard are away: an error, never a smaller number.
    await first.kill()
    await second.kill()
    await expect(answers(asked(2))).rejects.toMatchObject({ retriable: true })
    await Promise.all([first.start(), second.start()])

    await append(arrivals.slice(2 * THIRD))
    await tick(lastAt + 60 * DAY)
    await tracker.settled()
    await tracker.stop()

    // Another tracker, which knows nothing, goes on at another server.
    await append([
      { kind: 'interaction', interaction: { id: 'late', customer: 'customer-6', touchpoint: 'quote', at: lastAt } },
    ])
    await catchUp(asked(1))
    await same(1, 2)
    await replicasAgree()
    const { breakpoints: report, customer } = await answers(asked(0))
    expect(report.totals).toMatchObject({ open: 0 })
    expect(report.totals.broken).toBeGreaterThan(100)
    expect(customer.people).toMatchObject([{ kind: 'customer', anonymousIds: ['cookie-6'] }])
  })
})
