import { setTimeout as sleep } from 'node:timers/promises'
import { problemDetail, retry, retryAfterMs } from '@weaklink/runtime'

export interface Target {
  /** Of the collector, as http://127.0.0.1:8787. */
  readonly url: string
  readonly writeKey: string
  readonly fetch: typeof fetch
  /** Ends the trying, not the request that is under way. */
  readonly signal: AbortSignal
  /** Told before each wait for another try. */
  readonly onTrouble: (why: string) => void
}

/** What a collector says to a batch. */
export interface Taken {
  readonly accepted: number
  readonly rejected: readonly Refusal[]
}

/** Why one interaction of a batch was not taken. */
export interface Refusal {
  readonly id: string | null
  readonly reason: string
  readonly field: string
  readonly expected: string
  readonly got: string
}

/** The collector refuses the request as such, and would again. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly status: number

  constructor(status: number, detail: string) {
    super(`The collector refuses what it is sent (${status}): ${detail}`)
    this.status = status
  }
}

const FIRST_DELAY_MS = 200
const MAX_DELAY_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
/** Statuses below 500 that pass: it took too long, or too many came at once. */
const PASSING = [408, 425, 429]

/**
 * Posts a batch (the text of a JSON array) until the collector has answered for it. Where an answer is lost the same
 * batch goes out again: by its ids it is taken once.
 *
 * @throws RefusedError; the signal's reason, where that ends the trying
 */
export function post(body: string, target: Target): Promise<Taken> {
  const { signal, onTrouble } = target
  return retry(() => once(body, target), {
    signal,
    firstDelayMs: FIRST_DELAY_MS,
    maxDelayMs: MAX_DELAY_MS,
    giveUp: (error) => error instanceof RefusedError,
    onRetry: (error) => onTrouble(textOf(error)),
  })
}

/** One try; one that is told when to come back goes on then. */
async function once(body: string, { url, writeKey, fetch, signal, onTrouble }: Target): Promise<Taken> {
  for (;;) {
    const response = await fetch(new URL('/v1/interactions', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${writeKey}`, 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    const text = await response.text()
    if (response.ok) return takenOf(text)
    const problem = `${response.status} ${detailOf(text)}`
    if (response.status < 500 && !PASSING.includes(response.status)) {
      throw new RefusedError(response.status, detailOf(text))
    }
    const delayMs = retryAfterMs(response)
    if (delayMs === null) throw new Error(problem)
    onTrouble(problem)
    await sleep(delayMs, undefined, { signal })
  }
}

function takenOf(text: string): Taken {
  const { accepted, rejected } = Object(JSON.parse(text)) as Partial<Taken>
  if (typeof accepted !== 'number' || !Array.isArray(rejected)) {
    throw new RefusedError(200, `this is no answer of a collector: ${text.slice(0, 200)}`)
  }
  return { accepted, rejected }
}

/** What a refusal says, be it ours or of something between us and the collector. */
function detailOf(text: string): string {
  return problemDetail(text) ?? text.slice(0, 200)
}

/** What `fetch` throws keeps its reason in `cause`. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error ? `${error.message}: ${cause.message || String(Object(cause).code)}` : error.message
}
