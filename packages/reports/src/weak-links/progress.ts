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
 * often than not. So no
 * catalogue needs steps; a page that people look at anywhere on their way is not further than most of them saw before;
 * and where outcomes have nothing to do with touchpoints, nothing is further than anything.
 */
export function furtherOf(yields: readonly Yield[], precedences: readonly Precedence[]): Further {
  const earlier = new Map(precedences.map(({ before, after, chains }) => [`${before} ${after}`, chains]))
  const bounds = yields.map((one) => ({ touchpoint: one.touchpoint, ...interval99(one) }))
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

const Z99 = 2.5758293035489004

function interval99({ reached, converted }: Yield): { readonly low: number; readonly high: number } {
  const share = converted / reached
  const z2 = Z99 * Z99
  const middle = (share + z2 / (2 * reached)) / (1 + z2 / reached)
  const half = (Z99 / (1 + z2 / reached)) * Math.sqrt((share * (1 - share)) / reached + z2 / (4 * reached * reached))
  return { low: middle - half, high: middle + half }
}
