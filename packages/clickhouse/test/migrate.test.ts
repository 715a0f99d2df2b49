import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, migrate, type Store } from '../src/index.ts'
import { splitStatements } from '../src/migrate.ts'
import { startTestStore, type TestStore } from '../src/test-support.ts'

const REAL = fileURLToPath(new URL('../migrations', import.meta.url))

let db: TestStore
let directory: string
beforeAll(async () => {
  db = await startTestStore()
})
afterAll(() => db.stop())
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weaklink-migrations-'))
  await db.store.createDatabase()
  await db.store.command(`DROP DATABASE ${db.database} SYNC`)
})
afterEach(() => rm(directory, { recursive: true }))

const file = (name: string, text: string) => writeFile(join(directory, name), text)
const tables = async () =>
  (await db.store.query<{ name: string }>('SHOW TABLES'))
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('schema_'))

describe('our own files', () => {
  test('make tables and views in a database that was not there; a second time there is nothing to do', async () => {
    const { applied } = await migrate(db.store, REAL)
    expect(applied[0]).toBe('0001-chains.sql')
    expect(await tables()).toEqual(
      expect.arrayContaining([
        'catalogues',
        'chain_interactions',
        'chains',
        'customer_chains',
        'interactions',
        'interactions_log',
        'positions',
      ]),
    )
    expect(await migrate(db.store, REAL)).toEqual({ applied: [] })
  })

  test('two at once', async () => {
    const other: Store = db.server === null ? db.store : connect({ ...db.server, database: db.database })
    await Promise.all([migrate(db.store, REAL), migrate(other, REAL), migrate(db.store, REAL)])
    expect(await migrate(db.store, REAL)).toEqual({ applied: [] })
    if (other !== db.store) await other.close()
  })

  test('killed after any statement, they are run again to the same end', async () => {
    const text = await readFile(join(REAL, '0001-chains.sql'), 'utf8')
    const statements = splitStatements(text.replaceAll('{db}', db.database))
    await db.store.createDatabase()
    for (let done = 0; done <= statements.length; done++) {
      await db.store.command(`DROP DATABASE ${db.database} SYNC`)
      await db.store.createDatabase()
      for (const statement of statements.slice(0, done)) await db.store.command(statement)
      expect((await migrate(db.store, REAL)).applied[0]).toBe('0001-chains.sql')
    }
  })
})

describe('files in general', () => {
  test('run in their order, the missing ones only', async () => {
    await file('0001-a.sql', 'CREATE TABLE {db}.a (x UInt8) ENGINE = MergeTree ORDER BY tuple();')
    await migrate(db.store, directory)
    await file('0002-b.sql', 'INSERT INTO {db}.a VALUES (1); -- the end')
    await file('0003-c.sql', 'ALTER TABLE {db}.a UPDATE x = 2 WHERE 1 SETTINGS mutations_sync = 1;\n')
    expect(await migrate(db.store, directory)).toEqual({ applied: ['0002-b.sql', '0003-c.sql'] })
    expect(await tables()).toEqual(['a'])
  })

  test('with other line ends are the same', async () => {
    await file('0001-a.sql', 'CREATE TABLE {db}.a (x UInt8)\nENGINE = Memory;\n')
    await migrate(db.store, directory)
    await file('0001-a.sql', 'CREATE TABLE {db}.a (x UInt8)\r\nENGINE = Memory;\r\n')
    expect(await migrate(db.store, directory)).toEqual({ applied: [] })
  })

  const A = 'CREATE TABLE {db}.a (x UInt8) ENGINE = Memory'
  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['changed after it was applied', () => file('0001-a.sql', `${A} COMMENT 'new'`), /0001-a\.sql.*must not change/],
    ['of a newer version', () => rm(join(directory, '0002-b.sql')), /newer version of Weaklink.*0002-b\.sql/],
    [
      'missing in between',
      () =>
        cp(join(directory, '0002-b.sql'), join(directory, '0003-c.sql')).then(() => rm(join(directory, '0002-b.sql'))),
      /0003-c\.sql.*expected a file named 0002-/,
    ],
    ['with a number twice', () => file('0002-c.sql', 'SELECT 1'), /0002-c\.sql.*expected a file named 0003-/],
    ['without a number', () => file('c.sql', 'SELECT 1'), /c\.sql.*expected a file named 0003-/],
  ])('%s: an error that names it', async (_, change, message) => {
    await file('0001-a.sql', A)
    await file('0002-b.sql', 'SELECT 1')
    await migrate(db.store, directory)
    await change()
    await expect(migrate(db.store, directory)).rejects.toMatchObject({
      code: 'schema',
      message: expect.stringMatching(message),
    })
  })

  test('a statement that fails is named with its file, and the file counts as not applied', async () => {
    await file('0001-a.sql', 'CREATE TABLE IF NOT EXISTS {db}.a (x UInt8) ENGINE = Memory; CREATE NONSENSE;')
    await expect(migrate(db.store, directory)).rejects.toMatchObject({
      code: 'rejected',
      message: expect.stringContaining('0001-a.sql'),
    })
    await file('0001-a.sql', 'CREATE TABLE IF NOT EXISTS {db}.a (x UInt8) ENGINE = Memory;')
    expect(await migrate(db.store, directory)).toEqual({ applied: ['0001-a.sql'] })
  })
})

describe('statements end at a semicolon outside of strings, names and comments', () => {
  test.each<[string, string, string[]]>([
    ['none', ' \n-- nothing; at all\n/* ; */ ; ;', []],
    ['one without an end', 'SELECT 1', ['SELECT 1']],
    ['two on a line', 'SELECT 1; SELECT 2;', ['SELECT 1', 'SELECT 2']],
    ['in strings', `SELECT 'a;b', 'it''s;', 'x\\';y'; SELECT 2`, [`SELECT 'a;b', 'it''s;', 'x\\';y'`, 'SELECT 2']],
    ['in names', 'SELECT `a;b`, "c;d"; SELECT 2', ['SELECT `a;b`, "c;d"', 'SELECT 2']],
    [
      'in comments',
      "SELECT 1 -- it's; one\n, 2 /* ; ' \n */; SELECT 3",
      ["SELECT 1 -- it's; one\n, 2 /* ; ' \n */", 'SELECT 3'],
    ],
  ])('%s', (_, text, statements) => expect(splitStatements(text)).toEqual(statements))
})
