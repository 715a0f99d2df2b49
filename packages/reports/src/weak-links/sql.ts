import { type ChainColumn, chainUnits } from '../chain-units.ts'
import { type Params, whereSql } from '../keys.ts'
import { periodSql } from '../period.ts'
import { AS_OF_SQL, type Selection } from '../selection.ts'
import type { Further } from './progress.ts'
import type { Spot } from './search.ts'
import { propTextSql, type SegmentValue, textSql } from './segments.ts'

/**
 * By start day, the chains that `where` selects: how many started, how many of them have ended; and of those in the period, how
 * many are open, ignored, converted and broken. Days are numbered from 1970-01-01. One row.
 */
export function daysSql(selection: Selection, params: Params): string {
  const keys = [...selection.where.values()].map(({ key }) => key)
  const states = ['open', 'ignored', 'converted', 'broken'].map((state) => `countIf(inPeriod AND state = '${state}')`)
  return `
    SELECT groupArray((day, started, ended, states)) AS days, (${AS_OF_SQL}) AS asOf
    FROM (
      SELECT day, count() AS started, countIf(state != 'open') AS ended, [${states.join(', ')}] AS states
      FROM (
        SELECT ${dayOf('startedAt')} AS day, state, ${periodSql(selection, params)} AS inPeriod
        FROM (${chainUnits(['state', 'startedAt'], keys, 'place')})
        WHERE ${whereSql(selection.where, params)})
      GROUP BY day
      ORDER BY day)`
}

/** SQL for the UTC day of an instant, from 1970-01-01. */
function dayOf(instant: string): string {
  return `toInt32(intDiv(toUnixTimestamp64Milli(${instant}), 86400000))`
}

/** What the other statements are about. */
export interface Scope {
  readonly selection: Selection
  /** The first day that is looked at, and the first that is not, from 1970-01-01. */
  readonly from: number
  readonly to: number
  /** So many days are counted as one. */
  readonly step: number
  readonly values: readonly SegmentValue[]
}

/** The chains that are looked at: of the selection, started by a day that is settled, and converted or broken. */
function settledChains(
  scope: Scope,
  columns: readonly ChainColumn[],
  params: Params,
  condition = `state IN ('converted', 'broken')`,
): string {
  const keys = [...[...scope.selection.where.values()].map(({ key }) => key), ...scope.values.map(({ key }) => key)]
  return `
    SELECT *
    FROM (${chainUnits([...new Set<ChainColumn>([...columns, 'state', 'startedAt'])], keys, 'place')})
    WHERE ${whereSql(scope.selection.where, params)} AND ${periodSql(scope.selection, params)}
      AND ${condition} AND ${dayOf('startedAt')} < ${params.bind(scope.to, 'Int32')}`
}

/** Props at the beginning of chains: name, chains that have it, how many values (one more than `most` where there are more). */
export function propsSql(scope: Scope, most: number, params: Params): string {
  const keyed = { ...scope, values: [{ key: { kind: 'props', name: 'props.', prop: '' }, text: '' }] } satisfies Scope
  return `
    SELECT prop.1 AS name, count() AS chains, uniqUpTo(${most})(${propTextSql('prop.2')}) AS distinct
    FROM (${settledChains(keyed, [], params)})
    ARRAY JOIN JSONExtractKeysAndValuesRaw(first_props) AS prop
    GROUP BY name
    ORDER BY chains DESC, name`
}

/** Values of the keys of `scope.values` at the beginning of chains: index of the key, value as text, chains. */
export function valuesSql(scope: Scope, most: number, params: Params): string {
  const texts = scope.values.map(({ key }, index) => `(${index}, ${textSql(key, params)})`)
  return `
    SELECT pair.1 AS key, pair.2 AS text, count() AS chains
    FROM (${settledChains(scope, [], params)})
    ARRAY JOIN [${texts.join(', ')}] AS pair
    GROUP BY key, text
    ORDER BY chains DESC, text
    LIMIT ${most} BY key`
}

/** Touchpoints, with the chains that reached them and those of them that converted. */
export function yieldsSql(scope: Scope, params: Params): string {
  return `
    SELECT touchpoint, count() AS reached, countIf(state = 'converted') AS converted
    FROM (${settledChains(scope, ['touchpoints', 'isPlace', 'isEpilogue'], params)})
    ARRAY JOIN arrayDistinct(arrayFilter((id, place, epilogue) -> place AND NOT epilogue, touchpoints, isPlace, isEpilogue))
      AS touchpoint
    GROUP BY touchpoint
    ORDER BY reached DESC, touchpoint`
}

/**
 * Pairs of touchpoints, with the chains that reached both and the first one earlier: FACTOR · before + after as numbers of the
 * list `names`. Of all customers, one of `sampled`, always the same.
 */
export function precedencesSql(scope: Scope, names: readonly string[], sampled: number, params: Params): string {
  return `
    SELECT pair, count() AS chains
    FROM (
      SELECT arrayDistinct(arrayFilter((number, place, epilogue) -> number > 0 AND place AND NOT epilogue,
        ${numbersSql(names, params)}, isPlace, isEpilogue)) AS firsts
      FROM (${settledChains(scope, ['touchpoints', 'isPlace', 'isEpilogue'], params)})
      WHERE cityHash64(customer) % ${params.bind(sampled, 'UInt32')} = 0)
    ARRAY JOIN arrayFlatten(arrayMap((one, index) -> arrayMap(other -> one * ${FACTOR} + other, arraySlice(firsts, index + 1)),
      firsts, arrayEnumerate(firsts))) AS pair
    GROUP BY pair`
}

/** SQL for the touchpoints of a chain as numbers, 0 for those that are not in the list. */
function numbersSql(names: readonly string[], params: Params): string {
  const list = params.bind(names, 'Array(String)')
  const numbers = params.bind(
    names.map((_, index) => index + 1),
    'Array(UInt32)',
  )
  return `arrayMap(touchpoint -> transform(touchpoint, ${list}, ${numbers}, 0), touchpoints)`
}

/** Touchpoints as numbers, from 1. What is not in the list, and links from or to it, are not looked at. */
export interface Places {
  readonly names: readonly string[]
  /** Of each, the numbers of those that are further. */
  readonly further: readonly (readonly number[])[]
}

export function placesOf(further: Further): Places {
  const names = [...further.keys()]
  const numbers = new Map(names.map((name, index) => [name, index + 1]))
  return {
    names,
    further: names.map((name) => (further.get(name) ?? []).flatMap((other) => numbers.get(other) ?? [])),
  }
}

/** A link is a number as well: FACTOR · its beginning + its end. */
export const FACTOR = 65_536

/**
 * One row a chain: `gone` (it was lost), `codes` (numbers of its segment values, ascending), and of each touchpoint and link of
 * its path one element of the arrays `elements`, `bins` (the day of the last time, from `scope.from`, in steps), `heres` (it was
 * lost there) and `positions` (where in the path, the last time).
 */
function chainsSql(scope: Scope, places: Places, params: Params, condition?: string): string {
  const further = params.bind(places.further, 'Array(Array(UInt32))')
  const keys = Map.groupBy(scope.values, ({ key }) => key.name)
  const codes = [...keys.values()].map((values) => {
    const [first] = values
    if (first === undefined) throw new Error('a group has members')
    const texts = params.bind(
      values.map(({ text }) => text),
      'Array(String)',
    )
    const own = params.bind(
      values.map((value) => scope.values.indexOf(value) + 1),
      'Array(UInt16)',
    )
    return `transform(${textSql(first.key, params)}, ${texts}, ${own}, 0)`
  })
  const from = params.bind(scope.from, 'Int32')
  const to = params.bind(scope.to, 'Int32')
  return `
    SELECT gone, codes,
      arrayFilter((x, kept) -> kept, everyElement, keeps) AS elements,
      arrayFilter((x, kept) -> kept, everyBin, keeps) AS bins,
      arrayFilter((x, kept) -> kept, everyPosition, keeps) AS positions,
      -- Nobody who was there came to a place that is further.
      arrayMap(element -> gone AND NOT hasAny(reached, ${further}[element % ${FACTOR}]), elements) AS heres
    FROM (
      SELECT gone, codes, reached, everyElement, everyBin, everyPosition,
        -- Of the same element the first one counts, which is the last in time.
        arrayMap((element, occurrence, bin) -> element > 0 AND occurrence = 1 AND bin >= 0,
          everyElement, arrayEnumerateUniq(everyElement), everyBin) AS keeps
      FROM (
        SELECT gone, codes, reached,
          arrayReverse(arrayConcat(path,
            arrayMap((one, next) -> if(one = 0 OR next = 0 OR one = next, 0, one * ${FACTOR} + next), arrayPopBack(path), arrayPopFront(path)))) AS everyElement,
          arrayReverse(arrayConcat(days, arrayPopFront(days))) AS everyBin,
          arrayReverse(arrayConcat(arrayEnumerate(path), arrayPopFront(arrayEnumerate(path)))) AS everyPosition
        FROM (
          SELECT state = 'broken' AS gone, arrayFilter(code -> code > 0, [${codes.join(', ')}]::Array(UInt16)) AS codes,
            ${numbersSql(places.names, params)} AS numbers,
            arrayMap((place, index) -> place AND index <= placeIndex, isPlace, arrayEnumerate(isPlace)) AS onPath,
            arrayFilter((number, on) -> on, numbers, onPath) AS path,
            arrayMap(at -> if(${dayOf('at')} < ${to}, intDiv(${dayOf('at')} - ${from}, ${scope.step}), -1),
              arrayFilter((at, on) -> on, times, onPath)) AS days,
            arrayFilter((number, place, epilogue) -> place AND NOT epilogue, numbers, isPlace, isEpilogue) AS reached
          FROM (${settledChains(scope, ['touchpoints', 'isPlace', 'isEpilogue', 'times', 'placeIndex'], params, condition)}))))`
}

/** Of `held`, the values of a chain. Numbers of segments: 0 everybody, one value its number, two values the smaller one · FACTOR + the larger one. */
const SINGLES = `arrayConcat([toUInt32(0)], arrayMap(code -> toUInt32(code), held))`
const PAIRS = `arrayFlatten(arrayMap((one, index) -> arrayMap(other -> toUInt32(one * ${FACTOR} + other),
  arraySlice(held, index + 1)), held, arrayEnumerate(held)))`

export interface SeriesQuestion {
  /** Which segments: everybody and single values, or pairs of values. */
  readonly segments: 'singles' | 'pairs' | 'both'
  /** Only these elements, with `pairs`; with `both`, pairs for these. */
  readonly elements?: readonly number[]
  /** Series with fewer chains are left out. */
  readonly least: number
  /** Only the chains lost at the last one, and at none of those before; elements and values as numbers. */
  readonly lostAt?: readonly (Omit<Spot, 'element'> & { readonly element: number })[]
}

/**
 * Series, one a row: element, segment, and one array each of bins, reached, lost, lostAtAll and after (came there only after the
 * last time at the last spot), in no order.
 */
export function seriesSql(scope: Scope, places: Places, question: SeriesQuestion, params: Params): string {
  const elements = params.bind(question.elements ?? [], 'Array(UInt32)')
  const isAsked = `has(${elements}, element)`
  const segments = {
    singles: SINGLES,
    pairs: PAIRS,
    both: `arrayConcat(${SINGLES}, if(${isAsked}, ${PAIRS}, []))`,
  }[question.segments]
  const spots = question.lostAt ?? []
  const spot = spots.at(-1)
  const inside = spots.map((one) => insideSql(one, params))
  const conditions = [
    ...(question.segments === 'pairs' ? [isAsked] : []),
    ...inside.map((sql, index) => (index === inside.length - 1 ? sql : `NOT ${sql}`)),
  ]
  const after =
    spot === undefined ? 'false' : `position > positions[indexOf(elements, ${params.bind(spot.element, 'UInt32')})]`
  // Before anything is made of a chain: few were lost there.
  const there = spot === undefined ? '' : params.bind(places.names[(spot.element % FACTOR) - 1] ?? '', 'String')
  const brokenThere = spot === undefined ? undefined : `state = 'broken' AND has(touchpoints, ${there})`
  return `
    SELECT element, segment, groupArray(bin) AS bins, groupArray(n) AS reached, groupArray(h) AS lost,
      groupArray(g) AS lostAtAll, groupArray(a) AS after
    FROM (
      SELECT element, segment, bin, sum(n) AS n, sum(h) AS h, sum(g) AS g, sum(a) AS a
      FROM (
        SELECT element, any(codes) AS held, bin, count() AS n, countIf(here) AS h, countIf(gone) AS g, countIf(${after}) AS a
        FROM (${chainsSql(scope, places, params, brokenThere)})
        ARRAY JOIN elements AS element, bins AS bin, heres AS here, positions AS position
        ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
        -- A number is grouped by faster than an array.
        GROUP BY element, bin, cityHash64(codes))
      ARRAY JOIN ${segments} AS segment
      GROUP BY element, segment, bin)
    GROUP BY element, segment
    HAVING arraySum(reached) >= ${params.bind(question.least, 'UInt64')}`
}

/** The chain was lost at the spot. */
function insideSql({ element, segment, window }: Omit<Spot, 'element'> & { element: number }, params: Params): string {
  const number = params.bind(element, 'UInt32')
  const codes = params.bind(segment, 'Array(UInt16)')
  const from = params.bind(window.from, 'Int32')
  const to = params.bind(window.to, 'Int32')
  return `(hasAll(codes, ${codes}) AND arrayExists((e, b, h) -> e = ${number} AND h AND b >= ${from} AND b < ${to},
    elements, bins, heres))`
}
