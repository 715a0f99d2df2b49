import type { Fact } from '@weaklink/interactions'
import { describe, expect, it } from 'vitest'
import type { Alert } from '../src/alert.ts'
import { Calls } from '../src/engine/calls.ts'
import { Engine } from '../src/engine/engine.ts'
import { Remembered } from '../src/engine/remembered.ts'
import { type Arrival, enters, gaveUp, rulesIn, t, waited } from './course.ts'

/** Somebody whom nobody knows yet. */
function anonymous(arrival: Arrival): Arrival {
  const { customer, ...rest } = arrival
  return { ...rest, anonymousId: `${customer}-cookie` }
}

const fact = (interaction: Arrival): Fact => ({ kind: 'interaction', interaction })
const link: Fact = { kind: 'link', link: { id: 'l', anonymousId: 'anna-cookie', customer: 'anna' } }

describe('waits that ended', () => {
  for (const [given, arrivals, then] of [
    ['answered', [waited('anna', t(1), 60_000)], ['answered 60000']],
    ['given up', [gaveUp('anna', t(1), 60_000)], ['abandoned 60000']],
    ['ended by the queue', [waited('anna', t(1), 60_000, { props: { ended: 'timeout' } })], ['other 60000']],
    [
      'without a length: since it began',
      [enters('anna', t(0)), waited('anna', t(1), 0, { waitMs: undefined as never })],
      ['answered 60000'],
    ],
    [
      'without a length or a beginning: nothing can be said',
      [waited('anna', t(1), 0, { waitMs: undefined as never })],
      [],
    ],
    [
      'of two customers with the same id',
      ['anna', 'boris'].map((who) => waited(who, t(1), 1, { id: 'same' })),
      ['answered 1', 'answered 1'],
    ],
  ] as const) {
    it(given, () => {
      const calls = new Calls()
      const events = arrivals.flatMap((one) => [
        ...calls.meet(fact(one), false, t(2)),
        ...calls.meet(fact(one), false, t(3)),
      ])
      const counted = events.flatMap((one) => (one.event === 'counted' ? [`${one.wait.how} ${one.wait.waitMs}`] : []))
      expect(counted).toEqual(then)
    })
  }

  it('count once, also where they were moved to the customer that somebody turned out to be', () => {
    const calls = new Calls()
    const wait = waited('anna', t(1), 60_000)
    const events = [
      ...calls.meet(fact(anonymous(wait)), false, t(2)),
      ...calls.meet(link, false, t(2)),
      ...calls.meet(fact({ ...wait, anonymousId: 'anna-cookie' }), true, t(2)),
    ]
    expect(events.filter(({ event }) => event === 'counted').length).toBe(1)
  })
})

describe('somebody who becomes known while they wait', () => {
  const rules = rulesIn('rules: [{ name: too-long, waiting: { longerThan: 2m } }]')
  const queued = enters('anna', t(0))
  const before: Fact[] = [fact(anonymous(queued))]
  const after: [Fact, boolean][] = [
    [link, false],
    [fact({ ...queued, anonymousId: 'anna-cookie' }), true],
  ]
  const end = fact(waited('anna', t(4), 240_000))

  it('has one alert, that ends with the call', () => {
    const engine = new Engine(rules, new Remembered([], t(0)))
    for (const one of before) engine.meet(one, false, t(0))
    const told: Alert[] = [...engine.evaluate(t(2)).alerts]
    for (const [one, isCopy] of after) engine.meet(one, isCopy, t(3))
    told.push(...engine.evaluate(t(3)).alerts)
    engine.meet(end, false, t(4))
    told.push(...engine.evaluate(t(4)).alerts)
    expect(told.map(({ key, endsAt }) => [key, endsAt])).toEqual([
      [told[0]?.key, null],
      [told[0]?.key, t(4)],
    ])
  })

  it('and keeps it through a restart, after which they are known from the beginning', () => {
    const engine = new Engine(rules, new Remembered([], t(0)))
    for (const one of before) engine.meet(one, false, t(0))
    const { alerts, records } = engine.evaluate(t(2))
    const memory = new Remembered(
      records.map((record) => ({ ...record, timestamp: t(2) })),
      t(3),
    )
    const next = new Engine(rules, memory)
    // The other partition may be read first.
    for (const [one, isCopy] of after) next.meet(one, isCopy, t(3))
    for (const one of before) next.meet(one, false, t(3))
    expect([...next.resume(t(3)).alerts, ...next.evaluate(t(3)).alerts]).toEqual([])
    next.meet(end, false, t(4))
    expect(next.evaluate(t(4)).alerts.map(({ key }) => key)).toEqual([alerts[0]?.key])
  })
})
