const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

/** A duration as the catalogue writes it: in the largest unit that leaves no rest. */
export function durationText(ms: number): string {
  for (const [unit, size] of UNITS) if (ms % size === 0 && (ms >= size || unit === 'ms')) return `${ms / size}${unit}`
  return `${ms}ms`
}

/** Milliseconds of a duration like 500ms 20s 3m 24h 7d; null where it is none. */
export function durationOf(text: string): number | null {
  const [, count, name] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim()) ?? []
  const size = UNITS.find(([unit]) => unit === name)?.[1]
  return size === undefined ? null : Number(count) * size
}
