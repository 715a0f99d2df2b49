import type { Store } from '@weaklink/clickhouse'
import { stringify } from 'csv-stringify/sync'
import { z } from 'zod'
import {
  type Comparison,
  compared,
  compareParameter,
  comparisonRows,
  comparisonShape,
  comparisonText,
  otherPeriod,
} from './compare.ts'
import { hintsFor } from './hints.ts'
import { parseKey, parseWhere, type Where } from './keys.ts'
import { parseChoice } from './period.ts'
import { QueryError } from './query-error.ts'
import type { Kept, Question, Row } from './question.ts'
import { itemsOf, listOf, type Options } from './selection.ts'
import type { TextOptions } from './terminal.ts'

/** How an answer may be written: for a person, or for a program. */
export const FORMATS = ['text', 'json', 'csv', 'ndjson'] as const
export type Format = (typeof FORMATS)[number]

export interface Answer {
  /** The JSON document. */
  readonly report: object
  text(options: TextOptions): string
  /** Flat rows, for CSV and NDJSON. */
  readonly rows: readonly Row[]
  /** Why it may be empty though it should not be: sentences. They are in the report too. */
  readonly hints: readonly string[]
}

/** What came, by the names of the parameters: texts, not checked. */
export type AnyOptions = Readonly<Record<string, string | readonly string[] | undefined>>

/** A question of any kind, as the command line and the API ask it. */
export interface AskableQuestion {
  readonly name: string
  readonly summary: string
  readonly description: string
  readonly parameters: z.ZodObject
  readonly examples: readonly string[]
  readonly shape: z.ZodType
  /**
   * Checks the options at once; asks later.
   *
   * @throws QueryError
   */
  prepare(options: AnyOptions): {
    /** @throws QueryError, StoreError */
    answer(store: Store, kept?: Kept): Promise<Answer>
    /** All rows, in blocks, where they may be too many for one answer. */
    rows(store: Store): AsyncIterable<readonly Row[]>
  }
}

/** What every question has beyond its own: hints, and where it has rates the comparison of two periods. */
export function askable<P extends z.ZodRawShape, Query, Report extends { asOf: string | null }>(
  question: Question<P, Query, Report>,
): AskableQuestion {
  const { name, summary, description, examples, rates } = question
  const extra = z.object({
    /** Why it may be empty though it should not be. */
    hints: z.array(z.string()).optional(),
    ...(rates === undefined ? {} : { compared: comparisonShape.optional() }),
  })
  return {
    name,
    summary,
    description,
    parameters: z.object({ ...question.parameters, ...(rates === undefined ? {} : compareParameter) }),
    examples,
    shape: z.intersection(question.shape, extra),
    prepare(options) {
      const given = options as Options<P>
      const query = question.query(given)
      const where = parseWhere(listOf(options.where))
      const by = itemsOf(options.by).map((key) => parseKey('by', key))
      const compare = textOf(options, 'compare')
      const other = compare === undefined ? null : otherPeriod(compare, textOf(options, 'from'), textOf(options, 'to'))
      const otherQuery = other === null ? null : question.query({ ...given, ...other })

      return {
        async answer(store, kept) {
          const report = await question.ask(store, query, kept)
          let comparison: Comparison | null = null
          if (rates !== undefined && other !== null && otherQuery !== null) {
            const before = await question.ask(store, otherQuery, kept)
            comparison = compared(rates(report), rates(before), {
              from: new Date(other.from).toISOString(),
              to: new Date(other.to).toISOString(),
              asOf: before.asOf,
            })
          }
          const hints = await hintsFor(store, question.found(report) === 0 ? where : NOWHERE, by)
          return {
            report: {
              ...report,
              ...(comparison === null ? {} : { compared: comparison }),
              ...(hints.length === 0 ? {} : { hints }),
            },
            text: (textOptions) =>
              [
                question.text(report, textOptions),
                ...(comparison === null ? [] : [comparisonText(comparison, textOptions)]),
              ].join('\n\n'),
            hints,
            rows: comparison === null ? question.rows(report) : comparisonRows(comparison),
          }
        },
        async *rows(store) {
          if (question.stream !== undefined && options.limit === undefined) yield* question.stream(store, query)
          else yield (await this.answer(store)).rows
        },
      }
    },
  }
}

const NOWHERE: Where = new Map()

/** @throws QueryError where it came several times */
function textOf(options: AnyOptions, name: string): string | undefined {
  const value = options[name]
  if (value === undefined || typeof value === 'string') return value
  throw new QueryError(name, value.join(', '), 'it once')
}

/** @throws QueryError */
export function parseFormat<F extends Format>(text: string, formats: readonly F[]): F {
  return parseChoice('format', text, formats)
}

/** Rows as CSV (RFC 4180, UTF-8, a heading first) or as one JSON object a line, block by block. */
export async function* written(
  blocks: AsyncIterable<readonly Row[]>,
  format: 'csv' | 'ndjson',
): AsyncGenerator<string> {
  let columns: string[] | null = null
  for await (const rows of blocks) {
    const [first] = rows
    if (first === undefined) continue
    if (format === 'ndjson') {
      yield rows.map((row) => `${JSON.stringify(row)}\n`).join('')
      continue
    }
    const header = columns === null
    columns ??= Object.keys(first)
    yield stringify(rows as Row[], { header, columns, cast: { boolean: String } })
  }
}
