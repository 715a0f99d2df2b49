import type { Finding } from './search.ts'
import { type Series, type Shared, seriesKey, total } from './series.ts'

/**
 * Takes out of every series what a finding explains. Gives the series that were changed.
 *
 * Of the chains that were lost there, only as many stay lost as would have been lost otherwise, also where they came through
 * other touchpoints and links before. And an incident brings chains to places where they would not have been: who fails at the
 * payment asks the support, in the end bought or not. So where many came only afterwards, these days are left out: they are
 * unlike all others.
 *
 * @param shared the chains lost there, in every series that has some of them
 */
export function explain(
  finding: Finding,
  shared: readonly Shared[],
  book: { readonly series: ReadonlyMap<string, Series>; toChange(series: Series): Series },
): ReadonlySet<Series> {
  const changed = new Set<Series>()
  const parts = new Map(shared.map((part) => [seriesKey(part), part]))
  const lostThere = total(parts.get(seriesKey(finding))?.lost ?? new Float64Array())
  if (lostThere <= 0) return changed
  const share = Math.min(1, finding.excess / lostThere)
  for (const part of shared) {
    const known = book.series.get(seriesKey(part))
    if (known === undefined) continue
    const series = book.toChange(known)
    takeOut(series.lost, part.lost, share)
    takeOut(series.lostAtAll, part.lostAtAll, share)
    changed.add(series)
  }
  const { from, to } = finding.window
  const leftOut = consequences(finding, parts, book.series)
  for (const known of book.series.values()) {
    if (!leftOut.has(known.element)) continue
    const series = book.toChange(known)
    for (const counts of [series.reached, series.lost, series.lostAtAll]) counts.fill(0, from, to)
    changed.add(series)
  }
  return changed
}

/** Of all chains at a place: more than this share came there after they were lost in the finding. */
const MANY = 1 / 4

/** Touchpoints and links to which many came only after they had been lost in the finding. */
function consequences(
  { segment, window: { from, to } }: Finding,
  parts: ReadonlyMap<string, Shared>,
  all: ReadonlyMap<string, Series>,
): ReadonlySet<string> {
  const elements = new Set<string>()
  for (const [key, { element, segment: own, after }] of parts) {
    const reached = all.get(key)?.reached.subarray(from, to)
    if (reached === undefined || own.join(' ') !== segment.join(' ')) continue
    if (total(after.subarray(from, to)) > MANY * total(reached)) elements.add(element)
  }
  return elements
}

function takeOut(counts: Float64Array, part: Float64Array, share: number): void {
  for (let day = 0; day < counts.length; day++) {
    counts[day] = Math.max(0, (counts[day] ?? 0) - share * (part[day] ?? 0))
  }
}
