import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Store } from '@weaklink/clickhouse'
import { type EmbeddedLog, openEmbeddedLog } from '@weaklink/event-log/embedded'
import {
  encodeFact,
  type Fact,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOf,
  personOf,
  REJECTED_TOPIC,
} from '@weaklink/interactions'
import { keyRing } from '@weaklink/runtime'
import { httpServer } from '@weaklink/runtime/http'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { Registry } from 'prom-client'
import { type ApiOptions, api, type Refused, type RevisedCustomer } from '../src/index.ts'

export const KEYS = { read: 'read_key', write: 'write_key', admin: 'admin_key' } as const
export const PARTITIONS = 3

export interface Running {
  readonly url: string
  /** Asks with the read key, where no other one is given. */
  get(path: string, key?: string): Promise<Response>
  /** The answer to that, as the test knows it to be. */
  json<T>(path: string): Promise<T>
  /** What the tracker and the collector tell. */
  revise(row: RevisedCustomer): void
  refuse(...rejections: Refused[]): void
  close(): Promise<void>
}

/** A store that nobody answers for. */
export function storeAt(port: number): Store {
  return connect({ url: `http://127.0.0.1:${port}`, database: 'weaklink' })
}

export async function startApi(
  options: Pick<ApiOptions, 'store' | 'log'> & Partial<ApiOptions>,
  port = 0,
): Promise<Running> {
  const environment = {
    WEAKLINK_READ_KEYS: KEYS.read,
    WEAKLINK_WRITE_KEYS: KEYS.write,
    WEAKLINK_ADMIN_KEYS: KEYS.admin,
  }
  const keys = keyRing(null, environment)
  const registry = new Registry()
  const server = await httpServer({ keys, registry, notReady: () => null })
  const [revised, refused] = [listeners<RevisedCustomer>(), listeners<readonly Refused[]>()]
  await server.register(api({ keys, registry, revised: revised.add, refused: refused.add, ...options }))
  const url = await server.listen({ host: '127.0.0.1', port })
  const get = (path: string, key: string = KEYS.read) =>
    fetch(url + path, { headers: { authorization: `Bearer ${key}` } })
  return {
    url,
    get,
    json: async <T>(path: string) => (await (await get(path)).json()) as T,
    revise: revised.tell,
    refuse: (...rejections) => refused.tell(rejections),
    close: () => server.close(),
  }
}

function listeners<T>() {
  const all = new Set<(what: T) => void>()
  return {
    add(listener: (what: T) => void) {
      all.add(listener)
      return () => all.delete(listener)
    },
    tell(what: T) {
      for (const listener of all) listener(what)
    },
  }
}

export interface TestLog {
  readonly log: EmbeddedLog
  readonly directory: string
  /** Appends as the collector does. */
  put(...facts: Fact[]): Promise<void>
  remove(): Promise<void>
}

export async function openTestLog(): Promise<TestLog> {
  const directory = await mkdtemp(join(tmpdir(), 'weaklink-api-'))
  const log = await openEmbeddedLog(directory)
  await log.createTopic(INTERACTIONS_TOPIC, PARTITIONS)
  await log.createTopic(REJECTED_TOPIC, 1)
  return {
    log,
    directory,
    async put(...facts) {
      const records = facts.map((fact) => ({ partition: partitionFor(fact), ...encodeFact(fact) }))
      await log.append(INTERACTIONS_TOPIC, records)
    },
    async remove() {
      await log.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function partitionFor(fact: Fact): number {
  if (fact.kind === 'interaction') return partitionOf(personOf(fact.interaction).customer, PARTITIONS)
  if (fact.kind === 'link') return partitionOf(fact.link.anonymousId, PARTITIONS)
  return fact.kind === 'unlink' ? partitionOf(fact.anonymousId, PARTITIONS) : 0
}

export function met(id: string, more: Partial<Interaction> = {}): Fact & { kind: 'interaction' } {
  const who = more.anonymousId === undefined ? { customer: 'anna' } : {}
  return { kind: 'interaction', interaction: { id, ...who, touchpoint: 'ad_view', at: Date.now(), ...more } }
}

export interface Told {
  readonly type: string
  readonly id: string | undefined
  readonly data: Readonly<Record<string, unknown>>
}

/** A client of the live stream. */
export class Listener {
  readonly events: Told[] = []
  readonly comments: string[] = []
  readonly response: Response
  /** As a browser keeps it. */
  lastEventId = ''
  ended = false
  /** It ended in the middle. */
  broken = false
  readonly #abort: AbortController
  readonly #changed = new EventTarget()

  private constructor(response: Response, abort: AbortController, asleep: Promise<void>) {
    this.response = response
    this.#abort = abort
    void asleep.then(() => this.#read())
  }

  /** @param asleep until it resolves, nothing is read */
  static async open(running: Running, path = '', lastEventId = '', asleep = Promise.resolve()): Promise<Listener> {
    const abort = new AbortController()
    const response = await fetch(`${running.url}/api/v1/live${path}`, {
      headers: {
        authorization: `Bearer ${KEYS.read}`,
        ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }),
      },
      signal: abort.signal,
    })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    const listener = new Listener(response, abort, asleep)
    await listener.until(() => listener.events.length > 0)
    return listener
  }

  async #read(): Promise<void> {
    const parser = createParser({
      onEvent: ({ event, id, data }: EventSourceMessage) => {
        if (id !== undefined) this.lastEventId = id
        this.events.push({ type: event ?? '', id, data: JSON.parse(data) })
      },
      onComment: (comment) => this.comments.push(comment),
    })
    try {
      for await (const chunk of this.response.body!.pipeThrough(new TextDecoderStream())) {
        parser.feed(chunk)
        this.#changed.dispatchEvent(new Event('changed'))
      }
    } catch {
      this.broken = true
    }
    this.ended = true
    this.#changed.dispatchEvent(new Event('changed'))
  }

  async until(reached: () => boolean): Promise<void> {
    while (!reached()) await once(this.#changed, 'changed', { signal: AbortSignal.timeout(30_000) })
  }

  of(type: string): Told[] {
    return this.events.filter((event) => event.type === type)
  }

  /** Ids of the interactions so far. */
  get ids(): string[] {
    return this.of('interaction').map(({ data }) => String(data.id))
  }

  async has(count: number, type = 'interaction'): Promise<Told[]> {
    await this.until(() => this.of(type).length >= count)
    return this.of(type)
  }

  close(): void {
    this.#abort.abort()
  }
}
