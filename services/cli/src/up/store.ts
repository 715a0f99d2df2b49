import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, DEFAULT_DATABASE, keepEmbeddedServer, migrate, type Store, StoreError } from '@weaklink/clickhouse'
import { retry } from '@weaklink/runtime'
import type { Logger } from '@weaklink/runtime/logger'
import { clickhouseStore, type TrackerStore } from '@weaklink/tracker'
import { analystStore } from '../analyst.ts'
import { MIGRATIONS } from '../workspace.ts'

/** The ClickHouse of a service: it may go away and come back, and the service waits for it as long as that takes. */
export interface ServiceStore {
  readonly store: Store
  /** The same store as the account of analysts; null where a server of CLICKHOUSE_URL has none, or its password is not known. */
  readonly analyst: Store | null
  readonly trackerStore: TrackerStore
  /** `embedded`, or the address of the server of `CLICKHOUSE_URL`. */
  readonly place: string
  /** Why it cannot be written or asked at the moment, in one line; null where it can. */
  trouble(): string | null
  /** How often the embedded server was started again. */
  restarts(): number
  /**
   * Brings the tables up to date; waits for a server that is away.
   * @throws StoreError for what waiting does not heal, such as a wrong password
   */
  migrate(signal: AbortSignal | undefined): Promise<void>
  /** What waits for a server that is away gives up after so long: nothing is lost by that, the log has it. */
  giveUpIn(ms: number): void
  close(): Promise<void>
}

export interface ServiceStoreOptions {
  readonly directory: string
  readonly what: string
  /** The server of somebody else; undefined: an embedded one. */
  readonly url: string | undefined
  /** Of that server, the cluster whose servers keep the rows together. */
  readonly cluster?: { readonly cluster?: string }
  /** Where the password of the analyst may stand. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly logger: Logger
}

const WAITS = { firstDelayMs: 200, maxDelayMs: 5_000 } as const
const PING_MS = 2_000
const PING_TIMEOUT_MS = 5_000
/** Of the attempts that fail, so many are logged: the first, then about one a minute. */
const LOGGED_EVERY = 12

/** @throws InUseError, StoreError where the embedded server cannot be started */
export async function openServiceStore({
  directory,
  what,
  url,
  cluster,
  environment = {},
  logger,
}: ServiceStoreOptions): Promise<ServiceStore> {
  let restarts = 0
  const server =
    url !== undefined
      ? null
      : await keepEmbeddedServer({
          directory: join(directory, 'clickhouse'),
          what,
          log: (line) => logger.warn({ clickhouse: line }, 'ClickHouse says'),
          onDown: (reason, restartInMs) =>
            logger.error({ reason, restartInMs }, 'the embedded ClickHouse is gone; it is started again'),
          onUp: () => {
            restarts += 1
            logger.info('the embedded ClickHouse runs again')
          },
        })
  const store = connect({ ...(server ?? { url: url ?? '' }), database: DEFAULT_DATABASE })
  const analyst = analystStore(server ?? { url: url ?? '' }, environment)
  const patience = new AbortController()
  let notWritten: string | null = null
  let notAnswered: string | null = null

  const onRetry = (error: unknown, attempt: number) => {
    notWritten = firstLine(error)
    if (attempt % LOGGED_EVERY === 1) logger.warn({ attempt }, `${notWritten} Trying again`)
  }
  const attempt = async <T>(operation: () => Promise<T>): Promise<T> => {
    const result = await retry(operation, {
      ...WAITS,
      signal: patience.signal,
      // Whatever the store says, a service goes on trying: an operator may put it right, and the log keeps all.
      giveUp: (error) => !(error instanceof StoreError),
      onRetry,
    })
    notWritten = null
    return result
  }

  const closing = new AbortController()
  const pinging = (async () => {
    while (!closing.signal.aborted) {
      const late = sleep(PING_TIMEOUT_MS, `ClickHouse does not answer within ${PING_TIMEOUT_MS / 1_000} s.`, {
        ref: false,
      })
      notAnswered = await Promise.race([store.ping().then(() => null, firstLine), late])
      await sleep(PING_MS, undefined, { signal: closing.signal }).catch(() => {})
    }
  })()

  return {
    store,
    analyst,
    trackerStore: clickhouseStore(store, attempt),
    place: server === null ? store.url : 'embedded',
    trouble() {
      const down = server?.down() ?? null
      return down === null ? (notWritten ?? notAnswered) : `The embedded ClickHouse is being started again: ${down}`
    },
    restarts: () => restarts,
    migrate: (signal) =>
      retry(() => migrate(store, MIGRATIONS, cluster), {
        ...WAITS,
        ...(signal === undefined ? {} : { signal }),
        giveUp: (error) => !(error instanceof StoreError && error.retriable),
        onRetry,
      }).then(() => {
        notWritten = null
      }),
    giveUpIn(ms) {
      const giveUp = () => {
        patience.abort(new Error('ClickHouse is away'))
        // Also what waits for an answer of a server that hangs.
        void store.close()
      }
      setTimeout(giveUp, ms).unref()
    },
    async close() {
      closing.abort()
      await store.close()
      await analyst?.close()
      await server?.stop()
      await pinging
    },
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
}
