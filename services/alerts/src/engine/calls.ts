import { Waiting, type WaitingCall } from '@weaklink/chains'
import { type Fact, type Interaction, personKey, personOf } from '@weaklink/interactions'
import { Recent } from './recent.ts'

/** What becomes of calls. */
export type CallEvent =
  | { readonly event: 'began'; readonly key: string; readonly call: WaitingCall }
  /** `by`: what ended it; null where nothing was heard for so long that it was given up. */
  | { readonly event: 'ended'; readonly key: string; readonly call: WaitingCall; readonly by: Interaction | null }
  | { readonly event: 'counted'; readonly wait: EndedWait }

/** A wait that ended, as it counts in rates. */
export interface EndedWait {
  readonly queue: string | null
  /** When it ended, epoch milliseconds. */
  readonly at: number
  readonly waitMs: number
  readonly how: HowEnded
}

/** `other`: the queue ended it, or the caller left it by a key. */
type HowEnded = 'answered' | 'abandoned' | 'other'

const WAIT = 'call_wait'
/** Waits that are known again when they are told twice. */
const KNOWN = 100_000

/** Calls as the log tells them, in whatever order and however often: who waits now, and how waits ended. */
export class Calls {
  readonly #waiting = new Waiting()
  readonly #byKey = new Map<string, WaitingCall>()
  /** What is told of its end is the very call that was told of its beginning. */
  readonly #keys = new WeakMap<WaitingCall, string>()
  readonly #lengths = new Map<string | null, number>()
  /** By person and id. */
  readonly #counted = new Recent(KNOWN)

  /** How many calls wait. */
  get size(): number {
    return this.#byKey.size
  }

  /** Those that wait now. */
  waiting(): Iterable<WaitingCall> {
    return this.#byKey.values()
  }

  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  /** How many wait in each queue, only where somebody does; null: calls without a queue. */
  get lengths(): ReadonlyMap<string | null, number> {
    return this.#lengths
  }

  /**
   * @param isCopy of what somebody did while anonymous, under the customer that they turned out to be: nothing new, but of
   * somebody else
   * @param now epoch milliseconds
   */
  meet(fact: Fact, isCopy: boolean, now: number): CallEvent[] {
    const events = this.#waiting.take(fact, now).map((change): CallEvent => this.#follow(change))
    if (fact.kind !== 'interaction' || fact.interaction.touchpoint !== WAIT || isCopy) return events
    const { interaction } = fact
    const wait = endedWait(interaction, events)
    if (wait === null || !this.#counted.add(`${personKey(personOf(interaction))}\u0000${interaction.id}`)) return events
    return [...events, { event: 'counted', wait }]
  }

  /** Gives up what nobody ended. */
  expire(now: number): CallEvent[] {
    return this.#waiting.expire(now).map((change) => this.#follow(change))
  }

  #follow(change: ReturnType<Waiting['expire']>[number]): CallEvent {
    const { call } = change
    const key = this.#keys.get(call) ?? callKey(call)
    const length = (this.#lengths.get(call.queue) ?? 0) + (change.state === 'began' ? 1 : -1)
    if (length === 0) this.#lengths.delete(call.queue)
    else this.#lengths.set(call.queue, length)
    if (change.state === 'began') {
      this.#keys.set(call, key)
      this.#byKey.set(key, call)
      return { event: 'began', key, call }
    }
    this.#byKey.delete(key)
    return { event: 'ended', key, call, by: change.by }
  }
}

/** Null where nobody can say how long it was. */
function endedWait(by: Interaction, events: readonly CallEvent[]): EndedWait | null {
  const ended = events.find((one) => one.event === 'ended')
  const waitMs = by.waitMs ?? (ended === undefined ? null : by.at - ended.call.since)
  if (waitMs === null) return null
  const other = by.props?.ended !== undefined
  const how = by.outcome === 'abandoned' ? 'abandoned' : other ? 'other' : 'answered'
  return { queue: by.queue ?? null, at: by.at, waitMs, how }
}

/**
 * Says which call it is, at this queue: any process makes the same of it, whoever the caller turns out to be. Ids are unique for a
 * person only; the copy of an interaction under the customer still names who was anonymous.
 */
function callKey({ episode, id, since, customer, anonymousId }: WaitingCall): string {
  const person = personKey(
    anonymousId === null
      ? { kind: 'customer', customer: customer ?? '' }
      : { kind: 'anonymous', customer: anonymousId },
  )
  return [person, episode, id, since].join('\u0000')
}
