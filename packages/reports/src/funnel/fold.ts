import type { Match, Plan } from './match.ts'

/** What became of a chain; those behind `converted` and before `ignored` are the reasons of broken ones, in their order. */
export const FATES = ['open', 'converted', 'refused', 'abandoned', 'dissatisfied', 'silence', 'ignored'] as const

/** By the numbers that the table has for states and reasons: open, converted, broken, ignored; none, refused … silence. */
export function fateOf(state: number, reason: number): number {
  return state === 3 ? FATES.length - 1 : state === 2 ? 1 + reason : state
}

/** Of those who met one step. */
export interface StepTally {
  reached: number
  /** Of them those that are not open. */
  closed: number
  /** Of them those that met the next step that has to be met. */
  passed: number
  /** The others by fate. */
  readonly stopped: number[]
}

/** The counts of one group. Sums: reached = passed + all of stopped. */
export interface Tally {
  readonly steps: readonly StepTally[]
  /** Milliseconds between the two steps that are asked about, of those who met both. */
  readonly times: number[]
}

/** One chain on its way. */
export interface Walk {
  readonly group: string
  readonly fate: number
  /** 1-based, among the chains of its customer. */
  readonly ordinal: number
  readonly match: Match
  /** Instants of the moments. */
  readonly at: readonly number[]
}

export function emptyTally(steps: number): Tally {
  return {
    steps: Array.from({ length: steps }, () => ({ reached: 0, closed: 0, passed: 0, stopped: FATES.map(() => 0) })),
    times: [],
  }
}

/** @param between the two steps whose time apart is asked for, null for none */
export function count(tally: Tally, plan: Plan, between: readonly [number, number] | null, walk: Walk): void {
  const { met } = walk.match
  for (let step = 0; step < met.length; step++) {
    if (met[step] === -1) continue
    const counts = tally.steps[step]!
    counts.reached++
    if (walk.fate !== 0) counts.closed++
    if (passes(plan, walk.match, step)) counts.passed++
    else counts.stopped[walk.fate]!++
  }
  if (between === null) return
  const [from, to] = [met[between[0]]!, met[between[1]]!]
  if (from !== -1 && to !== -1) tally.times.push(walk.at[to]! - walk.at[from]!)
}

/** Whether a chain that met a step met the next one that has to be met. */
export function passes(plan: Plan, { met }: Match, step: number): boolean {
  const next = plan.required.find((one) => one > step)
  return next !== undefined && met[next] !== -1
}

/**
 * Of a customer's chains the best: that came furthest, then met the most optional steps; of equals one that converted, then one
 * that is open and may still come further, then the newest.
 */
export function bestOf(walks: readonly Walk[]): Walk | undefined {
  let best: Walk | undefined
  for (const walk of walks) if (best === undefined || better(walk, best)) best = walk
  return best
}

function better(one: Walk, other: Walk): boolean {
  const [a, b] = [scoreOf(one), scoreOf(other)]
  const differs = a.findIndex((value, index) => value !== b[index])
  return differs !== -1 && a[differs]! > b[differs]!
}

function scoreOf({ match, fate, ordinal }: Walk): readonly number[] {
  const met = match.met.reduce((sum, index) => sum + (index === -1 ? 0 : 1), 0)
  return [match.level, met, FATES[fate] === 'converted' ? 2 : FATES[fate] === 'open' ? 1 : 0, ordinal]
}
