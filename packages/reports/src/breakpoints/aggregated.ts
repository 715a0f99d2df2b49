import type { Store } from '@weaklink/clickhouse'
import { LATE_MS } from '../aggregates/state.ts'
import { type Key, Params } from '../keys.ts'
import {
  type CountedRow,
  type CountsSource,
  countedSql,
  SAME_REPLICA,
  type Split,
  type WaitsRow,
  type Wanted,
  waitsSql,
} from './aggregated-sql.ts'
import { type Counts, type Place, reportOf } from './answer.ts'
import { DAY_MS, type KeptDays } from './kept-days.ts'
import type { BreakpointsQuery } from './options.ts'
import type { BreakpointsReport } from './shape.ts'

/** When the aggregates may answer. */
export interface AggregatesUse {
  /** With fewer interactions, the chains themselves are read, which takes no longer and is of this moment. */
  readonly fromInteractions: number
  /** Aggregates that were made longer ago do not answer: their refresh is late, or fails. */
  readonly untilAgeMs: number
}

/** At so many interactions the chains themselves take about 100 ms (docs/benchmarks/aggregates.md). */
const USE: AggregatesUse = { fromInteractions: 300_000, untilAgeMs: LATE_MS }

/** How often a refresh may come in between before the chains themselves are read. */
const ATTEMPTS = 3

/**
 * The same answer from the aggregates, which are up to a minute old; null where they cannot give it, or it is better not
 * taken from them. Here and in `splitOf` is decided which way a question goes.
 *
 * @param kept by whoever answers many questions
 * @throws StoreError
 */
export async function aggregatedBreakpoints(
  store: Store,
  query: BreakpointsQuery,
  kept?: KeptDays,
  use: AggregatesUse = USE,
): Promise<BreakpointsReport | null> {
  const split = splitOf(query)
  if (split === null) return null
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const source = (await kept?.of(query, split, use.untilAgeMs)) ?? asking(store, query, split)
    const rows = await source.counted()
    const heads = rows.filter(({ kind }) => kind === 'head')
    const interactions = heads.reduce((sum, { sums }) => sum + (sums[0] ?? 0), 0)
    if (heads.length === 0 || interactions < use.fromInteractions) return null
    const { rows: waits, states, ageMs } = await source.waits(wantedIn(rows))
    const read = [...rows.map(({ refreshedAt }) => refreshedAt), ...waits.flatMap((row) => row.states)]
    // A refresh came in between or since, or, on a cluster, another replica was asked, which has rows of its own.
    if (read.some((state) => !states.includes(state))) {
      kept?.forget(query)
      continue
    }
    if (ageMs > use.untilAgeMs) return null
    const [refreshedAt = null] = [...states].sort()
    return reportOf(query, countsOf(rows, heads, percentilesOf(waits)), refreshedAt)
  }
  return null
}

/** Asks the store for what is needed, in two statements. */
function asking(store: Store, query: BreakpointsQuery, split: Split): CountsSource {
  return {
    counted: () => {
      const params = new Params()
      return store.query<CountedRow>(countedSql(query, split, params), params.values, SAME_REPLICA)
    },
    async waits(wanted) {
      // Also where nobody waited: it says of which refresh the aggregates are.
      const chunks = Array.from({ length: Math.max(1, Math.ceil(wanted.length / BUCKETS_AT_ONCE)) }, (_, chunk) =>
        wanted.slice(chunk * BUCKETS_AT_ONCE, (chunk + 1) * BUCKETS_AT_ONCE),
      )
      const found = await Promise.all(
        chunks.map((chunk) => {
          const params = new Params()
          return store.query<AskedWaitsRow>(waitsSql(query, chunk, params), params.values, SAME_REPLICA)
        }),
      )
      const heads = found.flat().filter(({ kind }) => kind === 'head')
      return {
        rows: found.flat().filter(({ kind }) => kind === 'waits'),
        states: [...new Set(heads.flatMap(({ states }) => states))],
        ageMs: heads.reduce((oldest, head) => Math.max(oldest, head.ageMs), 0),
      }
    },
  }
}

interface AskedWaitsRow extends WaitsRow {
  readonly kind: 'head' | 'waits'
  readonly ageMs: number
}

const BITS: ReadonlyMap<string, number> = new Map([
  ['channel', 1],
  ['campaign', 2],
])
const DAYS_FROM = Date.UTC(1970, 0, 1)
const DAYS_TO = Date.UTC(2201, 0, 1)

/**
 * The rows of the aggregates that answer a question; null where none do: they know chains by their place, the UTC day on which
 * they started, channel and campaign.
 */
function splitOf({ at, within, date, from, to, by, where, fresh }: BreakpointsQuery): Split | null {
  if (fresh || at !== 'place' || within !== null || date !== 'start') return null
  if (![from, to].every((bound) => bound === null || isDay(bound))) return null
  if ([...where.values()].some(({ values }) => values.length > 1)) return null
  const selected = levelOf([...where.values()].map(({ key }) => key))
  const shown = levelOf(by)
  return selected === null || shown === null ? null : { selected, shown: selected | shown }
}

function isDay(bound: number): boolean {
  return bound % DAY_MS === 0 && bound >= DAYS_FROM && bound <= DAYS_TO
}

function levelOf(keys: readonly Key[]): number | null {
  let level = 0
  for (const { name } of keys) {
    const bit = BITS.get(name)
    if (bit === undefined) return null
    level |= bit
  }
  return level
}

type Percentiles = ReadonlyMap<string, readonly [p50: number, p95: number]>

/** How many buckets one statement looks into: parameters have an end. */
const BUCKETS_AT_ONCE = 500

/** How many waited how long says in which buckets p50 and p95 of each place are, and at which rank. */
function wantedIn(rows: readonly CountedRow[]): Wanted[] {
  const places = Map.groupBy(
    rows.filter(({ kind }) => kind === 'places'),
    nameOf,
  )
  return [...places.values()].flatMap(wantedOf)
}

/** By place (`nameOf`). */
function percentilesOf(waits: readonly WaitsRow[]): Percentiles {
  const percentiles = new Map<string, readonly [number, number]>()
  for (const [name, [one, other = one]] of Map.groupBy(waits, nameOf)) {
    const [lower, upper] = (one?.bucket ?? 0) <= (other?.bucket ?? 0) ? [one, other] : [other, one]
    percentiles.set(name, [lower?.waits[0] ?? 0, upper?.waits.at(-1) ?? 0])
  }
  return percentiles
}

/** Nearest rank: the wait at the 1-based rank ceil(p · n). Both may be in one bucket. */
function wantedOf(rows: readonly CountedRow[]): Wanted[] {
  const [{ grp, touchpoint } = { grp: '', touchpoint: '' }] = rows
  const buckets = added(rows.map(({ spread }) => spread))
  const all = buckets.reduce((sum, waiting) => sum + waiting, 0)
  const wanted: Wanted[] = []
  let before = 0
  for (const [bucket, waiting] of buckets.entries()) {
    const ranks = [50, 95].map((p) => Math.ceil((all * p) / 100) - before).filter((rank) => rank > 0 && rank <= waiting)
    if (ranks.length > 0) wanted.push({ grp, touchpoint, bucket, ranks })
    before += waiting
  }
  return wanted
}

function nameOf({ touchpoint, grp }: { readonly touchpoint: string; readonly grp: string }): string {
  return `${touchpoint}${grp}`
}

/** A row of each shard, or one of the only server; ours together. */
function countsOf(rows: readonly CountedRow[], heads: readonly CountedRow[], percentiles: Percentiles): Counts {
  const of = (kind: CountedRow['kind']) => rows.filter((row) => row.kind === kind)
  const chains = of('chains')
  const again = of('again').reduce((sum, { sums }) => sum + (sums[0] ?? 0), 0)
  const totals = added(chains.map(({ sums }) => sums))
  const recovered: Record<string, number> = {}
  const places: Place[] = []
  for (const [name, parts] of Map.groupBy(of('places'), nameOf)) {
    const counts = added(parts.map(({ sums }) => sums))
    recovered[name] = counts.pop() ?? 0
    const [p50 = null, p95 = null] = percentiles.get(name) ?? []
    places.push([parts[0]?.grp ?? '', parts[0]?.touchpoint ?? '', counts, p50, p95])
  }
  return {
    totals: [(totals[0] ?? 0) - again, ...Array.from({ length: CHAIN_COUNTS }, (_, index) => totals[index] ?? 0)],
    ...startedAndEnded(chains),
    recovered,
    places,
    asOf: heads.reduce<string | null>((newest, { asOf }) => ((asOf ?? '') > (newest ?? '') ? asOf : newest), null),
    olderCatalogue: olderCatalogue(heads, of('catalogue')),
  }
}

/** How many counts a row of chains has. */
const CHAIN_COUNTS = 10

function added(rows: readonly (readonly number[])[]): number[] {
  const sums: number[] = []
  for (const row of rows) for (const [index, count] of row.entries()) sums[index] = (sums[index] ?? 0) + count
  return sums
}

function startedAndEnded(chains: readonly CountedRow[]): Pick<Counts, 'started' | 'ended'> {
  const [started, ended]: [Record<string, number>, Record<string, number>] = [{}, {}]
  for (const [since, count, open] of chains.flatMap(({ days }) => days)) {
    const day = new Date(since * DAY_MS).toISOString().slice(0, 10)
    started[day] = (started[day] ?? 0) + count
    ended[day] = (ended[day] ?? 0) + count - open
  }
  return { started, ended }
}

/** Customers under another catalogue than that of the newest position. */
function olderCatalogue(heads: readonly CountedRow[], catalogues: readonly CountedRow[]): number {
  const positions = heads.flatMap(({ text }) => (text === '' ? [] : [JSON.parse(text) as Position]))
  const [newest] = positions.sort(
    ([tickA, epochA, offsetA], [tickB, epochB, offsetB]) =>
      (tickB ?? Number.NEGATIVE_INFINITY) - (tickA ?? Number.NEGATIVE_INFINITY) || epochB - epochA || offsetB - offsetA,
  )
  const inForce = newest?.[3] ?? ''
  if (inForce === '') return 0
  const older = catalogues.filter(({ text }) => text !== inForce)
  return older.reduce((sum, { sums }) => sum + (sums[0] ?? 0), 0)
}

type Position = readonly [tick: number | null, epoch: number, offset: number, catalogue: string]
