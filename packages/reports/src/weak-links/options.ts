import { z } from 'zod'
import type { Key } from '../keys.ts'
import { QueryError } from '../query-error.ts'
import {
  byParameter,
  type Options,
  parseBy,
  parseSelection,
  type Selection,
  selectionParameters,
} from '../selection.ts'
import { requireSegment } from './segments.ts'

export interface WeakLinksQuery extends Selection {
  /** Keys whose values are segments; null: channel, campaign, returning and the props with few values. */
  readonly by: readonly Key[] | null
  readonly fdr: number
  readonly minChains: number
  readonly limit: number
}

export const weakLinksParameters = {
  ...selectionParameters,
  by: byParameter.by.describe(
    'Keys whose values are tried as segments, also several with commas. Default: channel, campaign, returning and the props that have few values.',
  ),
  fdr: z
    .string()
    .optional()
    .describe('Of the findings, this share may be mere chance on average: 0.001 to 0.5. Default: 0.05.'),
  minChains: z.string().optional().describe('A finding is about at least so many chains, 10 or more. Default: 20.'),
  limit: z.string().optional().describe('At most so many findings, 1 to 50. Default: 10.'),
}

/** @throws QueryError */
export function weakLinksQuery(options: Options<typeof weakLinksParameters>): WeakLinksQuery {
  const selection = parseSelection(options)
  if (selection.date === 'end') {
    throw new QueryError(
      'date',
      'end',
      '"start": of the chains that ended in a period, the lost ones began earlier, which would make every beginning a bad time',
    )
  }
  return {
    ...selection,
    by: options.by === undefined ? null : parseBy(options).map(requireSegment),
    fdr: numberOf('fdr', options.fdr ?? '0.05', 'a number from 0.001 to 0.5', (n) => n >= 0.001 && n <= 0.5),
    minChains: numberOf(
      'minChains',
      options.minChains ?? '20',
      'a whole number of chains, 10 or more',
      (n) => Number.isSafeInteger(n) && n >= 10,
    ),
    limit: numberOf(
      'limit',
      options.limit ?? '10',
      'a whole number from 1 to 50',
      (n) => Number.isInteger(n) && n >= 1 && n <= 50,
    ),
  }
}

function numberOf(option: string, text: string, expected: string, allowed: (value: number) => boolean): number {
  const value = Number(text)
  if (text.trim() === '' || !allowed(value)) throw new QueryError(option, text, expected)
  return value
}
