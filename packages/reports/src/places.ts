import type { ChainColumn } from './chain-units.ts'

/** The columns of a chain that `placesSql` and `PATH_LENGTH_SQL` read. */
export const PLACE_COLUMNS = ['isPlace', 'isEpilogue', 'placeIndex'] as const satisfies readonly ChainColumn[]

/** SQL: of an array of the chain's interactions, the entries of its places (the epilogue apart), in order. */
export function placesSql(column: ChainColumn): string {
  return `arrayFilter((one, place, epilogue) -> place AND NOT epilogue, ${column}, isPlace, isEpilogue)`
}

/**
 * SQL: how many of the places are the chain's path: those up to and including its place. At least one. What comes after are
 * messages that nobody answered.
 */
export const PATH_LENGTH_SQL = 'countEqual(arraySlice(isPlace, 1, placeIndex), true)'

/** SQL: of an array of the chain's interactions, the entries of its path, in order. */
export function pathSql(column: ChainColumn): string {
  return `arraySlice(${placesSql(column)}, 1, ${PATH_LENGTH_SQL})`
}
