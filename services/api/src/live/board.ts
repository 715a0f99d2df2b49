import type { WaitingCall } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import type { FastifyBaseLogger } from 'fastify'
import type { BoardCall, WaitingEvent, WaitingNow } from './board-shape.ts'
import { type BoardQuery, BoardStream, isWanted, waitedMs } from './board-stream.ts'
import { ChainsSoFar } from './chains-so-far.ts'
import type { Client } from './client.ts'
import { instantText } from './events.ts'
import type { Feed } from './feed.ts'
import { endOf } from './waiting.ts'

/** How late it is noticed that somebody has waited for so long. */
const TICK_MS = 250
const MOST_CHAINS = 1_000
const NO_CHAINS =
  'The store of the chains does not answer at the moment: who waits is complete, what they did before is missing.'

/**
 * Who waits now: the waits from the log, as the feed reads it, so that they are there at once; the chains of those who wait
 * from the store, as old as its last flush.
 *
 * It is ready while it is asked: the first question looks back over the log's last hour, and then the feed reads on until
 * nobody has asked for a minute. To read always would cost every process of the API the whole log, for a board that may hang
 * nowhere.
 */
export class Board {
  readonly #feed: Feed
  readonly #chains: ChainsSoFar
  readonly #logger: FastifyBaseLogger
  /** How often a stream gets all of it anew. */
  readonly #refreshMs: number
  readonly #clients = new Set<Client>()

  constructor(feed: Feed, store: Store, logger: FastifyBaseLogger, refreshMs: number) {
    this.#feed = feed
    this.#chains = new ChainsSoFar(store, logger)
    this.#logger = logger
    this.#refreshMs = refreshMs
  }

  /**
   * @throws LogError, Problem 503 where the log cannot be read
   */
  async now(query: BoardQuery): Promise<WaitingNow> {
    await this.#feed.enter()
    try {
      return (await this.#look(query)).now
    } finally {
      this.#feed.leave()
    }
  }

  /** Sends a client what waits, and what changes, until it is gone. Only for who has entered the feed. */
  async follow(client: Client, query: BoardQuery): Promise<void> {
    this.#clients.add(client)
    const stream = new BoardStream(query)
    const stop = this.#feed.watch({
      changed: (changes) => stream.heard(changes),
      failed: () => client.drop('failed'),
    })
    client.closed.then(() => stream.wake())
    try {
      const first = await this.#look(query)
      stream.begin(first.calls, first.asOf)
      for (let { now } = first; !client.gone; { now } = await this.#look(query)) {
        await client.catchUp(framed({ state: 'now', ...now }))
        for (const until = performance.now() + this.#refreshMs; performance.now() < until && !client.gone; ) {
          await client.catchUp(await this.#news(stream))
          await stream.changed(Math.min(TICK_MS, until - performance.now()))
        }
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'a stream of who waits could not be served')
      client.drop('failed')
    } finally {
      stop()
      this.#clients.delete(client)
    }
    await client.closed
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.end()))
  }

  async #look(query: BoardQuery) {
    const calls = (await this.#feed.waiting()).filter((call) => isWanted(call, query))
    const asOf = Date.now()
    const wanted = calls.filter(({ since }) => waitedMs(since, asOf) >= query.longerThanMs)
    wanted.sort((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1))
    const shown = await this.#shown(wanted.slice(0, query.limit), asOf)
    const notice = shown.some(({ chain }) => chain === null) ? NO_CHAINS : null
    const total = wanted.length
    const now: WaitingNow = { asOf: instantText(asOf), total, queues: queuesOf(wanted, asOf), calls: shown, notice }
    return { now, calls, asOf }
  }

  async #news(stream: BoardStream): Promise<string> {
    const asOf = Date.now()
    const news = stream.news(asOf)
    const began = news.flatMap((change) => (change.state === 'began' ? [change.call] : []))
    const shown = new Map((await this.#shown(began, asOf)).map((call, k) => [began[k], call]))
    let text = ''
    for (const change of news) {
      if (change.state === 'ended') {
        const { id, customer, anonymousId, episode, queue, touchpoint, since } = change.call
        const call = { id, customer, anonymousId, episode, queue, touchpoint, since: instantText(since) }
        text += framed({ state: 'ended', ...call, ...endOf(change) })
      } else {
        const call = shown.get(change.call)
        if (call !== undefined) text += framed({ state: 'began', asOf: instantText(asOf), ...call })
      }
    }
    return text
  }

  /** With their chains. */
  async #shown(calls: readonly WaitingCall[], asOf: number): Promise<BoardCall[]> {
    const callers = await this.#chains.of(calls.slice(0, MOST_CHAINS))
    return calls.map(({ id, customer, anonymousId, episode, queue, touchpoint, since }, k) => {
      const caller = callers?.[k]
      return {
        ...{ id, customer: caller?.customer ?? customer, anonymousId, episode, queue, touchpoint },
        since: instantText(since),
        waitedMs: waitedMs(since, asOf),
        chain: caller?.chain ?? null,
      }
    })
  }
}

function queuesOf(calls: readonly WaitingCall[], asOf: number): WaitingNow['queues'] {
  return [...Map.groupBy(calls, ({ queue }) => queue)]
    .map(([queue, those]) => {
      const waits = those.map(({ since }) => waitedMs(since, asOf))
      const sum = waits.reduce((total, one) => total + one, 0)
      // Those who have waited longest come first.
      return { queue, waiting: waits.length, longestMs: waits[0] ?? 0, averageMs: Math.round(sum / waits.length) }
    })
    .sort((a, b) => b.longestMs - a.longestMs)
}

function framed(event: WaitingEvent): string {
  return `event: waiting\ndata: ${JSON.stringify(event)}\n\n`
}
