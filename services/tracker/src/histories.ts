import type { History } from '@weaklink/chains'

/**
 * The bounded cache of histories: those least recently used are dropped and loaded again when they are needed. A
 * history with rows that the store has not acknowledged is pinned, or a load would not see them.
 */
export class Histories {
  readonly #limit: number
  readonly #entries = new Map<string, History>()
  #interactions = 0

  /** @param limit how many interactions to hold before histories are dropped */
  constructor(limit: number) {
    this.#limit = limit
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** The history, now the most recently used. */
  get(key: string): History | undefined {
    const history = this.#entries.get(key)
    if (history !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, history)
    }
    return history
  }

  put(key: string, history: History): void {
    this.#entries.set(key, history)
    this.#interactions += weight(history)
  }

  /** To be called when a history took one interaction in. */
  grew(): void {
    this.#interactions++
  }

  /** Drops the least recently used ones beyond the limit, but none that is pinned; answers how many. */
  evict(isPinned: (key: string) => boolean): number {
    let dropped = 0
    for (const [key, history] of this.#entries) {
      if (this.#interactions <= this.#limit) break
      if (isPinned(key)) continue
      this.#entries.delete(key)
      this.#interactions -= weight(history)
      dropped++
    }
    return dropped
  }
}

/** A history costs about as much as one more interaction, even when it is empty. */
function weight(history: History): number {
  return history.byId.size + 1
}
