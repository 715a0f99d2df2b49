import { builtinCatalogue } from '@weaklink/chains'
import { validate } from '@weaklink/interactions'
import { describe, expect, it } from 'vitest'
import { type SimulateOptions, simulate } from '../src/index.ts'

const DAY = 86_400_000
const START = Date.UTC(2026, 0, 5)
const OPTIONS = { seed: 3, start: START, customersPerDay: 25 } satisfies SimulateOptions
const all = [...simulate({ ...OPTIONS, end: START + 100 * DAY })]

describe('the simulation', () => {
  it('gives the same for the same seed, as far as it is asked, and another for another', () => {
    expect(simulate(OPTIONS).take(3_000).toArray()).toEqual(all.slice(0, 3_000))
    expect(
      simulate({ ...OPTIONS, seed: 4 })
        .take(100)
        .map(({ at }) => at)
        .toArray(),
    ).not.toEqual(all.slice(0, 100).map(({ at }) => at))
  })

  it('does not change what was, when the company becomes busier', () => {
    const from = START + 20 * DAY
    const later = { from, branches: 30, customersPerDay: 25 }
    const busier = [...simulate({ ...OPTIONS, later, end: from + DAY })]
    const before = all.filter(({ at }) => at < from)
    expect(busier.slice(0, before.length)).toEqual(before)
    const newcomers = (day: number, of: typeof all) =>
      new Set(of.filter(({ at }) => at >= day && at < day + DAY).map(({ who }) => who)).size
    expect(newcomers(from, busier)).toBeGreaterThan(10 * newcomers(from, all))
    const queues = new Set(busier.flatMap(({ interaction }) => interaction.queue ?? []))
    expect(queues.size).toBeGreaterThanOrEqual(30)
    // Who came before still calls where they called.
    const known = new Set(before.map(({ who }) => who))
    const called = busier.filter(({ who, interaction }) => known.has(who) && interaction.touchpoint === 'call_queue')
    expect(new Set(called.map(({ interaction }) => interaction.queue))).toEqual(new Set(['service']))
  })

  it('ends where it is told to, and with the last customer', () => {
    expect(all.at(-1)!.at).toBeLessThanOrEqual(START + 100 * DAY)
    const few = [...simulate({ ...OPTIONS, customers: 20 })]
    expect(new Set(few.map(({ who }) => who)).size).toBe(20)
  })

  it('tells everything in the order of time, under ids that nothing else has', () => {
    for (const [k, { at, interaction }] of all.entries()) {
      expect(at).toBe(interaction.at)
      if (k > 0) expect(at).toBeGreaterThanOrEqual(all[k - 1]!.at)
    }
    expect(new Set(all.map(({ interaction }) => interaction.id)).size).toBe(all.length)
    const others = simulate({ ...OPTIONS, start: START + 1 }).take(1_000)
    const ids = new Set(all.map(({ interaction }) => interaction.id))
    expect(others.filter(({ interaction }) => ids.has(interaction.id)).toArray()).toEqual([])
  })

  it('has only interactions that are accepted, at all the touchpoints that the catalogue knows', () => {
    const wrong = all.filter(({ interaction }) => !validate(interaction, { receivedAt: interaction.at }).ok)
    expect(wrong).toEqual([])
    expect([...new Set(all.map(({ interaction }) => interaction.touchpoint))].sort()).toEqual(
      [...builtinCatalogue.touchpoints.keys()].sort(),
    )
  })

  it('knows people by their cookies until they say who they are', () => {
    const people = Map.groupBy(all, ({ who }) => who)
    const cookies = new Map<string, number>()
    let [linked, neverKnown, twoDevices] = [0, 0, 0]
    for (const [who, own] of people) {
      const known = new Set<string>()
      for (const { interaction } of own) {
        const { anonymousId, customer } = interaction
        if (customer !== undefined) expect(customer).toBe(`customer-${String(who).padStart(5, '0')}`)
        if (anonymousId === undefined) continue
        expect(cookies.get(anonymousId) ?? who).toBe(who)
        cookies.set(anonymousId, who)
        // Both ids once, and the cookie alone only before.
        expect(known.has(anonymousId)).toBe(false)
        if (customer !== undefined) known.add(anonymousId)
      }
      const devices = new Set(own.flatMap(({ interaction }) => interaction.anonymousId ?? []))
      linked += known.size
      if (devices.size > 1) twoDevices++
      if (own.every(({ interaction }) => interaction.customer === undefined)) neverKnown++
    }
    expect(linked).toBeGreaterThan(people.size / 2)
    expect(neverKnown).toBeGreaterThan(people.size / 20)
    expect(twoDevices).toBeGreaterThan(people.size / 20)
    const announced = all.filter(
      ({ interaction }) => interaction.touchpoint === 'call_queue' && interaction.anonymousId,
    )
    expect(announced.length).toBeGreaterThan(people.size / 10)
  })

  it('names the number that is out of its range', () => {
    const wrong: [Partial<SimulateOptions>, RegExp][] = [
      [{ customersPerDay: 0 }, /customersPerDay must be more than 0, got 0/],
      [{ customersPerDay: Number.NaN }, /customersPerDay/],
      [{ seed: 1.5 }, /seed must be a whole number/],
      [{ start: -1 }, /start must be 1970 or later/],
      [{ later: { from: START, customersPerDay: 5, branches: 2.5 } }, /branches must be a whole number/],
      [{ later: { from: START, customersPerDay: 5, branches: 0 } }, /branches must be more than 0/],
    ]
    for (const [options, message] of wrong) {
      expect(() => simulate({ ...OPTIONS, ...options }).next()).toThrow(message)
    }
  })
})
