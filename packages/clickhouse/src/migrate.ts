import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StoreError } from './errors.ts'
import { column } from './native.ts'
import type { Store } from './store.ts'

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
export async function migrate(store: Store, directory: string): Promise<{ applied: string[] }> {
  const files = await readMigrations(directory)
  await store.createDatabase()
  await store.command(
    `CREATE TABLE IF NOT EXISTS schema_migrations
     (number UInt32, name String, hash String, appliedAt DateTime64(3, 'UTC') DEFAULT now64(3))
     ENGINE = ReplacingMergeTree ORDER BY number SETTINGS fsync_after_insert = 1`,
  )
  const done = await store.query<Applied>('SELECT number, name, hash FROM schema_migrations FINAL ORDER BY number')
  check(files, done, store)

  const applied: string[] = []
  for (const file of files) {
    if (done.some(({ number }) => number === file.number)) continue
    for (const statement of splitStatements(file.text.replaceAll('{db}', `\`${store.database}\``))) {
      await run(store, file, statement)
    }
    const row = { number: column.uint32(), name: column.string(), hash: column.string() }
    row.number.push(file.number)
    row.name.push(file.name)
    row.hash.push(file.hash)
    await store.insert('schema_migrations', row)
    applied.push(file.name)
  }
  return { applied }
}

async function run(store: Store, file: Migration, statement: string): Promise<void> {
  try {
    await store.command(statement)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    throw new StoreError(error.code, `Migration ${file.name} failed: ${error.message}`, error)
  }
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
