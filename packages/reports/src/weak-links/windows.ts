/** Days `from` up to, and without, `to`; days are counted from the first one looked at. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** Windows of one kind, which share one part of the error that may be made. */
export type Level = readonly Window[]

/**
 * The periods that are asked about: instead of all D²/2, for each of the lengths 1, 2, 3, 4, 6, 8, 12, 16 … those that begin
 * every quarter of a length, and those that last to the end. Every period overlaps one of them well enough that little power
 * is lost, and a search through so few needs a small correction (the Bonferroni scan over an approximating set: Walther & Perry
 * 2022). Where the best one exactly begins and ends is then looked for around it.
 */
export function windowLevels(days: number): readonly Level[] {
  const lengths = new Set<number>()
  for (let length = 1; length < days; length *= 2) {
    lengths.add(length)
    if (length >= 2 && length * 1.5 < days) lengths.add(length * 1.5)
  }
  const levels: Level[] = [...lengths]
    .sort((a, b) => a - b)
    .map((length) => {
      const step = Math.max(1, Math.floor(length / 4))
      return Array.from({ length: Math.floor((days - length) / step) + 1 }, (_, index) => ({
        from: index * step,
        to: index * step + length,
      }))
    })
  if (days > 1) levels.push(Array.from({ length: days - 1 }, (_, index) => ({ from: index + 1, to: days })))
  return levels
}
