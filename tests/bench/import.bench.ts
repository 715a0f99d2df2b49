import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { builtinCatalogue } from '../../packages/chains/src/index.ts'
import { connect, migrate, RowBinaryWriter, startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import { encode, type Interaction } from '../../packages/interactions/src/index.ts'
import { importFiles } from '../../services/cli/src/import/import.ts'
import { openWorkspace } from '../../services/cli/src/workspace.ts'
import { generateBusiness } from '../../services/simulator/src/index.ts'
import { startTracker } from '../../services/tracker/src/index.ts'
import { INTERACTION_COLUMNS, writeInteraction } from '../../services/tracker/src/rows.ts'
import { temporaryFolder } from '../support/weaklink.ts'

/**
 * What an import costs, in CPU-seconds of everything (this process and the ClickHouse server), against what a user could
 * do instead with the same rows: `client.insert` of JSON objects, with no chains at all.
 * `npm run bench:import [-- CUSTOMERS]`; the table goes to docs/benchmarks/import.md.
 */

const customers = Number(process.argv[2] ?? 40_000)
const ROWS_PER_INSERT = 50_000
const MIGRATIONS = new URL('../../packages/clickhouse/migrations', import.meta.url).pathname

const folder = temporaryFolder()
const interactions = generateBusiness({ seed: 1, customers, days: 120, start: Date.UTC(2026, 0, 5) }).interactions
const measured: { what: string; rows: number; cpu: number; wall: number }[] = []

/** CPU-seconds that a process has used so far (Linux). */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function measure(what: string, server: number, work: () => Promise<unknown>): Promise<void> {
  const [before, server0, wall0] = [process.cpuUsage(), cpuOf(server), performance.now()]
  await work()
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1e6 + cpuOf(server) - server0
  measured.push({ what, rows: interactions.length, cpu, wall: (performance.now() - wall0) / 1000 })
}

try {
  await inserts()
  await wholeImport()
  const text = table()
  process.stdout.write(text)
  writeFileSync(new URL('../../docs/benchmarks/import.md', import.meta.url), text)
} finally {
  folder.remove()
}

/** The insert path alone, both ways, into the same kind of table; twice each, the first to warm up. */
async function inserts(): Promise<void> {
  const server = await startEmbeddedServer({ directory: join(folder.path, 'inserts'), what: 'a benchmark' })
  const store = connect({ ...server, database: 'weaklink' })
  await migrate(store, MIGRATIONS)
  const client = createClient({
    url: server.url,
    username: server.username,
    password: server.password,
    database: 'weaklink',
  })
  const json = async () => {
    for (let k = 0; k < interactions.length; k += ROWS_PER_INSERT) {
      const values = interactions.slice(k, k + ROWS_PER_INSERT).map(asRow)
      await client.insert({
        table: 'interactions_log',
        values,
        format: 'JSONEachRow',
        clickhouse_settings: { async_insert: 0, date_time_input_format: 'best_effort' },
      })
    }
  }
  const binary = async () => {
    for (let k = 0; k < interactions.length; k += ROWS_PER_INSERT) {
      const writer = new RowBinaryWriter(1 << 20)
      for (const interaction of interactions.slice(k, k + ROWS_PER_INSERT))
        writeInteraction(writer, { interaction, partition: 0, version: 1 })
      await store.insert('interactions_log', INTERACTION_COLUMNS, [writer.finish()])
    }
  }
  await json()
  await binary()
  await measure('client.insert, JSON objects', server.pid, json)
  await measure('our insert, RowBinary', server.pid, binary)
  await client.close()
  await store.close()
  await server.stop()
}

/** From a file to queryable chains. */
async function wholeImport(): Promise<void> {
  const file = join(folder.path, 'events.jsonl')
  writeFileSync(file, interactions.map((interaction) => `${encode(interaction)}\n`).join(''))
  const workspace = await openWorkspace({
    dataDir: join(folder.path, 'data'),
    what: 'a benchmark',
    create: true,
    onRetry() {},
  })
  const log = await workspace.openLog()
  const tracker = await startTracker({
    log,
    store: workspace.trackerStore,
    catalogue: builtinCatalogue,
    clock: 'none',
    flushMs: 10_000,
  })
  const pid = Number(JSON.parse(readFileSync(join(workspace.directory, 'clickhouse', 'endpoint.json'), 'utf8')).pid)
  await measure('weaklink import: file → log → chains → ClickHouse', pid, () =>
    importFiles(workspace, log, tracker, { files: [file], clock: 'data', onProgress() {} }),
  )
  await tracker.stop()
  await workspace.close()
  rmSync(file)
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

function table(): string {
  const base = measured[0]
  const lines = measured.map(({ what, rows, cpu, wall }) => {
    const ratio = base === undefined ? 1 : rows / cpu / (base.rows / base.cpu)
    return `| ${what} | ${rows.toLocaleString('en-US')} | ${wall.toFixed(1)} | ${cpu.toFixed(1)} | ${Math.round(rows / cpu).toLocaleString('en-US')} | ${ratio.toFixed(2)} |`
  })
  return `# Import

Written by \`npm run bench:import -- ${customers}\`. Rows per CPU-second count this process and the ClickHouse server together; the ratio is against inserting the same rows as JSON objects, without any chains.

| what | rows | seconds | CPU-seconds | rows per CPU-second | ratio |
|---|---:|---:|---:|---:|---:|
${lines.join('\n')}
`
}
