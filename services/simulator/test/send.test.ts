import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { chance, type Occurrence, RefusedError, runSimulator, type SimulatorProgress, simulate } from '../src/index.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 4, 12, 10)
const HISTORY = { days: 40, customersPerDay: 25 }
const EXPECTED = [
  ...simulate({ seed: 1, start: NOW - 40 * DAY, end: NOW, customersPerDay: HISTORY.customersPerDay }),
].map(({ interaction }) => interaction)

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

type Sent = Occurrence['interaction']
type Answer = (batch: readonly Sent[], response: ServerResponse) => void

/** A server that takes batches as a collector does, or answers otherwise. */
async function collector(answer: Answer) {
  const seen = { requests: 0, inFlight: 0, most: 0, largest: 0, keys: new Set<string | undefined>() }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    seen.requests++
    seen.most = Math.max(seen.most, ++seen.inFlight)
    response.on('close', () => seen.inFlight--)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      seen.largest = Math.max(seen.largest, body.length)
      seen.keys.add(request.headers.authorization)
      expect([request.method, request.url, request.headers['content-type']]).toEqual([
        'POST',
        '/v1/interactions',
        'application/json',
      ])
      answer(JSON.parse(body.toString()) as Sent[], response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const accept = (batch: readonly Sent[], response: ServerResponse, rejected: object[] = []) => {
  response.writeHead(202, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ accepted: batch.length - rejected.length, duplicates: 0, rejected }))
}

const problem = (response: ServerResponse, status: number, detail: string, headers: Record<string, string> = {}) => {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers })
  response.end(JSON.stringify({ type: 'about:blank', title: 'Problem', status, detail }))
}

const history = (url: string, onProgress: (progress: SimulatorProgress) => void = () => {}) =>
  runSimulator({ url, writeKey: 'write_me', seed: 1, history: HISTORY, now: () => NOW, onProgress })

describe('the simulator that sends', () => {
  it('brings the whole history, each once by its id and each person in order, whatever becomes of requests', async () => {
    const luck = chance(4)
    const stored = new Map<string, Sent>()
    const inOrder: Sent[] = []
    const store = (batch: readonly Sent[]) => {
      for (const one of batch) {
        // A repeat says the same.
        if (stored.has(one.id)) expect(one).toEqual(stored.get(one.id))
        else inOrder.push(one)
        stored.set(one.id, one)
      }
    }
    const { url, seen } = await collector((batch, response) => {
      switch (
        luck.pick([
          ['accepted', 8],
          ['too many', 1],
          ['overloaded', 1],
          ['broken', 1],
          ['reset before', 1],
          ['reset after', 2],
        ])
      ) {
        case 'too many':
          return problem(response, 429, 'too many', { 'retry-after': '0' })
        case 'overloaded':
          return problem(response, 503, 'the log is behind', { 'retry-after': new Date().toUTCString() })
        case 'broken':
          return problem(response, 502, 'a proxy')
        case 'reset before':
          return response.socket?.resetAndDestroy()
        case 'reset after':
          store(batch)
          return response.socket?.resetAndDestroy()
      }
      store(batch)
      accept(batch, response)
    })
    const troubles = new Set<string>()
    const counts = await history(url, ({ trouble }) => trouble !== null && troubles.add(trouble.split(' ')[0]!))

    expect(counts).toEqual({ sent: EXPECTED.length, accepted: EXPECTED.length, rejected: 0 })
    expect([...stored.values()].sort(byId)).toEqual([...EXPECTED].sort(byId))
    const whose = new Map(EXPECTED.map(({ id }) => [id, id.split('-').slice(0, 2).join('-')]))
    const people = (of: readonly Sent[]) => Map.groupBy(of, ({ id }) => whose.get(id))
    for (const [who, own] of people(inOrder)) expect(own).toEqual(people(EXPECTED).get(who))
    expect(seen.most).toBeGreaterThan(1)
    expect(seen.largest).toBeLessThanOrEqual(500_000)
    expect(seen.keys).toEqual(new Set(['Bearer write_me']))
    expect([...troubles]).toEqual(expect.arrayContaining(['429', '503', '502']))
  })

  it('comes back with the same when it was told to, and not before', async () => {
    let refused: { readonly batch: readonly Sent[]; readonly at: number } | null = null
    let cameBackAfterMs = Number.NaN
    const { url } = await collector((batch, response) => {
      if (refused === null) {
        refused = { batch, at: performance.now() }
        return problem(response, 429, 'too many', { 'retry-after': '1' })
      }
      if (batch[0]?.id === refused.batch[0]?.id) {
        expect(batch).toEqual(refused.batch)
        cameBackAfterMs = performance.now() - refused.at
      }
      accept(batch, response)
    })
    const counts = await history(url)
    expect(counts.accepted).toBe(EXPECTED.length)
    expect(cameBackAfterMs).toBeGreaterThan(950)
  })

  it('counts what is rejected, and says why', async () => {
    const refusal = {
      index: 0,
      id: 'x',
      reason: 'too_long',
      field: 'agent',
      expected: 'a short one',
      got: 'a long one',
    }
    const { url, seen } = await collector((batch, response) => accept(batch, response, [refusal]))
    let last: SimulatorProgress | undefined
    const counts = await history(url, (progress) => {
      last = progress
    })
    expect(counts).toEqual({
      sent: EXPECTED.length,
      accepted: EXPECTED.length - seen.requests,
      rejected: seen.requests,
    })
    expect(last).toMatchObject({ phase: 'history', refusal, ...counts })
  })

  it('gives up where the collector refuses the request as such', async () => {
    const { url, seen } = await collector((_, response) => problem(response, 401, 'This needs a write key.'))
    const failed = await history(url).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(RefusedError)
    expect(failed).toMatchObject({ status: 401, message: expect.stringContaining('This needs a write key.') })
    expect(seen.requests).toBeLessThanOrEqual(4)
  })

  it('goes on live from where the history ended, with nothing from the future, until it is stopped', async () => {
    const stored: Sent[] = []
    const ahead: Sent[] = []
    // Half an hour a second: what it is like to wait is not what this is about.
    const since = performance.now()
    const now = () => NOW + Math.round((performance.now() - since) * 1_800)
    const stop = new AbortController()
    const { url } = await collector((batch, response) => {
      const received = now()
      ahead.push(...batch.filter(({ at }) => at > received))
      stored.push(...batch)
      accept(batch, response)
    })
    const phases = new Set<string>()
    const running = runSimulator({
      url,
      writeKey: 'k',
      seed: 1,
      history: { days: 10, customersPerDay: 20 },
      live: { speed: 10 },
      now,
      signal: stop.signal,
      onProgress: ({ phase }) => phases.add(phase),
    })
    while (stored.filter(({ at }) => at > NOW + 30_000).length < 200) await sleep(20)
    stop.abort()
    const counts = await running

    expect(ahead).toEqual([])
    expect(counts).toEqual({ sent: stored.length, accepted: stored.length, rejected: 0 })
    expect([...phases]).toEqual(['history', 'live'])
    expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length)
    // Customers of the history go on.
    const [before, after] = [stored.filter(({ at }) => at <= NOW), stored.filter(({ at }) => at > NOW)]
    const known = new Set(before.map(({ id }) => id.split('-')[1]))
    expect(after.some(({ id }) => known.has(id.split('-')[1]))).toBe(true)
    expect(new Set(after.flatMap(({ queue }) => queue ?? [])).size).toBeGreaterThan(1)
  })

  it('ends at once where it is stopped while nobody answers', async () => {
    const { url } = await collector((_, response) => problem(response, 503, 'away', { 'retry-after': '3600' }))
    const stop = new AbortController()
    const counts = await runSimulator({
      url,
      writeKey: 'k',
      seed: 1,
      history: HISTORY,
      signal: stop.signal,
      now: () => NOW,
      onProgress: ({ trouble }) => trouble !== null && stop.abort(),
    })
    expect(counts).toEqual({ sent: 0, accepted: 0, rejected: 0 })
  })
})

function byId(a: Sent, b: Sent): number {
  return a.id < b.id ? -1 : 1
}
