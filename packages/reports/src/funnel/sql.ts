import { OUTCOMES } from '@weaklink/interactions'
import type { ChainColumn } from '../chain-units.ts'
import type { Params } from '../keys.ts'
import { AS_OF_SQL, selectedChains } from '../selection.ts'
import type { Plan } from './match.ts'
import type { FunnelQuery } from './options.ts'

/** A chain as the statement gives it; the last three only where chains are listed. */
export type ChainTuple = readonly [
  group: string,
  /** As numbered in the table; or one of the two below. */
  state: number,
  reason: number,
  ordinal: number,
  kinds: readonly number[],
  /** Milliseconds from the one before, 0 first; or counts. */
  since: readonly number[],
  spots: readonly number[],
  id?: string,
  customer?: string,
  startedAt?: number,
]

/** In place of a state. Of a group: `since` is chains, open, converted, broken, ignored. */
export const GROUP_COUNTS = -1
/** Of everything: `since` is the number of customers, then T where there is one. */
export const TOTAL_COUNTS = -2

/**
 * One statement, hence one state of the tables: the chains that come to the first step (in any order: to a step of the first
 * group), each reduced to the interactions that some step or exclusion is about; and the counts of all that are selected.
 * A row is one chain, or where customers are counted one array of all the chains of a customer.
 */
export function funnelSql(query: FunnelQuery, plan: Plan, params: Params): string {
  const strict = query.funnel.order === 'strict'
  const customers = query.count === 'customers'
  const among = query.open === 'out' ? `state != 'open'` : 'true'

  // `found` is 0 for what no step is about, else 1 + the number of its touchpoint.
  const names = params.bind(plan.touchpoints, 'Array(String)')
  const kinds = plan.byOutcome
    ? `arrayMap((n, outcome) -> (n - 1) * ${OUTCOMES.length} + toInt8(outcome) - 1, arrayFilter(n -> n > 0, found), arrayFilter((outcome, n) -> n > 0, outcomes, found))`
    : `arrayMap(n -> (n - 1) * ${OUTCOMES.length}, arrayFilter(n -> n > 0, found))`
  // No lambda here uses a column beside its arrays: it would be copied for every element.
  const since = `arrayDifference(arrayMap(time -> toUnixTimestamp64Milli(time), arrayFilter((time, n) -> n > 0, times, found)))`
  const spots = strict
    ? `arrayMap((n, place) -> toUInt32(2 * n - place),
        arrayFilter((n, f) -> f > 0, arrayCumSum(placed), found), arrayFilter((place, f) -> f > 0, placed, found))`
    : `emptyArrayUInt32()`
  const listed = query.list === null ? '' : `, id, customer, toUnixTimestamp64Milli(startedAt)`
  const columns: ChainColumn[] = [
    ...(['state', 'reason', 'ordinal', 'touchpoints', 'isEpilogue', 'times'] as const),
    ...(plan.byOutcome ? (['outcomes'] as const) : []),
    ...(strict ? (['isPlace'] as const) : []),
    ...(query.list === null ? [] : (['id', 'startedAt'] as const)),
  ]
  const entries = plan.blocks[0]!.map((step) => plan.matches[step]!)
  const entryKinds = [...entries[0]!.keys()].filter((kind) => entries.some((table) => table[kind] === 1))
  const reduced = `
    SELECT *, ${kinds} AS kinds
    FROM (
      SELECT *,
        arrayMap((touchpoint, epilogue) -> if(epilogue, 0, toInt32(indexOf(${names}, touchpoint))), touchpoints, isEpilogue) AS found
        ${strict ? ', arrayMap((place, epilogue) -> toUInt8(place AND NOT epilogue), isPlace, isEpilogue) AS placed' : ''}
      FROM (${selectedChains(columns, query, query.by, params)})
      WHERE ${among})
    WHERE hasAny(kinds, ${params.bind(entryKinds, 'Array(Int64)')})`
  const tuple = `grp, toInt8(state), toInt8(reason), ordinal, kinds, ${since}, ${spots}${listed}`
  // Not in the order of the table: reading it so took the server three times the memory of a hash table (2.5 M interactions).
  const chains = customers
    ? `SELECT groupArray((${tuple})) AS walks FROM (${reduced}) GROUP BY kind, customer`
    : `SELECT ${tuple} FROM (${reduced})`

  const counted = (group: string, mark: number, counts: string, from: string) => {
    const fields = `${group}, toInt8(${mark}), toInt8(0), toUInt32(0), emptyArrayInt64(), ${counts}, emptyArrayUInt32()${query.list === null ? '' : `, '', '', toInt64(0)`}`
    return `SELECT ${customers ? `[(${fields})]` : fields} FROM (${from}) ${group === 'grp' ? 'GROUP BY grp' : ''}`
  }
  const states = ['open', 'converted', 'broken', 'ignored'].map((state) => `countIf(state = '${state}')`)
  // Each kind of customer by itself: two sets of ids are cheaper than one of pairs.
  const people = `uniqExactIf(customer, kind = 'customer') + uniqExactIf(customer, kind = 'anonymous')`
  const selected = (by: FunnelQuery['by']) =>
    `SELECT * FROM (${selectedChains(['state'], query, by, params)}) WHERE ${among}`
  return `
    ${chains}
    UNION ALL
    ${counted('grp', GROUP_COUNTS, `arrayMap(n -> toInt64(n), [count(), ${states.join(', ')}])`, selected(query.by))}
    UNION ALL
    ${counted(
      `''`,
      TOTAL_COUNTS,
      `arrayFilter(n -> n IS NOT NULL, [toInt64(${people}), toUnixTimestamp64Milli((${AS_OF_SQL}))])::Array(Int64)`,
      selected([]),
    )}`
}
