import type { Params } from '../keys.ts'
import { AS_OF_SQL, selectedChains } from '../selection.ts'
import { callsSql } from './calls-sql.ts'
import type { WaitsQuery } from './options.ts'
import { bucketSql, waitedColumns } from './waited-sql.ts'
import { QUARTER_MS } from './zone.ts'

/**
 * One statement, hence (with `enable_shared_storage_snapshot_in_query`) one state of the tables:
 *
 * | part  | a row for each           | counts                                    | waits               |
 * | ----- | ------------------------ | ----------------------------------------- | ------------------- |
 * | asOf  |                          |                                           | T, where it is known |
 * | calls | group, queue, quarter of an hour, fate | calls, ms of talk, talks, called back     | those that are known |
 * | cost  | group, bucket, state     | chains                                    |                     |
 */
export function waitsSql(query: WaitsQuery, params: Params): string {
  const quarter = query.per === 'none' ? 'toInt64(0)' : `intDiv(entered, ${QUARTER_MS})`
  const calls = `
    SELECT 'calls' AS part, grp, queue, fate AS label, '' AS state, ${quarter} AS quarter,
      [count(), sum(ifNull(talkMs, 0)), count(talkMs), countIf(calledBack)] AS counts,
      groupArray(waitMs) AS waits
    FROM (${callsSql(query, params)})
    GROUP BY grp, queue, label, quarter`
  const chains = selectedChains(['state', ...waitedColumns(query)], query.selection, query.by, params)
  const cost = `
    SELECT 'cost' AS part, grp, '' AS queue, bucket AS label, toString(state) AS state, toInt64(0) AS quarter,
      [count()] AS counts, CAST([], 'Array(Int64)') AS waits
    FROM (SELECT grp, state, ${bucketSql(query, params)} AS bucket FROM (${chains}))
    GROUP BY grp, label, state`
  const asOf = `
    SELECT 'asOf' AS part, '' AS grp, '' AS queue, '' AS label, '' AS state, toInt64(0) AS quarter,
      CAST([], 'Array(UInt64)') AS counts,
      if(isNull((${AS_OF_SQL}) AS tick), [], [assumeNotNull(toUnixTimestamp64Milli(tick))]) AS waits`
  return [asOf, calls, cost].join('\nUNION ALL\n')
}
