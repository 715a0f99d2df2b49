import { z } from 'zod'
import type { Key } from '../keys.ts'
import { parseChoice } from '../period.ts'
import {
  byParameter,
  type Options,
  parseBy,
  parseSelection,
  type Selection,
  selectionParameters,
} from '../selection.ts'
import { OF, type Of } from '../selection-shape.ts'

export const conversionParameters = {
  ...selectionParameters,
  ...byParameter,
  of: z.enum(OF).optional().describe('What the rows are: touchpoint (default), channel or campaign of the touches.'),
}

export interface ConversionQuery {
  readonly selection: Selection
  readonly by: readonly Key[]
  readonly of: Of
}

/** @throws QueryError naming the option and what it may be */
export function conversionQuery(options: Options<typeof conversionParameters>): ConversionQuery {
  return {
    selection: parseSelection(options),
    by: parseBy(options),
    of: parseChoice('of', options.of ?? 'touchpoint', OF),
  }
}
