import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { patienceOf } from '../src/waits/patience.ts'

const SECOND = 1000
const sorted = (values: readonly number[]) => Float64Array.from(values).sort()
const patience = (gaveUp: readonly number[], censored: readonly number[]) =>
  patienceOf(sorted(gaveUp), sorted(censored))
const round = (value: number | null, digits: number) => (value === null ? null : Number(value.toFixed(digits)))

describe('the curve', () => {
  // Weeks in remission under 6-mercaptopurine (Freireich 1963, Gehan 1965): the textbooks' example of Kaplan and Meier's
  // estimate. Standard errors as in Collett, Modelling Survival Data; intervals as SAS LIFETEST has them (log-log).
  const RELAPSED = [6, 6, 6, 7, 10, 13, 16, 22, 23].map((week) => week * SECOND)
  const CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35].map((week) => week * SECOND)

  test('is that of the textbooks', () => {
    const { steps, medianMs, calls, gaveUp } = patience(RELAPSED, CENSORED)
    expect([calls, gaveUp]).toEqual([21, 9])
    expect(
      steps.map((step) => [
        step.ms / SECOND,
        step.atRisk,
        step.gaveUp,
        round(step.holding, 4),
        round(step.low, 3),
        round(step.high, 3),
      ]),
    ).toEqual([
      [6, 21, 3, 0.8571, 0.62, 0.952],
      [7, 17, 1, 0.8067, 0.563, 0.923],
      [10, 15, 1, 0.7529, 0.503, 0.889],
      [13, 12, 1, 0.6902, 0.432, 0.849],
      [16, 11, 1, 0.6275, 0.368, 0.805],
      [22, 7, 1, 0.5378, 0.268, 0.747],
      [23, 6, 1, 0.4482, 0.188, 0.68],
    ])
    expect(medianMs).toEqual({ value: 23_000, low: 13_000, high: null })
  })

  test('is read at chosen instants: until then all hold out, later than anybody waited nothing is known', () => {
    const { after } = patience(RELAPSED, CENSORED)
    expect(after.map(({ ms, atRisk, holding }) => [ms, atRisk, round(holding, 4)])).toEqual([
      [5_000, 21, 1],
      [10_000, 15, 0.7529],
      [20_000, 8, 0.6275],
      [30_000, 4, 0.4482],
      ...[60_000, 90_000, 120_000, 180_000, 300_000, 600_000].map((ms) => [ms, 0, null]),
    ])
  })

  test('without anybody censored is the plain share', () => {
    const { steps, medianMs } = patience([1, 2, 2, 4], [])
    expect(steps.map(({ ms, holding }) => [ms, round(holding, 12)])).toEqual([
      [1, 0.75],
      [2, 0.25],
      [4, 0],
    ])
    expect(medianMs.value).toBe(2)
    expect(steps.at(-1)).toMatchObject({ low: null, high: null })
  })

  test('of nobody who gave up has no steps, of nobody at all nothing', () => {
    expect(patience([], [5_000, 7_000])).toMatchObject({
      steps: [],
      medianMs: { value: null, low: null, high: null },
      after: [{ ms: 5_000, atRisk: 2, holding: 1 }, { ms: 10_000, holding: null }, ...Array(8).fill({ holding: null })],
    })
    expect(patience([], [])).toMatchObject({ calls: 0, gaveUp: 0, steps: [] })
  })

  test('of those who waited equally long, who gave up was still there when who was answered was', () => {
    expect(patience([5], [5]).steps).toMatchObject([{ ms: 5, atRisk: 2, holding: 0.5 }])
  })

  test('equals its formula, stays within its interval, never rises', () => {
    const waits = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 })
    fc.assert(
      fc.property(waits, waits, (gaveUp, censored) => {
        const { steps } = patience(gaveUp, censored)
        const all = [...gaveUp, ...censored]
        const times = [...new Set(gaveUp)].sort((a, b) => a - b)
        expect(steps.map(({ ms }) => ms)).toEqual(times)
        for (const [index, step] of steps.entries()) {
          const until = times.slice(0, index + 1)
          const atRisk = (time: number) => all.filter((wait) => wait >= time).length
          const events = (time: number) => gaveUp.filter((wait) => wait === time).length
          const holding = until.reduce((product, time) => product * (1 - events(time) / atRisk(time)), 1)
          expect(step.holding).toBeCloseTo(holding, 12)
          expect(step).toMatchObject({ atRisk: atRisk(step.ms), gaveUp: events(step.ms) })
          const variance = until.reduce((v, t) => v + events(t) / (atRisk(t) * (atRisk(t) - events(t))), 0)
          if (step.low === null || step.high === null) continue
          const spread = (1.96 * Math.sqrt(variance)) / -Math.log(holding)
          expect(step.low).toBeCloseTo(Math.exp(-Math.exp(Math.log(-Math.log(holding)) + spread)), 4)
          expect(step.high).toBeCloseTo(Math.exp(-Math.exp(Math.log(-Math.log(holding)) - spread)), 4)
          expect(step.low <= step.holding && step.holding <= step.high).toBe(true)
        }
      }),
    )
  })

  test('of very many calls leaves steps out, not figures', () => {
    const gaveUp = Array.from({ length: 20_000 }, (_, index) => index * 7)
    const { steps, medianMs } = patience(gaveUp, gaveUp)
    expect(steps.length).toBeLessThanOrEqual(1_002)
    expect(steps.reduce((sum, step) => Math.min(sum, step.holding), 1)).toBe(steps.at(-1)?.holding)
    for (const step of steps) expect(step.atRisk).toBe(2 * (20_000 - step.ms / 7))
    expect(medianMs.value).not.toBeNull()
  })
})
