import { createHmac } from 'node:crypto'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { failedIn, type NotifyFile, notifySchema, resolveNotify, tryReceivers } from '../src/notify/index.ts'
import { eventually, metric, running } from './receivers/running.ts'
import { alert, TestMemory } from './receivers/samples.ts'
import { answer, inTurn, ok, TestReceiver } from './receivers/server.ts'

let server: TestReceiver

beforeEach(async () => {
  server = await TestReceiver.start()
})
afterEach(() => server.stop())

const hook = (over: Partial<NotifyFile> = {}): NotifyFile => ({
  receivers: [{ name: 'hook', webhook: { url: server.url } }],
  group: { by: ['alertname', 'queue'], interval: '0s' },
  ...over,
})
const now = () => Date.now()
const fresh = (id: string) => alert({ id, startsAt: now() })
const keysIn = (text: string) =>
  (JSON.parse(text) as { alerts: { status: string; annotations: { key: string } }[] }).alerts.map(
    ({ status, annotations }) => `${status} ${annotations.key}`,
  )

describe('a webhook', () => {
  it('is told of the beginning and the end, each once, in the shape of version 4', async () => {
    const { notifier, memory } = await running(hook(), { baseUrl: 'http://127.0.0.1:7575/' })
    const anna = fresh('anna')
    notifier.tell([anna])
    await server.until(1)
    notifier.tell([anna, { ...anna, endsAt: anna.startsAt + 5 }])
    await server.until(2)
    const [first, second] = server.bodies()
    expect(first).toEqual({
      receiver: 'hook',
      status: 'firing',
      version: '4',
      groupKey: '{}:{alertname="waiting-too-long", queue="support"}',
      groupLabels: { alertname: 'waiting-too-long', queue: 'support' },
      commonLabels: anna.labels,
      commonAnnotations: {
        summary: anna.summary,
        description: anna.description,
        runbook_url: anna.runbook,
        value: '120',
        key: anna.key,
      },
      externalURL: 'http://127.0.0.1:7575/',
      truncatedAlerts: 0,
      alerts: [
        {
          status: 'firing',
          labels: anna.labels,
          annotations: expect.objectContaining({ key: anna.key }),
          startsAt: new Date(anna.startsAt).toISOString(),
          endsAt: '0001-01-01T00:00:00Z',
          generatorURL: 'http://127.0.0.1:7575/api/v1/customers/anna',
          fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      ],
    })
    expect(second).toMatchObject({
      status: 'resolved',
      alerts: [{ status: 'resolved', endsAt: new Date(anna.startsAt + 5).toISOString() }],
    })
    await notifier.stop()
    expect(memory.records.map(({ key, value }) => [key, (value as { status: string }).status])).toEqual([
      [`told/hook/${anna.key}`, 'firing'],
      [`told/hook/${anna.key}`, 'resolved'],
    ])
    expect(server.received).toHaveLength(2)
  })

  it('can see that it is us, and what it got before', async () => {
    server.behaviour = inTurn(answer(500), ok)
    const receivers = [{ name: 'hook', webhook: { url: server.url, secret: 'hush' } }]
    const { notifier } = await running(hook({ receivers }))
    notifier.tell([fresh('anna')])
    await server.until(2)
    const [failed, told] = server.received
    expect(told?.headers['webhook-id']).toBe(failed?.headers['webhook-id'])
    const signed = `${told?.headers['webhook-id']}.${told?.headers['webhook-timestamp']}.${told?.text}`
    expect(told?.headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', 'hush').update(signed).digest('base64')}`,
    )
  })

  it('gets user and password of its address as a header', async () => {
    const url = server.url.replace('http://', 'http://kim:p%40ss@')
    const { notifier } = await running(hook({ receivers: [{ name: 'hook', webhook: { url } }] }))
    notifier.tell([fresh('anna')])
    await server.until(1)
    expect(server.received[0]?.headers.authorization).toBe(`Basic ${Buffer.from('kim:p@ss').toString('base64')}`)
  })
})

describe('a receiver that fails', () => {
  it.each([
    ['says 500', answer(500, 'oh no')],
    ['says 408', answer(408)],
    [
      'resets the connection',
      (response: { socket: { resetAndDestroy(): void } | null }) => response.socket?.resetAndDestroy(),
    ],
    ['closes the connection', (response: { socket: { end(): void } | null }) => response.socket?.end()],
    [
      'answers no HTTP',
      (response: { socket: { end(text: string): void } | null }) => response.socket?.end('SSH-2.0-x\r\n'),
    ],
  ] as const)('and %s, is told again, and once', async (_, behaviour) => {
    server.behaviour = inTurn(behaviour as never, ok)
    const { notifier, registry, logged } = await running(hook())
    const anna = fresh('anna')
    notifier.tell([anna])
    await server.until(2)
    await eventually(
      async () => (await metric(registry, 'weaklink_notifications_total', { receiver: 'hook', result: 'told' })) === 1,
    )
    expect(server.received.map(({ text }) => keysIn(text))).toEqual([[`firing ${anna.key}`], [`firing ${anna.key}`]])
    expect(await metric(registry, 'weaklink_notifications_total', { receiver: 'hook', result: 'failed' })).toBe(1)
    expect(await metric(registry, 'weaklink_notifications_waiting', { receiver: 'hook' })).toBe(0)
    expect(logged.filter((line) => line.startsWith('warn'))).toHaveLength(1)
  })

  it('and asks for a rest by Retry-After, gets it', async () => {
    server.behaviour = inTurn(answer(429, '', { 'retry-after': '2' }), ok)
    const { notifier } = await running(hook())
    notifier.tell([fresh('anna')])
    await server.until(1)
    notifier.tell([alert({ id: 'ben', rule: 'other', startsAt: now() })])
    await server.until(2)
    const [first, second] = server.received
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_990)
  })

  it.each([
    ['400', answer(400, 'no such field'), 'answered 400: no such field'],
    [
      'a redirect',
      answer(302, '', { location: 'http://127.0.0.1:1/' }),
      'answered 302, a redirect, which is not followed',
    ],
  ])('and says %s, is not asked again', async (_, behaviour, error) => {
    server.behaviour = inTurn(behaviour, ok)
    const { notifier, registry, memory } = await running(hook())
    const anna = fresh('anna')
    notifier.tell([anna])
    await eventually(() => failedIn(memory.records, now()).length === 1)
    expect(failedIn(memory.records, now())).toEqual([
      {
        receiver: 'hook',
        at: expect.any(Number),
        attempts: 1,
        error,
        count: 1,
        alerts: [{ key: anna.key, status: 'firing', summary: anna.summary }],
      },
    ])
    expect(await metric(registry, 'weaklink_notifications_dead', { receiver: 'hook' })).toBe(1)
    expect(await metric(registry, 'weaklink_notifications_total', { receiver: 'hook', result: 'dead' })).toBe(1)
    // What comes later is told as ever.
    notifier.tell([{ ...anna, endsAt: now() }])
    await server.until(2)
    expect(keysIn(server.received[1]?.text ?? '')).toEqual([`resolved ${anna.key}`])
  })

  it('for too long, is given up', async () => {
    server.behaviour = answer(503)
    const { notifier, memory } = await running(hook({ giveUp: { attempts: 2 } }))
    notifier.tell([fresh('anna')])
    await eventually(() => failedIn(memory.records, now()).length === 1)
    expect(failedIn(memory.records, now())).toMatchObject([{ attempts: 2, error: 'answered 503' }])
    expect(server.received).toHaveLength(2)
  })

  it('gets one message when it is back: what began meanwhile, and what is over', async () => {
    const [{ port }, notify] = [server, hook()]
    await server.stop()
    const { notifier, registry } = await running(notify)
    const [anna, ben] = [fresh('anna'), fresh('ben')]
    notifier.tell([anna])
    const failures = () => metric(registry, 'weaklink_notifications_total', { receiver: 'hook', result: 'failed' })
    await eventually(async () => (await failures()) === 1)
    notifier.tell([ben, { ...anna, endsAt: now() }])
    expect(await metric(registry, 'weaklink_notifications_waiting', { receiver: 'hook' })).toBe(2)
    server = await TestReceiver.start(ok, port)
    await server.until(1)
    expect(keysIn(server.received[0]?.text ?? '')).toEqual([`firing ${ben.key}`, `resolved ${anna.key}`])
  })

  it('or is slow, holds nobody else back', async () => {
    const slow = await TestReceiver.start(() => {})
    const receivers = [
      { name: 'slow', webhook: { url: slow.url } },
      { name: 'hook', webhook: { url: server.url } },
    ]
    const { notifier, registry, logged } = await running(hook({ receivers }), { timeoutMs: 300 })
    notifier.tell([fresh('anna')])
    await server.until(1)
    await eventually(
      async () => (await metric(registry, 'weaklink_notifications_total', { receiver: 'slow', result: 'failed' })) > 0,
    )
    expect(logged.join()).toContain('no answer in time')
    expect(await metric(registry, 'weaklink_notifications_total', { receiver: 'hook', result: 'failed' })).toBe(0)
    await slow.stop()
  })

  it('or never comes to the end of its answer, is taken for slow', async () => {
    server.behaviour = (response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('.'), 20)
      response.on('close', () => clearInterval(timer))
    }
    const { notifier, logged } = await running(hook(), { timeoutMs: 200 })
    notifier.tell([fresh('anna')])
    await eventually(() => logged.join().includes('no answer in time'))
  })

  it('or answers with a page, is told, and reported', async () => {
    server.behaviour = answer(200, '<!doctype html><title>Log in</title>', { 'content-type': 'text/html' })
    const { notifier, registry, logged } = await running(hook())
    notifier.tell([fresh('anna')])
    await eventually(
      async () => (await metric(registry, 'weaklink_notifications_total', { receiver: 'hook', result: 'told' })) === 1,
    )
    expect(logged.join()).toContain('answered with a page; is this the right address?')
  })
})

describe('what was told is remembered', () => {
  it('by the next process, which tells the rest', async () => {
    const memory = new TestMemory()
    const [anna, ben] = [fresh('anna'), fresh('ben')]
    const first = await running(hook(), { memory })
    first.notifier.tell([anna])
    await server.until(1)
    await first.notifier.stop()
    const second = await running(hook(), { memory })
    second.notifier.tell([{ ...anna, endsAt: now() }, ben])
    await server.until(2)
    await second.notifier.stop()
    expect(server.received.map(({ text }) => keysIn(text))).toEqual([
      [`firing ${anna.key}`],
      [`firing ${ben.key}`, `resolved ${anna.key}`],
    ])
  })

  it('also by one with other routes: who heard of the beginning hears of the end', async () => {
    const memory = new TestMemory()
    const other = await TestReceiver.start()
    const receivers = [...hook().receivers, { name: 'other', webhook: { url: other.url } }]
    const [anna, ben] = [fresh('anna'), fresh('ben')]
    const first = await running(hook({ receivers, routes: [{ to: ['hook'] }] }), { memory })
    first.notifier.tell([anna])
    await server.until(1)
    await first.notifier.stop()
    const second = await running(hook({ receivers, routes: [{ to: ['other'] }] }), { memory })
    second.notifier.tell([{ ...anna, endsAt: now() }, ben])
    await Promise.all([server.until(2), other.until(1)])
    expect(keysIn(server.received[1]?.text ?? '')).toEqual([`resolved ${anna.key}`])
    expect(keysIn(other.received[0]?.text ?? '')).toContain(`firing ${ben.key}`)
    await other.stop()
  })

  it('later, where the log is away: nobody waits for it', async () => {
    const { notifier, memory } = await running(hook())
    memory.broken = true
    const anna = fresh('anna')
    notifier.tell([anna])
    await server.until(1)
    notifier.tell([{ ...anna, endsAt: now() }])
    await server.until(2)
    memory.broken = false
    await eventually(() => memory.records.length === 2)
  })

  it('with the metrics of one registry, however often the process comes to alert', async () => {
    const registry = new Registry()
    const { notifier } = await running(hook(), { registry })
    await notifier.stop()
    expect(registry.getSingleMetric('weaklink_notifications_total')).toBeDefined()
  })
})

/** Of PagerDuty's documentation of the Events API v2. */
const pagerdutyEvent = z.discriminatedUnion('event_action', [
  z.strictObject({ routing_key: z.string(), event_action: z.literal('resolve'), dedup_key: z.string().max(255) }),
  z.strictObject({
    routing_key: z.string(),
    event_action: z.literal('trigger'),
    dedup_key: z.string().max(255),
    client: z.string().optional(),
    client_url: z.url().optional(),
    payload: z.strictObject({
      summary: z.string().min(1).max(1024),
      source: z.string().min(1),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
      timestamp: z.iso.datetime(),
      component: z.string().optional(),
      group: z.string().optional(),
      class: z.string().optional(),
      custom_details: z.record(z.string(), z.unknown()),
    }),
    links: z.array(z.strictObject({ href: z.url(), text: z.string() })),
  }),
])

describe('PagerDuty', () => {
  const accepted = answer(202, '{"status":"success","message":"Event processed","dedup_key":"x"}')

  it('gets one incident for each alert, and its end, whatever the groups', async () => {
    server.behaviour = accepted
    const receivers = [{ name: 'duty', pagerduty: { routingKey: 'k', url: `${server.url}/v2/enqueue` } }]
    const { notifier } = await running(hook({ receivers, group: { by: [], interval: '1h' } }), {
      baseUrl: 'http://127.0.0.1:7575',
    })
    const [anna, ben] = [fresh('anna'), fresh('ben')]
    notifier.tell([anna, ben])
    await server.until(2)
    notifier.tell([{ ...anna, endsAt: now() }])
    await server.until(3)
    const events = server.bodies().map((body) => pagerdutyEvent.parse(body))
    expect(events.map(({ event_action, dedup_key }) => `${event_action} ${dedup_key}`)).toEqual([
      `trigger ${anna.key}`,
      `trigger ${ben.key}`,
      `resolve ${anna.key}`,
    ])
    expect(events[0]).toMatchObject({
      payload: { summary: anna.summary, severity: 'critical', source: 'anna', component: 'support', group: anna.rule },
      links: [{ text: 'What to do' }, { href: 'http://127.0.0.1:7575/api/v1/customers/anna', text: 'Timeline' }],
    })
  })

  it.each([
    ['a page', answer(200, '<html>', { 'content-type': 'text/html' })],
    ['broken JSON', answer(200, '{"status"')],
  ])('that answers with %s has not taken it', async (_, nonsense) => {
    server.behaviour = inTurn(nonsense, accepted)
    const receivers = [{ name: 'duty', pagerduty: { routingKey: 'k', url: server.url } }]
    const { notifier, logged } = await running(hook({ receivers }))
    notifier.tell([fresh('anna')])
    await server.until(2)
    expect(logged.join()).toContain('answered 200, expected 202 as PagerDuty does')
  })
})

describe('Slack', () => {
  const text = z.strictObject({ type: z.literal('mrkdwn'), text: z.string().min(1).max(3000) })
  const message = z.strictObject({
    text: z.string().min(1),
    blocks: z
      .array(
        z.discriminatedUnion('type', [
          z.strictObject({
            type: z.literal('header'),
            text: z.strictObject({
              type: z.literal('plain_text'),
              text: z.string().min(1).max(150),
              emoji: z.boolean(),
            }),
          }),
          z.strictObject({ type: z.literal('section'), text }),
          z.strictObject({ type: z.literal('context'), elements: z.array(text).min(1).max(10) }),
        ]),
      )
      .max(50),
  })

  it('gets a message of blocks', async () => {
    server.behaviour = answer(200, 'ok')
    const { notifier } = await running(hook({ receivers: [{ name: 'chat', slack: { url: server.url } }] }))
    notifier.tell([fresh('anna'), fresh('ben')])
    await server.until(1)
    const { text: line, blocks } = message.parse(server.bodies()[0])
    expect(line).toBe('FIRING [page]: 2 × waiting-too-long in support')
    expect(JSON.stringify(blocks)).toContain('anna has waited 2 min in support')
  })
})

describe('a trial', () => {
  it('says of each receiver whether it works, and leaves no incident open', async () => {
    server.behaviour = (response, _, { url }) =>
      void response.writeHead(url === '/duty' ? 202 : 404).end('no such hook')
    const config = resolveNotify(
      notifySchema.parse({
        receivers: [
          { name: 'duty', pagerduty: { routingKey: 'k', url: `${server.url}/duty` } },
          { name: 'chat', slack: { url: `${server.url}/chat` } },
          { name: 'gone', webhook: { url: 'http://127.0.0.1:1/' } },
        ],
      }),
      {},
    )
    expect(await tryReceivers(config, { now: now() })).toEqual([
      { receiver: 'duty', kind: 'pagerduty', ok: true, says: null },
      { receiver: 'chat', kind: 'slack', ok: false, says: 'answered 404: no such hook' },
      { receiver: 'gone', kind: 'webhook', ok: false, says: expect.any(String) },
    ])
    const duty = server.received.filter(({ url }) => url === '/duty').map(({ text }) => JSON.parse(text).event_action)
    expect(duty).toEqual(['trigger', 'resolve'])
  })
})
