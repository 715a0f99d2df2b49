import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chainsQuery } from '../src/chains/options.ts'
import { chainsReport } from '../src/chains/query.ts'
import { conversionQuestion } from '../src/conversion/question.ts'
import type { Outcome } from '../src/conversion/shape.ts'
import type { Drill } from '../src/drill.ts'
import { breakpoints, breakpointsQuery } from '../src/index.ts'
import { type Business, options as selections, business as withoutMoney } from './arbitrary.ts'
import { type ConversionOptions, naiveConversion } from './conversion-naive.ts'
import { createTables, storeAll, whileWriting } from './stored.ts'
import { CATALOGUE, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const ask = (question: ConversionOptions = {}) =>
  conversionQuestion.ask(db.store, conversionQuestion.query(question as never))
const drill = (options: Drill) => chainsReport(db.store, chainsQuery({ ...options, limit: '1000' } as never))

/** Costs, currencies and staff, which the small business lacks; chains do not depend on them. */
const business: fc.Arbitrary<Business> = fc
  .tuple(withoutMoney, fc.array(fc.constantFrom(undefined, 'EUR', 'USD'), { minLength: 5, maxLength: 7, size: 'max' }))
  .map(([one, currencies]) => ({
    ...one,
    people: one.people.map(({ person, chains }) => ({
      person,
      chains: chains.map((chain) => ({
        ...chain,
        staff: chain.ordinal % 3,
        interactions: chain.interactions.map((met, index) => {
          const currency = currencies[(chain.ordinal + index) % currencies.length]
          const cost = [0.1, undefined, 2.35, 0, 1e-4][index % 5]
          return {
            ...met,
            interaction: {
              ...met.interaction,
              ...(cost === undefined ? {} : { cost }),
              ...(currency === undefined ? {} : { currency }),
            },
          }
        }),
      })),
    })),
  }))

const of = fc.constantFrom('touchpoint', 'channel', 'campaign')
const options: fc.Arbitrary<ConversionOptions> = fc
  .tuple(selections, of)
  .map(([{ at: _at, within: _within, ...selection }, of]) => ({ ...selection, of }))

describe('the report from the database', () => {
  test('equals the naive one in every number, whatever is asked', async () => {
    const asked = fc.array(options, { minLength: 5, maxLength: 5, size: 'max' })
    await fc.assert(
      fc.asyncProperty(business, asked, async (one, questions) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        for (const question of [{}, ...questions]) {
          const got = await ask(question)
          expect(withoutDrills(got)).toEqual(naiveConversion(one.people, question, one.tick))
          conversionQuestion.shape.parse(got)
          const columns = new Set(conversionQuestion.rows(got).map((row) => Object.keys(row).join()))
          expect(columns.size).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 6 },
    )
  }, 60_000)

  test('reconciles: every row with its totals, first and last touches, and breakpoints', async () => {
    await fc.assert(
      fc.asyncProperty(business, options, async (one, question) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        const got = await ask(question)
        const { of, ...selection } = question
        const broke = await breakpoints(db.store, breakpointsQuery({ ...selection, fresh: 'true' }))
        for (const state of ['chains', 'converted', 'broken', 'open', 'ignored'] as const) {
          expect(got.totals[state]).toBe(broke.totals[state])
        }
        for (const { by, totals, rows } of got.groups) {
          const firsts = sum(rows.map(({ position }) => position.first))
          const lasts = sum(rows.map(({ position }) => position.last))
          for (const state of ['chains', 'converted', 'broken', 'open', 'ignored'] as const) {
            for (const row of rows) expect(row.with[state] + row.without[state]).toBe(totals[state])
            expect([firsts[state], lasts[state]]).toEqual([totals[state], totals[state]])
            expect(totals.new[state] + totals.returning[state]).toBe(totals[state])
          }
          const total = (number: (row: (typeof rows)[number]) => number) =>
            rows.reduce((all, row) => all + number(row), 0)
          expect(total(({ reaction }) => reaction.bought)).toBe(totals.converted)
          expect(total(({ reaction }) => reaction.broke)).toBe(totals.broken)
          expect(total(({ lastTouch }) => lastTouch.of)).toBe(totals.converted)
          expect(total(({ lastTouch }) => lastTouch.boughtAgain)).toBe(totals.repeat.boughtAgain)
          const cost = (row: { money: (typeof totals)['money'] }) =>
            row.money.reduce((all, { cost }) => all + (cost ?? 0), 0)
          expect(total((row) => cost(row.with))).toBeCloseTo(cost(totals), 4)
          if (of !== 'touchpoint') continue
          const places = broke.groups.find((group) => JSON.stringify(group.by) === JSON.stringify(by))!.breakpoints
          for (const { item, with: chains, reaction, position } of rows) {
            const place = places.find(({ touchpoint }) => touchpoint === item)!
            expect([chains.chains, reaction.bought, reaction.broke, position.last.open]).toEqual([
              place.reached,
              place.convertedHere,
              place.broke,
              place.openHere,
            ])
          }
        }
      }),
      { numRuns: 8 },
    )
  }, 60_000)

  test('names for every row the options of `report chains` that list exactly its chains', async () => {
    await fc.assert(
      fc.asyncProperty(business, async (one) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        for (const of of ['touchpoint', 'channel', 'campaign']) {
          const got = await ask({ of, by: 'channel', where: ['by=customer'], from: '2024-03-02', date: 'end' })
          for (const { rows } of got.groups.slice(0, 2)) {
            for (const row of rows.slice(0, 4)) expect((await drill(row.chains)).chains.length).toBe(row.with.chains)
          }
        }
      }),
      { numRuns: 3 },
    )
  }, 60_000)

  test('is one moment, also while the tracker writes', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [])
    await whileWriting(db.store, CATALOGUE, PEOPLE, async () => {
      for (let round = 0; round < 12; round++) {
        const { totals, rows } = (await ask()).groups[0]!
        expect(sum(rows.map(({ position }) => position.last)).chains).toBe(totals.chains)
        expect(totals.repeat.of).toBe(totals.converted)
      }
    })
  })

  test('of nothing is empty', async () => {
    await storeAll(db.store, CATALOGUE, null, [])
    const got = await ask()
    expect(got).toMatchObject({ asOf: null, totals: { chains: 0, conversionRate: null } })
    expect(got.groups).toMatchObject([{ by: {}, totals: { chains: 0, money: [], staffPerChain: null }, rows: [] }])
    expect((await ask({ by: 'channel' })).groups).toEqual([])
    expect(conversionQuestion.text(got, {})).toMatch(/^There are no chains here\./)
  })

  test('survives one chain of thousands of interactions', async () => {
    const told = Array.from({ length: 2000 }, (_, index) => {
      const at = new Date(Date.parse('2024-03-01T00:00Z') + index * 60_000).toISOString().slice(0, 19)
      return [at, index % 2 === 0 ? 'call_wait' : 'call_talk', { cost: 0.1, currency: 'EUR' }] as const
    })
    const people = [customer('busy', told)]
    await storeAll(db.store, CATALOGUE, TICK, people)
    expect(withoutDrills(await ask())).toEqual(naiveConversion(people, {}, TICK))
  })
})

describe('money', () => {
  const BUYER = customer('buyer', [
    ['2024-03-01T10:00', 'ad_view', { channel: 'ads', cost: 2, currency: 'USD' }],
    ['2024-03-02T10:00', 'call_talk', { channel: 'phone', cost: 5, currency: 'EUR', agent: 'eva' }],
    ['2024-03-03T10:00', 'visit', { value: 100, currency: 'EUR', order: 'o1' }],
    ['2024-03-04T10:00', 'survey', { cost: 3, currency: 'EUR' }],
  ])
  const LOOKER = customer('looker', [['2024-03-01T10:00', 'ad_view', { channel: 'ads', cost: 4, currency: 'USD' }]])

  test('of several currencies is one amount for each, and nothing of the epilogue', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [BUYER, LOOKER])
    const { totals, rows } = (await ask({ of: 'channel' })).groups[0]!
    expect(totals.money).toEqual([
      { currency: 'EUR', value: 100, cost: 5, costPerSale: 5 },
      { currency: 'USD', value: 0, cost: 6, costPerSale: 6 },
    ])
    expect(rows.find(({ item }) => item === 'ads')?.with.money).toEqual([
      { currency: 'EUR', value: 100, cost: 0, costPerSale: 0 },
      { currency: 'USD', value: 0, cost: 6, costPerSale: 6 },
    ])
  })
  test('of a sale taken back is none, but it stays a sale', async () => {
    const regretful = customer('regretful', [
      ['2024-03-01T10:00', 'visit', { value: 80, currency: 'EUR', order: 'o2' }],
      ['2024-03-09T10:00', 'visit', { outcome: 'refused', order: 'o2' }],
    ])
    await storeAll(db.store, CATALOGUE, TICK, [regretful])
    expect((await ask()).groups[0]?.totals).toMatchObject({ converted: 1, money: [] })
  })
  test('too large for a number is null', async () => {
    const rich = ['a', 'b'].map((name) =>
      customer(name, [['2024-03-01T10:00', 'visit', { value: 1.7e308, currency: 'EUR' }]]),
    )
    await storeAll(db.store, CATALOGUE, TICK, rich)
    const got = await ask()
    expect(got.groups[0]?.totals.money).toEqual([{ currency: 'EUR', value: null, cost: 0, costPerSale: 0 }])
    conversionQuestion.shape.parse(got)
  })
})

describe('a chain', () => {
  test('of one touch has it first and last; the sale itself is the last touch only where there is nothing else', async () => {
    const direct = customer('direct', [['2024-03-01T10:00', 'visit']])
    await storeAll(db.store, CATALOGUE, TICK, [direct])
    const [row] = (await ask()).groups[0]!.rows
    expect(row).toMatchObject({
      item: 'visit',
      position: { first: { chains: 1 }, middle: { chains: 0 }, last: { chains: 1 } },
      lastTouch: { of: 1 },
      with: { touchesBeforeSale: { mean: 0, p50: 0 }, timeToSaleMs: { p50: 0 } },
    })
  })
  test('that follows a sale is a repeat, also where the selection leaves it out', async () => {
    const loyal = customer('loyal', [
      ['2024-01-01T10:00', 'ad_view'],
      ['2024-01-02T10:00', 'visit'],
      ['2024-03-01T10:00', 'call_talk'],
      ['2024-03-02T10:00', 'visit'],
    ])
    await storeAll(db.store, CATALOGUE, TICK, [loyal])
    const { totals, rows } = (await ask({ to: '2024-02-01' })).groups[0]!
    expect(totals.repeat).toMatchObject({ of: 1, cameAgain: 1, boughtAgain: 1, boughtAgainRate: 1 })
    expect(rows.find(({ item }) => item === 'ad_view')?.lastTouch).toMatchObject({ of: 1, boughtAgain: 1 })
    expect((await ask({ where: 'returning=true' })).groups[0]?.totals).toMatchObject({
      chains: 1,
      new: { chains: 0 },
      returning: { converted: 1 },
      repeat: { of: 1, cameAgain: 0 },
    })
  })
  test('that is open is no loss: its touches are apart', async () => {
    const waiting = customer('waiting', [['2024-04-09T10:00', 'ad_view']])
    await storeAll(db.store, CATALOGUE, TICK, [waiting])
    expect((await ask()).groups[0]?.rows[0]).toMatchObject({
      with: { open: 1, broken: 0, conversionRate: null },
      reaction: { touches: 0, broke: 0, open: 1 },
    })
  })
})

describe('an option that cannot be met says what can', () => {
  const cases: [option: ConversionOptions, message: RegExp][] = [
    [{ of: 'colour' }, /^--of colour: expected one of touchpoint, channel, campaign$/],
    [{ from: 'yesterday' }, /^--from yesterday: expected a date/],
    [{ by: 'colour' }, /^--by colour: expected one of/],
    [{ where: 'channel' }, /^--where channel: expected KEY=VALUE/],
  ]
  test.each(cases)('%o', (option, message) => {
    expect(() => conversionQuestion.query(option as never)).toThrow(message)
  })
})

describe('in print', () => {
  test('says what goes with a sale, and nothing is wider than asked', async () => {
    const people = Array.from({ length: 40 }, (_, index) =>
      customer(`c${index}`, [
        ['2024-03-01T10:00', 'ad_view', { channel: 'ads', cost: 0.5, currency: 'EUR' }],
        ...(index % 2 === 0 ? ([['2024-03-02T10:00', 'call_talk', { channel: 'phone' }]] as const) : []),
        ...(index % 4 === 0 || index === 1
          ? ([['2024-03-03T10:00', 'visit', { value: 50, currency: 'EUR' }]] as const)
          : []),
      ]),
    )
    await storeAll(db.store, CATALOGUE, TICK, people)
    expect(conversionQuestion.text(await ask(), { width: 100 })).toMatchInlineSnapshot(`
      "Of the chains with call_talk 50 % convert, without it 5 %: +45 points (95 %: +18 to +65).

      40 chains: 11 converted, 29 broken, 0 open. Of the 40 that converted or broke, 28 % converted.

      touchpoint  chains  open  converted      95 %  without  points  went on  broke here  cost per sale
      ad_view         40     0       28 %   16–43 %        –       –     53 %        48 %       1.82 EUR
      call_talk       20     0       50 %   30–70 %      5 %     +45     50 %        50 %
      visit           11     0      100 %  74–100 %      0 %    +100    100 %         0 %

      Rates are over chains that converted or broke; open ones may still do either. Intervals are 95 %,
      each by itself. It says what goes together, not what caused the sale.
      Go on: \`weaklink report chains --with ad_view\`; by position, new and returning, repeat and money:
      --json.
      As of 2024-04-10 00:00 UTC.
      "
    `)
    for (const width of [80, 100]) {
      const lines = conversionQuestion.text(await ask({ of: 'channel', by: 'returning' }), { width }).split('\n')
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width)
    }
  })
  test('what can be compared is the conversion rate of all and of each row', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    expect(conversionQuestion.rates!(await ask()).slice(0, 2)).toEqual([
      { key: { touchpoint: '(all)' }, name: 'conversionRate', part: 1, of: 4 },
      { key: { touchpoint: 'ad_view' }, name: 'conversionRate', part: 1, of: 3 },
    ])
  })
})

function withoutDrills(report: unknown): unknown {
  return JSON.parse(
    JSON.stringify(report, (key, value) => (key === 'chains' && typeof value !== 'number' ? undefined : value)),
  )
}

function sum(outcomes: readonly Outcome[]): Record<'chains' | 'converted' | 'broken' | 'ignored' | 'open', number> {
  const total = { chains: 0, converted: 0, broken: 0, ignored: 0, open: 0 }
  for (const outcome of outcomes) {
    for (const state of Object.keys(total) as (keyof typeof total)[]) total[state] += outcome[state]
  }
  return total
}
