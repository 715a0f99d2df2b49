/**
 * The last day by whose end at least 99 % of all chains that had started by then have ended; null where there is none. After
 * it, those that convert are known and those that break are not yet.
 *
 * @param days in order: the day, how many chains started on it, how many of these have ended
 */
export function settledThrough<Day>(
  days: Iterable<readonly [day: Day, started: number, ended: number, ...more: unknown[]]>,
): Day | null {
  let [started, ended] = [0, 0]
  let settled: Day | null = null
  for (const [day, startedThen, endedThen] of days) {
    started += startedThen
    ended += endedThen
    if (ended * 100 >= started * 99) settled = day
  }
  return settled
}
