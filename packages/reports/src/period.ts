import { z } from 'zod'
import { QueryError } from './query-error.ts'

/** Which chains a report looks at: half-open, on the chain's start, or with `date: 'end'` on its closing. */
export interface Period {
  /** Epoch milliseconds, null for no bound. */
  readonly from: number | null
  readonly to: number | null
  readonly date: 'start' | 'end'
}

/** As they are written on a command line or in a URL. */
export interface PeriodOptions {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly date?: string | undefined
}

/** @throws QueryError */
export function parsePeriod(options: PeriodOptions): Period {
  const from = options.from === undefined ? null : parseInstant('from', options.from)
  const to = options.to === undefined ? null : parseInstant('to', options.to)
  if (from !== null && to !== null && from >= to) {
    throw new QueryError(
      'to',
      options.to ?? '',
      `an instant after "from", which is ${options.from} (the end itself is not included)`,
    )
  }
  return { from, to, date: parseChoice('date', options.date ?? 'start', ['start', 'end']) }
}

const bareDate = z.iso.date()
const instant = z.iso.datetime({ offset: true })

/**
 * Epoch milliseconds; a bare date is its midnight in UTC.
 *
 * @throws QueryError
 */
export function parseInstant(option: string, text: string): number {
  if (!bareDate.safeParse(text).success && !instant.safeParse(text).success) {
    throw new QueryError(option, text, 'a date as 2024-05-01 (midnight in UTC) or a time as 2024-05-01T12:00:00+02:00')
  }
  return Date.parse(text)
}

/** @throws QueryError listing what may be chosen */
export function parseChoice<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === text)
  if (chosen === undefined) throw new QueryError(option, text, `one of ${choices.join(', ')}`)
  return chosen
}

/** SQL for "in the period", over the columns `startedAt` and `closedAt`. */
export function periodSql({ from, to, date }: Period, params: { bind(value: unknown, type: string): string }): string {
  const column = date === 'start' ? 'startedAt' : 'assumeNotNull(closedAt)'
  const conditions = date === 'start' ? [] : ['closedAt IS NOT NULL']
  if (from !== null) conditions.push(`toUnixTimestamp64Milli(${column}) >= ${params.bind(from, 'Int64')}`)
  if (to !== null) conditions.push(`toUnixTimestamp64Milli(${column}) < ${params.bind(to, 'Int64')}`)
  return conditions.length === 0 ? 'true' : conditions.join(' AND ')
}
