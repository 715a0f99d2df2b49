import type { Reason } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import { chainUnits } from '../chain-units.ts'
import { Params, whereSql } from '../keys.ts'
import { periodSql } from '../period.ts'
import { type ChainsQuery, cursorOf } from './options.ts'
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
    store.query<Row>(chainsSql(query, params), params.values),
    store.query<{ asOf: string | null }>('SELECT max(tick) AS asOf FROM positions FINAL'),
  ])
  const chains = rows.slice(0, query.limit).map((row) => ({ ...row, reason: row.reason || null, path: runs(row.path) }))
  const last = chains.at(-1)
  return {
    asOf: position?.asOf ?? null,
    chains,
    next: rows.length > query.limit && last !== undefined ? cursorOf(last) : null,
  }
}

/** One row more than the page has, to know whether another page follows. */
function chainsSql(query: ChainsQuery, params: Params): string {
  const keys = [...query.where.values()].map(({ key }) => key)
  const conditions = [whereSql(query.where, params), periodSql(query, params)]
  if (query.state !== null) conditions.push(`state = ${params.bind(query.state, 'String')}`)
  if (query.reason !== null) conditions.push(`reason = ${params.bind(query.reason, 'String')}`)
  if (query.place !== null) conditions.push(`place = ${params.bind(query.place, 'String')}`)
  if (query.customer !== null) conditions.push(`customer = ${params.bind(query.customer, 'String')}`)
  if (query.after !== null) {
    const at = params.bind(query.after.startedAt, 'Int64')
    const id = params.bind(query.after.id, 'String')
    const started = 'toUnixTimestamp64Milli(startedAt)'
    conditions.push(`(${started} < ${at} OR (${started} = ${at} AND id > ${id}))`)
  }
  const units = chainUnits(
    [
      ...([
        'id',
        'ordinal',
        'state',
        'reason',
        'place',
        'furthest',
        'atRisk',
        'startedAt',
        'lastAt',
        'closedAt',
      ] as const),
      ...(['staff', 'touchpoints', 'isEpilogue'] as const),
    ],
    keys,
    'place',
  )
  return `
    SELECT id, kind, customer, ordinal, state, reason, place, furthest, atRisk, startedAt, lastAt, closedAt,
      length(path) AS touches, staff,
      arrayFilter((touchpoint, epilogue) -> NOT epilogue, touchpoints, isEpilogue) AS path
    FROM (${units})
    WHERE ${conditions.join(' AND ')}
    ORDER BY startedAt DESC, id
    LIMIT ${query.limit + 1}`
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
