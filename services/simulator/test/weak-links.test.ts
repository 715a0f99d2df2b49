import { describe, expect, it } from 'vitest'
import { planted, simulate, type WeakLinks } from '../src/index.ts'
import { breakpointsOf, chainsOf } from './report.ts'

const DAY = 86_400_000
const START = Date.UTC(2026, 0, 5)
const TICK = START + 100 * DAY
/** Of chains that began before, it is known what became of them. */
const TO = TICK - 40 * DAY
const NONE: WeakLinks = { lunch: false, mobilePage: false, quotes: false }

const interactionsOf = (weakLinks: Partial<WeakLinks>, seed = 11) =>
  simulate({ seed, start: START, end: TICK, customersPerDay: 40, weakLinks })
    .map(({ interaction }) => interaction)
    .toArray()

describe('the weak links', () => {
  const with_ = interactionsOf({})
  const without = breakpointsOf(interactionsOf(NONE), { tick: TICK, to: TO })
  const found = breakpointsOf(with_, { tick: TICK, to: TO })
  const links = planted()

  it('come first in the report, with the reason that was said, and stand apart from everything else', () => {
    const first = found.slice(0, links.length)
    expect(first.map(({ touchpoint }) => touchpoint).sort()).toEqual(links.map(({ touchpoint }) => touchpoint).sort())
    expect(first.at(-1)!.excess).toBeGreaterThan(3 * Math.max(0, found[links.length]!.excess))
    for (const { touchpoint, reason } of links) {
      const place = found.find((one) => one.touchpoint === touchpoint)!
      expect(place.reasons[reason]).toBeGreaterThan(place.broke / 2)
    }
  })

  it('are the first place of all where a report asks for where they are', () => {
    const somewhere = links.filter(({ where }) => where !== null)
    expect(somewhere).toHaveLength(1)
    for (const { touchpoint, where } of somewhere) {
      const [first] = breakpointsOf(with_, { tick: TICK, to: TO, where })
      expect(first).toMatchObject({ touchpoint })
      expect(first!.breakRate).toBeGreaterThan(0.7)
    }
  })

  it('do not stand out where they are switched off, one by one', () => {
    expect(planted({ weakLinks: NONE })).toEqual([])
    for (const { touchpoint } of links) {
      const [on, off] = [found, without].map((list) => list.find((one) => one.touchpoint === touchpoint)!)
      expect(off!.excess).toBeLessThan(on!.excess / 4)
      expect(off!.breakRate).toBeLessThan(0.12)
    }
    const lunchOnly = { ...NONE, lunch: true }
    expect(planted({ weakLinks: lunchOnly })).toMatchObject([{ touchpoint: 'call_wait' }])
    const [first] = breakpointsOf(interactionsOf(lunchOnly), { tick: TICK, to: TO })
    expect(first?.touchpoint).toBe('call_wait')
  })

  it('leave a company that an owner would believe in', () => {
    const beyond = chainsOf(with_, TICK).filter(
      ({ startedAt, interactions }) =>
        startedAt < TO &&
        interactions.some(
          ({ interaction }) => !['ad_view', 'landing_page', 'newsletter'].includes(interaction.touchpoint),
        ),
    )
    const converted = beyond.filter(({ state }) => state === 'converted')
    expect(converted.length / beyond.length).toBeGreaterThan(0.3)
    expect(converted.length / beyond.length).toBeLessThan(0.55)
    expect(converted.some(({ complained }) => complained)).toBe(true)
    expect(converted.some(({ reversed }) => reversed)).toBe(true)
    expect(converted.some(({ recovered }) => recovered.includes('call_wait'))).toBe(true)
    const waits = with_.flatMap(({ touchpoint, waitMs }) => (touchpoint === 'call_wait' ? (waitMs ?? []) : []))
    expect(Math.max(...waits)).toBeLessThan(30 * 60_000)
    expect(waits.filter((wait) => wait < 20_000).length).toBeGreaterThan(waits.length / 3)
  })
})
