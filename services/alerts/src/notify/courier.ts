import type { Alert, MemoryRecord } from '../alert.ts'
import type { NotifyConfig } from './config.ts'
import { failedRecord } from './failed.ts'
import { type IsMuted, LONGEST_HOLD_MS, type Outbox, type Telling } from './outbox.ts'
import { SendError, type Sink } from './sinks/sink.ts'

export interface CourierOptions {
  readonly outbox: Outbox
  readonly sink: Sink
  readonly giveUp: NotifyConfig['giveUp']
  readonly isMuted: IsMuted
  /** Epoch milliseconds. */
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
  /** How long one attempt may take. */
  readonly timeoutMs: number
  readonly remember: (records: readonly Omit<MemoryRecord, 'timestamp'>[]) => void
  readonly happened: (result: Attempt) => void
}

/** What became of one attempt; the text of an error holds no secret. */
export type Attempt = { readonly receiver: string; readonly alerts: number; readonly seconds: number } & (
  | { readonly result: 'told'; readonly remark: string | null }
  | { readonly result: 'failed' | 'dead'; readonly error: string; readonly attempts: number }
)

const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 120_000
/** Groups that a receiver is told of at once: a slow one is not to be flooded. */
const AT_ONCE = 4
/** Alerts that come in a flood are taken in before the next look. */
const LOOK_MS = 1
/** The clock may be put forward while we sleep. */
const LONGEST_SLEEP_MS = 10_000

/**
 * Brings one receiver what its outbox holds. What fails is tried again after waits that double, each shortened at random by
 * up to a half; with what is so by then, so this is no case for `retry` of @weaklink/runtime, which repeats what it was given.
 */
export class Courier {
  readonly #options: CourierOptions
  readonly #failures = new Map<string, { attempts: number; readonly since: number }>()
  readonly #underWay = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #lookedAt = Number.NEGATIVE_INFINITY
  /** What the receiver asked for by `Retry-After`. */
  #restUntil = 0
  #stopped = false

  constructor(options: CourierOptions) {
    this.#options = options
  }

  learn(alert: Alert): void {
    const { outbox, isMuted, now } = this.#options
    outbox.learn(alert, isMuted, now())
  }

  /** Something may be due: looks at once, or in a moment where it has just looked. */
  wake(): void {
    this.#sleep(this.#lookedAt + LOOK_MS - performance.now())
  }

  /** Lets go: what is under way may come to its end for so long. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    const timer = setTimeout(() => this.#stop.abort(), graceMs)
    await Promise.all(this.#underWay)
    clearTimeout(timer)
  }

  #look(): void {
    if (this.#stopped) return
    const { outbox, isMuted, now } = this.#options
    this.#lookedAt = performance.now()
    // A clock that was put back is not to make a short rest a long one.
    if (this.#restUntil > now() + LONGEST_HOLD_MS) this.#restUntil = now()
    const room = this.#restUntil > now() ? 0 : AT_ONCE - this.#underWay.size
    for (const telling of room > 0 ? outbox.due(isMuted, now(), room) : []) {
      const attempt = this.#attempt(telling).finally(() => {
        this.#underWay.delete(attempt)
        this.wake()
      })
      this.#underWay.add(attempt)
    }
    // With all hands busy, the first that is free looks again.
    if (this.#underWay.size < AT_ONCE) this.#sleep(Math.max(outbox.nextAt(), this.#restUntil) - now())
  }

  #sleep(ms: number): void {
    if (this.#stopped) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.max(0, Math.ceil(ms)), LONGEST_SLEEP_MS))
  }

  async #attempt(telling: Telling): Promise<void> {
    const { outbox, sink, now, timeoutMs, remember, happened } = this.#options
    const startedAt = performance.now()
    const { receiver } = telling
    const alerts = telling.fresh.size === 0 ? telling.firing.length : telling.fresh.size
    const took = () => ({ receiver, alerts, seconds: (performance.now() - startedAt) / 1000 })
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)])
    try {
      const remark = await sink.send(telling, signal)
      this.#failures.delete(telling.group)
      remember(outbox.done(telling))
      happened({ ...took(), result: 'told', remark })
    } catch (thrown) {
      // A fault of our own is not to end the service, and its text might hold anything.
      const error = thrown instanceof SendError ? thrown : new SendError('it could not be put into words', false)
      const failure = this.#failures.get(telling.group) ?? { attempts: 0, since: now() }
      failure.attempts++
      const { attempts } = failure
      if (this.#isHopeless(error, failure)) {
        this.#failures.delete(telling.group)
        const dead = failedRecord(telling, { at: now(), attempts, error: error.message })
        // Noted as told, so that it is not tried again and again: what still fires is told anew when it is repeated.
        remember([dead, ...outbox.done(telling)])
        happened({ ...took(), result: 'dead', error: error.message, attempts })
      } else {
        this.#failures.set(telling.group, failure)
        const againAt = now() + this.#delay(error, attempts)
        if (error.retryAfterMs !== null) this.#restUntil = Math.max(this.#restUntil, againAt)
        outbox.failed(telling, againAt)
        happened({ ...took(), result: 'failed', error: error.message, attempts })
      }
    }
  }

  #isHopeless({ retryHelps }: SendError, { attempts, since }: { attempts: number; since: number }): boolean {
    const { giveUp, now } = this.#options
    // Whoever is stopping could not know.
    if (this.#stopped && retryHelps) return false
    return !retryHelps || attempts >= giveUp.attempts || now() - since >= giveUp.afterMs
  }

  #delay({ retryAfterMs }: SendError, attempts: number): number {
    const full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempts - 1))
    const delay = full * (0.5 + this.#options.random() / 2)
    return Math.round(Math.max(delay, Math.min(retryAfterMs ?? 0, LONGEST_HOLD_MS)))
  }
}
