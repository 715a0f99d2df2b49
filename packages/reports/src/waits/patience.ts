import { Z95 } from '../intervals.ts'
import type { Patience } from './shape.ts'

/** After so long the curve is shown. */
const INSTANTS_MS = [5, 10, 20, 30, 60, 90, 120, 180, 300, 600].map((seconds) => seconds * 1000)

/** Steps of an answer; of more, those are given at which another thousandth has given up. */
const MOST_STEPS = 1000

type Step = Patience['steps'][number]

/**
 * How long callers hold out, from waits of which some ended before the caller gave up: the product-limit estimate.
 *
 * Sources: E. L. Kaplan and P. Meier (1958), Nonparametric estimation from incomplete observations; the variance of
 * M. Greenwood (1926), with intervals on the scale of log(−log) (J. D. Kalbfleisch and R. L. Prentice 1980), which stay
 * between 0 and 1; those of the median by R. Brookmeyer and J. Crowley (1982). For call centres: L. Brown et al. (2005),
 * Statistical analysis of a telephone call center.
 *
 * @param gaveUp waits in ms of those who gave up, in ascending order
 * @param censored likewise of those who were answered or left otherwise: of equal waits they come last
 */
export function patienceOf(gaveUp: Float64Array, censored: Float64Array): Patience {
  const steps = stepsOf(gaveUp, censored)
  const longest = Math.max(gaveUp.at(-1) ?? -1, censored.at(-1) ?? -1)
  const first = (reached: (step: Step) => boolean) => steps.find(reached)?.ms ?? null
  const calls = gaveUp.length + censored.length
  return {
    calls,
    gaveUp: gaveUp.length,
    medianMs: {
      value: first(({ holding }) => holding <= 0.5),
      low: first(({ low, holding }) => (low ?? holding) <= 0.5),
      high: first(({ high }) => high !== null && high <= 0.5),
    },
    after: INSTANTS_MS.map((ms) => {
      const step = steps.findLast((one) => one.ms <= ms)
      const known = ms <= longest
      const atRisk = calls - below(gaveUp, ms) - below(censored, ms)
      if (!known) return { ms, atRisk, holding: null, low: null, high: null }
      return { ms, atRisk, holding: step?.holding ?? 1, low: step?.low ?? null, high: step?.high ?? null }
    }),
    steps: thinned(steps),
  }
}

function stepsOf(gaveUp: Float64Array, censored: Float64Array): Step[] {
  const steps: Step[] = []
  let [holding, greenwood, left] = [1, 0, 0]
  for (let index = 0; index < gaveUp.length; ) {
    const ms = gaveUp[index] ?? 0
    let next = index
    while (gaveUp[next] === ms) next++
    while (left < censored.length && (censored[left] ?? 0) < ms) left++
    const atRisk = gaveUp.length - index + censored.length - left
    const here = next - index
    holding *= 1 - here / atRisk
    greenwood += here / (atRisk * (atRisk - here))
    steps.push({ ms, atRisk, gaveUp: here, holding, ...interval(holding, greenwood) })
    index = next
  }
  return steps
}

function interval(holding: number, greenwood: number): { low: number | null; high: number | null } {
  if (holding <= 0 || holding >= 1) return { low: null, high: null }
  const spread = (Z95 * Math.sqrt(greenwood)) / Math.abs(Math.log(holding))
  return { low: holding ** Math.exp(spread), high: holding ** Math.exp(-spread) }
}

function thinned(steps: readonly Step[]): Step[] {
  if (steps.length <= MOST_STEPS) return [...steps]
  const thousandth = ({ holding }: Step) => Math.ceil(holding * MOST_STEPS)
  return steps.filter((step, index) => {
    const before = steps[index - 1]
    return before === undefined || index === steps.length - 1 || thousandth(step) < thousandth(before)
  })
}

/** How many of a sorted list are less. */
function below(sorted: Float64Array, ms: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? 0) < ms) low = middle + 1
    else high = middle
  }
  return low
}
