import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { breakpointsReport } from '../src/breakpoints/shape.ts'
import { type BreakpointsOptions, breakpoints, breakpointsQuery } from '../src/index.ts'
import { business, options } from './arbitrary.ts'
import { naiveBreakpoints } from './naive.ts'
import { createTables, storeAll, storePeople, whileWriting } from './stored.ts'
import { CATALOGUE, catalogueWith, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const ask = (question: BreakpointsOptions = {}) => breakpoints(db.store, breakpointsQuery(question))

describe('the report from the database', () => {
  test('equals the naive one in every number, whatever is asked', async () => {
    const asked = fc.array(options, { minLength: 6, maxLength: 6, size: 'max' })
    await fc.assert(
      fc.asyncProperty(business, asked, async (one, questions) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        for (const question of [{}, ...questions]) {
          const got = await ask(question)
          expect(got).toEqual(naiveBreakpoints(one.people, { ...question, catalogue: one.catalogue }, one.tick))
          breakpointsReport.parse(got)
        }
      }),
      { numRuns: 25 },
    )
  })

  test('is one moment, also while the tracker writes', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [])
    await whileWriting(db.store, CATALOGUE, PEOPLE, async () => {
      for (let round = 0; round < 20; round++) {
        const { totals, groups } = await ask()
        const sum = (field: 'broke' | 'convertedHere' | 'openHere' | 'ignoredHere') =>
          groups[0]!.breakpoints.reduce((total, place) => total + place[field], 0)
        expect([sum('broke'), sum('convertedHere'), sum('openHere'), sum('ignoredHere')]).toEqual([
          totals.broken,
          totals.converted,
          totals.open,
          totals.ignored,
        ])
      }
    })
  })

  test('of nothing is empty', async () => {
    await storeAll(db.store, CATALOGUE, null, [])
    const got = await ask()
    expect(got).toMatchObject({
      asOf: null,
      settledThrough: null,
      olderCatalogue: 0,
      totals: { chains: 0, customers: 0 },
    })
    expect(got.groups).toEqual([{ by: {}, breakpoints: [] }])
    expect((await ask({ by: 'channel' })).groups).toEqual([])
  })

  test('of a database that was never written to is empty', async () => {
    for (const table of ['customer_chains', 'positions', 'catalogues'])
      await db.store.command(`TRUNCATE TABLE ${table}`)
    expect(await ask()).toMatchObject({ asOf: null, olderCatalogue: 0, totals: { chains: 0 } })
    expect((await ask({ at: 'furthest' })).groups).toEqual([{ by: {}, breakpoints: [] }])
  })

  test('says how many customers stand on an older catalogue', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await storePeople(db.store, 'an older hash', PEOPLE.slice(0, 2), 2)
    expect((await ask()).olderCatalogue).toBe(2)
  })

  test('survives one chain of thousands of interactions and episodes', async () => {
    const told = Array.from({ length: 2000 }, (_, index) => {
      const at = new Date(Date.parse('2024-03-01T00:00Z') + index * 60_000).toISOString().slice(0, 19)
      return [at, index % 2 === 0 ? 'call_wait' : 'call_talk', { episode: `call-${index >> 1}` }] as const
    })
    const people = [customer('busy', told)]
    await storeAll(db.store, CATALOGUE, TICK, people)
    for (const question of [{}, { within: 'phone', by: 'returning' }]) {
      expect(await ask(question)).toEqual(naiveBreakpoints(people, question, TICK))
    }
  })
})

describe('an option that cannot be met says what can', () => {
  const cases: [option: BreakpointsOptions, message: RegExp][] = [
    [{ from: 'yesterday' }, /^--from yesterday: expected a date as 2024-05-01 \(midnight in UTC\) or a time as/],
    [{ from: '2024-02-30' }, /^--from 2024-02-30: expected a date/],
    [{ to: '2024-05-01T10:00:00' }, /^--to 2024-05-01T10:00:00: expected a date/],
    [
      { from: '2024-05-02', to: '2024-05-01' },
      /^--to 2024-05-01: expected an instant after "from", which is 2024-05-02/,
    ],
    [{ from: '2024-05-01', to: '2024-05-01' }, /^--to 2024-05-01: expected an instant after/],
    [{ date: 'middle' }, /^--date middle: expected one of start, end$/],
    [{ at: 'nearest' }, /^--at nearest: expected one of place, furthest$/],
    [{ by: 'colour' }, /^--by colour: expected one of touchpoint, channel, .* customer, returning, or props\.NAME$/],
    [{ by: 'channel,' }, /^--by '': expected one of/],
    [{ by: 'props.' }, /^--by props\.: expected one of/],
    [{ by: 'toString' }, /^--by toString: expected one of/],
    [{ where: 'channel' }, /^--where channel: expected KEY=VALUE, where KEY is one of/],
    [{ where: 'colour=red' }, /^--where colour: expected one of touchpoint/],
    [{ where: 'outcome=sold' }, /^--where outcome=sold: expected one of continued, bought, refused, abandoned$/],
    [{ where: 'by=us' }, /^--where by=us: expected one of customer, company$/],
    [{ where: 'waitMs=long' }, /^--where waitMs=long: expected a number/],
    [{ where: 'returning=yes' }, /^--where returning=yes: expected true or false$/],
    [{ where: 'at=noon' }, /^--where noon: expected a date/],
    [{ within: '' }, /^--within '': expected a group/],
  ]
  test.each(cases)('%o', (option, message) => {
    expect(() => breakpointsQuery(option)).toThrow(message)
  })

  test('a group that there is not', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await expect(ask({ within: 'shop' })).rejects.toThrow(
      /^--within shop: expected one of the groups there are: phone$/,
    )
    await storeAll(db.store, catalogueWith([{ id: 'ad_view' }]), TICK, [])
    await expect(ask({ within: 'shop' })).rejects.toThrow(
      /there is none yet: give touchpoints of the catalogue a `group`/,
    )
  })

  test('a selection without episodes of a group that there is, is merely empty', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    expect((await ask({ within: 'phone', where: 'channel=radio' })).totals.chains).toBe(0)
  })

  test('the furthest place without any step', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await expect(ask({ at: 'furthest' })).rejects.toThrow(
      /^--at furthest: .*`step`.*touchpoints\.yaml.*weaklink rebuild/,
    )
  })

  test('what came from a user stays a value', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    const nasty = `x'; DROP TABLE customer_chains; --`
    expect((await ask({ where: [`channel=${nasty}`, `props.${nasty}=1`] })).totals.chains).toBe(0)
    expect((await ask({ by: `props.${nasty}` })).groups[0]?.by).toEqual({ [`props.${nasty}`]: null })
    await expect(ask({ within: nasty })).rejects.toThrow(/^--within/)
  })
})
