import type { Store } from '@weaklink/clickhouse'
import { Params } from '../keys.ts'
import { type CountedRow, type DailyRow, dailySql, type Split } from './aggregated-sql.ts'
import type { BreakpointsQuery } from './options.ts'

export const DAY_MS = 86_400_000

/** On a cluster every replica makes rows of its own: all statements have to ask the same one, as long as it is there. */
export const SAME_REPLICA = { settings: { load_balancing: 'in_order' } } as const

/** Rows of one question, and of all together. Of a place with waits a row takes up to about 2 KB. */
const MOST_ROWS = 40_000
const MOST_KEPT = 100_000

/**
 * What a process that answers many questions keeps of the aggregates: by question, whatever its period is, what was counted on
 * each day. So only the first answer after a refresh reads it all; the others ask for the waits, which tells them as well
 * whether the aggregates are still those (`aggregated.ts` compares, and says `forget`).
 */
export class KeptDays {
  /** Those asked last at the end. Null: too many rows to keep, as of that refresh. */
  readonly #tables = new Map<string, readonly DailyRow[] | null>()

  /**
   * What `countedSql` gives; null where it is too much to keep.
   *
   * @throws StoreError
   */
  async counted(store: Store, query: BreakpointsQuery, split: Split): Promise<CountedRow[] | null> {
    const name = nameOf(query)
    let rows = this.#tables.get(name)
    if (rows === undefined) {
      const params = new Params()
      const sql = dailySql(query, split, MOST_ROWS + 1, params)
      const read = await store.query<DailyRow>(sql, params.values, SAME_REPLICA)
      rows = read.length > MOST_ROWS ? null : read
    }
    this.#tables.delete(name)
    this.#tables.set(name, rows)
    this.#makeRoom()
    return rows === null ? null : ofPeriod(rows, query)
  }

  /** The aggregates are others by now. */
  forget(query: BreakpointsQuery): void {
    this.#tables.delete(nameOf(query))
  }

  #makeRoom(): void {
    let kept = 0
    for (const rows of this.#tables.values()) kept += 1 + (rows?.length ?? 0)
    for (const [name, rows] of this.#tables) {
      if (kept <= MOST_KEPT) return
      this.#tables.delete(name)
      kept -= 1 + (rows?.length ?? 0)
    }
  }
}

/** Questions that differ in their period only have one name. */
function nameOf({ by, where }: BreakpointsQuery): string {
  return JSON.stringify([by.map(({ name }) => name), [...where.values()].map(({ key, values }) => [key.name, values])])
}

/** What `countedSql` selects. */
function ofPeriod(rows: readonly DailyRow[], { from, to }: BreakpointsQuery): CountedRow[] {
  const since = from === null ? Number.NEGATIVE_INFINITY : from / DAY_MS
  const until = to === null ? Number.POSITIVE_INFINITY : to / DAY_MS
  const selected: CountedRow[] = []
  for (const row of rows) {
    const { kind, day, previousDay, sums } = row
    const isWithin = since <= day && day < until
    if (kind === 'chains') {
      selected.push({ ...row, sums: isWithin ? sums : [], days: [[day, sums[0] ?? 0, sums[1] ?? 0]] })
    } else if (kind === 'head' || kind === 'catalogue' || (isWithin && (kind === 'places' || since <= previousDay))) {
      selected.push({ ...row, days: [] })
    }
  }
  return selected
}
