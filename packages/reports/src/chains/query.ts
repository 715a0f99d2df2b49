import type { Reason } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import { TOUCH_COLUMNS, touchSql } from '../attribution/sql.ts'
import { type ChainColumn, COLUMN_OF, chainUnits } from '../chain-units.ts'
import { type Key, Params, whereSql } from '../keys.ts'
import { periodSql } from '../period.ts'
import { PLACE_COLUMNS, pathSql, placesSql } from '../places.ts'
import { bucketSql, waitedColumns } from '../waits/waited-sql.ts'
import { type Carried, type ChainsQuery, cursorOf } from './options.ts'
import type { ChainSummary, ChainsReport } from './shape.ts'

type Row = Omit<ChainSummary, 'reason' | 'path'> & { readonly reason: Reason | ''; readonly path: readonly string[] }

/**
 * One page of chains, the newest start first.
 *
 * @throws StoreError
 */
export async function chainsReport(store: Store, query: ChainsQuery): Promise<ChainsReport> {
  const params = new Params()
  const [rows, [position]] = await Promise.all([
    store.query<Row>(pageSql(query, params), params.values),
    store.query<{ asOf: string | null }>('SELECT max(tick) AS asOf FROM positions FINAL'),
  ])
  const chains = rows.slice(0, query.limit).map(summaryOf)
  const last = chains.at(-1)
  return {
    asOf: position?.asOf ?? null,
    chains,
    next: rows.length > query.limit && last !== undefined ? cursorOf(last) : null,
  }
}

/**
 * All of them, in no page: rows as a program reads them, customer by customer.
 *
 * @throws StoreError
 */
export async function* streamChains(store: Store, query: ChainsQuery): AsyncGenerator<ChainSummary[]> {
  const params = new Params()
  const sql = `SELECT ${COLUMNS.join(', ')} FROM (${chainsSql(query, params)}) ORDER BY customer, kind, ordinal`
  for await (const rows of store.stream<unknown[]>(sql, params.values)) {
    yield rows.map((row) => summaryOf(Object.fromEntries(COLUMNS.map((name, k) => [name, row[k]])) as unknown as Row))
  }
}

function summaryOf(row: Row): ChainSummary {
  return { ...row, reason: row.reason || null, path: runs(row.path) }
}

const FIELDS = [
  'id',
  'kind',
  'customer',
  'ordinal',
  'state',
  'reason',
  'place',
  'furthest',
  'atRisk',
  'startedAt',
  'lastAt',
  'closedAt',
  'staff',
] as const
const COLUMNS = [...FIELDS, 'touches', 'path']

/**
 * These chains, in this order. One that was derived anew since, and begins otherwise now, is left out.
 *
 * @throws StoreError
 */
export async function chainSummaries(
  store: Store,
  chains: readonly { readonly customer: string; readonly id: string }[],
): Promise<ChainSummary[]> {
  const found: ChainSummary[] = []
  for (let from = 0; from < chains.length; from += AT_ONCE) {
    found.push(...(await someSummaries(store, chains.slice(from, from + AT_ONCE))))
  }
  return found
}

/** Keys of one query. */
const AT_ONCE = 5_000

async function someSummaries(
  store: Store,
  chains: readonly { readonly customer: string; readonly id: string }[],
): Promise<ChainSummary[]> {
  const sql = `${summariesSql([], [])} WHERE customer IN (SELECT customer FROM listed) AND id IN (SELECT id FROM listed)`
  const rows = await store.queryWithKeys<Row>(sql, {
    name: 'listed',
    columns: 'customer String, id String',
    rows: chains.map(({ customer, id }) => [customer, id]),
  })
  const byId = new Map(rows.map((row) => [row.id, row]))
  return chains.flatMap(({ id }) => {
    const row = byId.get(id)
    return row === undefined ? [] : [summaryOf(row)]
  })
}

/** What a chain went over until it ended. */
const PATH = pathSql('touchpoints')

function chainsSql(query: ChainsQuery, params: Params): string {
  const keys = [...query.where.values()].map(({ key }) => key)
  const text = (value: string) => params.bind(value, 'String')
  const texts = (values: readonly string[]) => params.bind(values, 'Array(String)')
  const conditions = [whereSql(query.where, params), periodSql(query, params)]
  if (query.states.length > 0) conditions.push(`has(${texts(query.states)}, toString(state))`)
  if (query.reason !== null) conditions.push(`reason = ${text(query.reason)}`)
  if (query.place !== null) conditions.push(`place = ${text(query.place)}`)
  if (query.customer !== null) conditions.push(`customer = ${text(query.customer)}`)
  const reached = ({ of, name }: Carried) => `has(${placesSql(COLUMN_OF[of])}, ${text(name)})`
  conditions.push(...query.with.map(reached), ...query.without.map((carried) => `NOT ${reached(carried)}`))
  if (query.first !== null) conditions.push(`(${PATH})[1] = ${text(query.first)}`)
  if (query.last !== null) conditions.push(`(${PATH})[-1] = ${text(query.last)}`)
  if (query.link !== null) {
    const [from, to] = query.link.map(text)
    conditions.push(`arrayExists((a, b) -> a = ${from} AND b = ${to}, arrayPopBack(${PATH}), arrayPopFront(${PATH}))`)
  }
  if (query.through !== null) conditions.push(throughSql(query.through, params))
  if (query.variant !== null) conditions.push(`arrayCompact(${PATH}) = ${texts(query.variant)}`)
  if (query.waited !== null) conditions.push(`${bucketSql(query.waited, params)} = ${text(query.waited.bucket)}`)
  const touches = query.touches.map(({ of, name }) => touchSql(of, name, params))
  conditions.push(...touches.map(({ condition }) => condition))
  const onPath = [query.first, query.last, query.link, query.through, query.variant].some((asked) => asked !== null)
  const carried = [...query.with, ...query.without].map(({ of }) => COLUMN_OF[of])
  const more: ChainColumn[] = [
    ...(onPath ? PLACE_COLUMNS : []),
    ...(query.through === null ? [] : (['times'] as const)),
    ...(carried.length === 0 ? [] : (['isPlace', ...carried] as const)),
    ...(query.waited === null ? [] : waitedColumns(query.waited)),
    ...(touches.length === 0 ? [] : TOUCH_COLUMNS),
    ...touches.map(({ column }) => column),
  ]
  return `${summariesSql(more, keys)} WHERE ${conditions.join(' AND ')}`
}

/** When it came there the last time; of a link, to its second end. */
function throughSql({ steps: [first, second], from, to }: NonNullable<ChainsQuery['through']>, params: Params): string {
  const one = params.bind(first, 'String')
  const last =
    second === undefined
      ? `arrayLastIndex(touchpoint -> touchpoint = ${one}, ${PATH})`
      : `arrayLastIndex((a, b) -> a = ${one} AND b = ${params.bind(second, 'String')}, arrayPushBack(arrayPopBack(${PATH}), ''), arrayPushBack(arrayPopFront(${PATH}), '')) + 1`
  const at = `toUnixTimestamp64Milli((${pathSql('times')})[${last}])`
  return [
    `${last} > ${second === undefined ? 0 : 1}`,
    ...(from === null ? [] : [`${at} >= ${params.bind(from, 'Int64')}`]),
    ...(to === null ? [] : [`${at} < ${params.bind(to, 'Int64')}`]),
  ].join(' AND ')
}

/** Summaries, with these columns and keys for a WHERE that follows. */
function summariesSql(more: readonly ChainColumn[], keys: readonly Key[]): string {
  const columns = new Set([...FIELDS.filter(isColumn), 'touchpoints', 'isEpilogue', ...more] as const)
  const units = chainUnits([...columns], keys, 'place')
  return `
    SELECT ${FIELDS.join(', ')}, length(path) AS touches,
      arrayFilter((touchpoint, epilogue) -> NOT epilogue, touchpoints, isEpilogue) AS path
    FROM (${units})`
}

/** Whose it is comes with every row. */
function isColumn(name: (typeof FIELDS)[number]): name is Exclude<(typeof FIELDS)[number], 'kind' | 'customer'> {
  return name !== 'kind' && name !== 'customer'
}

/** One row more than the page has, to know whether another page follows. */
function pageSql(query: ChainsQuery, params: Params): string {
  const sql = chainsSql(query, params)
  const started = 'toUnixTimestamp64Milli(startedAt)'
  const order = `ORDER BY startedAt DESC, id LIMIT ${query.limit + 1}`
  if (query.after === null) return `${sql} ${order}`
  const at = params.bind(query.after.startedAt, 'Int64')
  const id = params.bind(query.after.id, 'String')
  return `${sql} AND (${started} < ${at} OR (${started} = ${at} AND id > ${id})) ${order}`
}

function runs(touchpoints: readonly string[]): { touchpoint: string; times: number }[] {
  const path: { touchpoint: string; times: number }[] = []
  for (const touchpoint of touchpoints) {
    const last = path.at(-1)
    if (last?.touchpoint === touchpoint) last.times += 1
    else path.push({ touchpoint, times: 1 })
  }
  return path
}
