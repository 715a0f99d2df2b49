import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ANALYST_SETTINGS,
  connect,
  DEFAULT_DATABASE,
  type EmbeddedServer,
  migrate,
  type Store,
  startEmbeddedServer,
} from '../src/index.ts'

let directory: string
let server: EmbeddedServer
let owner: Store
let analyst: Store

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weaklink-analyst-'))
  server = await startEmbeddedServer({ directory, what: 'a test' })
  owner = connect({ ...server, database: DEFAULT_DATABASE })
  await migrate(owner, fileURLToPath(new URL('../migrations', import.meta.url)))
  await owner.command(
    `INSERT INTO interactions_log (kind, customer, id, touchpoint, at, version) VALUES ('customer', 'ann', '1', 'home', now64(3), 1)`,
  )
  analyst = connect({ url: server.url, ...server.analyst, database: DEFAULT_DATABASE, settings: ANALYST_SETTINGS })
})
afterAll(async () => {
  await owner.close()
  await analyst.close()
  await server.stop()
  await rm(directory, { recursive: true })
})

describe('the analyst may', () => {
  test.each([
    'SELECT customer, touchpoint FROM interactions',
    'SELECT count() FROM chains',
    'SELECT touchpoint, count() FROM chain_interactions GROUP BY touchpoint',
    'WITH x AS (SELECT * FROM interactions) SELECT a.id FROM x AS a JOIN interactions AS b ON a.id = b.id',
    'DESCRIBE chains',
    'EXPLAIN SELECT * FROM chains',
    'SELECT number FROM numbers(3)',
  ])('%s', async (sql) => {
    await expect(analyst.query(sql)).resolves.toBeInstanceOf(Array)
  })

  test('use parameters, and finds its database without naming it', async () => {
    const rows = await analyst.query('SELECT id FROM interactions WHERE customer = {c:String}', { c: 'ann' })
    expect(rows).toEqual([{ id: '1' }])
  })
})

describe('the analyst may not', () => {
  test.each([
    ['read the tables', 'SELECT * FROM customer_chains'],
    ['read the tables', 'SELECT * FROM interactions_log'],
    ['read the tables', 'SELECT * FROM positions'],
    ['read the tables by another way', "SELECT * FROM merge('weaklink', 'customer_chains')"],
    ['read the tables by another way', 'SELECT * FROM loop(weaklink.customer_chains)'],
    ['read the tables by another way', 'SELECT * FROM mergeTreeIndex(weaklink, customer_chains)'],
    ['read the tables by another way', "SELECT * FROM remote('127.0.0.1', weaklink, customer_chains)"],
    ['read what the server knows', 'SELECT * FROM system.processes'],
    ['read what the server knows', 'SELECT * FROM system.users'],
    ['read what the server knows', 'SELECT * FROM system.parts'],
    ['read what the server knows', 'SELECT * FROM system.server_settings'],
    ['read files', "SELECT * FROM file('/etc/passwd', 'LineAsString', 'a String')"],
    ['read files', "SELECT file('/etc/passwd')"],
    ['read files', "SELECT file('/etc/passwd', 'none')"],
    ['read files', "SELECT file('/etc/passwd', NULL)"],
    ['read files', "SELECT file('../endpoint.json')"],
    ['read files', "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS a)"],
    ['read files', 'SELECT * FROM default.`/etc/passwd`'],
    ['read files', "SELECT * FROM sqlite('/tmp/x', 'x')"],
    ['read files', "SELECT catboostEvaluate('/etc/passwd', 1)"],
    ['read files', "SELECT * FROM filesystem('/etc')"],
    ['read from the net', "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')"],
    ['read from the net', "SELECT * FROM s3('http://127.0.0.1:1/x', 'TSV', 'a String')"],
    ['run programs', "SELECT * FROM executable('x.sh', 'TSV', 'a String')"],
    ['write', "INSERT INTO interactions_log (customer) VALUES ('x')"],
    ['write', "INSERT INTO FUNCTION file('x.tsv', 'TSV', 'a String') VALUES ('x')"],
    ['write', 'CREATE TABLE t (a UInt8) ENGINE = Memory'],
    ['write', 'CREATE TEMPORARY TABLE t (a UInt8)'],
    ['write', 'DROP VIEW chains'],
    ['write', 'TRUNCATE TABLE interactions_log'],
    ['write', 'ALTER TABLE interactions_log DELETE WHERE 1'],
    ['write', 'OPTIMIZE TABLE interactions_log'],
    ['write a file', "SELECT 1 INTO OUTFILE '/tmp/weaklink-never'"],
    ['change limits', 'SET max_execution_time = 0'],
    ['change limits', 'SELECT 1 SETTINGS max_execution_time = 0'],
    ['change limits', 'SELECT 1 SETTINGS readonly = 0'],
    ['rule', 'SYSTEM SHUTDOWN'],
    ['rule', 'SYSTEM STOP LISTEN HTTP'],
    ['rule', 'KILL QUERY WHERE 1'],
    ['rule', 'GRANT SELECT ON *.* TO analyst'],
    ['rule', "CREATE USER x IDENTIFIED BY 'x'"],
  ])('%s: %s', async (_, sql) => {
    await expect(analyst.command(sql)).rejects.toMatchObject({ name: 'StoreError' })
    await expect(analyst.query(sql)).rejects.toMatchObject({ name: 'StoreError' })
  })

  test('change limits with the request', async () => {
    const answer = analyst.query('SELECT 1', {}, { settings: { max_execution_time: 0 } })
    await expect(answer).rejects.toMatchObject({ code: 'forbidden' })
  })

  test.each([
    ['rows', 'SELECT number FROM numbers(2000000)'],
    ['memory', 'SELECT groupArray(number) FROM numbers(2000000000)'],
  ])('ask for too many: %s', async (_, sql) => {
    await expect(analyst.query(sql)).rejects.toMatchObject({ code: 'limit', retriable: false })
  })

  test('log in with another password', async () => {
    const stranger = connect({ url: server.url, username: 'analyst', password: '', database: DEFAULT_DATABASE })
    await expect(stranger.query('SELECT 1')).rejects.toMatchObject({ code: 'auth' })
    await stranger.close()
  })
})

test.each([
  "SELECT file('/etc/passwd')",
  "SELECT * FROM file('/etc/passwd', 'LineAsString', 'a String')",
  'SELECT * FROM weaklink.chains',
  'CREATE TABLE weaklink.t (a UInt8) ENGINE = Memory',
  'SYSTEM START LISTEN TCP',
  'SELECT * FROM system.numbers LIMIT 1',
  'SYSTEM STOP LISTEN HTTP',
  'SYSTEM SHUTDOWN',
  'KILL QUERY WHERE 1',
  'SELECT * FROM chains',
])(
  'the account without a password, with which the engine starts itself, may not do this afterwards: %s',
  async (sql) => {
    const store = connect({ url: server.url, username: 'default', password: '', database: 'system' })
    await expect(store.command(sql)).rejects.toMatchObject({ name: 'StoreError', retriable: false })
    await store.close()
  },
)
