/**
 * The calls that the reader remembers. What is remembered depends on the lines alone, never on a clock: the same lines
 * leave the same memory, wherever reading was interrupted.
 */

/** A call in one queue. */
export interface Stay {
  readonly queue: string | null
  stage: 'waiting' | 'talking' | 'over'
  /** Since when, as the line says it: epoch milliseconds. */
  since: number
}

export interface Call {
  customer: string | null
  /** Interactions of it were told while nobody knew whose it was. */
  wasAnonymous: boolean
  /** The instant of the last line that gave an interaction, and of that interaction: later, where lines share a second. */
  writtenAt: number
  usedAt: number
  /** Digests of such lines at `writtenAt`. */
  lines: string[]
  /** Those queues that it was in last. */
  stays: Stay[]
}

/** As JSON has it: calls with their ids, the oldest first. */
export interface QueueLogState {
  readonly open: readonly (readonly [callId: string, Call])[]
  readonly over: readonly (readonly [callId: string, Call])[]
}

/** Of calls whose end was lost, the oldest are forgotten beyond so many. */
const OPEN_AT_MOST = 100_000
/** Of calls that are over: an end may be told twice, and a caller may go on to the next queue. */
const OVER_AT_MOST = 1_000
const STAYS_AT_MOST = 16
const LINES_AT_MOST = 32

export class Calls {
  readonly #open: Map<string, Call>
  readonly #over: Map<string, Call>

  constructor(state?: QueueLogState) {
    // A copy: the memory changes, and what was stored must not.
    const { open, over } = structuredClone(state ?? { open: [], over: [] })
    this.#open = new Map(open)
    this.#over = new Map(over)
  }

  find(callId: string): Call | undefined {
    return this.#open.get(callId) ?? this.#over.get(callId)
  }

  /** Writes down what a line changed. */
  put(callId: string, call: Call): void {
    this.#open.delete(callId)
    this.#over.delete(callId)
    call.stays = call.stays.slice(-STAYS_AT_MOST)
    call.lines = call.lines.slice(-LINES_AT_MOST)
    const isOpen = call.stays.some(({ stage }) => stage !== 'over')
    const [map, atMost] = isOpen ? [this.#open, OPEN_AT_MOST] : [this.#over, OVER_AT_MOST]
    map.set(callId, call)
    if (map.size <= atMost) return
    for (const oldest of map.keys()) {
      map.delete(oldest)
      return
    }
  }

  /** Forgets all; answers those that went on. */
  clear(): (readonly [callId: string, Call])[] {
    const open = [...this.#open]
    this.#open.clear()
    this.#over.clear()
    return open
  }

  state(): QueueLogState {
    return { open: [...this.#open], over: [...this.#over] }
  }
}
