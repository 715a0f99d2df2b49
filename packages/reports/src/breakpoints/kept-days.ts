import type { Store } from '@weaklink/clickhouse'
import { Params } from '../keys.ts'
import {
  type CountedRow,
  type CountsSource,
  type DailyRow,
  type DailyWaitsRow,
  dailySql,
  dailyWaitsSql,
  SAME_REPLICA,
  type Split,
  type Waits,
  type Wanted,
} from './aggregated-sql.ts'
import type { BreakpointsQuery } from './options.ts'

export const DAY_MS = 86_400_000

/** Rows of one question, and of all together. Of a place with waits a row takes up to about 2 KB. */
const MOST_ROWS = 40_000
const MOST_KEPT = 100_000
/** Waits that are kept of one question; beyond, they are asked for. */
const MOST_WAITS = 500_000
/** How often it is looked whether the aggregates were made anew. */
const LOOK_MS = 1_000
/** What nobody asked for so long is not made anew. */
const ASKED_MS = 60_000

/**
 * What a process that answers many questions keeps of the aggregates: by question, whatever its period is, what was counted on
 * each day, and those waits that were needed. An answer then asks ClickHouse nothing. While questions come it is looked once a
 * second whether the aggregates were made anew; what is asked then is read in the background, and the answers of that moment
 * are the last ones of the former refresh: nobody waits, and no answer is older than it may be.
 */
export class KeptDays {
  readonly #store: Store
  /** Those asked last at the end. */
  readonly #questions = new Map<string, KeptQuestion>()
  readonly #loading = new Map<string, Promise<KeptQuestion>>()
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * The source of an answer, at most so old; null where it is too much to keep.
   *
   * @throws StoreError
   */
  async of(query: BreakpointsQuery, split: Split, untilAgeMs: number): Promise<CountsSource | null> {
    const name = nameOf(query)
    const known = this.#questions.get(name)
    const isUsable = known !== undefined && known.ageMs() <= untilAgeMs
    const question = isUsable ? known : await this.#load(name, query, split, [])
    question.askedAt = performance.now()
    this.#keep(name, question)
    if (isUsable) this.#look()
    return question.source(query)
  }

  /** What is kept does not fit what is stored: the aggregates are others by now. */
  forget(query: BreakpointsQuery): void {
    this.#questions.delete(nameOf(query))
  }

  #load(name: string, query: BreakpointsQuery, split: Split, buckets: readonly Wanted[]): Promise<KeptQuestion> {
    const loading = this.#loading.get(name)
    if (loading !== undefined) return loading
    const load = loadQuestion(this.#store, query, split, buckets).finally(() => this.#loading.delete(name))
    this.#loading.set(name, load)
    return load
  }

  /** In the background: where it fails, the next answer that needs it says why. */
  #look(): void {
    const now = performance.now()
    if (now - this.#lookedAt < LOOK_MS) return
    this.#lookedAt = now
    this.#renew(now).catch(() => {})
  }

  async #renew(now: number): Promise<void> {
    const heads = await this.#store.query<{ refreshedAt: string }>(
      "SELECT DISTINCT refreshedAt FROM aggregates WHERE kind = 'head'",
      {},
      SAME_REPLICA,
    )
    for (const [name, question] of [...this.#questions]) {
      if (question.askedAt < now - ASKED_MS || heads.every(({ refreshedAt }) => question.states.has(refreshedAt)))
        continue
      const { query, split, askedAt } = question
      const renewed = await this.#load(name, query, split, question.bucketsKept())
      renewed.askedAt = askedAt
      if (this.#questions.get(name) === question) this.#questions.set(name, renewed)
    }
  }

  #keep(name: string, question: KeptQuestion): void {
    this.#questions.delete(name)
    this.#questions.set(name, question)
    let kept = 0
    for (const { size } of this.#questions.values()) kept += size
    for (const [oldest, { size }] of this.#questions) {
      if (kept <= MOST_KEPT) return
      this.#questions.delete(oldest)
      kept -= size
    }
  }
}

/** Questions that differ in their period only have one name. */
function nameOf({ by, where }: BreakpointsQuery): string {
  return JSON.stringify([by.map(({ name }) => name), [...where.values()].map(({ key, values }) => [key.name, values])])
}

async function loadQuestion(
  store: Store,
  query: BreakpointsQuery,
  split: Split,
  buckets: readonly Wanted[],
): Promise<KeptQuestion> {
  const params = new Params()
  const sql = dailySql(query, split, MOST_ROWS + 1, params)
  const rows = await store.query<DailyRow>(sql, params.values, SAME_REPLICA)
  const question = new KeptQuestion(store, query, split, rows)
  await question.read(buckets)
  return question
}

/** What is counted together, by day; the row's `days` are those of all chains, whatever the period is. */
interface Table {
  readonly row: CountedRow
  readonly daily: readonly DailyRow[]
}

/** The waits of a bucket in ascending order, and the day of each. */
interface Bucket {
  readonly wanted: Wanted
  readonly waits: readonly number[]
  readonly days: readonly number[]
  readonly states: readonly string[]
}

class KeptQuestion {
  readonly query: BreakpointsQuery
  readonly split: Split
  /** The refreshes that its rows are of: one, or on a cluster one of each shard. */
  readonly states: ReadonlySet<string>
  readonly size: number
  askedAt = performance.now()
  readonly #store: Store
  readonly #ageMs: number
  readonly #loadedAt = performance.now()
  /** Null: too many rows to keep. */
  readonly #tables: readonly Table[] | null
  readonly #buckets = new Map<string, Bucket>()
  #waits = 0

  constructor(store: Store, query: BreakpointsQuery, split: Split, rows: readonly DailyRow[]) {
    this.#store = store
    this.query = query
    this.split = split
    const heads = rows.filter(({ kind }) => kind === 'head')
    this.states = new Set(heads.map(({ refreshedAt }) => refreshedAt))
    this.#ageMs = heads.reduce((oldest, { ageMs }) => Math.max(oldest, ageMs), 0)
    this.#tables = rows.length > MOST_ROWS ? null : tablesOf(rows)
    this.size = this.#tables === null ? 1 : 1 + rows.length
  }

  /** How old the rows are by now. */
  ageMs(): number {
    return this.#ageMs + performance.now() - this.#loadedAt
  }

  bucketsKept(): Wanted[] {
    return [...this.#buckets.values()].map(({ wanted }) => wanted)
  }

  source(query: BreakpointsQuery): CountsSource | null {
    const tables = this.#tables
    if (tables === null) return null
    return { counted: async () => ofPeriod(tables, query), waits: (wanted) => this.#waitsOf(query, wanted) }
  }

  async #waitsOf(query: BreakpointsQuery, wanted: readonly Wanted[]): Promise<Waits> {
    if (!wanted.every((one) => this.#buckets.has(bucketOf(one)))) await this.read(withThoseBeside(wanted))
    const { since, until } = periodOf(query)
    const rows = wanted.map((one) => {
      const { waits, days, states } = this.#buckets.get(bucketOf(one)) ?? { waits: [], days: [], states: [] }
      const found: number[] = []
      let rank = 0
      for (let index = 0; index < waits.length && found.length < one.ranks.length; index++) {
        const day = days[index]!
        if (day < since || day >= until) continue
        rank += 1
        while (one.ranks[found.length] === rank) found.push(waits[index]!)
      }
      return { ...one, waits: found, states }
    })
    return { rows, states: [...this.states], ageMs: this.ageMs() }
  }

  /** The buckets that are not kept yet. */
  async read(wanted: readonly Wanted[]): Promise<void> {
    const missing = wanted.filter((one) => !this.#buckets.has(bucketOf(one)))
    if (missing.length === 0) return
    const params = new Params()
    const sql = dailyWaitsSql(this.query, missing, params)
    const rows = await this.#store.query<DailyWaitsRow>(sql, params.values, SAME_REPLICA)
    const found = Map.groupBy(rows, bucketOf)
    for (const one of missing) {
      const daily = found.get(bucketOf(one)) ?? []
      const all = daily.flatMap(({ day, waits }) => waits.map((wait) => [wait, day] as const)).sort(([a], [b]) => a - b)
      this.#waits += all.length
      this.#buckets.set(bucketOf(one), {
        wanted: one,
        waits: all.map(([wait]) => wait),
        days: all.map(([, day]) => day),
        states: [...new Set(daily.map(({ refreshedAt }) => refreshedAt))],
      })
    }
    if (this.#waits <= MOST_WAITS) return
    const needed = new Set(wanted.map(bucketOf))
    for (const [name, { waits }] of this.#buckets) {
      if (this.#waits <= MOST_WAITS || needed.has(name)) continue
      this.#buckets.delete(name)
      this.#waits -= waits.length
    }
  }
}

/** Another period has its percentiles nearby. */
function withThoseBeside(wanted: readonly Wanted[]): Wanted[] {
  const all = wanted.flatMap((one) => [-1, 0, 1].map((step) => ({ ...one, bucket: one.bucket + step })))
  return [...new Map(all.map((one) => [bucketOf(one), one])).values()].filter(({ bucket }) => bucket >= 0)
}

function bucketOf({ grp, touchpoint, bucket }: Pick<Wanted, 'grp' | 'touchpoint' | 'bucket'>): string {
  return `${bucket} ${touchpoint} ${grp}`
}

function tablesOf(rows: readonly DailyRow[]): Table[] {
  const same = Map.groupBy(rows, ({ kind, grp, touchpoint, text, refreshedAt }) =>
    [kind, refreshedAt, touchpoint, text, grp].join('\u0000'),
  )
  return [...same.values()].map((daily) => {
    const { kind, grp, touchpoint, text, refreshedAt, asOf } = daily[0]!
    const days = kind === 'chains' ? daily.map(({ day, sums }) => [day, sums[0] ?? 0, sums[1] ?? 0] as const) : []
    return { row: { kind, grp, touchpoint, text, sums: [], spread: [], days, refreshedAt, asOf }, daily }
  })
}

/** What `countedSql` selects. */
function ofPeriod(tables: readonly Table[], query: BreakpointsQuery): CountedRow[] {
  const { since, until } = periodOf(query)
  const selected: CountedRow[] = []
  for (const { row, daily } of tables) {
    const { kind } = row
    const isDaily = kind === 'chains' || kind === 'again' || kind === 'places'
    const [sums, spread]: [number[], number[]] = [[], []]
    let isSelected = !isDaily || kind === 'chains'
    for (const one of daily) {
      if (isDaily && (one.day < since || one.day >= until || (kind === 'again' && one.previousDay < since))) continue
      isSelected = true
      addTo(sums, one.sums)
      addTo(spread, one.spread)
    }
    if (isSelected) selected.push({ ...row, sums, spread })
  }
  return selected
}

/** In days since 1970; `until` is the first one that does not count. */
function periodOf({ from, to }: BreakpointsQuery): { since: number; until: number } {
  return {
    since: from === null ? Number.NEGATIVE_INFINITY : from / DAY_MS,
    until: to === null ? Number.POSITIVE_INFINITY : to / DAY_MS,
  }
}

function addTo(sums: number[], more: readonly number[]): void {
  while (sums.length < more.length) sums.push(0)
  for (let index = 0; index < more.length; index++) sums[index]! += more[index]!
}
