import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RowBinaryWriter } from '../src/index.ts'
import { startTestStore, type TestStore } from '../src/test-support.ts'

let db: TestStore
beforeAll(async () => {
  db = await startTestStore()
})
afterAll(() => db.stop())

let tables = 0

/** Writes one value of the type through a table and reads it back as the server sees it. */
async function roundTrip(type: string, write: (row: RowBinaryWriter) => void, read = 'v'): Promise<unknown> {
  const table = `round_trip_${++tables}`
  await db.store.command(`CREATE TABLE ${table} (v ${type}) ENGINE = MergeTree ORDER BY tuple()`)
  const row = new RowBinaryWriter(1)
  write(row)
  await db.store.insert(table, ['v'], [row.finish()])
  const [answer] = await db.store.query<{ v: unknown }>(`SELECT ${read} AS v FROM ${table}`)
  return answer?.v
}

describe('each type arrives as it was written', () => {
  const U64_MAX = 18446744073709551615n
  const I64_MIN = -9223372036854775808n
  const cases: [type: string, value: unknown, write: (row: RowBinaryWriter) => void, read?: string][] = [
    ['String', '', (row) => row.string('')],
    ['String', "a 'quoted' \\ line\nand\ttab\0", (row) => row.string("a 'quoted' \\ line\nand\ttab\0")],
    ['String', 'Ожидание 电话等待 👩‍💻 é', (row) => row.string('Ожидание 电话等待 👩‍💻 é')],
    ['String', '�', (row) => row.string('\ud800')],
    ...[41, 42, 43, 127, 128, 129, 16383, 16384].flatMap((n): typeof cases => [
      ['String', 'x'.repeat(n), (row) => row.string('x'.repeat(n))],
      ['String', '电'.repeat(n), (row) => row.string('电'.repeat(n))],
    ]),
    ['LowCardinality(String)', 'call_wait', (row) => row.string('call_wait')],
    ['UInt8', 0, (row) => row.uint8(0)],
    ['UInt8', 255, (row) => row.uint8(255)],
    ['Bool', true, (row) => row.bool(true)],
    ['Bool', false, (row) => row.bool(false)],
    ["Enum8('low' = -128, 'high' = 127)", 'low', (row) => row.enum8(-128)],
    ["Enum8('low' = -128, 'high' = 127)", 'high', (row) => row.enum8(127)],
    ['UInt32', 4294967295, (row) => row.uint32(4294967295)],
    ['UInt64', 0, (row) => row.uint64(0)],
    ['UInt64', Number.MAX_SAFE_INTEGER, (row) => row.uint64(Number.MAX_SAFE_INTEGER)],
    ['UInt64', String(U64_MAX), (row) => row.uint64(U64_MAX), 'toString(v)'],
    ['Int64', -1, (row) => row.int64(-1)],
    ['Int64', -4294967296, (row) => row.int64(-4294967296)],
    ['Int64', Number.MIN_SAFE_INTEGER, (row) => row.int64(Number.MIN_SAFE_INTEGER)],
    ['Int64', String(I64_MIN), (row) => row.int64(I64_MIN), 'toString(v)'],
    ["DateTime64(3, 'UTC')", '1970-01-01T00:00:00.000Z', (row) => row.dateTime64(0)],
    ["DateTime64(3, 'UTC')", '1969-12-31T23:59:59.999Z', (row) => row.dateTime64(-1)],
    ["DateTime64(3, 'UTC')", '2200-12-31T23:59:59.999Z', (row) => row.dateTime64(Date.UTC(2201, 0) - 1)],
    ['Float64', 1.7976931348623157e308, (row) => row.float64(1.7976931348623157e308)],
    ['Float64', 5e-324, (row) => row.float64(5e-324)],
    ['Nullable(UInt64)', null, (row) => row.nullable(null, row.uint64)],
    ['Nullable(UInt64)', null, (row) => row.nullable(undefined, row.uint64)],
    ['Nullable(UInt64)', 0, (row) => row.nullable(0, row.uint64)],
    ["Nullable(DateTime64(3, 'UTC'))", '1970-01-01T00:00:00.000Z', (row) => row.nullable(0, row.dateTime64)],
    ['Array(LowCardinality(String))', [], (row) => row.arrayLength(0)],
    [
      'Array(LowCardinality(String))',
      ['a', 'b'],
      (row) => {
        row.arrayLength(2)
        row.string('a')
        row.string('b')
      },
    ],
    [
      'Array(Tuple(id String, n Nullable(Float64), inner Array(Tuple(x UInt32))))',
      [
        { id: 'é', n: null, inner: [] },
        { id: '', n: 1.5, inner: [{ x: 7 }] },
      ],
      (row) => {
        row.arrayLength(2)
        row.string('é')
        row.nullable(null, row.float64)
        row.arrayLength(0)
        row.string('')
        row.nullable(1.5, row.float64)
        row.arrayLength(1)
        row.uint32(7)
      },
    ],
  ]
  test.each(cases)('%s %j', async (type, value, write, read) => {
    expect(await roundTrip(type, write, read)).toEqual(value)
  })

  test('an array longer than one byte of length', async () => {
    const length = 20_000
    const write = (row: RowBinaryWriter) => {
      row.arrayLength(length)
      for (let i = 0; i < length; i++) row.uint8(1)
    }
    expect(await roundTrip('Array(UInt8)', write, 'length(v)')).toBe(length)
  })
})

test('any rows in any number of chunks arrive in full', async () => {
  await db.store.command(
    `CREATE TABLE anything (n UInt32, s String, t Nullable(Int64), a Array(String)) ENGINE = MergeTree ORDER BY n`,
  )
  const safe = fc.maxSafeInteger()
  const row = fc.record({
    s: fc.string({ unit: 'binary' }),
    t: fc.option(safe),
    a: fc.array(fc.string(), { maxLength: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows) => {
      await db.store.command('TRUNCATE TABLE anything')
      const writer = new RowBinaryWriter(1)
      const chunks = rows.map(({ s, t, a }, n) => {
        writer.uint32(n)
        writer.string(s)
        writer.nullable(t, writer.int64)
        writer.arrayLength(a.length)
        for (const each of a) writer.string(each)
        return writer.finish()
      })
      await db.store.insert('anything', ['n', 's', 't', 'a'], chunks)
      const back = await db.store.query('SELECT s, t, a FROM anything ORDER BY n')
      expect(back).toEqual(rows.map(({ s, t, a }) => ({ s: s.toWellFormed(), t, a })))
    }),
    { numRuns: 25 },
  )
})

describe('a value that its type cannot hold is refused instead of written wrongly', () => {
  const row = new RowBinaryWriter()
  test.each<[string, () => void]>([
    ['a fraction as Int64', () => row.int64(1.5)],
    ['beyond 2^53 as a number', () => row.uint64(2 ** 53)],
    ['a negative UInt64', () => row.uint64(-1)],
    ['a negative UInt32', () => row.uint32(-1)],
    ['an Enum8 of 128', () => row.enum8(128)],
    ['not a time', () => row.dateTime64(Number.NaN)],
  ])('%s', (_, write) => expect(write).toThrow(RangeError))
})

test('what was finished stays as it is while the writer goes on', () => {
  const row = new RowBinaryWriter()
  row.string('one')
  const first = row.finish()
  row.string('two')
  expect(first.toString('latin1')).toBe('\u0003one')
  row.reset()
  expect(row.finish()).toHaveLength(0)
})
