import { minus, type Sums } from './series.ts'
import { type Count, logFisher, logLikelihoodRatio, reference, shrunk } from './statistics.ts'
import type { Level, Window } from './windows.ts'

/** A series with what it is compared with. */
export interface Compared {
  readonly own: Sums
  /** The series of the same touchpoint or link without a segment. */
  readonly everybody: Sums
  /** Of that touchpoint or link. */
  readonly dispersion: number
}

/** A period and the logarithm of its p-value, corrected for all the periods that were tried. */
export interface Period {
  readonly window: Window
  readonly logP: number
}

export interface ScanSettings {
  /** Fewer chains than this are no finding. */
  readonly minChains: number
  readonly levels: readonly Level[]
}

/** A likelihood ratio below this is worth no exact test: its p-value alone would be above 0.01. */
const WORTH_A_LOOK = 2.7

/**
 * Chains of a segment in a window, against the other days of that segment and the other segments (see `reference`). A window
 * with most of the chains of its segment is compared with the rest of that segment alone: too little is left to tell whether it
 * is the segment that loses more, or the period.
 */
export function comparison({ own, everybody }: Compared, window: Window): { inside: Count; outside: Count } {
  const inside = own.within(window)
  const rest = minus(own.all, inside)
  if (rest.reached > 0 && inside.reached > rest.reached) return { inside, outside: rest }
  return { inside, outside: reference(rest, minus(everybody.all, own.all)) }
}

/** Logarithm of the p-value of "more is lost in this window", of this one question alone. */
export function logPOf(compared: Compared, window: Window): number {
  const { inside, outside } = comparison(compared, window)
  return logFisher(shrunk(inside, compared.dispersion), shrunk(outside, compared.dispersion))
}

/**
 * The period in which most speaks for more loss than otherwise. Of each level the window with the highest likelihood ratio is
 * tested exactly; its p-value counts as often as there are windows in the level, and levels (Walther & Perry 2022).
 */
export function bestPeriod(compared: Compared, { minChains, levels }: ScanSettings): Period | null {
  const { own, dispersion } = compared
  let best: Period | null = null
  for (const level of levels) {
    let tried = 0
    let bestRatio = WORTH_A_LOOK * dispersion
    let bestWindow: Window | null = null
    for (const window of level) {
      if (!mayBeFinding(own, window, minChains)) continue
      tried++
      const { inside, outside } = comparison(compared, window)
      const ratio = logLikelihoodRatio(inside, outside)
      if (ratio > bestRatio) {
        bestRatio = ratio
        bestWindow = window
      }
    }
    if (bestWindow === null) continue
    const logP = logPOf(compared, bestWindow) + Math.log(tried * levels.length)
    if (logP < (best?.logP ?? 0)) best = { window: bestWindow, logP }
  }
  return best
}

/**
 * A period has at most half of its series' chains (as a scan's window has at most half of the population, Kulldorff 1997), or
 * else a good period would make all the rest a bad one. Only what lasts to the end may be longer.
 */
function mayBeFinding(own: Sums, window: Window, minChains: number): boolean {
  const { reached } = own.within(window)
  const rest = own.all.reached - reached
  return reached >= minChains && rest >= minChains && (reached <= rest || window.to === own.days)
}

/** When something began and ended: the days, and between which days with 95 %. */
export interface Located {
  readonly window: Window
  readonly from: readonly [earliest: number, latest: number]
  readonly to: readonly [earliest: number, latest: number]
}

/**
 * When it began and ended: of all windows around the one found, each as likely as its likelihood ratio says, the medians of their
 * beginnings and of their ends, which are wrong by the fewest days on average, and where 95 % of them lie (the posterior of a flat
 * prior, as Smith 1975 for one change). The most likely window alone jumps by days for one chain more.
 */
export function located(compared: Compared, found: Window, minChains: number): Located {
  const { own, dispersion } = compared
  const length = found.to - found.from
  const froms = new Float64Array(own.days + 1)
  const tos = new Float64Array(own.days + 1)
  const { inside, outside } = comparison(compared, found)
  const known = logLikelihoodRatio(inside, outside)
  for (let from = Math.max(0, found.from - length); from < Math.min(own.days, found.from + length); from++) {
    for (let to = Math.max(from + 1, found.to - length); to <= Math.min(own.days, found.to + length); to++) {
      if (!mayBeFinding(own, { from, to }, minChains)) continue
      const tried = comparison(compared, { from, to })
      const likelihood = Math.exp((logLikelihoodRatio(tried.inside, tried.outside) - known) / dispersion)
      froms[from] = (froms[from] ?? 0) + likelihood
      tos[to] = (tos[to] ?? 0) + likelihood
    }
  }
  const window = { from: quantile(froms, 0.5), to: quantile(tos, 0.5) }
  return {
    window: window.from < window.to && mayBeFinding(own, window, minChains) ? window : found,
    from: [quantile(froms, 0.025), quantile(froms, 0.975)],
    to: [quantile(tos, 0.025), quantile(tos, 0.975)],
  }
}

/** The first index up to which this share of all weight lies. */
function quantile(weights: Float64Array, share: number): number {
  const wanted = share * weights.reduce((sum, weight) => sum + weight, 0)
  let sum = 0
  return weights.findIndex((weight) => {
    sum += weight
    return weight > 0 && sum >= wanted
  })
}
