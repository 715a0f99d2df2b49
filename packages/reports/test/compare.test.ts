import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compared, comparisonText, otherPeriod } from '../src/compare.ts'
import { type AnyOptions, QUESTIONS, written } from '../src/index.ts'
import { newcombe, wilson } from '../src/intervals.ts'
import { createTables, storeAll } from './stored.ts'
import { CATALOGUE, customer, PEOPLE, TICK } from './story.ts'

describe('intervals', () => {
  test('of a proportion, as Wilson has them', () => {
    // Newcombe (1998), Two-sided confidence intervals for the single proportion, table I.
    expect(rounded(wilson(81, 263))).toEqual([0.2553, 0.3662])
    expect(rounded(wilson(15, 148))).toEqual([0.0624, 0.1605])
    expect(rounded(wilson(0, 20))).toEqual([0, 0.1611])
    expect(rounded(wilson(1, 29))).toEqual([0.0061, 0.1718])
    expect(wilson(0, 0)).toBeNull()
    expect(wilson(7, 7)).toMatchObject({ high: 1 })
  })

  test('of a difference, as Newcombe has them', () => {
    // Newcombe (1998), Interval estimation for the difference between independent proportions, table II, method 10.
    expect(rounded(newcombe(56, 70, 48, 80))).toEqual([0.0524, 0.3339])
    expect(rounded(newcombe(9, 10, 3, 10))).toEqual([0.1705, 0.809])
    expect(rounded(newcombe(10, 10, 0, 20))).toEqual([0.6791, 1])
    expect(rounded(newcombe(0, 10, 0, 20))).toEqual([-0.1611, 0.2775])
    expect(newcombe(1, 2, 0, 0)).toBeNull()
  })

  const rounded = (interval: { low: number; high: number } | null) =>
    [interval?.low, interval?.high].map((value) => Math.round((value ?? Number.NaN) * 10_000) / 10_000)
})

describe('the other period', () => {
  test('the one just before is as long', () => {
    expect(otherPeriod('previous', '2024-05-01', '2024-05-15')).toEqual({
      from: '2024-04-17T00:00:00.000Z',
      to: '2024-05-01',
    })
    expect(otherPeriod('2023-05-01/2023-06-01', '2024-05-01', undefined)).toEqual({
      from: '2023-05-01',
      to: '2023-06-01',
    })
  })

  const wrong: [compare: string, message: RegExp][] = [
    ['previous', /^--compare previous: expected "from" and "to" with it/],
    ['last week', /^--compare last week: expected previous, or a period as/],
    ['2024-05-01/2024-05-01', /expected a period that ends after it begins/],
    ['2024-05-01/soon', /^--compare soon: expected a date/],
    ['2024-05-01/2024-06-01', /expected a period that has nothing in common with the one of "from" and "to"$/],
    ['2024-05-01/2024-06-01/2024-07-01', /expected previous, or a period/],
  ]
  test.each(wrong)('%s is an error that says what is possible', (compare, message) => {
    expect(() => otherPeriod(compare, undefined, undefined)).toThrow(message)
  })
})

test('what changed for certain comes first, what is there in one period only is there', () => {
  const rate = (touchpoint: string, part: number, of: number) => ({ key: { touchpoint }, name: 'breakRate', part, of })
  const period = { from: '2024-04-01T00:00:00.000Z', to: '2024-05-01T00:00:00.000Z', asOf: null }
  const comparison = compared(
    [rate('home', 50, 100), rate('pay', 80, 100), rate('new', 1, 2)],
    [rate('home', 48, 100), rate('pay', 30, 100), rate('old', 1, 2)],
    period,
  )
  expect(comparison.rates.map(({ key, change }) => [key.touchpoint, change])).toEqual([
    ['pay', expect.closeTo(0.5)],
    ['home', expect.closeTo(0.02)],
    ['new', null],
    ['old', null],
  ])
  expect(comparisonText(comparison, { width: 80 })).toMatchInlineSnapshot(`
    "Compared with 2024-04-01 to 2024-05-01: 1 share of 4 changed by more than chance
    explains (95 %, each by itself).

    of    share       now  before  change, points            95 %
    pay   breakRate  80 %    30 %           +50.0  +36.9 to +60.5
    home  breakRate  50 %    48 %            +2.0  −11.6 to +15.5
    new   breakRate  50 %       –               –               –
    old   breakRate     –    50 %               –               –"
  `)
})

describe('every question', () => {
  let db: TestStore
  beforeAll(async () => {
    db = await startTestStore()
    await createTables(db.store)
    await storeAll(db.store, CATALOGUE, TICK, [
      ...PEOPLE,
      customer('zoe "the\nlast"', [['2024-03-05T10:00', 'ad_view', { channel: 'a,b', props: { plan: 'pro' } }]]),
    ])
  })
  afterAll(() => db.stop())

  const named = (name: string) => {
    const found = QUESTIONS.find((one) => one.name === name)
    if (found === undefined) throw new Error(`there is no question ${name}`)
    return found
  }
  const asked = (name: string, options: AnyOptions) => named(name).prepare(options).answer(db.store)
  const text = async (name: string, options: AnyOptions, format: 'csv' | 'ndjson') => {
    let all = ''
    for await (const part of written(named(name).prepare(options).rows(db.store), format)) all += part
    return all
  }

  test.each([
    ['breakpoints', {}],
    ['funnel', { steps: 'ad_view > call_wait' }],
    ['attribution', { model: 'first' }],
    ['conversion', {}],
    ['paths', {}],
  ])('%s by touchpoint: rows keep what they were split by apart from what they are of', async (name, options) => {
    const { rows } = await named(name)
      .prepare({ ...options, by: 'touchpoint' })
      .answer(db.store)
    const pairs = rows.map((row) => `${row['by.touchpoint']} ${row.touchpoint ?? row.step ?? row.item ?? row.from}`)
    expect(rows[0]?.['by.touchpoint']).toEqual(expect.any(String))
    expect(pairs.some((pair) => new Set(pair.split(' ')).size > 1)).toBe(true)
  })

  test('compares with another period, each share by its key', async () => {
    const options = { from: '2024-03-03', to: '2024-03-05', compare: 'previous' }
    const answer = await asked('breakpoints', options)
    const { compared: comparison } = answer.report as { compared: ReturnType<typeof compared> }
    const before = await asked('breakpoints', { from: '2024-03-01', to: '2024-03-03' })
    const { groups } = before.report as { groups: { breakpoints: { touchpoint: string; broke: number }[] }[] }
    for (const { touchpoint, broke } of groups[0]?.breakpoints ?? []) {
      expect(comparison.rates.find(({ key }) => key.touchpoint === touchpoint)?.before.part).toBe(broke)
    }
    expect(named('breakpoints').shape.parse(answer.report)).toEqual(answer.report)
    expect(answer.text({ width: 100 })).toContain('Compared with 2024-03-01 to 2024-03-03')
    expect(answer.rows[0]).toMatchObject({ touchpoint: expect.any(String), rate: 'breakRate' })
  })

  test('says what there is where nothing begins with what was asked for', async () => {
    const hints = async (options: AnyOptions) => (await asked('chains', options)).hints
    expect(await hints({ where: ['channel=ads', 'channel=add'] })).toEqual([])
    expect(await hints({ where: 'channel=ads', to: '2020-01-01' })).toEqual([])
    expect(await hints({ where: 'channel=add' })).toEqual([
      'No chain begins with channel=add. Values of channel: ads, seo, (none), a,b.',
    ])
    expect(await hints({ where: 'props.plan=basic' })).toEqual([
      'No chain begins with props.plan=basic. Values of props.plan: (none), pro.',
    ])
    expect(await hints({ where: 'props.plam=pro' })).toEqual([
      'No chain begins with props.plam at all. Props that chains begin with: props.plan.',
    ])
    expect((await asked('breakpoints', { by: 'props.plam' })).hints).toEqual([
      'No chain begins with props.plam. Props that chains begin with: props.plan.',
    ])
  })

  test('is written as CSV and as one object a line', async () => {
    const csv = await text('chains', { customer: 'zoe "the\nlast"' }, 'csv')
    expect(csv).toMatch(
      /^id,kind,customer,ordinal,state,.*,touches,touchpoints\n[0-9a-f]{32},customer,"zoe ""the\nlast""",1,broken,silence,/,
    )
    const lines = (await text('chains', {}, 'ndjson')).trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { customer: string }).customer)).toContain('zoe "the\nlast"')
    expect(lines).toHaveLength(7)
    expect(await text('chains', { customer: 'nobody' }, 'csv')).toBe('')
  })
})
