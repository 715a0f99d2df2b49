import { createRequire } from 'node:module'
import { Analytics } from '@segment/analytics-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Running, startCollector, WRITE_KEY } from './running.ts'

// The real libraries, unchanged but for the address.

interface RudderAnalytics {
  track(message: object): void
  page(message: object): void
  screen(message: object): void
  identify(message: object): void
  alias(message: object): void
  group(message: object): void
  flush(): Promise<unknown>
}
const RudderAnalytics = createRequire(import.meta.url)('@rudderstack/rudder-sdk-node') as new (
  writeKey: string,
  options: object,
) => RudderAnalytics

let running: Running
beforeAll(async () => {
  running = await startCollector()
})
afterAll(() => running.close())

const EVENTS = 250

/** How often each event that a library sent stands in the log. */
async function timesInLog(prefix: string): Promise<Map<string, number>> {
  const times = new Map<string, number>()
  for (const { props } of await running.interactions()) {
    const number = String(props?.number ?? '')
    if (number.startsWith(prefix)) times.set(number, (times.get(number) ?? 0) + 1)
  }
  return times
}

function once(prefix: string): Map<string, number> {
  return new Map(Array.from({ length: EVENTS }, (_, k) => [`${prefix}${k}`, 1]))
}

async function links(customer: string) {
  return (await running.facts()).flatMap((fact) =>
    fact.kind === 'link' && fact.link.customer === customer ? [fact.link.anonymousId] : [],
  )
}

describe('@segment/analytics-node', () => {
  it('sends every event once', async () => {
    const analytics = new Analytics({ writeKey: WRITE_KEY, host: running.url, flushAt: 15, flushInterval: 50 })
    const failed: unknown[] = []
    analytics.on('error', (error) => failed.push(error))
    for (let k = 0; k < EVENTS; k++) {
      const message = { userId: `segment-${k % 7}`, properties: { number: `segment-${k}`, waitMs: k } }
      if (k % 3 === 0) analytics.track({ ...message, event: 'Call Wait' })
      else if (k % 3 === 1) analytics.page({ ...message, name: 'Prices' })
      else analytics.screen({ ...message, name: 'Prices' })
    }
    analytics.identify({ userId: 'segment-id', anonymousId: 'segment-cookie', traits: { email: 'a@example.org' } })
    analytics.alias({ userId: 'segment-id', previousId: 'segment-former' })
    analytics.group({ userId: 'segment-id', groupId: 'g' })
    await analytics.closeAndFlush()
    expect(failed).toEqual([])
    expect(await timesInLog('segment-')).toEqual(once('segment-'))
    expect((await links('segment-id')).sort()).toEqual(['segment-cookie', 'segment-former'])
  })

  it('comes again when it is told to', async () => {
    let refusals = 0
    const busy = await startCollector({ overloaded: () => (refusals++ < 2 ? 'The log is behind.' : null) })
    const analytics = new Analytics({ writeKey: WRITE_KEY, host: busy.url, flushAt: 1, maxRetries: 5 })
    analytics.track({ userId: 'u', event: 'Call Wait' })
    await analytics.closeAndFlush()
    expect(refusals).toBe(3)
    expect(await busy.interactions()).toHaveLength(1)
    await busy.close()
  })
})

describe('@rudderstack/rudder-sdk-node', () => {
  it('sends every event once, packed', async () => {
    const analytics = new RudderAnalytics(WRITE_KEY, {
      dataPlaneUrl: running.url,
      flushAt: 15,
      flushInterval: 50,
      logLevel: 'error',
    })
    for (let k = 0; k < EVENTS; k++) {
      const message = { userId: `rudder-${k % 7}`, properties: { number: `rudder-${k}`, waitMs: k } }
      if (k % 3 === 0) analytics.track({ ...message, event: 'Call Wait' })
      else if (k % 3 === 1) analytics.page({ ...message, name: 'Prices' })
      else analytics.screen({ ...message, name: 'Prices' })
    }
    analytics.identify({ userId: 'rudder-id', anonymousId: 'rudder-cookie', traits: { email: 'a@example.org' } })
    analytics.alias({ userId: 'rudder-id', previousId: 'rudder-former' })
    analytics.group({ userId: 'rudder-id', groupId: 'g' })
    await expect
      .poll(
        async () => {
          await analytics.flush()
          return [await timesInLog('rudder-'), (await links('rudder-id')).sort()]
        },
        { timeout: 30_000 },
      )
      .toEqual([once('rudder-'), ['rudder-cookie', 'rudder-former']])
  })
})
