import { describe, expect, test } from 'vitest'
import { type Finding, type SearchResult, search } from '../src/weak-links/search.ts'
import { windowLevels } from '../src/weak-links/windows.ts'
import { type BusinessOptions, businessOf, type PlantedEffect } from './weak-links-business.ts'
import { naiveSource } from './weak-links-naive.ts'

// How often the search is right and how often it is wrong, over random businesses with and without planted weak links. The
// numbers of many more runs stand in docs/reports/weak-links.md.

const RUNS = 5
const minChains = 20

function found(options: BusinessOptions, fdr = 0.05): Promise<SearchResult> {
  const { days } = options
  const source = naiveSource(businessOf(options), { days, minChains })
  return search(source, { minChains, levels: windowLevels(days), fdr, limit: 10 })
}

/** The same touchpoint or a link of it, the segment or one within or around it, and at least half of the shorter period. */
function isRight({ element, segment, window }: Finding, effect: PlantedEffect): boolean {
  const shared = Math.min(window.to, effect.to) - Math.max(window.from, effect.from)
  return (
    element.split('>').includes(effect.touchpoint) &&
    (segment.every((value) => effect.segment.includes(value)) ||
      effect.segment.every((value) => segment.includes(value))) &&
    shared >= Math.min(window.to - window.from, effect.to - effect.from) / 2
  )
}

/** Over RUNS seeds: how many of the planted effects were found, and how many findings are none of them. */
async function tally(options: Omit<BusinessOptions, 'seed'>) {
  const effects = options.effects ?? []
  let hit = 0
  let findings = 0
  let wrong = 0
  for (let seed = 1; seed <= RUNS; seed++) {
    const { periods } = await found({ seed, ...options })
    hit += effects.filter((effect) => periods.some((one) => isRight(one, effect))).length
    wrong += periods.filter((one) => !effects.some((effect) => isRight(one, effect))).length
    findings += periods.length
  }
  return { power: hit / (RUNS * Math.max(1, effects.length)), hit, findings, wrong }
}

const PAYMENT: PlantedEffect = { touchpoint: 'payment', segment: [], from: 60, to: 80, stops: 0.5 }
const CART: PlantedEffect = { touchpoint: 'cart', segment: [6], from: 70, to: 110, stops: 0.5 }
const PRODUCT: PlantedEffect = { touchpoint: 'product', segment: [], from: 150, to: 180, stops: 0.4 }

describe('where nothing is planted, next to nothing is found', () => {
  test.each([
    ['where all are alike', { chains: 3000, days: 120 }],
    ['where segments differ all the time', { chains: 3000, days: 120, standing: 0.3 }],
    ['where good and bad days take turns by chance', { chains: 6000, days: 120, noise: 0.2 }],
    ['of few chains', { chains: 300, days: 30 }],
  ])('%s', async (_, options) => {
    expect((await tally(options)).findings).toBeLessThanOrEqual(1)
  })
})

describe('what is planted is found, once, at its place and time', () => {
  test.each([
    ['for everybody', { chains: 3000, days: 120, effects: [PAYMENT] }, 0.75],
    ['in a segment', { chains: 5000, days: 120, effects: [CART] }, 0.75],
    ['three at once', { chains: 5000, days: 180, effects: [PAYMENT, CART, PRODUCT] }, 0.75],
  ])('%s', async (_, options, power) => {
    const counts = await tally({ ...options, standing: 0.2 })
    expect(counts.power).toBeGreaterThanOrEqual(power)
    expect(counts.wrong).toBeLessThanOrEqual(1)
    expect(counts.findings).toBeLessThanOrEqual(counts.hit + 1)
  })

  test('a pair of values, where neither loses more without the other', async () => {
    const pair: PlantedEffect = { touchpoint: 'delivery', segment: [1, 6], from: 30, to: 60, stops: 0.6 }
    const { periods } = await found({ seed: 3, chains: 10_000, days: 120, effects: [pair] })
    expect(periods.map(({ element, segment }) => ({ element, segment }))).toEqual([
      { element: 'delivery', segment: [1, 6] },
    ])
  })

  test('what is too small to tell from chance is not told', async () => {
    const tiny: PlantedEffect = { touchpoint: 'payment', segment: [6], from: 60, to: 62, stops: 0.2 }
    expect((await tally({ chains: 2000, days: 120, effects: [tiny] })).findings).toBeLessThanOrEqual(1)
  })
})

test('what a segment loses all the time is told apart, not as a period', async () => {
  const always: PlantedEffect = { touchpoint: 'cart', segment: [7], from: 0, to: 120, stops: 0.5 }
  const { periods, standing } = await found({ seed: 5, chains: 3000, days: 120, effects: [always] })
  expect(periods).toEqual([])
  expect(standing.map(({ element, segment }) => ({ element, segment }))).toEqual([{ element: 'cart', segment: [7] }])
})

test('the same question has the same answer, and a smaller rate of error finds no more', async () => {
  const options = { seed: 2, chains: 5000, days: 180, effects: [PAYMENT, CART, PRODUCT], standing: 0.2 }
  const once = await found(options)
  expect(await found(options)).toEqual(once)
  expect((await found(options, 0.001)).periods.length).toBeLessThanOrEqual(once.periods.length)
  for (const { qValue } of once.periods) expect(qValue).toBeLessThanOrEqual(0.05)
})
