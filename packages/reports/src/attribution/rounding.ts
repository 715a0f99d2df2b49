/** A credit is never finer than this. */
const FINEST = 1e-6
/** A decimal number of so many digits goes through a double, and through JSON, unchanged. */
const MOST_UNITS = 1e15

/**
 * The unit that a total is shared out in: a millionth; coarser, by powers of ten, only where the total is more than 10⁹ (then
 * a millionth is beyond what a double can hold).
 */
export function unitOf(total: number): number {
  let perOne = 1 / FINEST
  while (total * perOne > MOST_UNITS) perOne /= 10
  return 1 / perOne
}

/**
 * Shares a total out in proportion to weights (none negative), in whole units that add up to it *exactly*: each gets its share
 * rounded down, and the units that are left go one by one to the largest remainders (Hamilton's method). Equal remainders:
 * the earlier one. All are 0 where the weights or the total are.
 *
 * @returns multiples of `unit`; as whole numbers of units they sum to `total / unit`
 */
export function apportion(weights: readonly number[], total: number, unit: number): number[] {
  const units = Math.round(total / unit)
  const sum = weights.reduce((a, b) => a + b, 0)
  if (sum === 0 || units === 0) return weights.map(() => 0)
  const shares = weights.map((weight) => (weight / sum) * units)
  const whole = shares.map(Math.floor)
  let left = units - whole.reduce((a, b) => a + b, 0)
  // Compared to a ten-thousandth: what is equal on paper must not be told apart by the last bit of a sum.
  const remainders = shares.map((share, index) => Math.round((share - (whole[index] ?? 0)) * 10_000))
  const order = weights.map((_, index) => index).sort((a, b) => (remainders[b] ?? 0) - (remainders[a] ?? 0) || a - b)
  // Within rounding errors of large sums there may be more units left than shares, or some too many.
  for (let turn = 0; left !== 0; turn = (turn + 1) % order.length) {
    const index = left > 0 ? order[turn] : order.at(-1 - turn)
    if (index === undefined) break
    const step = Math.sign(left)
    if ((whole[index] ?? 0) + step < 0) continue
    whole[index] = (whole[index] ?? 0) + step
    left -= step
  }
  return whole.map((units) => decimal(units, unit))
}

/** `units` times `unit`, the nearest double to that decimal number. */
export function decimal(units: number, unit: number): number {
  return unit < 1 ? units / Math.round(1 / unit) : units * unit
}
