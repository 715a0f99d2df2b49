import { createServer, type Server } from 'node:net'
import { builtinCatalogue } from '@weaklink/chains'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import {
  type BreakpointsOptions,
  breakpoints,
  breakpointsQuery,
  type ChainsOptions,
  chainsQuery,
  chainsReport,
  customerReport,
  QUESTIONS,
  touchpointsReport,
} from '@weaklink/reports'
import * as shapes from '@weaklink/reports/shapes'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTables, storeAll } from '../../../packages/reports/test/stored.ts'
import { catalogueWith, customer, PEOPLE, TICK } from '../../../packages/reports/test/story.ts'
import { EXAMPLES } from '../src/routes/examples.ts'
import { KEYS, openTestLog, type Running, startApi, storeAt, type TestLog } from './support.ts'

/** Ids may hold any character. */
const ODD = [
  'a/b',
  'a%2Fb',
  '100%',
  'who?x=1&y#z',
  'ü 😀 客户',
  '+7 (916) 123',
  'o\'neil\\"',
  'line\nbreak\ttab',
  '*',
  'ж'.repeat(256),
]
const ANONYMOUS = {
  ...customer('anna', [['2024-03-01T10:00', 'ad_view']]),
  person: { kind: 'anonymous', customer: 'anna' } as const,
}
const CATALOGUE = catalogueWith([
  { id: 'ad_view', step: 1 },
  { id: 'call_wait', group: 'phone', step: 2 },
  { id: 'nowhere' },
])

let db: TestStore
let log: TestLog
let running: Running

beforeAll(async () => {
  db = await startTestStore()
  log = await openTestLog()
  await createTables(db.store)
  running = await startApi({ store: db.store, log: log.log })
})
afterAll(async () => {
  await running.close()
  await log.remove()
  await db.stop()
})

const fill = () =>
  storeAll(db.store, CATALOGUE, TICK, [
    ...PEOPLE,
    ANONYMOUS,
    ...ODD.map((id) => customer(id, [['2024-03-02T08:00', 'ad_view']])),
  ])

test('before anything came, answers are empty and the built-in catalogue is in force', async () => {
  const report = await running.json('/api/v1/reports/breakpoints')
  expect(report).toMatchObject({ asOf: null, totals: { chains: 0 } })
  const touchpoints = await running.json('/api/v1/touchpoints')
  expect(touchpoints).toMatchObject({ hash: builtinCatalogue.hash, uncatalogued: [] })
})

describe('a route answers what its report answers', () => {
  beforeAll(fill)

  const breakpointsCases: [query: string, options: BreakpointsOptions][] = [
    ['', {}],
    ['?by=channel&by=returning', { by: ['channel', 'returning'] }],
    [
      '?by=channel,campaign&date=end&from=2024-03-01&to=2024-04-10T00:00:00%2B02:00',
      {
        by: 'channel,campaign',
        date: 'end',
        from: '2024-03-01',
        to: '2024-04-10T00:00:00+02:00',
      },
    ],
    ['?where=channel=ads&where=channel=seo&at=furthest', { where: ['channel=ads', 'channel=seo'], at: 'furthest' }],
    ['?within=phone', { within: 'phone' }],
  ]
  test.each(breakpointsCases)('breakpoints%s', async (query, options) => {
    const response = await running.get(`/api/v1/reports/breakpoints${query}`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8'])
    const answer = (await response.json()) as shapes.BreakpointsReport
    expect(answer).toEqual(await breakpoints(db.store, breakpointsQuery(options)))
    expect(shapes.breakpointsReport.strict().parse(answer)).toEqual(answer)
    expect(answer.totals.chains).toBeGreaterThan(0)
  })

  const chainsCases: [query: string, options: ChainsOptions][] = [
    ['', {}],
    ['?state=broken&reason=abandoned&place=call_wait', { state: 'broken', reason: 'abandoned', place: 'call_wait' }],
    ['?customer=anna', { customer: 'anna' }],
    ['?where=returning=true&from=2024-04-01', { where: 'returning=true', from: '2024-04-01' }],
  ]
  test.each(chainsCases)('chains%s', async (query, options) => {
    const expected = await chainsReport(db.store, chainsQuery(options))
    for (const path of ['/api/v1/reports/chains', '/api/v1/chains']) {
      const answer = await running.json(path + query)
      expect(answer).toEqual(expected)
      expect(shapes.chainsReport.strict().parse(answer)).toEqual(answer)
    }
    expect(expected.chains.length).toBeGreaterThan(0)
  })

  test('another period beside it, and why nothing was found', async () => {
    const url = '/api/v1/reports/breakpoints?from=2024-03-03&to=2024-03-05&compare=previous'
    const answer = await running.json<{ compared: { from: string; to: string; rates: object[] } }>(url)
    expect(answer.compared).toMatchObject({ from: '2024-03-01T00:00:00.000Z', to: '2024-03-03T00:00:00.000Z' })
    expect(answer.compared.rates).toContainEqual(
      expect.objectContaining({ key: { touchpoint: 'ad_view' }, name: 'breakRate', now: { part: 0, of: 2, rate: 0 } }),
    )
    expect(await running.json('/api/v1/reports/breakpoints?where=channel=add')).toMatchObject({
      totals: { chains: 0 },
      hints: ['No chain begins with channel=add. Values of channel: (none), ads, seo.'],
    })
  })

  test('as rows for programs: a table, or one object a line; of chains all there are', async () => {
    const csv = await running.get('/api/v1/reports/breakpoints?format=csv')
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const [heading, ...lines] = (await csv.text()).trimEnd().split('\n')
    expect(heading).toMatch(/^touchpoint,interactions,reached,/)
    expect(lines.map((line) => line.split(',')[0]).sort()).toContain('call_wait')
    const ndjson = await running.get('/api/v1/chains?format=ndjson')
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8')
    const rows = (await ndjson.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string })
    const all = await chainsReport(db.store, chainsQuery({}))
    expect(rows.map(({ id }) => id).sort()).toEqual(all.chains.map(({ id }) => id).sort())
    const page = await running.get('/api/v1/chains?format=ndjson&limit=2')
    expect((await page.text()).trimEnd().split('\n')).toHaveLength(2)
    const wrong = await running.get('/api/v1/chains?format=csv&where=waitMs=long')
    expect([wrong.status, wrong.headers.get('content-type')]).toEqual([400, 'application/problem+json'])
  })

  test('chains, page by page', async () => {
    const all = await chainsReport(db.store, chainsQuery({}))
    const paged: unknown[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page = await running.json<shapes.ChainsReport>(`/api/v1/chains?limit=4${after}`)
      paged.push(...page.chains)
      cursor = page.next
    }
    expect(paged).toEqual(all.chains)
  })

  test('a customer, of both kinds', async () => {
    const answer = await running.json<shapes.CustomerReport>('/api/v1/customers/anna')
    expect(answer).toEqual(await customerReport(db.store, 'anna'))
    expect(shapes.customerReport.strict().parse(answer)).toEqual(answer)
    expect(answer.people.map(({ kind }) => kind)).toEqual(['customer', 'anonymous'])
  })

  test.each(ODD)('a customer whose id is %j', async (id) => {
    const response = await running.get(`/api/v1/customers/${encodeURIComponent(id)}`)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ customer: id, people: [{ customer: id, chains: [{ ordinal: 1 }] }] })
  })

  test('somebody anonymous who turned out to be a customer: the chains are found under either id', async () => {
    const row = { kind: 'anonymous', customer: 'cookie', version: 1, movedTo: 'boris', chains: [] }
    await db.store.command(`INSERT INTO customer_chains FORMAT JSONEachRow ${JSON.stringify(row)}`)
    const answer = await running.json<shapes.CustomerReport>('/api/v1/customers/cookie')
    expect(answer).toEqual(await customerReport(db.store, 'cookie'))
    expect(answer).toMatchObject({ customer: 'cookie', people: [{ movedTo: 'boris' }, { customer: 'boris' }] })
  })

  test('a customer whom nobody knows is a problem', async () => {
    const response = await running.get('/api/v1/customers/nobody%20at%20all')
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
    expect(await response.json()).toMatchObject({ status: 404, customer: 'nobody at all' })
  })

  test('the touchpoints in force, and those that it lacks', async () => {
    const answer = await running.json('/api/v1/touchpoints')
    expect(answer).toEqual(await touchpointsReport(db.store))
    expect(shapes.touchpointsReport.strict().parse(answer)).toEqual(answer)
    expect(answer).toMatchObject({
      hash: CATALOGUE.hash,
      touchpoints: [
        { id: 'ad_view', step: 1, interactions: 5 + ODD.length },
        { id: 'call_wait', group: 'phone', interactions: 4 },
        { id: 'nowhere', interactions: 0 },
      ],
      uncatalogued: [
        { touchpoint: 'sms', interactions: 2 },
        { touchpoint: 'call_talk', interactions: 1 },
        { touchpoint: 'survey', interactions: 1 },
        { touchpoint: 'visit', interactions: 1 },
      ],
    })
  })
})

describe('a question that cannot be met names the parameter, the value and what was expected', () => {
  beforeAll(fill)

  const cases: [path: string, parameter: string, value: string, expected: RegExp][] = [
    ['reports/breakpoints?from=yesterday', 'from', 'yesterday', /^a date as 2024-05-01/],
    ['reports/breakpoints?from=', 'from', '', /^a date/],
    ['reports/breakpoints?from=2024-05-02&to=2024-05-01', 'to', '2024-05-01', /^an instant after "from"/],
    ['reports/breakpoints?date=middle', 'date', 'middle', /^one of start, end$/],
    ['reports/breakpoints?at=nearest', 'at', 'nearest', /^one of place, furthest$/],
    ['reports/breakpoints?by=colour', 'by', 'colour', /^one of touchpoint, channel/],
    ['reports/breakpoints?where=channel', 'where', 'channel', /^KEY=VALUE/],
    ['reports/breakpoints?where=waitMs=long', 'where', 'waitMs=long', /^a number/],
    ['reports/breakpoints?within=post', 'within', 'post', /^one of the groups there are: phone$/],
    [
      'reports/breakpoints?state=broken',
      'state',
      'broken',
      /from, to, date, where, at, within, by, fresh, compare, format$/,
    ],
    ['reports/breakpoints?form=2024-05-01', 'form', '2024-05-01', /^from, or another of/],
    ['reports/breakpoints?at=place&at=furthest', 'at', 'place, furthest', /^it once$/],
    ['reports/breakpoints?compare=before', 'compare', 'before', /^previous, or a period as 2024-03-01/],
    ['reports/breakpoints?compare=previous&from=2024-03-01', 'compare', 'previous', /^"from" and "to" with it/],
    ['reports/breakpoints?format=xml', 'format', 'xml', /^one of json, csv, ndjson$/],
    ['reports/breakpoints?fresh=yes', 'fresh', 'yes', /^one of true, false$/],
    ['reports/chains?link=ad_view', 'link', 'ad_view', /^two touchpoints: call_wait > quote$/],
    ['reports/chains?variant=ad_view>>visit', 'variant', 'ad_view>>visit', /^touchpoints with > between them/],
    ['reports/breakpoints?__proto__=1', '__proto__', '1', /^one of/],
    ['reports/chains?state=lost', 'state', 'lost', /^one of open, converted, broken, ignored$/],
    ['reports/chains?limit=0', 'limit', '0', /^a whole number from 1 to 1000$/],
    ['chains?cursor=later', 'cursor', 'later', /^`next` of an earlier answer$/],
    ['chains?reason=rain', 'reason', 'rain', /^one of refused/],
    ['customers/anna?limit=3', 'limit', '3', /^no parameters$/],
    ['touchpoints?id=ad_view', 'id', 'ad_view', /^no parameters$/],
    ['live?types=interaction,weather', 'types', 'interaction,weather', /^one or more of interaction, rejected/],
    ['live?lastEventId=42', 'lastEventId', '42', /^the id of an event/],
  ]
  test.each(cases)('%s', async (path, parameter, value, expected) => {
    const response = await running.get(`/api/v1/${path}`)
    expect([response.status, response.headers.get('content-type')]).toEqual([400, 'application/problem+json'])
    const problem = (await response.json()) as { expected: string; detail: string }
    expect(problem).toMatchObject({ status: 400, title: 'Bad Request', parameter, value })
    expect(problem.expected).toMatch(expected)
    expect(problem.detail).toContain(parameter)
  })

  test('furthest without any step says what to do', async () => {
    await storeAll(db.store, catalogueWith(), TICK, PEOPLE)
    const response = await running.get('/api/v1/reports/breakpoints?at=furthest')
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      parameter: 'at',
      expected: expect.stringContaining('touchpoints.yaml'),
    })
  })
})

describe('keys', () => {
  const routes = [
    'reports/breakpoints',
    'reports/chains',
    'chains',
    'customers/anna',
    'touchpoints',
    'live?lastEventId=x',
    'live/waiting',
  ]
  test.each(routes)('%s lets in who may read, and nobody else', async (route) => {
    const url = `${running.url}/api/v1/${route}`
    const without = await fetch(url)
    expect([without.status, without.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="weaklink"'])
    expect((await running.get(`/api/v1/${route}`, 'guessed')).status).toBe(401)
    expect((await running.get(`/api/v1/${route}`, KEYS.write)).status).toBe(403)
    const let_in = route.startsWith('live?') ? 400 : 200
    expect((await running.get(`/api/v1/${route}`, KEYS.admin)).status).toBe(let_in)
    expect((await fetch(`${url}${route.includes('?') ? '&' : '?'}key=${KEYS.read}`)).status).toBe(let_in)
  })
})

describe('a store that does not answer', () => {
  const routes = ['reports/breakpoints', 'chains', 'customers/anna', 'touchpoints']

  test('that is away: 503, and when to ask again', async () => {
    const port = await freePort()
    const away = await startApi({ store: storeAt(port), log: log.log })
    try {
      for (const route of routes) {
        const response = await away.get(`/api/v1/${route}`)
        expect([response.status, response.headers.get('content-type')]).toEqual([503, 'application/problem+json'])
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
        expect(JSON.stringify(await response.json())).not.toContain(String(port))
      }
    } finally {
      await away.close()
    }
  })

  test('that takes too long: 504, and what to ask instead; the query ends with it', async () => {
    const silent = await listening(createServer((socket) => socket.resume()))
    const open = new Set<unknown>()
    silent.server.on('connection', (socket) => {
      open.add(socket)
      socket.on('error', () => {}).on('close', () => open.delete(socket))
    })
    const slow = await startApi({ store: storeAt(silent.port), log: log.log, limits: { queryMs: 200 } })
    try {
      const response = await slow.get('/api/v1/reports/breakpoints')
      expect(response.status).toBe(504)
      expect(await response.json()).toMatchObject({ detail: expect.stringContaining('shorter period') })
      await expect.poll(() => open.size).toBe(0)
    } finally {
      await slow.close()
      silent.server.close()
    }
  })
})

interface Described {
  readonly parameters: readonly { name: string }[]
  readonly responses: Readonly<Record<string, object>>
}

test('/openapi.json describes every route, with an example of its answer', async () => {
  const { paths } = await running.json<{ paths: Record<string, { get: Described; post?: Described }> }>('/openapi.json')
  const ours = Object.keys(paths).filter((path) => path.startsWith('/api/v1/'))
  expect(ours.sort()).toEqual([
    '/api/v1/chains',
    '/api/v1/customers/{id}',
    '/api/v1/live',
    '/api/v1/live/waiting',
    ...QUESTIONS.map(({ name }) => `/api/v1/reports/${name}`).sort(),
    '/api/v1/sql',
    '/api/v1/touchpoints',
  ])
  for (const path of ours) {
    const get = paths[path]?.get ?? paths[path]?.post
    if (get === undefined) throw new Error(`${path} has neither`)
    expect(get, path).toMatchObject({
      tags: [expect.any(String)],
      summary: expect.any(String),
      security: [{ apiKey: [] }],
    })
    expect(Object.keys(get.responses)).toEqual(expect.arrayContaining(['200', '400', '401', '403', '503']))
    expect(JSON.stringify(get.responses[200]), path).toContain('"example')
  }
  const names = (path: string) => paths[path]?.get.parameters.map(({ name }) => name)
  expect(names('/api/v1/reports/breakpoints')).toEqual([
    'from',
    'to',
    'date',
    'where',
    'at',
    'within',
    'by',
    'fresh',
    'compare',
    'format',
  ])
  expect(names('/api/v1/customers/{id}')).toEqual(['id'])
  expect(names('/api/v1/live/waiting')).toEqual(['queue', 'touchpoint', 'longerThan', 'limit', 'stream'])
  expect(names('/api/v1/live')).toEqual(['types', 'customer', 'touchpoint', 'lastEventId', 'last-event-id'])
})

test('the examples of the description are answers of that shape', () => {
  for (const { name, shape } of QUESTIONS) expect(shape.parse(EXAMPLES[name]), name).toEqual(EXAMPLES[name])
})

test('/metrics counts requests by route and status', async () => {
  await running.get('/api/v1/customers/anna')
  await running.get('/api/v1/customers/nobody')
  const metrics = await (await running.get('/metrics')).text()
  expect(metrics).toMatch(/weaklink_api_requests_total\{route="\/api\/v1\/customers\/\*",status="200"\} \d/)
  expect(metrics).toMatch(/weaklink_api_requests_total\{route="\/api\/v1\/customers\/\*",status="404"\} \d/)
  expect(metrics).toMatch(
    /weaklink_api_request_duration_seconds_count\{route="\/api\/v1\/touchpoints",status="200"\} \d/,
  )
  expect(metrics).toMatch(/weaklink_api_live_clients 0/)
})

async function freePort(): Promise<number> {
  const { server, port } = await listening(createServer())
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function listening(server: Server): Promise<{ server: Server; port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}
