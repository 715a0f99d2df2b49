import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { connect, type EmbeddedServer, type Store, startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import {
  type BreakpointsOptions,
  breakpoints,
  breakpointsQuery,
  chainsQuery,
  chainsReport,
  customerReport,
} from '../../packages/reports/src/index.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import { makeData } from './reports-data.ts'
import {
  cpuSecondsOf,
  cpuSecondsOfMachine,
  markdownTable,
  peakResidentMb,
  percentile,
  writeBenchmark,
} from './support.ts'

/**
 * How long reports take over 10 M interactions of 500,000 customers, against SQL by hand over the raw interactions.
 * `npm run bench:reports [-- COPIES]`, a copy being 5,000 customers; the page goes to docs/benchmarks/reports.md.
 */

const copies = Number(process.argv[2] ?? 100)
const COLD_STARTS = 10
/** Cases take turns, so that other work on the machine falls on all of them. */
const ROUNDS = 10
/** Fewer runs have no 99th percentile. */
const ENOUGH_FOR_P99 = 100

interface Case {
  readonly what: string
  readonly runs: number
  /** False where it is another question than where chains break. */
  readonly compared?: false
  readonly ask: (run: number) => Promise<unknown>
}

interface Measured extends Pick<Case, 'what' | 'compared'> {
  readonly ms: number[]
  /** CPU-seconds of the server, all runs together. */
  cpu: number
}

/**
 * What an analyst would write over the raw interactions: who was silent for 30 days, bought or refused begins anew;
 * the last touchpoint of what did not end in a sale is where it broke. A simpler question than ours: it knows no open
 * chains, no reasons, no reached, no waits, and takes what follows a sale for another attempt.
 */
const byHand = (table: string) => `
  SELECT piece[-1].2 AS touchpoint, count() AS broke
  FROM (
    SELECT
      arraySort(groupArray((at, touchpoint, outcome))) AS met,
      arrayJoin(arraySplit(
        (this, before) -> this.1 - before.1 > 30 * 86400 OR before.3 IN ('bought', 'refused'),
        met, arrayPushFront(arrayPopBack(met), met[1]))) AS piece
    FROM ${table}
    GROUP BY customer)
  WHERE piece[-1].3 != 'bought'
  GROUP BY touchpoint
  ORDER BY broke DESC`

const folder = temporaryFolder()
try {
  await makeData(folder.path, copies)
  const cold = await measureCold()
  const server = await start()
  const store = storeOf(server)
  const tables = await tablesOf(store)
  const others = otherWork(server)
  const warm = await measureWarm(server, store)
  const otherCores = others()
  const peakMb = peakResidentMb(server.pid)
  await store.close()
  await server.stop()
  writeBenchmark('reports', page({ tables, warm, cold, peakMb, otherCores }))
} finally {
  folder.remove()
}

function start(): Promise<EmbeddedServer> {
  return startEmbeddedServer({ directory: join(folder.path, 'clickhouse'), what: 'a benchmark' })
}

function storeOf(server: EmbeddedServer): Store {
  return connect({ ...server, database: 'weaklink' })
}

function ask(store: Store, options: BreakpointsOptions): Promise<unknown> {
  // From the chains: what the aggregates give is `npm run bench:aggregates`.
  return breakpoints(store, breakpointsQuery({ ...options, fresh: 'true' }))
}

async function measureWarm(server: EmbeddedServer, store: Store): Promise<Measured[]> {
  const customers = await store.query<{ customer: string }>(
    'SELECT customer FROM customer_chains ORDER BY sipHash64(customer) LIMIT 100',
  )
  const report = (options: BreakpointsOptions) => () => ask(store, options)
  const cases: Case[] = [
    { what: '`report breakpoints`', runs: 100, ask: report({}) },
    { what: '… `--by channel`', runs: 30, ask: report({ by: 'channel' }) },
    { what: '… `--from --to`, 30 days', runs: 30, ask: report({ from: '2025-06-01', to: '2025-07-01' }) },
    { what: '… `--at furthest`', runs: 30, ask: report({ at: 'furthest' }) },
    { what: '… `--within phone`', runs: 10, ask: report({ within: 'phone' }) },
    {
      what: '`report chains --state broken --place call_wait`',
      runs: 30,
      compared: false,
      ask: () => chainsReport(store, chainsQuery({ state: 'broken', place: 'call_wait' })),
    },
    {
      what: '`chain CUSTOMER`',
      runs: 100,
      compared: false,
      ask: (run) => customerReport(store, customers[run % customers.length]?.customer ?? ''),
    },
    { what: 'by hand, `interactions_log`', runs: 20, ask: () => store.query(byHand('interactions_log')) },
    { what: 'by hand, view `interactions`', runs: 20, ask: () => store.query(byHand('interactions')) },
    { what: '`SELECT 1`', runs: 100, compared: false, ask: () => store.query('SELECT 1') },
  ]
  const measured = cases.map(({ ask: _, runs: __, ...about }): Measured => ({ ...about, ms: [], cpu: 0 }))
  for (const { ask } of cases) await ask(0)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [k, { runs, ask }] of cases.entries()) {
      const into = measured[k] as Measured
      const cpu = cpuSecondsOf(server.pid)
      for (let run = 0; run < runs / ROUNDS; run++) into.ms.push(await timed(() => ask(round * 10 + run)))
      into.cpu += cpuSecondsOf(server.pid) - cpu
    }
  }
  return measured
}

interface Cold {
  readonly startMs: number[]
  readonly firstMs: number[]
  /** False where this process may not drop the page cache. */
  readonly pageCacheDropped: boolean
}

/** The server stopped, nothing of its data in memory, started again: its first answer. */
async function measureCold(): Promise<Cold> {
  const cold: Cold = { startMs: [], firstMs: [], pageCacheDropped: dropPageCache() }
  for (let run = 0; run < COLD_STARTS; run++) {
    dropPageCache()
    let server: EmbeddedServer | undefined
    cold.startMs.push(
      await timed(async () => {
        server = await start()
      }),
    )
    if (server === undefined) throw new Error('it started')
    const store = storeOf(server)
    cold.firstMs.push(await timed(() => ask(store, {})))
    await store.close()
    await server.stop()
  }
  return cold
}

/** How many cores other processes took meanwhile: with none to spare, times say less than CPU-seconds. */
function otherWork(server: EmbeddedServer): () => number {
  const others = () => cpuSecondsOfMachine() - cpuSecondsOf(server.pid) - cpuSecondsOf(process.pid)
  const [from, start] = [others(), performance.now()]
  return () => Math.max(0, others() - from) / ((performance.now() - start) / 1_000)
}

function dropPageCache(): boolean {
  try {
    execFileSync('sync')
    writeFileSync('/proc/sys/vm/drop_caches', '3')
    return true
  } catch {
    return false
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

interface TableSize {
  readonly table: string
  readonly rows: number
  readonly parts: number
  readonly bytes: number
}

function tablesOf(store: Store): Promise<TableSize[]> {
  return store.query(`
    SELECT table, sum(rows) AS rows, count() AS parts, sum(bytes_on_disk) AS bytes
    FROM system.parts WHERE active AND database = 'weaklink' AND table IN ('interactions_log', 'customer_chains')
    GROUP BY table ORDER BY table DESC`)
}

interface Figures {
  readonly tables: readonly TableSize[]
  readonly warm: readonly Measured[]
  readonly cold: Cold
  readonly peakMb: number
  readonly otherCores: number
}

function page({ tables, warm, cold, peakMb, otherCores }: Figures): string {
  const whole = (n: number) => Math.round(n).toLocaleString('en-US')
  const p50 = (ms: readonly number[]) =>
    percentile(
      ms.toSorted((a, b) => a - b),
      0.5,
    )
  const ms = (value: number) => (value < 100 ? value.toFixed(1) : whole(value))
  const right = (title: string) => ({ title, align: 'right' as const })
  const left = (title: string) => ({ title, align: 'left' as const })
  const handMs = p50(warm.find(({ what }) => what === 'by hand, `interactions_log`')?.ms ?? [])

  const warmRows = warm.map(({ what, compared, ms: all, cpu }) => {
    const sorted = all.toSorted((a, b) => a - b)
    const p99 = sorted.length < ENOUGH_FOR_P99 ? '' : ms(percentile(sorted, 0.99))
    const times = compared === false ? '' : (handMs / p50(all)).toFixed(2)
    return [
      what,
      whole(sorted.length),
      ms(p50(all)),
      p99,
      ms(percentile(sorted, 1)),
      (cpu / sorted.length).toFixed(3),
      times,
    ]
  })
  const coldRow = (what: string, all: readonly number[]) => [
    what,
    whole(all.length),
    ms(p50(all)),
    ms(Math.max(...all)),
  ]
  const customers = whole(copies * 5_000)
  const interactions = whole(tables.find(({ table }) => table === 'interactions_log')?.rows ?? 0)

  return `# Reports

Written by \`npm run bench:reports -- ${copies}\`: ${interactions} interactions of ${customers} customers in an embedded ClickHouse on a machine with ${availableParallelism()} cores and ${whole(totalmem() / 2 ** 30)} GiB. Every answer comes through the same functions and the same HTTP client as those of \`weaklink report\`; times are of the whole call, in milliseconds.

## Warm

In ${ROUNDS} rounds in which the cases take turns, after one run each that does not count. The 99th percentile stands where there are at least ${ENOUGH_FOR_P99} runs. CPU-seconds are the server's, a run. Other processes took ${otherCores.toFixed(1)} of the ${availableParallelism()} cores meanwhile. The last column is the p50 of the query by hand over \`interactions_log\`, divided by the p50 of the row.

${markdownTable(
  [left('what'), ...['runs', 'p50', 'p99', 'max', 'CPU-seconds', '× faster than by hand'].map(right)],
  warmRows,
)}
_By hand_ is what an analyst would write over the raw interactions: an array of each customer's interactions by time, split after 30 days of silence, a purchase or a refusal, and the last touchpoint of each piece that did not end in a sale. It answers a simpler question: no open chains, no reasons, no \`reached\`, no excess, no waits, and a delivery after a sale counts as another attempt. Over \`interactions_log\` it trusts that no id is there twice; the view makes sure of it.

## Cold

The server stopped, ${cold.pageCacheDropped ? 'the page cache of the system dropped' : 'the page cache of the system NOT dropped (that needs root)'}, and the server started again; then the first answer.

${markdownTable(
  [left('what'), ...['runs', 'p50', 'max'].map(right)],
  [coldRow('start of the server, until it answers', cold.startMs), coldRow('first `report breakpoints`', cold.firstMs)],
)}
## Size

${markdownTable(
  [left('table'), ...['rows', 'parts', 'MiB on disk', 'bytes an interaction'].map(right)],
  tables.map(({ table, rows, parts, bytes }) => [
    `\`${table}\``,
    whole(rows),
    whole(parts),
    whole(bytes / 2 ** 20),
    (bytes / (tables[0]?.rows ?? 1)).toFixed(1),
  ]),
)}
The server's resident memory while all this was asked warm came to ${whole(peakMb)} MiB at most.

## How the data were made

The simulator's business of a year, in which 5,000 customers live two or three lives each, is imported by the tracker as any file is. ClickHouse then multiplies what the tracker wrote ${copies} times, under other ids of customers, chains and interactions, one copy an insert. The ids of customers are in no order, so that copies are not neighbours in the tables, but times and fields are the same in every copy, which compresses somewhat better than ${customers} different customers would. One customer in ten is written a second time, as when somebody comes back. Then nothing is optimized by hand: we wait until the server has merged what it wants to, and ask it as it is.
`
}
