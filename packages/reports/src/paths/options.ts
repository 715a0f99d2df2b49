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

export const pathsParameters = {
  ...selectionParameters,
  ...byParameter,
  fold: z
    .enum(['repeats', 'none'])
    .optional()
    .describe(
      'repeats (default): in whole paths and in the tree, the same touchpoint several times in a row is one step; none: each time is one. Links always count each time.',
    ),
  limit: z
    .string()
    .optional()
    .describe('How many of each kind to show, 1 to 1000; default 20. The rest is one line "other".'),
  after: z.string().optional().describe('A touchpoint: also the tree of what follows the first time there.'),
  before: z.string().optional().describe('A touchpoint: also the tree of what led to the first time there.'),
  depth: z.string().optional().describe('How many steps of the tree, 1 to 10; default 3.'),
}

export interface PathsQuery {
  readonly selection: Selection
  readonly by: readonly Key[]
  readonly fold: 'repeats' | 'none'
  readonly limit: number
  readonly tree: { readonly direction: 'after' | 'before'; readonly touchpoint: string } | null
  readonly depth: number
}

/** @throws QueryError naming the option and what it may be */
export function pathsQuery(options: Options<typeof pathsParameters>): PathsQuery {
  const { after, before } = options
  if (after !== undefined && before !== undefined) {
    throw new QueryError('before', before, 'no --after with it: ask for the one tree, then for the other')
  }
  return {
    selection: parseSelection(options),
    by: parseBy(options),
    fold: parseChoice('fold', options.fold ?? 'repeats', ['repeats', 'none']),
    limit: parseCount('limit', options.limit ?? '20', 1000),
    tree:
      after !== undefined
        ? { direction: 'after', touchpoint: after }
        : before !== undefined
          ? { direction: 'before', touchpoint: before }
          : null,
    depth: parseCount('depth', options.depth ?? '3', 10),
  }
}

function parseCount(option: string, text: string, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > most) throw new QueryError(option, text, `a whole number from 1 to ${most}`)
  return value
}
