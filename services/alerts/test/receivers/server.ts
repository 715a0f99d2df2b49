import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { vi } from 'vitest'

export interface Received {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** `performance.now()` */
  readonly at: number
}

/** What the server does with a request; the number counts them from 0. */
export type Behaviour = (response: ServerResponse, count: number, received: Received) => void

/** An HTTP server of the test, on a free port of 127.0.0.1. */
export class TestReceiver {
  readonly received: Received[] = []
  behaviour: Behaviour
  readonly #server: Server

  private constructor(server: Server, behaviour: Behaviour) {
    this.#server = server
    this.behaviour = behaviour
  }

  static async start(behaviour: Behaviour = ok, port = 0): Promise<TestReceiver> {
    const server = createServer()
    const receiver = new TestReceiver(server, behaviour)
    server.on('request', async (request, response) => {
      let text = ''
      for await (const chunk of request.setEncoding('utf8')) text += chunk
      const received = { url: request.url ?? '', headers: request.headers, text, at: performance.now() }
      receiver.received.push(received)
      receiver.behaviour(response, receiver.received.length - 1, received)
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The bodies so far. */
  bodies<T = Record<string, unknown>>(): T[] {
    return this.received.map(({ text }) => JSON.parse(text) as T)
  }

  async until(count: number): Promise<void> {
    await vi.waitUntil(() => this.received.length >= count, { timeout: 30_000, interval: 5 })
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export const ok: Behaviour = (response) => void response.end()

export function answer(status: number, text = '', headers: Record<string, string> = {}): Behaviour {
  return (response) => void response.writeHead(status, headers).end(text)
}

/** One behaviour after the other; the last one stays. */
export function inTurn(...behaviours: readonly Behaviour[]): Behaviour {
  return (response, count, received) => (behaviours[count] ?? behaviours.at(-1) ?? ok)(response, count, received)
}
