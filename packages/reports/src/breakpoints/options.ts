import { type Key, parseKey, parseWhere, type Where } from '../keys.ts'
import { type Period, type PeriodOptions, parseChoice, parsePeriod } from '../period.ts'
import { QueryError } from '../query-error.ts'

export interface BreakpointsQuery extends Period {
  /** Where a chain that did not convert counts: at its place, or at the furthest one it came to. */
  readonly at: 'place' | 'furthest'
  /** Ask about the episodes of this group instead of about chains. */
  readonly within: string | null
  readonly by: readonly Key[]
  readonly where: Where
}

/** As they are written on a command line or in a URL. `by` and `where` may be given several times. */
export interface BreakpointsOptions extends PeriodOptions {
  readonly at?: string | undefined
  readonly within?: string | undefined
  /** Keys, also several with commas. */
  readonly by?: string | readonly string[] | undefined
  /** KEY=VALUE. */
  readonly where?: string | readonly string[] | undefined
}

/** @throws QueryError naming the option and what it may be */
export function breakpointsQuery(options: BreakpointsOptions): BreakpointsQuery {
  const names = listed(options.by).flatMap((text) => text.split(','))
  const within = options.within ?? null
  if (within === '') throw new QueryError('within', '', 'a group of touchpoints, for example phone')
  return {
    ...parsePeriod(options),
    at: parseChoice('at', options.at ?? 'place', ['place', 'furthest']),
    within,
    by: [...new Set(names)].map((name) => parseKey('by', name.trim())),
    where: parseWhere(listed(options.where)),
  }
}

function listed(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}
