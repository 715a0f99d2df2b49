import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { deriveChains } from '@weaklink/chains'
import { describe, expect, it } from 'vitest'
import { appEvents, callExport, crmExport, encodeAs, NOW, temporary, tryOut } from './samples.ts'

// Whole exports: what init makes of them, and that the import takes them so.

describe('a CRM in windows-1251, divided by semicolons', async () => {
  const { look, interactions, accepted, touchpoint, catalogue } = await tryOut(
    temporary('crm.csv', encodeAs('windows-1251', crmExport())),
  )

  it('is taken in whole', () => expect(accepted).toBe(1))

  it('finds how the file is written', () => {
    expect(look.mappingText).toContain('file: { delimiter: ";", encoding: "windows-1251", decimal: "," }')
    expect(look.mapping.time).toMatchObject({ format: 'dd.MM.yyyy HH:mm', needsZone: true })
    expect(look.mappingText).toMatch(/zone: UTC +# CORRECT THIS/)
  })

  it('knows customers by their phone, and by their name where there is none', () => {
    expect(look.mapping.people.customer).toBe('{Телефон:e164|Клиент}')
    expect(look.mapping.people.people).toBe(150)
    expect(interactions.some(({ customer }) => customer?.startsWith('+7903555'))).toBe(true)
  })

  it('finds the other fields, and leaves out what is free text', () => {
    expect(look.mapping.fields.map(({ field, column }) => [field, column])).toEqual([
      ['value', 'Сумма'],
      ['channel', 'Источник'],
      ['agent', 'Менеджер'],
    ])
    expect(interactions[0]?.value).toBeGreaterThan(10_000)
    expect([...look.mapping.unused.keys()]).toContain('Комментарий')
  })

  it('orders the stages as steps toward the contract', () => {
    const steps = ['первичный_контакт', 'встреча', 'кп_отправлено', 'переговоры', 'договор_подписан'].map(
      (id) => touchpoint(id).step ?? 0,
    )
    expect(steps).toEqual(steps.toSorted((a, b) => a - b))
    expect(new Set(steps).size).toBe(5)
    expect(touchpoint('встреча').name).toEqual({ ru: 'Встреча' })
  })

  it('tells places from what only says what happened', () => {
    expect(touchpoint('отказ')).toMatchObject({ outcome: 'refused', result: true })
    expect(touchpoint('закрыто_и_не_реализовано')).toMatchObject({ outcome: 'refused', result: true })
    expect(touchpoint('оплачено')).toMatchObject({ outcome: 'bought', result: true })
    expect(touchpoint('договор_подписан').outcome).toBe('bought')
    expect(touchpoint('договор_подписан').result).toBeUndefined()
    expect(touchpoint('первичный_контакт').outcome).toBeUndefined()
  })

  it('takes the quote for the company’s, with a patience of its own', () => {
    expect(touchpoint('кп_отправлено')).toMatchObject({ by: 'company', patienceMs: catalogue.patienceMs })
  })

  it('takes the patience from the gaps', () => {
    expect(catalogue.patienceMs).toBe(7 * 86_400_000)
    expect(look.catalogueText).toContain('covers 95 % of the')
  })

  it('gives the true answer: who signed is one sale, paid or not, and who refused was lost at a place', () => {
    const chains = [...Map.groupBy(interactions, ({ customer }) => customer ?? '')].flatMap(([customer, list]) =>
      deriveChains(
        { kind: 'customer', customer },
        list.map((one, index) => ({ ...one, id: `${index}` })),
        catalogue,
        NOW,
      ),
    )
    const met = (id: string) => interactions.filter((one) => one.touchpoint === id).length
    const refused = chains.filter(({ reason }) => reason === 'refused')
    expect(chains.filter(({ state }) => state === 'converted')).toHaveLength(met('договор_подписан'))
    expect(refused).toHaveLength(met('отказ') + met('закрыто_и_не_реализовано'))
    expect(new Set(refused.map(({ place }) => place))).toEqual(
      new Set(['первичный_контакт', 'встреча', 'кп_отправлено']),
    )
  })

  it('asks which sale is the one, who customers without a phone are, and for the zone; nothing else', () => {
    const nameless = interactions.filter(({ customer }) => customer?.startsWith('Клиент')).length
    expect(look.warnings).toEqual([
      expect.stringMatching(/^Договор подписан and Оплачено \(as a result\) are both guessed as bought: which one/),
      `${nameless} rows without Телефон: there Клиент says who the customer is. Namesakes would be one customer; somebody with rows of both kinds would be two.`,
      expect.stringContaining('zone'),
    ])
  })
})

describe('a CRM that exports whole deals', async () => {
  const deals = Array.from({ length: 90 }, (_, k) => {
    const stage = ['Новая', 'Сделка успешна', 'Сделка провалена'][k % 3]
    return `${k * 3};${stage};Иван ${k % 40};+7 903 123-45-${10 + (k % 40)};${10 + (k % 18)}.01.2024;${10 + (k % 18)}.02.2024`
  })
  const head = 'ID;Стадия сделки;Контакт;Контакт: Рабочий телефон;Дата создания;Дата изменения'
  const { look, accepted, touchpoint } = await tryOut(temporary('deals.csv', `\ufeff${[head, ...deals].join('\n')}`))

  it('is taken in, with a word on what is missing', () => {
    expect(accepted).toBe(1)
    expect(touchpoint('сделка_успешна')).toMatchObject({ outcome: 'bought', result: true })
    expect(touchpoint('сделка_провалена')).toMatchObject({ outcome: 'refused', result: true })
    expect(look.warnings.join()).toContain('Дата изменения is a time too')
    expect(look.warnings.join()).toContain('only dates')
  })
})

describe('a phone system', async () => {
  const { look, interactions, accepted, touchpoint } = await tryOut(temporary('calls.csv', callExport()))

  it('is taken in whole, callers without a number included', () => {
    expect(accepted).toBe(1)
    expect(look.mapping.people.customer).toBe('{caller:e164|call_id}')
  })

  it('makes outcomes of the states of a call', () => {
    expect(look.mappingText).toContain('NO ANSWER: { touchpoint: call_wait, outcome: abandoned }')
    expect(
      interactions
        .filter(({ touchpoint }) => touchpoint === 'call_wait')
        .every(({ outcome }) => outcome === 'abandoned'),
    ).toBe(true)
    expect(touchpoint('call_wait').name?.ru).toBe('Ожидание на линии')
    expect(touchpoint('call_answer')).toMatchObject({ group: 'phone' })
  })

  it('reads seconds, queue and agent', () => {
    expect(look.mapping.fields.map(({ field, template }) => [field, template])).toEqual([
      ['waitMs', '{wait_seconds:s}'],
      ['durationMs', '{talk_seconds:s}'],
      ['queue', '{queue}'],
      ['agent', '{agent}'],
    ])
    expect(look.mapping).toMatchObject({ id: 'call_id', episode: { column: 'call_id' } })
  })

  it('says loudly that nobody buys there', () => {
    expect(look.warnings[0]).toContain('Nothing looks like a purchase')
    expect(look.warnings[1]).toMatch(/rows without caller: .* every call is a customer of its own/)
    expect(look.catalogueText).toContain('# CORRECT THIS: nothing here looks like a purchase')
  })
})

describe('JSON lines with objects in objects, gzipped', async () => {
  const { look, accepted, interactions, touchpoint } = await tryOut(temporary('app.jsonl.gz', gzipSync(appEvents())))

  it('is taken in whole', () => expect(accepted).toBe(1))

  it('finds fields by their paths', () => {
    expect(look.mapping).toMatchObject({
      people: { customer: '{userId}', anonymousId: '{anonymousId}' },
      touchpoint: { template: '{event}' },
      time: { template: '{timestamp}', format: 'iso', needsZone: false },
      id: 'messageId',
      order: 'properties.order_id',
      episode: { column: 'properties.session_id', group: 'site' },
    })
    expect(look.mapping.fields.map(({ field, column }) => [field, column])).toEqual([
      ['value', 'properties.total'],
      ['currency', 'properties.currency'],
      ['campaign', 'context.campaign.name'],
    ])
    expect(interactions[0]?.props).toEqual({ 'context.device.type': 'tablet' })
  })

  it('knows the purchase, and what failed', () => {
    expect(touchpoint('order_completed')).toMatchObject({ outcome: 'bought' })
    expect(touchpoint('payment_failed')).toMatchObject({ reaction: 'negative' })
    expect(touchpoint('checkout_started').outcome).toBeUndefined()
    expect(look.warnings).toEqual([])
  })
})

describe('JSON with the interactions in a list', async () => {
  const visits = Array.from({ length: 40 }, (_, visit) =>
    JSON.stringify({
      visitorId: `v${visit % 15}`,
      visitId: `x${visit}`,
      actionDetails: ['view', 'cart', 'purchase']
        .slice(0, 1 + (visit % 3))
        .map((action, k) => ({ action, timestamp: 1_710_000_000 + visit * 5000 + k * 60 })),
    }),
  )
  const { look, accepted, interactions } = await tryOut(temporary('visits.jsonl', visits.join('\n')))

  it('takes one interaction from each element', () => {
    expect(look.mapping).toMatchObject({
      each: 'actionDetails',
      time: { format: 's' },
      people: { anonymousId: '{visitorId}' },
    })
    expect(accepted).toBe(1)
    expect(interactions).toHaveLength(79)
  })
})

const ecom = fileURLToPath(new URL('../../../../../shared/data/ecom.csv.gz', import.meta.url))

// The file lies beside the repository, not in it.
describe.skipIf(!existsSync(ecom))('a real export of a shop', async () => {
  if (!existsSync(ecom)) return
  const { look, accepted, touchpoint, catalogue } = await tryOut(ecom)

  it('is taken in whole', () => expect(accepted).toBe(1))

  it('finds the columns', () => {
    expect(look.mapping).toMatchObject({
      people: { customer: '{user_id}', people: 600 },
      episode: { column: 'session_id', group: 'site' },
      touchpoint: { template: '{event}', states: false },
      time: { template: '{timestamp}', format: 'iso', needsZone: true },
      props: ['platform', 'user_cohort', 'user_lifecycle'],
    })
    expect(look.mapping.fields).toEqual([
      { field: 'channel', column: 'acquisition_channel', template: '{acquisition_channel}' },
    ])
    expect(look.mapping.unused.size).toBe(0)
  })

  it('knows the purchase, and takes nothing else for one', () => {
    const bought = [...catalogue.touchpoints.values()].filter(({ outcome }) => outcome === 'bought').map(({ id }) => id)
    expect(bought).toEqual(['purchase'])
    expect(touchpoint('purchase').result).toBeUndefined()
  })

  it('takes the review page for one before the purchase, as most of its visits are', () => {
    expect(touchpoint('review_page').stage).toBeUndefined()
  })

  it('puts the steps in order', () => {
    const steps = [
      'home',
      'catalog',
      'product_view',
      'add_to_cart',
      'cart',
      'shipping_details',
      'payment_details',
      'purchase',
    ].map((id) => touchpoint(id).step ?? 0)
    expect(steps).toEqual(steps.toSorted((a, b) => a - b))
  })
})
