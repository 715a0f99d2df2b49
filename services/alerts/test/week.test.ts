import { simulate } from '@weaklink/simulator'
import { describe, expect, it } from 'vitest'
import { Course, rulesIn } from './course.ts'

/** A Monday, 00:00 by the company's clock, which shows UTC. */
const MONDAY = Date.UTC(2026, 2, 2)
const DAY = 86_400_000
const HOUR = 3_600_000
const RULES = rulesIn(`
rules:
  - name: giving-up
    abandonRate: { above: 20%, over: 30m, atLeast: 20, queue: service }
    recover: 10%
  - name: slow-answers
    serviceLevel: { within: 60s, below: 60%, over: 30m, atLeast: 20, queue: service }
    for: 2m
    recover: 85%
  - { name: waiting-too-long, waiting: { longerThan: 4m, queue: service } }
  - { name: long-queue, queueLength: { above: 12, queue: service }, for: 1m, recover: 3 }
  - { name: nobody-pays, absence: { touchpoint: payment, for: 4h, between: { from: "08:00", to: "20:00" } } }
`)
/** The rules about rates, that have to see each of the seven hours of lunch. */
const RATES = ['giving-up', 'slow-answers']

describe('a week of a simulated company, whose phone is understaffed from 12 to 14 o’clock', () => {
  const course = new Course(RULES, MONDAY).until(MONDAY + 7 * DAY, [...interactions()])
  const ofDay = (day: number) => course.told.filter(({ at }) => Math.floor((at - MONDAY) / DAY) === day)
  const hourOf = (at: number) => ((at - MONDAY) % DAY) / HOUR

  it.each([0, 1, 2, 3, 4, 5, 6])(
    'raises the alerts in those hours of day %i, each once, and resolves them after',
    (day) => {
      for (const rule of RATES) {
        const [firing, resolved, ...more] = ofDay(day).filter(({ alert }) => alert.rule === rule)
        expect(hourOf(firing?.at ?? 0)).toBeGreaterThan(12)
        expect(hourOf(firing?.at ?? 0)).toBeLessThan(13)
        expect(resolved?.alert.endsAt).toBe(resolved?.at)
        expect(hourOf(resolved?.at ?? 0)).toBeGreaterThan(13.5)
        expect(hourOf(resolved?.at ?? 0)).toBeLessThan(14.75)
        expect(more).toEqual([])
      }
    },
  )

  it('raises no other that week', () => {
    const others = course.told.filter(({ at }) => hourOf(at) < 12 || hourOf(at) > 14.75)
    expect(others.map(({ alert }) => alert.rule)).toEqual([])
  })

  it('resolves all of them', () => {
    const byKey = Map.groupBy(course.told, ({ alert }) => alert.key)
    expect([...byKey.values()].filter((told) => told.length !== 2)).toEqual([])
  })
})

/** The company has been there for a week before. */
function* interactions() {
  const options = {
    start: MONDAY - 7 * DAY,
    end: MONDAY + 7 * DAY,
    seed: 11,
    customersPerDay: 1_000,
    utcOffsetHours: 0,
  }
  for (const { at, interaction } of simulate(options)) if (at >= MONDAY) yield interaction
}
