/**
 * The statistics of this report, each with its source. Counts may be fractions: what other findings explain is taken out of
 * them, and overdispersed counts are shrunk.
 */

/** `lost` of `reached` chains. */
export interface Count {
  readonly lost: number
  readonly reached: number
}

/**
 * Natural logarithm of the one-sided p-value of Fisher's exact test (Fisher 1934): how likely at least `inside.lost` of all
 * the lost chains fall among `inside.reached`, if which chains are lost has nothing to do with the group. It is exactly the
 * share of all permutations of the outcomes that come to this or more, so no permutation needs to be drawn. Fractions are
 * rounded against a finding: less is lost inside, more outside.
 */
export function logFisher(inside: Count, outside: Count): number {
  const k = Math.floor(inside.lost + ROUNDING)
  const n = Math.ceil(inside.reached - ROUNDING)
  const rest = Math.floor(outside.reached + ROUNDING)
  const lost = k + Math.min(rest, Math.ceil(outside.lost - ROUNDING))
  const all = n + rest
  const most = Math.min(n, lost)
  if (k <= Math.max(0, n + lost - all)) return 0
  if (k > most) return Number.NEGATIVE_INFINITY
  const first = logChoose(lost, k) + logChoose(all - lost, n - k) - logChoose(all, n)
  let term = 1
  let sum = 1
  for (let x = k; x < most && term > sum * NEGLIGIBLE; x++) {
    term *= ((lost - x) * (n - x)) / ((x + 1) * (all - lost - n + x + 1))
    sum += term
  }
  return Math.min(0, first + Math.log(sum))
}

const ROUNDING = 1e-6
const NEGLIGIBLE = 1e-12

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k)
}

const TABLE = new Float64Array(1024)
for (let n = 2; n < TABLE.length; n++) TABLE[n] = (TABLE[n - 1] ?? 0) + Math.log(n)

/** From a table, beyond it Stirling's series, whose error is then below 1e-12. */
function logFactorial(n: number): number {
  if (n < TABLE.length) return TABLE[n] ?? 0
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * n) - 1 / (360 * n ** 3)
}

/**
 * Logarithm of the likelihood ratio of "two rates, and more is lost inside" to "one rate" (Kulldorff 1997, Bernoulli model);
 * 0 where no more is lost inside. Its maximum over windows is the estimate of when something began and ended.
 */
export function logLikelihoodRatio(inside: Count, outside: Count): number {
  const lost = inside.lost + outside.lost
  const reached = inside.reached + outside.reached
  if (inside.lost * outside.reached <= outside.lost * inside.reached) return 0
  return logLikelihood(inside) + logLikelihood(outside) - logLikelihood({ lost, reached })
}

function logLikelihood({ lost, reached }: Count): number {
  const term = (part: number) => (part <= 0 ? 0 : part * Math.log(part / reached))
  return term(lost) + term(reached - lost)
}

/**
 * How much more the rate of loss moves from day to day than chance would make it (weekdays, campaigns, customers who come
 * several times): 1 where it does not. The mean, over pairs of days that follow one another, of the chi-square of the 2 × 2
 * table, whose expectation is 1 if both days have one rate, however few chains there are. Differences between neighbours
 * (Rice 1984) see noise and not what lasts, which is what we look for. Counts are divided by it (effective sample size, Rao &
 * Scott 1992). What is within twice its own error of 1 is 1.
 */
export function dispersion(reached: ArrayLike<number>, lost: ArrayLike<number>): number {
  let pairs = 0
  let sum = 0
  let before = -1
  for (let day = 0; day < reached.length; day++) {
    if ((reached[day] ?? 0) === 0) continue
    if (before >= 0) {
      const a = reached[before] ?? 0
      const b = reached[day] ?? 0
      const both = a + b
      const bothLost = (lost[before] ?? 0) + (lost[day] ?? 0)
      if (bothLost > 0 && bothLost < both) {
        const expected = (a * bothLost) / both
        const variance = (a * b * bothLost * (both - bothLost)) / (both * both * (both - 1))
        sum += ((lost[before] ?? 0) - expected) ** 2 / variance
        pairs++
      }
    }
    before = day
  }
  if (pairs === 0) return 1
  const mean = sum / pairs
  // Neighbouring pairs share a day, which makes the variance of the mean 3/2 of that of independent ones.
  return mean > 1 + 2 * Math.sqrt(3 / pairs) ? mean : 1
}

/** The counts that carry as much information as these would without overdispersion. */
export function shrunk({ lost, reached }: Count, dispersion: number): Count {
  return { lost: lost / dispersion, reached: reached / dispersion }
}

/**
 * What to compare with: the same segment on other days, and the other segments as far as they are alike. If the two lose
 * alike (their difference is no larger than its standard error) both count in full; the more they differ, the fewer of the
 * others count, down to none: as many as a prior with that variance is worth (a power prior, Ibrahim & Chen 2000, with its
 * weight by the method of moments). So a segment that always loses more is compared with itself, and a small one that loses
 * like the others borrows their numbers.
 */
export function reference(own: Count, others: Count): Count {
  if (others.reached <= 0) return own
  if (own.reached <= 0) return others
  const all = (own.lost + others.lost) / (own.reached + others.reached)
  const variance = all * (1 - all)
  const error = variance * (1 / own.reached + 1 / others.reached)
  const between = (own.lost / own.reached - others.lost / others.reached) ** 2 - error
  const weight = between <= 0 ? 1 : Math.min(1, Math.max(0, variance / between - 1) / others.reached)
  return { lost: own.lost + weight * others.lost, reached: own.reached + weight * others.reached }
}
