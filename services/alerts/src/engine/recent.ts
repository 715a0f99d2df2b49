/**
 * The newest of many keys: at least so many, at most twice as many, are known. Two sets take turns, so that forgetting costs
 * nothing.
 */
export class Recent {
  readonly #atLeast: number
  #new = new Set<string>()
  #old = new Set<string>()

  constructor(atLeast: number) {
    this.#atLeast = atLeast
  }

  /** Whether the key was not known. */
  add(key: string): boolean {
    if (this.#new.has(key) || this.#old.has(key)) return false
    this.#new.add(key)
    if (this.#new.size < this.#atLeast) return true
    this.#old = this.#new
    this.#new = new Set()
    return true
  }
}
