import { OUTCOMES } from '@weaklink/interactions'
import { reachConstrained } from './constrained.ts'
import type { Alternative, Funnel } from './steps.ts'

/**
 * The interactions of one chain that a funnel looks at, in the chain's order, epilogue apart: parallel arrays, because there
 * are millions.
 */
export interface Moments {
  /** What each is: an index into the tables of the plan (`kindOf`). */
  readonly kinds: readonly number[]
  /** Milliseconds from any common instant, never decreasing. */
  readonly at: readonly number[]
  /**
   * For strict order only, otherwise empty. Twice the number of the chain's places up to this one; less 1 where it is a place
   * itself. So half of it, rounded down, are the places before it.
   */
  readonly spots: readonly number[]
}

/** How far a chain comes. */
export interface Match {
  /** Steps that have to be met, and were: the first so many. */
  readonly level: number
  /** For each step the index of its interaction in the moments; -1 where it was not met. In any order: of the first, second … */
  readonly met: readonly number[]
}

/** A funnel, prepared for many chains. Tables of kinds hold 1 where an interaction of that kind is meant. */
export interface Plan {
  readonly funnel: Funnel
  /** All that are named: the kinds are numbered after them. */
  readonly touchpoints: readonly string[]
  /** Whether outcomes matter. */
  readonly byOutcome: boolean
  /** For each step, by kind. */
  readonly matches: readonly Uint8Array[]
  /** The steps that have to be met, in order. */
  readonly required: readonly number[]
  /** The steps in groups, one after the other; within a group any order. */
  readonly blocks: readonly (readonly number[])[]
  /** For each step, what it may be followed by. */
  readonly links: readonly (readonly Link[])[]
}

/** From one step to a later one, when optional ones between them are missing. */
export interface Link {
  readonly to: number
  readonly windowMs: number | null
  /** Kinds that may not be between the two; null for none. */
  readonly barred: Uint8Array | null
}

export function planOf(funnel: Funnel): Plan {
  const { steps } = funnel
  const all = steps.flatMap(({ alternatives, not }) => [...alternatives, ...not])
  const touchpoints = [...new Set(all.map(({ touchpoint }) => touchpoint))]
  const tableOf = (alternatives: readonly Alternative[]) => {
    const kinds = new Uint8Array(touchpoints.length * OUTCOMES.length)
    for (const { touchpoint, outcome } of alternatives) {
      const first = touchpoints.indexOf(touchpoint) * OUTCOMES.length
      if (outcome === null) kinds.fill(1, first, first + OUTCOMES.length)
      else kinds[first + OUTCOMES.indexOf(outcome)] = 1
    }
    return kinds
  }
  const links = steps.map((_, from) => {
    const found: Link[] = []
    const not: Alternative[] = []
    for (const [to, step] of steps.entries()) {
      if (to <= from) continue
      not.push(...step.not)
      found.push({ to, windowMs: step.windowMs, barred: not.length === 0 ? null : tableOf(not) })
      if (!step.optional) break
    }
    return found
  })
  return {
    funnel,
    touchpoints,
    byOutcome: all.some(({ outcome }) => outcome !== null),
    matches: steps.map(({ alternatives }) => tableOf(alternatives)),
    required: [...steps.keys()].filter((index) => steps[index]?.optional === false),
    blocks: blocksOf(funnel),
    links,
  }
}

/** The kind of an interaction: touchpoints by their index in the plan; the outcome is that of OUTCOMES, or 0 where it does not matter. */
export function kindOf(touchpoint: number, outcome: number): number {
  return touchpoint * OUTCOMES.length + outcome
}

function blocksOf({ order, steps }: Funnel): number[][] {
  const blocks: number[][] = []
  let free = false
  for (const [index, { anchored }] of steps.entries()) {
    const joins = order === 'any' && !anchored
    if (joins && free) blocks.at(-1)?.push(index)
    else blocks.push([index])
    free = joins
  }
  return blocks
}

/**
 * How far a chain comes, at best: of all choices of interactions for steps (each interaction for one step, in the chain's
 * order) that keep the order, the windows and the exclusions, one that meets the most steps that have to be met; of these the
 * most optional ones; of these the earliest: step by step the one whose interaction comes first in the chain.
 *
 * The order is that of the chain, also for equal instants; windows compare instants, and are kept at equality.
 */
export function matchFunnel(moments: Moments, plan: Plan): Match {
  const { steps, order, windowMs } = plan.funnel
  const loose =
    order !== 'strict' && steps.every((step) => !step.optional && step.windowMs === null && step.not.length === 0)
  if (!loose) {
    // Without windows and the like it would come so far at best.
    const best = sweep(
      moments,
      plan.matches,
      plan.required.map((step) => [step]),
      null,
    ).length
    return reachConstrained(moments, plan, best)
  }
  const met = sweep(moments, plan.matches, plan.blocks, windowMs)
  const level = met.length
  while (met.length < steps.length) met.push(-1)
  return { level, met }
}

/**
 * Groups of steps one after the other, within a window from the first to the last. For each interaction that may be the first,
 * what comes is taken as soon as it serves: in a group, when it lets one step more be met (the sets that can be are those of a
 * transversal matroid, so that the greedy choice is the largest and, one by one, the earliest). Without a window the earliest
 * first one is as good as any.
 *
 * Source: J. Edmonds, D. R. Fulkerson (1965), Transversals and matroid partition.
 */
function sweep(
  { kinds, at }: Moments,
  matches: readonly Uint8Array[],
  blocks: readonly (readonly number[])[],
  windowMs: number | null,
): number[] {
  let best: number[] = []
  const most = blocks.reduce((sum, block) => sum + block.length, 0)
  for (let first = 0; first < kinds.length && best.length < most; first++) {
    if (!blocks[0]?.some((step) => matches[step]?.[kinds[first]!] === 1)) continue
    const found = take(first)
    if (found.length > best.length) best = found
    if (windowMs === null) break
  }
  return best

  function take(first: number): number[] {
    const found: number[] = []
    let number = 0
    let block = blocks[0]!
    let filled = new Filling(block, matches)
    for (let index = first; index < kinds.length; index++) {
      if (windowMs !== null && at[index]! - at[first]! > windowMs) break
      if (!filled.add(kinds[index]!)) continue
      found.push(index)
      if (filled.size < block.length) continue
      number++
      const next = blocks[number]
      if (next === undefined) break
      block = next
      filled = new Filling(block, matches)
    }
    return found
  }
}

/** Which steps of a group are met, by interactions of which kind: a bipartite matching that grows by augmenting paths. */
class Filling {
  size = 0
  readonly #block: readonly number[]
  readonly #matches: readonly Uint8Array[]
  /** For each step of the group: the kind that meets it. */
  readonly #kinds: number[] = []
  /** Kinds of which no further one helps, now or later. */
  readonly #useless = new Set<number>()

  constructor(block: readonly number[], matches: readonly Uint8Array[]) {
    this.#block = block
    this.#matches = matches
  }

  /** Whether one of this kind meets one step more; others may give way to it. */
  add(kind: number): boolean {
    if (this.#block.length === 1) {
      if (this.#matches[this.#block[0]!]![kind] !== 1) return false
    } else {
      if (this.#useless.has(kind)) return false
      if (!this.#place(kind, new Set())) {
        this.#useless.add(kind)
        return false
      }
    }
    this.size++
    return true
  }

  #place(kind: number, tried: Set<number>): boolean {
    for (const [position, step] of this.#block.entries()) {
      if (this.#matches[step]![kind] !== 1 || tried.has(position)) continue
      tried.add(position)
      const holder = this.#kinds[position]
      if (holder === undefined || this.#place(holder, tried)) {
        this.#kinds[position] = kind
        return true
      }
    }
    return false
  }
}
