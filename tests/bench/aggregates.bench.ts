import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Registry } from 'prom-client'
import {
  ANALYST_SETTINGS,
  connect,
  type EmbeddedServer,
  type Store,
  startEmbeddedServer,
} from '../../packages/clickhouse/src/index.ts'
import { openEmbeddedLog } from '../../packages/event-log/src/embedded/index.ts'
import { INTERACTIONS_TOPIC, REJECTED_TOPIC } from '../../packages/interactions/src/index.ts'
import { aggregatedBreakpoints } from '../../packages/reports/src/breakpoints/aggregated.ts'
import { freshBreakpoints } from '../../packages/reports/src/breakpoints/query.ts'
import { type BreakpointsReport, breakpointsQuery } from '../../packages/reports/src/index.ts'
import { httpServer } from '../../packages/runtime/src/http/server.ts'
import { keyRing } from '../../packages/runtime/src/index.ts'
import { api } from '../../services/api/src/index.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import { byArrays, byWindowFunnel, type Days, INTERACTIONS } from './aggregates-hand.ts'
import { makeData } from './reports-data.ts'
import { cpuSecondsOf, cpuSecondsOfMachine, markdownTable, percentile, writeBenchmark } from './support.ts'

/**
 * Breakpoints of 90 days out of the aggregates, against the same from the chains and by hand over the raw interactions, through
 * the API; what a refresh costs, and how old answers are. At a tenth of the size and at the whole:
 * `npm run bench:aggregates [-- COPIES]`, a copy being 5,000 customers with about 58,000 interactions; 172 are 10 million.
 */

const copies = Number(process.argv[2] ?? 172)
/** A life has about 8 interactions. */
const LIVES = 6_200
const CUSTOMERS = 5_000
const ROUNDS = 5
/** With fewer copies, the chains themselves would be read. */
const FEWEST = 6
const ENOUGH_FOR_P99 = 100
const REFRESH_SECONDS = 46
const AGE_SECONDS = 100
const KEY = 'of-the-benchmark'
const DAY_MS = 86_400_000
/** Periods begin one day after the other, so that none is asked twice in a row. */
const DAYS = 90
const periodOf = (run: number): Days => {
  const from = Date.UTC(2025, 0, 10) + (run % 200) * DAY_MS
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  return { from: day(from), to: day(from + DAYS * DAY_MS) }
}

interface Case {
  readonly what: string
  readonly runs: number
  readonly ask: (run: number) => Promise<unknown>
}

interface Measured {
  readonly what: string
  readonly ms: number[]
  cpu: number
}

interface Size {
  readonly interactions: number
  readonly customers: number
  readonly rows: number
  readonly bytes: number
  readonly cases: readonly Measured[]
  /** Answers of the API for which the aggregates were too old. */
  readonly fromChains: number
  readonly refreshCpu: readonly number[]
  readonly refreshMs: readonly number[]
  readonly sameCpu: readonly number[]
  readonly oldestMs: number
  readonly agreed: string
  readonly otherCores: number
}

const API = '`GET /api/v1/reports/breakpoints?from&to`'
const SELECT_1 = '`SELECT 1`, `POST /api/v1/sql`'
const CHAINS = 'the same from the chains (`--fresh`), no HTTP of ours'
const ARRAYS = 'by hand: arrays over `interactions_log`, no HTTP of ours'
const FUNNEL = 'by hand: `windowFunnel` over `interactions_log`, no HTTP of ours'

const sizes = [await measure(Math.max(FEWEST, Math.round(copies / 10))), await measure(copies)] as const
writeBenchmark('aggregates', page(sizes[0], sizes[1]))

async function measure(size: number): Promise<Size> {
  const folder = temporaryFolder()
  let server: EmbeddedServer | undefined
  try {
    await makeData(folder.path, size, { lives: LIVES, apart: true })
    server = await startEmbeddedServer({ directory: join(folder.path, 'clickhouse'), what: 'a benchmark' })
    const store = connect({ ...server, database: 'weaklink' })
    const analyst = connect({ url: server.url, ...server.analyst, database: 'weaklink', settings: ANALYST_SETTINGS })
    const log = await openEmbeddedLog(join(folder.path, 'api-log'))
    for (const topic of [INTERACTIONS_TOPIC, REJECTED_TOPIC]) await log.createTopic(topic, 1)
    const keys = keyRing(null, { WEAKLINK_READ_KEYS: KEY })
    const registry = new Registry()
    const http = await httpServer({ keys, registry, notReady: () => null })
    await http.register(api({ store, analyst, log, keys, registry }))
    const url = await http.listen({ host: '127.0.0.1', port: 0 })
    await refresh(store)
    const agreed = await agreement(store)
    const others = otherWork(server)
    const { cases, fromChains } = await measureCases(server, store, url)
    const otherCores = others()
    const [again, same] = [await refreshes(server, store, true), await refreshes(server, store, false)]
    const oldestMs = await oldest(store, url)
    const [table] = await store.query<{ rows: number; bytes: number }>(
      "SELECT sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'aggregates'",
    )
    const [raw] = await store.query<{ n: number }>('SELECT count() AS n FROM interactions_log')
    await http.close()
    await log.close()
    await analyst.close()
    await store.close()
    return {
      ...{ interactions: raw?.n ?? 0, customers: size * CUSTOMERS, rows: table?.rows ?? 0, bytes: table?.bytes ?? 0 },
      ...{
        cases,
        fromChains,
        refreshCpu: again.cpu,
        refreshMs: again.ms,
        sameCpu: same.cpu,
        oldestMs,
        agreed,
        otherCores,
      },
    }
  } finally {
    await server?.stop()
    folder.remove()
  }
}

async function refresh(store: Store): Promise<void> {
  await store.command('SYSTEM REFRESH VIEW aggregates_refresh')
  await store.command('SYSTEM WAIT VIEW aggregates_refresh')
}

async function measureCases(
  server: EmbeddedServer,
  store: Store,
  url: string,
): Promise<{ cases: Measured[]; fromChains: number }> {
  let fromChains = 0
  const authorization = `Bearer ${KEY}`
  const get = async (query: string) => {
    const response = await fetch(`${url}/api/v1/reports/breakpoints?${query}`, { headers: { authorization } })
    const report = (await response.json()) as BreakpointsReport
    if (report.refreshedAt === null) fromChains += 1
  }
  const sql = async (text: string) => {
    const headers = { authorization, 'content-type': 'text/plain' }
    const response = await fetch(`${url}/api/v1/sql`, { method: 'POST', headers, body: text })
    if (response.status !== 200) throw new Error(await response.text())
    await response.json()
  }
  const period = (run: number) => new URLSearchParams({ ...periodOf(run) }).toString()
  const cases: Case[] = [
    { what: API, runs: 400, ask: (run) => get(period(run)) },
    { what: '… `by=channel`', runs: 100, ask: (run) => get(`${period(run)}&by=channel`) },
    { what: '… `by=channel,campaign`', runs: 100, ask: (run) => get(`${period(run)}&by=channel,campaign`) },
    { what: '… `where=channel=search`', runs: 100, ask: (run) => get(`${period(run)}&where=channel%3Dsearch`) },
    { what: '… without a period', runs: 100, ask: () => get('') },
    { what: SELECT_1, runs: 400, ask: () => sql('SELECT 1') },
    { what: CHAINS, runs: 10, ask: (run) => freshBreakpoints(store, breakpointsQuery({ ...periodOf(run) })) },
    { what: ARRAYS, runs: 10, ask: (run) => store.query(byArrays(periodOf(run))) },
    { what: FUNNEL, runs: 10, ask: (run) => store.query(byWindowFunnel(periodOf(run))) },
  ]
  const measured = cases.map(({ what }): Measured => ({ what, ms: [], cpu: 0 }))
  for (const { ask } of cases) await ask(0)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [k, { runs, ask }] of cases.entries()) {
      const into = measured[k] as Measured
      const cpu = cpuSecondsOf(server.pid)
      for (let run = 0; run < runs / ROUNDS; run++) into.ms.push(await timed(() => ask(round * 37 + run)))
      into.cpu += cpuSecondsOf(server.pid) - cpu
    }
  }
  return { cases: measured, fromChains }
}

/** Both ways give the same answers; and where the raw interactions can say the same, they do. */
async function agreement(store: Store): Promise<string> {
  const asked = [{}, ...[0, 50, 120].flatMap((run) => [{ ...periodOf(run) }, { ...periodOf(run), by: 'channel' }])]
  for (const options of asked) {
    const query = breakpointsQuery(options)
    const got = await aggregatedBreakpoints(store, query, undefined, { fromInteractions: 0, untilAgeMs: 600_000 })
    if (!isDeepStrictEqual({ ...got, refreshedAt: null }, await freshBreakpoints(store, query)))
      throw new Error(`the two ways differ for ${JSON.stringify(options)}`)
  }
  const report = await freshBreakpoints(store, breakpointsQuery({}))
  const raw = await store.query<{ touchpoint: string; interactions: number }>(INTERACTIONS)
  const counts = new Map(raw.map(({ touchpoint, interactions }) => [touchpoint, interactions]))
  const places = report.groups[0]?.breakpoints ?? []
  const differing = places.filter(({ touchpoint, interactions }) => counts.get(touchpoint) !== interactions)
  const hand = await store.query<{ broke: number }>(byArrays(periodOf(50)))
  const ours = await freshBreakpoints(store, breakpointsQuery({ ...periodOf(50) }))
  const whole = (n: number) => n.toLocaleString('en-US')
  return (
    `${asked.length} questions gave the same answer from the aggregates and from the chains, in every field. Of ${places.length} places, ` +
    `${places.length - differing.length} have as many interactions as \`interactions_log\` does. Where the questions differ, so do the ` +
    `answers: in one period of 90 days ${whole(ours.totals.broken)} chains broke, and by arrays ${whole(hand.reduce((sum, { broke }) => sum + broke, 0))}.`
  )
}

/** What a refresh costs: after something was written, or after nothing was. */
async function refreshes(server: EmbeddedServer, store: Store, changed: boolean) {
  const [cpu, ms]: [number[], number[]] = [[], []]
  for (let run = 0; run < 3; run++) {
    if (changed) await touch(store)
    const before = cpuSecondsOf(server.pid)
    ms.push(await timed(() => refresh(store)))
    cpu.push(cpuSecondsOf(server.pid) - before)
  }
  return { cpu, ms }
}

/** A customer is written anew. */
async function touch(store: Store): Promise<void> {
  await store.command(
    'INSERT INTO customer_chains SELECT * REPLACE (version + 1 AS version) FROM customer_chains LIMIT 1',
  )
}

/** The oldest answer of some minutes in which something is written all the time. */
async function oldest(store: Store, url: string): Promise<number> {
  let oldestMs = 0
  const until = Date.now() + AGE_SECONDS * 1_000
  for (let n = 0; Date.now() < until; n++) {
    if (n % 10 === 0) await touch(store)
    const headers = { authorization: `Bearer ${KEY}` }
    const response = await fetch(`${url}/api/v1/reports/breakpoints?${new URLSearchParams({ ...periodOf(n) })}`, {
      headers,
    })
    const { refreshedAt } = (await response.json()) as BreakpointsReport
    if (refreshedAt !== null) oldestMs = Math.max(oldestMs, Date.now() - Date.parse(refreshedAt))
    await sleep(500)
  }
  return oldestMs
}

function otherWork(server: EmbeddedServer): () => number {
  const others = () => cpuSecondsOfMachine() - cpuSecondsOf(server.pid) - cpuSecondsOf(process.pid)
  const [from, start] = [others(), performance.now()]
  return () => Math.max(0, others() - from) / ((performance.now() - start) / 1_000)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

function page(small: Size, large: Size): string {
  const whole = (n: number) => Math.round(n).toLocaleString('en-US')
  const sorted = (ms: readonly number[]) => ms.toSorted((a, b) => a - b)
  const p = (of: Measured | undefined, share: number) => percentile(sorted(of?.ms ?? []), share)
  const find = (size: Size, what: string) => size.cases.find((one) => one.what === what)
  const ms = (value: number) => (value < 100 ? value.toFixed(1) : whole(value))
  const median = (values: readonly number[]) => percentile(sorted(values), 0.5)
  const right = (title: string) => ({ title, align: 'right' as const })
  const left = (title: string) => ({ title, align: 'left' as const })
  const ratio = (size: Size, what: string, share: number, than: string) =>
    p(find(size, what), share) / p(find(size, than), share)
  const cores = (size: Size) => median(size.refreshCpu) / REFRESH_SECONDS
  const verdicts: [what: string, asked: string, got: string][] = [
    ['by arrays ÷ the API, p50', '≥ 100', whole(ratio(large, ARRAYS, 0.5, API))],
    ['by `windowFunnel` (a simpler question) ÷ the API, p50', '', whole(ratio(large, FUNNEL, 0.5, API))],
    ['the API ÷ `SELECT 1`, p99', '≤ 5', ratio(large, API, 0.99, SELECT_1).toFixed(1)],
    [
      `the API, ${(large.interactions / small.interactions).toFixed(1)} times the interactions, p50`,
      '≤ 1.2 for 10',
      (p(find(large, API), 0.5) / p(find(small, API), 0.5)).toFixed(2),
    ],
    [
      `cores, a refresh every ${REFRESH_SECONDS} s`,
      `≤ ${(availableParallelism() / 10).toFixed(1)}`,
      cores(large).toFixed(2),
    ],
    ['oldest answer, seconds', '≤ 60', (large.oldestMs / 1_000).toFixed(0)],
  ]
  const tableOf = (size: Size) =>
    markdownTable(
      [left('what'), ...['runs', 'p50', 'p99', 'max', 'CPU-seconds'].map(right)],
      size.cases.map((one) => [
        one.what,
        whole(one.ms.length),
        ms(p(one, 0.5)),
        one.ms.length < ENOUGH_FOR_P99 ? '' : ms(p(one, 0.99)),
        ms(p(one, 1)),
        (one.cpu / one.ms.length).toFixed(3),
      ]),
    )
  const section = (size: Size) => `## ${whole(size.interactions)} interactions of ${whole(size.customers)} customers

${tableOf(size)}
A refresh after something was written: ${size.refreshCpu.map((cpu) => cpu.toFixed(2)).join(', ')} CPU-seconds in ${size.refreshMs.map((one) => (one / 1_000).toFixed(1)).join(', ')} s; where nothing was: ${size.sameCpu.map((cpu) => cpu.toFixed(2)).join(', ')} CPU-seconds. ${whole(size.rows)} rows, ${(size.bytes / 2 ** 20).toFixed(1)} MiB on disk. The oldest of the answers of ${AGE_SECONDS} seconds, while customers were written, was ${(size.oldestMs / 1_000).toFixed(0)} s old. Of the answers of the API, ${size.fromChains} were read from the chains, since the aggregates were late. Other processes took ${size.otherCores.toFixed(1)} cores while times were taken. ${size.agreed}
`
  return `# Aggregates

Written by \`npm run bench:aggregates -- ${copies}\` on a machine with ${availableParallelism()} cores and ${whole(totalmem() / 2 ** 30)} GiB: breakpoints of 90 days, each time of other ones, in an embedded ClickHouse; times are of the whole call, in milliseconds, of one client. In ${ROUNDS} rounds in which the cases take turns, after one run each that does not count; refreshes go on meanwhile. CPU-seconds are the server's, a run, refreshes included.

${markdownTable([left('of the larger size'), right('asked'), right('measured')], verdicts)}
${section(large)}
${section(small)}
## How the data were made

As for [reports](reports.md), with one life a customer and a bit; but copies lie apart in time by up to two months, and their waits differ, so that what is counted by day and by wait is not one copy's many times over. _By hand_ are the two queries of \`tests/bench/aggregates-hand.ts\`. By arrays is the same question as far as an analyst would write it: chains by 30 days of silence out of everything that a customer did, of those that began in the period the places reached, where they broke, and the waits; without the patience of touchpoints, open chains, reasons, epilogues and who came back. \`windowFunnel\` counts how far people got along seven steps, of the interactions of the period alone.
`
}
