import type { Chain, ChainInteraction, State } from '@weaklink/chains'
import type { Alternative, Funnel, Step } from '../src/funnel/steps.ts'

/** A funnel as its definition reads: every choice of interactions is tried, and the best taken. */

/** The interactions of a chain, epilogue apart. */
export type Met = Pick<ChainInteraction, 'outcome' | 'place'> & {
  readonly interaction: Pick<ChainInteraction['interaction'], 'touchpoint' | 'at'>
}

/** For each step the index of its interaction, or null. In any order: of the first that serves, the second … */
export type Choice = readonly (number | null)[]

export function naiveMatch(mets: readonly Met[], funnel: Funnel): Choice {
  const none: Choice = funnel.steps.map(() => null)
  const choices = funnel.order === 'any' ? anyOrder(mets, funnel) : inOrder(mets, funnel)
  return choices.reduce((best, choice) => (isBetter(choice, best, funnel) ? choice : best), none)
}

/** Steps that have to be met and were, up to the first that was not. */
export function levelOf(choice: Choice, { steps }: Funnel): number {
  const required = steps.flatMap((step, index) => (step.optional ? [] : [choice[index] ?? null]))
  const missing = required.indexOf(null)
  return missing === -1 ? required.length : missing
}

function isBetter(one: Choice, other: Choice, funnel: Funnel): boolean {
  const levels = levelOf(one, funnel) - levelOf(other, funnel)
  if (levels !== 0) return levels > 0
  const met = count(one) - count(other)
  if (met !== 0) return met > 0
  for (let step = 0; step < one.length; step++) {
    const [a, b] = [one[step] ?? Infinity, other[step] ?? Infinity]
    if (a !== b) return a < b
  }
  return false
}

function count(choice: Choice): number {
  return choice.filter((index) => index !== null).length
}

/** All choices in order: for each step some interaction after the one before it, or none. What is optional may be none at all. */
function inOrder(mets: readonly Met[], funnel: Funnel): Choice[] {
  const { steps } = funnel
  const found: Choice[] = []
  const extend = (choice: Choice) => {
    const step = choice.length
    if (isAllowed(mets, funnel, choice)) found.push([...choice, ...steps.slice(step).map(() => null)])
    else return
    if (step === steps.length) return
    const before = choice.findLast((index) => index !== null) ?? -1
    for (let index = before + 1; index < mets.length; index++) {
      if (isOneOf(mets[index]!, steps[step]!.alternatives)) extend([...choice, index])
    }
    if (steps[step]!.optional) extend([...choice, null])
  }
  extend([])
  return found
}

function isAllowed(mets: readonly Met[], funnel: Funnel, choice: Choice): boolean {
  const chosen = choice.flatMap((index, step) => (index === null ? [] : [{ index, step }]))
  const [first, last] = [chosen.at(0), chosen.at(-1)]
  if (first === undefined || last === undefined) return true
  if (funnel.windowMs !== null && atOf(mets, last.index) - atOf(mets, first.index) > funnel.windowMs) return false
  return chosen.slice(1).every(({ index, step }, number) => {
    const before = chosen[number]!
    const between = mets.slice(before.index + 1, index)
    const { windowMs } = funnel.steps[step]!
    if (windowMs !== null && atOf(mets, index) - atOf(mets, before.index) > windowMs) return false
    if (funnel.order === 'strict' && between.some(({ place }) => place)) return false
    const not = funnel.steps.slice(before.step + 1, step + 1).flatMap((one) => one.not)
    return !between.some((met) => isOneOf(met, not))
  })
}

/** All sets of interactions, each assigned to a step in every way: of a group only when those before it are complete. */
function anyOrder(mets: readonly Met[], funnel: Funnel): Choice[] {
  const { steps } = funnel
  const groupOf = steps.map(
    (_, index) =>
      steps.slice(0, index + 1).filter((step, at) => step.anchored || steps[at - 1]?.anchored || at === 0).length,
  )
  const found: Choice[] = []
  const extend = (taken: readonly number[], chosen: readonly number[]) => {
    const span = chosen.length === 0 ? 0 : atOf(mets, chosen.at(-1)!) - atOf(mets, chosen[0]!)
    if (funnel.windowMs !== null && span > funnel.windowMs) return
    found.push([...chosen, ...steps.slice(chosen.length).map(() => null)])
    const open = steps.keys().find((step) => !taken.includes(step))
    if (open === undefined) return
    for (let index = (chosen.at(-1) ?? -1) + 1; index < mets.length; index++) {
      for (const [step, one] of steps.entries()) {
        if (taken.includes(step) || groupOf[step] !== groupOf[open]) continue
        if (isOneOf(mets[index]!, one.alternatives)) extend([...taken, step], [...chosen, index])
      }
    }
  }
  extend([], [])
  return found
}

function atOf(mets: readonly Met[], index: number): number {
  return mets[index]!.interaction.at
}

export function isOneOf(met: Met, alternatives: Step['not']): boolean {
  return alternatives.some(
    ({ touchpoint, outcome }: Alternative) =>
      met.interaction.touchpoint === touchpoint && (outcome === null || met.outcome === outcome),
  )
}

/** One customer's chain, and how far it came. */
export interface Attempt {
  readonly customer: string
  readonly chain: Chain
  readonly group: string
  readonly choice: Choice
}

export function attemptOf(customer: string, chain: Chain, group: string, funnel: Funnel): Attempt {
  return { customer, chain, group, choice: naiveMatch(bodyOf(chain), funnel) }
}

export function bodyOf(chain: Chain): ChainInteraction[] {
  return chain.interactions.filter(({ epilogue }) => !epilogue)
}

/** A customer's best: the furthest, then the most optional steps, then converted, then open, then the newest. */
export function bestAttempt(attempts: readonly Attempt[], funnel: Funnel): Attempt {
  const rank: Record<State, number> = { converted: 2, open: 1, broken: 0, ignored: 0 }
  return [...attempts].sort(
    (a, b) =>
      levelOf(b.choice, funnel) - levelOf(a.choice, funnel) ||
      count(b.choice) - count(a.choice) ||
      rank[b.chain.state] - rank[a.chain.state] ||
      b.chain.ordinal - a.chain.ordinal,
  )[0]!
}

/** One step of the report, in the words of the definition. */
export function naiveStep(attempts: readonly Attempt[], funnel: Funnel, step: number) {
  const required = [...funnel.steps.keys()].filter((index) => !funnel.steps[index]!.optional)
  const next = required.find((index) => index > step)
  const previous = required.findLast((index) => index < step)
  const came = (index: number) => attempts.filter(({ choice }) => choice[index] !== null)
  const closed = (index: number) => came(index).filter(({ chain }) => chain.state !== 'open').length
  const passed = came(step).filter(({ choice }) => next !== undefined && choice[next] !== null)
  const stayed = came(step).filter((attempt) => !passed.includes(attempt))
  const inState = (state: State) => stayed.filter(({ chain }) => chain.state === state)
  const because = (reason: string) => stayed.filter(({ chain }) => chain.reason === reason).length
  return {
    reached: came(step).length,
    passed: passed.length,
    converted: inState('converted').length,
    lost: inState('broken').length,
    reasons: {
      refused: because('refused'),
      abandoned: because('abandoned'),
      dissatisfied: because('dissatisfied'),
      silence: because('silence'),
    },
    ignored: inState('ignored').length,
    open: inState('open').length,
    fromFirst: [closed(step), closed(0)],
    fromPrevious: previous === undefined ? null : [closed(step), closed(previous)],
  }
}

export function naiveTimes(attempts: readonly Attempt[], [from, to]: readonly [number, number]): number[] {
  return attempts
    .flatMap(({ chain, choice }) => {
      const [a, b] = [choice[from] ?? null, choice[to] ?? null]
      const body = bodyOf(chain)
      return a === null || b === null ? [] : [atOf(body, b) - atOf(body, a)]
    })
    .sort((a, b) => a - b)
}
