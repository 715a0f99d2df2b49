import { setTimeout as sleep } from 'node:timers/promises'
import { retryAfterMs } from '@weaklink/runtime'
import { connectionFault, refusalOf, type Target } from '../target.ts'
import { CommandError } from '../terminal.ts'

/** What the collector answers to a batch. */
export interface BatchAnswer {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: readonly {
    readonly index: number
    readonly id: string | null
    readonly reason: string
    readonly field: string
    readonly expected: string
    readonly got: string
  }[]
}

export interface ClientOptions {
  readonly target: Target
  readonly dryRun: boolean
  /** Told before each wait. */
  readonly onRetry: (why: string) => void
}

/** How long a batch is tried until sending gives up. */
const GIVE_UP_MS = Number(process.env.WEAKLINK_GIVE_UP_SECONDS ?? 60) * 1_000
const ANSWER_MS = 40_000
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 5_000

/**
 * Sends batches to a collector, one after the other, until each is acknowledged. A batch is repeated where the answer
 * got lost: its interactions must have ids, so that nothing is counted twice.
 */
export class CollectorClient {
  readonly #options: ClientOptions
  #answered = false

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /**
   * @param items interactions, each as its JSON
   * @throws CommandError where nothing answers, the key is refused, or the collector stays overloaded
   */
  async send(items: readonly string[]): Promise<BatchAnswer> {
    const until = Date.now() + GIVE_UP_MS
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)) {
      const { answer, why, afterMs } = await this.#try(items)
      if (answer !== null) return answer
      const waitMs = afterMs ?? delayMs
      if (Date.now() + waitMs > until) throw new CommandError(`${why} Gave up; what was acknowledged is kept.`)
      this.#options.onRetry(why)
      await sleep(waitMs)
    }
  }

  async #try(items: readonly string[]): Promise<Attempt> {
    const { target, dryRun } = this.#options
    let response: Response
    try {
      response = await fetch(`${target.url}/v1/interactions${dryRun ? '?dryRun=1' : ''}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${target.key}`, 'content-type': 'application/json' },
        body: `[${items.join(',')}]`,
        signal: AbortSignal.timeout(ANSWER_MS),
      })
    } catch (error) {
      const why = `Nothing answers at ${target.url} (${connectionFault(error)}).`
      if (!this.#answered) throw new CommandError(`${why} Is it the right address? Start one with "weaklink up".`)
      return { answer: null, why, afterMs: null }
    }
    this.#answered = true
    if (response.ok) return { answer: await answerOf(response, target), why: '', afterMs: null }
    const why = await refusalOf(response)
    if (response.status === 429 || response.status >= 500) return { answer: null, why, afterMs: retryAfterMs(response) }
    if (response.status === 413 && items.length === 1) {
      const rejected = [{ index: 0, id: null, reason: 'too_large', field: '', expected: why, got: 'more' }]
      return { answer: { accepted: 0, duplicates: 0, rejected }, why: '', afterMs: null }
    }
    throw new CommandError(`${target.url} does not take this: ${why}`)
  }
}

type Attempt =
  | { readonly answer: BatchAnswer; readonly why: string; readonly afterMs: null }
  | { readonly answer: null; readonly why: string; readonly afterMs: number | null }

async function answerOf(response: Response, { url }: Target): Promise<BatchAnswer> {
  const answer: unknown = await response.json().catch(() => null)
  if (typeof answer === 'object' && answer !== null && 'accepted' in answer && 'rejected' in answer)
    return answer as BatchAnswer
  throw new CommandError(`What answers at ${url} is no Weaklink collector.`)
}
