import type { WaitingCall, WaitingChange } from '@weaklink/chains'

/** What of the board somebody wants to see. */
export interface BoardQuery {
  /** Null: all of them. */
  readonly queues: ReadonlySet<string> | null
  readonly touchpoint: string | null
  readonly longerThanMs: number
  /** Calls of one answer. */
  readonly limit: number
}

export function isWanted({ queue, touchpoint }: WaitingCall, query: BoardQuery): boolean {
  if (query.queues !== null && (queue === null || !query.queues.has(queue))) return false
  return query.touchpoint === null || touchpoint === query.touchpoint
}

/** Never less than nothing: the clock of a producer may be ahead of ours. */
export function waitedMs(since: number, asOf: number): number {
  return Math.max(0, asOf - since)
}

/** What one stream was told, and what it has to be told. */
export class BoardStream {
  readonly #query: BoardQuery
  readonly #told = new Set<string>()
  /** Who has not yet waited for as long as is asked for. */
  readonly #early = new Map<string, WaitingCall>()
  #heard: WaitingChange[] = []
  #wake: () => void = () => {}

  constructor(query: BoardQuery) {
    this.#query = query
  }

  /** With these it began: all that wait. */
  begin(calls: readonly WaitingCall[], asOf: number): void {
    for (const call of calls) {
      if (this.#isEarly(call, asOf)) this.#early.set(keyOf(call), call)
      else this.#told.add(keyOf(call))
    }
  }

  heard(changes: readonly WaitingChange[]): void {
    this.#heard.push(...changes.filter(({ call }) => isWanted(call, this.#query)))
    if (this.#heard.length > 0) this.wake()
  }

  wake(): void {
    this.#wake()
  }

  /** Resolves when something was heard, or after so long. */
  async changed(ms: number): Promise<void> {
    if (this.#heard.length > 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** What is to be told by now: of each call that it began, unless the stream began with it, and that it ended. */
  news(asOf: number): WaitingChange[] {
    const heard = this.#heard
    this.#heard = []
    const news: WaitingChange[] = []
    const begin = (call: WaitingCall) => {
      this.#told.add(keyOf(call))
      news.push({ state: 'began', call })
    }
    for (const change of heard) {
      const { state, call } = change
      if (state === 'ended') {
        this.#early.delete(keyOf(call))
        if (this.#told.delete(keyOf(call))) news.push(change)
      } else if (this.#isEarly(call, asOf)) this.#early.set(keyOf(call), call)
      else if (!this.#told.has(keyOf(call))) begin(call)
    }
    for (const call of this.#early.values()) {
      if (this.#isEarly(call, asOf)) continue
      this.#early.delete(keyOf(call))
      begin(call)
    }
    return news
  }

  #isEarly({ since }: WaitingCall, asOf: number): boolean {
    return waitedMs(since, asOf) < this.#query.longerThanMs
  }
}

/** The same also when it becomes known who it is. */
function keyOf({ episode, id }: WaitingCall): string {
  return `${episode}\u0000${id}`
}
