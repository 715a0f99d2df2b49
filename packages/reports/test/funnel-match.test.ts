import { OUTCOMES } from '@weaklink/interactions'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kindOf, type Moments, matchFunnel, type Plan, planOf } from '../src/funnel/match.ts'
import { type Funnel, ORDERS, type Order, parseSteps, parseWindow } from '../src/funnel/steps.ts'
import { levelOf, type Met, naiveMatch } from './funnel-naive.ts'

/** What the statement gives of these interactions, and where each of it stood. */
function momentsOf(mets: readonly Met[], plan: Plan): Moments & { readonly index: number[] } {
  const [index, kinds, at, spots]: [number[], number[], number[], number[]] = [[], [], [], []]
  let places = 0
  for (const [number, { interaction, outcome, place }] of mets.entries()) {
    if (place) places++
    const touchpoint = plan.touchpoints.indexOf(interaction.touchpoint)
    if (touchpoint === -1) continue
    index.push(number)
    kinds.push(kindOf(touchpoint, plan.byOutcome ? OUTCOMES.indexOf(outcome) : 0))
    at.push(interaction.at)
    spots.push(2 * places - (place ? 1 : 0))
  }
  return { kinds, at, spots, index }
}

function matched(mets: readonly Met[], funnel: Funnel) {
  const plan = planOf(funnel)
  const moments = momentsOf(mets, plan)
  const { level, met } = matchFunnel(moments, plan)
  return { level, choice: met.map((one) => (one === -1 ? null : moments.index[one]!)) }
}

function funnelOf(text: string, order: Order = 'steps', window?: string): Funnel {
  const steps = parseSteps(text, order)
  return { order, steps, windowMs: parseWindow(window, steps) }
}

const DAY = 86_400_000

/** `a0 b1.5 c:bought2`: touchpoint, outcome, day; a result in brackets. */
function told(text: string): Met[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [, result, touchpoint = '', outcome = 'continued', day] =
        /^(\()?([a-z]+)(?::([a-z]+))?([\d.]+)\)?$/.exec(word) ?? []
      return {
        interaction: { touchpoint, at: Number(day) * DAY },
        outcome: outcome as Met['outcome'],
        place: result === undefined,
      }
    })
}

describe('how far a chain comes', () => {
  const cases: [what: string, chain: string, steps: string, order: Order, window: string | undefined, at: string][] = [
    ['in order, whatever is between', 'a0 x1 b2 x3 c4', 'a > b > c', 'steps', undefined, '0 2 4'],
    ['the wrong way round', 'c0 b1 a2', 'a > b > c', 'steps', undefined, '2 - -'],
    ['the earliest of several', 'a0 a1 b2 b3', 'a > b', 'steps', undefined, '0 2'],
    ['each interaction for one step only', 'a0 a1', 'a > a > a', 'steps', undefined, '0 1 -'],
    ['one of two touchpoints', 'a0 chat1 pay2', 'a > call|chat > pay', 'steps', undefined, '0 1 2'],
    ['with an outcome', 'a0 pay:refused1 pay:bought2', 'a > pay:bought', 'steps', undefined, '0 2'],
    ['at one instant: as the chain has it', 'a0 b0', 'a > b', 'steps', undefined, '0 1'],
    ['at one instant, the other way round', 'b0 a0', 'a > b', 'steps', undefined, '1 -'],
    ['no step at all', 'x0', 'a > b', 'steps', undefined, '- -'],

    ['the total window, exactly', 'a0 b7', 'a > b', 'steps', '7d', '0 1'],
    ['the total window, just beyond', 'a0 b7.001', 'a > b', 'steps', '7d', '0 -'],
    ['a later first step saves the total', 'a0 a5 b10', 'a > b', 'steps', '7d', '1 2'],
    ['the window of a step, exactly', 'a0 b2 c4', 'a > b<2d > c<2d', 'steps', undefined, '0 1 2'],
    ['a later second step saves the third', 'a0 b1 b4 c5', 'a > b > c<2d', 'steps', undefined, '0 2 3'],
    ['but not the total', 'a0 b1 b4 c5', 'a > b > c<2d', 'steps', '4d', '0 1 -'],
    ['the early start that reaches, the late one that ends', 'a0 b1 a2 b6 c7', 'a > b<2d > c', 'steps', '7d', '0 1 4'],

    ['strict: next to each other', 'a0 b1 c2', 'a > b > c', 'strict', undefined, '0 1 2'],
    ['strict: another place between', 'a0 x1 b2', 'a > b', 'strict', undefined, '0 -'],
    ['strict: a result between is none', 'a0 (x1) b2', 'a > b', 'strict', undefined, '0 2'],
    ['strict: also a repeat is between', 'a0 b1 b2 c3', 'a > b > c', 'strict', undefined, '0 1 -'],
    ['strict: a later attempt', 'a0 x1 a2 b3', 'a > b', 'strict', undefined, '2 3'],

    ['an optional step that is there', 'a0 b1 c2', 'a > b? > c', 'steps', undefined, '0 1 2'],
    ['an optional step that is not', 'a0 c2', 'a > b? > c', 'steps', undefined, '0 - 1'],
    ['optional at the end of the way', 'a0 b1', 'a > b? > c', 'steps', undefined, '0 1 -'],
    ['the window counts from the step that was met', 'a0 c3', 'a > b? > c<2d', 'steps', undefined, '0 - -'],
    ['optional: met rather than missed', 'a0 c1 b2 c3', 'a > b? > c', 'steps', undefined, '0 2 3'],
    ['strict without the optional one', 'a0 c1', 'a > b? > c', 'strict', undefined, '0 - 1'],

    ['an exclusion', 'a0 x1 b2', 'a > not x > b', 'steps', undefined, '0 -'],
    ['an exclusion before or after', 'x0 a1 b2 x3', 'a > not x > b', 'steps', undefined, '1 2'],
    ['a later start is free of it', 'a0 x1 a2 b3', 'a > !x > b', 'steps', undefined, '2 3'],
    ['an exclusion with an outcome', 'a0 x:continued1 b2', 'a > not x:abandoned > b', 'steps', undefined, '0 2'],
    ['an exclusion beyond what was optional', 'a0 x1 c2', 'a > not x > b? > c', 'steps', undefined, '0 - -'],

    ['any order', 'c0 a1 b2', 'a > b > c', 'any', undefined, '0 1 2'],
    ['any order, one missing', 'c0 x1 b2', 'a > b > c', 'any', undefined, '0 2 -'],
    ['any order within a window', 'a0 c6 b7 a8', 'a > b > c', 'any', '3d', '1 2 3'],
    [
      'any order: steps that share a touchpoint',
      'pay:bought0 pay:continued1',
      'pay > pay:bought',
      'any',
      undefined,
      '0 1',
    ],
    ['any order: one serves one', 'pay:bought0', 'pay > pay:bought', 'any', undefined, '0 -'],
    ['anchored at the end', 'b0 a1 c2', 'a > b > ^c', 'any', undefined, '0 1 2'],
    ['anchored at the end, but earlier', 'c0 a1 b2', 'a > b > ^c', 'any', undefined, '1 2 -'],
    ['anchored at the start', 'b0 a1 c2', '^a > b > c', 'any', undefined, '1 2 -'],
    ['anchored in the middle', 'b0 a1 m2 d3 c4', 'a > b > ^m > c > d', 'any', undefined, '0 1 2 3 4'],
  ]
  test.each(cases)('%s: %s | %s', (_, chain, steps, order, window, at) => {
    const funnel = funnelOf(steps, order, window)
    const { choice, level } = matched(told(chain), funnel)
    expect(choice.map((index) => index ?? '-').join(' ')).toBe(at)
    expect(level).toBe(levelOf(choice, funnel))
  })

  const mets = fc
    .array(
      fc.record({
        touchpoint: fc.constantFrom('a', 'b', 'c', 'd', 'x'),
        pause: fc.constantFrom(0, 0, 1, 1, 2, 5),
        outcome: fc.constantFrom('continued', 'bought'),
        place: fc.constantFrom(true, true, true, false),
      }),
      { maxLength: 11, size: 'max' },
    )
    .map((all) => {
      let at = 0
      return all.map(({ touchpoint, pause, outcome, place }): Met => {
        at += pause * DAY
        return { interaction: { touchpoint, at }, outcome: outcome as Met['outcome'], place }
      })
    })
  const names = fc.constantFrom('a', 'b', 'c', 'd', 'a|b', 'b|c', 'a:bought', 'c:bought|d')
  const inOrder = fc
    .array(
      fc.record({
        name: names,
        optional: fc.constantFrom('', '', '?'),
        within: fc.constantFrom('', '', '<1d', '<3d'),
        not: fc.constantFrom('', '', 'not x > ', 'not a|x:bought > ', 'not b > '),
      }),
      { minLength: 1, maxLength: 5, size: 'max' },
    )
    .map((steps) =>
      steps
        .map(({ name, optional, within, not }, index) => (index === 0 ? name : `${not}[${name}]${within}${optional}`))
        .join(' > '),
    )
  const anyOrder = fc
    .array(fc.tuple(fc.constantFrom('', '', '^'), names), { minLength: 1, maxLength: 5, size: 'max' })
    .map((steps) => steps.map(([anchor, name]) => `${anchor}${name}`).join(' > '))
  const window = fc.constantFrom(undefined, '3d', '4d', '8d')

  const equalsBruteForce = (text: string, order: Order, windowText: string | undefined, chain: readonly Met[]) => {
    const funnel = funnelOf(text, order, windowText)
    const expected = naiveMatch(chain, funnel)
    expect(matched(chain, funnel)).toEqual({ level: levelOf(expected, funnel), choice: expected })
  }

  test('in order and strict: the best of all choices, whatever the windows, exclusions and optional steps', () => {
    fc.assert(
      fc.property(
        inOrder,
        fc.constantFrom('steps' as const, 'strict' as const),
        window,
        mets,
        (text, order, days, chain) => equalsBruteForce(text, order, days, chain),
      ),
      { numRuns: 6000 },
    )
  })

  test('plain steps with a total window', () => {
    const plain = fc.array(names, { minLength: 1, maxLength: 5, size: 'max' }).map((steps) => steps.join(' > '))
    fc.assert(
      fc.property(plain, window, mets, (text, days, chain) => equalsBruteForce(text, 'steps', days, chain)),
      { numRuns: 1500 },
    )
  })

  test('in any order, with anchors', () => {
    fc.assert(
      fc.property(anyOrder, window, mets, (text, days, chain) => equalsBruteForce(text, 'any', days, chain)),
      { numRuns: 1500 },
    )
  })

  test('40 steps over thousands of interactions', () => {
    const text = Array.from({ length: 40 }, (_, index) => `${index % 2 === 0 ? 'a' : 'b'}${index === 0 ? '' : '<3d'}`)
    const chain = told(Array.from({ length: 4000 }, (_, index) => `${index % 2 === 0 ? 'a' : 'b'}${index}`).join(' '))
    for (const order of ORDERS) {
      const steps = order === 'any' ? text.map((step) => step.replace('<3d', '')) : text
      expect(matched(chain, funnelOf(steps.join(' > '), order, '100d')).level).toBe(40)
      expect(matched(chain, funnelOf(steps.join(' > '), order, '20d')).level).toBe(order === 'any' ? 21 : 21)
    }
  })
})
