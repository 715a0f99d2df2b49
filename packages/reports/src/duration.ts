const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a duration like 500ms 20s 3m 24h 7d; null where it is none. */
export function durationOf(text: string): number | null {
  const [, count, unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim()) ?? []
  return count === undefined ? null : Number(count) * (UNITS[unit] ?? 0)
}
