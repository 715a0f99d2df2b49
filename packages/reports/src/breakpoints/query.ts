import { type Catalogue, catalogueFromContent } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import { type Key, Params, showValue } from '../keys.ts'
import { QueryError } from '../query-error.ts'
import type { BreakpointsQuery } from './options.ts'
import { rank } from './rank.ts'
import type { BreakpointsReport } from './shape.ts'
import { breakpointsSql, COUNTS, IN_FORCE_SQL, TOTALS } from './sql.ts'

type Counted<T> = { readonly [K in keyof T]: number }
type Place = readonly [
  group: string,
  touchpoint: string,
  counts: readonly number[],
  p50: number | null,
  p95: number | null,
]

interface Row {
  readonly totals: readonly number[]
  readonly started: Readonly<Record<string, number>>
  readonly ended: Readonly<Record<string, number>>
  readonly recovered: Readonly<Record<string, number>>
  readonly places: readonly Place[]
  readonly asOf: string | null
  readonly olderCatalogue: number
}

/**
 * Where chains break, and how much more often than elsewhere.
 *
 * @throws QueryError where `--at furthest` or `--within` asks for what the catalogue or the store does not have
 * @throws StoreError
 */
export async function breakpoints(store: Store, query: BreakpointsQuery): Promise<BreakpointsReport> {
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
  const [row] = await store.query<Row>(sql, params.values, { settings: { enable_shared_storage_snapshot_in_query: 1 } })
  if (row === undefined) throw new Error('an aggregate without GROUP BY gives one row')
  if (query.within !== null && Object.keys(row.started).length === 0) await requireGroup(store, query.within, catalogue)
  return {
    asOf: row.asOf,
    from: query.from === null ? null : new Date(query.from).toISOString(),
    to: query.to === null ? null : new Date(query.to).toISOString(),
    date: query.date,
    at: query.at,
    within: query.within,
    settledThrough: settledThrough(row),
    olderCatalogue: row.olderCatalogue,
    totals: named(TOTALS, row.totals),
    groups: groupsOf(row, query.by),
  }
}

/** One group where nothing splits, even an empty one; else those that occur, most broken chains first. */
function groupsOf(
  { places, recovered }: Pick<Row, 'places' | 'recovered'>,
  by: readonly Key[],
): BreakpointsReport['groups'] {
  const groups = Map.groupBy(places, ([group]) => group)
  if (by.length === 0 && groups.size === 0) groups.set('[]', [])
  return [...groups]
    .map(([group, members]) => ({
      by: valuesOf(group, by),
      breakpoints: rank(
        members.map(([, touchpoint, counts, p50, p95]) => ({
          touchpoint,
          ...named(COUNTS, counts),
          recovered: recovered[`${touchpoint}${group}`] ?? 0,
          waitMs: { p50, p95 },
        })),
      ),
      broken: members.reduce((sum, [, , counts]) => sum + brokeOf(named(COUNTS, counts)), 0),
      group,
    }))
    .sort((a, b) => b.broken - a.broken || (a.group < b.group ? -1 : 1))
    .map(({ by, breakpoints }) => ({ by, breakpoints }))
}

function brokeOf(counts: Counted<typeof COUNTS>): number {
  return counts.refused + counts.abandoned + counts.dissatisfied + counts.silence
}

function valuesOf(group: string, by: readonly Key[]): Record<string, string | number | boolean | null> {
  const values: (string | number | boolean | null)[] = JSON.parse(group)
  return Object.fromEntries(by.map((key, index) => [key.name, showValue(key, values[index] ?? null)]))
}

/** The last start day by whose end at least 99 % of all chains that had started by then have ended. */
function settledThrough({ started, ended }: Pick<Row, 'started' | 'ended'>): string | null {
  let [startedSoFar, endedSoFar] = [0, 0]
  let settled: string | null = null
  for (const day of Object.keys(started).sort()) {
    startedSoFar += started[day] ?? 0
    endedSoFar += ended[day] ?? 0
    if (endedSoFar * 100 >= startedSoFar * 99) settled = day
  }
  return settled
}

function named<T extends object>(names: T, values: readonly number[]): Counted<T> {
  return Object.fromEntries(Object.keys(names).map((name, index) => [name, values[index] ?? 0])) as Counted<T>
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
