import type { Fact } from '@weaklink/interactions'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Running, startCollector, WRITE_KEY } from './running.ts'

// docs/segment.md is the text of these tables.

const TIME = '2024-03-13T07:21:14.000Z'
const AT = Date.parse(TIME)
/** When everything is received here. */
const NOW = AT + 60_000

let running: Running
let count = 0
beforeAll(async () => {
  running = await startCollector({ now: () => NOW })
})
afterAll(() => running.close())

async function send(event: object): Promise<{ answer: unknown; facts: Fact[] }> {
  const before = (await running.facts()).map((fact) => JSON.stringify(fact))
  const { body } = await running.post('/v1/batch', { batch: [event] })
  const facts = (await running.facts()).filter((fact) => !before.includes(JSON.stringify(fact)))
  return { answer: body, facts }
}

const track = (properties: object = {}, more: object = {}) => ({
  type: 'track',
  event: 'Quote Sent',
  userId: 'u',
  messageId: `m-${count++}`,
  timestamp: TIME,
  properties,
  ...more,
})

describe('a Segment event becomes an interaction', () => {
  const campaign = (of: object) => ({ context: { campaign: of } })
  const rows: [given: string, event: object, then: object][] = [
    ['the event is the touchpoint', track(), { touchpoint: 'quote_sent', customer: 'u', at: AT }],
    ['in any script', track({}, { event: 'Ожидание на линии' }), { touchpoint: 'ожидание_на_линии' }],
    ['unless a property names it', track({ touchpoint: 'Quote' }), { touchpoint: 'quote' }],
    ['a page is named by its name', track({}, { type: 'page', name: 'Price List' }), { touchpoint: 'price_list' }],
    ['or its category', track({}, { type: 'page', category: 'Docs' }), { touchpoint: 'docs' }],
    ['or is a visit of the site', track({}, { type: 'page' }), { touchpoint: 'site_visit' }],
    ['and a screen one of the app', track({}, { type: 'screen' }), { touchpoint: 'app_visit' }],
    ['nobody known', track({}, { userId: null, anonymousId: 'a' }), { anonymousId: 'a', customer: undefined }],
    ['both known', track({}, { anonymousId: 'a' }), { anonymousId: 'a', customer: 'u' }],
    ['ids that are numbers', track({}, { userId: 17 }), { customer: '17' }],
    [
      'properties that are fields',
      track({
        by: 'company',
        outcome: 'abandoned',
        reaction: 'negative',
        episode: 'e',
        order: 'o',
        waitMs: 1,
        durationMs: 2,
        value: 3,
        cost: 4,
        currency: 'eur',
        channel: 'phone',
        queue: 'q',
        agent: 'g',
      }),
      {
        by: 'company',
        outcome: 'abandoned',
        reaction: 'negative',
        episode: 'e',
        order: 'o',
        waitMs: 1,
        durationMs: 2,
        value: 3,
        cost: 4,
        currency: 'EUR',
        channel: 'phone',
        queue: 'q',
        agent: 'g',
        props: undefined,
      },
    ],
    [
      'a campaign',
      track({}, campaign({ name: 'spring', source: 'google', medium: 'cpc' })),
      { campaign: 'spring', channel: 'google' },
    ],
    ['its medium', track({}, campaign({ medium: 'cpc' })), { campaign: undefined, channel: 'cpc' }],
    ['a channel of its own', track({ channel: 'web' }, campaign({ source: 'google' })), { channel: 'web' }],
    [
      'the rest is props: what is flat',
      track({ color: 'red', size: 4, gift: false, deep: { a: 1 }, list: [1], nothing: null, '': 'x', 'bad\u0000': 1 }),
      { props: { color: 'red', size: 4, gift: false } },
    ],
    ['revenue is value', track({ revenue: 9.5 }), { value: 9.5, props: undefined }],
    ['also as text', track({ revenue: '9.50' }), { value: 9.5 }],
    ['value goes before it', track({ value: 1, revenue: 2 }), { value: 1, props: { revenue: 2 } }],
    ['total says nothing elsewhere', track({ total: 2 }), { value: undefined, props: { total: 2 } }],
    [
      'Order Completed is a sale',
      track({ order_id: 50314, total: 30, currency: 'USD', products: [{}] }, { event: 'Order Completed' }),
      {
        touchpoint: 'order_completed',
        outcome: 'bought',
        order: '50314',
        value: 30,
        currency: 'USD',
        props: undefined,
      },
    ],
    [
      'by its revenue',
      track({ total: 30, revenue: 25 }, { event: 'Completed Order' }),
      { outcome: 'bought', value: 25 },
    ],
    [
      'unless it says otherwise',
      track({ outcome: 'continued' }, { event: 'Order Completed' }),
      { outcome: 'continued' },
    ],
    [
      'Order Refunded takes it back',
      track({ order_id: 'o', total: 30 }, { event: 'Order Refunded' }),
      { outcome: 'refused', order: 'o', value: undefined, props: { total: 30 } },
    ],
    [
      'so does Order Cancelled',
      track({ order_id: 'o' }, { event: 'Order Cancelled' }),
      { outcome: 'refused', order: 'o' },
    ],
    [
      'money that the sale will name again is none yet',
      track({ revenue: 25, value: 30 }, { event: 'Checkout Started' }),
      { outcome: undefined, value: undefined, props: { revenue: 25, value: 30 } },
    ],
    ['originalTimestamp', track({}, { timestamp: undefined, originalTimestamp: TIME }), { at: AT }],
    ['no time at all', track({}, { timestamp: undefined }), { at: NOW }],
    [
      'a clock an hour behind',
      track({}, { timestamp: '2024-03-13T06:21:14Z', sentAt: new Date(NOW - 3_600_000).toISOString() }),
      { at: AT },
    ],
    [
      'a clock a day ahead',
      track({}, { timestamp: '2024-03-14T07:21:14Z', sentAt: new Date(NOW + 86_400_000).toISOString() }),
      { at: AT },
    ],
    ['a clock that is right', track({}, { sentAt: new Date(NOW - 900).toISOString() }), { at: AT }],
    [
      'a name that objects have',
      track({}, { event: 'constructor' }),
      { touchpoint: 'constructor', outcome: undefined },
    ],
  ]
  it.each(rows)('%s', async (_given, event, then) => {
    const { answer, facts } = await send(event)
    expect(answer).toEqual({ success: true, accepted: 1, duplicates: 0, rejected: [] })
    expect(facts).toHaveLength(1)
    const [fact] = facts
    const expected = { id: (event as { messageId: string }).messageId, ...then }
    expect(fact?.kind === 'interaction' && { ...blank(then), ...fact.interaction }).toMatchObject(expected)
  })

  it('has at most 32 props; the others are left out', async () => {
    const properties = Object.fromEntries(Array.from({ length: 40 }, (_, k) => [`p${k}`, k]))
    const { facts } = await send(track(properties))
    expect(facts[0]?.kind === 'interaction' && Object.keys(facts[0].interaction.props ?? {})).toHaveLength(32)
  })
})

/** The fields that are expected to be absent. */
function blank(then: object): object {
  return Object.fromEntries(Object.entries(then).filter(([, value]) => value === undefined))
}

describe('a Segment event that is wrong is named as Segment names it', () => {
  const rows: [given: string, event: unknown, field: string, reason: string][] = [
    ['no event', track({}, { event: undefined }), 'event', 'missing_field'],
    ['an event without a letter', track({}, { event: '—' }), 'event', 'bad_touchpoint'],
    ['an event that is no text', track({}, { event: 5 }), 'event', 'wrong_type'],
    ['no type', track({}, { type: undefined }), 'type', 'missing_field'],
    ['an unknown type', track({}, { type: 'tack' }), 'type', 'unknown_value'],
    ['nobody', track({}, { userId: undefined }), 'userId', 'missing_customer'],
    ['a user that is an object', track({}, { userId: {} }), 'userId', 'wrong_type'],
    ['a long id', track({}, { messageId: 'm'.repeat(129) }), 'messageId', 'too_long'],
    ['properties that are none', track({}, { properties: 'x' }), 'properties', 'wrong_type'],
    ['a wait in words', track({ waitMs: '5s' }), 'properties.waitMs', 'wrong_type'],
    ['an unknown outcome', track({ outcome: 'sold' }), 'properties.outcome', 'unknown_value'],
    ['revenue in words', track({ revenue: '$5' }), 'properties.revenue', 'wrong_type'],
    ['a currency that is none', track({ currency: 'EURO' }), 'properties.currency', 'not_a_currency'],
    ['an order that is a list', track({ order_id: [] }), 'properties.order_id', 'wrong_type'],
    [
      'a campaign that is a number',
      track({}, { context: { campaign: { name: 5 } } }),
      'context.campaign.name',
      'wrong_type',
    ],
    ['a time without offset', track({}, { timestamp: '2024-03-13T07:21:14' }), 'timestamp', 'time_without_offset'],
    ['a time to come', track({}, { timestamp: '2025-03-13T07:21:14Z' }), 'timestamp', 'at_in_future'],
    ['a time that no calendar has', track({}, { timestamp: 1e300, sentAt: 1e300 }), 'timestamp', 'at_out_of_range'],
    ['alias without the former id', { type: 'alias', userId: 'u' }, 'previousId', 'missing_field'],
    ['alias without the new one', { type: 'alias', previousId: 'a' }, 'userId', 'missing_field'],
    ['a long id to link', { type: 'identify', userId: 'u'.repeat(257), anonymousId: 'a' }, 'userId', 'too_long'],
    ['no event at all', 5, '', 'not_an_object'],
  ]
  it.each(rows)('%s', async (_given, event, field, reason) => {
    const { body, status } = await running.post('/v1/batch', { batch: [track(), event] })
    expect(status).toBe(200)
    expect(body).toMatchObject({ success: true, accepted: 1, rejected: [{ index: 1, field, reason }] })
  })
})

describe('links', () => {
  const rows: [given: string, event: object, then: object | null][] = [
    [
      'identify with both ids',
      { type: 'identify', userId: 'u1', anonymousId: 'a1' },
      { anonymousId: 'a1', customer: 'u1' },
    ],
    ['alias', { type: 'alias', userId: 'u2', previousId: 'a2' }, { anonymousId: 'a2', customer: 'u2' }],
    ['identify with one id', { type: 'identify', userId: 'u3' }, null],
    ['identify with a null', { type: 'identify', userId: 'u3', anonymousId: null }, null],
    ['group', { type: 'group', userId: 'u4', groupId: 'g' }, null],
  ]
  it.each(rows)('%s', async (_given, event, then) => {
    const messageId = `l-${count++}`
    const { answer, facts } = await send({ ...event, messageId })
    expect(answer).toMatchObject({ accepted: 1, rejected: [] })
    expect(facts).toEqual(then === null ? [] : [{ kind: 'link', link: { id: messageId, ...then } }])
  })

  it('get an id where they have none', async () => {
    const { facts } = await send({ type: 'identify', userId: 'u5', anonymousId: 'a5' })
    expect(facts).toMatchObject([{ kind: 'link', link: { id: expect.stringMatching(/^[0-9a-f-]{36}$/) } }])
  })
})

describe('the routes of the Segment API', () => {
  it.each([
    ['track', { event: 'Quote' }],
    ['page', { name: 'Quote' }],
    ['screen', { name: 'Quote' }],
    ['t', { event: 'Quote' }],
    ['p', { name: 'Quote' }],
    ['s', { name: 'Quote' }],
  ])('/v1/%s says what the event is', async (path, event) => {
    const messageId = `r-${count++}`
    const { status, body } = await running.post(`/v1/${path}`, { ...event, messageId, userId: 'u', timestamp: TIME })
    expect([status, body]).toEqual([200, { success: true, accepted: 1, duplicates: 0, rejected: [] }])
    const found = (await running.interactions()).filter(({ id }) => id === messageId)
    expect(found).toMatchObject([{ touchpoint: 'quote', customer: 'u', at: AT }])
  })

  it.each(['identify', 'i', 'alias', 'a', 'group', 'g'])('/v1/%s', async (path) => {
    const event = { userId: `u-${path}`, anonymousId: `x-${path}`, previousId: `x-${path}` }
    expect(await running.post(`/v1/${path}`, event)).toMatchObject({ status: 200, body: { accepted: 1 } })
    const links = (await running.facts()).filter((fact) => fact.kind === 'link' && fact.link.customer === `u-${path}`)
    expect(links).toHaveLength(path.startsWith('g') ? 0 : 1)
  })

  it.each(['/v1/batch', '/v1/b', '/v1/import', '/beacon/v1/batch'])('%s', async (path) => {
    expect((await running.post(path, { batch: [track()], sentAt: TIME })).body.accepted).toBe(1)
  })

  it('reads JSON whatever the content type says', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'json', '']) {
      const answer = await running.post('/v1/track', track(), { 'content-type': type })
      expect([type, answer.status, answer.body.accepted]).toEqual([type, 200, 1])
    }
  })

  it('finds the write key wherever Segment’s libraries put it', async () => {
    const basic = `Basic ${Buffer.from(`${WRITE_KEY}:`).toString('base64')}`
    const send = async (url: string, headers: Record<string, string>, body: object) =>
      (await fetch(running.url + url, { method: 'POST', headers, body: JSON.stringify(body) })).status
    expect(await send('/v1/track', { authorization: basic }, track())).toBe(200)
    expect(await send('/v1/track', {}, track({}, { writeKey: WRITE_KEY }))).toBe(200)
    expect(await send('/v1/batch', {}, { batch: [track()], writeKey: WRITE_KEY })).toBe(200)
    expect(await send(`/beacon/v1/batch?writeKey=${WRITE_KEY}`, {}, { batch: [track()] })).toBe(200)
    expect(await send('/v1/track', {}, track({}, { writeKey: 'other' }))).toBe(401)
    expect(await send('/v1/track', {}, track())).toBe(401)
    expect(await send('/v1/track', { authorization: 'Basic eDo=' }, track({}, { writeKey: WRITE_KEY }))).toBe(401)
  })

  it('refuses a batch that is none', async () => {
    for (const body of [{}, [], { batch: {} }, 5, null])
      expect(await running.post('/v1/batch', body)).toMatchObject({ status: 400, body: { status: 400 } })
  })
})
