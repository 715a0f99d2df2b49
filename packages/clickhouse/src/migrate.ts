import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkCluster, clusterForm } from './cluster.ts'
import { StoreError } from './errors.ts'
import { column } from './native.ts'
import { quoted, type Store } from './store.ts'

interface Migration {
  readonly number: number
  /** File name. */
  readonly name: string
  readonly hash: string
  readonly text: string
}

interface Applied {
  readonly number: number
  readonly name: string
  readonly hash: string
}

export interface MigrateOptions {
  /** Name of a cluster in the server's `remote_servers`: the schema then is on all its servers, see `clusterForm`. */
  readonly cluster?: string | undefined
}

const HISTORY = `CREATE TABLE IF NOT EXISTS {db}.schema_migrations
  (number UInt32, name String, hash String, appliedAt DateTime64(3, 'UTC') DEFAULT now64(3))
  ENGINE = ReplacingMergeTree ORDER BY number SETTINGS fsync_after_insert = 1`

/**
 * Brings the store's database (created where it is missing) to the schema of the numbered files `0001-name.sql` in the
 * directory, in which `{db}` stands for the database; returns the names of those it ran.
 *
 * ClickHouse has no transactions around DDL and no locks. So each statement has to be one that may be repeated
 * (`IF NOT EXISTS`, `OR REPLACE`): then a migration that was killed half way is simply run again, and two processes
 * that migrate at once both run the same statements and record the same rows.
 *
 * @throws StoreError `schema` where a file that was applied has changed or is missing, or the database is of a newer
 * version than the files; whatever a statement fails with, with its file named.
 */
export async function migrate(
  store: Store,
  directory: string,
  { cluster }: MigrateOptions = {},
): Promise<{ applied: string[] }> {
  const files = await readMigrations(directory)
  if (cluster !== undefined) await checkCluster(store, cluster)
  await store.createDatabase()
  await checkKind(store, cluster)
  if (cluster !== undefined) {
    await store.command(`CREATE DATABASE IF NOT EXISTS ${quoted(store.database)} ON CLUSTER ${quoted(cluster)}`)
  }
  const form = await formFor(store, cluster)
  for (const statement of form(HISTORY)) await store.command(statement)
  const done = await store.query<Applied>('SELECT number, name, hash FROM schema_migrations FINAL ORDER BY number')
  check(files, done, store)

  const applied: string[] = []
  for (const file of files) {
    const statements = formed(file, form)
    if (done.some(({ number }) => number === file.number)) continue
    for (const statement of statements) await run(store, file, statement)
    const row = { number: column.uint32(), name: column.string(), hash: column.string() }
    row.number.push(file.number)
    row.name.push(file.name)
    row.hash.push(file.hash)
    await store.insert('schema_migrations', row)
    applied.push(file.name)
  }
  return { applied }
}

/** What runs in the stead of a statement in which `{db}` stands for the database. */
async function formFor(store: Store, cluster: string | undefined): Promise<(statement: string) => string[]> {
  const named = (statement: string) => statement.replaceAll('{db}', quoted(store.database))
  if (cluster === undefined) return (statement) => [named(statement)]
  const [me] = await store.query<{ definer: string }>('SELECT currentUser() AS definer')
  const form = clusterForm({ cluster, definer: me?.definer ?? '' })
  return (statement) => form(statement).map(named)
}

function formed(file: Migration, form: (statement: string) => string[]): string[] {
  try {
    return splitStatements(file.text).flatMap(form)
  } catch (error) {
    throw inFile(file, error)
  }
}

/** A database that was made on one server does not become one of a cluster by itself, nor the other way round. */
async function checkKind(store: Store, cluster: string | undefined): Promise<void> {
  const [history] = await store.query<{ cluster: string }>(
    String.raw`SELECT extract(engine_full, '^Distributed\\(\\W*(\\w+)') AS cluster
      FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'`,
    { database: store.database },
  )
  if (history === undefined || history.cluster === (cluster ?? '')) return
  const where = `The database "${store.database}" at ${store.url}`
  throw new StoreError(
    'schema',
    history.cluster === ''
      ? `${where} is of one server, and not of the cluster "${cluster}". Unset CLICKHOUSE_CLUSTER, or use another ` +
          'database: infra/clickhouse/README.md says how to move.'
      : `${where} is of the cluster "${history.cluster}". Set CLICKHOUSE_CLUSTER=${history.cluster}.`,
  )
}

async function run(store: Store, file: Migration, statement: string): Promise<void> {
  try {
    // Of replicated tables: on every replica, before the next statement looks at it.
    await store.command(statement, undefined, { settings: { alter_sync: '2' } })
  } catch (error) {
    throw inFile(file, error)
  }
}

function inFile(file: Migration, error: unknown): unknown {
  if (!(error instanceof StoreError)) return error
  return new StoreError(error.code, `Migration ${file.name} failed: ${error.message}`, error)
}

function check(files: readonly Migration[], done: readonly Applied[], store: Store): void {
  const where = `The database "${store.database}" at ${store.url}`
  const newest = files.at(-1)?.number ?? 0
  for (const { number, name, hash } of done) {
    const file = files.find((each) => each.number === number)
    if (file?.hash === hash) continue
    if (number > newest) {
      throw new StoreError(
        'schema',
        `${where} was made by a newer version of Weaklink: it has the migration ${name}, and this version ends at ` +
          `${newest}. Use that newer version, or another database.`,
      )
    }
    throw new StoreError(
      'schema',
      file === undefined
        ? `${where} has the migration ${name}, whose file is missing here.`
        : `${where} was made by another text of the migration ${file.name}. Files that were applied must not change: ` +
            'put the old text back, and what is new into a file with the next number.',
    )
  }
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const migrations: Migration[] = []
  for (const name of (await readdir(directory)).filter((each) => each.endsWith('.sql')).sort()) {
    const number = Number(/^(\d{4})-/.exec(name)?.[1] ?? 0)
    if (number !== migrations.length + 1) {
      const expected = String(migrations.length + 1).padStart(4, '0')
      throw new StoreError('schema', `Migration ${name} in ${directory}: expected a file named ${expected}-….sql here.`)
    }
    // A checkout with other line ends is the same migration.
    const text = (await readFile(join(directory, name), 'utf8')).replaceAll('\r\n', '\n')
    migrations.push({ number, name, hash: createHash('sha256').update(text).digest('hex'), text })
  }
  return migrations
}

/** A string, a quoted name or a comment as a whole; or the semicolon that ends a statement. */
const TOKEN = /'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|--[^\n]*|\/\*.*?\*\/|;/gs

/** The statements of a text, without those that hold nothing but comments. */
export function splitStatements(text: string): string[] {
  const statements: string[] = []
  let start = 0
  const add = (end: number) => {
    const statement = text.slice(start, end).trim()
    if (statement.replace(TOKEN, (token) => (/^(--|\/\*)/.test(token) ? '' : token)).trim() !== '') {
      statements.push(statement)
    }
  }
  for (const match of text.matchAll(TOKEN)) {
    if (match[0] !== ';') continue
    add(match.index)
    start = match.index + 1
  }
  add(text.length)
  return statements
}
