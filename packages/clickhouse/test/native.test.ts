import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Columns, column } from '../src/index.ts'
import { startTestStore, type TestStore } from '../src/test-support.ts'

let db: TestStore
beforeAll(async () => {
  db = await startTestStore()
})
afterAll(() => db.stop())

let tables = 0

/** Creates a table of these columns, inserts, and reads the rows back as the server sees them. */
async function roundTrip(columns: Columns, types: Readonly<Record<string, string>>, read = '*'): Promise<unknown[]> {
  const table = `round_trip_${++tables}`
  const definition = Object.entries(types).map(([name, type]) => `${name} ${type}`)
  await db.store.command(`CREATE TABLE ${table} (${definition.join(', ')}) ENGINE = MergeTree ORDER BY tuple()`)
  await db.store.insert(table, columns)
  return db.store.query(`SELECT ${read} FROM ${table}`)
}

interface Pushable {
  push(value: never): void
}

describe('each type arrives as it was pushed', () => {
  const texts = [
    '',
    "a 'quoted' \\ line\nand\ttab\0",
    'Ожидание 电话等待 👩‍💻 é',
    ...[41, 42, 43, 127, 128, 129, 16383, 16384].flatMap((n) => ['x'.repeat(n), '电'.repeat(n), `${'x'.repeat(n)}é`]),
  ]
  const cases: [type: string, values: readonly unknown[], make: () => Columns[string] & Pushable][] = [
    ['String', texts, column.string],
    ['LowCardinality(String)', ['call_wait', '', 'call_wait', 'ad', ...texts], column.lowCardinality],
    ['Bool', [true, false, true], column.bool],
    ['UInt32', [0, 1, 4294967295], column.uint32],
    ['UInt64', [0, 1, 4294967296, Number.MAX_SAFE_INTEGER], column.uint64],
    ['Float64', [1.7976931348623157e308, 5e-324, -0.1], column.float64],
    ['Nullable(UInt64)', [null, 0, 7, null], () => column.nullable(column.uint64())],
  ]

  test.each(cases)('%s', async (type, values, make) => {
    const v = make()
    for (const value of values) v.push(value as never)
    expect(await roundTrip({ v }, { v: type })).toEqual(values.map((value) => ({ v: value })))
  })

  test('Enum8, by its numbers', async () => {
    const type = "Enum8('low' = -128, 'zero' = 0, 'high' = 127)"
    const v = column.enum8(type)
    for (const number of [127, -128, 0]) v.push(number)
    expect(await roundTrip({ v }, { v: type })).toEqual([{ v: 'high' }, { v: 'low' }, { v: 'zero' }])
  })

  test('times, also before 1970', async () => {
    const [v, n] = [column.dateTime64(), column.nullable(column.dateTime64())]
    for (const at of [0, -1, -4_294_967_296, Date.UTC(2201, 0) - 1]) {
      v.push(at)
      n.push(at === 0 ? undefined : at)
    }
    const type = "DateTime64(3, 'UTC')"
    expect(await roundTrip({ v, n }, { v: type, n: `Nullable(${type})` })).toEqual([
      { v: '1970-01-01T00:00:00.000Z', n: null },
      { v: '1969-12-31T23:59:59.999Z', n: '1969-12-31T23:59:59.999Z' },
      { v: '1969-11-12T06:57:12.704Z', n: '1969-11-12T06:57:12.704Z' },
      { v: '2200-12-31T23:59:59.999Z', n: '2200-12-31T23:59:59.999Z' },
    ])
  })

  test('a lone surrogate is replaced', async () => {
    const v = column.string()
    v.push('\ud800')
    expect(await roundTrip({ v }, { v: 'String' })).toEqual([{ v: '\ufffd' }])
  })

  test.each([255, 256, 257, 65_536, 65_537])('LowCardinality with %d different values', async (different) => {
    const v = column.lowCardinality()
    for (let k = 0; k < different; k++) v.push(`value ${k}`)
    v.push('value 0')
    expect(
      await roundTrip({ v }, { v: 'LowCardinality(String)' }, 'count() AS n, uniqExact(v) AS u, max(v) AS last'),
    ).toEqual([{ n: different + 1, u: different, last: `value ${last(different)}` }])
  })
  const last = (different: number) =>
    Array.from({ length: different }, (_, k) => String(k))
      .sort()
      .at(-1)
})

/** Arrays of tuples of arrays, with LowCardinality inside, as `customer_chains` has them. */
const NESTED =
  'Array(Tuple(id String, place LowCardinality(String), n Nullable(Float64), inner Array(Tuple(x UInt32, tags Array(LowCardinality(String))))))'

function nestedColumns() {
  const inner = column.array(column.tuple({ x: column.uint32(), tags: column.array(column.lowCardinality()) }))
  const fields = { id: column.string(), place: column.lowCardinality(), n: column.nullable(column.float64()), inner }
  return { k: column.uint32(), a: column.array(column.tuple(fields)) }
}

test('any nested rows arrive in full, and in their order', async () => {
  const row = fc.array(
    fc.record({
      id: fc.string({ unit: 'binary' }),
      place: fc.constantFrom('ad', 'call', 'x'.repeat(50), ''),
      n: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      inner: fc.array(fc.record({ x: fc.nat(), tags: fc.array(fc.constantFrom('', 'a', 'b'), { maxLength: 3 }) }), {
        maxLength: 3,
      }),
    }),
    { maxLength: 4 },
  )
  await db.store.command(`CREATE TABLE nested (k UInt32, a ${NESTED}) ENGINE = MergeTree ORDER BY k`)
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
      await db.store.command('TRUNCATE TABLE nested')
      const to = nestedColumns()
      for (const [k, tuples] of rows.entries()) {
        to.k.push(k)
        const { id, place, n, inner } = to.a.elements.fields
        for (const tuple of tuples) {
          id.push(tuple.id)
          place.push(tuple.place)
          n.push(tuple.n)
          for (const { x, tags } of tuple.inner) {
            inner.elements.fields.x.push(x)
            for (const tag of tags) inner.elements.fields.tags.elements.push(tag)
            inner.elements.fields.tags.end()
          }
          inner.end()
        }
        to.a.end()
      }
      await db.store.insert('nested', to)
      const expected = rows.map((a) => ({
        a: a.map((tuple) => ({ ...tuple, id: tuple.id.toWellFormed(), n: tuple.n === 0 ? 0 : tuple.n })),
      }))
      const found = await db.store.query<{ a: { n: number | null }[] }>('SELECT a FROM nested ORDER BY k')
      for (const tuple of found.flatMap(({ a }) => a)) if (tuple.n === 0) tuple.n = 0
      expect(found).toEqual(expected)
    }),
    { numRuns: 40 },
  )
})

describe('a value that its type cannot hold is refused instead of written wrongly', () => {
  test.each<[string, () => void]>([
    ['a fraction as UInt64', () => column.uint64().push(1.5)],
    ['beyond 2^53', () => column.uint64().push(2 ** 53)],
    ['a negative UInt64', () => column.uint64().push(-1)],
    ['a negative UInt32', () => column.uint32().push(-1)],
    ['a fraction as UInt32', () => column.uint32().push(0.5)],
    ['an Enum8 of 128', () => column.enum8("Enum8('a' = 1)").push(128)],
    ['not a time', () => column.dateTime64().push(Number.NaN)],
  ])('%s', (_, push) => expect(push).toThrow(RangeError))
})
