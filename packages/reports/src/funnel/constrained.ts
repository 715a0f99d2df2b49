import type { Link, Match, Moments, Plan } from './match.ts'

/**
 * The same as `matchFunnel`, for steps in order whose windows, exclusions, strictness or optional steps make the greedy choice
 * wrong: an early interaction may leave the next step out of its window, a late one the last step out of the total.
 *
 * For each step at each interaction: how early the rest can end from there. With that known, the total window is one
 * comparison, and the earliest choice is read off from the front. Steps × interactions, whatever the windows.
 *
 * @param best so many steps at most
 */
export function reachConstrained(moments: Moments, plan: Plan, best: number): Match {
  for (let level = best; level > 0; level--) {
    const met = reach(moments, plan, level)
    if (met !== null) return { level, met }
  }
  return { level: 0, met: plan.funnel.steps.map(() => -1) }
}

/** By step, then by optional steps met from it on (itself included): by interaction, where the rest ends at the earliest. */
type Ends = number[][][]

function reach(moments: Moments, plan: Plan, level: number): number[] | null {
  const { kinds, at } = moments
  const { funnel, matches, required } = plan
  const count = kinds.length
  const last = required[level - 1]!
  // Optional steps may follow the last one, up to the next that has to be met.
  const end = required[level] ?? funnel.steps.length
  const ends: Ends = []
  for (let step = end - 1; step >= 0; step--) {
    const own = funnel.steps[step]!.optional ? 1 : 0
    const table = matches[step]!
    const byOptionals: number[][] = []
    ends[step] = byOptionals
    if (!kinds.some((kind) => table[kind] === 1)) continue
    const rowOf = (optionals: number) => {
      while (byOptionals.length <= optionals) byOptionals.push(new Array<number>(count).fill(count))
      return byOptionals[optionals]!
    }
    if (step >= last) {
      const row = rowOf(own)
      for (let index = 0; index < count; index++) if (table[kinds[index]!] === 1) row[index] = index
    }
    for (const link of plan.links[step]!) {
      if (link.to >= end) break
      for (const [optionals, next] of ends[link.to]!.entries()) {
        if (next.every((finish) => finish === count)) continue
        connect(moments, funnel.order === 'strict', table, link, next, rowOf(optionals + own))
      }
    }
  }

  const within = (first: number, finish: number) =>
    finish < count && (funnel.windowMs === null || at[finish]! - at[first]! <= funnel.windowMs)
  for (let optionals = ends[0]!.length - 1; optionals >= 0; optionals--) {
    const row = ends[0]![optionals]!
    for (let first = 0; first < count; first++) {
      if (within(first, row[first]!)) {
        return earliest(moments, plan, ends, end, first, optionals, (finish) => within(first, finish))
      }
    }
  }
  return null
}

/**
 * For every interaction of a step, the earliest end over those that may follow it at the next: the smallest value in a window
 * that only ever moves towards the front, kept in a queue whose values grow towards the near end.
 *
 * @param ends of the next step; what is no less than their number is none
 * @param into of this one; takes the smaller
 */
function connect(
  moments: Moments,
  strict: boolean,
  table: Uint8Array,
  link: Link,
  ends: readonly number[],
  into: number[],
): void {
  const { kinds } = moments
  const count = kinds.length
  const queue: number[] = []
  let head = 0
  let wall = count
  for (let index = count - 1; index >= 0; index--) {
    if (table[kinds[index]!] === 1) {
      while (head < queue.length && (queue[head]! > wall || tooFar(moments, strict, link, index, queue[head]!))) head++
      const next = queue[head]
      if (next !== undefined && ends[next]! < into[index]!) into[index] = ends[next]!
    }
    if (ends[index]! < count) {
      while (queue.length > head && ends[queue[queue.length - 1]!]! >= ends[index]!) queue.pop()
      queue.push(index)
    }
    if (link.barred?.[kinds[index]!] === 1) wall = index
  }
}

/** Whether one comes too late after another, or in strict order with a place between them. What comes after it then does too. */
function tooFar({ at, spots }: Moments, strict: boolean, { windowMs }: Link, from: number, to: number): boolean {
  if (windowMs !== null && at[to]! - at[from]! > windowMs) return true
  return strict && spots[to]! >> 1 > (spots[from]! + 1) >> 1
}

/** Step by step the first interaction from which the rest still works out. */
function earliest(
  moments: Moments,
  { funnel, links }: Plan,
  ends: Ends,
  end: number,
  first: number,
  optionals: number,
  inTime: (finish: number) => boolean,
): number[] {
  const met = funnel.steps.map(() => -1)
  let [step, index, left] = [0, first, optionals]
  met[0] = first
  for (;;) {
    const next = follow()
    if (next === null) return met
    ;[step, index] = next
    met[step] = index
  }

  function follow(): [step: number, index: number] | null {
    if (funnel.steps[step]!.optional) left--
    for (const link of links[step]!) {
      if (link.to >= end) break
      const row = ends[link.to]![left]
      if (row === undefined) continue
      for (let to = index + 1; to < moments.kinds.length; to++) {
        if (tooFar(moments, funnel.order === 'strict', link, index, to)) break
        if (inTime(row[to]!)) return [link.to, to]
        if (link.barred?.[moments.kinds[to]!] === 1) break
      }
    }
    return null
  }
}
