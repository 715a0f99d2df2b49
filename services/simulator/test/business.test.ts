import { validate } from '@weaklink/interactions'
import { describe, expect, it } from 'vitest'
import { generateBusiness } from '../src/index.ts'
import { breakpointsOf } from './report.ts'

const OPTIONS = { seed: 3, customers: 2_000, days: 120, start: Date.UTC(2026, 0, 5) }
const END = OPTIONS.start + OPTIONS.days * 86_400_000

describe('the generated business', () => {
  const { interactions, planted } = generateBusiness(OPTIONS)

  it('is the same for the same seed, and another for another', () => {
    expect(generateBusiness(OPTIONS).interactions).toEqual(interactions)
    expect(generateBusiness({ ...OPTIONS, seed: 4 }).interactions).not.toEqual(interactions)
  })

  it('has only known customers, in the order of time, and all of them', () => {
    expect(interactions.filter((one) => !validate(one, { receivedAt: END }).ok)).toEqual([])
    expect(interactions.map(({ at }) => at)).toEqual(interactions.map(({ at }) => at).sort((a, b) => a - b))
    const customers = new Set(interactions.map(({ customer }) => customer))
    expect(customers.size).toBe(OPTIONS.customers)
    expect(customers.has('customer-00001')).toBe(true)
    expect(interactions.some(({ anonymousId }) => anonymousId !== undefined)).toBe(false)
  })

  it('breaks most, beyond expectation, where the weak links were planted', () => {
    const places = (where: readonly string[] | null) =>
      breakpointsOf(interactions, { tick: END, to: END, where }).map(({ touchpoint }) => touchpoint)
    const touchpoints = planted.map(({ touchpoint }) => touchpoint)
    expect(places(null).slice(0, touchpoints.length).sort()).toEqual(touchpoints.sort())
    for (const { touchpoint, where } of planted) if (where !== null) expect(places(where)[0]).toBe(touchpoint)
  })
})
