import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createClient } from '@clickhouse/client'
import { connect, migrate, startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import type { Interaction } from '../../packages/interactions/src/index.ts'
import { interactionColumns, pushInteraction } from '../../services/tracker/src/rows.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import { writeStream } from './stream.ts'
import { cpuSecondsOf, markdownTable, openForImport, percentile, writeBenchmark } from './support.ts'

/**
 * What an import costs, in CPU-seconds of everything (this process and the ClickHouse server), against what a user could
 * do instead with the same rows: `client.insert` of JSON objects, with no chains at all.
 * `npm run bench:import [-- INTERACTIONS CUSTOMERS]`; the page is docs/benchmarks/import.md.
 */

const interactionCount = Number(process.argv[2] ?? 1_000_000)
const customers = Number(process.argv[3] ?? 200_000)
/** Of the two ways to insert, which are compared over a part of the file. */
const INSERTED = Math.min(interactionCount, 300_000)
const ROWS_PER_INSERT = 50_000
const ROUNDS = 5
const MIGRATIONS = new URL('../../packages/clickhouse/migrations', import.meta.url).pathname

const folder = temporaryFolder()
const file = join(folder.path, 'events.jsonl')

interface Cost {
  readonly rows: number
  readonly cpu: number
  readonly wall: number
}

async function measure(rows: number, server: number, work: () => Promise<unknown>): Promise<Cost> {
  const [before, server0, wall0] = [process.cpuUsage(), cpuSecondsOf(server), performance.now()]
  await work()
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1e6 + cpuSecondsOf(server) - server0
  return { rows, cpu, wall: (performance.now() - wall0) / 1000 }
}

/** The insert path alone, both ways in turn, into the same kind of table; the first round only warms up. */
async function inserts(): Promise<{ json: Cost; native: Cost }> {
  const interactions: Interaction[] = []
  for await (const line of createInterface(createReadStream(file))) {
    interactions.push(JSON.parse(line))
    if (interactions.length === INSERTED) break
  }
  const server = await startEmbeddedServer({ directory: join(folder.path, 'inserts'), what: 'a benchmark' })
  const store = connect({ ...server, database: 'weaklink' })
  await migrate(store, MIGRATIONS)
  const { url, username, password } = server
  const client = createClient({ url, username, password, database: 'weaklink' })
  const batches = Array.from({ length: Math.ceil(interactions.length / ROWS_PER_INSERT) }, (_, k) =>
    interactions.slice(k * ROWS_PER_INSERT, (k + 1) * ROWS_PER_INSERT),
  )
  const json = async () => {
    for (const batch of batches) {
      await client.insert({
        table: 'interactions_log',
        values: batch.map(asRow),
        format: 'JSONEachRow',
        clickhouse_settings: { async_insert: 0, date_time_input_format: 'best_effort' },
      })
    }
  }
  const native = async () => {
    for (const batch of batches) {
      const rows = interactionColumns()
      for (const interaction of batch)
        pushInteraction(rows, { interaction, link: '', behind: '', catalogue: '', partition: 0, version: 1 })
      await store.insert('interactions_log', rows)
    }
  }
  const costs: { json: Cost[]; native: Cost[] } = { json: [], native: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, work] of [
      ['json', json],
      ['native', native],
    ] as const) {
      await store.command('TRUNCATE TABLE interactions_log')
      const cost = await measure(interactions.length, server.pid, work)
      if (round > 0) costs[name].push(cost)
    }
  }
  await client.close()
  await store.close()
  await server.stop()
  return { json: median(costs.json), native: median(costs.native) }
}

function median(costs: readonly Cost[]): Cost {
  const of = (what: 'cpu' | 'wall') =>
    percentile(
      costs.map((cost) => cost[what]).sort((a, b) => a - b),
      0.5,
    )
  return { rows: costs[0]?.rows ?? 0, cpu: of('cpu'), wall: of('wall') }
}

function asRow(interaction: Interaction): Record<string, unknown> {
  const { props, anonymousId, ...fields } = interaction
  return {
    kind: 'customer',
    ...fields,
    props: props === undefined ? '' : JSON.stringify(props),
    anonymousId: anonymousId ?? '',
    partition: 0,
    version: 1,
  }
}

/** From a file to queryable chains. */
async function wholeImport(): Promise<Cost> {
  const { workspace, importFile, stopTracker } = await openForImport(join(folder.path, 'data'))
  const pid = Number(JSON.parse(readFileSync(join(workspace.directory, 'clickhouse', 'endpoint.json'), 'utf8')).pid)
  const cost = await measure(interactionCount, pid, async () => {
    const { summary } = await importFile(file)
    if (summary.accepted !== interactionCount) throw new Error(`${summary.accepted} interactions were accepted`)
  })
  await stopTracker()
  await workspace.close()
  return cost
}

try {
  writeStream(file, { interactions: interactionCount, customers, days: 120 })
  const { json, native } = await inserts()
  const whole = await wholeImport()
  const right = (title: string) => ({ title, align: 'right' as const })
  const n = (value: number) => Math.round(value).toLocaleString('en-US')
  const row = (what: string, { rows, cpu, wall }: Cost) => [
    what,
    n(rows),
    wall.toFixed(1),
    cpu.toFixed(1),
    n(rows / cpu),
    (rows / cpu / (json.rows / json.cpu)).toFixed(2),
  ]
  writeBenchmark(
    'import',
    `# Import

Written by \`npm run bench:import -- ${interactionCount} ${customers}\`: a file of ${n(interactionCount)} interactions of ${n(customers)} customers. Rows per CPU-second count this process and the ClickHouse server together; the ratio is against inserting rows as JSON objects, without any chains. Of the inserts the medians of ${ROUNDS} runs, the ways taken in turn, ${n(ROWS_PER_INSERT)} rows an insert; the import once.

${markdownTable(
  [
    { title: 'what', align: 'left' },
    right('rows'),
    right('seconds'),
    right('CPU-seconds'),
    right('rows per CPU-second'),
    right('ratio'),
  ],
  [
    row('client.insert, JSON objects', json),
    row('our insert, Native columns', native),
    row('weaklink import: file → log → chains → ClickHouse', whole),
  ],
)}`,
  )
} finally {
  folder.remove()
}
