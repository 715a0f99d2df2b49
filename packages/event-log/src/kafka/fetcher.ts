import { setTimeout as sleep } from 'node:timers/promises'
import type { Chunk, Source } from '../delivery.ts'
import { LogError, type UnreadableBatch } from '../errors.ts'
import type { LogRecord } from '../port.ts'
import { Sleepers } from '../sleepers.ts'
import { faultOf, typeOf } from './fault.ts'
import { type FetchedPartition, type FetchLimits, fetchPartitions } from './requests.ts'
import type { Broker, Cluster } from './wire.ts'

export interface FetcherOptions {
  readonly cluster: Cluster
  readonly topic: string
  /** Called before the first request and whenever something was wrong. @throws where the topic is not the same any more */
  readonly check: () => Promise<void>
  /** What is to be thrown for a position that the log does not hold. */
  readonly outOfRange: (partition: number, position: number) => Promise<Error>
  readonly unreadable: (partition: number, batch: UnreadableBatch) => Error
}

/** A partition that is read. */
interface Reading {
  readonly partition: number
  /** Offset that is asked for next. */
  position: number
  /** What was read and is not yet taken. */
  chunk: { readonly from: number; readonly records: readonly LogRecord[]; readonly next: number } | null
  /** Up to where records can be read, null while it is not known. */
  end: number | null
  /** Up to where the log holds any, as of the last answer. */
  held: number
  error: Error | null
}

/** Short, since a partition whose records were just taken waits for the request that is under way. */
const LIMITS: FetchLimits = { maxWaitMs: 100, maxBytes: 16_000_000, partitionBytes: 2_000_000 }
const CHANGED_MS = 1_000
const CHECK_MS = 30_000
/** For so long a topic may be unknown before it is taken for gone. */
const UNKNOWN_MS = 10_000
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [100, 5_000]

/**
 * Reads partitions from the brokers that lead them, one request at a time to each broker, for all of its partitions whose
 * last records were taken: so one chunk of each partition is read ahead, and no more. A broker that is away is waited for.
 */
export class Fetcher implements Source {
  readonly #options: FetcherOptions
  readonly #readings = new Map<number, Reading>()
  /** Brokers that are being asked. */
  readonly #asked = new Set<number>()
  readonly #sleepers = new Sleepers()
  #closed = false
  #checkedAt = Number.NEGATIVE_INFINITY
  #unknownSince: number | null = null
  #pauseMs = 0
  #trouble: string | null = null
  readonly #running: Promise<void>

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  async read(partition: number, position: number): Promise<Chunk> {
    const reading = this.#readingAt(partition, position)
    for (;;) {
      if (reading.error !== null) throw reading.error
      const { chunk } = reading
      if (chunk !== null) {
        reading.chunk = null
        this.wake()
        return chunk
      }
      const isAtTheEnd = reading.end !== null && reading.position >= reading.end
      if (isAtTheEnd || this.#closed || this.#readings.get(partition) !== reading)
        return { records: [], next: position }
      await this.#woken(CHANGED_MS)
    }
  }

  async changed(partition: number): Promise<void> {
    const reading = this.#readings.get(partition)
    const until = performance.now() + CHANGED_MS
    while (reading !== undefined && reading.chunk === null && reading.error === null && !this.#closed) {
      if (performance.now() >= until || (reading.end !== null && reading.end > reading.position)) return
      await this.#woken(until - performance.now())
    }
  }

  wake(): void {
    this.#sleepers.wake()
  }

  /** What is waited out at the moment, in one line; null where nothing is. */
  get trouble(): string | null {
    return this.#trouble
  }

  /** Up to where the log holds records of a partition, whether they can be read yet or not. */
  heldUpTo(partition: number): number {
    return this.#readings.get(partition)?.held ?? 0
  }

  /** This partition is not read any more. */
  forget(partition: number): void {
    this.#readings.delete(partition)
    this.wake()
  }

  async ended(): Promise<void> {
    this.#closed = true
    this.wake()
    await this.#options.cluster.disconnect().catch(() => {})
    await this.#running
  }

  #readingAt(partition: number, position: number): Reading {
    const known = this.#readings.get(partition)
    if (known !== undefined && (known.chunk?.from ?? known.position) === position) return known
    const reading: Reading = { partition, position, chunk: null, end: null, held: 0, error: null }
    this.#readings.set(partition, reading)
    this.wake()
    return reading
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const wanted = [...this.#readings.values()].filter(({ chunk, error }) => chunk === null && error === null)
      if (wanted.length === 0) {
        await this.#woken(CHANGED_MS)
        continue
      }
      try {
        await this.#ready()
        const idle = this.#byLeader(wanted).filter(([leader]) => !this.#asked.has(leader))
        for (const [leader, readings] of idle) void this.#ask(leader, readings)
        await this.#woken(CHANGED_MS)
      } catch (error) {
        await this.#troubled(error)
      }
    }
  }

  /** Connected, and sure that the topic is the one that is meant. */
  async #ready(): Promise<void> {
    const { cluster, topic } = this.#options
    if (performance.now() - this.#checkedAt >= CHECK_MS) await this.#check()
    if (!cluster.isConnected()) await cluster.connect()
    await cluster.addTargetTopic(topic)
    await cluster.refreshMetadataIfNecessary()
  }

  async #check(): Promise<void> {
    try {
      await this.#options.check()
      this.#checkedAt = performance.now()
      this.#unknownSince = null
    } catch (error) {
      const { code, retryHelps } = faultOf(error, '')
      this.#unknownSince = code === 'topic_unknown' ? (this.#unknownSince ?? performance.now()) : null
      // A broker that has just begun may not know it yet.
      const mayCome = this.#unknownSince !== null && performance.now() - this.#unknownSince < UNKNOWN_MS
      if (!retryHelps && !mayCome) this.#fail(error as Error)
      throw error
    }
  }

  /** Whoever reads meets this error. */
  #fail(error: Error): void {
    for (const reading of this.#readings.values()) reading.error = error
    this.wake()
  }

  #byLeader(readings: readonly Reading[]): [number, Reading[]][] {
    const { cluster, topic } = this.#options
    const leaders = new Map(
      cluster.findTopicPartitionMetadata(topic).map(({ partitionId, leader }) => [partitionId, leader ?? -1]),
    )
    const groups = Map.groupBy(readings, ({ partition }) => leaders.get(partition) ?? -1)
    const leaderless = groups.get(-1)
    groups.delete(-1)
    if (leaderless !== undefined && groups.size === 0) {
      throw new LogError(
        'refused_for_now',
        `no broker leads partition ${leaderless[0]?.partition} of topic ${topic} at the moment`,
      )
    }
    return [...groups]
  }

  async #ask(leader: number, readings: readonly Reading[]): Promise<void> {
    const { cluster, topic } = this.#options
    this.#asked.add(leader)
    try {
      const broker: Broker = await cluster.findBroker({ nodeId: leader })
      const asked = new Map(readings.map((reading) => [reading.partition, { reading, position: reading.position }]))
      const fetched = await fetchPartitions(broker, topic, readings, LIMITS)
      this.#trouble = null
      this.#pauseMs = 0
      for (const one of fetched) await this.#take(one, asked.get(one.partition))
    } catch (error) {
      await this.#troubled(error)
    } finally {
      this.#asked.delete(leader)
      this.wake()
    }
  }

  async #take(
    { partition, error, records, next, end, held, unreadable }: FetchedPartition,
    asked: { readonly reading: Reading; readonly position: number } | undefined,
  ): Promise<void> {
    const reading = this.#readings.get(partition)
    // It was forgotten, or goes on elsewhere, since the broker was asked: this is no answer to what is wanted now.
    if (reading === undefined || reading !== asked?.reading || reading.position !== asked.position) return
    if (error !== null) {
      if (typeOf(error) !== 'OFFSET_OUT_OF_RANGE') throw error
      // Perhaps since the topic is another one by now: that is to be said then.
      await this.#check()
      reading.error ??= await this.#options.outOfRange(partition, reading.position)
      return
    }
    if (next > reading.position) {
      reading.chunk = { from: reading.position, records, next }
      reading.position = next
    } else if (unreadable !== null) reading.error = this.#options.unreadable(partition, unreadable)
    reading.end = end
    reading.held = held
  }

  /** Something was wrong that may pass: another leader is looked for, after a while. */
  async #troubled(error: unknown): Promise<void> {
    const { cluster, topic } = this.#options
    if (this.#closed) return
    const fault = faultOf(error, `reading topic ${topic}`)
    this.#trouble = fault.message
    // Nobody grants a right because we wait.
    if (fault.code === 'not_authorized') this.#fail(fault)
    this.#checkedAt = Number.NEGATIVE_INFINITY
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2))
    await sleep(this.#pauseMs)
    const { host, port } = error as { host?: string; port?: number }
    if (host !== undefined && port !== undefined) cluster.removeBroker({ host, port })
    if (!this.#closed) await cluster.refreshMetadata().catch(() => {})
  }

  /** Resolves when somebody wakes us, or after a while. */
  #woken(ms: number): Promise<void> {
    return this.#closed ? Promise.resolve() : this.#sleepers.wait(Math.max(1, ms))
  }
}
