import type { Store } from '@weaklink/clickhouse'
import { Params } from '../keys.ts'
import { groupValues, shownPeriod } from '../selection.ts'
import { Turns } from '../turns.ts'
import { drillOf } from './drill.ts'
import { GroupOfPaths, type NotComputed } from './group.ts'
import type { AttributionQuery } from './options.ts'
import type { AttributionReport, AttributionStates } from './shape.ts'
import { type PathRow, pathsSql } from './sql.ts'

/**
 * Who gets the credit for what sold (or with `aim: broken` the blame for what broke). In every group and measure the credits of
 * each model add up to `total`, as whole numbers of `unit`; the totals of conversions (breaks) are the converted (broken) chains
 * of the group, and those of the groups sum to the totals.
 *
 * @throws QueryError where a model was asked for that cannot be computed on so much
 * @throws StoreError
 */
export async function attribution(store: Store, query: AttributionQuery): Promise<AttributionReport> {
  const params = new Params()
  const sql = pathsSql(query, params)
  const settings = { enable_shared_storage_snapshot_in_query: 1 } as const
  const groups = new Map<string, GroupOfPaths>()
  if (query.by.length === 0) groups.set('[]', new GroupOfPaths(query))
  let asOf: string | null = null
  for await (const rows of store.stream<PathRow>(sql, params.values, { settings })) {
    for (const row of rows) {
      const [state, group, , , chains] = row
      if (state === 'asOf') {
        asOf = new Date(chains).toISOString()
        continue
      }
      const members = groups.get(group) ?? new GroupOfPaths(query)
      groups.set(group, members)
      members.add(state, row)
    }
  }

  const sorted = [...groups].sort(
    ([a, one], [b, other]) => other.states[query.aim] - one.states[query.aim] || (a < b ? -1 : 1),
  )
  const turns = new Turns()
  const leftOut = new Map<string, NotComputed>()
  let samples: number | null = null
  const shown: AttributionReport['groups'] = []
  for (const [group, members] of sorted) {
    const by = groupValues(group, query.by)
    const credited = await members.credited(turns, (name) => drillOf(query, by, name))
    for (const missing of credited.leftOut) leftOut.set(missing.model, missing)
    if (credited.samples !== null) samples = Math.max(samples ?? 0, credited.samples)
    shown.push({ by, totals: members.states, measures: credited.measures })
  }
  return {
    asOf,
    ...shownPeriod(query),
    aim: query.aim,
    of: query.of,
    models: query.models.filter((model) => !leftOut.has(model)),
    leftOut: [...leftOut.values()],
    halfLifeMs: query.halfLifeMs,
    order: query.order,
    samples,
    seed: query.seed,
    totals: sumOf([...groups.values()].map(({ states }) => states)),
    groups: shown,
  }
}

function sumOf(all: readonly AttributionStates[]): AttributionStates {
  const totals = { chains: 0, open: 0, converted: 0, broken: 0, ignored: 0 }
  for (const states of all)
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += states[name]
  return totals
}
