import type { OutgoingHttpHeaders } from 'node:http'
import { LogError } from '@weaklink/event-log'
import { Problem } from '@weaklink/runtime'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LiveMetrics } from '../metrics.ts'
import type { ApiLimits } from '../options.ts'
import { Client, type Wanted } from './client.ts'
import type { Feed } from './feed.ts'

const RETRY_AFTER_SECONDS = 2

/** Opens the connections on which events go out, so many at a time. */
export class Streams {
  readonly #feed: Feed
  readonly #limits: ApiLimits
  readonly #metrics: LiveMetrics
  #open = 0

  constructor(feed: Feed, limits: ApiLimits, metrics: LiveMetrics) {
    this.#feed = feed
    this.#limits = limits
    this.#metrics = metrics
  }

  /**
   * Answers a request with server-sent events: the log is read, and `follow` sends, until the client is gone.
   *
   * @param wanted what the feed sends to it
   * @throws Problem 503 where there are too many already, or the log cannot be read
   */
  async answer(
    request: FastifyRequest,
    reply: FastifyReply,
    wanted: Wanted,
    follow: (client: Client) => Promise<void>,
  ): Promise<void> {
    const most = this.#limits.liveClients
    if (this.#open >= most) {
      throw new Problem(503, `There are ${most} live clients already; one more is too many.`, {
        retryAfter: RETRY_AFTER_SECONDS,
      })
    }
    this.#open += 1
    try {
      await whereReadable(request, () => this.#feed.enter())
    } catch (error) {
      this.#open -= 1
      throw error
    }
    reply.hijack()
    // Also for whoever counts requests: a stream is told by it.
    reply.raw.setHeader('content-type', 'text/event-stream; charset=utf-8')
    const client = new Client(reply.raw, wanted, this.#limits, this.#metrics.dropped)
    this.#metrics.connected(request.routeOptions.url ?? '')
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // A proxy that collects what we send would make it anything but live.
      'x-accel-buffering': 'no',
    })
    await follow(client)
    this.#metrics.left()
    this.#feed.leave()
    this.#open -= 1
  }
}

/** @throws Problem 503 where the log cannot be read */
export async function whereReadable<T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    request.log.warn({ err: error }, 'the log cannot be read for the live stream')
    throw new Problem(503, 'The log cannot be read at the moment.', { retryAfter: RETRY_AFTER_SECONDS })
  }
}
