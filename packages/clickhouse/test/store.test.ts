import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { column, connect, type QueryOptions, StoreError, type StoreErrorCode } from '../src/index.ts'
import { startTestStore, type TestStore } from '../src/test-support.ts'

let db: TestStore
beforeAll(async () => {
  db = await startTestStore()
})
afterAll(() => db.stop())

async function failure(work: Promise<unknown>): Promise<StoreError> {
  const error = await work.then(
    () => new Error('it should have failed'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof StoreError)) throw error
  return error
}

describe('stream', () => {
  test('gives all rows in blocks, as arrays of values', async () => {
    const rows: [number, string][] = []
    let blocks = 0
    const sql = `SELECT number, concat('é\n', toString(number)) FROM numbers({n:UInt32})`
    for await (const block of db.store.stream<[number, string]>(sql, { n: 300_000 })) {
      blocks += 1
      rows.push(...block)
    }
    expect(blocks).toBeGreaterThan(1)
    expect(rows).toHaveLength(300_000)
    expect([rows[0], rows[299_999]]).toEqual([
      [0, 'é\n0'],
      [299_999, 'é\n299999'],
    ])
  })

  test('fails where the query fails, also after its first rows', async () => {
    const all = async (sql: string) => {
      let rows = 0
      for await (const block of db.store.stream(sql)) rows += block.length
      return rows
    }
    expect((await failure(all('SELECT nothing'))).message).toContain('nothing')
    const late = `SELECT number, repeat('x', 1000), throwIf(number = 40000, 'too late') FROM numbers(100000)
      SETTINGS max_block_size = 1000, http_response_buffer_size = 0`
    expect((await failure(all(late))).message).toContain('too late')
  })
})

describe('query', () => {
  test('binds parameters of every kind', async () => {
    const [row] = await db.store.query(
      `SELECT {s:String} AS s, {n:UInt32} AS n, {t:DateTime64(3, 'UTC')} AS t, {a:Array(String)} AS a, {z:Nullable(String)} AS z`,
      { s: "it's \\ \n\t電", n: 7, t: new Date('2026-01-02T03:04:05.678Z'), a: ["a'b", 'c\\d'], z: null },
    )
    expect(row).toEqual({ s: "it's \\ \n\t電", n: 7, t: '2026-01-02T03:04:05.678Z', a: ["a'b", 'c\\d'], z: null })
  })

  test('answers 64-bit integers as numbers, times as ISO 8601 in UTC, NaN as null', async () => {
    const [row] = await db.store.query(
      `SELECT toUInt64(9007199254740991) AS n, toDateTime64(1.5, 3) AS t, nan AS x, CAST(tuple(1), 'Tuple(a UInt8)') AS tuple, true AS b`,
    )
    expect(row).toEqual({ n: 9007199254740991, t: '1970-01-01T00:00:01.500Z', x: null, tuple: { a: 1 }, b: true })
  })

  test('of unknown columns: in order, with types, also where two have one name', async () => {
    const table = await db.store.streamTable('SELECT number AS a, number AS a FROM numbers(2)')
    expect(table.columns).toEqual([
      { name: 'a', type: 'UInt64' },
      { name: 'a', type: 'UInt64' },
    ])
    expect((await Array.fromAsync(table.rows)).flat()).toEqual([
      [0, 0],
      [1, 1],
    ])
  })

  test('an error in the middle of the rows is an error, not a short answer', async () => {
    const error = await failure(db.store.query('SELECT throwIf(number = 1000000) FROM numbers(2000000)'))
    expect(error.code).toBe('rejected')
  })

  test('many at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, n) => db.store.query<{ n: number }>('SELECT {n:UInt32} AS n', { n })),
    )
    expect(answers.map(([row]) => row?.n)).toEqual(Array.from({ length: 64 }, (_, n) => n))
  })

  test('with settings of its own', async () => {
    const sql = "SELECT getSetting('max_threads') AS n"
    expect(await db.store.query(sql, {}, { settings: { max_threads: 1 } })).toEqual([{ n: 1 }])
  })

  test('ends with its signal', async () => {
    const abort = new AbortController()
    const running = failure(
      db.store.query(
        'SELECT sleepEachRow(1) FROM numbers(30)',
        {},
        { signal: abort.signal, settings: { max_block_size: '1' } },
      ),
    )
    abort.abort()
    expect((await running).retriable).toBe(true)
  })
})

describe('queryWithKeys', () => {
  const columns = "customer String, kind Enum8('customer' = 1, 'anonymous' = 2)"

  test.each([0, 1, 20_000])('%i keys', async (count) => {
    const rows = Array.from({ length: count }, (_, n) => [`'k,"${n}\r\n--é`, n % 2 === 0 ? 'customer' : 'anonymous'])
    const sql = 'SELECT count() AS n, uniqExact(customer) AS distinct, countIf(kind = 1) AS known FROM keys'
    expect(await db.store.queryWithKeys(sql, { name: 'keys', columns, rows })).toEqual([
      { n: count, distinct: count, known: Math.ceil(count / 2) },
    ])
  })

  test('joins them with a table and takes parameters too', async () => {
    await db.store.command('CREATE TABLE people (customer String, n UInt32) ENGINE = MergeTree ORDER BY customer')
    await db.store.command(`INSERT INTO people SELECT toString(number), number FROM numbers(1000)`)
    const rows = [
      ['7', 'customer'],
      ['unknown', 'customer'],
      ['9', 'customer'],
    ]
    const found = await db.store.queryWithKeys(
      'SELECT n FROM people WHERE customer IN (SELECT customer FROM keys) AND n > {least:UInt32}',
      { name: 'keys', columns, rows },
      { least: 8 },
    )
    expect(found).toEqual([{ n: 9 }])
  })
})

describe('insert', () => {
  test('takes names that are words of SQL and leaves the other columns at their defaults', async () => {
    await db.store.command(
      "CREATE TABLE words (`order` String, `by` UInt32, other String DEFAULT 'default') ENGINE = MergeTree ORDER BY `order`",
    )
    await db.store.insert('words', { by: column.uint32(), order: column.string() })
    const row = { by: column.uint32(), order: column.string() }
    row.by.push(1)
    row.order.push('x')
    await db.store.insert('words', row)
    expect(await db.store.query('SELECT * FROM words')).toEqual([{ order: 'x', by: 1, other: 'default' }])
  })

  test('half a row is rejected', async () => {
    await db.store.command('CREATE TABLE half (a UInt32, b UInt32) ENGINE = MergeTree ORDER BY a')
    const row = { a: column.uint32(), b: column.uint32() }
    row.a.push(1)
    const error = await failure(db.store.insert('half', row))
    expect(error).toMatchObject({ code: 'rejected', retriable: false })
    expect(await db.store.query('SELECT * FROM half')).toEqual([])
  })

  test('a large one', async () => {
    await db.store.command('CREATE TABLE large (n UInt32, s String) ENGINE = MergeTree ORDER BY n')
    const rows = { n: column.uint32(), s: column.string() }
    for (let n = 0; n < 300_000; n++) {
      rows.n.push(n)
      rows.s.push(`value ${n}`)
    }
    await db.store.insert('large', rows)
    expect(await db.store.query('SELECT count() AS rows, sum(n) AS sum FROM large')).toEqual([
      { rows: 300_000, sum: 44999850000 },
    ])
  })
})

describe('errors say which server, what happened and whether trying again helps', () => {
  test.each<[string, StoreErrorCode, boolean, string, QueryOptions['settings']?]>([
    ['a syntax error', 'rejected', false, 'SELEC'],
    ['an unknown table', 'rejected', false, 'SELECT * FROM nowhere'],
    [
      'too long',
      'timeout',
      true,
      'SELECT sleepEachRow(1) FROM numbers(20)',
      { max_execution_time: 1, max_block_size: '1' },
    ],
    ['too many rows', 'limit', false, 'SELECT * FROM numbers(1000)', { max_result_rows: '10' }],
    [
      'too much memory',
      'limit',
      false,
      'SELECT groupArray(number) FROM numbers(10000000)',
      { max_memory_usage: '1000000' },
    ],
  ])('%s', async (_, code, retriable, sql, settings = {}) => {
    const error = await failure(db.store.query(sql, {}, { settings }))
    expect(error).toMatchObject({ code, retriable })
    expect(error.message).toContain(db.store.url)
    expect(error.message).not.toMatch(/Stack trace|version 2/)
  })

  test('a wrong password', async () => {
    const store = connect({ url: db.store.url, username: 'weaklink', password: 'wrong', database: 'x' })
    expect(await failure(store.ping())).toMatchObject({ code: 'auth', retriable: false })
    await store.close()
  })

  test('nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const store = connect({ url: `http://user:secret@127.0.0.1:${port}`, database: 'x' })
    const a = column.uint32()
    a.push(1)
    for (const work of [store.ping(), store.query('SELECT 1'), store.insert('t', { a })]) {
      const error = await failure(work)
      expect(error).toMatchObject({ code: 'unreachable', retriable: true })
      expect(error.message).toContain(`http://127.0.0.1:${port}`)
      expect(error.message).not.toContain('secret')
    }
    await store.close()
  })

  test('it answers nothing', async () => {
    const server = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const store = connect({ url: `http://127.0.0.1:${port}`, database: 'x', timeoutMs: 100 })
    expect(await failure(store.query('SELECT 1'))).toMatchObject({ code: 'timeout', retriable: true })
    await store.close()
    server.closeAllConnections()
    server.close()
  })

  test.each(['', '1a', 'a-b', 'a.b', 'a`b'])('a database named "%s"', (database) => {
    expect(() => connect({ url: 'http://127.0.0.1:1', database })).toThrow(RangeError)
  })
})
