import { setTimeout as sleep } from 'node:timers/promises'
import type { Interaction, Rejection } from '@weaklink/interactions'
import { problemDetail, retryAfterMs } from '@weaklink/runtime'

/** Where a collector answers, and the write key to show it. */
export interface Target {
  /** Without a slash at its end. */
  readonly url: string
  readonly key: string
}

/** What no repetition heals: the key is refused, or what answers is no collector. */
export class TailerError extends Error {
  override readonly name = 'TailerError'
}

export interface Delivered {
  readonly accepted: number
  /** Of those sent, with their index. */
  readonly rejected: readonly { readonly index: number; readonly rejection: Rejection }[]
}

export interface SenderOptions {
  readonly target: () => Promise<Target>
  /** Ends the waiting for a collector that is away. */
  readonly signal: AbortSignal
  readonly onRetry: (why: string) => void
}

/** Of one request: half of what the collector takes, so that it need not refuse one. */
const BATCH = { items: 500, bytes: 250_000 } as const
const ANSWER_MS = 40_000
/** Who is to stop waits so long for an answer that is under way. */
const LAST_ANSWER_MS = 5_000
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 15_000

/**
 * Sends interactions to a collector until each is acknowledged or refused, however long that takes. What was sent twice
 * because an answer got lost is there once: the interactions have ids.
 *
 * @returns null where it was ended before that
 * @throws TailerError
 */
export async function deliver(interactions: readonly Interaction[], options: SenderOptions): Promise<Delivered | null> {
  let accepted = 0
  const rejected: Delivered['rejected'][number][] = []
  for (const { from, items } of batchesOf(interactions.map((one) => JSON.stringify(one)))) {
    const answer = await deliverBatch(items, options)
    if (answer === null) return null
    accepted += answer.accepted
    for (const { index, rejection } of answer.rejected) rejected.push({ index: from + index, rejection })
  }
  return { accepted, rejected }
}

function* batchesOf(items: readonly string[]): Generator<{ readonly from: number; readonly items: readonly string[] }> {
  let [from, bytes] = [0, 0]
  for (const [k, item] of items.entries()) {
    const size = Buffer.byteLength(item) + 1
    if (k > from && (k - from === BATCH.items || bytes + size > BATCH.bytes)) {
      yield { from, items: items.slice(from, k) }
      from = k
      bytes = 0
    }
    bytes += size
  }
  if (from < items.length) yield { from, items: items.slice(from) }
}

async function deliverBatch(items: readonly string[], options: SenderOptions): Promise<Delivered | null> {
  const { signal, onRetry } = options
  for (let delayMs = FIRST_DELAY_MS; !signal.aborted; delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)) {
    const attempt = await post(items, options)
    if ('accepted' in attempt) return attempt
    if (signal.aborted) return null
    onRetry(attempt.why)
    const fullMs = attempt.afterMs ?? delayMs
    // Shortened by chance: not everybody who waits for a collector is to come at the same instant.
    await sleep(fullMs * (1 - Math.random() / 4), undefined, { signal }).catch(() => {})
  }
  return null
}

type Attempt = Delivered | { readonly why: string; readonly afterMs: number | null }

async function post(items: readonly string[], { target: find, signal }: SenderOptions): Promise<Attempt> {
  let target: Target
  try {
    target = await find()
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error), afterMs: null }
  }
  let response: Response
  let text: string
  const ending = new AbortController()
  const end = () => ending.abort(new Error('no answer in time'))
  let timer = setTimeout(end, ANSWER_MS)
  const hurry = () => {
    clearTimeout(timer)
    timer = setTimeout(end, LAST_ANSWER_MS)
  }
  signal.addEventListener('abort', hurry, { once: true })
  try {
    response = await fetch(`${target.url}/v1/interactions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${target.key}`, 'content-type': 'application/json' },
      body: `[${items.join(',')}]`,
      signal: ending.signal,
    })
    text = await response.text()
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const fault = cause instanceof Error ? cause.message || cause.name : String(cause)
    return { why: `Nothing answers at ${target.url} (${fault}).`, afterMs: null }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', hurry)
  }
  if (response.ok) return answerOf(text, target)
  const why = problemDetail(text) ?? `HTTP ${response.status} ${response.statusText}`.trim()
  if (response.status === 429 || response.status >= 500) return { why, afterMs: retryAfterMs(response) }
  throw new TailerError(`${target.url} does not take this: ${why}`)
}

function answerOf(text: string, { url }: Target): Delivered {
  try {
    const { accepted, duplicates, rejected } = JSON.parse(text) as {
      readonly accepted: number
      readonly duplicates: number
      readonly rejected: readonly (Rejection & { readonly index: number })[]
    }
    return {
      accepted: accepted + duplicates,
      rejected: rejected.map(({ index, reason, field, expected, got }) => ({
        index,
        rejection: { reason, field, expected, got },
      })),
    }
  } catch {
    throw new TailerError(`What answers at ${url} is no Weaklink collector.`)
  }
}
