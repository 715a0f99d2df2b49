import { describe, expect, it } from 'vitest'
import { DAY_MS } from '../../src/init/history.ts'
import { meaningOf } from '../../src/init/meaning.ts'
import { timeRangeOf } from '../../src/init/time-range.ts'
import { temporary, tryOut } from './samples.ts'

// What only a person can tell: what init asks, and what it does not.

describe('rows far from all others', () => {
  const START = Date.UTC(2024, 0, 3)
  /** Rows at these days; line 2 is the first. */
  const range = (days: readonly number[]) =>
    timeRangeOf(days.map((day, index) => ({ at: START + day * DAY_MS, line: index + 2 })))
  const daily = (count: number, from = 0) => Array.from({ length: count }, (_, k) => from + k)

  const cases: [string, readonly number[], { oldest: number[] | null; newest: number[] | null }][] = [
    ['one row a year later', [...daily(50), 415], { oldest: null, newest: [52] }],
    ['one row, in the middle of the file', [...daily(9), 374, ...daily(40, 9)], { oldest: null, newest: [11] }],
    ['one row years before', [-3653, ...daily(50)], { oldest: [2], newest: null }],
    ['both', [...daily(50), 415, -365], { oldest: [53], newest: [52] }],
    ['a few rows', [...daily(50), 415, 416, 2000], { oldest: null, newest: [52, 53, 54] }],
    ['a gap of exactly 60 days', [...daily(50), 109], { oldest: null, newest: null }],
    ['a gap of 61 days', [...daily(50), 110], { oldest: null, newest: [52] }],
    ['gaps that the file has elsewhere too', [...daily(20), ...daily(20, 110), 220], { oldest: null, newest: null }],
    ['many rows: a business that paused', [...daily(50), ...daily(6, 200)], { oldest: null, newest: null }],
    ['too few rows to say', [0, 1, 2, 400], { oldest: null, newest: null }],
    ['one row in five', [0, 1, 2, 3, 400], { oldest: null, newest: [6] }],
    [
      'one in a thousand',
      [...daily(8000).map((k) => k / 99), ...daily(8, 400)],
      { oldest: null, newest: daily(8, 8002) },
    ],
  ]
  for (const [name, days, { oldest, newest }] of cases) {
    it(name, () => {
      const found = range(days)
      expect(found?.oldest?.lines ?? null).toEqual(oldest)
      expect(found?.newest?.lines ?? null).toEqual(newest)
    })
  }
  it('spans all rows, strays among them', () => {
    expect(range([...daily(50), 415])).toMatchObject({ from: START, to: START + 415 * DAY_MS })
    expect(range([])).toBeNull()
  })
})

describe('notes', () => {
  const notes = [
    'Думает',
    'В работе',
    'Отложено',
    'thinking',
    'on hold',
    'Pending',
    'In progress',
    'на паузе',
    '考虑中',
  ]
  for (const name of notes) it(`${name}: perhaps`, () => expect(meaningOf(name, true).maybeNote).toBe(true))

  const places = ['Переговоры', 'payment_pending', 'Ожидает оплаты', 'save_for_later', 'Встреча', 'Отказ', 'Рассылка']
  for (const name of places) it(`${name}: no`, () => expect(meaningOf(name, true).maybeNote).toBe(false))
})

describe('a CRM with a typo in a date, notes among the stages and names in several spellings', async () => {
  const way = ['Заявка', 'В работе', 'КП отправлено', 'Думает', 'Договор подписан', 'Оплачено']
  const rows = Array.from({ length: 120 }, (_, k) => {
    const [customer, step] = [Math.floor(k / way.length), k % way.length]
    // The last customer's contract, in line 120, is dated a year too late.
    const year = k === 118 ? 2024 : 2023
    const stage = k === 5 ? 'оплачено' : k === 11 ? 'Оплачено ' : way[step]
    const phone = customer === 3 ? '' : `+7903555${1000 + customer}`
    return `Клиент ${customer};${phone};"${stage}";${10 + customer}.0${3 + step}.${year} 10:00`
  })
  const { look, accepted, touchpoint } = await tryOut(
    temporary('typo.csv', `Клиент;Телефон;Этап;Дата\n${rows.join('\n')}\n`),
  )

  it('is taken in whole', () => expect(accepted).toBe(1))

  it('names the line of the typo, and what it would do', () => {
    expect(look.times).toMatchObject({ from: Date.UTC(2023, 2, 10, 10), newest: { lines: [120] } })
    expect(look.warnings[0]).toBe(
      'Line 120 is of 2024-07-29, 335 days after all others, which end on 2023-08-29. A typo there makes --clock data judge every chain by that date.',
    )
  })

  it('asks which of two is the sale', () => {
    expect(look.warnings[1]).toContain('which one is the sale?')
    expect(look.warnings[1]).toContain('Договор подписан and Оплачено (as a result)')
  })

  it('asks about notes, and makes none of them a result by itself', () => {
    expect(look.warnings[2]).toBe(
      'В работе and Думает: are these places or notes of yours? A note gets result: true in touchpoints.yaml, then the loss counts at the place before it.',
    )
    expect(touchpoint('думает').result).toBeUndefined()
    expect(look.catalogueText).toContain('interactions; CHECK: a place, or a note of yours (result: true)?')
  })

  it('says how many rows a name stands for the phone', () => {
    expect(look.warnings[3]).toMatch(/^6 rows without Телефон: there Клиент says who the customer is\. Namesakes/)
  })

  it('counts touchpoints as the catalogue does', () => {
    expect(look.touchpoints).toEqual({ different: 6, merged: 2 })
    expect(look.catalogue.touchpoints).toHaveLength(6)
    expect(look.mappingText).toMatch(/touchpoint: .*# 6 different, 2 spellings merged$/m)
  })

  it('says what by: company means for an offer', () => {
    expect(touchpoint('кп_отправлено').by).toBe('company')
    expect(look.catalogueText).toContain(
      '# by: company says that the company acted, e.g. with a message or an offer; with a patience of its own it waits for\n# the customer’s answer',
    )
  })
})
