import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Analytics } from '@segment/analytics-node'
import { CloudEvent, emitterFor, httpTransport } from 'cloudevents'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CustomerReport } from '../../packages/reports/src/index.ts'
import { endAll, type Up, until, up } from '../support/up.ts'
import { temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// The libraries that producers have already, unchanged, sending to `weaklink up`: every event they send is in a chain.

interface RudderAnalytics {
  track(message: object): void
  flush(): Promise<unknown>
}
const RudderAnalytics = createRequire(import.meta.url)('@rudderstack/rudder-sdk-node') as new (
  writeKey: string,
  options: object,
) => RudderAnalytics

const EVENTS = 200
const folder = temporaryFolder()
const data = join(folder.path, 'data')
let service: Up
beforeAll(async () => {
  service = await up(data)
})
afterAll(async () => {
  await endAll()
  folder.remove()
})

/** How often each interaction whose id or prop `number` begins so stands in a chain. */
async function inChains(prefix: string): Promise<Map<string, number>> {
  const number = "if(JSONHas(props, 'number'), JSONExtractString(props, 'number'), id)"
  const query = `SELECT ${number} AS number, count() AS n FROM chain_interactions WHERE startsWith(number, '${prefix}') GROUP BY number`
  const { rows } = await weaklinkJson<{ rows: { number: string; n: number }[] }>(['sql', query, '--data-dir', data])
  return new Map(rows.map((row) => [row.number, row.n]))
}

async function eachOnce(prefix: string): Promise<void> {
  const expected = new Map(Array.from({ length: EVENTS }, (_, k) => [`${prefix}${k}`, 1]))
  await until(async () => (await inChains(prefix)).size === EVENTS, `${EVENTS} events of ${prefix} were in chains`)
  expect(await inChains(prefix)).toEqual(expected)
}

describe('every event that a library sent is in a chain, once', () => {
  it('@segment/analytics-node', async () => {
    const analytics = new Analytics({ writeKey: service.keys.write, host: service.url, flushAt: 20 })
    for (let k = 0; k < EVENTS; k++) {
      const properties = { number: `segment-${k}`, waitMs: 100 * k, queue: 'sales' }
      if (k % 2 === 0) analytics.track({ userId: `s${k % 9}`, event: 'Call Wait', properties })
      else analytics.page({ anonymousId: `s-cookie${k % 5}`, name: 'Landing Page', properties })
    }
    await analytics.closeAndFlush()
    await eachOnce('segment-')
  })

  it('@rudderstack/rudder-sdk-node', async () => {
    const options = { dataPlaneUrl: service.url, flushAt: 20, flushInterval: 50, logLevel: 'error' }
    const analytics = new RudderAnalytics(service.keys.write, options)
    for (let k = 0; k < EVENTS; k++) {
      analytics.track({ userId: `r${k % 9}`, event: 'Site Visit', properties: { number: `rudder-${k}` } })
    }
    await analytics.flush()
    await eachOnce('rudder-')
  })

  it('cloudevents', async () => {
    const emit = emitterFor(httpTransport(`${service.url}/v1/events?key=${service.keys.write}`))
    for (let k = 0; k < EVENTS; k++) {
      const outcome = k % 4 === 0 ? 'abandoned' : 'continued'
      const data = { outcome, waitMs: k }
      await emit(new CloudEvent({ id: `ce-${k}`, source: '/calls', type: 'call_wait', subject: `c${k % 9}`, data }))
    }
    await eachOnce('ce-')
  })
})

it('an ad on the phone, a call and a sale are one chain within seconds', async () => {
  const analytics = new Analytics({ writeKey: service.keys.write, host: service.url, flushAt: 1 })
  const sent = (minutes: number) => ({ timestamp: new Date(Date.now() - minutes * 60_000) })
  analytics.track({
    anonymousId: 'phone-7',
    event: 'Ad View',
    context: { campaign: { name: 'spring', source: 'search', medium: 'cpc' } },
    ...sent(90),
  })
  analytics.page({ anonymousId: 'phone-7', name: 'Landing Page', ...sent(89) })
  analytics.track({
    userId: 'nora',
    event: 'Call Wait',
    properties: { waitMs: 15_000, episode: 'call-1' },
    ...sent(40),
  })
  analytics.track({
    ...{ userId: 'nora', event: 'Order Completed', ...sent(10) },
    properties: { order_id: 'A-1', revenue: 120, currency: 'EUR', touchpoint: 'purchase' },
  })
  analytics.identify({ userId: 'nora', anonymousId: 'phone-7' })
  await analytics.closeAndFlush()
  const chain = () => weaklinkJson<CustomerReport>(['chain', 'nora', '--data-dir', data])
  await until(async () => ((await chain()).people[0]?.chains[0]?.interactions.length ?? 0) === 4, 'four touchpoints')
  const report = await chain()
  expect(report.people).toMatchObject([{ kind: 'customer', customer: 'nora', anonymousIds: ['phone-7'] }])
  expect(report.people[0]?.chains).toMatchObject([
    {
      state: 'converted',
      interactions: ['ad_view', 'landing_page', 'call_wait', 'purchase'].map((touchpoint) => ({ touchpoint })),
    },
  ])

  const refused = await fetch(`${service.url}/v1/identify`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${service.keys.write}:`)}` },
    body: JSON.stringify({ userId: 'otto', anonymousId: 'phone-7' }),
  })
  expect(refused.status).toBe(200)
  await until(async () => {
    const { stdout } = await weaklink(['doctor', '--data-dir', data])
    return stdout.includes('phone-7 is nora, and was said to be otto')
  }, 'the conflict was reported')
  expect(await weaklinkJson(['unlink', 'phone-7', '--data-dir', data])).toEqual({
    ...{ anonymousId: 'phone-7', customer: 'nora', interactions: 2 },
  })
  expect((await chain()).people[0]?.chains[0]?.interactions).toHaveLength(2)
  expect(await weaklink(['unlink', 'phone-7', '--data-dir', data])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is linked to no customer'),
  })
})
