import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Arrival, Course, rulesIn, START, type Told } from './course.ts'

const RULES = rulesIn(`
rules:
  - { name: too-long, waiting: { longerThan: 40s } }
  - { name: too-long-in-sales, waiting: { longerThan: 20s, queue: sales } }
  - { name: slow, serviceLevel: { within: 20s, below: 70%, over: 2m, atLeast: 3, by: queue }, for: 15s, recover: 80% }
  - { name: lost, abandonRate: { above: 30%, over: 3m, atLeast: 3 }, for: 10s }
  - { name: long, averageWait: { above: 45s, over: 1m, atLeast: 2 }, recover: 30s }
  - { name: crowd, queueLength: { above: 3, by: queue }, for: 5s, recover: 1 }
  - { name: nothing, absence: { touchpoint: checkout, for: 50s } }
  - { name: nothing-in-hours, absence: { touchpoint: checkout, for: 20s, between: { from: "09:03", to: "09:07" } } }
`)
const QUEUES = ['support', 'sales']
const SPAN_S = 600

/** What a customer does, with repeats and delays, within ten minutes. */
const call = fc
  .record({
    who: fc.integer({ min: 0, max: 20 }),
    at: fc.integer({ min: 0, max: SPAN_S * 1_000 }),
    waitMs: fc.integer({ min: 0, max: 120_000 }),
    end: fc.constantFrom('answered', 'abandoned', 'timeout', 'never'),
    queue: fc.constantFrom(...QUEUES),
    late: fc.integer({ min: 0, max: 90_000 }),
    again: fc.boolean(),
    turnsUp: fc.boolean(),
  })
  .map(({ who, at, waitMs, end, queue, late, again, turnsUp }): Arrival[] => {
    const customer = `customer-${who}`
    const episode = `${customer}-${at}`
    const queued: Arrival = { id: `q-${episode}`, customer, touchpoint: 'call_queue', at: START + at, episode, queue }
    const ended: Arrival = {
      ...queued,
      ...{ id: `w-${episode}`, touchpoint: 'call_wait', at: queued.at + waitMs, waitMs },
      ...(end === 'abandoned' ? { outcome: end } : end === 'timeout' ? { props: { ended: end } } : {}),
    }
    const shop: Arrival = { id: `s-${episode}`, customer, touchpoint: 'checkout', at: queued.at }
    return [
      queued,
      ...(end === 'never' ? [] : [{ ...ended, receivedAt: ended.at + late }]),
      ...(again ? [{ ...queued, receivedAt: queued.at + late + 1 }] : []),
      ...(turnsUp ? [shop] : []),
    ]
  })
const traffic = fc.array(call, { maxLength: 60 }).map((all) => all.flat())
const END = START + (SPAN_S + 300) * 1_000

describe('restarts', () => {
  it('at any points: the same is told under the same keys at the same instants, apart from repeats', () => {
    fc.assert(
      fc.property(
        traffic,
        fc.array(fc.integer({ min: 1, max: SPAN_S * 1_000 }), { maxLength: 6 }),
        (arrivals, cuts) => {
          const whole = run(arrivals, [])
          const cut = run(
            arrivals,
            [...cuts].sort((a, b) => a - b),
          )
          expect(distinct(cut.told)).toEqual(distinct(whole.told))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('each alert begins once, and is resolved once, whatever comes', () => {
    fc.assert(
      fc.property(traffic, (arrivals) => {
        const byKey = Map.groupBy(run(arrivals, []).told, ({ alert }) => alert.key)
        for (const tellings of byKey.values()) {
          expect(tellings.map(({ alert }) => alert.endsAt === null)).toEqual([true, false].slice(0, tellings.length))
          for (const { alert } of tellings)
            expect(alert.endsAt ?? alert.startsAt).toBeGreaterThanOrEqual(alert.startsAt)
        }
      }),
      { numRuns: 40 },
    )
  })
})

function run(arrivals: readonly Arrival[], cuts: readonly number[]): Course {
  const course = new Course(RULES)
  const comes = (one: Arrival) => one.receivedAt ?? one.at
  let from = Number.NEGATIVE_INFINITY
  for (const cut of [...cuts.map((at) => START + at), END]) {
    const now = from
    course.until(
      cut,
      arrivals.filter((one) => comes(one) > now && comes(one) <= cut),
    )
    if (cut !== END) course.restart()
    from = cut
  }
  return course
}

function distinct(told: readonly Told[]): string[] {
  const lines = told.map(({ at, alert: { key, rule, startsAt, endsAt } }) =>
    [at, rule, key, startsAt, endsAt].join(' '),
  )
  return [...new Set(lines)].sort()
}
