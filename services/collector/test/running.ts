import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedLog, openEmbeddedLog } from '@weaklink/event-log/embedded'
import { decodeFact, type Fact, INTERACTIONS_TOPIC, type Interaction } from '@weaklink/interactions'
import { keyRing } from '@weaklink/runtime'
import { httpServer } from '@weaklink/runtime/http'
import { Registry } from 'prom-client'
import { type CollectorOptions, collector } from '../src/index.ts'

export const WRITE_KEY = 'write_test'
export const READ_KEY = 'read_test'

export interface Running {
  readonly url: string
  readonly port: number
  readonly log: EmbeddedLog
  readonly registry: Registry
  /** Everything that is in the log, partition by partition. */
  facts(): Promise<Fact[]>
  interactions(): Promise<Interaction[]>
  /** POST with the write key and JSON, unless it says otherwise. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  close(): Promise<void>
}

/** What an answer may hold: counts and refusals, or a problem. */
export interface Body {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: readonly {
    readonly index: number
    readonly id: string | null
    readonly reason: string
    readonly field: string
    readonly expected: string
    readonly got: string
  }[]
  readonly detail: string
  readonly [name: string]: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export interface RunningOptions extends Partial<CollectorOptions> {
  readonly partitions?: number
  readonly requestTimeoutMs?: number
}

/** A collector with a log of its own in a folder of its own, listening on a free port. */
export async function startCollector(options: RunningOptions = {}): Promise<Running> {
  const { partitions = 3, requestTimeoutMs, ...collectorOptions } = options
  const directory = await mkdtemp(join(tmpdir(), 'weaklink-collector-'))
  const log = await openEmbeddedLog(directory)
  await log.createTopic(INTERACTIONS_TOPIC, partitions)
  const keys = keyRing({ write: WRITE_KEY, admin: 'admin_test' }, { WEAKLINK_READ_KEYS: READ_KEY })
  const registry = new Registry()
  const server = await httpServer({
    keys,
    registry,
    notReady: () => null,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  })
  await server.register(collector({ log, keys, registry, ...collectorOptions }))
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const facts = async () => {
    const found: Fact[] = []
    for (const { partition, start, end } of await log.ranges(INTERACTIONS_TOPIC)) {
      for (let position = start; position < end; ) {
        const records = await log.read(INTERACTIONS_TOPIC, partition, position, 10_000)
        for (const record of records) {
          const decoded = decodeFact(record, record.timestamp)
          if (!decoded.ok) throw new Error(`the log holds what it should not: ${JSON.stringify(decoded.rejection)}`)
          found.push(decoded.fact)
        }
        position += records.length
      }
    }
    return found
  }
  return {
    url,
    port,
    log,
    registry,
    facts,
    interactions: async () =>
      (await facts()).flatMap((fact) => (fact.kind === 'interaction' ? [fact.interaction] : [])),
    async post(path, body, headers = {}) {
      const raw = typeof body === 'string' || body instanceof Uint8Array
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${WRITE_KEY}`, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
    },
    async close() {
      await server.close()
      await log.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
