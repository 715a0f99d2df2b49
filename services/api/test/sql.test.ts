import { ANALYST_SETTINGS, ANALYST_VIEWS, connect, type Store } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTables, storeAll } from '../../../packages/reports/test/stored.ts'
import { CATALOGUE, PEOPLE, TICK } from '../../../packages/reports/test/story.ts'
import { KEYS, openTestLog, type Running, startApi, storeAt, type TestLog } from './support.ts'

// With a server of CLICKHOUSE_URL there is no password of an analyst.
const isEmbedded = !process.env.CLICKHOUSE_URL

let db: TestStore
let log: TestLog
let analyst: Store
let running: Running

beforeAll(async () => {
  db = await startTestStore()
  log = await openTestLog()
  await createTables(db.store)
  await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
  // Of before, the one under way; then one of now.
  await db.store.command('SYSTEM WAIT VIEW aggregates_refresh')
  await db.store.command('SYSTEM REFRESH VIEW aggregates_refresh')
  await db.store.command('SYSTEM WAIT VIEW aggregates_refresh')
  const account = db.server?.analyst ?? { username: 'analyst', password: '' }
  analyst = connect({ url: db.store.url, ...account, database: db.database, settings: ANALYST_SETTINGS })
  running = await startApi({ store: db.store, analyst, log: log.log })
})
afterAll(async () => {
  await running.close()
  await analyst.close()
  await log.remove()
  await db.stop()
})

function post(
  body: string | object,
  { at = running, query = '', type = 'application/json', key = KEYS.read as string } = {},
) {
  return fetch(`${at.url}/api/v1/sql${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

async function refused(query: string): Promise<{ status: number; detail: string }> {
  const response = await post({ query })
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem = (await response.json()) as { status: number; detail: string }
  expect(problem.status).toBe(response.status)
  // Where the store is, is nobody's business.
  expect(problem.detail).not.toContain(new URL(db.store.url).port)
  return problem
}

describe.skipIf(!isEmbedded)('an answer', () => {
  const query = 'SELECT place, count() AS chains FROM chains GROUP BY place ORDER BY place'
  const rows = [
    { place: 'ad_view', chains: 2 },
    { place: 'call_wait', chains: 2 },
    { place: 'sms', chains: 1 },
    { place: 'visit', chains: 1 },
  ]

  test('has its columns and rows, whether asked as JSON or as text', async () => {
    const expected = {
      columns: [
        { name: 'place', type: 'String' },
        { name: 'chains', type: 'UInt64' },
      ],
      rows,
    }
    for (const [body, type] of [
      [JSON.stringify({ query }), 'application/json'],
      [`${query};\n`, 'text/plain'],
      [`-- where\n${query} -- they are`, 'text/plain; charset=utf-8'],
    ] as const) {
      const response = await post(body, { type })
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8'])
      expect(await response.json()).toEqual(expected)
    }
  })

  test('may come as CSV or NDJSON', async () => {
    const csv = await post({ query }, { query: '?format=csv' })
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(await csv.text()).toBe('place,chains\nad_view,2\ncall_wait,2\nsms,1\nvisit,1\n')
    const ndjson = await post({ query }, { query: '?format=ndjson' })
    expect(
      (await ndjson.text())
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(rows)
    const odd = await post({ query: `SELECT 'a,"b' AS x, [1, 2] AS y, NULL AS z` }, { query: '?format=csv' })
    expect(await odd.text()).toBe('x,y,z\n"a,""b","[1,2]",\n')
  })

  test('of nothing is empty, with its columns', async () => {
    const nothing = `${query.replace('GROUP', "WHERE place = 'x' GROUP")}`
    expect(await (await post({ query: nothing })).json()).toMatchObject({ columns: [{ name: 'place' }, {}], rows: [] })
    expect(await (await post({ query: nothing }, { query: '?format=csv' })).text()).toBe('place,chains\n')
    expect(await (await post({ query: nothing }, { query: '?format=ndjson' })).text()).toBe('')
  })

  test('has whole numbers exactly', async () => {
    const response = await post({ query: 'SELECT toUInt64(9007199254740993) AS large, toInt64(-7) AS small' })
    expect(await response.json()).toMatchObject({ rows: [{ large: '9007199254740993', small: -7 }] })
  })

  test('is large where that is asked for', async () => {
    const response = await post({ query: 'SELECT number, toString(number) AS text FROM numbers(300000)' })
    const { rows } = (await response.json()) as { rows: unknown[] }
    expect([rows.length, rows.at(-1)]).toEqual([300_000, { number: 299_999, text: '299999' }])
  })

  test('reads every view for analysts, the aggregates too', async () => {
    for (const view of ['chains', 'chain_interactions', 'breakpoints_daily', 'conversion_daily', 'waits_hourly']) {
      const answer = await (await post({ query: `SELECT toUInt8(count() > 0) AS some FROM ${view}` })).json()
      expect(answer, view).toMatchObject({ rows: [{ some: 1 }] })
    }
    const sums =
      'SELECT (SELECT sum(broke) FROM breakpoints_daily) AS broke, (SELECT sum(broken) FROM conversion_daily) AS broken'
    expect(await (await post({ query: sums })).json()).toMatchObject({ rows: [{ broke: 3, broken: 3 }] })
  })
})

describe.skipIf(!isEmbedded)('what is not allowed says what is', () => {
  const cases: [query: string, status: number, detail: RegExp][] = [
    [
      'INSERT INTO chains VALUES (1)',
      403,
      /^Nothing can be written or changed\. Allowed is one SELECT .* over the views interactions, /,
    ],
    ["INSERT INTO FUNCTION file('x.csv') SELECT 1", 403, /^Nothing can be written/],
    ['CREATE TABLE t (x UInt8) ENGINE = Memory', 403, /^Nothing can be written/],
    ['/* harmless */ DROP TABLE customer_chains', 403, /^Nothing can be written/],
    ['ALTER TABLE interactions_log DELETE WHERE 1', 403, /^Nothing can be written/],
    ['TRUNCATE TABLE customer_chains', 403, /^Nothing can be written/],
    [
      "SELECT * FROM file('/etc/passwd', 'LineAsString')",
      403,
      /^Only the views can be read.*no file, address or system table/,
    ],
    ["SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String')", 403, /no file, address/],
    ["SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV', 'x String')", 403, /no file, address/],
    ["SELECT * FROM remote('127.0.0.1', weaklink, customer_chains)", 403, /no file, address/],
    ["SELECT * FROM executable('x.sh', 'CSV', 'x String')", 403, /no file, address/],
    ["SELECT dictGet('d', 'x', 1)", 400, /./],
    [
      "SELECT 1 INTO OUTFILE '/tmp/x'",
      400,
      /^INTO OUTFILE would write a file of the server: leave it out\. Allowed is/,
    ],
    ['SELECT 1 SETTINGS max_execution_time = 0', 403, /^Settings and limits cannot be changed\./],
    ['SELECT 1 SETTINGS readonly = 0', 403, /^Settings and limits cannot be changed\./],
    ['SET readonly = 0', 403, /^Settings and limits cannot be changed\./],
    ['SELECT 1; DROP TABLE chains', 400, /^One statement at a time\./],
    ['SELECT 1; SELECT 2', 400, /^One statement at a time\./],
    ['SELECT 1 FORMAT CSV', 400, /^Leave FORMAT out: --format or, over HTTP, \?format=csv/],
    ['SELECT 1 FORMAT Native --', 400, /^Leave FORMAT out/],
    ['SELECT 1 /* open', 400, /[Ss]yntax|comment/],
    ['SELECT * FROM system.users', 400, /^There is no users to be read here\. Allowed is/],
    ['SELECT * FROM customer_chains', 400, /^There is no customer_chains to be read here\. /],
    ['SELECT * FROM aggregates', 400, /^There is no aggregates to be read here\. /],
    ['SELECT * FROM other.chains', 400, /^There is no (other|chains) to be read here\. /],
    ['KILL QUERY WHERE 1', 403, /^This is for who runs the server\./],
    ['SYSTEM SHUTDOWN', 403, /^This is for who runs the server\./],
    ['SYSTEM STOP VIEW aggregates_refresh', 403, /^This is for who runs the server\./],
    ['GRANT SELECT ON *.* TO analyst', 403, /^This is for who runs the server\./],
    ['SELECT * FROM chans', 400, /^There is no chans to be read here\. Did you mean chains\? Allowed is/],
    ['SELECT plac FROM chains', 400, /plac.*(Maybe you meant: \['place'|Did you mean place)/],
    ['SELECT xyzzyxyzzy FROM waits_hourly', 400, /xyzzyxyzzy.* There are: hour, touchpoint, queue, /],
    ['SELECT coutn() FROM chains', 400, /coutn.*count/],
    ['SELEC 1', 400, /[Ss]yntax error/],
    ['', 400, /^The query is empty\. For example: SELECT/],
    [' ; ', 400, /^The query is empty\./],
    ['SELECT number FROM numbers(2000000)', 422, /needs more than it may.*Ask for less/],
    ['SELECT groupArray(number) FROM numbers(2000000000)', 422, /needs more than it may.*Ask for less/],
  ]
  test.each(cases)('%s', async (query, status, detail) => {
    const problem = await refused(query)
    expect(problem.detail).toMatch(detail)
    expect(problem.status).toBe(status)
  })

  test('a function that looks over all tables sees the views alone', async () => {
    const query = `SELECT DISTINCT _table AS table FROM merge('${db.database}', '.*') ORDER BY table`
    const { rows } = (await (await post({ query })).json()) as { rows: { table: string }[] }
    expect(rows.filter(({ table }) => !(ANALYST_VIEWS as readonly string[]).includes(table))).toEqual([])
  })

  test('limits are those of the account in ClickHouse', async () => {
    const query = `SELECT getSetting('max_execution_time') AS seconds, getSetting('readonly') AS readonly,
      getSetting('max_result_rows') AS rows, getSetting('max_memory_usage') AS memory, currentUser() AS who`
    expect(await (await post({ query })).json()).toMatchObject({
      rows: [{ seconds: 60, readonly: 1, rows: 1_000_000, memory: 4_000_000_000, who: 'analyst' }],
    })
  })

  test('what has no end is ended, also in ClickHouse', async () => {
    const impatient = await startApi({ store: db.store, analyst, log: log.log, limits: { queryMs: 500 } })
    try {
      const query = 'SELECT sum(sipHash64(number)) FROM numbers(1000000000000000)'
      const response = await post({ query }, { at: impatient })
      expect(response.status).toBe(504)
      expect(await response.json()).toMatchObject({
        detail: expect.stringMatching(/longer than 0\.5 seconds.*Ask for less/),
      })
      const left = "SELECT query FROM system.processes WHERE user = 'analyst'"
      await expect.poll(() => db.store.query(left), { timeout: 10_000 }).toEqual([])
    } finally {
      await impatient.close()
    }
  })
})

describe.skipIf(!isEmbedded)('a request', () => {
  test.each<[body: string | object, type: string, status: number]>([
    [{ sql: 'SELECT 1' }, 'application/json', 400],
    [{ query: 1 }, 'application/json', 400],
    [{ query: 'SELECT 1', settings: { readonly: 0 } }, 'application/json', 400],
    ['{"query":', 'application/json', 400],
    ['[]', 'application/json', 400],
    ['query=SELECT+1', 'application/x-www-form-urlencoded', 415],
  ])('%j as %s is refused', async (body, type, status) => {
    expect((await post(body, { type })).status).toBe(status)
  })

  test('names a format that there is', async () => {
    const response = await post({ query: 'SELECT 1' }, { query: '?format=xml' })
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { parameter: 'format', expected: 'one of json, csv, ndjson' },
    ])
    expect((await post({ query: 'SELECT 1' }, { query: '?user=default' })).status).toBe(400)
  })

  test('needs a key for reading', async () => {
    expect((await post({ query: 'SELECT 1' }, { key: KEYS.write })).status).toBe(403)
    expect((await post({ query: 'SELECT 1' }, { key: 'guessed' })).status).toBe(401)
  })
})

test('without an account for it, SQL is not possible, and what to do is said', async () => {
  const without = await startApi({ store: db.store, log: log.log })
  try {
    const response = await post({ query: 'SELECT 1' }, { at: without })
    expect([response.status, await response.json()]).toMatchObject([
      501,
      { detail: expect.stringContaining('CLICKHOUSE_ANALYST_PASSWORD') },
    ])
  } finally {
    await without.close()
  }
})

test('while the store is away: 503, and when to ask again', async () => {
  const away = await startApi({ store: storeAt(1), analyst: storeAt(1), log: log.log })
  try {
    const response = await post({ query: 'SELECT 1' }, { at: away })
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
  } finally {
    await away.close()
  }
})

test('/metrics says how old the aggregates are', async () => {
  const metrics = await (await running.get('/metrics')).text()
  expect(metrics).toMatch(/^weaklink_aggregates_age_seconds \d+(\.\d+)?$/m)
})
