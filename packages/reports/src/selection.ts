import { z } from 'zod'
import { type ChainColumn, chainUnits } from './chain-units.ts'
import {
  jsonSql,
  type Key,
  type KeyValue,
  type Params,
  parseKey,
  parseWhere,
  showValue,
  type Where,
  whereSql,
} from './keys.ts'
import { type Period, parsePeriod, periodSql } from './period.ts'

/** Which chains a question is about: those of a period that begin with certain values. */
export interface Selection extends Period {
  readonly where: Where
}

/** The options of every question about a selection of chains, for the command line and for URLs. */
export const selectionParameters = {
  from: z
    .string()
    .optional()
    .describe('A day (2024-05-01, its midnight in UTC) or an instant with its offset; included.'),
  to: z.string().optional().describe('Likewise; not included.'),
  date: z
    .enum(['start', 'end'])
    .optional()
    .describe('What the period is about: the start of a chain (default), or its end.'),
  where: z
    .array(z.string())
    .optional()
    .describe(
      'KEY=VALUE: only chains that begin with this value. May be repeated: one key several times means any of these values, several keys have to fit all.',
    )
    .meta({ examples: [['channel=search', 'props.platform=mobile']] }),
}

/** The option that splits the answer. */
export const byParameter = {
  by: z
    .array(z.string())
    .optional()
    .describe(
      'Splits by the value at the beginning of a chain: channel, campaign, returning, props.x …, also several with commas.',
    )
    .meta({ examples: [['channel']] }),
}

/** What came for such options: texts, nothing checked yet. */
export type Options<P extends z.ZodRawShape> = {
  readonly [K in keyof P]?:
    | (z.input<P[K]> extends readonly string[] | undefined ? string | readonly string[] : string)
    | undefined
}

/** @throws QueryError */
export function parseSelection(options: Options<typeof selectionParameters>): Selection {
  return { ...parsePeriod(options), where: parseWhere(listOf(options.where)) }
}

/** @throws QueryError */
export function parseBy(options: Options<typeof byParameter>): readonly Key[] {
  return itemsOf(options.by).map((name) => parseKey('by', name))
}

/** An option that may be repeated. */
export function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : [value].flat()
}

/** An option that may be repeated, or hold several with commas: each once, without the space around it. */
export function itemsOf(value: string | readonly string[] | undefined): readonly string[] {
  return [
    ...new Set(
      listOf(value)
        .flatMap((text) => text.split(','))
        .map((text) => text.trim()),
    ),
  ]
}

/**
 * SQL: one row for each selected chain, with these columns, and `grp`, the values of `by` as the text of a JSON array. Only
 * the columns that are named are read, so name few.
 */
export function selectedChains(
  columns: readonly ChainColumn[],
  selection: Selection,
  by: readonly Key[],
  params: Params,
): string {
  const keys = [...[...selection.where.values()].map(({ key }) => key), ...by]
  const dated: ChainColumn[] = selection.date === 'start' ? ['startedAt'] : ['startedAt', 'closedAt']
  return `
    SELECT kind, customer, ${[...new Set(columns)].join(', ')}, ${groupSql(by, params)} AS grp
    FROM (${chainUnits([...new Set([...columns, ...dated])], keys, 'place')})
    WHERE ${whereSql(selection.where, params)} AND ${periodSql(selection, params)}`
}

/** SQL for the values of `by` as the text of a JSON array, over the columns that `chainUnits` gives for these keys. */
export function groupSql(by: readonly Key[], params: Params): string {
  if (by.length === 0) return `'[]'`
  return `concat('[', ${by.map((key) => jsonSql(key, params)).join(`, ',', `)}, ']')`
}

/** What `groupSql` gave, as the answer shows it. */
export function groupValues(group: string, by: readonly Key[]): Record<string, KeyValue> {
  const values: KeyValue[] = JSON.parse(group)
  return Object.fromEntries(by.map((key, index) => [key.name, showValue(key, values[index] ?? null)]))
}

/** The period as an answer shows it. */
export function shownPeriod({ from, to, date }: Period): {
  from: string | null
  to: string | null
  date: 'start' | 'end'
} {
  const shown = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return { from: shown(from), to: shown(to), date }
}

/** SQL for the newest T, null where no clock has ticked: `SELECT (${AS_OF_SQL}) AS asOf`. */
export const AS_OF_SQL = 'SELECT max(tick) FROM positions FINAL'
