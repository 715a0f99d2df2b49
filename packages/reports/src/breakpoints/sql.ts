import { chainUnits, type UnitColumn } from '../chain-units.ts'
import { type Params, whereSql } from '../keys.ts'
import { periodSql } from '../period.ts'
import { groupSql } from '../selection.ts'
import { episodeUnits } from './episode-units.ts'
import type { BreakpointsQuery } from './options.ts'

/** The catalogue in force: that of the newest position. One row, also where there is no position yet. */
export const IN_FORCE_SQL = `
  SELECT max(tick) AS asOf,
    argMax(catalogue, (ifNull(toUnixTimestamp64Milli(tick), -9223372036854775807), epoch, offset)) AS catalogue
  FROM positions FINAL`

/** Counts of the selection, in the order of the SQL's tuple. */
export const TOTALS = {
  // Each kind by itself: two sets of ids are cheaper than one of pairs.
  customers: `uniqExactIf(customer, selected AND kind = 'customer') + uniqExactIf(customer, selected AND kind = 'anonymous')`,
  chains: 'countIf(selected)',
  open: `countIf(selected AND state = 'open')`,
  atRisk: 'countIf(selected AND atRisk)',
  converted: `countIf(selected AND state = 'converted')`,
  reversed: 'countIf(selected AND reversed)',
  complained: 'countIf(selected AND complained)',
  broken: `countIf(selected AND state = 'broken')`,
  ignored: `countIf(selected AND state = 'ignored')`,
  returned: 'countIf(selected AND returned)',
  returnedAndBought: 'countIf(selected AND returnedAndBought)',
} as const

/** Counts of one touchpoint in one group, in the order of the SQL's tuple; `here`: it is the place of the unit. */
export const COUNTS = {
  interactions: 'count()',
  reached: 'countIf(reaching)',
  convertedHere: `countIf(here AND state = 'converted')`,
  openHere: `countIf(here AND state = 'open')`,
  ignoredHere: `countIf(here AND state = 'ignored')`,
  refused: `countIf(here AND reason = 'refused')`,
  abandoned: `countIf(here AND reason = 'abandoned')`,
  dissatisfied: `countIf(here AND reason = 'dissatisfied')`,
  silence: `countIf(here AND reason = 'silence')`,
  returned: 'countIf(here AND returned)',
} as const

/**
 * One statement, hence (with `enable_shared_storage_snapshot_in_query`) one state of the tables: the breaks of the
 * touchpoints sum to the totals, also while the tracker writes. It gives one row with
 *
 * - `totals`: a tuple of TOTALS
 * - `started`, `ended`: by start day, the chains that started then, and those of them that have ended, of the selection
 *   by `where` alone
 * - `recovered`: by touchpoint and group, written one after the other, the selected units in which it was recovered
 * - `places`: tuples of (group as a JSON array, touchpoint, tuple of COUNTS, p50, p95)
 * - `asOf`, `olderCatalogue`
 */
export function breakpointsSql(query: BreakpointsQuery, steps: ReadonlyMap<string, number>, params: Params): string {
  const whereKeys = [...query.where.values()].map(({ key }) => key)
  const where = whereSql(query.where, params)
  const period = periodSql(query, params)
  const split = query.by.length > 0
  const group = groupSql(query.by, params)
  const periodColumns: UnitColumn[] = query.date === 'start' ? ['startedAt'] : ['startedAt', 'closedAt']
  const units = (columns: readonly UnitColumn[]) => {
    const keys = [...whereKeys, ...query.by]
    return query.within === null
      ? chainUnits(columns, keys, query.at)
      : episodeUnits(query.within, keys, query.at, steps, params)
  }

  const totals = `
    SELECT tuple(${Object.values(TOTALS).join(', ')}) AS totals,
      sumMap(map(toDate(startedAt, 'UTC'), toUInt64(1))) AS started,
      sumMap(map(toDate(startedAt, 'UTC'), toUInt64(state != 'open'))) AS ended,
      -- Here, and not where touchpoints are counted: few units have any, and an array a unit would be copied for each
      -- of its interactions.
      sumMapIf(mapFromArrays(arrayMap(touchpoint -> concat(touchpoint, ${group}), recovered),
        arrayMap(touchpoint -> toUInt64(1), recovered)), selected) AS recovered
    FROM (
      SELECT *, ${period} AS selected
      FROM (${units([...periodColumns, 'state', 'atRisk', 'reversed', 'complained', 'returned', 'returnedAndBought', 'recovered'])})
      WHERE ${where})`

  const places = `
    SELECT groupArray((grp, touchpoint, counts, p50, p95)) AS places
    FROM (
      SELECT ${split ? 'grp' : `'[]' AS grp`}, touchpoint, tuple(${Object.values(COUNTS).join(', ')}) AS counts,
        arraySort(groupArray(wait)) AS sorted,
        -- Nearest rank: the value at the 1-based rank ceil(p · n).
        if(empty(sorted), NULL, sorted[intDiv(length(sorted) * 50 + 99, 100)]) AS p50,
        if(empty(sorted), NULL, sorted[intDiv(length(sorted) * 95 + 99, 100)]) AS p95
      FROM (
        SELECT ${split ? 'grp, ' : ''}state, reason, returned, touchpoint, wait,
          reachable AND occurrence = 1 AS reaching, reaching AND touchpoint = place AS here
        FROM (
          SELECT ${split ? `${group} AS grp, ` : ''}state, reason, place, returned, touchpoints, isPlace, waits,
            arrayMap((counts, epilogue) -> counts AND NOT epilogue, isPlace, isEpilogue) AS canReach,
            -- What cannot reach counts as one other place. Over one array this takes a third of what it takes over three.
            arrayEnumerateUniq(arrayMap((reaches, touchpoint) -> if(reaches, touchpoint, ''), canReach, touchpoints)) AS occurrences
          FROM (${units([...periodColumns, 'state', 'reason', 'place', 'returned', 'touchpoints', 'isPlace', 'isEpilogue', 'waits'])})
          WHERE ${where} AND ${period})
        ARRAY JOIN touchpoints AS touchpoint, isPlace AS counted, canReach AS reachable, waits AS wait,
          occurrences AS occurrence
        WHERE counted)
      GROUP BY ${split ? 'grp, ' : ''}touchpoint)`

  // The small ones as scalars: a join of four sub-queries runs on one thread and takes twice as long.
  return `
    SELECT totals, started, ended, recovered, places, (SELECT asOf FROM (${IN_FORCE_SQL})) AS asOf,
      (WITH (SELECT catalogue FROM (${IN_FORCE_SQL})) AS inForce
       SELECT countIf(inForce != '' AND catalogue != inForce AND chains.size0 > 0)
       FROM customer_chains FINAL) AS olderCatalogue
    FROM (${totals}) AS t, (${places}) AS p`
}
