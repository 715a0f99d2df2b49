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
