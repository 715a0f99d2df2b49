import { type Interaction, personKey } from '@weaklink/interactions'

/** A call enters a queue here; what comes later in its episode ends the wait. */
const QUEUE = 'call_queue'
/** Who waits longer was forgotten by somebody: the call did not say that it ended. */
export const LONGEST_WAIT_MS = 3_600_000
const MOST_WAITS = 200_000

/** A call that waits in a queue. */
export interface WaitingCall {
  /** Of the interaction by which it entered the queue. */
  readonly id: string
  readonly customer: string | null
  readonly anonymousId: string | null
  readonly episode: string
  readonly queue: string | null
  readonly touchpoint: string
  /** When it entered, epoch milliseconds. */
  readonly since: number
}

export type WaitingChange =
  | { readonly state: 'began'; readonly call: WaitingCall }
  /** `by`: what ended it; null where nothing was heard for so long that it was given up. */
  | { readonly state: 'ended'; readonly call: WaitingCall; readonly by: Interaction | null }

interface Wait {
  /** One for each id of the caller: a call may begin anonymous, and end as a known customer's. */
  readonly keys: readonly string[]
  readonly call: WaitingCall
}

/**
 * Who waits in a queue now, as the interactions say it, in whatever order they come.
 *
 *     call_queue ──▶ waiting ──(anything later of the episode, or an hour)──▶ ended
 */
export class Waiting {
  /** By key; a wait with two ids stands here twice. Those first that were heard of first. */
  readonly #waits = new Map<string, Wait>()

  /**
   * What an interaction changes.
   *
   * @param now epoch milliseconds; a call of long ago (an import) waits no more
   */
  meet(interaction: Interaction, now: number): WaitingChange[] {
    if (interaction.episode === undefined) return []
    const changes: WaitingChange[] = []
    const keys = keysOf(interaction, interaction.episode)
    const wait = keys.map((key) => this.#waits.get(key)).find((known) => known !== undefined)
    if (wait !== undefined) {
      if (interaction.id === wait.call.id || interaction.at < wait.call.since) return []
      changes.push(this.#end(wait, interaction))
    }
    if (entersQueue(interaction) && interaction.at >= now - LONGEST_WAIT_MS) {
      changes.push(...this.#begin(interaction, keys, interaction.episode))
    }
    return changes
  }

  /** All calls that wait. */
  calls(): WaitingCall[] {
    return [...new Set(this.#waits.values())].map(({ call }) => call)
  }

  /** Ends what nobody ended. */
  expire(now: number): WaitingChange[] {
    const old = new Set([...this.#waits.values()].filter(({ call }) => call.since < now - LONGEST_WAIT_MS))
    return [...old].map((wait) => this.#end(wait, null))
  }

  #begin(interaction: Interaction, keys: readonly string[], episode: string): WaitingChange[] {
    const { customer = null, anonymousId = null, queue = null, touchpoint, at: since, id } = interaction
    const wait: Wait = { keys, call: { id, customer, anonymousId, episode, queue, touchpoint, since } }
    for (const key of keys) this.#waits.set(key, wait)
    const [oldest] = this.#waits.values()
    return [
      { state: 'began', call: wait.call },
      ...(this.#waits.size > MOST_WAITS && oldest !== undefined ? [this.#end(oldest, null)] : []),
    ]
  }

  #end(wait: Wait, by: Interaction | null): WaitingChange {
    for (const key of wait.keys) this.#waits.delete(key)
    return { state: 'ended', call: wait.call, by }
  }
}

/** Who was turned away (the queue is closed or full) does not wait. */
function entersQueue({ touchpoint, outcome = 'continued', props }: Interaction): boolean {
  return touchpoint === QUEUE && outcome === 'continued' && props?.turnedAway === undefined
}

function keysOf({ customer, anonymousId }: Interaction, episode: string): string[] {
  const keys: string[] = []
  if (customer !== undefined) keys.push(personKey({ kind: 'customer', customer }))
  if (anonymousId !== undefined) keys.push(personKey({ kind: 'anonymous', customer: anonymousId }))
  return keys.map((key) => `${key}\u0000\u0000${episode}`)
}
