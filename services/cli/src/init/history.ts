/** Who met what when, in the order of time: what the guesses about touchpoints are made from. */

export interface Met {
  readonly person: string
  readonly touchpoint: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly episode: string | undefined
}

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** The interactions of each person, in order; those of one instant in the order of the file. */
export function historiesOf(met: readonly Met[]): readonly (readonly Met[])[] {
  const byPerson = new Map<string, Met[]>()
  for (const one of met) {
    const list = byPerson.get(one.person)
    if (list === undefined) byPerson.set(one.person, [one])
    else list.push(one)
  }
  return [...byPerson.values()].map((list) => list.toSorted((a, b) => a.at - b.at))
}

/** What patience may be. */
const PATIENCES_MS = [HOUR_MS, DAY_MS, 3 * DAY_MS, 7 * DAY_MS, 14 * DAY_MS, 30 * DAY_MS, 60 * DAY_MS, 90 * DAY_MS]
const COVERED = 0.95
const ENOUGH_GAPS = 20
const ENOUGH_OWN_GAPS = 50
/** Steps of the list above by which a touchpoint must differ to get a patience of its own. */
const FAR = 2

export interface PatienceGuess {
  readonly patienceMs: number
  /** Gaps that it was guessed from; null where there were too few, and it is the usual 30 days. */
  readonly gaps: number | null
  /** After these, people take much longer. */
  readonly own: ReadonlyMap<string, number>
}

/**
 * The shortest patience that covers 95 % of the gaps between consecutive interactions of one person. After a final one
 * (or a result) no gap is counted: it lies between two chains. A touchpoint has a patience of its own only where people
 * take far *longer* after it: a shorter one would only tell sooner of the same breaks.
 */
export function guessPatience(histories: readonly (readonly Met[])[], ends: ReadonlySet<string>): PatienceGuess {
  const all: number[] = []
  const after = new Map<string, number[]>()
  for (const history of histories) {
    for (let index = 1; index < history.length; index++) {
      const [before, next] = [history[index - 1]!, history[index]!]
      if (ends.has(before.touchpoint)) continue
      const gap = next.at - before.at
      // Of one instant: two dates without a time, or two things at once. That is no silence.
      if (gap === 0) continue
      all.push(gap)
      const own = after.get(before.touchpoint)
      if (own === undefined) after.set(before.touchpoint, [gap])
      else own.push(gap)
    }
  }
  if (all.length < ENOUGH_GAPS) return { patienceMs: 30 * DAY_MS, gaps: null, own: new Map() }
  const patienceMs = covering(all)
  const far = [...after]
    .filter(([, gaps]) => gaps.length >= ENOUGH_OWN_GAPS)
    .map(([touchpoint, gaps]) => [touchpoint, covering(gaps)] as const)
    .filter(([, own]) => PATIENCES_MS.indexOf(own) - PATIENCES_MS.indexOf(patienceMs) >= FAR)
  return { patienceMs, gaps: all.length, own: new Map(far) }
}

function covering(gaps: readonly number[]): number {
  const sorted = gaps.toSorted((a, b) => a - b)
  const quantile = sorted[Math.ceil(COVERED * sorted.length) - 1]!
  return PATIENCES_MS.find((patience) => patience >= quantile) ?? PATIENCES_MS.at(-1)!
}

/** Positions that differ by less are one step. */
const SAME_STEP = 0.04

/**
 * Steps toward the purchase, from 1: touchpoints by the average position (0 the first, 1 the last) at which they first
 * occur in a journey. A journey is an episode where the file has them, else what a person did up to an end.
 */
export function guessSteps(
  histories: readonly (readonly Met[])[],
  places: ReadonlySet<string>,
  ends: ReadonlySet<string>,
): Map<string, number> {
  const positions = new Map<string, { sum: number; count: number }>()
  for (const history of histories) {
    for (const journey of journeysOf(history, ends)) {
      const order = [...new Set(journey.map(({ touchpoint }) => touchpoint))].filter((touchpoint) =>
        places.has(touchpoint),
      )
      for (const [index, touchpoint] of order.entries()) {
        const position = positions.get(touchpoint) ?? { sum: 0, count: 0 }
        // Alone in a journey it says nothing, but it must not be left out.
        const [weight, value] = order.length === 1 ? [1e-6, 0] : [1, index / (order.length - 1)]
        positions.set(touchpoint, { sum: position.sum + weight * value, count: position.count + weight })
      }
    }
  }
  const sorted = [...positions].map(([touchpoint, { sum, count }]) => ({ touchpoint, position: sum / count }))
  sorted.sort((a, b) => a.position - b.position)
  const steps = new Map<string, number>()
  let [step, begun] = [0, Number.NEGATIVE_INFINITY]
  for (const { touchpoint, position } of sorted) {
    if (position - begun > SAME_STEP) {
      step++
      begun = position
    }
    steps.set(touchpoint, step)
  }
  // All at one step says nothing.
  return step === 1 && steps.size > 1 ? new Map() : steps
}

function journeysOf(history: readonly Met[], ends: ReadonlySet<string>): Met[][] {
  const byEpisode = new Map<string, Met[]>()
  let pieces = 0
  for (const met of history) {
    const key = met.episode === undefined ? `${pieces}` : `e${met.episode}`
    const journey = byEpisode.get(key)
    if (journey === undefined) byEpisode.set(key, [met])
    else journey.push(met)
    if (ends.has(met.touchpoint)) pieces++
  }
  return [...byEpisode.values()]
}

/** Share of the interactions at `touchpoint` before which the same person had been at another of `earlier`. */
export function shareAfter(
  histories: readonly (readonly Met[])[],
  touchpoint: string,
  earlier: ReadonlySet<string>,
): number {
  let [count, after] = [0, 0]
  for (const history of histories) {
    let seen = false
    for (const met of history) {
      if (met.touchpoint === touchpoint) {
        count++
        if (seen) after++
      } else seen ||= earlier.has(met.touchpoint)
    }
  }
  return count === 0 ? 0 : after / count
}
