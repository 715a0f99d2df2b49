import { z } from 'zod'
import { durationOf } from '../duration.ts'
import type { Key } from '../keys.ts'
import { parseChoice } from '../period.ts'
import { QueryError } from '../query-error.ts'
import {
  byParameter,
  itemsOf,
  type Options,
  parseBy,
  parseSelection,
  type Selection,
  selectionParameters,
} from '../selection.ts'
import { OF, type Of } from '../selection-shape.ts'
import { MODELS, type Model } from './shape.ts'

export interface AttributionQuery extends Selection {
  /** Which chains are credited: the converted ones (attribution), or the broken ones (blame). */
  readonly aim: 'converted' | 'broken'
  readonly of: Of
  readonly by: readonly Key[]
  /** In the order of MODELS. */
  readonly models: readonly Model[]
  /** They were asked for by name: what cannot be computed is then an error, and not left out. */
  readonly named: boolean
  readonly halfLifeMs: number
  readonly order: number
  readonly samples: number
  readonly seed: number
}

export const attributionParameters = {
  ...selectionParameters,
  ...byParameter,
  of: z.enum(OF).optional().describe('What gets the credit: touchpoint (default), channel or campaign of each touch.'),
  model: z
    .array(z.enum(['all', ...MODELS]))
    .optional()
    .describe(`all (default), or some of ${MODELS.join(', ')}; several with commas.`)
    .meta({ examples: [['linear', 'markov']] }),
  halfLife: z
    .string()
    .optional()
    .describe('decay: a touch this much earlier gets half the credit, as 12h or 7d (default).'),
  order: z.string().optional().describe('markov: on how many touches the next one depends, 1 (default) to 3.'),
  samples: z
    .string()
    .optional()
    .describe(
      'shapley: how many random orders to draw where more than 12 share the credit, 100 to 100000. Default: 1000.',
    ),
  seed: z.string().optional().describe('shapley: a whole number; the same one draws the same orders. Default: 1.'),
}

/** As they are written on a command line or in a URL. */
export type AttributionOptions = Options<typeof attributionParameters>

/** @throws QueryError naming the option and what it may be */
export function attributionQuery(aim: AttributionQuery['aim'], options: AttributionOptions): AttributionQuery {
  const asked = itemsOf(options.model).map((name) => parseChoice('model', name, ['all', ...MODELS]))
  const all = asked.length === 0 || asked.includes('all')
  return {
    ...parseSelection(options),
    aim,
    of: parseChoice('of', options.of ?? 'touchpoint', OF),
    by: parseBy(options),
    models: MODELS.filter((model) => all || asked.includes(model)),
    named: !all,
    halfLifeMs: parseDuration('halfLife', options.halfLife ?? '7d'),
    order: parseWhole('order', options.order ?? '1', 1, 3),
    samples: parseWhole('samples', options.samples ?? '1000', 100, 100_000),
    seed: parseWhole('seed', options.seed ?? '1', 0, 2 ** 32 - 1),
  }
}

const LONGEST_DAYS = 3650

function parseDuration(option: string, text: string): number {
  const ms = durationOf(text) ?? 0
  if (ms === 0 || ms > LONGEST_DAYS * 86_400_000) {
    throw new QueryError(option, text, `a duration from 1ms to ${LONGEST_DAYS}d, as 90m, 12h or 7d`)
  }
  return ms
}

function parseWhole(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most)) {
    throw new QueryError(option, text, `a whole number from ${least} to ${most}`)
  }
  return value
}
