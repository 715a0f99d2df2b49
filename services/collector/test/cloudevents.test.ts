import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from 'cloudevents'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Running, startCollector, WRITE_KEY } from './running.ts'

// docs/cloudevents.md is the text of these tables.

const TIME = '2024-03-13T07:21:14.000Z'
const AT = Date.parse(TIME)
const NOW = AT + 60_000

let running: Running
let count = 0
beforeAll(async () => {
  running = await startCollector({ now: () => NOW })
})
afterAll(() => running.close())

const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
const BATCHED = { 'content-type': 'application/cloudevents-batch+json' }

const event = (data?: unknown, more: object = {}) => ({
  specversion: '1.0',
  id: `e-${count++}`,
  source: '/calls',
  type: 'Call Wait',
  subject: 'c',
  time: TIME,
  ...(data === undefined ? {} : { data }),
  ...more,
})
const stored = async (id: string) => (await running.interactions()).filter((one) => one.id === id)

describe('the data of a CloudEvent is an interaction, which its attributes complete', () => {
  const whole = { id: 'd', customer: 'x', touchpoint: 'quote', at: 5 }
  const rows: [given: string, event: ReturnType<typeof event>, then: object][] = [
    ['data says everything', event({ ...whole, id: `d-${count}` }), { customer: 'x', touchpoint: 'quote', at: 5 }],
    ['data says nothing', event(), { customer: 'c', touchpoint: 'call_wait', at: AT }],
    ['or the rest', event({ waitMs: 5, outcome: 'abandoned' }), { customer: 'c', waitMs: 5, outcome: 'abandoned' }],
    ['data names somebody anonymous', event({ anonymousId: 'a' }), { anonymousId: 'a', customer: undefined }],
    ['no time', event({}, { time: undefined }), { at: NOW }],
    [
      'data in Base64',
      event(undefined, { data_base64: Buffer.from('{"queue":"q"}').toString('base64') }),
      { queue: 'q' },
    ],
    [
      'attributes that are ours by name only',
      event({}, { channel: 'phone', traceparent: 'x' }),
      { channel: undefined },
    ],
  ]
  it.each(rows)('%s', async (_given, sent, then) => {
    expect(await running.post('/v1/events', sent, STRUCTURED)).toMatchObject({
      status: 202,
      body: { accepted: 1, duplicates: 0, rejected: [] },
    })
    const id = (sent as { data?: { id?: string } }).data?.id ?? sent.id
    const [found] = await stored(id)
    for (const [field, value] of Object.entries(then)) expect([field, found?.[field as 'at']]).toEqual([field, value])
  })
})

describe('a CloudEvent that is wrong', () => {
  const rows: [given: string, event: unknown, field: string, reason: string][] = [
    ['another version', event({}, { specversion: '0.3' }), 'specversion', 'unknown_value'],
    ['no version', event({}, { specversion: undefined }), 'specversion', 'missing_field'],
    ['no id', event({}, { id: undefined }), 'id', 'missing_field'],
    ['an empty source', event({}, { source: '' }), 'source', 'empty'],
    ['a type that is no text', event({}, { type: 5 }), 'type', 'wrong_type'],
    ['a type without a letter', event({}, { type: '!' }), 'type', 'bad_touchpoint'],
    ['a subject that is no text', event({}, { subject: 5 }), 'subject', 'wrong_type'],
    ['nobody', event({}, { subject: undefined }), 'data.customer', 'missing_customer'],
    ['a time that is none', event({}, { time: 'noon' }), 'time', 'bad_time'],
    ['a field of data', event({ waitMs: -1 }), 'data.waitMs', 'negative'],
    ['an unknown field', event({ wait: 1 }), 'data.wait', 'unknown_field'],
    ['data that is a list', event([]), 'data', 'not_an_object'],
    ['data of another kind', event('<a/>', { datacontenttype: 'text/xml' }), 'datacontenttype', 'unknown_value'],
    ['data in broken Base64', event(undefined, { data_base64: '!!' }), 'data_base64', 'not_json'],
    ['no event', 'x', '', 'not_an_object'],
  ]
  it.each(rows)('%s', async (_given, wrong, field, reason) => {
    const { status, body } = await running.post('/v1/events', [wrong, event()], BATCHED)
    expect(status).toBe(202)
    expect(body).toMatchObject({ accepted: 1, rejected: [{ index: 0, field, reason }] })
  })

  it('keeps a key like __proto__ a key', async () => {
    const text = JSON.stringify(event()).replace('}', ',"data":{"__proto__":{"polluted":1}}}')
    for (const name of ['__proto__', 'constructor']) {
      const { body } = await running.post('/v1/events', text.replace('__proto__', name), STRUCTURED)
      expect(body).toMatchObject({ rejected: [{ index: 0, field: `data.${name}`, reason: 'unknown_field' }] })
    }
    expect('polluted' in {}).toBe(false)
  })
})

describe('the modes', () => {
  it('binary: attributes in headers, percent-encoded', async () => {
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': `b-${count++}`,
      'ce-source': '/calls',
      'ce-type': 'call_wait',
      'ce-subject': encodeURIComponent('Анна 100%'),
      'ce-time': TIME,
    }
    const { body } = await running.post('/v1/events', { waitMs: 7 }, headers)
    expect(body).toEqual({ accepted: 1, duplicates: 0, rejected: [] })
    expect(await stored(headers['ce-id'])).toMatchObject([{ customer: 'Анна 100%', waitMs: 7, at: AT }])
    const empty = { ...headers, 'ce-id': `b-${count++}` }
    expect((await running.post('/v1/events', undefined, empty)).body.accepted).toBe(1)
  })

  it('what is no CloudEvent is told what is one', async () => {
    for (const headers of [{}, { 'content-type': 'application/cloudevents+avro', 'ce-specversion': '1.0' }]) {
      expect(await running.post('/v1/events', event(), headers as Record<string, string>)).toMatchObject({
        status: 415,
        body: { detail: expect.stringContaining('application/cloudevents+json') },
      })
    }
    expect((await running.post('/v1/events', event(), BATCHED)).status).toBe(400)
    expect((await running.post('/v1/events', '', STRUCTURED)).status).toBe(400)
  })

  const made = (data: object) =>
    new CloudEvent({ id: `s-${count++}`, type: 'call_wait', source: '/calls', subject: 'c-sdk', time: TIME, data })

  it.each([Mode.BINARY, Mode.STRUCTURED])('the package cloudevents sends in %s mode', async (mode) => {
    const emit = emitterFor(httpTransport(`${running.url}/v1/events`), { mode })
    const sent = Array.from({ length: 20 }, (_, k) => made({ waitMs: k }))
    for (const one of sent) await emit(one, { headers: { authorization: `Bearer ${WRITE_KEY}` } })
    for (const [k, { id }] of sent.entries()) expect(await stored(id)).toMatchObject([{ customer: 'c-sdk', waitMs: k }])
  })

  it('and what it writes, several at once', async () => {
    const sent = Array.from({ length: 20 }, (_, k) => made({ waitMs: k }))
    const batch = `[${sent.map((one) => HTTP.structured(one).body).join(',')}]`
    expect((await running.post('/v1/events', batch, BATCHED)).body).toEqual({
      accepted: 20,
      duplicates: 0,
      rejected: [],
    })
    for (const { id } of sent) expect(await stored(id)).toHaveLength(1)
  })
})
