import type { Count } from './statistics.ts'
import type { Window } from './windows.ts'

/**
 * The chains that came through one touchpoint (`cart`) or link (`cart>payment`) and began in one segment, day by day. In the
 * course of the search, without what findings explain.
 */
export interface Series {
  readonly element: string
  /** Numbers of values in the list of segment values, ascending; none: everybody. */
  readonly segment: readonly number[]
  readonly reached: Float64Array
  /** Of them, those that were lost there: they never came any further. */
  readonly lost: Float64Array
  /** Of them, those that were lost, wherever. */
  readonly lostAtAll: Float64Array
}

/** Which of the losses are counted. */
export type Loss = 'lost' | 'lostAtAll'

/** Chains that were lost at some spot, in another series. */
export interface Shared extends Omit<Series, 'reached'> {
  /** Those that came there only after they had been at the spot. */
  readonly after: Float64Array
}

/** Equal for the same series only. */
export function seriesKey({ element, segment }: Pick<Series, 'element' | 'segment'>): string {
  return `${element} ${segment.join(' ')}`
}

/** Sums over any days of a series in constant time. */
export interface Sums {
  readonly days: number
  readonly all: Count
  within(window: Window): Count
}

export function sumsOf(series: Series, loss: Loss): Sums {
  const reachedBefore = runningSums(series.reached)
  const lostBefore = runningSums(series[loss])
  const within = ({ from, to }: Window): Count => ({
    reached: (reachedBefore[to] ?? 0) - (reachedBefore[from] ?? 0),
    lost: (lostBefore[to] ?? 0) - (lostBefore[from] ?? 0),
  })
  const days = series.reached.length
  return { days, all: within({ from: 0, to: days }), within }
}

function runningSums(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1)
  for (let day = 0; day < values.length; day++) sums[day + 1] = (sums[day] ?? 0) + (values[day] ?? 0)
  return sums
}

export function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0)
}

export function minus(a: Count, b: Count): Count {
  // Not below nothing, also where what findings explain was taken out of the two in different amounts.
  const reached = Math.max(0, a.reached - b.reached)
  return { reached, lost: Math.min(reached, Math.max(0, a.lost - b.lost)) }
}
