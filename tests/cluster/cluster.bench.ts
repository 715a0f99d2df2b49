import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtinCatalogue } from '../../packages/chains/src/index.ts'
import { migrate, type Store } from '../../packages/clickhouse/src/index.ts'
import { startTestStore } from '../../packages/clickhouse/src/test-support.ts'
import { openEmbeddedLog } from '../../packages/event-log/src/embedded/index.ts'
import {
  encodeFact,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOf,
  personOf,
  REJECTED_TOPIC,
} from '../../packages/interactions/src/index.ts'
import { breakpoints, breakpointsQuery } from '../../packages/reports/src/index.ts'
import { clickhouseStore, startTracker } from '../../services/tracker/src/index.ts'
import { stream } from '../bench/stream.ts'
import { cpuSecondsOf, markdownTable, writeBenchmark } from '../bench/support.ts'
import { startCluster } from './engines.ts'

/**
 * What a cluster costs, in CPU-seconds, against one server: the same log, tracked into one, then asked the same.
 * `npm run bench:cluster [-- INTERACTIONS CUSTOMERS]`; the page is docs/benchmarks/cluster.md.
 */

const interactions = Number(process.argv[2] ?? 300_000)
const customers = Number(process.argv[3] ?? 60_000)
const PARTITIONS = 4
const LOADED = 5_000
const ROUNDS = 10
const MIGRATIONS = fileURLToPath(new URL('../../packages/clickhouse/migrations', import.meta.url))

const folder = await mkdtemp(join(tmpdir(), 'weaklink-bench-cluster-'))
const log = await openEmbeddedLog(folder)
await log.createTopic(INTERACTIONS_TOPIC, PARTITIONS)
await log.createTopic(REJECTED_TOPIC, 1)
const append = (some: readonly Interaction[]) =>
  log.append(
    INTERACTIONS_TOPIC,
    some.map((interaction) => ({
      partition: partitionOf(personOf(interaction).customer, PARTITIONS),
      ...encodeFact({ kind: 'interaction', interaction }),
    })),
  )
let waiting: Interaction[] = []
for (const interaction of stream({ interactions, customers, days: 60 })) {
  waiting.push(interaction)
  if (waiting.length < 5_000) continue
  await append(waiting)
  waiting = []
}
await append(waiting)

interface Setup {
  readonly store: Store
  readonly pids: readonly number[]
}

/** CPU-seconds a time. */
interface Cost {
  readonly tracker: number
  readonly servers: number
}

async function cost(pids: readonly number[], times: number, work: () => Promise<unknown>): Promise<Cost> {
  const cpuOfServers = () => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  const [before, servers] = [process.cpuUsage(), cpuOfServers()]
  for (let round = 0; round < times; round++) await work()
  const { user, system } = process.cpuUsage(before)
  return { tracker: (user + system) / 1e6 / times, servers: (cpuOfServers() - servers) / times }
}

async function measure({ store, pids }: Setup): Promise<Record<string, Cost>> {
  const trackerStore = clickhouseStore(store, (operation) => operation())
  const tracked = await cost(pids, 1, async () => {
    const tracker = await startTracker({ log, store: trackerStore, catalogue: builtinCatalogue, clock: 'none' })
    await tracker.settled()
    await tracker.stop()
  })
  let from = 0
  const load = () => {
    const persons = Array.from({ length: LOADED }, (_, k) => {
      return { kind: 'customer', customer: `customer-${((from + k) * 7_919) % customers}` } as const
    })
    from += LOADED
    return trackerStore.loadHistories(persons, Number.MAX_SAFE_INTEGER)
  }
  const ask = () => breakpoints(store, breakpointsQuery({ fresh: 'true' }))
  const view = () => store.query('SELECT place, reason, count() FROM chains GROUP BY ALL')
  for (const warmUp of [load, ask, view]) await warmUp()
  return {
    [`tracking all ${interactions.toLocaleString('en')} interactions`]: tracked,
    [`loading ${LOADED.toLocaleString('en')} customers`]: await cost(pids, ROUNDS, load),
    '`report breakpoints`': await cost(pids, ROUNDS, ask),
    '`SELECT … FROM chains GROUP BY …`': await cost(pids, ROUNDS, view),
  }
}

const single = await startTestStore()
await migrate(single.store, MIGRATIONS)
const ofOne = await measure({ store: single.store, pids: [single.server?.pid ?? 0] })
await single.stop()

const cluster = await startCluster('weaklink')
const [first] = cluster.engines
if (first === undefined) throw new Error('the cluster has no servers')
await migrate(first.store, MIGRATIONS, { cluster: cluster.name })
const ofCluster = await measure({ store: first.store, pids: cluster.engines.map(({ pid }) => pid) })
await cluster.stop()
await log.close()
await rm(folder, { recursive: true })

const rows = Object.entries(ofOne).map(([what, one]) => {
  const four = ofCluster[what]
  if (four === undefined) throw new Error(`${what} was not measured`)
  return [what, ...[one.tracker, one.servers, four.tracker, four.servers].map((seconds) => seconds.toFixed(3))]
})
const columns = ['one server: the tracker', 'the server', 'cluster: the tracker', 'all four servers']

writeBenchmark(
  'cluster',
  `# Cluster

Written by \`npm run bench:cluster -- ${interactions} ${customers}\`: the same log of ${PARTITIONS} partitions, with ${interactions.toLocaleString('en')} interactions of ${customers.toLocaleString('en')} customers, taken in by one tracker into one embedded ClickHouse, and then into four of them as a cluster of two shards with two replicas, all on one machine with ${cpus().length} cores. In CPU-seconds, which hardly depend on what else the machine does; how fast a cluster is cannot be measured on one machine. Below the first line means of ${ROUNDS} times.

The second copy of each row is inserted like the first here, where replication would copy the finished part: what four servers take is more than it would be. How the cluster is made: \`tests/cluster/engines.ts\`.

${markdownTable(
  [{ title: 'what', align: 'left' }, ...columns.map((title) => ({ title, align: 'right' as const }))],
  rows,
)}`,
)
