/** How a name occurs in paths of one length, each path counted with its amount. */
interface Occurrences {
  first: number
  last: number
  all: number
}

/**
 * What paths earned, counted so that the models of places (first, last, linear, position, decay) can be read off in the end:
 * the counts are whole numbers, so nothing depends on the order in which paths come.
 */
export class Tally {
  /** Sum of the amounts. */
  total = 0
  /** name → length of the path → how it occurs there. */
  readonly #occurrences = new Map<string, Map<number, Occurrences>>()
  readonly #decay = new Map<string, number>()
  readonly #touched = new Map<string, number>()

  /**
   * @param path at least one name
   * @param amount what all chains of this path earned together
   * @param decay how much of it each touch gets by time decay; empty where nobody asks
   */
  add(path: readonly string[], amount: number, decay: readonly number[]): void {
    this.total += amount
    for (const name of new Set(path)) this.#touched.set(name, (this.#touched.get(name) ?? 0) + amount)
    for (const [index, name] of path.entries()) {
      const own = this.#at(name, path.length)
      own.all += amount
      if (index === 0) own.first += amount
      if (index === path.length - 1) own.last += amount
      const weight = decay[index]
      if (weight !== undefined) this.#decay.set(name, (this.#decay.get(name) ?? 0) + weight)
    }
  }

  /** Sorted by code unit. */
  names(): string[] {
    return [...this.#touched.keys()].sort()
  }

  /** Sum of the amounts of the paths in which it occurs. */
  touched(name: string): number {
    return this.#touched.get(name) ?? 0
  }

  /** The same, each path as often as it occurs there. */
  touches(name: string): number {
    return this.#sum(name, ({ all }) => all)
  }

  first(name: string): number {
    return this.#sum(name, ({ first }) => first)
  }

  last(name: string): number {
    return this.#sum(name, ({ last }) => last)
  }

  linear(name: string): number {
    return this.#sum(name, ({ all }, length) => all / length)
  }

  /** 40 % the first, 40 % the last, the rest in equal parts to those between; 50 % each of two; all of one. */
  position(name: string): number {
    return this.#sum(name, ({ first, last, all }, length) => {
      if (length <= 2) return all / length
      return 0.4 * (first + last) + (0.2 * (all - first - last)) / (length - 2)
    })
  }

  decay(name: string): number {
    return this.#decay.get(name) ?? 0
  }

  #at(name: string, length: number): Occurrences {
    const lengths = this.#occurrences.get(name) ?? new Map<number, Occurrences>()
    const own = lengths.get(length) ?? { first: 0, last: 0, all: 0 }
    this.#occurrences.set(name, lengths.set(length, own))
    return own
  }

  #sum(name: string, part: (own: Occurrences, length: number) => number): number {
    const lengths = [...(this.#occurrences.get(name) ?? [])].sort(([a], [b]) => a - b)
    return lengths.reduce((sum, [length, own]) => sum + part(own, length), 0)
  }
}
