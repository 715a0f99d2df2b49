import type { WaitingNow } from '@weaklink/api'
import { nothingAnswers, urlOf } from '../tail/stream.ts'
import { refusalOf, type Target } from '../target.ts'
import { CommandError } from '../terminal.ts'

export const WAITING_ROUTE = '/api/v1/live/waiting'

/** What of the board is asked for, as its parameters. */
export interface WaitingFilter {
  readonly queue: readonly string[] | undefined
  readonly longerThan: string | undefined
  readonly limit: string | undefined
}

/**
 * Who waits now.
 *
 * @throws CommandError where nothing answers, or the question is refused
 */
export async function whoWaits(target: Target, filter: WaitingFilter, signal: AbortSignal): Promise<WaitingNow> {
  let response: Response
  try {
    const headers = { authorization: `Bearer ${target.key}` }
    response = await fetch(urlOf(target, WAITING_ROUTE, { ...filter }), { headers, signal })
  } catch (error) {
    throw new CommandError(nothingAnswers(target, error))
  }
  if (!response.ok) throw new CommandError(`${target.url} refuses: ${await refusalOf(response)}`)
  return (await response.json()) as WaitingNow
}
