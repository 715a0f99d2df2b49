import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AttributionOptions } from '../src/attribution/options.ts'
import { attributionQuestion, blameQuestion } from '../src/attribution/question.ts'
import type { AttributionReport } from '../src/attribution/shape.ts'
import { chainsQuery, chainsReport, QueryError } from '../src/index.ts'
import { business } from './arbitrary.ts'
import { type Naive, naiveAttribution } from './attribution-naive.ts'
import { naiveBreakpoints, type PersonChains } from './naive.ts'
import { createTables, storeAll, whileWriting } from './stored.ts'
import { CATALOGUE, catalogueWith, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const attribution = (options: AttributionOptions = {}) =>
  attributionQuestion.ask(db.store, attributionQuestion.query(options))
const blame = (options: AttributionOptions = {}) => blameQuestion.ask(db.store, blameQuestion.query(options))

const SHOP = catalogueWith([{ id: 'pay', outcome: 'bought' }])

/** One customer for each time, who goes this path and then buys. */
function buyers(path: string, times: number, value?: { value: number; currency: string }): PersonChains[] {
  return Array.from({ length: times }, (_, time) => {
    const touches = path.split(' > ').map((touchpoint, hour) => [`2024-03-01T0${hour}:00`, touchpoint] as const)
    return customer(`${path} ${time} ${value?.currency}`, [...touches, ['2024-03-01T09:00', 'pay', value ?? {}]], SHOP)
  })
}

function creditsBy(
  report: AttributionReport,
  model: keyof AttributionReport['groups'][0]['measures'][0]['rows'][0]['credits'],
) {
  return Object.fromEntries(report.groups[0]!.measures[0]!.rows.map(({ item, credits }) => [item, credits[model]]))
}

/** In every measure the credits of every model add up, as whole numbers of its unit. */
function expectExactSums(report: AttributionReport): void {
  for (const { measures } of report.groups) {
    for (const { total, unit, rows } of measures) {
      for (const model of report.models) {
        const units = rows.map(({ credits }) => Math.round(credits[model]! / unit))
        expect(units.reduce((sum, one) => sum + one, 0)).toBe(Math.round(total / unit))
      }
    }
  }
}

describe('three paths of ten buyers', () => {
  beforeAll(async () => {
    const people = [...buyers('direct', 2), ...buyers('search > email', 3), ...buyers('search > social > email', 5)]
    await storeAll(db.store, SHOP, TICK, people)
  })

  test('are credited exactly', async () => {
    const report = await attribution()
    expect(creditsBy(report, 'first')).toEqual({ direct: 2, search: 8, email: 0, social: 0 })
    expect(creditsBy(report, 'last')).toEqual({ direct: 2, search: 0, email: 8, social: 0 })
    // 19/6, 19/6 and 5/3 in millionths; the two that are left over go to the first of three equal remainders.
    expect(creditsBy(report, 'linear')).toEqual({ direct: 2, search: 3.166667, email: 3.166667, social: 1.666666 })
    expect(creditsBy(report, 'position')).toEqual({ direct: 2, search: 3.5, email: 3.5, social: 1 })
    // Without social the three of search > email are left, and the two of direct: half of all.
    const removal = Object.fromEntries(report.groups[0]!.measures[0]!.rows.map((row) => [row.item, row.removal]))
    expect(removal.direct).toBeCloseTo(0.2, 12)
    expect(removal.search).toBeCloseTo(0.8, 12)
    expect(removal.email).toBeCloseTo(0.8, 12)
    expect(removal.social).toBeCloseTo(0.5, 12)
    // Of the eight, three need two names and five need three: each gets its part of those that need it.
    expect(creditsBy(report, 'shapley')).toEqual({ direct: 2, search: 3.166667, email: 3.166667, social: 1.666666 })
    expect(report.groups[0]!.measures).toHaveLength(1)
    expectExactSums(report)
  })

  test('decay halves the credit of a touch that is a half-life older', async () => {
    const { direct, search, social, email } = creditsBy(await attribution({ halfLife: '1h', model: 'decay' }), 'decay')
    expect(direct).toBe(2)
    expect(search).toBeCloseTo(3 * (1 / 3) + 5 * (1 / 7), 5)
    expect(social).toBeCloseTo(5 * (2 / 7), 5)
    expect(email).toBeCloseTo(3 * (2 / 3) + 5 * (4 / 7), 5)
  })

  test('of one model have the credits of that alone', async () => {
    const report = await attribution({ model: 'last,first' })
    expect(report.models).toEqual(['first', 'last'])
    expect(report.groups[0]!.measures[0]!.rows[0]!.credits).toEqual({ first: 0, last: 8 })
    expect(attributionQuestion.rows(report)[0]).toEqual({
      ...{ measure: 'conversions', valueCurrency: null, item: 'email', touched: 8, touches: 8 },
      ...{ first: 0, last: 8, linear: null, position: null, decay: null, markov: null, shapley: null },
      ...{ removal: null, shapleyError: null },
    })
  })

  test('have nobody to blame', async () => {
    const report = await blame()
    expect(report.groups).toEqual([
      {
        by: {},
        totals: { chains: 10, open: 0, converted: 10, broken: 0, ignored: 0 },
        measures: [{ measure: 'breaks', currency: null, total: 0, unit: 1e-6, rows: [] }],
      },
    ])
  })
})

describe('what counts as a touch', () => {
  const credited = async (people: readonly PersonChains[], options: AttributionOptions = {}) => {
    await storeAll(db.store, CATALOGUE, TICK, people)
    return creditsBy(await attribution({ model: 'linear', ...options }), 'linear')
  }

  test('a purchase with nothing before it gets the credit itself', async () => {
    const one = customer('a', [['2024-03-01T10:00', 'visit', { channel: 'walk-in' }]])
    expect(await credited([one])).toEqual({ visit: 1 })
    expect(await credited([one], { of: 'channel' })).toEqual({ 'walk-in': 1 })
    expect(await credited([one], { of: 'campaign' })).toEqual({ null: 1 })
  })

  test('a touch without a channel leaves the credit to those that have one; that of the purchase does not count', async () => {
    const one = customer('a', [
      ['2024-03-01T10:00', 'ad_view', { channel: 'ads' }],
      ['2024-03-01T11:00', 'call_wait'],
      ['2024-03-01T12:00', 'ad_view', { channel: 'seo' }],
      ['2024-03-01T13:00', 'visit', { channel: 'walk-in' }],
    ])
    expect(await credited([one], { of: 'channel' })).toEqual({ ads: 0.5, seo: 0.5 })
  })

  test('a message that led to the chain is one; what came after the purchase is none', async () => {
    const one = customer('a', [
      ['2024-03-01T10:00', 'sms'],
      ['2024-03-01T11:00', 'call_wait'],
      ['2024-03-01T12:00', 'visit'],
      ['2024-03-02T12:00', 'survey'],
    ])
    expect(await credited([one])).toEqual({ sms: 0.5, call_wait: 0.5 })
  })

  test('of a broken chain its places up to its own, that one included', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [
      customer('a', [
        ['2024-02-01T10:00', 'ad_view'],
        ['2024-02-01T11:00', 'call_wait', { outcome: 'abandoned' }],
        ['2024-02-02T11:00', 'sms'],
      ]),
    ])
    expect(creditsBy(await blame({ model: 'linear' }), 'linear')).toEqual({ ad_view: 0.5, call_wait: 0.5 })
  })
})

describe('value', () => {
  test('is shared out by itself in each currency, and that of a reversed sale is nothing', async () => {
    await storeAll(db.store, SHOP, TICK, [
      ...buyers('search > email', 2, { value: 10.1, currency: 'EUR' }),
      ...buyers('direct', 1, { value: 0.1, currency: 'EUR' }),
      ...buyers('search', 1, { value: 5000, currency: 'JPY' }),
      ...buyers('search', 1),
      customer(
        'returned',
        [
          ['2024-03-01T01:00', 'search'],
          ['2024-03-01T02:00', 'pay', { value: 99, currency: 'EUR', order: 'o1' }],
          ['2024-03-04T02:00', 'pay', { outcome: 'refused', order: 'o1' }],
        ],
        SHOP,
      ),
    ])
    const report = await attribution({ model: 'linear,markov' })
    const measures = report.groups[0]!.measures.map(({ measure, currency, total, rows }) => ({
      ...{ measure, currency, total },
      linear: Object.fromEntries(rows.map(({ item, credits }) => [item, credits.linear])),
    }))
    expect(measures).toEqual([
      { measure: 'conversions', currency: null, total: 6, linear: { search: 4, email: 1, direct: 1 } },
      { measure: 'value', currency: 'EUR', total: 20.3, linear: { search: 10.1, email: 10.1, direct: 0.1 } },
      { measure: 'value', currency: 'JPY', total: 5000, linear: { search: 5000 } },
    ])
    expectExactSums(report)
  })
})

describe('the report from the database', () => {
  const CURRENCIES = ['EUR', 'USD', undefined]
  /** The businesses name no currencies: each sale gets one by the length of its id and its instant. */
  const withCurrencies = (people: readonly PersonChains[]): PersonChains[] =>
    people.map(({ person, chains }) => ({
      person,
      chains: chains.map((chain) => ({
        ...chain,
        interactions: chain.interactions.map((met) => {
          const currency = CURRENCIES[(met.interaction.at / 21_600_000) % 3]
          return currency === undefined ? met : { ...met, interaction: { ...met.interaction, currency } }
        }),
      })),
    }))

  const day = fc.constantFrom('2024-03-03', '2024-03-06', '2024-03-10')
  const question = fc.record({
    aim: fc.constantFrom('converted', 'broken'),
    of: fc.constantFrom('touchpoint', 'channel', 'campaign'),
    halfLife: fc.constantFrom('1h', '2d', '7d'),
    order: fc.constantFrom('1', '2', '3'),
    from: fc.option(day, { freq: 3, nil: undefined }),
    date: fc.constantFrom('start', 'end'),
    where: fc.constantFrom(undefined, undefined, 'channel=ads', 'channel='),
    by: fc.constantFrom(undefined, 'channel', 'campaign'),
  })
  const HALF_LIVES: Record<string, number> = { '1h': 3_600_000, '2d': 172_800_000, '7d': 604_800_000 }

  test('equals the naive one in every number, adds up, and drills to its chains', async () => {
    await fc.assert(
      fc.asyncProperty(business, fc.array(question, { minLength: 2, maxLength: 2 }), async (one, questions) => {
        const people = withCurrencies(one.people)
        await storeAll(db.store, one.catalogue, one.tick, people)
        for (const [index, { aim, ...options }] of questions.entries()) {
          const report = await (aim === 'converted' ? attribution : blame)(options as AttributionOptions)
          attributionQuestion.shape.parse(report)
          expectExactSums(report)
          const naive = naiveAttribution(people, {
            ...options,
            aim,
            halfLifeMs: HALF_LIVES[options.halfLife]!,
            order: Number(options.order),
            from: options.from === undefined ? null : Date.parse(options.from),
            to: null,
            where: options.where ?? null,
            by: options.by ?? null,
          } as Naive)
          compare(report, naive, options.by)
          if (index === 0) await expectDrills(report, options)
          const { from, date, where } = options
          const { totals } = naiveBreakpoints(people, { from, date, where }, one.tick)
          const { chains, open, converted, broken, ignored } = totals
          expect(report.totals).toEqual({ chains, open, converted, broken, ignored })
        }
      }),
      // Making a failure smaller takes longer than a test may: the seed has to do.
      { numRuns: 20, endOnFailure: true },
    )
  })

  function compare(report: AttributionReport, naive: ReturnType<typeof naiveAttribution>, by: string | undefined) {
    expect(report.groups).toHaveLength(naive.length)
    for (const group of report.groups) {
      const own = naive.find(({ value }) => by === undefined || group.by[by] === value)!
      expect(group.totals).toEqual(own.totals)
      expect(group.measures.map(({ currency }) => currency).toSorted()).toEqual(
        own.measures.map(({ currency }) => currency).toSorted(),
      )
      for (const [index, measure] of group.measures.entries()) {
        const right = own.measures.find(
          (other, at) => (index === 0) === (at === 0) && other.currency === measure.currency,
        )!
        expect(measure.total).toBeCloseTo(right.total, 6)
        for (const { item } of measure.rows) expect(right.touched.has(item)).toBe(true)
        const nobody = { touched: 0, touches: 0, credits: Object.fromEntries(report.models.map((model) => [model, 0])) }
        for (const key of right.touched.keys()) {
          const { touched, touches, credits } = measure.rows.find((row) => row.item === key) ?? nobody
          expect([touched, touches]).toEqual([right.touched.get(key), right.touches.get(key)])
          for (const [model, credit] of Object.entries(credits)) {
            const exact = right.credits[model]
            if (exact != null)
              expect(Math.abs(credit - (exact.get(key) ?? 0)), `${model} of ${key}`).toBeLessThan(1.1e-6)
          }
        }
      }
    }
  }

  /** `touched` is how many chains the options of the row list. */
  async function expectDrills(report: AttributionReport, options: AttributionOptions) {
    for (const { by, measures } of report.groups) {
      for (const { chains, touched } of measures[0]!.rows) {
        const listed = await chainsReport(db.store, chainsQuery({ ...chains, limit: '1000' }))
        expect([by, chains, listed.chains.length, options]).toEqual([by, chains, touched, options])
      }
    }
  }

  test('is one moment, also while the tracker writes', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [])
    await whileWriting(db.store, CATALOGUE, PEOPLE, async () => {
      for (let round = 0; round < 10; round++) {
        const { totals } = await attribution()
        expect([totals.chains, totals.broken]).toEqual([6 * totals.converted, 3 * totals.converted])
      }
    })
  })

  test('of nothing is empty', async () => {
    await storeAll(db.store, CATALOGUE, null, [])
    const report = await attribution()
    expect(report).toMatchObject({ asOf: null, samples: null, totals: { chains: 0 } })
    expect(report.groups[0]!.measures).toEqual([
      { measure: 'conversions', currency: null, total: 0, unit: 1e-6, rows: [] },
    ])
    expect((await attribution({ by: 'channel' })).groups).toEqual([])
    for (const table of ['customer_chains', 'positions', 'catalogues'])
      await db.store.command(`TRUNCATE TABLE ${table}`)
    expect(await blame()).toMatchObject({ asOf: null, totals: { chains: 0 } })
  })

  test('draws orders where more than twelve share, the same ones again', async () => {
    const path = Array.from({ length: 9 }, (_, index) => `t${index}`)
    await storeAll(db.store, SHOP, TICK, [
      ...buyers(path.join(' > '), 3),
      ...buyers('t1 > x1 > x2 > x3 > x4', 2),
      ...buyers('x4', 4),
    ])
    const [report, again, other] = [
      await attribution({ model: 'shapley' }),
      await attribution({ model: 'shapley' }),
      await attribution({ model: 'shapley', seed: '7', samples: '200' }),
    ]
    expect(again).toEqual(report)
    expect([report.samples, other.samples]).toEqual([1000, 200])
    expect(other.groups).not.toEqual(report.groups)
    expectExactSums(report)
    for (const { shapleyError } of report.groups[0]!.measures[0]!.rows) expect(shapleyError).toBeGreaterThanOrEqual(0)
  })

  test('says which model it leaves out, or refuses the one that was asked for, where too many share', async () => {
    const people = Array.from({ length: 3100 }, (_, index) =>
      customer(
        `${index}`,
        [
          ['2024-03-01T10:00', 'ad_view', { campaign: `c${index}` }],
          ['2024-03-01T12:00', 'pay'],
        ],
        SHOP,
      ),
    )
    await storeAll(db.store, SHOP, TICK, people)
    const report = await attribution({ of: 'campaign' })
    expect(report.models).toEqual(['first', 'last', 'linear', 'position', 'decay'])
    expect(report.leftOut).toEqual([
      { model: 'markov', why: '3101 states are too many to be solved' },
      { model: 'shapley', why: '3100 are too many to share, it takes at most 500' },
    ])
    await expect(attribution({ of: 'campaign', model: 'markov' })).rejects.toThrow(
      '--model markov: expected fewer campaigns, by --where or another --of: 3101 states are too many',
    )
    await expect(attribution({ of: 'campaign', model: 'shapley' })).rejects.toThrow(QueryError)
  })
})

describe('options', () => {
  for (const [options, message] of [
    [{ of: 'agent' }, '--of agent: expected one of touchpoint, channel, campaign'],
    [
      { model: 'linear,best' },
      '--model best: expected one of all, first, last, linear, position, decay, markov, shapley',
    ],
    [{ halfLife: '7' }, '--half-life 7: expected a duration from 1ms to 3650d, as 90m, 12h or 7d'],
    [{ halfLife: '0d' }, '--half-life 0d: expected a duration from 1ms to 3650d, as 90m, 12h or 7d'],
    [{ order: '4' }, '--order 4: expected a whole number from 1 to 3'],
    [{ order: '' }, "--order '': expected a whole number from 1 to 3"],
    [{ samples: '1e9' }, '--samples 1e9: expected a whole number from 100 to 100000'],
    [{ seed: '-1' }, '--seed -1: expected a whole number from 0 to 4294967295'],
  ] as const) {
    test(`refuse ${JSON.stringify(options)}`, () => {
      expect(() => attributionQuestion.query(options)).toThrow(message)
      expect(() => blameQuestion.query(options)).toThrow(QueryError)
    })
  }
})
