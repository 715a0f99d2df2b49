import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { concernsWaiting, Waiting, type WaitingCall, type WaitingChange } from '@weaklink/chains'
import { type EventLog, type LogRecord, PositionOutOfRangeError } from '@weaklink/event-log'
import { BREAKS_TOPIC, type Fact, INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { Problem } from '@weaklink/runtime'
import type { FastifyBaseLogger } from 'fastify'
import { type Client, type Framed, wants } from './client.ts'
import { type Cursor, cursorText, type Gap, placeAfter, rangesOf, type Topics, topicsOf } from './cursor.ts'
import { frame, type LiveEvent, notice } from './events.ts'
import { lookBack } from './look-back.ts'
import { eventOfBreak, eventOfFact, eventOfRejected, factIn, isCopy } from './records.ts'
import { callOf, eventOfWaiting } from './waiting.ts'

/** How often the end of the log is looked at: other processes append to it too, and nothing tells of that. */
const POLL_MS = 50
/** How often it is looked whether what was asked for is read by now. */
const NEXT_MS = 5
const READ_RECORDS = 500
/** Events are handed on in pieces of about this many characters, so that connections can take one before the next. */
const SLICE = 131_072
/** So long it goes on reading after the last client left: looking back an hour anew costs seconds where the log is busy. */
const LINGER_MS = 60_000
/** A client that is at most so many records behind the reader joins it: what comes meanwhile is held for it. */
const NEARLY_THERE = 1_000

export interface Watcher {
  changed(changes: readonly WaitingChange[]): void
  /** The log cannot be read any more: what changes from here on is not told. */
  failed(): void
}

/**
 * Reads the end of the log once for all live clients. It reads while there are clients, and for a minute after; without
 * any it parses only what may say that somebody waits.
 *
 *     a client:  ready ──▶ (catching up: reads by itself, at its own pace ──▶ holding) ──▶ live
 *
 * Its place and what was sent change in one turn of the event loop, always, so that whoever joins at the place misses
 * nothing and gets nothing twice.
 */
export class Feed {
  readonly #log: EventLog
  readonly #logger: FastifyBaseLogger
  readonly #heartbeatMs: number
  readonly #clients = new Set<Client>()
  /** Those that get what the reader reads. */
  readonly #joined = new Set<Client>()
  /** Those who want to know of every wait that begins or ends. */
  readonly #watchers = new Set<Watcher>()
  #entered = 0
  #leftAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | null = null
  #stopped: Promise<void> = Promise.resolve()
  #closed = false
  #topics: Topics = { parts: [], topics: [] }
  #place: number[] = []
  #waiting = new Waiting()

  constructor(log: EventLog, logger: FastifyBaseLogger, heartbeatMs: number) {
    this.#log = log
    this.#logger = logger
    this.#heartbeatMs = heartbeatMs
  }

  /** Breaks stand in the log: nobody else need tell them. */
  get readsBreaks(): boolean {
    return this.#topics.topics.some(({ topic }) => topic === BREAKS_TOPIC)
  }

  /** Before a client follows: from here on the log is read, until as many have left. */
  async enter(): Promise<void> {
    if (this.#closed) throw new Problem(503, 'The server is about to stop.', { retryAfter: 1 })
    this.#entered += 1
    try {
      this.#reading ??= this.#start()
      await this.#reading
    } catch (error) {
      this.#entered -= 1
      throw error
    }
  }

  leave(): void {
    this.#entered -= 1
    this.#leftAt = performance.now()
  }

  /**
   * Who waits, by all that the log has taken in before this was asked. Only for who has entered.
   *
   * @throws LogError, Problem 503 where the log cannot be read
   */
  async waiting(): Promise<WaitingCall[]> {
    const ends = (await rangesOf(this.#log, this.#topics)).map(({ end }) => end)
    while (
      this.#topics.parts.some(({ topic }, index) => topic === INTERACTIONS_TOPIC && this.#place[index]! < ends[index]!)
    ) {
      if (this.#reading === null || this.#closed)
        throw new Problem(503, 'The log cannot be read at the moment.', { retryAfter: 1 })
      await sleep(NEXT_MS)
    }
    this.#change(this.#waiting.expire(Date.now()))
    return this.#waiting.calls()
  }

  /** Tells of every wait that begins or ends from now on; only for who has entered. Answers how to stop. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Sends to a client what happens from now on, or from its cursor on, until it is gone. */
  async follow(client: Client, cursor: Cursor | null): Promise<void> {
    this.#clients.add(client)
    client.closed.then(() => {
      this.#clients.delete(client)
      this.#joined.delete(client)
    })
    try {
      if (cursor === null) {
        client.send(notice('ready', { resumed: false }, cursorText(this.#topics, this.#place)))
        this.#join(client)
      } else {
        await this.#resume(client, cursor)
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'a live client could not be served')
      client.drop('failed')
    }
    await client.closed
  }

  /** Tells what does not stand in the log to those who are here. */
  tell(events: readonly LiveEvent[]): void {
    if (events.length === 0 || this.#clients.size === 0) return
    const framed = events.map(framedOf)
    for (const client of this.#clients) client.take(framed)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#clients].map((client) => client.end()))
    await this.#stopped
  }

  async #start(): Promise<void> {
    try {
      this.#topics = await topicsOf(this.#log)
      const ranges = await rangesOf(this.#log, this.#topics)
      this.#place = ranges.map(({ end }) => end)
      const interactions = ranges.filter((_, index) => this.#topics.parts[index]?.topic === INTERACTIONS_TOPIC)
      this.#waiting = await lookBack(this.#log, interactions, Date.now())
      this.#stopped = this.#read()
    } catch (error) {
      this.#reading = null
      throw error
    }
  }

  async #read(): Promise<void> {
    let heartbeatAt = Date.now() + this.#heartbeatMs
    try {
      while (this.#isWanted() && !this.#closed) {
        const busy = await this.#readOnce()
        if (Date.now() >= heartbeatAt) {
          heartbeatAt = Date.now() + this.#heartbeatMs
          this.#beat()
        }
        await (busy ? nextTurn() : sleep(POLL_MS))
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'the log cannot be read for the live stream')
      for (const client of this.#clients) client.drop('failed')
      for (const watcher of this.#watchers) watcher.failed()
    }
    this.#reading = null
  }

  #isWanted(): boolean {
    return this.#entered > 0 || performance.now() < this.#leftAt + LINGER_MS
  }

  /** Whether there was anything. */
  async #readOnce(): Promise<boolean> {
    let busy = false
    for (const [index, { start, end }] of (await rangesOf(this.#log, this.#topics)).entries()) {
      const position = this.#place[index]!
      if (position < start) {
        const gap = this.#skip(this.#place, index, start)
        for (const client of this.#joined) client.send(gap)
      }
      if (this.#place[index]! >= end) continue
      const records = await this.#readPart(index, this.#place[index]!, end)
      busy ||= records.length > 0
      if (records.length === 0) await this.#passNothing(index, end)
      for (const events of this.#slices(index, records, this.#place, this.#waiting)) {
        for (const client of this.#joined) client.take(events)
        await nextTurn()
      }
    }
    return busy
  }

  /** There is nothing before `end`, unless the log dropped it just now: the ranges then say so. */
  async #passNothing(index: number, end: number): Promise<void> {
    const { start } = (await rangesOf(this.#log, this.#topics))[index]!
    if (start <= this.#place[index]!) this.#place[index] = end
  }

  /** The next records before `end`. None also where the position was dropped just now: the ranges then say so. */
  async #readPart(index: number, position: number, end: number): Promise<readonly LogRecord[]> {
    const { topic, partition } = this.#topics.parts[index]!
    try {
      const records = await this.#log.read(topic, partition, position, Math.min(READ_RECORDS, end - position))
      // A log may leave out offsets, and so read past it.
      return (records.at(-1)?.offset ?? 0) < end ? records : records.filter(({ offset }) => offset < end)
    } catch (error) {
      if (error instanceof PositionOutOfRangeError) return []
      throw error
    }
  }

  /**
   * The events of records in pieces, each with the place moved to behind it.
   *
   * @param waiting of the reader; null for a client that catches up
   */
  *#slices(
    index: number,
    records: readonly LogRecord[],
    place: number[],
    waiting: Waiting | null,
  ): Generator<readonly Framed[]> {
    const { topic } = this.#topics.parts[index]!
    let slice: Framed[] = []
    let length = 0
    for (const record of records) {
      place[index] = record.offset + 1
      const isShown = waiting === null || this.#joined.size > 0
      const concerns = waiting !== null && topic === INTERACTIONS_TOPIC && concernsWaiting(record)
      if (!isShown && !concerns) continue
      const fact = topic === INTERACTIONS_TOPIC ? factIn(record) : null
      const event = isShown ? eventIn(topic, record, fact) : null
      if (event !== null) {
        const text = frame(event.type, event.data, cursorText(this.#topics, place))
        slice.push({ event, text })
        length += text.length
      }
      if (concerns && fact !== null) {
        const changes = waiting.take(fact, Date.now())
        slice.push(...changes.map((change) => framedOf(eventOfWaiting(change))))
        this.#tellWatchers(changes)
      }
      if (length < SLICE) continue
      yield slice
      slice = []
      length = 0
    }
    yield slice
  }

  /** What changed otherwise than by a record. */
  #change(changes: readonly WaitingChange[]): void {
    this.tell(changes.map(eventOfWaiting))
    this.#tellWatchers(changes)
  }

  #tellWatchers(changes: readonly WaitingChange[]): void {
    if (changes.length > 0) for (const watcher of this.#watchers) watcher.changed(changes)
  }

  /** The client gets what the reader reads from here on, and first who waits now. */
  #join(client: Client): void {
    this.#joined.add(client)
    const { wanted } = client
    if (!wanted.types.has('waiting')) return
    const calls = this.#waiting.calls().filter(({ customer, anonymousId, touchpoint }) => {
      const people = [customer, anonymousId].filter((id) => id !== null)
      return wants(wanted, { people, touchpoint })
    })
    client.send(notice('waiting', { state: 'now', calls: calls.map(callOf) }, null))
  }

  async #resume(client: Client, cursor: Cursor): Promise<void> {
    const { place, gaps } = placeAfter(cursor, this.#topics, await rangesOf(this.#log, this.#topics))
    const id = cursorText(this.#topics, place)
    client.send(notice('ready', { resumed: true }, id))
    for (const gap of gaps) client.send(notice('gap', gap, id))
    while (!client.gone) {
      // It was told by another process what this one has not yet read.
      if (place.some((offset, index) => offset > this.#place[index]!)) {
        await sleep(POLL_MS)
        continue
      }
      const target = [...this.#place]
      const behind = target.reduce((sum, offset, index) => sum + offset - place[index]!, 0)
      const joins = behind <= NEARLY_THERE
      if (joins) {
        client.hold()
        this.#join(client)
      }
      for (const [index, end] of target.entries()) await this.#catchUp(client, place, index, end)
      if (!joins) continue
      client.release()
      return
    }
  }

  /** Sends the records of a partition before `end`. */
  async #catchUp(client: Client, place: number[], index: number, end: number): Promise<void> {
    while (place[index]! < end && !client.gone) {
      const records = await this.#readPart(index, place[index]!, end)
      for (const events of this.#slices(index, records, place, null)) await client.catchUp(client.chosen(events))
      if (records.length === 0) {
        const { start } = (await rangesOf(this.#log, this.#topics))[index]!
        // Nothing before `end`, or no longer.
        if (start <= place[index]!) place[index] = end
        else await client.catchUp(this.#skip(place, index, start))
      }
      await nextTurn()
    }
  }

  /** Moves a place over what the log no longer holds; the event that says so. */
  #skip(place: number[], index: number, start: number): string {
    const { topic, partition } = this.#topics.parts[index]!
    const gap: Gap = { topic, partition, reason: 'no_longer_held', from: place[index]!, to: start }
    place[index] = start
    return notice('gap', gap, cursorText(this.#topics, place))
  }

  /** Clients that hear nothing, because they want little, learn how far they have come. */
  #beat(): void {
    this.#change(this.#waiting.expire(Date.now()))
    const id = cursorText(this.#topics, this.#place)
    for (const client of this.#clients) {
      client.send(this.#joined.has(client) ? `: heartbeat\nid: ${id}\n\n` : ': heartbeat\n\n')
    }
  }
}

function eventIn(topic: string, record: LogRecord, fact: Fact | null): LiveEvent | null {
  if (topic === INTERACTIONS_TOPIC) return fact === null || isCopy(record) ? null : eventOfFact(fact, record)
  return topic === BREAKS_TOPIC ? eventOfBreak(record) : eventOfRejected(record)
}

function framedOf(event: LiveEvent): Framed {
  return { event, text: frame(event.type, event.data) }
}
