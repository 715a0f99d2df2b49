import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { furtherOf } from '../src/weak-links/progress.ts'
import { dispersion, logFisher, logLikelihoodRatio, reference } from '../src/weak-links/statistics.ts'
import { windowLevels } from '../src/weak-links/windows.ts'
import { randomOf } from './weak-links-business.ts'

describe('the exact test', () => {
  test('is the share of all ways to deal out the losses that are as bad', () => {
    const dealt = fc
      .record({ inside: fc.integer({ min: 1, max: 7 }), outside: fc.integer({ min: 1, max: 7 }) })
      .chain(({ inside, outside }) =>
        fc.record({
          inside: fc.constant(inside),
          outside: fc.constant(outside),
          lostInside: fc.integer({ min: 0, max: inside }),
          lostOutside: fc.integer({ min: 0, max: outside }),
        }),
      )
    fc.assert(
      fc.property(dealt, ({ inside, outside, lostInside, lostOutside }) => {
        let ways = 0
        let asBad = 0
        for (let set = 0; set < 2 ** (inside + outside); set++) {
          const lost = bits(set)
          if (lost !== lostInside + lostOutside) continue
          ways++
          if (bits(set & (2 ** inside - 1)) >= lostInside) asBad++
        }
        const p = Math.exp(logFisher({ lost: lostInside, reached: inside }, { lost: lostOutside, reached: outside }))
        expect(p).toBeCloseTo(asBad / ways, 9)
      }),
      { numRuns: 60 },
    )
  })

  test("of Fisher's lady tasting tea is 17/70", () => {
    expect(Math.exp(logFisher({ lost: 3, reached: 4 }, { lost: 1, reached: 4 }))).toBeCloseTo(17 / 70, 12)
  })

  test('holds for millions of chains, where a probability would be 0', () => {
    const logP = logFisher({ lost: 60_000, reached: 100_000 }, { lost: 1_500_000, reached: 3_000_000 })
    // The deviance of so many is twice the likelihood ratio; the tail lies some units below.
    const ratio = logLikelihoodRatio({ lost: 60_000, reached: 100_000 }, { lost: 1_500_000, reached: 3_000_000 })
    expect(logP).toBeLessThan(-1000)
    expect(Math.abs(logP + ratio)).toBeLessThan(10)
  })
})

test('the dispersion of chance is 1, however few chains a day has, and that of days that differ is not', () => {
  const random = randomOf(1)
  const days = (rateOf: (day: number) => number, chains: number) => {
    const reached = new Float64Array(200).fill(chains)
    return {
      reached,
      lost: reached.map((n, day) => Array.from({ length: n }, () => random() < rateOf(day)).filter(Boolean).length),
    }
  }
  for (const chains of [2, 5, 50]) {
    const { reached, lost } = days(() => 0.3, chains)
    expect(dispersion(reached, lost)).toBe(1)
  }
  const weekly = days((day) => (day % 7 < 2 ? 0.5 : 0.3), 200)
  expect(dispersion(weekly.reached, weekly.lost)).toBeGreaterThan(3)
  // What lasts is no noise: it is what we look for.
  const lasting = days((day) => (day < 100 ? 0.3 : 0.6), 50)
  expect(dispersion(lasting.reached, lasting.lost)).toBeLessThan(1.5)
})

test.each([
  ['others that lose alike count in full', { lost: 30, reached: 100 }, { lost: 300, reached: 1000 }, 1100],
  ['others that lose otherwise hardly count', { lost: 300, reached: 1000 }, { lost: 6000, reached: 10_000 }, 1002],
  ['without days of its own only others count', { lost: 0, reached: 0 }, { lost: 300, reached: 1000 }, 1000],
  ['without others only its own count', { lost: 30, reached: 100 }, { lost: 0, reached: 0 }, 100],
])('what a segment is compared with: %s', (_, own, others, chains) => {
  expect(Math.round(reference(own, others).reached)).toBe(chains)
})

test('of the days of any period and of the nearest window that is asked, three quarters are common to both', () => {
  for (const days of [5, 30, 178]) {
    const windows = windowLevels(days).flat()
    for (let from = 0; from < days; from++) {
      for (let to = from + 1; to <= days; to += 1 + Math.floor((to - from) / 8)) {
        let best = 0
        for (const one of windows) {
          const shared = Math.min(to, one.to) - Math.max(from, one.from)
          best = Math.max(best, shared / (to - from + one.to - one.from - shared))
        }
        if (best < 0.75) expect({ days, from, to, best }).toBe('nearer')
      }
    }
  }
})

describe('further', () => {
  const further = (converted: readonly [number, number], chains: readonly [number, number]) =>
    furtherOf(
      [
        { touchpoint: 'a', reached: 1000, converted: converted[0] },
        { touchpoint: 'b', reached: 1000, converted: converted[1] },
      ],
      [
        { before: 'a', after: 'b', chains: chains[0] },
        { before: 'b', after: 'a', chains: chains[1] },
      ],
    ).get('a')
  test.each([
    ['where more convert and most come later', [200, 400], [300, 100], ['b']],
    ['not where chance would do as much', [200, 250], [300, 100], []],
    ['not where most come before', [200, 400], [100, 300], []],
  ] as const)('%s', (_, converted, chains, expected) => {
    expect(further(converted, chains)).toEqual(expected)
  })
})

function bits(set: number): number {
  let count = 0
  for (let rest = set; rest > 0; rest >>= 1) count += rest & 1
  return count
}
