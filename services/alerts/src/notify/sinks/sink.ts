import type { Telling } from '../outbox.ts'

/** A way to reach people. */
export interface Sink {
  /**
   * Resolves when the other side has taken it, with a remark where its answer was odd; rejects with `SendError`.
   *
   * @param signal ends the attempt
   */
  send(telling: Telling, signal: AbortSignal): Promise<string | null>
}

/** It did not get through. The message never holds a secret. */
export class SendError extends Error {
  override readonly name = 'SendError'
  /** False: the same again would fail the same way. */
  readonly retryHelps: boolean
  /** What the other side asked for; null where it asked for nothing. */
  readonly retryAfterMs: number | null

  constructor(message: string, retryHelps: boolean, retryAfterMs: number | null = null) {
    super(message)
    this.retryHelps = retryHelps
    this.retryAfterMs = retryAfterMs
  }
}
