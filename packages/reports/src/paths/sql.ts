import type { ChainColumn } from '../chain-units.ts'
import type { Params } from '../keys.ts'
import { PATH_LENGTH_SQL, PLACE_COLUMNS, pathSql, placesSql } from '../places.ts'
import { AS_OF_SQL, selectedChains } from '../selection.ts'
import type { PathsQuery } from './options.ts'

/** How a chain ended, in the order in which the SQL counts. */
export const ENDS = {
  converted: `state = 'converted'`,
  open: `state = 'open'`,
  ignored: `state = 'ignored'`,
  refused: `reason = 'refused'`,
  abandoned: `reason = 'abandoned'`,
  dissatisfied: `reason = 'dissatisfied'`,
  silence: `reason = 'silence'`,
} as const

/**
 * One statement, hence (with `enable_shared_storage_snapshot_in_query`) one state of the tables. Each row is one thing that
 * was counted in a group `grp`, or what `limit` folds away (then `names` is empty, and `items` says how many they are):
 *
 * | part    | names             | counts                                                       | times         |
 * | ------- | ----------------- | ------------------------------------------------------------ | ------------- |
 * | asOf    |                   |                                                              | T             |
 * | total   | one empty         | chains, occurrences, ENDS                                    |               |
 * | node    | touchpoint        | reached, afterwards, occurrences, starts, ENDS of those here |               |
 * | link    | from, to          | occurrences, inChains, closedChains, closedFrom              | p50, p95 (ms) |
 * | variant | the path          | inChains, ENDS                                               |               |
 * | branch  | way from the root | inChains, endOfPath, ENDS                                    |               |
 *
 * Source of the graph: W. van der Aalst (2016), Process Mining: Data Science in Action, directly-follows graphs.
 */
export function pathsSql(query: PathsQuery, params: Params): string {
  const places = `
    SELECT grp, state, reason, CAST(${placesSql('touchpoints')}, 'Array(String)') AS places, ${PATH_LENGTH_SQL} AS steps
    FROM (${chains(query, ['touchpoints'], params)})`
  const paths = `SELECT grp, state, reason, ${foldSql('arraySlice(places, 1, steps)', query)} AS path FROM (${places})`

  const total = `
    SELECT grp, [''] AS names, [count(), sum(steps), ${endsSql('true')}] AS counts, ${NO_TIMES} AS times
    FROM (SELECT grp, state, reason, ${PATH_LENGTH_SQL} AS steps FROM (${chains(query, [], params)}))
    GROUP BY grp`

  const nodes = `
    SELECT grp, [touchpoint] AS names,
      [countIf(nth = 1), countIf(nth = 1 AND position > steps), countIf(position <= steps), countIf(position = 1),
       ${endsSql('position = steps')}] AS counts,
      ${NO_TIMES} AS times
    FROM (${places})
    ARRAY JOIN places AS touchpoint, arrayEnumerate(places) AS position, arrayEnumerateUniq(places) AS nth
    GROUP BY grp, touchpoint`

  // The end of a path is a link to nowhere: so the links from a touchpoint see all chains that were there.
  const links = `
    SELECT grp, [source, target] AS names, [occurrences, inChains, closedChains, closedFrom] AS counts,
      -- Nearest rank: the value at the 1-based rank ceil(p · n).
      [toNullable(sorted[intDiv(occurrences * 50 + 99, 100)]), toNullable(sorted[intDiv(occurrences * 95 + 99, 100)])] AS times
    FROM (
      SELECT grp, source, target, count() AS occurrences, countIf(nth = 1) AS inChains,
        countIf(nth = 1 AND state != 'open') AS closedChains,
        sum(countIf(sourceNth = 1 AND state != 'open')) OVER (PARTITION BY grp, source) AS closedFrom,
        arraySort(groupArrayIf(elapsed, target != '')) AS sorted
      FROM (
        SELECT grp, state, path, arrayPushBack(arrayPopFront(path), '') AS targets,
          arrayEnumerateUniq(path) AS sourceNths, arrayEnumerateUniq(path, targets) AS nths,
          arrayMap((from, to) -> toUInt64(greatest(to - from, 0)), times, arrayPushBack(arrayPopFront(times), times[-1])) AS elapsed
        FROM (
          SELECT grp, state, CAST(${pathSql('touchpoints')}, 'Array(String)') AS path,
            arrayMap(at -> toUnixTimestamp64Milli(at), ${pathSql('times')}) AS times
          FROM (${chains(query, ['touchpoints', 'times'], params)})))
      ARRAY JOIN path AS source, targets AS target, sourceNths AS sourceNth, nths AS nth, elapsed
      GROUP BY grp, source, target)
    WHERE target != ''`

  const variants = `
    SELECT grp, path AS names, [count(), ${endsSql('true')}] AS counts, ${NO_TIMES} AS times
    FROM (${paths})
    GROUP BY grp, path`

  return [
    `SELECT 'asOf' AS part, '' AS grp, ['']  AS shown, CAST([], 'Array(UInt64)') AS counts,
       [toUInt64(toUnixTimestamp64Milli((${AS_OF_SQL})))] AS times, toUInt64(0) AS items, toUInt64(0) AS first`,
    ranked('total', total, 1),
    ranked('node', nodes, query.limit),
    ranked('link', links, query.limit),
    ranked('variant', variants, query.limit),
    // The root is no branch.
    ...(query.tree === null ? [] : [ranked('branch', branchesSql(query, query.tree, paths, params), query.limit + 1)]),
  ].join('\nUNION ALL\n')
}

/** Chains of the selection, with what their places are found by. */
function chains(query: PathsQuery, columns: readonly ChainColumn[], params: Params): string {
  return selectedChains(['state', 'reason', ...PLACE_COLUMNS, ...columns], query.selection, query.by, params)
}

const NO_TIMES = `CAST([], 'Array(Nullable(UInt64))')`

function endsSql(condition: string): string {
  return Object.values(ENDS)
    .map((end) => `countIf(${condition} AND ${end})`)
    .join(', ')
}

function foldSql(path: string, { fold }: PathsQuery): string {
  return fold === 'repeats' ? `arrayCompact(${path})` : path
}

/** Every way from the touchpoint as far as `depth`, also the shorter ones that it begins with: each chain is once in each. */
function branchesSql(query: PathsQuery, tree: NonNullable<PathsQuery['tree']>, paths: string, params: Params): string {
  const root = params.bind(tree.touchpoint, 'String')
  const way =
    tree.direction === 'after'
      ? `arraySlice(path, indexOf(path, ${root}))`
      : `arrayReverse(arraySlice(path, 1, indexOf(path, ${root})))`
  return `
    SELECT grp, begun AS names, [count(), countIf(length(begun) = steps), ${endsSql('true')}] AS counts, ${NO_TIMES} AS times
    FROM (
      SELECT grp, state, reason, ${way} AS way, length(way) AS steps,
        arrayMap(taken -> arraySlice(way, 1, taken), range(1, least(steps, ${query.depth + 1}) + 1)) AS begins
      FROM (${paths})
      WHERE has(path, ${root}))
    ARRAY JOIN begins AS begun
    GROUP BY grp, begun`
}

/**
 * The first `most` by their first count, one row each, and one row of all others. Of equals the shorter goes first: a way
 * that is shown is thereby never without the way it begins with, which has at least as many chains.
 */
function ranked(part: string, items: string, most: number): string {
  return `
    SELECT '${part}' AS part, grp, if(rank > ${most}, [], names) AS shown, sumForEach(counts) AS counts,
      any(times) AS times, count() AS items, min(rank) AS first
    FROM (SELECT *, row_number() OVER (PARTITION BY grp ORDER BY counts[1] DESC, length(names), names) AS rank FROM (${items}))
    GROUP BY grp, shown`
}
