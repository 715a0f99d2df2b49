import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ClickHouseError } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clusterForm } from '../src/cluster.ts'
import { toStoreError } from '../src/errors.ts'
import { migrate } from '../src/index.ts'
import { splitStatements } from '../src/migrate.ts'
import { startTestStore, type TestStore } from '../src/test-support.ts'

// What a cluster runs in the stead of the migrations. tests/cluster runs it on several servers.

const REAL = fileURLToPath(new URL('../migrations', import.meta.url))

let db: TestStore
beforeAll(async () => {
  db = await startTestStore()
})
afterAll(() => db.stop())

const newForm = () => clusterForm({ cluster: 'c', definer: 'owner' })
const REPLICA = `'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'`
const SETTINGS = 'replicated_deduplication_window = 0, min_compressed_bytes_to_fsync_after_fetch = 1'

describe('a cluster runs', () => {
  test.each<[string, string, string[]]>([
    [
      'of a table: one for the rows of the shard, and one over all shards; by the hash that Kafka spreads customers with',
      `-- Rows; by customer.
      CREATE TABLE IF NOT EXISTS {db}.rows (kind Enum8('a' = 1), customer String, n UInt8) -- the customer's
      ENGINE = ReplacingMergeTree(n) ORDER BY (customer, kind) SETTINGS fsync_after_insert = 1`,
      [
        `CREATE TABLE IF NOT EXISTS {db}.rows_shard ON CLUSTER \`c\` (kind Enum8('a' = 1), customer String, n UInt8)
         ENGINE = ReplicatedReplacingMergeTree(${REPLICA}, n) ORDER BY (customer, kind)
         SETTINGS fsync_after_insert = 1, ${SETTINGS}`,
        'CREATE TABLE IF NOT EXISTS {db}.rows ON CLUSTER `c` AS {db}.rows_shard ' +
          'ENGINE = Distributed(`c`, {db}, rows_shard, kafkaMurmurHash(customer))',
      ],
    ],
    [
      'of a table without settings, by number: the number is the shard',
      'CREATE TABLE {db}.numbers (n UInt32) ENGINE = MergeTree ORDER BY n',
      [
        `CREATE TABLE {db}.numbers_shard ON CLUSTER \`c\` (n UInt32) ENGINE = ReplicatedMergeTree(${REPLICA}) ORDER BY n
         SETTINGS ${SETTINGS}`,
        'CREATE TABLE {db}.numbers ON CLUSTER `c` AS {db}.numbers_shard ENGINE = Distributed(`c`, {db}, numbers_shard, n)',
      ],
    ],
    [
      'of a view: one over the tables of the shard, and one over all shards',
      'CREATE VIEW IF NOT EXISTS {db}.v DEFINER = CURRENT_USER SQL SECURITY DEFINER AS ' +
        "SELECT * FROM {db}.rows FINAL WHERE customer IN (SELECT customer FROM {db}.other WHERE x = '--{db}')",
      [
        'CREATE VIEW IF NOT EXISTS {db}.v_shard ON CLUSTER `c` DEFINER = `owner` SQL SECURITY DEFINER AS ' +
          "SELECT * FROM {db}.rows_shard FINAL WHERE customer IN (SELECT customer FROM {db}.other_shard WHERE x = '--{db}')",
        'CREATE TABLE IF NOT EXISTS {db}.v ON CLUSTER `c` AS {db}.v_shard ENGINE = Distributed(`c`, {db}, v_shard)',
      ],
    ],
    [
      'of a view that replaces another one: both again',
      'CREATE OR REPLACE VIEW {db}.v AS SELECT 1 AS x FROM {db}.rows',
      [
        'CREATE OR REPLACE VIEW {db}.v_shard ON CLUSTER `c` AS SELECT 1 AS x FROM {db}.rows_shard',
        'CREATE OR REPLACE TABLE {db}.v ON CLUSTER `c` AS {db}.v_shard ENGINE = Distributed(`c`, {db}, v_shard)',
      ],
    ],
  ])('%s', (_, statement, expected) => {
    const oneLine = (text: string) => text.replace(/\s+/g, ' ')
    expect(newForm()(statement).map(oneLine)).toEqual(expected.map(oneLine))
  })

  test('of a changed table: the change on the shard, and then the table over all shards anew', () => {
    const form = newForm()
    form('CREATE TABLE {db}.rows (customer String) ENGINE = MergeTree ORDER BY (customer)')
    expect(form('ALTER TABLE {db}.rows ADD COLUMN x String, MODIFY ORDER BY (customer, x)')).toEqual([
      'ALTER TABLE {db}.rows_shard ON CLUSTER `c` ADD COLUMN x String, MODIFY ORDER BY (customer, x)',
      'CREATE OR REPLACE TABLE {db}.rows ON CLUSTER `c` AS {db}.rows_shard ' +
        'ENGINE = Distributed(`c`, {db}, rows_shard, kafkaMurmurHash(customer))',
    ])
  })

  test.each([
    'INSERT INTO {db}.rows VALUES (1)',
    'CREATE TABLE {db}.m (x UInt8) ENGINE = Memory',
    'CREATE TABLE {db}.d (day Date) ENGINE = MergeTree ORDER BY day',
    'ALTER TABLE {db}.unknown ADD COLUMN x UInt8',
    'CREATE TABLE {db}.j (x UInt8) ENGINE = Join(ANY, LEFT, x)',
  ])('nothing that it is not sure of: %s', (statement) => {
    expect(() => newForm()(statement)).toThrow(expect.objectContaining({ code: 'schema' }))
  })

  test('all our migrations, in words that the server understands', async () => {
    const form = newForm()
    const files = readdirSync(REAL).sort()
    const statements = files
      .flatMap((file) => splitStatements(readFileSync(`${REAL}/${file}`, 'utf8')))
      .flatMap(form)
      .map((statement) => statement.replaceAll('{db}', db.database))
    expect(statements.length).toBeGreaterThan(20)
    for (const statement of statements) await db.store.command(`EXPLAIN AST ${statement}`)
  })
})

test('a cluster that the server does not know is an error that says so', async () => {
  await expect(migrate(db.store, REAL, { cluster: 'nowhere' })).rejects.toMatchObject({
    code: 'schema',
    message: expect.stringMatching(/knows no cluster "nowhere".*CLICKHOUSE_CLUSTER/),
  })
})

// What a server said while another one of its cluster was killed under inserts and queries.
test.each([
  ['32', 'Attempt to read after eof: while receiving packet from 10.0.0.2:9000: Insertion status: …', 'unreachable'],
  [
    '32',
    'Attempt to read after eof: Insertion status: Wrote 5 blocks and 327655 rows on shard 0 replica 0',
    'unreachable',
  ],
  [
    '33',
    'Cannot read all data. Bytes read: 8. Bytes expected: 90: while receiving packet from 10.0.0.2:9000',
    'unreachable',
  ],
  ['210', 'Connection refused (10.0.0.2:9000): Insertion status: Wrote 0 blocks', 'unreachable'],
  ['279', 'All connection tries failed', 'overloaded'],
  [
    '369',
    'Could not find enough connections to up-to-date replicas. Got: 0, needed: 1: While executing Remote.',
    'overloaded',
  ],
  ['33', 'Cannot read all data. Bytes read: 8. Bytes expected: 90', 'rejected'],
])('a server of a cluster goes away: %s %s', (code, message, expected) => {
  const said = new ClickHouseError({ message, code, type: 'X' })
  expect(toStoreError(said, 'http://10.0.0.1:8123')).toMatchObject({
    code: expected,
    retriable: expected !== 'rejected',
  })
})
