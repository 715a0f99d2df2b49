import type { Process, Timeline } from './timeline.ts'

/** Who takes calls, and when. */
export interface Roster {
  /** The agents on shift at this instant. */
  onShift(at: number): readonly string[]
  /** The next instant after this one at which others may be on shift. */
  nextChange(at: number): number
}

/** From the moment an agent turns to a call until they are heard. */
export const PICK_UP_MS = 3_000

interface Waiting {
  /** Null until an agent takes the call. */
  agent: string | null
  /** Taken, or given up. */
  over: boolean
  resume: () => void
}

/**
 * A telephone line: first come, first served, by agents on shift; whose patience ends before that hangs up. An agent
 * whose shift ends during a call finishes it and takes no other.
 */
export class PhoneLine {
  readonly name: string
  readonly #timeline: Timeline
  readonly #roster: Roster
  readonly #waiting: Waiting[] = []
  readonly #busy = new Set<string>()
  /** When an agent last finished a call; who never did has been idle for longest. */
  readonly #idleSince = new Map<string, number>()
  #watchesShifts = false

  constructor(name: string, timeline: Timeline, roster: Roster) {
    this.name = name
    this.#timeline = timeline
    this.#roster = roster
  }

  /** Waits for an agent, at most for so long. The agent who answers must be given back by `hangUp`; null: none came. */
  *wait(patienceMs: number): Process<string | null> {
    let agent = this.#waiting.length === 0 ? this.#idleAgent() : null
    if (agent !== null) this.#busy.add(agent)
    else {
      const waiting: Waiting = { agent: null, over: false, resume() {} }
      this.#waiting.push(waiting)
      this.#timeline.plan(this.#timeline.now + patienceMs, () => this.#giveUp(waiting))
      this.#watchShifts()
      yield (resume) => {
        waiting.resume = resume
      }
      agent = waiting.agent
    }
    if (agent !== null) yield this.#timeline.now + PICK_UP_MS
    return agent
  }

  /** The call of this agent is over. */
  hangUp(agent: string): void {
    this.#busy.delete(agent)
    this.#idleSince.set(agent, this.#timeline.now)
    this.#serve()
  }

  #giveUp(waiting: Waiting): void {
    if (waiting.over) return
    waiting.over = true
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    waiting.resume()
  }

  #serve(): void {
    for (;;) {
      const agent = this.#waiting.length === 0 ? null : this.#idleAgent()
      const waiting = agent === null ? undefined : this.#waiting.shift()
      if (agent === null || waiting === undefined) return
      this.#busy.add(agent)
      waiting.over = true
      waiting.agent = agent
      waiting.resume()
    }
  }

  /** Only while somebody waits: a change of shift matters to nobody else. */
  #watchShifts(): void {
    if (this.#watchesShifts) return
    this.#watchesShifts = true
    this.#timeline.plan(this.#roster.nextChange(this.#timeline.now), () => {
      this.#watchesShifts = false
      this.#serve()
      if (this.#waiting.length > 0) this.#watchShifts()
    })
  }

  #idleAgent(): string | null {
    let [longest, since] = [null as string | null, Number.POSITIVE_INFINITY]
    for (const agent of this.#roster.onShift(this.#timeline.now)) {
      const idleSince = this.#idleSince.get(agent) ?? Number.NEGATIVE_INFINITY
      if (this.#busy.has(agent) || (longest !== null && idleSince >= since)) continue
      longest = agent
      since = idleSince
    }
    return longest
  }
}
