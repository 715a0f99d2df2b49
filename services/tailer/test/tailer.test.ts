import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Interaction, readQueueLog } from '@weaklink/interactions'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Running, startCollector, WRITE_KEY } from '../../collector/test/running.ts'
import { rejectedPath, startTailer, type Tailer, TailerError, type TailerEvent } from '../src/index.ts'

// A tailer, files on a disk, and a real collector behind a front that fails as networks do.

const folder = mkdtempSync(join(tmpdir(), 'weaklink-tailer-'))
let collector: Running
let front: Server
let url: string
/** What the front does with the next requests; then it hands them on. */
let faults: ((request: IncomingMessage, response: ServerResponse, forward: () => Promise<void>) => unknown)[] = []
let requests = 0

beforeAll(async () => {
  collector = await startCollector()
  front = createServer((request, response) => {
    requests++
    const forward = async () => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const { authorization = '', 'content-type': type = '' } = request.headers
      const answer = await fetch(`${collector.url}${request.url}`, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body: Buffer.concat(chunks),
      })
      const body = await answer.text()
      if (!response.destroyed) response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
    }
    void (faults.shift() ?? ((_request, _response, handOn) => handOn()))(request, response, forward)
  })
  await new Promise<void>((done) => front.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
})
afterAll(async () => {
  front.closeAllConnections()
  front.close()
  await collector.close()
  rmSync(folder, { recursive: true, force: true })
})

const tailers = new Set<Tailer>()
afterEach(async () => {
  faults = []
  for (const tailer of tailers) await tailer.stop()
  tailers.clear()
})

let logs = 0
interface Log {
  readonly path: string
  readonly checkpointPath: string
  readonly events: TailerEvent[]
  readonly lines: string[]
  /** Lines of a call of this log; `end` as the log ends it. */
  call(end?: string): string[]
  write(...lines: string[]): void
  start(key?: string): Promise<Tailer>
  /** Waits until the collector has what the lines say; once each. */
  arrived(): Promise<void>
}

function newLog(): Log {
  const path = join(folder, `queue_log_${++logs}`)
  const mark = `log${logs}`
  const events: TailerEvent[] = []
  const lines: string[] = []
  let calls = 0
  const log: Log = {
    path,
    checkpointPath: join(folder, 'state', `${logs}.json`),
    events,
    lines,
    call(end = 'ABANDON|1|1|7') {
      const at = 1_700_000_000 + 60 * calls
      const id = `${mark}-${++calls}`
      return [`${at}|${id}|q|NONE|ENTERQUEUE||${4_930_000_000 + calls}|1`, `${at + 7}|${id}|q|NONE|${end}`]
    },
    write(...written) {
      lines.push(...written)
      appendFileSync(path, written.map((line) => `${line}\n`).join(''))
    },
    async start(key = WRITE_KEY) {
      const tailer = await startTailer({
        path,
        checkpointPath: log.checkpointPath,
        target: async () => ({ url, key }),
        onEvent: (event) => events.push(event),
      })
      tailers.add(tailer)
      return tailer
    },
    async arrived() {
      const expected = readQueueLog(lines).interactions
      let found: Interaction[] = []
      for (const end = performance.now() + 20_000; performance.now() < end; await sleep(20)) {
        found = (await collector.interactions()).filter(({ episode }) => episode?.startsWith(`${mark}-`))
        if (new Set(found.map(({ id }) => id)).size >= expected.length) break
      }
      const byId = new Map<string, Interaction>()
      for (const one of found) {
        // What was sent twice says the same twice.
        if (byId.has(one.id)) expect(one).toEqual(byId.get(one.id))
        byId.set(one.id, one)
      }
      const sorted = (interactions: Iterable<Interaction>) => [...interactions].sort((a, b) => (a.id < b.id ? -1 : 1))
      expect(sorted(byId.values())).toEqual(sorted(expected))
    },
  }
  return log
}

describe('a tailer', () => {
  it('sends what is there and what comes, and goes on where it ended', async () => {
    const log = newLog()
    log.write(...log.call(), ...log.call())
    const [enter = '', end = ''] = log.call()
    log.write(enter)
    const first = await log.start()
    await log.arrived()
    await first.stop()
    const sent = requests
    // The next one knows whose call it is that ends.
    log.write(end)
    const second = await log.start()
    await log.arrived()
    await second.stop()
    expect(second.counts()).toMatchObject({ lines: 1, accepted: 1 })
    expect(requests).toBe(sent + 1)
  })

  it('waits where the collector is busy, away, or hangs up, and loses nothing', async () => {
    const log = newLog()
    faults = [
      (_request, response) =>
        response
          .writeHead(503, { 'retry-after': '0', 'content-type': 'application/problem+json' })
          .end('{"detail":"behind"}'),
      (_request, response) => response.writeHead(429, { 'retry-after': '0' }).end(),
      (request) => request.destroy(),
      (_request, response) => response.writeHead(502).end('<html>'),
    ]
    log.write(...log.call())
    await log.start()
    log.write(...log.call())
    await log.arrived()
    // The collector has it before the answer is here.
    await expect.poll(() => log.events.at(-1)).toEqual({ kind: 'delivering' })
    const whys = log.events.flatMap((event) => (event.kind === 'retrying' ? [event.why] : []))
    expect(whys).toHaveLength(4)
    expect(whys[0]).toBe('behind')
    expect(whys[1]).toBe('HTTP 429 Too Many Requests')
  })

  it('an answer that is lost: it is sent again, and is the same', async () => {
    const log = newLog()
    faults = [
      async (_request, response, forward) => {
        response.destroy()
        await forward().catch(() => {})
      },
    ]
    log.write(...log.call())
    await log.start()
    await log.arrived()
  })

  it('stopped while nothing answers, it ends; the next one sends it', async () => {
    const log = newLog()
    log.write(...log.call())
    faults = Array.from({ length: 50 }, () => (request: IncomingMessage) => request.destroy())
    const tailer = await log.start()
    while (!log.events.some(({ kind }) => kind === 'retrying')) await sleep(5)
    await tailer.stop()
    await expect(tailer.done).resolves.toBeUndefined()
    faults = []
    await log.start()
    await log.arrived()
  })

  it.each([
    ['a key that is refused', 'write_wrong', undefined, /does not take this/],
    ['something that is no collector', WRITE_KEY, '<html>', /is no Weaklink collector/],
  ])('%s ends it with an error', async (_name, key, body, message) => {
    const log = newLog()
    log.write(...log.call())
    if (body !== undefined) faults = [(_request, response) => response.writeHead(200).end(body)]
    const tailer = await log.start(key)
    await expect(tailer.done).rejects.toThrow(TailerError)
    await expect(tailer.done).rejects.toThrow(message)
  })

  it('a call through a rotation keeps its customer', async () => {
    const log = newLog()
    const [enter = '', end = ''] = log.call()
    log.write(enter)
    await log.start()
    await log.arrived()
    renameSync(log.path, `${log.path}.1`)
    log.write(end)
    await log.arrived()
  })

  it('what is rejected is told with its reason and written beside the checkpoint; the rest is taken', async () => {
    const log = newLog()
    const ahead = Math.floor(Date.now() / 1_000) + 3_600
    const bad = ['hello', '1700000000|x|q|NONE|QUEUEDANCE|1', `${ahead}|x|q|NONE|ENTERQUEUE||1234567|1`]
    writeFileSync(log.path, bad.map((line) => `${line}\n`).join(''))
    log.write(...log.call(), '1700000000|NONE|NONE|NONE|CONFIGRELOAD|')
    const tailer = await log.start()
    await log.arrived()
    await tailer.stop()
    const written = readFileSync(rejectedPath(log.checkpointPath), 'utf8').trimEnd().split('\n')
    const rejected = written.map((line) => JSON.parse(line) as { reason: string; text: string })
    expect(rejected.map(({ reason, text }) => [reason, text])).toEqual([
      ['malformed_queue_log', bad[0]],
      ['unknown_event', bad[1]],
      ['at_in_future', bad[2]],
    ])
    expect(tailer.counts()).toMatchObject({
      rejected: 3,
      unknown: { QUEUEDANCE: 1 },
      ignored: { CONFIGRELOAD: 1 },
    })
    expect(log.events.filter(({ kind }) => kind === 'rejected')).toHaveLength(3)
  })

  it('a damaged checkpoint: it says so, and sends all of it again', async () => {
    const log = newLog()
    log.write(...log.call())
    const first = await log.start()
    await log.arrived()
    await first.stop()
    writeFileSync(log.checkpointPath, '{"version":1,"posi')
    log.write(...log.call())
    await log.start()
    expect(log.events).toContainEqual({ kind: 'checkpoint_damaged', path: log.checkpointPath })
    await log.arrived()
  })

  it('a long log comes through in batches, and the memory of calls stays small', async () => {
    const log = newLog()
    log.write(...Array.from({ length: 5_000 }, () => log.call()).flat())
    const tailer = await log.start()
    await log.arrived()
    await tailer.stop()
    expect(tailer.counts().accepted).toBe(10_000)
    expect(readFileSync(log.checkpointPath).length).toBeLessThan(500_000)
  })
})
