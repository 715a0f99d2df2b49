import { existsSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { api, type Refused, type RevisedCustomer } from '@weaklink/api'
import { collector } from '@weaklink/collector'
import { keyRing, keysOf, type StoredKeys } from '@weaklink/runtime'
import { httpServer } from '@weaklink/runtime/http'
import type { Logger } from '@weaklink/runtime/logger'
import { UsageError } from '../terminal.ts'
import { openLogIn } from '../workspace.ts'
import { DEFAULT_HOST, DEFAULT_PORT, finishing, listen, requireKeysBeyondLoopback } from './http.ts'
import { createRegistry, measurePipeline } from './metrics.ts'
import { type Pipeline, startPipeline } from './pipeline.ts'
import { holdDirectory } from './service.ts'
import { openServiceStore } from './store.ts'

export interface UpOptions {
  readonly dataDir: string
  /** Default 7575; 0 takes any free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly host?: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Always the embedded ClickHouse, whatever `CLICKHOUSE_URL` says. */
  readonly embedded?: boolean
  /** Who holds the directory, for the message that the next one gets; default `weaklink up`. */
  readonly what?: string
  readonly logger: Logger
  /** Ends the start: what was started is stopped again, and the start rejects. */
  readonly signal?: AbortSignal
}

export interface Running {
  /** Where it answers, for this machine. */
  readonly url: string
  readonly directory: string
  /** Of the data directory. Those of the environment count as well. */
  readonly keys: StoredKeys
  /** The keys were made now: the only time that they are shown. */
  readonly minted: boolean
  /** `embedded`, or the address of the server of `CLICKHOUSE_URL`. */
  readonly clickhouse: string
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

/** How long a service that stops waits for a ClickHouse that is away. */
const AWAY_MS = 5_000

/**
 * Starts everything in this process: the log, the tracker, and one HTTP server with collector and API; ClickHouse as a
 * child process, unless `CLICKHOUSE_URL` names one.
 *
 * @throws InUseError where somebody works on the directory; CommandError, StoreError where something is not as it must be
 */
export async function startUp(options: UpOptions): Promise<Running> {
  const { environment, logger, signal, what = 'weaklink up', host = DEFAULT_HOST, port = DEFAULT_PORT } = options
  const directory = resolve(options.dataDir)
  requireKeysBeyondLoopback(host, environment)
  if (existsSync(directory) && !statSync(directory).isDirectory())
    throw new UsageError(`${directory} is a file; --data-dir names a directory.`)
  await mkdir(directory, { recursive: true })

  // What was started is ended in the opposite order, at the end or where the start fails.
  await using started = new AsyncDisposableStack()
  const hold = await holdDirectory(directory, what)
  started.defer(() => hold.release())
  const { keys, minted, keep } = keysOf(directory)
  const store = await openServiceStore({
    directory,
    what,
    url: options.embedded === true ? undefined : environment.CLICKHOUSE_URL || undefined,
    logger,
  })
  started.defer(() => store.close())
  const log = await openLogIn(directory)
  started.defer(() => log.close())
  signal?.throwIfAborted()

  let pipeline: Pipeline | null = null
  const written = announcements<RevisedCustomer>()
  const refused = announcements<readonly Refused[]>()
  const registry = createRegistry()
  measurePipeline(registry, () => pipeline, store)
  const ring = keyRing(keys, environment)
  const overloaded = () => (pipeline === null ? (store.trouble() ?? 'Weaklink is starting.') : pipeline.overloaded())
  const server = await httpServer({
    keys: ring,
    registry,
    logger,
    notReady: () => (requests.stopping() ? 'Weaklink is stopping.' : (store.trouble() ?? overloaded())),
  })
  const requests = finishing(server)
  await server.register(collector({ log, keys: ring, registry, overloaded, onRejected: refused.tell }))
  await server.register(
    api({ store: store.store, log, keys: ring, registry, revised: written.listen, refused: refused.listen }),
  )
  started.defer(() => server.close())
  const url = await listen(server, host, port)
  keep()

  await store.migrate(signal)
  const running = await startPipeline({ log, store, onWritten: (rows) => rows.forEach(written.tell) })
  pipeline = running
  started.defer(() => running.stop())
  signal?.throwIfAborted()
  // Only now: whoever finds it asks its tables.
  hold.publish({ pid: process.pid, url, since: new Date().toISOString(), clickhouse: store.place })
  started.defer(() => hold.withdraw())

  logger.info({ url, directory, clickhouse: store.place }, 'weaklink is up')
  const end = started.move()
  const stopped = Promise.withResolvers<void>()
  let stopping: Promise<void> | undefined
  const stop = async () => {
    logger.info('weaklink stops')
    await requests.finish()
    store.giveUpIn(AWAY_MS)
    await end.disposeAsync()
    logger.info('weaklink has stopped')
  }
  const done = Promise.race([running.done.then(() => stopped.promise), stopped.promise])
  done.catch(() => {})
  return {
    url,
    directory,
    keys,
    minted,
    clickhouse: store.place,
    judged: (instant) => running.judged(instant),
    stop: () => {
      stopping ??= stop().finally(stopped.resolve)
      return stopping
    },
    done,
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
