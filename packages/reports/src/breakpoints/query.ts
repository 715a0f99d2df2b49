import { type Catalogue, catalogueFromContent } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import { Params } from '../keys.ts'
import { QueryError } from '../query-error.ts'
import { aggregatedBreakpoints } from './aggregated.ts'
import { type Counts, reportOf } from './answer.ts'
import type { KeptDays } from './kept-days.ts'
import type { BreakpointsQuery } from './options.ts'
import type { BreakpointsReport } from './shape.ts'
import { breakpointsSql, IN_FORCE_SQL } from './sql.ts'

/**
 * Where chains break, and how much more often than elsewhere: read from the aggregates where they can answer it and it is
 * worth it (`aggregated.ts` decides), else from the chains themselves. Both say the same.
 *
 * @param kept by whoever answers many questions
 * @throws QueryError where `--at furthest` or `--within` asks for what the catalogue or the store does not have
 * @throws StoreError
 */
export async function breakpoints(store: Store, query: BreakpointsQuery, kept?: KeptDays): Promise<BreakpointsReport> {
  return (await aggregatedBreakpoints(store, query, kept)) ?? (await freshBreakpoints(store, query))
}

/** The same, always from the chains themselves. */
export async function freshBreakpoints(store: Store, query: BreakpointsQuery): Promise<BreakpointsReport> {
  const catalogue = query.at === 'furthest' || query.within !== null ? await catalogueInForce(store) : null
  const steps = stepsOf(catalogue)
  if (query.at === 'furthest' && catalogue !== null && steps.size === 0) {
    throw new QueryError(
      'at',
      'furthest',
      'a catalogue in which touchpoints have a `step` (1, 2, 3 … toward the purchase). Add steps to touchpoints.yaml, ' +
        'then run `weaklink catalogue apply` and `weaklink rebuild`',
    )
  }
  const params = new Params()
  const sql = breakpointsSql(query, steps, params)
  const [counts] = await store.query<Counts>(sql, params.values, {
    settings: { enable_shared_storage_snapshot_in_query: 1 },
  })
  if (counts === undefined) throw new Error('an aggregate without GROUP BY gives one row')
  if (query.within !== null && Object.keys(counts.started).length === 0) {
    await requireGroup(store, query.within, catalogue)
  }
  return reportOf(query, counts, null)
}

/** The catalogue of the newest position, null where the log has named none yet. */
export async function catalogueInForce(store: Store): Promise<Catalogue | null> {
  const [row] = await store.query<{ content: string }>(
    `SELECT content FROM catalogues FINAL WHERE hash = (SELECT catalogue FROM (${IN_FORCE_SQL}))`,
  )
  return row === undefined ? null : catalogueFromContent(row.content)
}

function stepsOf(catalogue: Catalogue | null): ReadonlyMap<string, number> {
  const steps = new Map<string, number>()
  for (const { id, step } of catalogue?.touchpoints.values() ?? []) if (step !== undefined) steps.set(id, step)
  return steps
}

/** A group that is unknown is a mistake; one that merely has no episodes yet is an empty report. */
async function requireGroup(store: Store, group: string, catalogue: Catalogue | null): Promise<void> {
  const stored = await store.query<{ name: string }>(
    `SELECT DISTINCT arrayJoin(arrayFlatten(chains.episodes.group)) AS name FROM customer_chains FINAL`,
  )
  const groups = new Set(stored.map(({ name }) => name).filter((name) => name !== ''))
  for (const touchpoint of catalogue?.touchpoints.values() ?? []) {
    if (touchpoint.group !== undefined) groups.add(touchpoint.group)
  }
  if (groups.has(group)) return
  const known = [...groups].sort().join(', ')
  throw new QueryError(
    'within',
    group,
    known === ''
      ? 'a group of touchpoints; there is none yet: give touchpoints of the catalogue a `group`, and interactions an `episode`'
      : `one of the groups there are: ${known}`,
  )
}
