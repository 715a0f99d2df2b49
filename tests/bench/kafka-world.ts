import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Broker, startBroker } from '../../infra/kafka/broker.ts'
import {
  connect,
  type EmbeddedServer,
  migrate,
  type Store,
  startEmbeddedServer,
} from '../../packages/clickhouse/src/index.ts'
import { type EventLog, LogError, type NewRecord } from '../../packages/event-log/src/index.ts'
import { openKafkaLog, type TopicSettings } from '../../packages/event-log/src/kafka/index.ts'
import {
  encodeFact,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOfKey,
} from '../../packages/interactions/src/index.ts'
import { settingsFor, TOPICS } from '../../services/cli/src/topics.ts'
import { type LogPlace, MIGRATIONS, openLog } from '../../services/cli/src/workspace.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import type { Told, TrackerOrder } from './kafka-tracker-process.ts'
import { cpuSecondsOf, peakResidentMb } from './support.ts'

/** What the benchmarks of trackers have in common: a log, a ClickHouse of its own, and trackers in their own processes. */

/** A broker waits so long for further members when the first one joins an empty group: Apache's default, ours for tests is 0. */
export const REBALANCE_DELAY_MS = 3_000

/** A broker with the topics as `weaklink migrate` makes them. */
export async function startKafka(partitions: number): Promise<Broker> {
  const broker = await startBroker({
    properties: { 'group.initial.rebalance.delay.ms': String(REBALANCE_DELAY_MS) },
  })
  for (const topic of TOPICS) await createTopic(broker, topic, partitions, settingsFor(topic, { retentionMs: null }))
  return broker
}

const ATTEMPTS = 10
const ATTEMPT_MS = 500

/** A broker that is busy may not know a topic yet that it has just created. */
export async function createTopic(
  { brokers }: Broker,
  topic: string,
  partitions: number,
  settings: Partial<TopicSettings> = {},
): Promise<void> {
  const log = openKafkaLog({ brokers })
  for (let attempt = 1; ; attempt++) {
    try {
      await log.createTopic(topic, partitions, settings)
      break
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'topic_unknown') || attempt === ATTEMPTS) throw error
      await sleep(ATTEMPT_MS)
    }
  }
  await log.close()
}

export const kafkaPlace = ({ brokers }: Broker): LogPlace => ({
  directory: '',
  environment: { KAFKA_BROKERS: brokers.join(',') },
})

const APPENDED = 10_000

/** Appends interactions, each to the partition of its customer. */
export async function fill(place: LogPlace, interactions: Iterable<Interaction>): Promise<void> {
  const log = await openLog(place)
  const { partitions } = await log.describe(INTERACTIONS_TOPIC)
  let records: NewRecord[] = []
  const append = async () => {
    await log.append(INTERACTIONS_TOPIC, records)
    records = []
  }
  for (const interaction of interactions) {
    if (records.push(recordOf(interaction, partitions)) === APPENDED) await append()
  }
  await append()
  await log.close()
}

export function recordOf(interaction: Interaction, partitions: number): NewRecord {
  const record = encodeFact({ kind: 'interaction', interaction })
  return { partition: partitionOfKey(record.key ?? new Uint8Array(), partitions), ...record }
}

export interface ClickHouse {
  readonly server: EmbeddedServer
  readonly store: Store
  stop(): Promise<void>
}

/** An embedded server that others use as they would one of `CLICKHOUSE_URL`. */
export async function startClickHouse(): Promise<ClickHouse> {
  const folder = temporaryFolder()
  const server = await startEmbeddedServer({ directory: join(folder.path, 'clickhouse'), what: 'a benchmark' })
  const store = connect(optionsOf(server))
  await migrate(store, MIGRATIONS)
  return {
    server,
    store,
    async stop() {
      await store.close()
      await server.stop()
      folder.remove()
    },
  }
}

const optionsOf = ({ url, username, password }: EmbeddedServer) => ({ url, username, password, database: 'weaklink' })

export interface TrackerProcess {
  readonly pid: number
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly told: readonly Told[]
  /** Resolves with the first thing that it told, or will tell, of this kind. */
  heard<What extends Told['what']>(what: What): Promise<Extract<Told, { what: What }>>
  cpuSeconds(): number
  peakMb(): number
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

const PROCESS = fileURLToPath(new URL('kafka-tracker-process.ts', import.meta.url))

export function startTrackerProcess(
  log: LogPlace,
  { server }: ClickHouse,
  settings: TrackerOrder['settings'],
): TrackerProcess {
  const order: TrackerOrder = { log, clickhouse: optionsOf(server), settings }
  const startedAt = Date.now()
  const child: ChildProcess = fork(PROCESS, [JSON.stringify(order)])
  const told: Told[] = []
  child.on('message', (one: Told) => told.push(one))
  let ending = false
  const gone = once(child, 'exit')
  const failed = gone.then(([code, signal]) => {
    if (!ending) throw new Error(`a tracker ended with ${code ?? signal}`)
  })
  failed.catch(() => {})
  const pid = child.pid ?? 0
  return {
    pid,
    startedAt,
    told,
    async heard<What extends Told['what']>(what: What) {
      for (;;) {
        const found = told.find((one): one is Extract<Told, { what: What }> => one.what === what)
        if (found !== undefined) return found
        await Promise.race([once(child, 'message'), failed])
        if (ending) throw new Error(`a tracker was ended before it came to "${what}"`)
      }
    },
    cpuSeconds: () => cpuSecondsOf(pid),
    peakMb: () => peakResidentMb(pid),
    async end(signal) {
      ending = true
      child.kill(signal)
      await gone
    },
  }
}

const POLL_MS = 100

/** Resolves when everything that the log holds is durable in the store. */
export async function takenIn(log: EventLog, store: Store): Promise<void> {
  for (;;) {
    const ranges = await log.ranges(INTERACTIONS_TOPIC)
    const held = ranges.reduce((sum, { end }) => sum + end, 0)
    const [row] = await store.query<{ taken: number }>('SELECT sum(offset) AS taken FROM positions FINAL')
    if ((row?.taken ?? 0) >= held) return
    await sleep(POLL_MS)
  }
}
