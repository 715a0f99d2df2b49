import { REASONS, type Reason, STATES, type State } from '@weaklink/chains'
import { z } from 'zod'
import { parseChoice, parseInstant } from '../period.ts'
import { QueryError } from '../query-error.ts'
import { listOf, type Options, parseSelection, type Selection, selectionParameters } from '../selection.ts'
import { OF, type Of } from '../selection-shape.ts'
import { WAIT_OF_CHAIN, WAITED, type Waited } from '../waits/shape.ts'
import type { WaitsOfChain } from '../waits/waited-sql.ts'

/** What an interaction may carry; an empty name: nothing of the kind. */
export interface Carried {
  readonly of: Of
  readonly name: string
}

export interface ChainsQuery extends Selection {
  /** Any of them; empty: all. */
  readonly states: readonly State[]
  readonly reason: Reason | null
  readonly place: string | null
  /** Of either kind, known or anonymous. */
  readonly customer: string | null
  /** Has a place with each of these. */
  readonly with: readonly Carried[]
  /** Has a place with none of these. */
  readonly without: readonly Carried[]
  /** All of these touches, as the report attribution has them; an empty name: no touch carries one. */
  readonly touches: readonly Carried[]
  /** First and last touchpoint of the path. */
  readonly first: string | null
  readonly last: string | null
  /** In the path the second directly follows the first. */
  readonly link: readonly [string, string] | null
  /** The path came there, the last time on or after `from` and before `to` (epoch milliseconds). */
  readonly through: {
    /** A touchpoint, or a link of two. */
    readonly steps: readonly [string] | readonly [string, string]
    readonly from: number | null
    readonly to: number | null
  } | null
  /** The whole path, equal neighbours as one. */
  readonly variant: readonly string[] | null
  /** By its wait in a queue, as the report waits has it. */
  readonly waited: (WaitsOfChain & { readonly bucket: Waited }) | null
  readonly limit: number
  /** The last chain of the page before. */
  readonly after: { readonly startedAt: number; readonly id: string } | null
}

export const chainsParameters = {
  ...selectionParameters,
  state: z.array(z.enum(STATES)).optional().describe('open, converted, broken or ignored; several: any of them.'),
  reason: z.enum(REASONS).optional().describe('Why it broke: refused, abandoned, dissatisfied or silence.'),
  place: z.string().optional().describe('The touchpoint where chains are, or ended.'),
  customer: z.string().optional().describe('Whose: known or anonymous.'),
  with: z
    .array(z.string())
    .optional()
    .describe('Only chains that reached this touchpoint, or channel=NAME or campaign=NAME; several: all of them.'),
  without: z.array(z.string()).optional().describe('Only chains that never reached it; several: none of them.'),
  touch: z
    .array(z.string())
    .optional()
    .describe(
      'touchpoint=NAME, channel=NAME or campaign=NAME: of a touch, as attribution counts them; without NAME: no touch has one.',
    )
    .meta({ examples: [['channel=search']] }),
  first: z.string().optional().describe('The first touchpoint of the path.'),
  last: z.string().optional().describe('The last touchpoint of the path.'),
  link: z
    .string()
    .optional()
    .describe('A > B: in the path B directly follows A.')
    .meta({ examples: ['call_wait > quote'] }),
  through: z
    .string()
    .optional()
    .describe('A touchpoint of the path, or a link A > B of it, with the period of the last time there.'),
  throughFrom: z.string().optional().describe('With --through: a day or an instant; included.'),
  throughTo: z.string().optional().describe('Likewise; not included.'),
  variant: z
    .string()
    .optional()
    .describe('A > B > C: the whole path, equal neighbours as one.')
    .meta({ examples: ['ad_view > call_wait > purchase'] }),
  waited: z
    .enum(WAITED)
    .optional()
    .describe('How long it waited in a queue before its end, as the report waits has it.'),
  wait: z.enum(WAIT_OF_CHAIN).optional().describe('With --waited: its longest wait (default), or its first.'),
  queue: z.array(z.string()).optional().describe('With --waited: only waits in this queue; several: in any of them.'),
  limit: z.string().optional().describe('At most so many, 1 to 1000. Default: 50.'),
  cursor: z.string().optional().describe('Go on after an earlier answer: its `next`.'),
}

/** As they are written on a command line or in a URL. */
export type ChainsOptions = Options<typeof chainsParameters>

/** Chains of a page. */
export const MOST_LISTED = 1000

/** @throws QueryError naming the option and what it may be */
export function chainsQuery(options: ChainsOptions): ChainsQuery {
  const limit = Number(options.limit ?? 50)
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_LISTED) {
    throw new QueryError('limit', options.limit ?? '', `a whole number from 1 to ${MOST_LISTED}`)
  }
  const states = listOf(options.state).map((state) => parseChoice('state', state, STATES))
  if (options.reason !== undefined && states.length > 0 && !states.includes('broken')) {
    throw new QueryError(
      'reason',
      options.reason,
      `--state broken, or none: ${states.join(' and ')} chains have no reason`,
    )
  }
  if (options.date === 'end' && states.length > 0 && states.every((state) => state === 'open')) {
    throw new QueryError('date', 'end', '--date start: open chains have no end yet')
  }
  const link = options.link === undefined ? null : stepsOf('link', options.link)
  if (link !== null && link.length !== 2)
    throw new QueryError('link', options.link ?? '', 'two touchpoints: call_wait > quote')
  return {
    ...parseSelection(options),
    states,
    reason: options.reason === undefined ? null : parseChoice('reason', options.reason, REASONS),
    place: options.place ?? null,
    customer: options.customer ?? null,
    with: listOf(options.with).map((text) => carriedOf('with', text.includes('=') ? text : `touchpoint=${text}`)),
    without: listOf(options.without).map((text) =>
      carriedOf('without', text.includes('=') ? text : `touchpoint=${text}`),
    ),
    touches: listOf(options.touch).map((text) => carriedOf('touch', text)),
    first: options.first ?? null,
    last: options.last ?? null,
    link: link === null ? null : [link[0] ?? '', link[1] ?? ''],
    through: throughOf(options),
    variant: options.variant === undefined ? null : stepsOf('variant', options.variant),
    waited: waitedOf(options),
    limit,
    after: options.cursor === undefined ? null : parseCursor(options.cursor),
  }
}

/** Where a page ended: chains are ordered by start, newest first, then by id. */
export function cursorOf({ startedAt, id }: { startedAt: string | number; id: string }): string {
  return `${new Date(startedAt).getTime()}_${id}`
}

/** @throws QueryError */
export function parseCursor(text: string): { startedAt: number; id: string } {
  const match = /^(-?\d{1,15})_(.+)$/.exec(text)
  if (match === null) throw new QueryError('cursor', text, '`next` of an earlier answer')
  return { startedAt: Number(match[1]), id: match[2] ?? '' }
}

function throughOf({ through, throughFrom, throughTo }: ChainsOptions): ChainsQuery['through'] {
  if (through === undefined) {
    for (const [option, value] of Object.entries({ throughFrom, throughTo })) {
      if (value !== undefined)
        throw new QueryError(option, value, '--through with it: the last time at which touchpoint?')
    }
    return null
  }
  const [first = '', second, ...more] = stepsOf('through', through)
  if (more.length > 0) throw new QueryError('through', through, 'a touchpoint, or two: call_wait > quote')
  return {
    steps: second === undefined ? [first] : [first, second],
    from: throughFrom === undefined ? null : parseInstant('throughFrom', throughFrom),
    to: throughTo === undefined ? null : parseInstant('throughTo', throughTo),
  }
}

function waitedOf({ waited, wait, queue }: ChainsOptions): ChainsQuery['waited'] {
  const queues = listOf(queue)
  if (waited === undefined) {
    const [option, value] = wait === undefined ? ['queue', queues[0]] : ['wait', wait]
    if (value !== undefined) throw new QueryError(option, value, `--waited with it, one of ${WAITED.join(', ')}`)
    return null
  }
  return {
    bucket: parseChoice('waited', waited, WAITED),
    wait: parseChoice('wait', wait ?? 'longest', WAIT_OF_CHAIN),
    queues,
  }
}

/** `A > B > C`. */
function stepsOf(option: string, text: string): string[] {
  const steps = text.split('>').map((step) => step.trim())
  if (steps.includes('')) throw new QueryError(option, text, 'touchpoints with > between them: ad_view > call_wait')
  return steps
}

function carriedOf(option: string, text: string): Carried {
  const [, kind, name] = /^([a-z]+)=(.*)$/s.exec(text) ?? []
  const of = OF.find((one) => one === kind)
  if (of === undefined || name === undefined)
    throw new QueryError(option, text, `KIND=NAME, where KIND is one of ${OF.join(', ')}`)
  return { of, name }
}
