import { Problem } from '@weaklink/runtime'
import { BODY_LIMIT } from '@weaklink/runtime/http'

/** What may come at once, and how fast. */
export interface CollectorLimits {
  /** Bytes of a request's body, unpacked. */
  readonly bodyBytes: number
  /** Bytes of one interaction, as it stands on the log. */
  readonly interactionBytes: number
  readonly interactionsPerRequest: number
  /** Of one key, on average; it may be a second ahead, and overdraw by one request. */
  readonly interactionsPerSecond: number
  /** Bytes of bodies, packed and unpacked, that are read, checked and written at the same time. */
  readonly bytesInFlight: number
}

/** The rate is what a whole machine takes in: lower it to keep producers from one another. */
export const DEFAULT_LIMITS: CollectorLimits = {
  bodyBytes: BODY_LIMIT,
  interactionBytes: 32 * 1024,
  interactionsPerRequest: 1_000,
  interactionsPerSecond: 100_000,
  bytesInFlight: 32_000_000,
}

/**
 * A token bucket for each key, counted in interactions. How many a request brings is known only when it has been read;
 * so one that comes while the key is not in debt is taken whole, and the next ones wait until the debt is paid. What
 * is refused is refused before its body is read.
 */
export class RateLimit {
  readonly #perSecond: number
  readonly #now: () => number
  /** As many as there are keys that are known. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
  }

  /** @throws Problem 429 while the key is in debt */
  check(key: string): void {
    const { tokens } = this.#bucket(key)
    if (tokens > 0) return
    const retryAfter = Math.max(1, Math.ceil(-tokens / this.#perSecond))
    throw new Problem(429, `This key has sent more than ${this.#perSecond} interactions a second.`, {
      retryAfter,
      extra: { limit: this.#perSecond },
    })
  }

  /** Also a request without any interaction costs one. */
  take(key: string, interactions: number): void {
    this.#bucket(key).tokens -= Math.max(1, interactions)
  }

  #bucket(key: string): { tokens: number; at: number } {
    const at = this.#now()
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      const full = { tokens: this.#perSecond, at }
      this.#buckets.set(key, full)
      return full
    }
    const earned = (Math.max(0, at - bucket.at) / 1_000) * this.#perSecond
    bucket.tokens = Math.min(this.#perSecond, bucket.tokens + earned)
    bucket.at = at
    return bucket
  }
}

/** Counts the bytes that requests hold, so that memory stays bounded whatever is offered. */
export class BytesInFlight {
  readonly #limit: number
  #held = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get held(): number {
    return this.#held
  }

  /** @throws Problem 503 where there is no room */
  hold(bytes: number): void {
    if (this.#held + bytes > this.#limit) {
      throw new Problem(503, 'More is being taken in than there is room for; the same request can succeed later.', {
        retryAfter: 1,
      })
    }
    this.#held += bytes
  }

  release(bytes: number): void {
    this.#held -= bytes
  }
}
