import { z } from 'zod'
import type { Key } from '../keys.ts'
import { parseChoice } from '../period.ts'
import { QueryError } from '../query-error.ts'
import {
  byParameter,
  type Options,
  parseBy,
  parseSelection,
  type Selection,
  selectionParameters,
} from '../selection.ts'

export interface BreakpointsQuery extends Selection {
  /** Where a chain that did not convert counts: at its place, or at the furthest one it came to. */
  readonly at: 'place' | 'furthest'
  /** Ask about the episodes of this group instead of about chains. */
  readonly within: string | null
  readonly by: readonly Key[]
  /** Read the chains themselves, also where an aggregate would do. */
  readonly fresh: boolean
}

export const breakpointsParameters = {
  ...selectionParameters,
  at: z
    .enum(['place', 'furthest'])
    .optional()
    .describe(
      'Where a chain that did not convert counts: where it broke (place, the default), or at the furthest place that it came to.',
    ),
  within: z
    .string()
    .optional()
    .describe('The same over the episodes of a group of touchpoints, such as phone.')
    .meta({ examples: ['phone'] }),
  ...byParameter,
  fresh: z
    .enum(['true', 'false'])
    .optional()
    .describe('Count the chains themselves, where otherwise a count of up to a minute ago would do.'),
}

/** As they are written on a command line or in a URL. `by` and `where` may be given several times. */
export type BreakpointsOptions = Options<typeof breakpointsParameters>

/** @throws QueryError naming the option and what it may be */
export function breakpointsQuery(options: BreakpointsOptions): BreakpointsQuery {
  const within = options.within ?? null
  if (within === '') throw new QueryError('within', '', 'a group of touchpoints, for example phone')
  return {
    ...parseSelection(options),
    at: parseChoice('at', options.at ?? 'place', ['place', 'furthest']),
    within,
    by: parseBy(options),
    fresh: parseChoice('fresh', options.fresh ?? 'false', ['true', 'false']) === 'true',
  }
}
