import type { Store } from '@weaklink/clickhouse'
import type { z } from 'zod'
import type { KeptDays } from './breakpoints/kept-days.ts'
import type { Options } from './selection.ts'
import type { TextOptions } from './terminal.ts'

/** One value of a flat row. */
type Cell = string | number | boolean | null

/** A row of a table that a program reads: CSV and NDJSON. All rows of an answer have the same columns. */
export type Row = Readonly<Record<string, Cell>>

/** A share that two periods can be compared by: `part` of `of` chains. */
export interface Rate {
  /** What it is of: the values of `by`, the touchpoint, the step … */
  readonly key: Row
  /** Which of the numbers of the report: `breakRate`. */
  readonly name: string
  readonly part: number
  readonly of: number
}

/** What a process that answers many questions keeps from one to the next. It never changes an answer. */
export interface Kept {
  readonly days: KeptDays
}

/**
 * A question that people ask about chains. It stands in one folder of this package, and in the list of `questions.ts`: from
 * there the command line (`weaklink report NAME`) and the API (`GET /api/v1/reports/NAME`) have it, with the same options.
 */
export interface Question<P extends z.ZodRawShape, Query, Report> {
  readonly name: string
  /** In a few words, for a list of all questions. */
  readonly summary: string
  /** What a reader of the description should know beyond that. */
  readonly description: string
  /** Its options; on a command line `minChains` is `--min-chains`. What their values may be is checked by `query`. */
  readonly parameters: P
  /** Options of a command line worth showing: `--by channel --from 2024-04-01`. */
  readonly examples: readonly string[]
  readonly shape: z.ZodType<Report>
  /** @throws QueryError naming the option and what it may be */
  query(options: Options<P>): Query
  /**
   * @throws QueryError where the store has not what is asked for
   * @throws StoreError
   */
  ask(store: Store, query: Query, kept?: Kept): Promise<Report>
  /** How many chains the answer is about: where none, what was asked for may be misspelt. */
  found(report: Report): number
  /** For a terminal. */
  text(report: Report, options: TextOptions): string
  /** Flat, for CSV and NDJSON. */
  rows(report: Report): readonly Row[]
  /** Where an answer may be one page of many: the rows of all. */
  stream?(store: Store, query: Query): AsyncIterable<readonly Row[]>
  /** Where it makes sense to compare two periods: what of. */
  rates?(report: Report): readonly Rate[]
}

/** The values of `by`, under names that no other column has. */
export function byColumns(by: Row): Row {
  return Object.fromEntries(Object.entries(by).map(([name, value]) => [`by.${name}`, value]))
}
