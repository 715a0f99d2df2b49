import { createServer } from 'node:net'
import { builtinCatalogue, type Catalogue } from '@weaklink/chains'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { encodeFact, type Fact, INTERACTIONS_TOPIC, type Interaction, LINK_HEADER } from '@weaklink/interactions'
import { createParser } from 'eventsource-parser'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTables, storeAll } from '../../../packages/reports/test/stored.ts'
import { customer } from '../../../packages/reports/test/story.ts'
import type { ApiLimits } from '../src/index.ts'
import { type WaitingEvent, type WaitingNow, waitingEvent, waitingNow } from '../src/live/board-shape.ts'
import { KEYS, met, openTestLog, type Running, startApi, storeAt, type TestLog } from './support.ts'

const ROUTE = '/api/v1/live/waiting'
const MINUTE = 60_000
const CATALOGUE: Catalogue = builtinCatalogue

let db: TestStore
let log: TestLog
let running: Running
const streams: Stream[] = []

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())
beforeEach(async () => {
  log = await openTestLog()
  running = await startApi({ store: db.store, log: log.log })
})
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close()
  await running.close()
  await log.remove()
})

async function restart(limits: Partial<ApiLimits> = {}, store = db.store): Promise<void> {
  await running.close()
  running = await startApi({ store, log: log.log, limits })
}

/** An interaction of a call, so long ago. */
const call = (who: string, touchpoint: string, agoMs: number, more: Partial<Interaction> = {}) =>
  met(`${who}-${touchpoint}-${agoMs}`, {
    ...(more.anonymousId === undefined ? { customer: who } : {}),
    ...{ touchpoint, at: Date.now() - agoMs, episode: `call-of-${who}`, queue: 'support', ...more },
  })
const now = (query = '') => running.json<WaitingNow>(ROUTE + query)
const people = ({ calls }: WaitingNow) => calls.map(({ customer: known, anonymousId }) => known ?? anonymousId)

/** What was stored of people before they called; `at` so long ago. */
type Met = readonly [agoMs: number, touchpoint: string, more?: Partial<Interaction>]
const known = (name: string, told: readonly Met[]) => {
  const at = (agoMs: number) => new Date(Date.now() - agoMs).toISOString().slice(0, -1)
  const dated = told.map(([agoMs, touchpoint, more = {}]) => [at(agoMs), touchpoint, more] as const)
  return customer(name, dated, CATALOGUE, Date.now())
}
const store = (...those: ReturnType<typeof known>[]) => storeAll(db.store, CATALOGUE, Date.now(), those)

describe('who waits', () => {
  test('nobody', async () => {
    const answer = await now()
    expect(answer).toEqual({ asOf: expect.any(String), total: 0, queues: [], calls: [], notice: null })
  })

  test('longest first, where, since when, as soon as the log has it; per queue', async () => {
    await store()
    await log.put(call('anna', 'call_queue', MINUTE), call('boris', 'call_queue', 3 * MINUTE))
    await log.put(call('clara', 'call_queue', 2 * MINUTE, { queue: 'sales' }), met('x', { customer: 'dora' }))
    const answer = await now()
    expect(waitingNow.strict().parse(answer)).toEqual(answer)
    expect(people(answer)).toEqual(['boris', 'clara', 'anna'])
    expect(answer).toMatchObject({ total: 3, notice: null })
    for (const { since, waitedMs } of answer.calls) expect(waitedMs).toBe(Date.parse(answer.asOf) - Date.parse(since))
    const [boris, clara, anna] = answer.calls.map(({ waitedMs }) => waitedMs)
    expect(answer.queues).toEqual([
      { queue: 'support', waiting: 2, longestMs: boris, averageMs: Math.round((boris! + anna!) / 2) },
      { queue: 'sales', waiting: 1, longestMs: clara, averageMs: clara },
    ])
    await log.put(call('boris', 'call_wait', 0, { outcome: 'abandoned' }))
    expect(people(await now())).toEqual(['clara', 'anna'])
    await log.put(call('fay', 'call_queue', 0))
    expect(people(await now())).toEqual(['clara', 'anna', 'fay'])
  })

  test('is complete in the first answer after a restart', async () => {
    const waits = Array.from({ length: 300 }, (_, k) => call(`user-${k}`, 'call_queue', MINUTE + k))
    for (let k = 0; k < 6_000; k += 1_000) await log.put(...Array.from({ length: 1_000 }, (_, j) => met(`v${k + j}`)))
    await log.put(...waits)
    for (let k = 0; k < 6_000; k += 1_000) await log.put(...Array.from({ length: 1_000 }, (_, j) => met(`w${k + j}`)))
    await log.put(...waits.slice(0, 100).map((_, k) => call(`user-${k}`, 'call_wait', 0)))
    await restart()
    expect((await now('?limit=1000')).calls).toHaveLength(200)
    await log.put(call('late', 'call_queue', 0))
    await restart()
    expect(await now('?limit=1')).toMatchObject({ total: 201 })
  })

  test('is told also where the log has dropped what came first, before and while the board reads', async () => {
    const dropAll = async () => {
      for (const { partition, end } of await log.log.ranges(INTERACTIONS_TOPIC)) {
        await log.log.trim(INTERACTIONS_TOPIC, partition, end)
      }
    }
    await log.put(call('gone', 'call_queue', MINUTE))
    await dropAll()
    await log.put(call('anna', 'call_queue', MINUTE))
    expect(people(await now())).toEqual(['anna'])
    await log.put(...Array.from({ length: 100 }, (_, k) => met(`v${k}`, { customer: `user-${k}` })))
    await dropAll()
    await log.put(call('boris', 'call_queue', 0))
    expect(people(await now())).toEqual(['anna', 'boris'])
  })

  test('is asked for by queue, touchpoint, how long, and how many', async () => {
    await log.put(call('anna', 'call_queue', MINUTE), call('boris', 'call_queue', 3 * MINUTE))
    await log.put(call('clara', 'call_queue', 2 * MINUTE, { queue: 'sales' }))
    await log.put(call('dora', 'call_queue', 4 * MINUTE, { queue: 'с пробелом' }))
    expect(people(await now('?queue=sales'))).toEqual(['clara'])
    expect(people(await now(`?queue=sales&queue=${encodeURIComponent('с пробелом')}`))).toEqual(['dora', 'clara'])
    expect(people(await now('?longerThan=90s'))).toEqual(['dora', 'boris', 'clara'])
    expect(people(await now('?longerThan=90s&queue=support'))).toEqual(['boris'])
    expect(people(await now('?touchpoint=call_queue&limit=1'))).toEqual(['dora'])
    expect(await now('?limit=1')).toMatchObject({ total: 4, queues: [{}, {}, {}] })
    expect(await now('?touchpoint=call_wait')).toMatchObject({ total: 0, queues: [] })
  })

  test('is known once, also where they become known while they wait', async () => {
    await store(known('anna', [[MINUTE, 'ad_view']]))
    await log.put(call('cookie', 'call_queue', MINUTE, { anonymousId: '+7916' }))
    expect(people(await now())).toEqual(['+7916'])
    await log.put({ kind: 'link', link: { id: 'l', anonymousId: '+7916', customer: 'anna' } })
    const { calls } = await now()
    expect(calls).toMatchObject([{ customer: 'anna', anonymousId: '+7916', chain: { interactions: [{}, {}] } }])
    await log.put(call('cookie', 'call_wait', 0, { customer: 'anna' }))
    expect(people(await now())).toEqual([])
  })

  test('whom the tracker moved long ago ends under the customer: the copies tell', async () => {
    const entered = call('cookie', 'call_queue', MINUTE, { anonymousId: '+7916' })
    await log.put(entered)
    const copy: Fact = { kind: 'interaction', interaction: { ...entered.interaction, customer: 'anna' } }
    await log.log.append(INTERACTIONS_TOPIC, [{ partition: 1, ...encodeFact(copy, { [LINK_HEADER]: 'l' }) }])
    expect((await now()).calls).toMatchObject([{ customer: 'anna' }])
    await log.put(call('cookie', 'call_wait', 0, { customer: 'anna' }))
    expect(people(await now())).toEqual([])
  })
})

describe('the chain so far', () => {
  const DAY = 86_400_000
  const step = (touchpoint: string, outcome = 'continued') => expect.objectContaining({ touchpoint, outcome })

  test('of somebody who is new is the call itself', async () => {
    await store()
    await log.put(call('anna', 'call_queue', MINUTE))
    const [anna] = (await now()).calls
    expect(anna?.chain).toEqual({
      id: null,
      state: 'open',
      startedAt: anna?.since,
      interactions: [
        { touchpoint: 'call_queue', at: anna?.since, by: 'customer', outcome: 'continued', reaction: 'neutral' },
      ],
      ...{ omitted: 0, atRisk: false, chainsBefore: 0, boughtBefore: false, value: [] },
    })
  })

  test('is the open one, with the call at its end, whether it is stored already or not', async () => {
    const entered = call('anna', 'call_queue', MINUTE)
    const before: Met[] = [
      [100 * DAY, 'purchase', { outcome: 'bought', value: 100.5, currency: 'EUR' }],
      [80 * DAY, 'purchase', { outcome: 'bought', value: 70, currency: 'EUR', order: 'o1' }],
      [79 * DAY, 'return', { outcome: 'refused', order: 'o1' }],
      [60 * DAY, 'purchase', { outcome: 'bought', value: 3 }],
      [40 * DAY, 'newsletter', { by: 'company' }],
      [2 * DAY, 'ad_view'],
      [DAY, 'call_wait', { outcome: 'abandoned', episode: 'earlier' }],
    ]
    const people = known('anna', before)
    const open = people.chains.find(({ state }) => state === 'open')
    await store(people)
    await log.put(entered)
    const soFar = (await now()).calls[0]?.chain
    expect(soFar).toEqual({
      id: open?.id,
      state: 'open',
      startedAt: new Date(open?.startedAt ?? 0).toISOString(),
      interactions: [step('ad_view'), step('call_wait', 'abandoned'), step('call_queue')],
      omitted: 0,
      atRisk: true,
      chainsBefore: 3,
      boughtBefore: true,
      value: [
        { currency: null, value: 3 },
        { currency: 'EUR', value: 100.5 },
      ],
    })
    const { id, at, episode, queue } = entered.interaction
    const { chains } = known('anna', before)
    const stored = known('anna', [
      ...before,
      [MINUTE, 'call_queue', { id, at, episode: `${episode}`, queue: `${queue}` }],
    ])
    expect(chains).toHaveLength(stored.chains.length)
    await store(stored)
    const then = (await now()).calls[0]?.chain
    expect(then?.interactions.map(({ touchpoint }) => touchpoint)).toEqual(['ad_view', 'call_wait', 'call_queue'])
    expect(then).toMatchObject({
      id: soFar?.id,
      atRisk: true,
      chainsBefore: 3,
      boughtBefore: true,
      value: soFar?.value,
    })
  })

  test('begins with the call where the last one has ended', async () => {
    await store(known('anna', [[60 * DAY, 'ad_view']]))
    await log.put(call('anna', 'call_queue', MINUTE))
    expect((await now()).calls[0]?.chain).toMatchObject({
      id: null,
      state: 'open',
      interactions: [step('call_queue')],
      chainsBefore: 1,
      boughtBefore: false,
      value: [],
    })
  })

  test('of somebody anonymous who is a customer by what is stored is the customer’s', async () => {
    await store(known('anna', [[DAY, 'ad_view']]))
    const row = { kind: 'anonymous', customer: '+7916', version: 1, movedTo: 'anna', chains: [] }
    await db.store.command(`INSERT INTO customer_chains FORMAT JSONEachRow ${JSON.stringify(row)}`)
    await log.put(call('cookie', 'call_queue', MINUTE, { anonymousId: '+7916' }))
    const { calls } = await now()
    expect(calls).toMatchObject([
      { customer: 'anna', anonymousId: '+7916', chain: { interactions: [step('ad_view'), step('call_queue')] } },
    ])
  })

  test('of two calls of one customer, and of a known and an anonymous person with one id, is each their own', async () => {
    await store(known('anna', [[DAY, 'ad_view']]))
    await log.put(call('anna', 'call_queue', 2 * MINUTE), call('anna', 'call_queue', MINUTE, { episode: 'another' }))
    await log.put(call('x', 'call_queue', 0, { anonymousId: 'anna' }))
    const { calls } = await now()
    expect(calls.map(({ chain }) => chain?.interactions.length)).toEqual([2, 2, 1])
  })

  test('of long ones has the newest of it', async () => {
    await store(
      known(
        'anna',
        Array.from({ length: 70 }, (_, k) => [(80 - k) * MINUTE, 'site_visit'] as const),
      ),
    )
    await log.put(call('anna', 'call_queue', MINUTE))
    const chain = (await now()).calls[0]?.chain
    expect(chain?.interactions).toHaveLength(51)
    expect(chain?.omitted).toBe(20)
  })

  test('is missing where the store is away, and who waits is told all the same', async () => {
    const port = await freePort()
    await restart({}, storeAt(port))
    await log.put(call('anna', 'call_queue', MINUTE))
    for (let k = 0; k < 3; k++) {
      const answer = await now()
      expect(answer).toMatchObject({ total: 1, calls: [{ customer: 'anna', chain: null }] })
      expect(answer.notice).toMatch(/who waits is complete/)
      expect(JSON.stringify(answer)).not.toContain(String(port))
    }
    const stream = await Stream.open()
    expect((await stream.has(1, 'now'))[0]).toMatchObject({ notice: expect.stringMatching(/does not answer/) })
    await log.put(call('boris', 'call_queue', 0))
    expect((await stream.has(1, 'began'))[0]).toMatchObject({ customer: 'boris', chain: null })
  })

  test('is not waited for where the store hangs', async () => {
    const silent = createServer((socket) => socket.resume().on('error', () => {}))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    await restart({}, storeAt(typeof address === 'object' ? (address?.port ?? 0) : 0))
    await log.put(call('anna', 'call_queue', MINUTE))
    expect(await now()).toMatchObject({ total: 1, calls: [{ chain: null }], notice: expect.any(String) })
    silent.close()
  })
})

describe('as events', () => {
  test('first all that wait, then what begins and ends, with the chain', async () => {
    await store(known('boris', [[MINUTE, 'ad_view']]))
    await log.put(call('anna', 'call_queue', MINUTE))
    const stream = await Stream.open()
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect((await stream.has(1, 'now'))[0]).toMatchObject({ total: 1, calls: [{ customer: 'anna' }] })
    await log.put(
      call('boris', 'call_queue', 0),
      call('anna', 'call_wait', 0, { outcome: 'abandoned', waitMs: 61_000 }),
    )
    expect((await stream.has(1, 'began'))[0]).toMatchObject({
      customer: 'boris',
      chain: { interactions: [{ touchpoint: 'ad_view' }, { touchpoint: 'call_queue' }] },
    })
    expect((await stream.has(1, 'ended'))[0]).toMatchObject({
      customer: 'anna',
      endedBy: 'call_wait',
      outcome: 'abandoned',
      waitedMs: 61_000,
    })
    for (const event of stream.events) expect(waitingEvent.parse(event)).toEqual(event)
  })

  test('is told by Accept as well, and only what is asked for', async () => {
    const stream = await Stream.open('?queue=sales', { accept: 'text/event-stream' })
    await log.put(call('anna', 'call_queue', MINUTE), call('boris', 'call_queue', 5_000, { queue: 'sales' }))
    await log.put(call('anna', 'call_wait', 0), call('boris', 'call_wait', 0, { queue: 'sales' }))
    await stream.has(1, 'ended')
    expect(stream.events.map((event) => [event.state, 'customer' in event ? event.customer : null])).toEqual([
      ['now', null],
      ['began', 'boris'],
      ['ended', 'boris'],
    ])
  })

  test('who has waited for so long is told when they have', async () => {
    const stream = await Stream.open('?longerThan=2s&stream=1')
    await log.put(call('anna', 'call_queue', 0), call('boris', 'call_queue', MINUTE), call('clara', 'call_queue', 0))
    await log.put(call('clara', 'call_wait', 0))
    await stream.has(2, 'began')
    const told = stream.events.filter((event) => event.state === 'began')
    expect(told.map((event) => event.customer)).toEqual(['boris', 'anna'])
    for (const { waitedMs } of told) expect(waitedMs).toBeGreaterThanOrEqual(2_000)
    await log.put(call('anna', 'call_wait', 0))
    expect(await stream.has(1, 'ended')).toMatchObject([{ customer: 'anna' }])
  })

  test('all of it comes again from time to time; each change once', async () => {
    await restart({ heartbeatMs: 100 })
    const stream = await Stream.open()
    const names = Array.from({ length: 20 }, (_, k) => `user-${k}`)
    for (const name of names) {
      await log.put(call(name, 'call_queue', 1_000))
      await new Promise((resolve) => setTimeout(resolve, 20))
      await log.put(call(name, 'call_wait', 0))
    }
    await stream.has(20, 'ended')
    await stream.has(3, 'now')
    const of = (state: string) =>
      stream.events.flatMap((event) => (event.state === state && 'customer' in event ? [event.customer] : []))
    const first = stream.events[0]
    const began = [...(first?.state === 'now' ? people(first) : []), ...of('began')]
    expect(began.sort()).toEqual(names.sort())
    expect(of('ended').sort()).toEqual(names)
  })

  test('many listen; they count as live clients, and end in order when the server closes', async () => {
    await restart({ liveClients: 2 })
    const both = [await Stream.open(), await Stream.open()]
    const third = await running.get(`${ROUTE}?stream=1`)
    expect([third.status, third.headers.get('retry-after')]).toEqual([503, '2'])
    expect((await running.get(ROUTE)).status).toBe(200)
    const metrics = await (await running.get('/metrics')).text()
    expect(metrics).toContain('weaklink_api_live_clients 2')
    expect(metrics).toContain(`weaklink_api_requests_total{route="${ROUTE}",status="200"} 3`)
    await running.close()
    for (const stream of both) expect(await stream.ended).toBe('in order')
    await restart()
  })
})

describe('what cannot be met', () => {
  const cases: [query: string, parameter: string, value: string, expected: RegExp][] = [
    ['longerThan=30', 'longerThan', '30', /^a duration as 500ms, 20s, 3m or 1h$/],
    ['longerThan=', 'longerThan', '', /^a duration/],
    ['limit=0', 'limit', '0', /^a whole number from 1 to 1000$/],
    ['limit=1001', 'limit', '1001', /^a whole number/],
    ['limit=ten', 'limit', 'ten', /^a whole number/],
    ['limit=1&limit=2', 'limit', '1, 2', /^it once$/],
    ['stream=yes', 'stream', 'yes', /^1 or 0$/],
    ['touchpoint=Call Queue', 'touchpoint', 'Call Queue', /^the id of a touchpoint/],
    ['queues=support', 'queues', 'support', /^queue, or another of/],
  ]
  test.each(cases)('%s', async (query, parameter, value, expected) => {
    const response = await running.get(`${ROUTE}?${query}`)
    expect([response.status, response.headers.get('content-type')]).toEqual([400, 'application/problem+json'])
    const problem = (await response.json()) as { expected: string }
    expect(problem).toMatchObject({ parameter, value })
    expect(problem.expected).toMatch(expected)
  })

  test('a log that is closed: 503, and when to ask again', async () => {
    const other = await openTestLog()
    const away = await startApi({ store: db.store, log: other.log })
    await other.remove()
    const response = await away.get(ROUTE)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
    await away.close()
  })
})

/** A client of the board. */
class Stream {
  readonly events: WaitingEvent[] = []
  readonly response: Response
  readonly ended: Promise<'in order' | 'broken'>
  readonly #abort: AbortController
  #changed: () => void = () => {}

  private constructor(response: Response, abort: AbortController) {
    this.response = response
    this.#abort = abort
    this.ended = this.#read()
  }

  static async open(query = '?stream=1', headers: Record<string, string> = {}): Promise<Stream> {
    const abort = new AbortController()
    const authorization = `Bearer ${KEYS.read}`
    const url = running.url + ROUTE + query
    const response = await fetch(url, { headers: { authorization, ...headers }, signal: abort.signal })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    const stream = new Stream(response, abort)
    streams.push(stream)
    await stream.has(1, 'now')
    return stream
  }

  async #read(): Promise<'in order' | 'broken'> {
    const parser = createParser({
      onEvent: ({ event, data }) => {
        expect(event).toBe('waiting')
        this.events.push(JSON.parse(data))
        this.#changed()
      },
    })
    try {
      for await (const chunk of this.response.body!.pipeThrough(new TextDecoderStream())) parser.feed(chunk)
      return 'in order'
    } catch {
      return 'broken'
    }
  }

  async has(count: number, state: WaitingEvent['state']): Promise<WaitingEvent[]> {
    for (;;) {
      const those = this.events.filter((event) => event.state === state)
      if (those.length >= count) return those
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${count} × ${state} came`)), 20_000)
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.#abort.abort()
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
