import { join } from 'node:path'
import { lockFile } from '@weaklink/runtime'
import {
  checkName,
  checkPartition,
  checkPartitionCount,
  checkPosition,
  checkRecord,
  partitionsDiffer,
} from '../checks.ts'
import { Delivery } from '../delivery.ts'
import { LogError, type UnreadableBatch } from '../errors.ts'
import type {
  Consumer,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  PartitionRange,
  TopicDescription,
} from '../port.ts'
import { Sleepers } from '../sleepers.ts'
import { encodeChunks } from './chunk.ts'
import { type Retention, Store, type StoredTopic } from './store.ts'

export interface EmbeddedLogOptions {
  /** Default: everything is kept. Applied to what is appended to, and by `applyRetention`. */
  readonly retention?: Retention
  /** The largest number of records, and about the largest number of bytes, handed to a handler at once. */
  readonly batch?: { readonly maxRecords: number; readonly maxBytes: number }
}

export interface EmbeddedLog extends EventLog {
  /**
   * Drops the records of a partition before an offset; one below the start changes nothing.
   * @throws {PositionOutOfRangeError} for an offset beyond the end
   */
  trim(topic: string, partition: number, before: number): Promise<void>
  /** Drops what is over the limits of `retention` in every partition. */
  applyRetention(): Promise<void>
  /** The batch that holds a position, where it cannot be read; null where it can. */
  unreadableBatch(topic: string, partition: number, position: number): Promise<UnreadableBatch | null>
}

/**
 * Opens the log in a directory of a local file system; creates it where it is missing. Several processes may have it
 * open and append to it at the same time; one that is killed, at any instant, harms nobody.
 *
 * An append resolves when it is on disk (fsync). Keys and values that are read are views of larger buffers: whoever
 * keeps a few of them for long copies them.
 *
 * @throws {LogError} `open_failed`, `format_unknown`, `disk_full`
 */
export async function openEmbeddedLog(directory: string, options: EmbeddedLogOptions = {}): Promise<EmbeddedLog> {
  return new LmdbLog(directory, await Store.open(directory, options.retention ?? {}), options)
}

const READ_BYTES = 8 * 1024 * 1024
/** How often a consumer looks for what other processes appended. */
const POLL_MS = 50

class LmdbLog implements EmbeddedLog {
  readonly #directory: string
  readonly #store: Store
  readonly #batch: { readonly maxRecords: number; readonly maxBytes: number }
  readonly #consumers = new Set<Consumer>()
  /** Of consumers that are at the end. */
  readonly #sleepers = new Sleepers()
  #closed: Promise<void> | undefined

  constructor(directory: string, store: Store, { batch }: EmbeddedLogOptions) {
    this.#directory = directory
    this.#store = store
    this.#batch = batch ?? { maxRecords: 10_000, maxBytes: READ_BYTES }
  }

  async createTopic(topic: string, partitions: number): Promise<TopicDescription> {
    this.#checkOpen()
    checkName('topic', topic)
    checkPartitionCount(topic, partitions)
    const stored = await this.#store.createTopic(topic, partitions)
    if (stored.partitions !== partitions) throw partitionsDiffer(stored, partitions)
    return describe(stored)
  }

  async describe(topic: string): Promise<TopicDescription> {
    return describe(this.#topic(topic))
  }

  async ranges(topic: string): Promise<readonly PartitionRange[]> {
    return this.#store.ranges(this.#topic(topic))
  }

  async append(topic: string, records: readonly NewRecord[]): Promise<readonly number[]> {
    const stored = this.#topic(topic)
    for (let index = 0; index < records.length; index++) checkRecord(stored, records[index]!, index)
    const [first] = records
    if (first === undefined) return []
    const isOnePartition = stored.partitions === 1
    const byPartition = isOnePartition ? new Map([[0, records]]) : Map.groupBy(records, ({ partition }) => partition)
    // Encoded at once: the caller may use its buffers for something else while this waits.
    const batch = new Map(Array.from(byPartition, ([partition, some]) => [partition, encodeChunks(some)]))
    const placement = await this.#store.append(stored, batch)
    this.#sleepers.wake()
    if (isOnePartition) {
      const offset = placement.get(0)!
      return records.map((_, index) => offset + index)
    }
    const next = new Map(placement)
    return records.map(({ partition }) => {
      const offset = next.get(partition)!
      next.set(partition, offset + 1)
      return offset
    })
  }

  async read(topic: string, partition: number, position: number, max: number): Promise<readonly LogRecord[]> {
    const stored = this.#topic(topic)
    checkPartition(stored, partition)
    checkPosition(stored, partition, position)
    return this.#store.read(stored, partition, position, max, READ_BYTES)
  }

  async consume(topic: string, group: string, handler: PartitionHandler): Promise<Consumer> {
    const stored = this.#topic(topic)
    checkName('group', group)
    const lock = lockFile(
      join(this.#directory, 'consumers', topic, group, 'lock'),
      `consumer of group ${group} on topic ${topic}`,
    )
    const { maxRecords, maxBytes } = this.#batch
    const consumer = new Delivery(
      {
        read: (partition, position) => {
          checkPosition(stored, partition, position)
          const records = this.#store.read(stored, partition, position, maxRecords, maxBytes)
          return { records, next: position + records.length }
        },
        // At the next append of this process, or after a while, for those of others.
        changed: () => this.#sleepers.wait(POLL_MS),
        wake: () => this.#sleepers.wake(),
        ended: () => {
          lock.release()
          this.#consumers.delete(consumer)
        },
      },
      handler,
    )
    consumer.own(Array.from({ length: stored.partitions }, (_, partition) => partition))
    this.#consumers.add(consumer)
    return consumer
  }

  async trim(topic: string, partition: number, before: number): Promise<void> {
    const stored = this.#topic(topic)
    checkPartition(stored, partition)
    checkPosition(stored, partition, before)
    await this.#store.trim(stored, partition, before)
  }

  async unreadableBatch(topic: string, partition: number, position: number): Promise<UnreadableBatch | null> {
    const stored = this.#topic(topic)
    checkPartition(stored, partition)
    checkPosition(stored, partition, position)
    return this.#store.unreadableBatch(stored, partition, position)
  }

  async applyRetention(): Promise<void> {
    this.#checkOpen()
    await this.#store.applyRetention()
  }

  close(): Promise<void> {
    this.#closed ??= Promise.all(Array.from(this.#consumers, (consumer) => consumer.stop())).then(() =>
      this.#store.close(),
    )
    return this.#closed
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new LogError('closed', `the log in ${this.#directory} is closed`)
  }

  #topic(name: string): StoredTopic {
    this.#checkOpen()
    checkName('topic', name)
    const topic = this.#store.topic(name)
    if (topic === undefined) throw new LogError('topic_unknown', `there is no topic ${name} in ${this.#directory}`)
    return topic
  }
}

const describe = ({ topic, partitions, identity }: StoredTopic): TopicDescription => ({ topic, partitions, identity })
