import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WRITE_KEY } from './running.ts'

// Random requests on every route: `WEAKLINK_SEED=… npx vitest run services/collector/test/fuzz.test.ts` replays one run.

const SEED = Number(process.env.WEAKLINK_SEED ?? Date.now() % 2 ** 32)
const REQUESTS = Number(process.env.WEAKLINK_RUNS ?? 12_000)
const FIRST = 1_000
const AT_ONCE = 8

let server: ChildProcess
let lines: AsyncIterator<string>
let port: number

beforeAll(async () => {
  const file = fileURLToPath(new URL('fuzz-server.ts', import.meta.url))
  server = spawn(process.execPath, ['--expose-gc', file], { stdio: ['pipe', 'pipe', 'inherit'] })
  lines = createInterface({ input: server.stdout! })[Symbol.asyncIterator]()
  port = Number(new URL((await lines.next()).value).port)
})
afterAll(async () => {
  server.stdin!.end()
  await once(server, 'exit')
})

async function heapUsed(): Promise<number> {
  server.stdin!.write('\n')
  return Number((await lines.next()).value)
}

describe('random requests', () => {
  it(`get no 5xx, break nothing and leave nothing behind (seed ${SEED})`, async () => {
    const random = randomOf(SEED)
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
    const statuses = new Map<number, number>()
    const wrong: unknown[] = []
    const send = async (requests: number) => {
      for (let done = 0; done < requests; done += AT_ONCE) {
        const some = Array.from({ length: AT_ONCE }, () => randomRequest(random))
        await Promise.all(
          some.map(async (one) => {
            const { status, type, body } = await answerTo(one, agent)
            statuses.set(status, (statuses.get(status) ?? 0) + 1)
            const isRight =
              status >= 200 && status < 500 && (status < 300 || (type === 'application/problem+json' && body !== ''))
            if (!isRight)
              wrong.push({ status, path: one.path, headers: one.headers, body: one.body.toString('latin1', 0, 500) })
          }),
        )
      }
    }
    await send(FIRST)
    const before = await heapUsed()
    await send(REQUESTS - FIRST)
    const after = await heapUsed()
    agent.destroy()
    expect({ seed: SEED, wrong: wrong.slice(0, 3) }).toEqual({ seed: SEED, wrong: [] })
    // The requests are as different as they are meant to be.
    for (const status of [200, 202, 400, 401, 403, 413, 415])
      expect([status, statuses.get(status) ?? 0]).not.toEqual([status, 0])
    expect(after / before).toBeLessThan(1.2)
  })
})

interface RandomRequest {
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Buffer
}

function answerTo({ path, headers, body }: RandomRequest, agent: Agent) {
  return new Promise<{ status: number; type: string; body: string }>((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, method: 'POST', headers, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body: text }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

type Random = () => number

/** mulberry32. */
function randomOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const CALLS = ['track', 'page', 'screen', 'identify', 'alias', 'group']
const PATHS = [
  ...['/v1/interactions', '/v1/interactions?dryRun=1', '/v1/interactions?dryRun=x', '/v1/events', '/v1/batch'],
  ...CALLS.flatMap((call) => [`/v1/${call}`, `/v1/${call[0]}`]),
  ...['/v1/import', '/beacon/v1/batch', `/beacon/v1/batch?writeKey=${WRITE_KEY}`, '/v1/nowhere'],
]
const TYPES = [
  ...['application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json', 'text/plain', 'json'],
  ...['application/cloudevents+avro', 'multipart/form-data; boundary=x', 'application/json; charset=utf-16', ''],
]
const NAMES = [
  ...['id', 'customer', 'anonymousId', 'touchpoint', 'at', 'by', 'outcome', 'props', 'waitMs', 'value', 'currency'],
  ...['type', 'event', 'name', 'userId', 'previousId', 'messageId', 'timestamp', 'sentAt', 'properties', 'context'],
  ...['campaign', 'order_id', 'revenue', 'batch', 'writeKey', 'specversion', 'source', 'subject', 'time', 'data'],
  ...['data_base64', 'datacontenttype', '__proto__', 'constructor', 'toString', '', 'é', '\u0000', '\ud800'],
]
const TEXTS = [
  ...['a', '', 'call_wait', 'Order Completed', 'bought', 'customer', 'EUR', '1.0', 'track', 'alias', '—', '\u0000'],
  ...['2024-03-13T10:21:14+03:00', '2024-13-45T99:99:99Z', '9999-12-31T00:00:00Z', '\ud83d', '"}', '},{"id":"', '%zz'],
]

function randomRequest(random: Random): RandomRequest {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const path = one(PATHS)
  const headers: Record<string, string> = {}
  const key = random()
  if (key < 0.93) headers.authorization = `Bearer ${WRITE_KEY}`
  else if (key < 0.95) headers.authorization = one(['Bearer', 'Basic', 'Basic !!', 'Bearer x', '', ' '])
  else if (key < 0.97) headers.authorization = 'Bearer read_test'
  if (random() < 0.9) headers['content-type'] = one(TYPES)
  if (random() < 0.2) {
    headers['ce-specversion'] = one(['1.0', '2', ''])
    for (const name of ['id', 'source', 'type', 'subject', 'time']) {
      if (random() < 0.8) headers[`ce-${name}`] = one(['a', '%', '%C3%A9', '%00', '2024-03-13T10:21:14Z', ''])
    }
  }
  let body = Buffer.from(bodyOf(random, path))
  // A few bytes of it are others, or missing, or there twice.
  for (let k = random() < 0.3 ? 1 + Math.floor(random() * 4) : 0; k > 0 && body.length > 0; k--) {
    const at = Math.floor(random() * body.length)
    const way = random()
    if (way < 0.5) body[at] = Math.floor(random() * 256)
    else if (way < 0.75) body = body.subarray(0, at)
    else body = Buffer.concat([body.subarray(0, at), body.subarray(Math.floor(at / 2))])
  }
  const encoding = random()
  if (encoding < 0.1) {
    headers['content-encoding'] = 'gzip'
    body = gzipSync(body)
    if (random() < 0.3) body[Math.floor(random() * body.length)] = Math.floor(random() * 256)
  } else if (encoding < 0.15) {
    headers['content-encoding'] = 'deflate'
    body = deflateSync(body)
  } else if (encoding < 0.18) headers['content-encoding'] = one(['gzip', 'deflate', 'br', 'gzip, gzip', '', 'zstd'])
  return { path, headers, body }
}

function bodyOf(random: Random, path: string): string | Buffer {
  const kind = random()
  if (kind < 0.6) return JSON.stringify(likely(random, path))
  if (kind < 0.85) return JSON.stringify(randomValue(random, 4)) ?? ''
  if (kind < 0.95)
    return Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256)))
  if (kind < 0.97) return '['.repeat(Math.floor(random() * 50_000))
  if (kind < 0.975) return `["${'x'.repeat(600_000)}"]`
  if (kind < 0.98) return gzipSync(Buffer.alloc(5_000_000))
  if (kind < 0.99) return JSON.stringify(Array.from({ length: 900 + Math.floor(random() * 200) }, (_, k) => k))
  return ''
}

/** What the route is for, with something random in it now and then. */
function likely(random: Random, path: string): unknown {
  const odd = (value: unknown): unknown => (random() < 0.1 ? randomValue(random, 2) : value)
  const many = (one: () => unknown) => Array.from({ length: Math.floor(random() * 6) }, one)
  const id = () => odd(`i-${Math.floor(random() * 1e6)}`)
  const interaction = () => ({
    id: id(),
    customer: odd(`c-${Math.floor(random() * 50)}`),
    touchpoint: odd('call_wait'),
    at: odd(random() < 0.5 ? 1_710_000_000_000 : '2024-03-13T10:21:14+03:00'),
    ...(random() < 0.3 ? { props: odd({ a: odd(1), b: odd('x') }) } : {}),
    ...(random() < 0.1 ? { [NAMES[Math.floor(random() * NAMES.length)]!]: randomValue(random, 2) } : {}),
  })
  const segment = () => ({
    type: odd(CALLS[Math.floor(random() * CALLS.length)]),
    event: odd('Order Completed'),
    userId: odd('u'),
    anonymousId: odd(null),
    previousId: odd('p'),
    messageId: id(),
    timestamp: odd('2024-03-13T10:21:14Z'),
    sentAt: odd('2024-03-13T10:21:15Z'),
    properties: odd({ order_id: odd(5), revenue: odd('5.5'), waitMs: odd(5), other: odd('x') }),
    context: odd({ campaign: odd({ name: odd('spring'), source: odd('x') }) }),
  })
  const cloudEvent = () => ({
    specversion: odd('1.0'),
    id: id(),
    source: odd('/s'),
    type: odd('call_wait'),
    subject: odd('c'),
    time: odd('2024-03-13T10:21:14Z'),
    data: odd(random() < 0.5 ? { waitMs: odd(5) } : interaction()),
  })
  if (path.startsWith('/v1/interactions')) return random() < 0.3 ? interaction() : many(interaction)
  if (path.startsWith('/v1/events')) return random() < 0.5 ? cloudEvent() : many(cloudEvent)
  if (/batch|import/.test(path))
    return { batch: odd(many(segment)), sentAt: odd('2024-03-13T10:21:15Z'), writeKey: odd(WRITE_KEY) }
  return segment()
}

function randomValue(random: Random, depth: number): unknown {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const kind = Math.floor(random() * (depth > 0 ? 8 : 6))
  switch (kind) {
    case 0:
      return null
    case 1:
      return random() < 0.5
    case 2:
      return one([0, -0, -1, 1.5, 1e308, 5e-324, 2 ** 53, 1_710_000_000_000, random() * 1e6])
    case 3:
    case 4:
      return one(TEXTS)
    case 5:
      return one(TEXTS).repeat(Math.floor(random() * 300))
    case 6:
      return Array.from({ length: Math.floor(random() * 4) }, () => randomValue(random, depth - 1))
    default:
      return Object.fromEntries(
        Array.from({ length: Math.floor(random() * 5) }, () => [one(NAMES), randomValue(random, depth - 1)]),
      )
  }
}
