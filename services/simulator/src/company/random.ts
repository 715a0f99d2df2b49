/** A seeded source of chance: the same seed gives the same business. */
export interface Chance {
  /** Uniform in [0, 1). */
  next(): number
  /** True with this probability. */
  happens(probability: number): boolean
  /** A whole number in [low, high]. */
  between(low: number, high: number): number
  /** One of these, with weights. */
  pick<T>(choices: readonly (readonly [choice: T, weight: number])[]): T
  /** Exponentially distributed with this mean. */
  exponential(mean: number): number
  /** Log-normally distributed: half of all are below the median; `spread` is the deviation of the logarithm. */
  logNormal(median: number, spread: number): number
}

/** mulberry32 (Tommy Ettinger): 32 bits of state are plenty for a demo, and it is the same on every machine. */
export function chance(seed: number): Chance {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return {
    next,
    happens: (probability) => next() < probability,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick(choices) {
      let left = next() * choices.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [choice, weight] of choices) {
        left -= weight
        if (left < 0) return choice
      }
      const last = choices.at(-1)
      if (last === undefined) throw new Error('nothing to pick from')
      return last[0]
    },
    exponential: (mean) => -Math.log(1 - next()) * mean,
    // Box and Muller: two even draws make a normal one.
    logNormal: (median, spread) =>
      median * Math.exp(spread * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())),
  }
}
