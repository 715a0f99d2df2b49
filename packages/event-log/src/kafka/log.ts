import { retry } from '@weaklink/runtime'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import {
  checkName,
  checkPartition,
  checkPartitionCount,
  checkPosition,
  checkRecord,
  partitionsDiffer,
} from '../checks.ts'
import { batchUnreadable, LogError, PositionOutOfRangeError, type UnreadableBatch } from '../errors.ts'
import type {
  Consumer,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  PartitionRange,
  TopicDescription,
} from '../port.ts'
import { Appender } from './appender.ts'
import { consumeInGroup } from './consumer.ts'
import { faultOf, typeOf } from './fault.ts'
import { Fetcher } from './fetcher.ts'
import type { KafkaOptions } from './options.ts'
import { type FetchedPartition, fetchPartitions, topicMetadata } from './requests.ts'
import { readSettings, settingEntries, type TopicSettings } from './topic-settings.ts'
import { type Broker, type Cluster, clusterOf } from './wire.ts'

export interface KafkaLog extends EventLog {
  /** Creates the topic where it is missing, with these settings; those of an existing one are left as they are. */
  createTopic(topic: string, partitions: number, settings?: Partial<TopicSettings>): Promise<TopicDescription>
  settingsOf(topic: string): Promise<TopicSettings>
  /** The batch at a position as it stands in the log, and what is wrong with it; null where nothing is. */
  unreadableBatch(topic: string, partition: number, position: number): Promise<UnreadableBatch | null>
  /** The members of a group and what each one has; empty where nobody is in it. */
  membersOf(group: string): Promise<readonly { readonly member: string; readonly host: string }[]>
}

const DEFAULTS = { sessionMs: 30_000, stallMs: 300_000 } as const
const CONNECTION_MS = 5_000
const REQUEST_MS = 15_000
const RETRY = { retries: 3, initialRetryTime: 200, maxRetryTime: 3_000 }
/** How often somebody is asked anew who a moment later may know: another leader. */
const ATTEMPTS = 5
/** A topic that was created is known everywhere within a moment, which may take longer on a busy cluster. */
const KNOWN_MS = 10_000
const WAITS = { firstDelayMs: 200, maxDelayMs: 1_000 } as const
/** Of a read: at most so much, and about so much for each record that is wanted; one batch comes in any case. */
const READ_BYTES = 2_000_000
const RECORD_BYTES = 2_000
const PASSING =
  /^(NOT_LEADER_FOR_PARTITION|LEADER_NOT_AVAILABLE|FENCED_LEADER_EPOCH|UNKNOWN_LEADER_EPOCH|REPLICA_NOT_AVAILABLE|KAFKA_STORAGE_ERROR|OFFSET_NOT_AVAILABLE)$/

/**
 * Opens a log on Apache Kafka (3.1 or later). Nothing is asked of the brokers yet: they may be away.
 *
 * Records are read as far as their transactions were committed. Keys and values that are read are views of larger buffers.
 */
export function openKafkaLog(options: KafkaOptions): KafkaLog {
  return new ProtocolLog(options)
}

class ProtocolLog implements KafkaLog {
  readonly #kafka: Kafka
  readonly #options: KafkaOptions
  readonly #appender: Appender
  readonly #reader: Cluster
  readonly #consumers = new Set<Consumer>()
  readonly #place: string
  #admin: Promise<Admin> | null = null
  /** Those that are not asked any more, until they are disconnected. */
  readonly #retired = new Set<Promise<Admin>>()
  #reading: Promise<unknown> | null = null
  /** Of topics that were described: their number of partitions never changes. */
  readonly #known = new Map<string, TopicDescription>()
  #closed: Promise<void> | undefined

  constructor(options: KafkaOptions) {
    this.#options = options
    const { brokers, clientId = 'weaklink', ssl, sasl, compression = 'none' } = options
    this.#place = `Kafka at ${brokers.join(', ')}`
    this.#kafka = new Kafka({
      brokers: [...brokers],
      clientId,
      ...(ssl !== undefined && { ssl }),
      ...(sasl !== undefined && { sasl: sasl as never }),
      connectionTimeout: CONNECTION_MS,
      requestTimeout: REQUEST_MS,
      retry: RETRY,
      // What matters of it comes as an error, or is waited out and named by `Fetcher`.
      logLevel: logLevel.NOTHING,
    })
    this.#appender = new Appender(this.#kafka, compression)
    this.#reader = clusterOf(this.#kafka)
  }

  async createTopic(
    topic: string,
    partitions: number,
    settings: Partial<TopicSettings> = {},
  ): Promise<TopicDescription> {
    this.#check(topic)
    checkPartitionCount(topic, partitions)
    const { replication, entries } = settingEntries(settings)
    await this.#ask(
      `creating topic ${topic}`,
      (admin) =>
        admin.createTopics({
          // `describe` is asked until it knows the topic.
          waitForLeaders: false,
          topics: [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries: entries }],
        }),
      topic,
    )
    const until = performance.now() + KNOWN_MS
    const described = await retry(() => this.describe(topic), {
      ...WAITS,
      giveUp: (error) => !(error instanceof LogError && error.code === 'topic_unknown') || performance.now() > until,
    })
    if (described.partitions !== partitions) throw partitionsDiffer(described, partitions)
    return described
  }

  async describe(topic: string): Promise<TopicDescription> {
    this.#check(topic)
    const described = await this.#withReader(topic, `describing topic ${topic}`, async () => {
      const broker = await this.#reader.findControllerBroker()
      const { identity, partitions } = await topicMetadata(broker, topic)
      if (identity === null)
        throw new LogError('refused', `${this.#place} gives topics no identity: Kafka 3.1 or later is needed`)
      // Partitions that were added are another topic: customers would stand elsewhere than their history.
      return { topic, partitions, identity: `${identity}/${partitions}` }
    })
    this.#known.set(topic, described)
    return described
  }

  async settingsOf(topic: string): Promise<TopicSettings> {
    this.#check(topic)
    return await this.#ask(`reading the settings of topic ${topic}`, (admin) => readSettings(admin, topic), topic)
  }

  async ranges(topic: string): Promise<readonly PartitionRange[]> {
    this.#check(topic)
    const offsets = await this.#ask(
      `reading the ranges of topic ${topic}`,
      (admin) => admin.fetchTopicOffsets(topic),
      topic,
    )
    return offsets
      .map(({ partition, low, high }) => ({ partition, start: Number(low), end: Number(high) }))
      .sort((a, b) => a.partition - b.partition)
  }

  async append(topic: string, records: readonly NewRecord[]): Promise<readonly number[]> {
    const described = await this.#described(topic)
    for (let index = 0; index < records.length; index++) checkRecord(described, records[index]!, index)
    if (records.length === 0) return []
    const { headersFor } = this.#options
    const complete =
      headersFor === undefined
        ? records
        : records.map((record) => ({ ...record, headers: { ...headersFor(topic, record), ...record.headers } }))
    try {
      return await this.#appender.append(topic, complete)
    } catch (error) {
      throw this.#met(error, `appending to topic ${topic}`)
    }
  }

  async read(topic: string, partition: number, position: number, max: number): Promise<readonly LogRecord[]> {
    checkPosition({ topic, partitions: 0 }, partition, position)
    for (let next = position; ; ) {
      const fetched = await this.#fetch(topic, partition, next, Math.min(READ_BYTES, Math.max(1, max) * RECORD_BYTES))
      if (fetched.records.length > 0) return fetched.records.slice(0, Math.max(0, max))
      if (fetched.unreadable !== null) throw batchUnreadable(topic, partition, fetched.unreadable)
      if (fetched.next === next) return []
      next = fetched.next
    }
  }

  async unreadableBatch(topic: string, partition: number, position: number): Promise<UnreadableBatch | null> {
    checkPosition({ topic, partitions: 0 }, partition, position)
    // What transactions leave behind may stand before it.
    for (let next = position; ; ) {
      const fetched = await this.#fetch(topic, partition, next, 1)
      if (fetched.records.length > 0) return null
      if (fetched.unreadable !== null || fetched.next === next) return fetched.unreadable
      next = fetched.next
    }
  }

  async membersOf(group: string): Promise<readonly { readonly member: string; readonly host: string }[]> {
    checkName('group', group)
    const { groups } = await this.#ask(`describing group ${group}`, (admin) => admin.describeGroups([group]))
    return (groups[0]?.members ?? []).map(({ clientId, memberId, clientHost }) => ({
      member: `${clientId} ${memberId.slice(-8)}`,
      host: clientHost.replace(/^\//, ''),
    }))
  }

  async consume(topic: string, group: string, handler: PartitionHandler): Promise<Consumer> {
    checkName('group', group)
    const { identity } = await this.describe(topic)
    const { sessionMs = DEFAULTS.sessionMs, stallMs = DEFAULTS.stallMs } = this.#options
    const fetcher = new Fetcher({
      cluster: clusterOf(this.#kafka),
      topic,
      check: () => this.#checkIdentity(topic, identity),
      outOfRange: (partition, position) => this.#outOfRange(topic, partition, position),
      unreadable: (partition, batch) => batchUnreadable(topic, partition, batch),
    })
    const consumer = await consumeInGroup(
      {
        ...{ kafka: this.#kafka, topic, group, sessionMs, stallMs, fetcher },
        ranges: () => this.ranges(topic),
        onEnded: () => this.#consumers.delete(consumer),
      },
      handler,
    )
    this.#consumers.add(consumer)
    return consumer
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await Promise.all(Array.from(this.#consumers, (consumer) => consumer.stop()))
      await this.#appender.close()
      if (this.#admin !== null) this.#retired.add(this.#admin)
      await Promise.all(Array.from(this.#retired, (admin) => this.#retire(admin)))
      await this.#reader.disconnect().catch(() => {})
    })()
    return this.#closed
  }

  /** One answer of the broker that leads the partition: about so many bytes, at least one batch. */
  async #fetch(topic: string, partition: number, position: number, bytes: number): Promise<FetchedPartition> {
    checkPartition(await this.#described(topic), partition)
    return await this.#withReader(topic, `reading topic ${topic}`, async () => {
      const leader = this.#reader
        .findTopicPartitionMetadata(topic)
        .find(({ partitionId }) => partitionId === partition)?.leader
      const broker: Broker = await this.#reader.findBroker({ nodeId: leader ?? -1 })
      const [fetched] = await fetchPartitions(broker, topic, [{ partition, position }], {
        maxWaitMs: 0,
        maxBytes: bytes,
        partitionBytes: bytes,
      })
      if (fetched === undefined)
        throw new LogError('refused_for_now', `the broker said nothing of partition ${partition}`)
      if (fetched.error !== null) {
        if (typeOf(fetched.error) === 'OFFSET_OUT_OF_RANGE') throw await this.#outOfRange(topic, partition, position)
        throw fetched.error
      }
      return fetched
    })
  }

  /** Asks a broker through the connections of reads; once more where another one leads by now. */
  #withReader<T>(topic: string, place: string, work: () => Promise<T>): Promise<T> {
    let failures = 0
    return retry(
      async () => {
        if (failures > 0) await this.#reader.refreshMetadata().catch(() => {})
        try {
          // One at a time: it would connect twice.
          this.#reading = (this.#reading ?? Promise.resolve()).catch(() => {}).then(() => this.#readerReady(topic))
          await this.#reading
          return await work()
        } catch (error) {
          failures++
          throw this.#met(error, place, topic)
        }
      },
      { ...WAITS, giveUp: (error) => failures === ATTEMPTS || !passes(error) },
    )
  }

  async #readerReady(topic: string): Promise<void> {
    if (!this.#reader.isConnected()) await this.#reader.connect()
    await this.#reader.addTargetTopic(topic)
    await this.#reader.refreshMetadataIfNecessary()
  }

  async #checkIdentity(topic: string, expected: string): Promise<void> {
    const { identity } = await this.describe(topic)
    if (identity === expected) return
    throw new LogError(
      'topic_recreated',
      `topic ${topic} was deleted and created anew while it was read, or its number of partitions was changed: its identity is ${identity}, and was ${expected}. Nothing more is read from it`,
    )
  }

  async #outOfRange(topic: string, partition: number, position: number): Promise<Error> {
    const range = (await this.ranges(topic)).find((one) => one.partition === partition)
    return new PositionOutOfRangeError(topic, partition, position, range ?? { start: 0, end: 0 })
  }

  async #described(topic: string): Promise<TopicDescription> {
    this.#check(topic)
    return this.#known.get(topic) ?? (await this.describe(topic))
  }

  async #ask<T>(place: string, question: (admin: Admin) => Promise<T>, topic?: string): Promise<T> {
    if (this.#closed !== undefined) throw new LogError('closed', `the log on ${this.#place} is closed`)
    try {
      return await question(await this.#connectedAdmin())
    } catch (error) {
      throw this.#met(error, place, topic)
    }
  }

  #connectedAdmin(): Promise<Admin> {
    this.#admin ??= (async () => {
      const admin = this.#kafka.admin()
      try {
        await admin.connect()
        return admin
      } catch (error) {
        this.#admin = null
        await admin.disconnect().catch(() => {})
        throw error
      }
    })()
    return this.#admin
  }

  #met(error: unknown, place: string, topic?: string): LogError {
    const fault = faultOf(error, `${place} on ${this.#place}`)
    if (fault.code === 'topic_unknown' && !(error instanceof LogError)) {
      this.#forget(topic ?? '')
      return new LogError('topic_unknown', `there is no topic ${topic} in ${this.#place}`, { cause: error })
    }
    return fault
  }

  /** kafkajs goes on asking for a topic that is gone, and fails for all others with it. */
  #forget(topic: string): void {
    this.#known.delete(topic)
    this.#reader.targetTopics.delete(topic)
    const admin = this.#admin
    this.#admin = null
    if (admin === null) return
    // Others may still be waiting for its answers.
    this.#retired.add(admin)
    setTimeout(() => this.#retire(admin), 2 * REQUEST_MS).unref()
  }

  async #retire(admin: Promise<Admin>): Promise<void> {
    if (this.#retired.delete(admin)) await admin.then((one) => one.disconnect()).catch(() => {})
  }

  #check(topic: string): void {
    if (this.#closed !== undefined) throw new LogError('closed', `the log on ${this.#place} is closed`)
    checkName('topic', topic)
  }
}

/** Whether the same question may get an answer a moment later. */
const passes = (error: unknown): boolean =>
  (error instanceof LogError && error.code === 'unreachable') || PASSING.test(typeOf(error))
