import { TupleParam } from '@weaklink/clickhouse'
import { type Params, whereSql } from '../keys.ts'
import { groupSql } from '../selection.ts'
import type { BreakpointsQuery } from './options.ts'

/** Levels of the aggregates, as migrations/0004-aggregates.sql numbers them. */
export interface Split {
  /** Of what `where` selects by. */
  readonly selected: number
  /** Of that and of `by`. */
  readonly shown: number
}

/** On a cluster every replica makes rows of its own: all statements have to ask the same one, as long as it is there. */
export const SAME_REPLICA = { settings: { load_balancing: 'in_order' } } as const

/** What an answer is made of. */
export interface CountsSource {
  counted(): Promise<readonly CountedRow[]>
  waits(wanted: readonly Wanted[]): Promise<Waits>
}

export interface Waits {
  readonly rows: readonly WaitsRow[]
  /** Of which refresh the aggregates are, one or on a cluster one of each shard; rows of another one do not go with them. */
  readonly states: readonly string[]
  /** How long ago, of the oldest. */
  readonly ageMs: number
}

/** What was counted, by kind of the aggregates' rows; what does not concern a kind is empty. */
export interface CountedRow {
  readonly kind: 'head' | 'catalogue' | 'chains' | 'again' | 'places'
  /** Of places: the values of `by` as the text of a JSON array. */
  readonly grp: string
  readonly touchpoint: string
  readonly text: string
  /** As the migration lists them; of chains those of the period. */
  readonly sums: readonly number[]
  /** Of places: how many waited as long as bucket 0, 1, 2 … says. */
  readonly spread: readonly number[]
  /** Of chains, whatever the period is: the day since 1970, how many started on it, and how many of these are open. */
  readonly days: readonly (readonly [day: number, started: number, open: number])[]
  readonly refreshedAt: string
  readonly asOf: string | null
}

/**
 * What the answer needs in one reading: all days of the selection, since `settledThrough` looks at all; of the period the
 * places, how many waited how long, and which chains are not the first ones of their customers (`again`: that before is in the
 * period as well), so that the others count customers.
 */
export function countedSql(query: BreakpointsQuery, { selected, shown }: Split, params: Params): string {
  const { where, period, since } = conditions(query, params)
  return `
    WITH channel AS first_channel, campaign AS first_campaign
    SELECT kind, if(kind = 'places', ${groupSql(query.by, params)}, '') AS grp, touchpoint, text,
      sumForEachIf(counts, kind != 'chains' OR (${period})) AS sums,
      sumForEach(waiting) AS spread, groupArrayIf((toInt32(day), counts[1], counts[2]), kind = 'chains') AS days,
      refreshedAt, asOf
    FROM aggregates
    WHERE kind IN ('head', 'catalogue')
      OR (kind = 'chains' AND level = ${selected} AND ${where})
      OR (kind = 'again' AND level = ${selected} AND ${where} AND ${period} AND ${since('previousDay')})
      OR (kind = 'places' AND level = ${shown} AND ${where} AND ${period})
    GROUP BY ALL`
}

/** What was counted on one day. */
export interface DailyRow extends Omit<CountedRow, 'days'> {
  /** Days since 1970; 0 where the kind has none. */
  readonly day: number
  readonly previousDay: number
  /** Of the refresh. */
  readonly ageMs: number
}

/** The same for all days, each by itself, for whoever keeps it: at most so many rows. */
export function dailySql(query: BreakpointsQuery, { selected, shown }: Split, most: number, params: Params): string {
  const { where } = conditions(query, params)
  return `
    WITH channel AS first_channel, campaign AS first_campaign
    SELECT kind, if(kind = 'places', ${groupSql(query.by, params)}, '') AS grp, touchpoint, text,
      toInt32(day) AS day, toInt32(previousDay) AS previousDay, sumForEach(counts) AS sums, sumForEach(waiting) AS spread,
      refreshedAt, asOf, dateDiff('millisecond', refreshedAt, now64(3)) AS ageMs
    FROM aggregates
    WHERE kind IN ('head', 'catalogue')
      OR (kind IN ('chains', 'again') AND level = ${selected} AND ${where})
      OR (kind = 'places' AND level = ${shown} AND ${where})
    GROUP BY ALL
    LIMIT ${params.bind(most, 'UInt32')}`
}

/** A wait that is looked for: the one at these ranks (from 1) among those in a bucket. */
export interface Wanted {
  readonly grp: string
  readonly touchpoint: string
  readonly bucket: number
  readonly ranks: readonly number[]
}

export interface WaitsRow {
  readonly grp: string
  readonly touchpoint: string
  readonly bucket: number
  /** In the order of the ranks. */
  readonly waits: readonly number[]
  /** When the rows were made that were read. */
  readonly states: readonly string[]
}

/** Reads of the waits only those buckets; and the heads, which say of which refresh everything is. */
export function waitsSql(query: BreakpointsQuery, wanted: readonly Wanted[], params: Params): string {
  const { where, period } = conditions(query, params)
  const names = params.bind(
    wanted.map(({ grp, touchpoint, bucket }) => `${bucket} ${touchpoint} ${grp}`),
    'Array(String)',
  )
  const ranks = params.bind(
    wanted.map((one) => one.ranks),
    'Array(Array(UInt64))',
  )
  const places = params.bind(
    wanted.map(({ touchpoint, bucket }) => new TupleParam([touchpoint, bucket])),
    'Array(Tuple(String, Int32))',
  )
  return `
    WITH channel AS first_channel, campaign AS first_campaign, arraySort(groupArrayArray(aggregates.waits)) AS sorted,
      indexOf(${names}, concat(toString(bucket), ' ', touchpoint, ' ', grp)) AS position
    SELECT kind, ${groupSql(query.by, params)} AS grp, touchpoint, bucket,
      arrayMap(rank -> sorted[rank], ${ranks}[position]) AS waits, groupUniqArray(refreshedAt) AS states,
      max(dateDiff('millisecond', refreshedAt, now64(3))) AS ageMs
    FROM aggregates
    WHERE kind = 'head' OR (kind = 'waits' AND level = ${WAITS_LEVEL} AND (touchpoint, bucket) IN ${places}
      AND ${where} AND ${period})
    GROUP BY kind, grp, touchpoint, bucket
    HAVING kind = 'head' OR position > 0`
}

/** The waits of buckets on one day. */
export interface DailyWaitsRow {
  readonly grp: string
  readonly touchpoint: string
  readonly bucket: number
  readonly day: number
  readonly waits: readonly number[]
  readonly refreshedAt: string
}

/** The waits of those buckets on all days, for whoever keeps them. */
export function dailyWaitsSql(query: BreakpointsQuery, wanted: readonly Wanted[], params: Params): string {
  const { where } = conditions(query, params)
  const places = params.bind(
    wanted.map(({ touchpoint, bucket }) => new TupleParam([touchpoint, bucket])),
    'Array(Tuple(String, Int32))',
  )
  return `
    WITH channel AS first_channel, campaign AS first_campaign
    SELECT ${groupSql(query.by, params)} AS grp, touchpoint, bucket, toInt32(day) AS day,
      groupArrayArray(aggregates.waits) AS waits, refreshedAt
    FROM aggregates
    WHERE kind = 'waits' AND level = ${WAITS_LEVEL} AND (touchpoint, bucket) IN ${places} AND ${where}
    GROUP BY ALL`
}

/** Waits are there by both only. */
const WAITS_LEVEL = 3

function conditions(query: BreakpointsQuery, params: Params) {
  const from = query.from === null ? null : params.bind(dayOf(query.from), 'Date32')
  const to = query.to === null ? null : params.bind(dayOf(query.to), 'Date32')
  const since = (day: string) => (from === null ? 'true' : `${day} >= ${from}`)
  return {
    where: whereSql(query.where, params),
    period: `${since('day')} AND ${to === null ? 'true' : `day < ${to}`}`,
    since,
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
