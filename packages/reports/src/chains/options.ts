import { REASONS, type Reason, STATES, type State } from '@weaklink/chains'
import { parseWhere, type Where } from '../keys.ts'
import { type Period, type PeriodOptions, parseChoice, parsePeriod } from '../period.ts'
import { QueryError } from '../query-error.ts'

export interface ChainsQuery extends Period {
  readonly where: Where
  readonly state: State | null
  readonly reason: Reason | null
  readonly place: string | null
  /** Of either kind, known or anonymous. */
  readonly customer: string | null
  readonly limit: number
  /** The last chain of the page before. */
  readonly after: { readonly startedAt: number; readonly id: string } | null
}

/** As they are written on a command line or in a URL. */
export interface ChainsOptions extends PeriodOptions {
  readonly where?: string | readonly string[] | undefined
  readonly state?: string | undefined
  readonly reason?: string | undefined
  readonly place?: string | undefined
  readonly customer?: string | undefined
  /** 1..1000, default 50. */
  readonly limit?: string | undefined
  /** `next` of the page before. */
  readonly cursor?: string | undefined
}

const MOST = 1000

/** @throws QueryError naming the option and what it may be */
export function chainsQuery(options: ChainsOptions): ChainsQuery {
  const limit = Number(options.limit ?? 50)
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST) {
    throw new QueryError('limit', options.limit ?? '', `a whole number from 1 to ${MOST}`)
  }
  return {
    ...parsePeriod(options),
    where: parseWhere([options.where ?? []].flat()),
    state: options.state === undefined ? null : parseChoice('state', options.state, STATES),
    reason: options.reason === undefined ? null : parseChoice('reason', options.reason, REASONS),
    place: options.place ?? null,
    customer: options.customer ?? null,
    limit,
    after: options.cursor === undefined ? null : parseCursor(options.cursor),
  }
}

/** Where a page ended: chains are ordered by start, newest first, then by id. */
export function cursorOf({ startedAt, id }: { startedAt: string; id: string }): string {
  return `${Date.parse(startedAt)}_${id}`
}

function parseCursor(text: string): { startedAt: number; id: string } {
  const match = /^(-?\d{1,15})_(.+)$/.exec(text)
  if (match === null) throw new QueryError('cursor', text, '`next` of an earlier answer')
  return { startedAt: Number(match[1]), id: match[2] ?? '' }
}
