import { type ChainColumn, COLUMN_OF } from '../chain-units.ts'
import type { Params } from '../keys.ts'
import { AS_OF_SQL, selectedChains } from '../selection.ts'
import type { Of } from '../selection-shape.ts'
import type { AttributionQuery } from './options.ts'

/** What `TOUCHED_SQL` reads. */
export const TOUCH_COLUMNS = ['state', 'isPlace', 'isEpilogue', 'placeIndex'] as const satisfies readonly ChainColumn[]

/**
 * SQL, over TOUCH_COLUMNS: 1-based, the interaction that ends the chain: of a converted one the purchase (the last before the
 * epilogue), of any other the one behind its place.
 */
const ENDING = `if(state = 'converted', length(isEpilogue) - countEqual(isEpilogue, true), placeIndex + 1)`

/**
 * SQL, over TOUCH_COLUMNS: which of its interactions are the **touches** of a chain, as an array of flags. Of a converted chain
 * its places before the purchase, or the purchase where there are none; of any other its places up to its own.
 */
const TOUCHED_SQL = `
  if(arrayExists((counts, index) -> counts AND index < ${ENDING}, isPlace, arrayEnumerate(isPlace)),
    arrayMap((counts, index) -> counts AND index < ${ENDING}, isPlace, arrayEnumerate(isPlace)),
    arrayMap(index -> index = ${ENDING}, arrayEnumerate(isPlace)))`

/**
 * SQL for "a touch of the chain carries this name", for `report chains`; an empty name: none of its touches carries one. Reads
 * TOUCH_COLUMNS and the column that it names.
 */
export function touchSql(of: Of, name: string, params: Params): { column: ChainColumn; condition: string } {
  const column = COLUMN_OF[of]
  const condition =
    name === ''
      ? `NOT arrayExists((name, touched) -> touched AND name != '', ${column}, ${TOUCHED_SQL})`
      : `arrayExists((name, touched) -> touched AND name = ${params.bind(name, 'String')}, ${column}, ${TOUCHED_SQL})`
  return { column, condition }
}

/** A row of the answer; chains of one path, state, group and currency are one. */
export type PathRow = readonly [
  /** `asOf`: T stands in `chains`, and nothing else. */
  state: 'asOf' | 'open' | 'converted' | 'broken' | 'ignored',
  group: string,
  /** The names that its touches carry, in order; one empty one where none does. Empty where nobody asks for it. */
  path: readonly string[],
  /** Of the purchase, empty where it names none. */
  currency: string,
  chains: number,
  /** Those with a value. */
  valued: number,
  /** Their value, in millionths. */
  value: number,
  /** Along the path: the weight of each touch by time decay, of all these chains; and times their value. */
  decay: readonly number[],
  decayValue: readonly number[],
]

/**
 * One statement, hence one state of the tables: chains folded to the paths there are. Lambdas take what they need as arrays of
 * their own: what they capture is copied for each element, which for a chain of thousands of interactions would be squared.
 */
export function pathsSql(query: AttributionQuery, params: Params): string {
  const names = COLUMN_OF[query.of]
  const decay = query.models.includes('decay')
  const valued = query.aim === 'converted'
  // The graphs need those that ended otherwise as well; to the other models they are a count.
  const graph = query.models.includes('markov') || query.models.includes('shapley')
  const followed = graph ? `state IN ('converted', 'broken')` : `state = '${query.aim}'`
  const columns: ChainColumn[] = [
    ...TOUCH_COLUMNS,
    names,
    ...(valued ? (['reversed', 'values', 'currencies'] as const) : []),
    ...(decay ? (['times'] as const) : []),
  ]
  const halfLife = params.bind(query.halfLifeMs, 'Float64')
  return `
    SELECT toString(state), grp, path, currency, count(), countIf(value IS NOT NULL), sum(micros),
      ${decay ? 'sumForEach(shares), sumForEach(arrayMap(share -> share * micros, shares))' : '[], []'}
    FROM (
      SELECT state, grp, path, value, ifNull(round(value * 1000000), 0) AS micros,
        if(value IS NULL, '', saleCurrency) AS currency,
        arraySum(weights) AS sum, arrayMap(weight -> weight / sum, weights) AS shares
      FROM (
        SELECT state, grp, value, saleCurrency,
          ${followed} AS followed,
          arrayFilter((name, touched) -> touched AND name != '', ${names}, flags) AS carried,
          if(NOT followed, [], if(empty(carried), [''], carried)) AS path,
          ${
            decay
              ? `if(state = '${query.aim}', arrayFilter((at, name, touched) -> touched AND name != '', times, ${names}, flags), []) AS instants,
          -- From the last touch: from where one looks back cancels out, and nothing gets too small to be told from 0.
          toUnixTimestamp64Milli(instants[-1]) AS newest,
          if(empty(instants), [1.], arrayMap(at -> exp2((toUnixTimestamp64Milli(at) - newest) / ${halfLife}), instants)) AS weights`
              : '[1.] AS weights'
          }
        FROM (
          SELECT *, ${TOUCHED_SQL} AS flags, ${ENDING} AS ending,
            ${valued ? `if(state = 'converted' AND NOT reversed, values[ending], NULL)` : "CAST(NULL, 'Nullable(Float64)')"} AS value,
            ${valued ? 'currencies[ending]' : `''`} AS saleCurrency
          FROM (${selectedChains(columns, query, query.by, params)})))
      )
    GROUP BY state, grp, path, currency
    UNION ALL
    SELECT 'asOf', '', [], '', toUnixTimestamp64Milli(assumeNotNull(tick)), 0, 0., [], []
    FROM (SELECT (${AS_OF_SQL}) AS tick)
    WHERE tick IS NOT NULL`
}
