import { wilson, Z99 } from '../intervals.ts'

/** How many chains reached a touchpoint, and how many of them converted. */
export interface Yield {
  readonly touchpoint: string
  readonly reached: number
  readonly converted: number
}

/** Of the chains that reached both: in how many the first time at `before` was before the first time at `after`. */
export interface Precedence {
  readonly before: string
  readonly after: string
  readonly chains: number
}

/** Touchpoint → those that are further toward the purchase, sorted. */
export type Further = ReadonlyMap<string, readonly string[]>

/**
 * How far toward the purchase each touchpoint is, learnt from the chains: one is **further** than another where of those who
 * reach it more convert, so that their 99 % intervals (Wilson 1927) do not overlap, and where it is reached later more
 * often than not. So no catalogue needs steps; a page that people look at anywhere on their way is not further than most of them saw before;
 * and where outcomes have nothing to do with touchpoints, nothing is further than anything.
 */
export function furtherOf(yields: readonly Yield[], precedences: readonly Precedence[]): Further {
  const earlier = new Map(precedences.map(({ before, after, chains }) => [`${before} ${after}`, chains]))
  const bounds = yields.map((one) => ({
    touchpoint: one.touchpoint,
    ...(wilson(one.converted, one.reached, Z99) ?? { low: 0, high: 1 }),
  }))
  const isLater = (a: string, b: string) => {
    const [after, before] = [earlier.get(`${a} ${b}`) ?? 0, earlier.get(`${b} ${a}`) ?? 0]
    return after > before
  }
  return new Map(
    bounds.map(({ touchpoint, high }) => [
      touchpoint,
      bounds
        .filter((other) => other.low > high && isLater(touchpoint, other.touchpoint))
        .map((other) => other.touchpoint)
        .sort(),
    ]),
  )
}
