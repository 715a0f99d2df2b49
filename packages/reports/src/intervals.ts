/** Two-sided 95 % and 99 % of the normal distribution. */
export const Z95 = 1.959963984540054
export const Z99 = 2.5758293035489004

export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * The score interval of a proportion, 95 % unless `z` says otherwise; null of nothing. It stays within 0 and 1 and holds for few cases too.
 *
 * Source: E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference.
 *
 * @param part how many of `of`
 */
export function wilson(part: number, of: number, z = Z95): Interval | null {
  if (of === 0) return null
  const rate = part / of
  const centre = rate + (z * z) / (2 * of)
  const spread = z * Math.sqrt((rate * (1 - rate) + (z * z) / (4 * of)) / of)
  const scale = 1 + (z * z) / of
  return {
    low: part === 0 ? 0 : Math.max(0, (centre - spread) / scale),
    high: part === of ? 1 : Math.min(1, (centre + spread) / scale),
  }
}

/**
 * The interval of the difference of two independent proportions (first less second), 95 % unless `z` says otherwise; null where
 * one is of nothing.
 *
 * Source: R. G. Newcombe (1998), Interval estimation for the difference between independent proportions, method 10.
 */
export function newcombe(part: number, of: number, otherPart: number, otherOf: number, z = Z95): Interval | null {
  const [one, other] = [wilson(part, of, z), wilson(otherPart, otherOf, z)]
  if (one === null || other === null) return null
  const [rate, otherRate] = [part / of, otherPart / otherOf]
  const difference = rate - otherRate
  return {
    low: difference - Math.hypot(rate - one.low, other.high - otherRate),
    high: difference + Math.hypot(one.high - rate, otherRate - other.low),
  }
}
