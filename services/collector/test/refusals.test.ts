import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { type EventLog, LogError } from '@weaklink/event-log'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Answer,
  type Body,
  READ_KEY,
  type Running,
  type RunningOptions,
  startCollector,
  WRITE_KEY,
} from './running.ts'

const AT = Date.UTC(2024, 2, 13)
let count = 0
const one = (more: object = {}) => ({ id: `i-${count++}`, customer: 'c', touchpoint: 'quote', at: AT, ...more })

let running: Running
beforeAll(async () => {
  running = await startCollector()
})
afterAll(() => running.close())

const others: Running[] = []
async function another(options: RunningOptions): Promise<Running> {
  const started = await startCollector(options)
  others.push(started)
  return started
}
afterEach(async () => {
  for (const other of others.splice(0)) await other.close()
})

/** Every refusal is a problem document (RFC 9457) that says the status and what was expected. */
function expectProblem(answer: Answer, status: number, detail: RegExp | string): void {
  expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json'])
  expect(answer.body).toMatchObject({ type: 'about:blank', status, title: expect.any(String) })
  if (typeof detail === 'string') expect(answer.body.detail).toContain(detail)
  else expect(answer.body.detail).toMatch(detail)
}

describe('keys', () => {
  const send = async (headers: Record<string, string>, path = '/v1/interactions') => {
    const response = await fetch(running.url + path, { method: 'POST', headers, body: '[]' })
    return { status: response.status, headers: response.headers, body: (await response.json()) as Body }
  }
  it('none, an unknown one, one of another kind', async () => {
    for (const path of ['/v1/interactions', '/v1/events', '/v1/batch']) {
      const none = await send({}, path)
      // In a body of Segment there could be one.
      expectProblem(none, 401, 'write key')
      expect(none.headers.get('www-authenticate')).toContain('Bearer')
      expectProblem(await send({ authorization: 'Bearer nobody' }, path), 401, 'not known')
      expectProblem(await send({ authorization: `Bearer ${READ_KEY}` }, path), 403, 'write key')
      expectProblem(await send({ authorization: 'Bearer admin_test' }, path), 403, 'write key')
    }
  })
  it('as Bearer, as user of Basic, in the query', async () => {
    expect((await send({ authorization: `Bearer ${WRITE_KEY}` })).status).toBe(202)
    expect((await send({ authorization: `Basic ${btoa(`${WRITE_KEY}:`)}` })).status).toBe(202)
    expect((await send({}, `/v1/interactions?key=${WRITE_KEY}`)).status).toBe(202)
  })
})

describe('a body that cannot be read', () => {
  const bytes = (...parts: (string | number[])[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))
  const rows: [
    given: string,
    body: string | Uint8Array | undefined,
    headers: Record<string, string>,
    status: number,
    detail: string | RegExp,
  ][] = [
    ['nothing', undefined, {}, 400, 'empty'],
    ['no JSON', 'hello', {}, 400, 'line 1, column 1: expected a value'],
    ['a comma too many', '[{"a": 1},\n  ]', {}, 400, 'line 2, column 3: expected a value'],
    ['a key without quotes', '{a: 1}', {}, 400, 'line 1, column 2: expected a key in double quotes'],
    ['no colon', '{"a" 1}', {}, 400, 'column 6: expected :'],
    ['broken off', '[{"id":"a"', {}, 400, 'expected , or }, got the end of the body'],
    ['broken off in a text', '["ab', {}, 400, 'expected the end of the string'],
    ['a bad escape', '["\\x"]', {}, 400, 'column 3: expected an escape'],
    ['a line break in a text', '["a\nb"]', {}, 400, 'control character'],
    ['more behind', '[] []', {}, 400, 'expected the end'],
    ['a number that is none', '[01]', {}, 400, 'column 3: expected , or ]'],
    ['NaN', '[NaN]', {}, 400, 'expected a value'],
    ['no UTF-8', bytes('[{"id":"é', [0xff, 0xfe], '"}]'), {}, 400, 'not UTF-8 at byte 10'],
    ['no UTF-8 behind a replacement character', bytes('["\ufffd', [0xc3], '"]'), {}, 400, 'not UTF-8 at byte 5'],
    ['UTF-16', Buffer.from('\ufeff[]', 'utf16le'), {}, 400, 'not UTF-8 at byte 0'],
    ['gzip that is none', '[]', { 'content-encoding': 'gzip' }, 400, 'cannot be unpacked'],
    [
      'gzip broken off',
      gzipSync(JSON.stringify([one()])).subarray(0, 40),
      { 'content-encoding': 'gzip' },
      400,
      'cannot be unpacked',
    ],
    ['a wrong checksum', flipped(gzipSync('[]')), { 'content-encoding': 'gzip' }, 400, 'cannot be unpacked'],
    ['another encoding', '[]', { 'content-encoding': 'br' }, 415, 'expected gzip, deflate or none'],
    ['packed twice', '[]', { 'content-encoding': 'gzip, gzip' }, 415, 'gzip, gzip'],
    ['too large', `["${'x'.repeat(500_000)}"]`, {}, 413, '500000 bytes'],
    ['a bomb', gzipSync(Buffer.alloc(200_000_000, 0x20)), { 'content-encoding': 'gzip' }, 413, '500000 bytes'],
    [
      'a bomb of the other kind',
      deflateSync(Buffer.alloc(50_000_000, 0x20)),
      { 'content-encoding': 'deflate' },
      413,
      '500000 bytes',
    ],
    ['too many', JSON.stringify(Array.from({ length: 1_001 }, () => 0)), {}, 413, 'at most 1000'],
  ]
  it.each(rows)('%s', async (_given, body, headers, status, detail) => {
    expectProblem(await running.post('/v1/interactions', body, headers), status, detail)
  })

  it('too large without a length', async () => {
    const part = Buffer.alloc(50_000, 0x20)
    const body = (async function* () {
      for (let k = 0; k < 40; k++) yield part
    })()
    const response = await fetch(`${running.url}/v1/interactions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${WRITE_KEY}` },
      body: body as unknown as string,
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
  })

  it('nesting as deep as it fits is refused like any other value', async () => {
    const told: unknown[] = []
    const watched = await another({ onRejected: (rejections) => told.push(...rejections) })
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const depth = Math.floor(480_000 / (open.length + 1))
      const deep = `${open.repeat(depth)}1${close.repeat(depth)}`
      const { body } = await watched.post('/v1/interactions', `[${deep},${JSON.stringify(one())}]`)
      expect(body).toMatchObject({ accepted: 1, rejected: [{ index: 0 }] })
      expectProblem(await watched.post('/v1/interactions', open.repeat(depth)), 400, 'got the end of the body')
    }
    expect(told).toHaveLength(2)
  })
})

function flipped(bytes: Buffer): Buffer {
  bytes[bytes.length - 5]! ^= 0xff
  return bytes
}

describe('a body that can', () => {
  it('packed in every way', async () => {
    const packed = [
      ['gzip', gzipSync],
      ['x-gzip', gzipSync],
      ['GZIP', gzipSync],
      ['deflate', deflateSync],
      ['deflate', deflateRawSync],
      ['identity', Buffer.from],
    ] as const
    for (const [encoding, pack] of packed) {
      const body = pack(Buffer.from(JSON.stringify([one()])))
      expect((await running.post('/v1/interactions', body, { 'content-encoding': encoding })).body.accepted).toBe(1)
    }
  })
  it('with a byte order mark', async () => {
    expect((await running.post('/v1/interactions', `\ufeff${JSON.stringify(one())}`)).body.accepted).toBe(1)
    expectProblem(await running.post('/v1/interactions', '\ufeff\ufeff[]'), 400, 'column 1')
  })
  it('as large as it may be', async () => {
    const rest = JSON.stringify([one()])
    const body = rest + ' '.repeat(500_000 - rest.length)
    expect((await running.post('/v1/interactions', body)).body.accepted).toBe(1)
    expect(
      (
        await running.post(
          '/v1/interactions',
          Array.from({ length: 1_000 }, () => one()),
        )
      ).body.accepted,
    ).toBe(1_000)
  })
})

describe('an interaction that is too large', () => {
  it('is named, the others are kept', async () => {
    const size = (text: string) => Buffer.byteLength(JSON.stringify(one({ id: 'large', props: { a: text } })))
    const fits = 'x'.repeat(32_768 - size(''))
    const { body } = await running.post('/v1/interactions', [
      one({ id: 'large', props: { a: fits } }),
      one({ id: 'larger', props: { a: `${fits}x` } }),
      one({ props: { a: 'é'.repeat(20_000) } }),
      one(),
    ])
    expect(body).toMatchObject({
      accepted: 2,
      rejected: [
        { index: 1, id: 'larger', reason: 'too_long', field: '', got: '32770 bytes' },
        { index: 2, reason: 'too_long' },
      ],
    })
  })
})

describe('who is not heard to the end', () => {
  const head = (length: number) =>
    `POST /v1/interactions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${WRITE_KEY}\r\nContent-Length: ${length}\r\n\r\n`
  const opened = (port: number) =>
    new Promise<Socket>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket))
      socket.on('error', () => {})
    })
  const answerOn = async (socket: Socket) => {
    let text = ''
    for await (const chunk of socket) text += chunk
    return text
  }

  it('a connection that breaks off in a body stores nothing and holds nothing', async () => {
    const alone = await another({})
    const body = JSON.stringify([one(), one()])
    for (let k = 0; k < 50; k++) {
      const socket = await opened(alone.port)
      socket.write(head(body.length) + body.slice(0, k + 1))
      await sleep(2)
      socket.destroy()
    }
    expect((await alone.post('/v1/interactions', one())).body.accepted).toBe(1)
    expect(await alone.interactions()).toHaveLength(1)
    const held = async () =>
      (await alone.registry.getSingleMetricAsString('weaklink_collector_bytes_in_flight')).split(' ').at(-1)
    await expect.poll(held).toBe('0')
  })

  it('a slow client is given up, and others do not wait for it', async () => {
    const patient = await another({ requestTimeoutMs: 500 })
    const slow = await opened(patient.port)
    slow.write(`${head(1_000)}[`)
    const drip = setInterval(() => slow.write(' '), 50)
    const heard = answerOn(slow)
    expect((await patient.post('/v1/interactions', one())).body.accepted).toBe(1)
    expect(await heard).toMatch(/^HTTP\/1\.1 408 [\s\S]*application\/problem\+json[\s\S]*within 0\.5 seconds/)
    clearInterval(drip)
    expect(await patient.interactions()).toHaveLength(1)
  })

  it('what is no HTTP is told so', async () => {
    const socket = await opened(running.port)
    socket.write('HELLO\r\n\r\n')
    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 400 [\s\S]*not well-formed HTTP/)
  })
})

describe('when it is too much', () => {
  it('503 and when to come again, while the log is behind', async () => {
    let why: string | null = 'The log is 9 records behind.'
    const behind = await another({ overloaded: () => why })
    const refused = await behind.post('/v1/interactions', one())
    expectProblem(refused, 503, '9 records behind')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    why = null
    expect((await behind.post('/v1/interactions', one())).status).toBe(202)
  })

  it('503 when the log cannot be written, and nothing is acknowledged', async () => {
    const { log } = await another({})
    const full = logWith(log, async () => {
      throw new LogError('disk_full', 'no space')
    })
    const refusing = await another({ log: full })
    const answer = await refusing.post('/v1/interactions', one())
    expectProblem(answer, 503, 'disk_full')
    expect(answer.headers.get('retry-after')).toBe('5')
  })

  it('503 when more bytes are in flight than there is room for', async () => {
    const small = await another({ limits: { bytesInFlight: 1_000 } })
    const refused = await small.post('/v1/interactions', `[${' '.repeat(2_000)}]`)
    expectProblem(refused, 503, 'room')
    expect(refused.headers.get('retry-after')).toBe('1')
    const packed = gzipSync(`[${' '.repeat(2_000)}]`)
    expectProblem(await small.post('/v1/interactions', packed, { 'content-encoding': 'gzip' }), 503, 'room')
    expect((await small.post('/v1/interactions', one())).status).toBe(202)
  })

  it('429 for a key that sends too fast, by its interactions, until its debt is paid', async () => {
    let now = AT
    const limited = await another({ now: () => now, limits: { interactionsPerSecond: 10 } })
    const some = (length: number) => Array.from({ length }, () => one())
    expect((await limited.post('/v1/interactions', some(8))).status).toBe(202)
    expect((await limited.post('/v1/interactions', some(32))).status).toBe(202)
    const refused = await limited.post('/v1/interactions', some(1))
    expectProblem(refused, 429, '10 interactions a second')
    expect(refused.headers.get('retry-after')).toBe('3')
    now += 2_900
    expect((await limited.post('/v1/track', {})).status).toBe(429)
    now += 200
    expect((await limited.post('/v1/interactions', some(1))).status).toBe(202)
    expect(await limited.interactions()).toHaveLength(41)
  })

  it('answers what it has begun to store before the server closes', async () => {
    let appending = () => {}
    const begun = new Promise<void>((resolve) => (appending = resolve))
    let goOn = () => {}
    const held = new Promise<void>((resolve) => (goOn = resolve))
    const source = await another({})
    const slow = logWith(source.log, async (topic, records) => {
      appending()
      await held
      return source.log.append(topic, records)
    })
    const closing = await startCollector({ log: slow })
    const answer = closing.post('/v1/interactions', one())
    await begun
    const closed = closing.close()
    await sleep(50)
    goOn()
    expect((await answer).status).toBe(202)
    await closed
    expect(await source.interactions()).toHaveLength(1)
  })
})

/** The same log with another way to append: what a disk does cannot be had at will. */
function logWith(log: EventLog, append: EventLog['append']): EventLog {
  return {
    append,
    createTopic: (topic, partitions) => log.createTopic(topic, partitions),
    describe: (topic) => log.describe(topic),
    ranges: (topic) => log.ranges(topic),
    read: (topic, partition, position, max) => log.read(topic, partition, position, max),
    consume: (topic, group, handler) => log.consume(topic, group, handler),
    close: () => log.close(),
  }
}

describe('browsers', () => {
  it('may send from any page: the preflight says so', async () => {
    for (const path of ['/v1/interactions', '/v1/events', '/v1/batch', '/v1/t']) {
      const response = await fetch(running.url + path, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://shop.example',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type,anonymousid',
        },
      })
      expect(response.status).toBe(204)
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-allow-methods')).toContain('POST')
      expect(response.headers.get('access-control-allow-headers')).toBe('authorization,content-type,anonymousid')
    }
  })
  it('may read every answer', async () => {
    const headers = { origin: 'https://shop.example' }
    const answers = [
      await running.post('/v1/interactions', one(), headers),
      await running.post('/v1/interactions', 'x', headers),
      await running.post('/v1/interactions', one(), { ...headers, authorization: 'Bearer x' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([202, 400, 401])
    for (const answer of answers) {
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('access-control-expose-headers')).toBe('retry-after')
    }
  })
})

describe('what it says of itself', () => {
  it('every route is described, with an example', async () => {
    const { paths } = (await (await fetch(`${running.url}/openapi.json`)).json()) as {
      paths: Record<
        string,
        { post?: { summary?: string; security?: unknown; requestBody?: unknown; responses: object } }
      >
    }
    const calls = ['batch', 'track', 'page', 'screen', 'identify', 'alias', 'group']
    for (const path of ['interactions', 'events', ...calls]) {
      const post = paths[`/v1/${path}`]?.post
      expect([path, post?.security]).toEqual([path, [{ writeKey: [] }]])
      expect(JSON.stringify(post?.requestBody)).toMatch(/"examples?"/)
      expect(Object.keys(post?.responses ?? {})).toEqual(
        expect.arrayContaining(['400', '401', '413', '415', '429', '503']),
      )
    }
    expect((await fetch(`${running.url}/docs`)).status).toBe(200)
  })
  it('counts what comes', async () => {
    const counted = await another({})
    await counted.post('/v1/interactions', [one({ id: 'a' }), one({ id: 'a' }), 5])
    await counted.post('/v1/track', { userId: 'u', event: 'Quote' })
    const metrics = await counted.registry.metrics()
    for (const line of [
      'weaklink_collector_interactions_total{format="interactions",result="accepted"} 1',
      'weaklink_collector_interactions_total{format="interactions",result="duplicate"} 1',
      'weaklink_collector_interactions_total{format="interactions",result="rejected"} 1',
      'weaklink_collector_interactions_total{format="segment",result="accepted"} 1',
      'weaklink_collector_rejected_total{format="interactions",reason="not_an_object"} 1',
      'weaklink_collector_request_seconds_count{format="interactions",status="202"} 1',
    ])
      expect(metrics).toContain(line)
  })
})
