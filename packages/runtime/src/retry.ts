import { setTimeout as sleep } from 'node:timers/promises'

export interface RetryOptions {
  /** Ends the trying: `retry` then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** The wait after the first failure; it doubles with each further one. */
  readonly firstDelayMs: number
  readonly maxDelayMs: number
  /** Called before each wait; `attempt` counts the failures so far, from 1. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void
  /** True for an error that no repetition can heal: `retry` then rejects with it at once. */
  readonly giveUp?: (error: unknown) => boolean
}

/**
 * Tries an operation until it succeeds, with waits that grow exponentially. Each wait is shortened at random by up to
 * a half, so that many clients of a server that comes back do not all call at the same instant.
 */
export async function retry<T>(operation: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, firstDelayMs, maxDelayMs, onRetry, giveUp } = options
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await operation()
    } catch (error) {
      signal?.throwIfAborted()
      if (giveUp?.(error)) throw error
      const fullDelayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1))
      const delayMs = Math.round(fullDelayMs * (0.5 + Math.random() / 2))
      onRetry?.(error, attempt, delayMs)
      // The timer's own AbortError would hide the reason; the check at the top of the loop throws that one.
      await sleep(delayMs, undefined, signal && { signal }).catch(() => {})
    }
  }
}
