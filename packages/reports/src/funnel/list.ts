import { cursorOf } from '../chains/options.ts'

/** A chain that is to be listed. */
export interface Listed {
  readonly id: string
  readonly customer: string
  /** Epoch milliseconds. */
  readonly startedAt: number
}

/** The newest starts of all chains that are added, and how many there were. Holds little more than one page. */
export class Page {
  count = 0
  readonly #limit: number
  readonly #after: Pick<Listed, 'startedAt' | 'id'> | null
  #kept: Listed[] = []

  constructor(limit: number, after: Pick<Listed, 'startedAt' | 'id'> | null) {
    this.#limit = limit
    this.#after = after
  }

  add(chain: Listed): void {
    this.count++
    if (this.#after !== null && byStart(chain, this.#after) <= 0) return
    this.#kept.push(chain)
    if (this.#kept.length > 4 * this.#limit + 1000) this.#trim()
  }

  /** In order, and where the next page begins. */
  page(): { chains: readonly Listed[]; next: string | null } {
    this.#trim()
    const chains = this.#kept.slice(0, this.#limit)
    const last = chains.at(-1)
    return {
      chains,
      next: this.#kept.length > this.#limit && last !== undefined ? cursorOf(last) : null,
    }
  }

  #trim(): void {
    this.#kept = this.#kept.sort(byStart).slice(0, this.#limit + 1)
  }
}

/** Newest start first, then by id. */
function byStart(a: Pick<Listed, 'startedAt' | 'id'>, b: Pick<Listed, 'startedAt' | 'id'>): number {
  return b.startedAt - a.startedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
