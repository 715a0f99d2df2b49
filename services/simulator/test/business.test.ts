import { builtinCatalogue, deriveChains } from '@weaklink/chains'
import { validate } from '@weaklink/interactions'
import { describe, expect, it } from 'vitest'
import { naiveBreakpoints } from '../../../packages/reports/test/naive.ts'
import { generateBusiness } from '../src/index.ts'

const OPTIONS = { seed: 3, customers: 2_000, days: 120, start: Date.UTC(2026, 0, 5) }

describe('the generated business', () => {
  const { interactions, planted } = generateBusiness(OPTIONS)
  const people = Map.groupBy(interactions, ({ customer }) => customer ?? '')
    .entries()
    .map(([customer, own]) => {
      const person = { kind: 'customer', customer } as const
      return { person, chains: deriveChains(person, own, builtinCatalogue, OPTIONS.start + OPTIONS.days * 86_400_000) }
    })
    .toArray()

  it('is the same for the same seed, and another for another', () => {
    expect(generateBusiness(OPTIONS).interactions).toEqual(interactions)
    expect(generateBusiness({ ...OPTIONS, seed: 4 }).interactions).not.toEqual(interactions)
  })

  it('has only interactions that are accepted, at touchpoints that the catalogue knows', () => {
    const rejected = interactions.filter((one) => !validate(one, { receivedAt: OPTIONS.start + 1e12 }).ok)
    expect(rejected).toEqual([])
    expect(
      [...new Set(interactions.map(({ touchpoint }) => touchpoint))].filter(
        (id) => !builtinCatalogue.touchpoints.has(id),
      ),
    ).toEqual([])
  })

  it('breaks most, beyond expectation, where the weak links were planted', () => {
    const places = (where: string | null) =>
      naiveBreakpoints(people, where === null ? {} : { where }, null).groups[0]?.breakpoints.map(
        ({ touchpoint }) => touchpoint,
      )
    const touchpoints = planted.map(({ touchpoint }) => touchpoint)
    expect(places(null)?.slice(0, touchpoints.length).sort()).toEqual(touchpoints.sort())
    for (const { touchpoint, where } of planted) if (where !== null) expect(places(where)?.[0]).toBe(touchpoint)
  })
})
