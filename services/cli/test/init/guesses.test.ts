import { describe, expect, it } from 'vitest'
import { tableOf } from '../../src/init/columns.ts'
import { DAY_MS, guessPatience, guessSteps, HOUR_MS, type Met } from '../../src/init/history.ts'
import { guessMapping } from '../../src/init/mapping.ts'
import { meaningOf } from '../../src/init/meaning.ts'
import { guessTime } from '../../src/init/times.ts'
import { guessCatalogue } from '../../src/init/touchpoints.ts'
import { wordsOf } from '../../src/init/words.ts'

describe('names', () => {
  const same: [string, string][] = [
    ['userId', 'user id'],
    ['User ID', 'user id'],
    ['context.user_id', 'context user id'],
    ['Teléfono', 'telefono'],
    ['Счёт-фактура', 'счет фактура'],
    ['Первичный  контакт', 'первичный контакт'],
    ['客户ID', '客户id'],
  ]
  for (const [name, words] of same) it(`${name} is ${words}`, () => expect(wordsOf(name)).toBe(words))
})

describe('what a touchpoint’s name means', () => {
  const bought = [
    'purchase',
    'order_completed',
    'Order Completed',
    'payment_success',
    'checkout_complete',
    'Договор подписан',
    'Продажа',
    'Покупка',
    'compra',
    'Pago completado',
    'Kauf',
    'Vertrag unterschrieben',
    '付款成功',
    '成交',
  ]
  for (const name of bought)
    it(`${name}: bought`, () => expect(meaningOf(name, true)).toMatchObject({ outcome: 'bought', result: false }))

  const results = ['Оплачено', 'paid', 'Closed Won', 'Успешно реализовано', 'Сделка успешна', 'pagado', '已付款']
  for (const name of results)
    it(`${name}: bought, a result`, () =>
      expect(meaningOf(name, true)).toMatchObject({ outcome: 'bought', result: true }))

  const lost = [
    'deal_lost',
    'Closed Lost',
    'Отказ',
    'Отказ клиента',
    'Закрыто и не реализовано',
    'cancelled',
    'rejected',
    'Declined',
    'rechazado',
    'Abgelehnt',
    '流失',
  ]
  for (const name of lost)
    it(`${name}: refused, a result`, () =>
      expect(meaningOf(name, true)).toMatchObject({ outcome: 'refused', result: true }))

  const plain = [
    'payment_details',
    'checkout',
    'Checkout Started',
    'purchase_history',
    'order_pending',
    'Ожидает оплаты',
    'Не оплачено',
    'paid_search',
    'Переговоры',
    'unpaid',
    'add_to_cart',
    'Первичный контакт',
    'purchase_button_click',
  ]
  for (const name of plain) it(`${name}: nothing final`, () => expect(meaningOf(name, true).outcome).toBeUndefined())

  it('a card that was declined is a refusal at a place', () => {
    expect(meaningOf('payment_declined', false)).toMatchObject({ outcome: 'refused', result: false })
  })
  it('an order that was paid is a place where it is an event', () => {
    expect(meaningOf('order_paid', false)).toMatchObject({ outcome: 'bought', result: false })
  })
  for (const name of ['newsletter', 'sms_reminder', 'Рассылка', 'email sent', 'Напоминание']) {
    it(`${name}: by the company`, () => expect(meaningOf(name, false)).toMatchObject({ by: 'company' }))
  }
  for (const name of ['email_opened', 'newsletter_signup', 'sms_click']) {
    it(`${name}: by the customer`, () => expect(meaningOf(name, false).by).toBeUndefined())
  }
})

describe('times', () => {
  const cases: [string[], object | null][] = [
    [['2024-03-13 10:21:14', '2024-03-14'], { format: 'iso', needsZone: true, hasTimeOfDay: true }],
    [['2024-03-13T10:21:14Z', '2024-03-13T10:21:14.5+03:00'], { format: 'iso', needsZone: false }],
    [['03.05.2024 14:20', '31.12.2024 09:00'], { format: 'dd.MM.yyyy HH:mm', ambiguous: false }],
    [['03.05.2024 14:20:59'], { format: 'dd.MM.yyyy HH:mm:ss', ambiguous: false }],
    [['03.05.2024 9:05', '03.05.2024 14:20'], { format: 'dd.MM.yyyy H:mm' }],
    [['3.5.2024', '13.5.2024'], { format: 'd.M.yyyy', hasTimeOfDay: false }],
    [['05/31/2024 10:00', '06/01/2024 10:00'], { format: 'MM/dd/yyyy HH:mm', ambiguous: false }],
    [['31/05/2024 10:00', '01/06/2024 10:00'], { format: 'dd/MM/yyyy HH:mm', ambiguous: false }],
    [['5/3/2024 2:20 PM', '5/30/2024 12:05 AM'], { format: 'M/d/yyyy h:mm a' }],
    [['2024/05/03 14:20'], { format: 'yyyy/MM/dd HH:mm', needsZone: true }],
    [['2024/5/1 9:05', '2024/5/28 19:05'], { format: 'yyyy/M/d H:mm' }],
    [['13 Mar 2024 10:21'], { format: 'd MMM yyyy HH:mm' }],
    [['March 3, 2024, 2:20 PM'], { format: 'MMMM d, yyyy, h:mm a' }],
    [['2024/05/03 14:20:00 +0300'], { needsZone: false }],
    [['1710325274', '1710325275.25'], { format: 's', needsZone: false }],
    [['1710325274000'], { format: 'ms' }],
    [['1710325274000123'], { format: 'us' }],
    [['20240503'], { format: 'yyyyMMdd', hasTimeOfDay: false }],
    [['hello', 'world'], null],
    [['79035551234'], null],
  ]
  for (const [texts, expected] of cases) {
    it(texts.join(' | '), () => {
      const guess = guessTime(texts, true)
      if (expected === null) expect(guess).toBeNull()
      else expect(guess).toMatchObject({ fit: 1, ...expected })
    })
  }

  it('of two readings takes the one that spans less, and says that it is not sure', () => {
    expect(guessTime(['05/01/2024', '05/02/2024', '05/12/2024'], true)).toMatchObject({
      format: 'MM/dd/yyyy',
      ambiguous: true,
    })
    expect(guessTime(['01/05/2024', '02/05/2024', '12/05/2024'], true)).toMatchObject({
      format: 'dd/MM/yyyy',
      ambiguous: true,
    })
  })
})

describe('columns', () => {
  const guessOf = (rows: readonly Record<string, string>[]) => {
    const result = guessMapping(tableOf(rows, Object.keys(rows[0] ?? {})))
    if (!result.ok) throw new Error(`no ${result.missing}`)
    return result.guess
  }
  const rows = (count: number, row: (k: number) => Record<string, string>) =>
    Array.from({ length: count }, (_, k) => row(k))

  it('joins a date and a time of day', () => {
    const guess = guessOf(
      rows(40, (k) => ({
        Дата: `${10 + (k % 20)}.05.2024`,
        Время: `1${k % 10}:15`,
        Телефон: `+7903555000${k % 8}`,
        Событие: ['Звонок', 'Визит'][k % 2]!,
      })),
    )
    expect(guess.time).toMatchObject({ template: '{Дата} {Время}', format: 'dd.MM.yyyy HH:mm' })
    expect(guess.unused.size).toBe(0)
  })
  it('escapes what templates read as their own', () => {
    const guess = guessOf(
      rows(40, (k) => ({
        'user:id': `u${k % 9}`,
        'at|utc': `2024-05-${10 + (k % 20)}T10:00:00Z`,
        event: `e${k % 3}`,
        'a.b': `p${k % 2}`,
      })),
    )
    expect(guess.people.customer).toBe('{user\\:id}')
    expect(guess.time.template).toBe('{at\\|utc}')
    expect(guess.props).toEqual(['a.b'])
  })
  it('without a telling name finds the customer by how often the values come', () => {
    const guess = guessOf(
      rows(200, (k) => ({
        who: `w${(k * 7) % 23}`,
        visit: `q${Math.floor(k / 2)}`,
        when: `2024-05-01T${String(k % 24).padStart(2, '0')}:00:00Z`,
        what: ['see', 'ask', 'buy'][k % 3]!,
      })),
    )
    expect(guess.people).toMatchObject({ customer: '{who}', byStatistics: true })
    expect(guess.touchpoint.template).toBe('{what}')
  })
  it('takes no row number for an id', () => {
    const guess = guessOf(
      rows(40, (k) => ({
        id: `${k + 1}`,
        user_id: `u${k % 9}`,
        event: `e${k % 3}`,
        at: `2024-05-01T10:00:${10 + k}Z`,
      })),
    )
    expect(guess.id).toBeUndefined()
  })
  it('leaves out amounts that are no numbers', () => {
    const guess = guessOf(
      rows(40, (k) => ({
        user_id: `u${k % 9}`,
        event: `e${k % 3}`,
        at: `2024-05-01T10:00:${10 + k}Z`,
        amount: k % 2 ? 'free' : '12',
        duration: '00:03:12',
      })),
    )
    expect(guess.fields).toEqual([])
    expect(guess.unused.get('amount')).toContain('no numbers')
  })
  it('reads 1,234.50 and 1.234,50', () => {
    const priced = (price: string) =>
      guessOf(rows(40, (k) => ({ user_id: `u${k % 9}`, event: `e${k % 3}`, at: `2024-05-01T10:00:${10 + k}Z`, price })))
    expect(priced('1,234.50').decimal).toBe('.')
    expect(priced('1.234,50').decimal).toBe(',')
    expect(priced('1234.5').decimal).toBeUndefined()
  })
  it('fills up rows of another kind from another column', () => {
    const guess = guessOf(
      rows(90, (k) => ({
        user_id: `u${k % 9}`,
        event: k % 3 ? `e${k % 4}` : '',
        type: k % 3 ? 'track' : 'page',
        at: `2024-05-01T10:${10 + (k % 50)}:00Z`,
      })),
    )
    expect(guess.touchpoint.template).toBe('{event|type}')
  })
  it('has our own field names for what they are', () => {
    const guess = guessOf(
      rows(40, (k) => ({
        customer: `u${k % 9}`,
        touchpoint: `t${k % 3}`,
        at: `2024-05-01T10:00:${10 + k}Z`,
        episode: `v${k % 12}`,
        waitMs: `${k * 100}`,
        by: k % 2 ? 'customer' : 'company',
      })),
    )
    expect(guess).toMatchObject({
      people: { customer: '{customer}' },
      touchpoint: { template: '{touchpoint}' },
      episode: { column: 'episode' },
    })
    expect(guess.fields).toEqual([
      { field: 'waitMs', column: 'waitMs', template: '{waitMs:ms}' },
      { field: 'by', column: 'by', template: '{by}' },
    ])
  })
  it('prefers a caller who is written as a number, and the time of the talk', () => {
    const guess = guessOf(
      rows(60, (k) => ({
        calldate: `2024-05-01 10:${10 + (k % 50)}:00`,
        clid: `"Anna" <890355510${10 + (k % 9)}>`,
        src: `890355510${10 + (k % 9)}`,
        channel: `SIP/trunk-${k}`,
        duration: `${k}`,
        billsec: `${k}`,
        disposition: ['ANSWERED', 'NO ANSWER', 'BUSY'][k % 3]!,
      })),
    )
    expect(guess.people.customer).toBe('{src:e164}')
    expect(guess.fields.map(({ field, template }) => [field, template])).toEqual([['durationMs', '{billsec:s}']])
  })
  it('says what is missing', () => {
    expect(guessMapping(tableOf([{ a: 'x' }], null))).toEqual({ ok: false, missing: 'time' })
    expect(guessMapping(tableOf([{ at: '2024-05-01T10:00:00Z', event: 'x' }], null))).toEqual({
      ok: false,
      missing: 'customer',
    })
  })
})

describe('from what customers did', () => {
  /** Days at which one customer met touchpoints: `a0 b1.5`. */
  const history = (person: string, text: string): Met[] =>
    text.split(' ').map((word) => {
      const [, touchpoint = '', day] = /^([a-z_]+)([\d.]+)$/.exec(word) ?? []
      return { person, touchpoint, at: Number(day) * DAY_MS, episode: undefined }
    })

  it('patience covers 95 % of the gaps, those after an end apart', () => {
    const histories = Array.from({ length: 30 }, (_, k) => history(`${k}`, 'a0 b2 won2.5 a80'))
    expect(guessPatience(histories, new Set(['won']))).toEqual({ patienceMs: 3 * DAY_MS, gaps: 60, own: new Map() })
  })
  it('a gap of exactly one hour is covered by an hour', () => {
    const histories = Array.from({ length: 30 }, () =>
      [0, 1].map((k): Met => ({ person: 'p', touchpoint: 'a', at: k * HOUR_MS, episode: undefined })),
    )
    expect(guessPatience(histories, new Set()).patienceMs).toBe(HOUR_MS)
  })
  it('a touchpoint has its own where customers take far longer', () => {
    const short = Array.from({ length: 1500 }, (_, k) => history(`s${k}`, 'a0 b0.5'))
    const long = Array.from({ length: 60 }, (_, k) => history(`l${k}`, 'quote0 b25'))
    expect(guessPatience([...short, ...long], new Set()).own).toEqual(new Map([['quote', 30 * DAY_MS]]))
  })
  it('too few gaps give the usual 30 days', () => {
    expect(guessPatience([history('x', 'a0 b1')], new Set())).toEqual({
      patienceMs: 30 * DAY_MS,
      gaps: null,
      own: new Map(),
    })
  })
  it('steps follow the order of first occurrences; what changes places is one step', () => {
    const histories = [
      history('x', 'a0 b1 c2 d3'),
      history('y', 'a0 c1 b2 d3'),
      history('z', 'a0 b1 a1.5 c2 d3'),
      history('w', 'a0 c1 b2 d3'),
    ]
    expect(guessSteps(histories, new Set(['a', 'b', 'c', 'd']), new Set())).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
        ['c', 2],
        ['d', 3],
      ]),
    )
  })

  it('interactions of one instant are no gap', () => {
    const histories = Array.from({ length: 30 }, (_, k) => history(`${k}`, 'a0 b0 c5'))
    expect(guessPatience(histories, new Set())).toMatchObject({ gaps: 30, patienceMs: 7 * DAY_MS })
  })
  it('what never follows another has no steps', () => {
    expect(guessSteps([history('x', 'a0'), history('y', 'b0')], new Set(['a', 'b']), new Set())).toEqual(new Map())
  })

  const options = { names: new Map(), states: false, group: undefined, hasOrders: false }
  const entry = (met: Met[], id: string, more: object = {}) =>
    guessCatalogue(met, { ...options, ...more }).touchpoints.find((one) => one.id === id)

  it('a second purchase of the same sale is a result, unless orders tell sales apart', () => {
    const met = Array.from({ length: 5 }, (_, k) => history(`${k}`, 'view0 order_completed1 payment_success2')).flat()
    expect(entry(met, 'order_completed')?.result).toBeUndefined()
    expect(entry(met, 'payment_success')).toMatchObject({ outcome: 'bought', result: true })
    expect(entry(met, 'payment_success', { hasOrders: true })?.result).toBeUndefined()
  })
  it('a review after the sale belongs to it, one before does not', () => {
    expect(entry(history('x', 'view0 purchase1 review9'), 'review')).toMatchObject({ stage: 'post_purchase' })
    expect(entry(history('x', 'review0 purchase1'), 'review')?.stage).toBeUndefined()
  })
  it('a refund takes a sale back', () => {
    expect(entry(history('x', 'view0 purchase1 refund9'), 'refund')).toMatchObject({
      outcome: 'refused',
      result: true,
      stage: 'post_purchase',
    })
  })
})
