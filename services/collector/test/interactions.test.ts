import { encodeFact, INTERACTIONS_TOPIC, type Interaction, partitionOf } from '@weaklink/interactions'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RefusedInput } from '../src/index.ts'
import { type Running, startCollector } from './running.ts'

const AT = Date.UTC(2024, 2, 13, 7, 21, 14)
const NOW = Date.UTC(2024, 2, 14)

describe('POST /v1/interactions', () => {
  let running: Running
  const told: RefusedInput[][] = []
  let count = 0
  /** An interaction of a customer whom no other test has. */
  const one = (more: object = {}) => ({ id: 'i', customer: `c-${count++}`, touchpoint: 'call_wait', at: AT, ...more })
  const of = async (customer: string) => (await running.interactions()).filter((some) => some.customer === customer)

  beforeAll(async () => {
    running = await startCollector({ now: () => NOW, onRejected: (rejections) => told.push(rejections) })
  })
  afterAll(() => running.close())

  it('takes one, or several, and they are in the log when the answer comes', async () => {
    const [a, b, c] = [one(), one(), one({ at: '2024-03-13T10:21:14+03:00' })]
    expect(await running.post('/v1/interactions', a)).toMatchObject({
      status: 202,
      body: { accepted: 1, duplicates: 0, rejected: [] },
    })
    expect((await running.post('/v1/interactions', [b, c])).body).toEqual({ accepted: 2, duplicates: 0, rejected: [] })
    expect(await of(a.customer)).toEqual([a])
    expect(await of(b.customer)).toEqual([b])
    expect(await of(c.customer)).toEqual([{ ...c, at: AT }])
  })

  it('writes what encodeFact writes, into the partition of the customer', async () => {
    const some = [one({ props: { b: 1, a: 'x},{"id":"y' } }), one({ anonymousId: 'cookie', channel: 'phone' }), one()]
    await running.post('/v1/interactions', some)
    for (const interaction of some) {
      const partition = partitionOf(interaction.customer, 3)
      const records = await running.log.read(INTERACTIONS_TOPIC, partition, 0, 10_000)
      const record = records.find(({ key }) => Buffer.from(key!).toString() === interaction.customer)
      const { key, value } = encodeFact({ kind: 'interaction', interaction: interaction as Interaction })
      expect([Buffer.from(record!.key!), Buffer.from(record!.value)]).toEqual([key, value])
    }
  })

  it('mints a UUIDv7 where there is no id, another one each time', async () => {
    const { id: _, ...without } = one()
    expect((await running.post('/v1/interactions', [without, without])).body).toMatchObject({
      accepted: 2,
      duplicates: 0,
    })
    const ids = (await of(without.customer)).map(({ id }) => id)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(new Set(ids).size).toBe(2)
  })

  it('counts repeats within a request: the same id of the same person, and of no other', async () => {
    const a = one()
    const others = [
      one({ customer: `${a.customer}-other` }),
      { id: a.id, anonymousId: a.customer, touchpoint: 'ad_view', at: AT },
    ]
    const { body } = await running.post('/v1/interactions', [a, ...others, { ...a, touchpoint: 'quote' }, ...others])
    expect(body).toEqual({ accepted: 3, duplicates: 3, rejected: [] })
    expect(await of(a.customer)).toEqual([a])
  })

  it('names what is wrong, keeps what is right, and tells those who watch', async () => {
    const right = one()
    told.length = 0
    const { status, body } = await running.post('/v1/interactions', [
      { ...right, id: 'w1', outcome: 'lost' },
      right,
      { ...right, id: 'w2', touchpont: 'x' },
      'not an object',
      { id: 'w3', touchpoint: 'call_wait', at: AT },
      { ...right, id: 'w4', at: NOW + 300_001 },
    ])
    expect(status).toBe(202)
    expect(body).toMatchObject({
      accepted: 1,
      duplicates: 0,
      rejected: [
        { index: 0, id: 'w1', reason: 'unknown_value', field: 'outcome', got: '"lost"' },
        {
          index: 2,
          id: 'w2',
          reason: 'unknown_field',
          field: 'touchpont',
          expected: expect.stringMatching('touchpoint'),
        },
        { index: 3, id: null, reason: 'not_an_object', field: '' },
        { index: 4, id: 'w3', reason: 'missing_customer', field: 'customer' },
        { index: 5, id: 'w4', reason: 'at_in_future', field: 'at' },
      ],
    })
    expect(await of(right.customer)).toEqual([right])
    expect(told).toHaveLength(1)
    expect(told[0]?.[0]).toEqual({
      id: 'w1',
      reason: 'unknown_value',
      field: 'outcome',
      expected: expect.any(String),
      got: '"lost"',
      value: JSON.stringify({ ...right, id: 'w1', outcome: 'lost' }),
      at: NOW,
    })
  })

  it('only checks in a dry run', async () => {
    const a = one()
    const answer = await running.post('/v1/interactions?dryRun=1', [a, a, { ...a, at: 'yesterday' }])
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ accepted: 1, duplicates: 1, rejected: [{ index: 2, reason: 'bad_time' }] })
    expect(await of(a.customer)).toEqual([])
    const wrong = await running.post('/v1/interactions?dryRun=perhaps', a)
    expect(wrong).toMatchObject({ status: 400, body: { detail: expect.stringContaining('perhaps') } })
  })

  it('only checks in a dry run of other formats too', async () => {
    const { customer } = one()
    const track = await running.post('/v1/track?dryRun=1', { userId: customer, event: 'call_wait' })
    expect(track).toMatchObject({ status: 200, body: { accepted: 1 } })
    const data = { customer, touchpoint: 'call_wait', at: NOW }
    const event = { specversion: '1.0', id: 'e', source: '/calls', type: 'call_wait', data }
    const type = { 'content-type': 'application/cloudevents+json' }
    expect(await running.post('/v1/events?dryRun=1', event, type)).toMatchObject({ status: 200, body: { accepted: 1 } })
    expect(await of(customer)).toEqual([])
  })

  it('keeps the prototypes clean: such keys are refused by name', async () => {
    const a = one()
    const text = JSON.stringify(a).slice(0, -1)
    const bodies = [
      `${text},"__proto__":{"polluted":1}}`,
      `${text},"constructor":{"prototype":{"polluted":1}}}`,
      `${text},"props":{"__proto__":"x"}}`,
      `${text},"props":{"__proto__":{"polluted":1}}}`,
    ]
    for (const body of bodies) {
      expect((await running.post('/v1/interactions', body)).body).toMatchObject({
        accepted: 0,
        rejected: [{ field: expect.stringMatching(/__proto__|constructor/) }],
      })
    }
    // An object's own word is no key to be afraid of.
    expect((await running.post('/v1/interactions', `${text},"props":{"constructor":"x"}}`)).body.accepted).toBe(1)
    expect('polluted' in {}).toBe(false)
  })

  it('takes an empty list for what it is', async () => {
    expect((await running.post('/v1/interactions', [])).body).toEqual({ accepted: 0, duplicates: 0, rejected: [] })
  })
})
