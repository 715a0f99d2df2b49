import { existsSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  ANALYST_SETTINGS,
  connect,
  DEFAULT_DATABASE,
  migrate,
  type Store,
  StoreError,
  startEmbeddedServer,
  type Table,
} from '@weaklink/clickhouse'
import { type EventLog, openEmbeddedLog } from '@weaklink/event-log'
import { retry } from '@weaklink/runtime'
import { clickhouseStore, INTERACTIONS_TOPIC, REJECTED_TOPIC, type TrackerStore } from '@weaklink/tracker'
import { UsageError } from './terminal.ts'

/**
 * A **workspace** is what a command works on: a data directory with its log, and a ClickHouse, embedded in that
 * directory unless `CLICKHOUSE_URL` names another one.
 */
export interface Workspace {
  readonly directory: string
  readonly store: Store
  /** Asks a query of a person, through an account (or under settings) that can only read. */
  ask(sql: string): Promise<Table>
  /** The store as the tracker asks it; waits out a server that is away, up to the limit of the command. */
  readonly trackerStore: TrackerStore
  openLog(): Promise<EventLog>
  close(): Promise<void>
}

export interface WorkspaceOptions {
  readonly dataDir: string
  /** The command, for the message that another process gets: `weaklink import`. */
  readonly what: string
  /** False: the directory must already hold data. */
  readonly create: boolean
  /** Always the embedded server, whatever `CLICKHOUSE_URL` says. */
  readonly embedded?: boolean
  readonly onRetry: (message: string) => void
}

/** How long a command waits for a store that is away or full before it gives up; a service waits for ever. */
const GIVE_UP_MS = Number(process.env.WEAKLINK_GIVE_UP_SECONDS ?? 60) * 1_000
const MIGRATIONS = fileURLToPath(new URL('../../../packages/clickhouse/migrations', import.meta.url))
/** One partition is enough for one tracker; see ARCHITECTURE.md. */
const EMBEDDED_PARTITIONS = 1

/**
 * Opens the workspace: starts the embedded server where there is no other, and brings the schema up to date.
 *
 * @throws InUseError where another command works on the directory
 */
export async function openWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const directory = resolve(options.dataDir)
  const external = options.embedded === true ? undefined : process.env.CLICKHOUSE_URL
  if (existsSync(directory) && !statSync(directory).isDirectory()) {
    throw new UsageError(`${directory} is a file; --data-dir names a directory.`)
  }
  if (!options.create && !external && !existsSync(join(directory, 'clickhouse'))) {
    throw new UsageError(
      `${directory} holds no Weaklink data. Import something first (weaklink import FILE), or name another directory with --data-dir.`,
    )
  }
  await mkdir(directory, { recursive: true })
  const server = external
    ? null
    : await startEmbeddedServer({ directory: join(directory, 'clickhouse'), what: options.what })
  const endpoint = server ?? { url: external ?? '' }
  const store = connect({ ...endpoint, database: DEFAULT_DATABASE })
  const analyst =
    server === null
      ? null
      : connect({ url: server.url, ...server.analyst, database: DEFAULT_DATABASE, settings: ANALYST_SETTINGS })
  let died: string | null = null
  server?.exited.then(({ expected, reason }) => {
    if (!expected) died = reason
  })
  const attempt = async <T>(operation: () => Promise<T>): Promise<T> => {
    const until = Date.now() + GIVE_UP_MS
    try {
      return await retry(operation, {
        firstDelayMs: 200,
        maxDelayMs: 5_000,
        giveUp: (error) => !(error instanceof StoreError && error.retriable) || died !== null || Date.now() > until,
        onRetry: (error) => options.onRetry(`${error instanceof Error ? error.message : error} Trying again …`),
      })
    } catch (error) {
      if (died === null) throw error
      const advice = 'What was acknowledged is kept; run the same command again to complete it.'
      throw new StoreError('unreachable', `The embedded ClickHouse in ${directory} is gone: ${died}. ${advice}`, error)
    }
  }
  const logs: EventLog[] = []
  const close = async () => {
    for (const log of logs) await log.close()
    await analyst?.close()
    await store.close()
    await server?.stop()
  }
  try {
    await migrate(store, MIGRATIONS)
  } catch (error) {
    await close()
    throw error
  }
  return {
    directory,
    store,
    ask: async (sql) =>
      exact(
        await (analyst?.queryTable(sql) ??
          store.queryTable(sql, undefined, { settings: { ...ANALYST_SETTINGS, readonly: '2' } })),
      ),
    trackerStore: clickhouseStore(store, attempt),
    async openLog() {
      const log = await openEmbeddedLog(join(directory, 'log'))
      logs.push(log)
      await log.createTopic(INTERACTIONS_TOPIC, EMBEDDED_PARTITIONS)
      await log.createTopic(REJECTED_TOPIC, EMBEDDED_PARTITIONS)
      return log
    },
    close,
  }
}

/** Integers of 64 bits and more come as text; those that a JSON number holds exactly become numbers. */
function exact(table: Table): Table {
  const wide = table.columns.map(({ type }) => /^(Nullable\()?U?Int(64|128|256)\)?$/.test(type))
  const cell = (value: unknown) =>
    typeof value === 'string' && Number.isSafeInteger(Number(value)) ? Number(value) : value
  return { ...table, rows: table.rows.map((row) => row.map((value, k) => (wide[k] ? cell(value) : value))) }
}
