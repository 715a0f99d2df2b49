import { type ChainColumn, COLUMN_OF, chainUnits } from '../chain-units.ts'
import { type Key, type Params, whereSql } from '../keys.ts'
import { periodSql } from '../period.ts'
import { PATH_LENGTH_SQL, PLACE_COLUMNS, placesSql } from '../places.ts'
import { AS_OF_SQL, groupSql } from '../selection.ts'
import type { ConversionQuery } from './options.ts'

/**
 * What is counted of an item, by state of the chain, over one line for each touch: `position` is its place among the touches of
 * the chain, `steps` how many of these are the path, `nth` which touch of its item in the chain it is, `middleNth` which one
 * between the first and the last. The first ones are chains, then come touches, then sums.
 */
export const ITEM_COUNTS = {
  with: 'countIf(nth = 1)',
  returning: 'countIf(nth = 1 AND returning)',
  first: 'countIf(position = 1)',
  middle: 'countIf(middleNth = 1)',
  last: 'countIf(position = steps)',
  afterwards: 'countIf(nth = 1 AND position > steps)',
  wentOn: 'countIf(position < steps)',
  unanswered: 'countIf(position > steps)',
  staff: 'sumIf(staff, nth = 1)',
  saleTouches: 'sumIf(saleTouches, nth = 1)',
} as const

/** What is counted of a whole group, by state. */
export const TOTAL_COUNTS = {
  with: 'count()',
  returning: 'countIf(returning)',
  staff: 'sum(staff)',
  saleTouches: 'sum(saleTouches)',
} as const

/**
 * One statement, hence (with `enable_shared_storage_snapshot_in_query`) one state of the tables. Each row is about an item (an
 * empty text: touches that have none) of a group, or about the whole group:
 *
 * | part   | counts                                                                   | numbers                                       | `label`  |
 * | ------ | ------------------------------------------------------------------------ | --------------------------------------------- | -------- |
 * | asOf   |                                                                          | T                                             |          |
 * | total  | TOTAL_COUNTS                                                             | touches before sales, ms to them: p50, p95 of each | a state |
 * | item   | ITEM_COUNTS                                                              | likewise                                      | a state  |
 * | repeat | converted, cameAgain, boughtAgain; the same of those whose last touch it is |                                            |          |
 * | money  |                                                                          | value, value by first touches, cost           | currency |
 */
export function conversionSql(query: ConversionQuery, params: Params): string {
  const items = `CAST(${placesSql(COLUMN_OF[query.of])}, 'Array(String)') AS items`
  const sales = `
    arrayLastIndex((outcome, epilogue) -> outcome = 'bought' AND NOT epilogue, outcomes, isEpilogue) AS saleAt,
    if(state = 'converted', countEqual(arraySlice(isPlace, 1, saleAt - 1), true), 0) AS saleTouches`
  const measured = `
    SELECT grp, toString(state) AS state, returning, staff, ${items}, ${PATH_LENGTH_SQL} AS steps, ${sales},
      if(state = 'converted', toUInt64(greatest(toUnixTimestamp64Milli(times[saleAt]) - toUnixTimestamp64Milli(times[1]), 0)), 0) AS saleMs
    FROM (${chains(query, ['state', 'staff', 'times', 'outcomes', COLUMN_OF[query.of], ...PLACE_COLUMNS], params)})
    WHERE selected`
  const touches = `
    SELECT grp, state, returning, staff, steps, saleTouches, saleMs, item, position, nth, middleNth
    FROM (
      SELECT *,
        -- The first and the last of the path are not in the middle, nor is what comes after it.
        arrayResize(arrayConcat([toUInt32(0)], arrayEnumerateUniq(arraySlice(items, 2, greatest(steps, 2) - 2))), length(items), toUInt32(0)) AS middleNths
      FROM (${measured}))
    ARRAY JOIN items AS item, arrayEnumerate(items) AS position, arrayEnumerateUniq(items) AS nth, middleNths AS middleNth`

  const total = `
    SELECT 'total' AS part, grp, '' AS item, state AS label, counts, ${PERCENTILES} AS numbers
    FROM (
      SELECT grp, state, [${Object.values(TOTAL_COUNTS).join(', ')}] AS counts,
        arraySort(groupArray(saleTouches)) AS sortedTouches, arraySort(groupArray(saleMs)) AS sortedMs
      FROM (${measured})
      GROUP BY grp, state)`
  const item = `
    SELECT 'item' AS part, grp, item, state AS label, counts, ${PERCENTILES} AS numbers
    FROM (
      SELECT grp, item, state, [${Object.values(ITEM_COUNTS).join(', ')}] AS counts,
        arraySort(groupArrayIf(saleTouches, sale)) AS sortedTouches, arraySort(groupArrayIf(saleMs, sale)) AS sortedMs
      FROM (SELECT *, nth = 1 AND state = 'converted' AS sale FROM (${touches}))
      GROUP BY grp, item, state)`

  // What comes again is looked for among all chains of the customer, selected or not: hence few and short columns.
  const repeated = `
    SELECT grp, items, saleTouches, again, againBought
    FROM (
      SELECT grp, sold, items, saleTouches,
        max(if(acted, ordinal, 0)) OVER customers > ordinal AS again,
        max(if(acted AND state = 'converted', ordinal, 0)) OVER customers > ordinal AS againBought
      FROM (
        SELECT kind, customer, ordinal, state, grp, selected AND state = 'converted' AS sold, ${sales},
          if(sold, CAST(${placesSql(COLUMN_OF[query.of])}, 'Array(String)'), []) AS items,
          arrayExists((actor, epilogue) -> actor = 'customer' AND NOT epilogue, actors, isEpilogue) AS acted
        FROM (${chains(query, ['ordinal', 'state', 'actors', 'outcomes', COLUMN_OF[query.of], 'isPlace', 'isEpilogue'], params)}))
      WINDOW customers AS (PARTITION BY kind, customer))
    WHERE sold`
  const again = (condition: string) =>
    `countIf(${condition}), countIf(${condition} AND again), countIf(${condition} AND againBought)`
  const repeat = `
    SELECT 'repeat' AS part, grp, item, '' AS label, [${again('true')}, ${again('item = lastItem')}] AS counts,
      ${NO_NUMBERS} AS numbers
    FROM (
      -- The sale itself is a touch only where there is nothing else.
      SELECT grp, again, againBought, items[greatest(saleTouches, 1)] AS lastItem, arrayDistinct(items) AS distinctItems
      FROM (${repeated}))
    ARRAY JOIN distinctItems AS item
    GROUP BY grp, item`

  const money = `
    SELECT 'money' AS part, grp, item, amount.1 AS label, [] AS counts,
      [toNullable(sum(amount.2)), toNullable(sumIf(amount.2, position = 1)), toNullable(sum(amount.3))] AS numbers
    FROM (
      SELECT grp, item, position,
        arrayFilter(amount -> amount.2 > 0 OR amount.3 > 0,
          [(saleCurrency, if(nth = 1, saleValue, 0.), 0.), (currency, 0., cost)]) AS amounts
      FROM (
        SELECT grp, ${items}, ${placesSql('currencies')} AS itemCurrencies, ${placesSql('costs')} AS itemCosts,
          arrayLastIndex((outcome, epilogue) -> outcome = 'bought' AND NOT epilogue, outcomes, isEpilogue) AS saleAt,
          if(state = 'converted' AND NOT reversed, ifNull(values[saleAt], 0.), 0.) AS saleValue,
          currencies[saleAt] AS saleCurrency
        FROM (${chains(query, ['state', 'reversed', 'outcomes', 'values', 'costs', 'currencies', COLUMN_OF[query.of], 'isPlace', 'isEpilogue'], params)})
        WHERE selected AND state != 'open')
      ARRAY JOIN items AS item, arrayEnumerate(items) AS position, arrayEnumerateUniq(items) AS nth,
        itemCurrencies AS currency, arrayMap(cost -> ifNull(cost, 0.), itemCosts) AS cost)
    ARRAY JOIN amounts AS amount
    GROUP BY grp, item, label`

  const asOf = `
    SELECT 'asOf' AS part, '' AS grp, '' AS item, '' AS label, CAST([], 'Array(UInt64)') AS counts,
      [CAST(toUnixTimestamp64Milli((${AS_OF_SQL})), 'Nullable(Float64)')] AS numbers`
  return [asOf, total, item, repeat, money].join('\nUNION ALL\n')
}

/** All chains, with `selected`, `grp` and `returning`. */
function chains({ selection, by }: ConversionQuery, columns: readonly ChainColumn[], params: Params): string {
  const keys: Key[] = [...[...selection.where.values()].map(({ key }) => key), ...by, RETURNING]
  const dated: ChainColumn[] = selection.date === 'start' ? ['startedAt'] : ['startedAt', 'closedAt']
  return `
    SELECT kind, customer, returning, ${[...new Set(columns)].join(', ')}, ${groupSql(by, params)} AS grp,
      ${whereSql(selection.where, params)} AND ${periodSql(selection, params)} AS selected
    FROM (${chainUnits([...new Set([...columns, ...dated])], keys, 'place')})`
}

const RETURNING: Key = { kind: 'returning', name: 'returning' }
const NO_NUMBERS = `CAST([], 'Array(Nullable(Float64))')`

/** Nearest rank: the value at the 1-based rank ceil(p · n). */
const PERCENTILES = `[${['sortedTouches', 'sortedMs']
  .flatMap((sorted) =>
    [50, 95].map(
      (percent) =>
        `CAST(arrayElementOrNull(${sorted}, intDiv(length(${sorted}) * ${percent} + 99, 100)), 'Nullable(Float64)')`,
    ),
  )
  .join(', ')}]`
