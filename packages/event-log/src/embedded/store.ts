/** The log's data in LMDB: what is stored where, and the only place that knows LMDB. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, statfsSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { type Database, open, type RootDatabase } from 'lmdb'
import { batchUnreadable, LogError, PositionOutOfRangeError, type UnreadableBatch } from '../errors.ts'
import type { LogRecord, PartitionRange, TopicDescription } from '../port.ts'
import { type Chunk, decodeChunk, seal, timestampOf } from './chunk.ts'

/** Limits of each partition; without one, everything is kept. */
export interface Retention {
  /** Records are dropped some time after they have become older than this. */
  readonly maxAgeMs?: number
  /** The oldest records are dropped as long as a partition is larger than this; the newest ones always stay. */
  readonly maxBytes?: number
}

export interface StoredTopic extends TopicDescription {
  /** Its number within this log, in the keys of everything it holds. */
  readonly id: number
}

interface PartitionState {
  readonly start: number
  readonly end: number
  /** Of its chunks. */
  readonly bytes: number
  /** Of its newest record. */
  readonly timestamp: number
}
const EMPTY: PartitionState = { start: 0, end: 0, bytes: 0, timestamp: 0 }

/** What one append brings to a topic: the encoded records of each partition. */
export type Batch = ReadonlyMap<number, readonly Chunk[]>

/** Where a batch went: the first offset in each of its partitions. */
export type Placement = ReadonlyMap<number, number>

interface PendingAppend {
  readonly topic: StoredTopic
  readonly batch: Batch
  readonly bytes: number
  readonly resolve: (placement: Placement) => void
  readonly reject: (error: unknown) => void
}

/** A partition that an append changes. */
interface Placed {
  readonly topic: StoredTopic
  readonly partition: number
  readonly state: PartitionState
}

const FORMAT = 2
/** Appends that wait at the same time are committed together, up to about this size. */
const COMMIT_BYTES = 32 * 1024 * 1024
/**
 * Where several append at a time, each commit waits so long for more of them: measured, a collector with 16 connections
 * takes 15 to 20 % less CPU, and its slowest answers come as fast.
 */
const GATHER_MS = 2
/** How many chunks retention drops from a partition in one transaction, so that no append waits long for it. */
const DROPPED_AT_ONCE = 500
/** LMDB touches a sparse memory-mapped lock file when it opens; on a full disk that kills the process (SIGBUS). */
const FREE_BYTES_TO_OPEN = 1024 * 1024

export class Store {
  readonly #directory: string
  readonly #retention: Retention
  readonly #env: RootDatabase
  readonly #topics: Database<StoredTopic, string>
  /** [topic id, partition] → state. */
  readonly #partitions: Database<PartitionState, number[]>
  /** [topic id, partition, last offset in it] → chunk: the first key from a position on is the chunk that holds it. */
  readonly #chunks: Database<Buffer, number[]>
  readonly #known = new Map<string, StoredTopic>()
  #waiting: PendingAppend[] = []
  #appending = false
  /** The end of the queue of transactions: this process never has two at a time. */
  #lastCommit: Promise<unknown> = Promise.resolve()
  #lastCommitFailed = false

  private constructor(directory: string, retention: Retention) {
    this.#directory = directory
    this.#retention = retention
    this.#env = open({
      path: directory,
      noSubdir: false,
      // What a reader sees is already on disk: otherwise a power cut could take back records that were processed.
      overlappingSync: false,
      // Otherwise lmdb makes a promise of its own for each commit, whose rejection nobody can handle.
      eventTurnBatching: false,
    })
    this.#topics = this.#env.openDB('topics', { encoding: 'json' })
    this.#partitions = this.#env.openDB('partitions', { encoding: 'json' })
    this.#chunks = this.#env.openDB('chunks', { encoding: 'binary' })
  }

  /** Opens the directory, creates it where it is missing. */
  static async open(directory: string, retention: Retention): Promise<Store> {
    let store: Store
    try {
      mkdirSync(directory, { recursive: true })
      const freeBytes = freeBytesOf(directory)
      if (freeBytes < FREE_BYTES_TO_OPEN) {
        throw diskFull(
          `opening the log in ${directory} (${freeBytes} bytes free, ${FREE_BYTES_TO_OPEN} needed)`,
          'ENOSPC',
        )
      }
      store = new Store(directory, retention)
    } catch (cause) {
      if (cause instanceof LogError) throw cause
      const systemCode = systemCodeOf(cause)
      if (isDiskFull(systemCode)) throw diskFull(`opening the log in ${directory}`, systemCode, cause)
      throw new LogError('open_failed', `the log in ${directory} cannot be opened: ${messageOf(cause)}`, {
        cause,
        ...(systemCode !== undefined && { systemCode }),
      })
    }
    try {
      await store.#checkFormat()
    } catch (error) {
      await store.close()
      throw error
    }
    return store
  }

  async #checkFormat(): Promise<void> {
    const about: Database<number, string> = this.#env.openDB('about', { encoding: 'json' })
    const format =
      about.get('format') ??
      (await this.#commit('creating the log', () => {
        if (about.get('format') === undefined) about.put('format', FORMAT)
        return about.get('format')
      }))
    if (format !== FORMAT) {
      throw new LogError(
        'format_unknown',
        `the log in ${this.#directory} has the format ${format} of another version, this one reads ${FORMAT}: begin in another directory`,
      )
    }
  }

  /** Creates the topic or answers the one that exists, whatever its number of partitions. */
  async createTopic(topic: string, partitions: number): Promise<StoredTopic> {
    return (
      this.topic(topic) ??
      (await this.#commit(`creating topic ${topic}`, () => {
        const existing = this.#topics.get(topic)
        if (existing !== undefined) return existing
        const created = { id: this.#topics.getKeysCount() + 1, topic, partitions, identity: randomUUID() }
        this.#topics.put(topic, created)
        return created
      }))
    )
  }

  topic(name: string): StoredTopic | undefined {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    this.#topics.resetReadTxn()
    const stored = this.#topics.get(name)
    // A topic never changes once it exists.
    if (stored !== undefined) this.#known.set(name, stored)
    return stored
  }

  ranges(topic: StoredTopic): PartitionRange[] {
    this.#partitions.resetReadTxn()
    return Array.from({ length: topic.partitions }, (_, partition) => {
      const { start, end } = this.#state(topic, partition)
      return { partition, start, end }
    })
  }

  /** The chunk that holds a position, where it cannot be read. */
  unreadableBatch(topic: StoredTopic, partition: number, position: number): UnreadableBatch | null {
    this.#partitions.resetReadTxn()
    const state = this.#state(topic, partition)
    if (position < state.start || position >= state.end) {
      throw new PositionOutOfRangeError(topic.topic, partition, position, state)
    }
    for (const { key, value } of this.#chunksFrom(topic, partition, position)) {
      const problem = this.#decode(value, partition, position, Number.POSITIVE_INFINITY, [])
      return problem === null ? null : { offset: position, next: key[2]! + 1, bytes: Buffer.from(value), problem }
    }
    return null
  }

  /** Appends records of a chunk to a list; answers why it cannot be read, null where it can, and then adds none. */
  #decode(value: Buffer, partition: number, position: number, maxRecords: number, into: LogRecord[]): string | null {
    const before = into.length
    try {
      decodeChunk(value, partition, position, maxRecords, into)
      return null
    } catch (error) {
      into.length = before
      return messageOf(error)
    }
  }

  /**
   * The records from a position on: at most `maxRecords`, and no more chunks once they make up `maxBytes`.
   * @throws {PositionOutOfRangeError}
   */
  read(topic: StoredTopic, partition: number, position: number, maxRecords: number, maxBytes: number): LogRecord[] {
    // The range and the records must come from one snapshot, and from one that knows what other processes wrote.
    this.#partitions.resetReadTxn()
    const state = this.#state(topic, partition)
    if (position < state.start || position > state.end) {
      throw new PositionOutOfRangeError(topic.topic, partition, position, state)
    }
    const records: LogRecord[] = []
    if (position === state.end || maxRecords <= 0) return records
    let bytes = 0
    for (const { key, value } of this.#chunksFrom(topic, partition, position)) {
      const problem = this.#decode(value, partition, position, maxRecords, records)
      // What stands before it is handed over first.
      if (problem !== null && records.length > 0) break
      if (problem !== null)
        throw batchUnreadable(topic.topic, partition, { offset: position, next: key[2]! + 1, problem })
      bytes += value.length
      if (records.length >= maxRecords || bytes >= maxBytes) break
    }
    return records
  }

  /** Stores a batch durably, whole or not at all. Batches that wait at the same time share a transaction. */
  append(topic: StoredTopic, batch: Batch): Promise<Placement> {
    return new Promise((resolve, reject) => {
      let bytes = 0
      for (const chunks of batch.values()) for (const chunk of chunks) bytes += chunk.bytes.length
      this.#waiting.push({ topic, batch, bytes, resolve, reject })
      if (!this.#appending) void this.#appendWaiting()
    })
  }

  async #appendWaiting(): Promise<void> {
    this.#appending = true
    // Whoever appends in this turn of the event loop comes along.
    await nextTurn()
    let isShared = false
    while (this.#waiting.length > 0) {
      if (isShared) await sleep(GATHER_MS)
      const group: PendingAppend[] = []
      let bytes = 0
      for (const pending of this.#waiting) {
        if (group.length > 0 && bytes + pending.bytes > COMMIT_BYTES) break
        group.push(pending)
        bytes += pending.bytes
      }
      this.#waiting = this.#waiting.slice(group.length)
      isShared = group.length > 1
      try {
        const placements = await this.#commit(
          `appending ${bytes} bytes to topic ${group[0]!.topic.topic}`,
          () => this.#placeAll(group),
          bytes,
        )
        for (const [index, pending] of group.entries()) pending.resolve(placements[index]!)
      } catch (error) {
        for (const pending of group) pending.reject(error)
      }
    }
    this.#appending = false
  }

  /** Within a transaction: places batches one after the other; the state of a partition is read and written once. */
  #placeAll(group: readonly PendingAppend[]): Placement[] {
    const states = new Map<string, Placed>()
    const placements = group.map(({ topic, batch }) => this.#place(topic, batch, states))
    for (const { topic, partition, state } of states.values()) {
      this.#partitions.put([topic.id, partition], state)
      this.#dropExpired(topic, partition, state)
    }
    return placements
  }

  /** Assigns offsets and time to a batch and stores it. */
  #place(topic: StoredTopic, batch: Batch, states: Map<string, Placed>): Placement {
    const placement = new Map<number, number>()
    for (const [partition, chunks] of batch) {
      const name = `${topic.id}/${partition}`
      let { start, end, bytes, timestamp } = states.get(name)?.state ?? this.#state(topic, partition)
      placement.set(partition, end)
      // Clocks step back; time within a partition does not.
      timestamp = Math.max(timestamp, Date.now())
      for (const chunk of chunks) {
        const value = seal(chunk, timestamp, end)
        end += chunk.count
        bytes += value.length
        this.#chunks.put([topic.id, partition, end - 1], value)
      }
      states.set(name, { topic, partition, state: { start, end, bytes, timestamp } })
    }
    return placement
  }

  /** Drops the records before an offset. */
  async trim(topic: StoredTopic, partition: number, before: number): Promise<void> {
    await this.#commit(`trimming partition ${partition} of topic ${topic.topic}`, () => {
      const state = this.#state(topic, partition)
      if (before > state.end) throw new PositionOutOfRangeError(topic.topic, partition, before, state)
      if (before <= state.start) return
      let { bytes } = state
      const dropped: number[][] = []
      for (const { key, value } of this.#chunksFrom(topic, partition, state.start)) {
        if (key[2]! >= before) break
        dropped.push(key)
        bytes -= value.length
      }
      for (const key of dropped) this.#chunks.remove(key)
      this.#partitions.put([topic.id, partition], { ...state, start: before, bytes })
    })
  }

  /** Drops what is over the limits in every topic. */
  async applyRetention(): Promise<void> {
    this.#topics.resetReadTxn()
    for (const topic of Array.from(this.#topics.getRange({}), ({ value }) => value)) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const drop = () => this.#dropExpired(topic, partition, this.#state(topic, partition))
        while ((await this.#commit(`trimming topic ${topic.topic}`, drop)) === DROPPED_AT_ONCE);
      }
    }
  }

  /** Within a transaction: drops what is over the limits and answers how many chunks that were. */
  #dropExpired(topic: StoredTopic, partition: number, state: PartitionState): number {
    const { maxAgeMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = this.#retention
    if (maxAgeMs === Number.POSITIVE_INFINITY && state.bytes <= maxBytes) return 0
    let { start, bytes } = state
    const dropped: number[][] = []
    for (const { key, value } of this.#chunksFrom(topic, partition, start)) {
      const tooOld = timestampOf(value) < Date.now() - maxAgeMs
      const tooMuch = bytes > maxBytes && key[2]! < state.end - 1
      if ((!tooOld && !tooMuch) || dropped.length === DROPPED_AT_ONCE) break
      dropped.push(key)
      start = key[2]! + 1
      bytes -= value.length
    }
    if (dropped.length === 0) return 0
    for (const key of dropped) this.#chunks.remove(key)
    this.#partitions.put([topic.id, partition], { ...state, start, bytes })
    return dropped.length
  }

  /** Waits for what was begun and closes; nothing may be called any more. */
  async close(): Promise<void> {
    while (this.#appending) await nextTurn()
    await this.#lastCommit
    await this.#env.close()
  }

  #state(topic: StoredTopic, partition: number): PartitionState {
    return this.#partitions.get([topic.id, partition]) ?? EMPTY
  }

  #chunksFrom(topic: StoredTopic, partition: number, position: number) {
    return this.#chunks.getRange({
      start: [topic.id, partition, position],
      end: [topic.id, partition + 1],
    }) as Iterable<{
      key: number[]
      value: Buffer
    }>
  }

  /** Runs an action as one transaction, after those before it; resolves when it is on disk. */
  #commit<T>(what: string, action: () => T, bytes = 0): Promise<T> {
    const commit = this.#lastCommit.then(() => this.#commitNow(what, action, bytes))
    this.#lastCommit = commit.catch(() => {})
    return commit
  }

  async #commitNow<T>(what: string, action: () => T, bytes: number): Promise<T> {
    if (this.#lastCommitFailed) this.#checkUsable(what)
    try {
      // A child transaction: only that one is rolled back when the action throws.
      return await this.#env.childTransaction(action)
    } catch (error) {
      if (error instanceof LogError) throw error
      this.#lastCommitFailed = true
      throw await this.#writeError(what, error, bytes)
    }
  }

  /**
   * After a failure to write its own first pages LMDB refuses every further transaction, and lmdb's asynchronous ones
   * would then wait forever. A synchronous one tells.
   */
  #checkUsable(what: string): void {
    try {
      this.#env.transactionSync(() => undefined)
      this.#lastCommitFailed = false
    } catch (cause) {
      const message = `${what} failed in ${this.#directory}: ${messageOf(cause)}; end this process and start it again`
      throw new LogError('reopen_needed', message, { cause })
    }
  }

  async #writeError(what: string, error: unknown, bytes: number): Promise<LogError> {
    const cause = await causeOf(error)
    const systemCode = systemCodeOf(cause)
    const place = `${what} in ${this.#directory}`
    if (isDiskFull(systemCode)) return diskFull(place, systemCode, cause)
    // A write that ends at the last free byte has written a part, and is reported as EIO.
    const endedShort = systemCode === 'EIO' && freeBytesOf(this.#directory) < bytes + FREE_BYTES_TO_OPEN
    if (endedShort) return diskFull(place, 'ENOSPC', cause)
    return new LogError('write_failed', `${place} failed: ${messageOf(cause)}; nothing of it was stored`, {
      cause,
      ...(systemCode !== undefined && { systemCode }),
    })
  }
}

const isDiskFull = (systemCode: string | undefined) => systemCode === 'ENOSPC' || systemCode === 'EDQUOT'

function diskFull(place: string, systemCode = 'ENOSPC', cause?: unknown): LogError {
  const message = `${place} failed: no space left on the disk (${systemCode}); nothing of it was stored; free some space`
  return new LogError('disk_full', message, { cause, systemCode })
}

/** Infinity where the file system does not tell. */
function freeBytesOf(directory: string): number {
  const { blocks, bavail, bsize } = statfsSync(directory)
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
}

/** lmdb hides why a commit failed in a promise that rejects. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (cause) {
    return cause
  }
}

/** The operating system's name of an error: Node gives it, lmdb its number (LMDB's own errors are negative). */
function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (typeof error.code === 'string') return error.code
  return typeof error.code === 'number' && error.code > 0 ? getSystemErrorName(-error.code) : undefined
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
