import { type Interaction, personKey } from '@weaklink/interactions'
import { type Call, eventOf, instantText, type LiveEvent } from './events.ts'

/** A call enters a queue here; what comes later in its episode ends the wait. */
const QUEUE = 'call_queue'
/** Who waits longer was forgotten by somebody: the call did not say that it ended. */
export const LONGEST_WAIT_MS = 3_600_000
const MOST_WAITS = 10_000

interface Wait {
  /** One for each id of the caller: a call may begin anonymous, and end as a known customer's. */
  readonly keys: readonly string[]
  readonly people: readonly (string | null)[]
  readonly id: string
  readonly since: number
  readonly call: Call
}

/**
 * Who waits in a queue now, as the interactions of the log say it.
 *
 *     call_queue ──▶ waiting ──(anything later of the episode, or an hour)──▶ ended
 */
export class Waits {
  /** By key; a wait with two ids stands here twice. The oldest first. */
  readonly #waits = new Map<string, Wait>()

  /**
   * What an interaction changes.
   *
   * @param now epoch milliseconds; a call of long ago (an import) waits no more
   */
  meet(interaction: Interaction, now: number): LiveEvent[] {
    if (interaction.episode === undefined) return []
    const events: LiveEvent[] = []
    const keys = keysOf(interaction, interaction.episode)
    const wait = keys.map((key) => this.#waits.get(key)).find((known) => known !== undefined)
    if (wait !== undefined) {
      if (interaction.id === wait.id || interaction.at < wait.since) return []
      events.push(this.#end(wait, interaction))
    }
    if (interaction.touchpoint === QUEUE && interaction.at >= now - LONGEST_WAIT_MS) {
      events.push(this.#begin(interaction, keys, interaction.episode))
    }
    return events
  }

  /** All calls that wait, for those who are about whom `concerns` says. */
  calls(wants: (event: Pick<LiveEvent, 'people' | 'touchpoint'>) => boolean): Call[] {
    return [...new Set(this.#waits.values())]
      .filter(({ people, call }) => wants({ people: people.filter((id) => id !== null), touchpoint: call.touchpoint }))
      .map(({ call }) => call)
  }

  /** Ends what nobody ended. */
  expire(now: number): LiveEvent[] {
    const old = new Set([...this.#waits.values()].filter(({ since }) => since < now - LONGEST_WAIT_MS))
    return [...old].map((wait) => this.#end(wait, null))
  }

  #begin(interaction: Interaction, keys: readonly string[], episode: string): LiveEvent {
    const { customer = null, anonymousId = null, queue = null, touchpoint, at, id } = interaction
    const call: Call = { customer, anonymousId, episode, queue, touchpoint, since: instantText(at) }
    const wait: Wait = { keys, people: [customer, anonymousId], id, since: at, call }
    for (const key of keys) this.#waits.set(key, wait)
    const [oldest] = this.#waits.values()
    if (this.#waits.size > MOST_WAITS && oldest !== undefined) this.#forget(oldest)
    return eventOf('waiting', wait.people, touchpoint, { state: 'began', ...call })
  }

  #end(wait: Wait, by: Interaction | null): LiveEvent {
    this.#forget(wait)
    return eventOf('waiting', [...wait.people, by?.customer, by?.anonymousId], wait.call.touchpoint, {
      state: 'ended',
      ...wait.call,
      endedAt: by === null ? null : instantText(by.at),
      endedBy: by?.touchpoint ?? null,
      outcome: by?.outcome ?? null,
      waitedMs: by === null ? null : by.at - wait.since,
    })
  }

  #forget({ keys }: Wait): void {
    for (const key of keys) this.#waits.delete(key)
  }
}

function keysOf({ customer, anonymousId }: Interaction, episode: string): string[] {
  const keys: string[] = []
  if (customer !== undefined) keys.push(personKey({ kind: 'customer', customer }))
  if (anonymousId !== undefined) keys.push(personKey({ kind: 'anonymous', customer: anonymousId }))
  return keys.map((key) => `${key}\u0000\u0000${episode}`)
}
