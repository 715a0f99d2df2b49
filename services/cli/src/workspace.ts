import { existsSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  connect,
  DEFAULT_DATABASE,
  type EmbeddedServer,
  type Endpoint,
  migrate,
  readEndpoint,
  type Store,
  StoreError,
  startEmbeddedServer,
} from '@weaklink/clickhouse'
import { type EventLog, LogError } from '@weaklink/event-log'
import type { EmbeddedLog } from '@weaklink/event-log/embedded'
import type { KafkaLog } from '@weaklink/event-log/kafka'
import { eventHeaders, INTERACTIONS_TOPIC, RECORD_HEADER, REJECTED_TOPIC } from '@weaklink/interactions'
import { InUseError, retry } from '@weaklink/runtime'
import { clickhouseStore, followedPositions, type Position, type TrackerStore } from '@weaklink/tracker'
import { analystStore, readOnlyStore } from './analyst.ts'
import { CommandError, UsageError } from './terminal.ts'
import { type Service, serviceOf } from './up/service.ts'

/**
 * A **workspace** is what a command works on: a log and a ClickHouse, both embedded in a data directory unless
 * `KAFKA_BROKERS` and `CLICKHOUSE_URL` name others. Where `weaklink up` runs on the directory, it is that one's
 * ClickHouse, and that one's tracker takes in what is appended to the log.
 */
export interface Workspace {
  readonly directory: string
  /** The `weaklink up` that runs on the directory, null where none does. */
  readonly service: Service | null
  readonly store: Store
  /** The store for queries of a person: through an account (or under settings) that can only read. */
  readonly analyst: Store
  /** The store as the tracker asks it; waits out a server that is away, up to the limit of the command. */
  readonly trackerStore: TrackerStore
  /** @throws {LogError} as `openLog` */
  openLog(): Promise<EmbeddedLog | KafkaLog>
  /** The Kafka that the environment names, whatever topics it has; null where the log is the embedded one. */
  openKafka(): Promise<KafkaLog | null>
  close(): Promise<void>
}

export interface WorkspaceOptions {
  readonly dataDir: string
  /** The command, for the message that another process gets: `weaklink import`. */
  readonly what: string
  /** False: the directory must already hold data. */
  readonly create: boolean
  /** Always the log and the server of the directory, whatever the environment says. */
  readonly embedded?: boolean
  readonly onRetry: (message: string) => void
}

/** How long a command waits for a store that is away or full before it gives up; a service waits for ever. */
const GIVE_UP_MS = Number(process.env.WEAKLINK_GIVE_UP_SECONDS ?? 60) * 1_000
const ENDPOINT_POLL_MS = 250
export const MIGRATIONS = fileURLToPath(new URL('../../../packages/clickhouse/migrations', import.meta.url))

/** The cluster of ClickHouse servers that the environment names, of those that `CLICKHOUSE_URL` knows. */
export function clusterIn({ CLICKHOUSE_URL, CLICKHOUSE_CLUSTER }: LogPlace['environment']): { cluster?: string } {
  const cluster = CLICKHOUSE_CLUSTER?.trim()
  return CLICKHOUSE_URL && cluster ? { cluster } : {}
}

/** One partition is enough for one tracker; see ARCHITECTURE.md. */
const EMBEDDED_PARTITIONS = 1

/**
 * Opens the workspace: starts the embedded server where there is no other, and brings the schema up to date.
 *
 * @throws InUseError where another command works on the directory
 */
export async function openWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const directory = resolve(options.dataDir)
  const environment = options.embedded === true ? {} : process.env
  const external = environment.CLICKHOUSE_URL
  if (existsSync(directory) && !statSync(directory).isDirectory()) {
    throw new UsageError(`${directory} is a file; --data-dir names a directory.`)
  }
  const running = await serviceOf(directory)
  if (!options.create && !external && running === null && !existsSync(join(directory, 'clickhouse'))) {
    throw new UsageError(
      `${directory} holds no Weaklink data. Import something first (weaklink import FILE), or name another directory with --data-dir.`,
    )
  }
  await mkdir(directory, { recursive: true })
  const { server, service, endpoint } = await clickhouseOf(directory, running, external, options)
  if (service !== null) requireSameLog(directory, service, environment.KAFKA_BROKERS?.trim())
  const store = connect({ ...endpoint, database: DEFAULT_DATABASE })
  const analyst = analystStore(endpoint, environment) ?? readOnlyStore(endpoint)
  /** Why it will not answer any more. */
  let gone: string | null = null
  server?.exited.then(({ expected, reason }) => {
    if (!expected) gone = `The embedded ClickHouse in ${directory} is gone: ${reason}.`
  })
  const lookForService = async () => {
    if (service === null) return
    const now = await serviceOf(directory).catch(() => service)
    if (now?.pid !== service.pid) gone = `weaklink up (process ${service.pid}) has ended.`
  }
  const attempt = async <T>(operation: () => Promise<T>): Promise<T> => {
    const until = Date.now() + GIVE_UP_MS
    try {
      return await retry(operation, {
        firstDelayMs: 200,
        maxDelayMs: 5_000,
        giveUp: (error) => !(error instanceof StoreError && error.retriable) || gone !== null || Date.now() > until,
        onRetry: (error) => {
          void lookForService()
          options.onRetry(`${error instanceof Error ? error.message : error} Trying again …`)
        },
      })
    } catch (error) {
      if (gone === null) throw error
      const advice = 'What was acknowledged is kept; run the same command again to complete it.'
      throw new StoreError('unreachable', `${gone} ${advice}`, error)
    }
  }
  const logs: EventLog[] = []
  let kafka: Promise<KafkaLog | null> | undefined
  const openKafkaOnce = () => {
    kafka ??= openKafka(environment).then((log) => {
      if (log !== null) logs.push(log)
      return log
    })
    return kafka
  }
  const close = async () => {
    for (const log of logs) await log.close()
    await analyst.close()
    await store.close()
    await server?.stop()
  }
  try {
    // A service has done it.
    if (service === null) await migrate(store, MIGRATIONS, clusterIn(environment))
  } catch (error) {
    await close()
    throw error
  }
  return {
    directory,
    service,
    store,
    analyst,
    trackerStore: clickhouseStore(store, attempt),
    async openLog() {
      const kafka = await openKafkaOnce()
      if (kafka !== null) return await requireTopics(kafka)
      const log = await openEmbedded(directory)
      logs.push(log)
      return log
    },
    openKafka: openKafkaOnce,
    close,
  }
}

/**
 * The log that the environment names: Kafka where it has `KAFKA_BROKERS`, else the embedded one of a data directory, which
 * several processes may have open.
 *
 * @throws {LogError} `topic_unknown` where Kafka lacks a topic: only `weaklink migrate` creates them there
 */
export async function openLog({ directory, environment }: LogPlace): Promise<EmbeddedLog | KafkaLog> {
  const kafka = await openKafka(environment)
  if (kafka === null) return await openEmbedded(directory)
  try {
    return await requireTopics(kafka)
  } catch (error) {
    await kafka.close()
    throw error
  }
}

/** @throws {LogError} `topic_unknown`, with what to do about it */
async function requireTopics(kafka: KafkaLog): Promise<KafkaLog> {
  try {
    for (const topic of [INTERACTIONS_TOPIC, REJECTED_TOPIC]) await kafka.describe(topic)
    return kafka
  } catch (error) {
    if (!(error instanceof LogError && error.code === 'topic_unknown')) throw error
    const remedy =
      'Create the topics once, with as many partitions as they are ever to have: weaklink migrate --partitions 8'
    throw new LogError('topic_unknown', `${error.message}. ${remedy}`, { cause: error })
  }
}

export interface LogPlace {
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Records of the embedded log of a directory that were never taken in, where that is the log that was followed so far, or
 * none was: once another log is followed, nobody looks at them any more.
 */
export async function recordsLeftBehind(directory: string, positions: readonly Position[]): Promise<number> {
  if (!existsSync(join(directory, 'log'))) return 0
  const log = await openEmbedded(directory)
  try {
    const { identity } = await log.describe(INTERACTIONS_TOPIC)
    const followed = followedPositions(positions)
    if (followed.some(({ logIdentity }) => logIdentity !== identity)) return 0
    const ranges = await log.ranges(INTERACTIONS_TOPIC)
    const taken = (partition: number) => followed.find((one) => one.partition === partition)?.offset
    return ranges.reduce((sum, { partition, start, end }) => sum + end - (taken(partition) ?? start), 0)
  } finally {
    await log.close()
  }
}

/** What to do about them. */
export const leftBehindText = (directory: string, records: number): string =>
  `The embedded log in ${directory} holds ${records === 1 ? '1 record that is' : `${records.toLocaleString('en-US')} records that are`} not taken in, and once Kafka is ` +
  'followed nobody looks at them any more. Unset KAFKA_BROKERS, let weaklink up on this directory take them in (weaklink ' +
  'doctor says when), and come back. To leave them behind for good: weaklink migrate --new-log --leave-behind.'

/** The Kafka that the environment names, whatever topics it has; null where it names none. */
export async function openKafka(environment: LogPlace['environment']): Promise<KafkaLog | null> {
  if (!environment.KAFKA_BROKERS?.trim()) return null
  const { kafkaOptionsOf, openKafkaLog } = await import('@weaklink/event-log/kafka')
  const options = kafkaOptionsOf(environment)
  if (options === null) return null
  return openKafkaLog({
    ...options,
    // Interactions are CloudEvents there, so that whoever reads the topic knows what they are.
    headersFor: (topic, { value, headers }) =>
      topic === INTERACTIONS_TOPIC && headers?.[RECORD_HEADER] === undefined ? eventHeaders(value) : {},
  })
}

async function openEmbedded(directory: string): Promise<EmbeddedLog> {
  const { openEmbeddedLog } = await import('@weaklink/event-log/embedded')
  const log = await openEmbeddedLog(join(directory, 'log'))
  try {
    await log.createTopic(INTERACTIONS_TOPIC, EMBEDDED_PARTITIONS)
    await log.createTopic(REJECTED_TOPIC, EMBEDDED_PARTITIONS)
    return log
  } catch (error) {
    await log.close()
    throw error
  }
}

interface ClickHouse {
  /** Ours, to be stopped at the end; null where somebody else runs it. */
  readonly server: EmbeddedServer | null
  readonly service: Service | null
  readonly endpoint: Endpoint | { readonly url: string }
}

async function clickhouseOf(
  directory: string,
  service: Service | null,
  external: string | undefined,
  options: WorkspaceOptions,
): Promise<ClickHouse> {
  if (service !== null) return clickhouseOfService(directory, service, external, options)
  if (external) return { server: null, service, endpoint: { url: external } }
  try {
    const server = await startEmbeddedServer({ directory: join(directory, 'clickhouse'), what: options.what })
    return { server, service, endpoint: server }
  } catch (error) {
    // It may have begun to run just then.
    const begun = error instanceof InUseError ? await serviceOf(directory) : null
    if (begun === null) throw error
    return clickhouseOfService(directory, begun, external, options)
  }
}

/** @throws UsageError where the service keeps its rows elsewhere than this command would look for them */
async function clickhouseOfService(
  directory: string,
  service: Service,
  external: string | undefined,
  options: WorkspaceOptions,
): Promise<ClickHouse> {
  const there = service.clickhouse === 'embedded' ? undefined : service.clickhouse
  if (there !== (external && addressOf(external))) {
    throw new UsageError(
      `weaklink up (process ${service.pid}) on ${directory} keeps its rows in ${there ?? 'the embedded ClickHouse'}; ` +
        `here CLICKHOUSE_URL names ${external ? addressOf(external) : 'nothing'}. ${there ? `Set it to ${there} too.` : 'Unset it.'}`,
    )
  }
  if (external) return { server: null, service, endpoint: { url: external } }
  const until = Date.now() + GIVE_UP_MS
  for (let noted = false; ; noted = true) {
    const endpoint = await readEndpoint(join(directory, 'clickhouse'))
    if (endpoint !== null) return { server: null, service, endpoint }
    if (Date.now() > until) {
      throw new CommandError(
        `The ClickHouse of weaklink up (process ${service.pid}) does not answer; ${service.url}/readyz says why.`,
      )
    }
    if (!noted) options.onRetry('The ClickHouse of weaklink up does not answer at the moment. Trying again …')
    await sleep(ENDPOINT_POLL_MS)
  }
}

/**
 * What is appended to the embedded log while the service follows Kafka, or the other way round, would wait for ever.
 *
 * @throws UsageError
 */
function requireSameLog(directory: string, service: Service, brokers: string | undefined): void {
  const isEmbedded = service.log === 'embedded'
  if (isEmbedded === !brokers) return
  throw new UsageError(
    `weaklink up (process ${service.pid}) on ${directory} has its log in ${isEmbedded ? 'this directory' : `Kafka at ${service.log}`}; ` +
      `here KAFKA_BROKERS names ${brokers || 'nothing'}. ${isEmbedded ? 'Unset it.' : `Set it to ${service.log} too.`}`,
  )
}

/** Without user and password, as a store tells it. */
function addressOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`.replace(/\/$/, '')
}
