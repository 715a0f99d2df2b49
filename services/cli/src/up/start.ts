import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { api, type Refused, type RevisedCustomer } from '@weaklink/api'
import { collector } from '@weaklink/collector'
import { keyRing, keysOf, lockFile, type StoredKeys } from '@weaklink/runtime'
import { httpServer } from '@weaklink/runtime/http'
import type { Logger } from '@weaklink/runtime/logger'
import { CommandError, UsageError } from '../terminal.ts'
import { clusterIn, leftBehindText, recordsLeftBehind } from '../workspace.ts'
import type { AlertingOptions } from './alerts.ts'
import { DEFAULT_HOST, DEFAULT_PORT, finishing, listen } from './http.ts'
import { serviceLog } from './log.ts'
import { createRegistry, measureDisk, measureLog, measurePipeline, measureStore } from './metrics.ts'
import { type Pipeline, startPipeline } from './pipeline.ts'
import {
  type Environment,
  needsStore,
  type PlanOptions,
  planOf,
  requireKeysBeyondLoopback,
  type ServiceName,
} from './plan.ts'
import { holdDirectory } from './service.ts'
import { openServiceStore, type ServiceStore } from './store.ts'

export interface UpOptions extends PlanOptions {
  /** Default 7575; 0 takes any free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Who holds the directory, for the message that the next one gets; default `weaklink up`. */
  readonly what?: string
  /** Where people find it, for links in alerts; default: where it answers. */
  readonly baseUrl?: string | undefined
  readonly logger: Logger
  /** Ends the start: what was started is stopped again, and the start rejects. */
  readonly signal?: AbortSignal
}

export interface Running {
  readonly services: readonly ServiceName[]
  /** Where it answers, for this machine. */
  readonly url: string
  /** Null where it uses none. */
  readonly directory: string | null
  /** Of the data directory, null where it uses none. Those of the environment count as well. */
  readonly keys: StoredKeys | null
  /** The keys were made now: the only time that they are shown. */
  readonly minted: boolean
  /** `embedded`, or the brokers of `KAFKA_BROKERS`. */
  readonly log: string
  /** `embedded`, or the address of the server of `CLICKHOUSE_URL`; null where it needs none. */
  readonly clickhouse: string | null
  /** The file of the rules that it alerts by; null where it does not. */
  readonly alerts: string | null
  /** Resolves when what was acknowledged so far is in every answer, judged as of this instant (epoch milliseconds). */
  judged(instant: number): Promise<void>
  /**
   * Refuses further requests, finishes those under way, writes what was taken in, and ends everything. Nothing
   * acknowledged is lost where ClickHouse is away meanwhile: the log has it.
   */
  stop(): Promise<void>
  /** Resolves after `stop`; rejects when it cannot go on, and is then to be stopped. */
  readonly done: Promise<void>
}

/** How long a service that stops waits for a ClickHouse or a Kafka that is away. */
const AWAY_MS = 5_000
/** How long a process waits for another one that makes the keys of a directory just now. */
const KEYS_MS = 5_000

/**
 * Starts what is to run in this process: the log, the tracker, one HTTP server with collector and API, the alerts where there
 * are rules; ClickHouse as a child process, unless `CLICKHOUSE_URL` names one. With `KAFKA_BROKERS` it may be a part of these.
 *
 * @throws InUseError where somebody works on the directory; CommandError, UsageError, LogError, StoreError where something
 * is not as it must be
 */
export async function startUp(options: UpOptions): Promise<Running> {
  const {
    environment,
    logger,
    signal,
    baseUrl,
    what = 'weaklink up',
    host = DEFAULT_HOST,
    port = DEFAULT_PORT,
  } = options
  const plan = planOf(options)
  const { services, alertsFile, isWhole, brokers, clickhouseUrl, directory } = plan
  const [collects, tracks, answers] = [has(services, 'collector'), has(services, 'tracker'), has(services, 'api')]
  requireKeysBeyondLoopback(host, services, environment)
  // A mistake in the rules is told before anything starts.
  const rules = alertsFile === null ? null : await alertsOf(alertsFile, environment)
  const asks = needsStore(services) || (rules?.asksStore ?? false)
  if (asks && clickhouseUrl === null && !isWhole) throw new UsageError(WITHOUT_STORE)
  if (directory !== null) await mkdir(directory, { recursive: true })

  // What was started is ended in the opposite order, at the end or where the start fails.
  await using started = new AsyncDisposableStack()
  // Parts may share a directory: it holds nothing but their keys.
  const hold = directory !== null && isWhole ? await holdDirectory(directory, what) : null
  started.defer(() => hold?.release())
  const own = directory === null ? null : isWhole ? keysOf(directory) : await sharedKeysOf(directory)
  const store = asks
    ? await openServiceStore({
        directory: directory ?? '',
        what,
        url: clickhouseUrl ?? undefined,
        cluster: clickhouseUrl === null ? {} : clusterIn(environment),
        environment,
        logger,
      })
    : null
  started.defer(() => store?.close())
  const log = serviceLog({ directory, brokers, environment, logger })
  started.defer(() => log.close())
  // A Kafka that is away is waited for, and said to who asks meanwhile; this one is here or broken.
  if (brokers === null) await log.open(signal)
  signal?.throwIfAborted()

  let pipeline: Pipeline | null = null
  let isStarted = false
  const written = announcements<RevisedCustomer>()
  const refused = announcements<readonly Refused[]>()
  const registry = createRegistry()
  measureLog(registry, log)
  if (directory !== null) measureDisk(registry, directory)
  if (store !== null) measureStore(registry, store)
  if (tracks) measurePipeline(registry, () => pipeline)
  const ring = keyRing(own?.keys ?? null, environment)
  const starting = () =>
    store?.trouble() ??
    (tracks && brokers !== null
      ? 'Weaklink is starting: the group gives the tracker its share, which takes up to KAFKA_SESSION_MS (30 s) after another one died.'
      : 'Weaklink is starting.')
  const overloaded = () => {
    // Kafka keeps what waits, whoever takes it in.
    if (brokers !== null) return log.trouble()
    return pipeline === null ? starting() : pipeline.overloaded()
  }
  const server = await httpServer({
    keys: ring,
    registry,
    logger,
    notReady: () =>
      requests.stopping()
        ? 'Weaklink is stopping.'
        : (log.trouble() ?? store?.trouble() ?? (isStarted ? null : starting()) ?? overloaded()),
  })
  const requests = finishing(server)
  if (collects) {
    const watch = answers ? { onRejected: refused.tell } : {}
    await server.register(collector({ log: log.log, keys: ring, registry, overloaded, ...watch }))
  }
  if (answers && store !== null) {
    const told = { ...(tracks && { revised: written.listen }), ...(collects && { refused: refused.listen }) }
    await server.register(
      api({ store: store.store, analyst: store.analyst, log: log.log, keys: ring, registry, ...told }),
    )
  }
  started.defer(() => server.close())
  const url = await listen(server, host, port)
  own?.keep()

  if (brokers !== null) await log.open(signal)
  await store?.migrate(signal)
  if (tracks && store !== null) {
    const isAlone = brokers === null
    if (!isAlone && directory !== null) await refuseToLeaveBehind(directory, store)
    const running = await startPipeline({ log, store, isAlone, onWritten: (rows) => rows.forEach(written.tell) })
    pipeline = running
    started.defer(() => running.stop())
  }
  signal?.throwIfAborted()
  const alerts =
    rules?.start({ log: log.patientLog, store: store?.store ?? null, registry, logger, baseUrl: baseUrl ?? url }) ??
    null
  started.defer(() => (alerts === null ? undefined : log.ending(alerts.stop())))
  isStarted = true
  const places = { log: log.place, clickhouse: store?.place ?? null }
  // Only now: whoever finds it asks its tables.
  hold?.publish({
    pid: process.pid,
    url,
    since: new Date().toISOString(),
    log: log.place,
    clickhouse: store?.place ?? 'embedded',
    alerts: alertsFile,
  })
  started.defer(() => hold?.withdraw())

  logger.info({ services, url, directory, ...places }, 'weaklink is up')
  const end = started.move()
  const stopped = Promise.withResolvers<void>()
  let stopping: Promise<void> | undefined
  const stop = async () => {
    logger.info('weaklink stops')
    await requests.finish()
    store?.giveUpIn(AWAY_MS)
    log.giveUpIn(AWAY_MS)
    await end.disposeAsync()
    logger.info('weaklink has stopped')
  }
  const ends = [pipeline?.done, alerts?.done].flatMap((end) =>
    end === undefined ? [] : [end.then(() => stopped.promise)],
  )
  const done = Promise.race([...ends, stopped.promise])
  done.catch(() => {})
  return {
    services,
    url,
    directory,
    keys: own?.keys ?? null,
    minted: own?.minted ?? false,
    ...places,
    alerts: alertsFile,
    judged: async (instant) => pipeline?.judged(instant),
    stop: () => {
      stopping ??= stop().finally(stopped.resolve)
      return stopping
    },
    done,
  }
}

const WITHOUT_STORE =
  'A rule of the alerts is about breaks (breakRate), which stand in ClickHouse: set CLICKHOUSE_URL (http://user:password@host:8123).'

/** Only who alerts loads what that takes. */
async function alertsOf(file: string, environment: Environment) {
  const { alerting, asksStore, readAlerts } = await import('./alerts.ts')
  const config = await readAlerts(file, environment)
  return {
    asksStore: asksStore(config),
    start: (options: Omit<AlertingOptions, 'config'>) => alerting({ ...options, config }),
  }
}

/** @throws CommandError where the embedded log of the directory holds what nobody would look at any more */
async function refuseToLeaveBehind(directory: string, { trackerStore }: ServiceStore): Promise<void> {
  const positions = await trackerStore.loadPositions()
  // With rows of Kafka it was decided before.
  if (positions.length > 0) return
  const records = await recordsLeftBehind(directory, positions)
  if (records > 0) throw new CommandError(leftBehindText(directory, records))
}

const has = (services: readonly ServiceName[], name: ServiceName) => services.includes(name)

/** The keys of a directory that several processes may look into at once: one of them makes them. */
async function sharedKeysOf(directory: string): Promise<ReturnType<typeof keysOf>> {
  const lock = await lockFile(join(directory, 'keys.lock'), 'weaklink up', { waitMs: KEYS_MS })
  try {
    const own = keysOf(directory)
    own.keep()
    return { ...own, keep() {} }
  } finally {
    lock.release()
  }
}

/** Somebody tells, others listen for a while. */
function announcements<T>(): { tell(what: T): void; listen(listener: (what: T) => void): () => void } {
  const listeners = new Set<(what: T) => void>()
  return {
    tell: (what) => {
      for (const listener of listeners) listener(what)
    },
    listen: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
