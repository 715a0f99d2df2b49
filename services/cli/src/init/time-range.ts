import { DAY_MS } from './history.ts'

/** From when to when the rows are, and which few of them lie so far from the rest that a typo is likely. */

export interface Dated {
  /** Epoch milliseconds. */
  readonly at: number
  /** Of the file, 1-based. */
  readonly line: number
}

/** A few rows far from all others. */
export interface Strays {
  /** Ascending. */
  readonly lines: readonly number[]
  readonly from: number
  readonly to: number
  /** The instant of the rest that is the nearest to them. */
  readonly rest: number
}

/** Instants are epoch milliseconds. */
export interface TimeRange {
  readonly from: number
  readonly to: number
  readonly oldest: Strays | null
  readonly newest: Strays | null
}

const FAR_MS = 60 * DAY_MS
const ENOUGH_ROWS = 5

/**
 * Strays are at most five rows and a tenth of all (or one in a thousand, where that is more), at either end, beyond a
 * gap of more than 60 days. A gap as there are others within the file is none: a seller of skis is quiet all summer.
 * @returns null where there is no row
 */
export function timeRangeOf(rows: readonly Dated[]): TimeRange | null {
  const sorted = rows.toSorted((a, b) => a.at - b.at)
  const [first, last] = [sorted[0], sorted.at(-1)]
  if (first === undefined || last === undefined) return null
  const few =
    sorted.length < ENOUGH_ROWS
      ? 0
      : Math.max(1, Math.min(5, Math.floor(sorted.length / 10)), Math.floor(sorted.length / 1000))
  const gapBefore = (index: number) => sorted[index]!.at - sorted[index - 1]!.at
  let far = FAR_MS
  for (let index = few + 1; index < sorted.length - few; index++) far = Math.max(far, gapBefore(index))
  let [begin, end] = [0, sorted.length]
  for (let index = 1; index <= few; index++) {
    if (gapBefore(index) > far) begin = index
    if (gapBefore(sorted.length - index) > far) end = sorted.length - index
  }
  return {
    from: first.at,
    to: last.at,
    oldest: begin === 0 ? null : straysOf(sorted.slice(0, begin), sorted[begin]!.at),
    newest: end === sorted.length ? null : straysOf(sorted.slice(end), sorted[end - 1]!.at),
  }
}

function straysOf(rows: readonly Dated[], rest: number): Strays {
  // The elements of one row's list have one line.
  const lines = [...new Set(rows.map(({ line }) => line))].sort((a, b) => a - b)
  return { lines, from: rows[0]!.at, to: rows.at(-1)!.at, rest }
}

/** The day in UTC, as 2024-06-30: times that do not say their zone are read as UTC, so it is the day in the file. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
