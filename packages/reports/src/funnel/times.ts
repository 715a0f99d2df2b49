const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]

/** Where the bars of the histogram begin; always the same, so that any two can be laid side by side. */
const BARS: readonly number[] = [
  ...[0, 1000, 10_000, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR],
  ...[DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY],
]

export interface Spread {
  readonly count: number
  readonly min: number | null
  readonly p10: number | null
  readonly p25: number | null
  readonly p50: number | null
  readonly p75: number | null
  readonly p90: number | null
  readonly p95: number | null
  readonly max: number | null
  /** From the first bar that holds any to the last; half-open, the last bar there is has no end. */
  readonly histogram: readonly { readonly from: number; readonly to: number | null; readonly count: number }[]
}

/**
 * How durations spread. Percentiles are nearest-rank: the value at the 1-based rank ⌈p · n⌉ of the sorted ones.
 *
 * @param durations milliseconds, in any order
 */
export function spreadOf(durations: readonly number[]): Spread {
  const sorted = Float64Array.from(durations).sort()
  const rank = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? null
  const counts = BARS.map(() => 0)
  let bar = 0
  for (const duration of sorted) {
    while (bar + 1 < BARS.length && duration >= BARS[bar + 1]!) bar++
    counts[bar]!++
  }
  const first = counts.findIndex((count) => count > 0)
  const last = counts.findLastIndex((count) => count > 0)
  return {
    count: sorted.length,
    min: sorted[0] ?? null,
    p10: rank(10),
    p25: rank(25),
    p50: rank(50),
    p75: rank(75),
    p90: rank(90),
    p95: rank(95),
    max: sorted.at(-1) ?? null,
    histogram:
      first === -1
        ? []
        : counts
            .map((count, index) => ({ from: BARS[index]!, to: BARS[index + 1] ?? null, count }))
            .slice(first, last + 1),
  }
}
