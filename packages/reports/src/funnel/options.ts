import { z } from 'zod'
import { MOST_LISTED, parseCursor } from '../chains/options.ts'
import type { Key } from '../keys.ts'
import { parseChoice } from '../period.ts'
import { QueryError } from '../query-error.ts'
import {
  byParameter,
  listOf,
  type Options,
  parseBy,
  parseSelection,
  type Selection,
  selectionParameters,
} from '../selection.ts'
import { FATES } from './fold.ts'
import { type Funnel, ORDERS, parseSteps, parseWindow, STEPS_SYNTAX } from './steps.ts'

/** Which of those that reached a step are listed. */
const WHATS = ['reached', 'passed', 'converted', 'lost', ...FATES.slice(2), 'open'] as const
export type What = (typeof WHATS)[number]

export interface FunnelQuery extends Selection {
  readonly funnel: Funnel
  readonly count: 'chains' | 'customers'
  readonly open: 'apart' | 'out'
  readonly by: readonly Key[]
  /** Indexes of two steps; null where there is one step only. */
  readonly between: readonly [from: number, to: number] | null
  /** Which chains to list as well. */
  readonly list: ListQuery | null
}

interface ListQuery {
  /** Index. */
  readonly step: number
  readonly what: What
  /** The values of `by`, as texts; null for all groups. */
  readonly group: ReadonlyMap<string, string> | null
  readonly limit: number
  /** The last chain of the page before. */
  readonly after: { readonly startedAt: number; readonly id: string } | null
}

export const funnelParameters = {
  steps: z
    .string()
    .describe(STEPS_SYNTAX)
    .meta({ examples: ['ad_view > site_visit > [call_wait|chat]<2d? > pay:bought'] }),
  order: z
    .enum(ORDERS)
    .optional()
    .describe(
      'steps (default): one after the other, whatever is in between. strict: with no other place in between. any: in any order, but for steps with ^.',
    ),
  window: z
    .string()
    .optional()
    .describe(
      'From the first step to the last at most: 30m, 24h, 7d. A chain ends with its patience, so a window longer than that bounds nothing more.',
    )
    .meta({ examples: ['7d'] }),
  count: z
    .enum(['chains', 'customers'])
    .optional()
    .describe('chains (default): every attempt. customers: each once, by the best of their chains.'),
  open: z
    .enum(['apart', 'out'])
    .optional()
    .describe('Chains that are still open are shown apart (default), or left out.'),
  between: z
    .string()
    .optional()
    .describe('The two steps whose time apart is shown, as 1:3. Default: the first and the last that has to be met.')
    .meta({ examples: ['1:3'] }),
  ...selectionParameters,
  ...byParameter,
  chains: z
    .string()
    .optional()
    .describe(
      `Lists the chains behind a number: STEP:WHAT, where WHAT is ${WHATS.join(', ')}. As 2:lost. As CSV or NDJSON, without a limit: all of them.`,
    )
    .meta({ examples: ['2:lost'] }),
  group: z
    .array(z.string())
    .optional()
    .describe('KEY=VALUE, with --chains and --by: only those of this group. One for each key of --by.'),
  limit: z.string().optional().describe(`Of listed chains at most so many, 1 to ${MOST_LISTED}. Default: 50.`),
  cursor: z.string().optional().describe('Go on after an earlier list: its `next`.'),
}

/** As they are written on a command line or in a URL. */
export type FunnelOptions = Partial<Options<typeof funnelParameters>>

/** @throws QueryError naming the option and what it may be */
export function funnelQuery(options: FunnelOptions): FunnelQuery {
  const order = parseChoice('order', options.order ?? 'steps', ORDERS)
  if (options.steps === undefined || options.steps.trim() === '') {
    throw new QueryError('steps', '', 'touchpoints with > between them, as "ad_view > site_visit > pay:bought"')
  }
  const steps = parseSteps(options.steps, order)
  const by = parseBy(options)
  return {
    ...parseSelection(options),
    funnel: { order, steps, windowMs: parseWindow(options.window, steps) },
    count: parseChoice('count', options.count ?? 'chains', ['chains', 'customers']),
    open: parseChoice('open', options.open ?? 'apart', ['apart', 'out']),
    by,
    between: parseBetween(options.between, steps),
    list: parseList(options, steps.length, by),
  }
}

function parseBetween(text: string | undefined, steps: Funnel['steps']): readonly [number, number] | null {
  const last = steps.findLastIndex(({ optional }) => !optional)
  if (text === undefined) return last === 0 ? null : [0, last]
  const [, from, to] = /^\s*(\d{1,2})\s*:\s*(\d{1,2})\s*$/.exec(text) ?? []
  const between = [Number(from) - 1, Number(to) - 1] as const
  if (!(between[0] >= 0 && between[0] < between[1] && between[1] < steps.length)) {
    const expected = `two of the ${steps.length} steps, the earlier one first: 1:${Math.max(2, steps.length)}`
    throw new QueryError('between', text, steps.length === 1 ? 'no --between: there is one step only' : expected)
  }
  return between
}

function parseList(options: FunnelOptions, steps: number, by: readonly Key[]): ListQuery | null {
  const { chains: text } = options
  if (text === undefined) {
    for (const option of ['group', 'limit', 'cursor'] as const) {
      const value = listOf(options[option])[0]
      if (value !== undefined) throw new QueryError(option, value, '--chains with it: it is about the list of chains')
    }
    return null
  }
  const [, number, word] = /^\s*(\d{1,2})\s*(?::\s*(\w+)\s*)?$/.exec(text) ?? []
  const step = Number(number) - 1
  const what = WHATS.find((one) => one === (word ?? 'reached'))
  if (!(step >= 0 && step < steps) || what === undefined) {
    const expected = `STEP:WHAT as 1:lost, where STEP is 1 to ${steps} and WHAT one of ${WHATS.join(', ')}`
    throw new QueryError('chains', text, expected)
  }
  if (what === 'open' && options.open === 'out') {
    throw new QueryError('chains', text, 'no --open out with it, which leaves the open chains out')
  }
  const limit = Number(options.limit ?? 50)
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_LISTED) {
    throw new QueryError('limit', options.limit ?? '', `a whole number from 1 to ${MOST_LISTED}`)
  }
  return {
    step,
    what,
    group: parseGroup(listOf(options.group), by),
    limit,
    after: options.cursor === undefined ? null : parseCursor(options.cursor),
  }
}

function parseGroup(texts: readonly string[], by: readonly Key[]): ReadonlyMap<string, string> | null {
  if (texts.length === 0) return null
  const group = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const key = by.find(({ name }) => name === text.slice(0, at))
    if (key === undefined || group.has(key.name)) {
      const names = by.map(({ name }) => name).join(', ')
      throw new QueryError('group', text, by.length === 0 ? '--by with it' : `KEY=VALUE, once for each of ${names}`)
    }
    group.set(key.name, text.slice(at + 1))
  }
  const missing = by.find(({ name }) => !group.has(name))
  if (missing !== undefined) throw new QueryError('group', texts.join(' '), `also a value for ${missing.name}`)
  return group
}
