import { z } from 'zod'
import { durationOf } from '../duration.ts'
import { type Key, parseWhere } from '../keys.ts'
import { parseChoice } from '../period.ts'
import { QueryError } from '../query-error.ts'
import { byParameter, listOf, type Options, parseBy, type Selection, selectionParameters } from '../selection.ts'
import { PER, WAIT_OF_CHAIN, type WaitOfChain } from './shape.ts'
import { instantIn, type Per, parseZone } from './zone.ts'

export const waitsParameters = {
  from: z
    .string()
    .optional()
    .describe(
      'A day (2024-05-01, its midnight in the zone) or an instant with its offset; included. A call counts when it entered the queue, a chain when it started.',
    ),
  to: z.string().optional().describe('Likewise; not included. With both, hours without calls are listed too.'),
  where: selectionParameters.where,
  ...byParameter,
  queue: z.array(z.string()).optional().describe('Only calls in this queue; several: any of them.'),
  per: z.enum(PER).optional().describe('What a row covers: hour (default), halfhour, day, week, or none.'),
  zone: z
    .string()
    .optional()
    .describe('Whose hours and days: a time zone. Default: UTC.')
    .meta({ examples: ['Europe/Berlin'] }),
  serviceLevel: z
    .string()
    .optional()
    .describe(
      'PERCENT:DURATION, how many are to be answered how soon. Default: 80 in the `expectedWait` that the catalogue has for call_wait, else in 20s.',
    )
    .meta({ examples: ['80:20s'] }),
  short: z
    .string()
    .optional()
    .describe('Leaves out, of received and abandoned, callers who gave up within so long.')
    .meta({ examples: ['5s'] }),
  wait: z
    .enum(WAIT_OF_CHAIN)
    .optional()
    .describe('What waiting costs: by the longest wait of a chain (default), or by its first.'),
}

export interface ServiceLevel {
  /** Between 0 and 1. */
  readonly target: number
  readonly withinMs: number
}

export interface WaitsQuery {
  readonly selection: Selection
  readonly by: readonly Key[]
  /** Empty: all. */
  readonly queues: readonly string[]
  readonly per: Per
  readonly zone: string
  /** Null: what the catalogue expects. */
  readonly serviceLevel: ServiceLevel | null
  /** Who gave up within so many milliseconds is left out; null: nobody is. */
  readonly shortMs: number | null
  readonly wait: WaitOfChain
}

/** @throws QueryError naming the option and what it may be */
export function waitsQuery(options: Options<typeof waitsParameters>): WaitsQuery {
  const zone = parseZone(options.zone ?? 'UTC')
  const from = options.from === undefined ? null : instantIn(zone, 'from', options.from)
  const to = options.to === undefined ? null : instantIn(zone, 'to', options.to)
  if (from !== null && to !== null && from >= to) {
    throw new QueryError(
      'to',
      options.to ?? '',
      `an instant after "from", which is ${options.from} (the end itself is not included)`,
    )
  }
  return {
    selection: { from, to, date: 'start', where: parseWhere(listOf(options.where)) },
    by: parseBy(options),
    queues: listOf(options.queue),
    per: parseChoice('per', options.per ?? 'hour', PER),
    zone,
    serviceLevel: options.serviceLevel === undefined ? null : parseServiceLevel(options.serviceLevel),
    shortMs: options.short === undefined ? null : parseDuration('short', options.short),
    wait: parseChoice('wait', options.wait ?? 'longest', WAIT_OF_CHAIN),
  }
}

function parseServiceLevel(text: string): ServiceLevel {
  const [, percent, within = ''] = /^(\d{1,3}(?:\.\d{1,3})?):(.+)$/.exec(text.trim()) ?? []
  const withinMs = durationOf(within)
  if (percent === undefined || withinMs === null || Number(percent) > 100) {
    throw new QueryError(
      'serviceLevel',
      text,
      'a percentage and a duration, as 80:20s (80 % answered within 20 seconds)',
    )
  }
  return { target: Number(percent) / 100, withinMs }
}

function parseDuration(option: string, text: string): number {
  const ms = durationOf(text)
  if (ms === null) throw new QueryError(option, text, 'a duration, as 500ms, 5s or 1m')
  return ms
}
