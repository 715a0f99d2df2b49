import { type CompressionTypes, type Kafka, type Message, Partitioners, type Producer } from 'kafkajs'
import { LogError } from '../errors.ts'
import type { NewRecord } from '../port.ts'
import { type Compression, compressionNumber } from './codecs.ts'
import { faultOf } from './fault.ts'

interface Pending {
  readonly topic: string
  readonly records: readonly NewRecord[]
  readonly offsets: number[]
  /** Records that were sent. */
  sent: number
  readonly resolve: (offsets: readonly number[]) => void
  readonly reject: (error: unknown) => void
}

/** What one request carries: by topic the messages, and for each of them who waits for its offset. */
interface Batch {
  readonly topics: Map<string, Message[]>
  readonly waiting: { readonly pending: Pending; readonly index: number; readonly topic: string }[]
  readonly partitionBytes: Map<string, number>
  bytes: number
}

/** A batch of one partition has to stay below the largest message that a topic takes, 1 MiB unless it says otherwise. */
const PARTITION_BYTES = 900_000
const REQUEST_BYTES = 8_000_000
/** About what a record takes beside its key, its value and its headers. */
const RECORD_BYTES = 30

/**
 * Writes to the brokers, one request at a time: what is appended meanwhile goes with the next one. The producer is
 * idempotent and every request waits for all replicas.
 *
 * After a request that failed its producer is thrown away: it may have been written all the same, and kafkajs would number
 * the next one like it, which the broker would then take for a repeat and not write.
 */
export class Appender {
  readonly #kafka: Kafka
  readonly #compression: CompressionTypes
  #producer: Producer | null = null
  #waiting: Pending[] = []
  #sending: Promise<void> | null = null

  constructor(kafka: Kafka, compression: Compression) {
    this.#kafka = kafka
    this.#compression = compressionNumber(compression) as CompressionTypes
  }

  append(topic: string, records: readonly NewRecord[]): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ topic, records, offsets: [], sent: 0, resolve, reject })
      this.#sending ??= this.#sendAll().finally(() => {
        this.#sending = null
      })
    })
  }

  /** Waits for what was begun. */
  async close(): Promise<void> {
    while (this.#sending !== null) await this.#sending
    await this.#drop()
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch()
      try {
        await this.#send(batch)
      } catch (error) {
        await this.#drop()
        this.#fail(batch, error)
      }
      for (const { pending } of batch.waiting) {
        if (pending.sent === pending.records.length) pending.resolve(pending.offsets)
      }
      this.#waiting = this.#waiting.filter(({ sent, records }) => sent < records.length)
    }
  }

  /** As many of the records that wait as one request takes, in their order. */
  #nextBatch(): Batch {
    const batch: Batch = { topics: new Map(), waiting: [], partitionBytes: new Map(), bytes: 0 }
    for (const pending of this.#waiting) {
      for (; pending.sent < pending.records.length; pending.sent++) {
        if (!add(batch, pending, pending.sent)) return batch
      }
    }
    return batch
  }

  async #send({ topics, waiting }: Batch): Promise<void> {
    const producer = await this.#connected()
    const topicMessages = Array.from(topics, ([topic, messages]) => ({ topic, messages }))
    const answers = await producer.sendBatch({ acks: -1, compression: this.#compression, topicMessages })
    const next = new Map(answers.map((one) => [`${one.topicName}/${one.partition}`, Number(one.baseOffset)]))
    for (const { pending, index, topic } of waiting) {
      const place = `${topic}/${pending.records[index]!.partition}`
      const offset = next.get(place)
      if (offset === undefined)
        throw new LogError('refused_for_now', `the broker did not say where it put records of ${place}`)
      pending.offsets[index] = offset
      next.set(place, offset + 1)
    }
  }

  /** Those whose records were in a request that failed fail whole: some of theirs may have been written. */
  #fail({ waiting }: Batch, error: unknown): void {
    const failed = new Set(waiting.map(({ pending }) => pending))
    for (const pending of failed) {
      pending.reject(faultOf(error, `appending ${pending.records.length} records to topic ${pending.topic}`))
    }
    this.#waiting = this.#waiting.filter((pending) => !failed.has(pending))
  }

  async #connected(): Promise<Producer> {
    if (this.#producer !== null) return this.#producer
    const producer = this.#kafka.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    })
    try {
      await producer.connect()
    } catch (error) {
      await producer.disconnect().catch(() => {})
      throw error
    }
    this.#producer = producer
    return producer
  }

  async #drop(): Promise<void> {
    const producer = this.#producer
    this.#producer = null
    await producer?.disconnect().catch(() => {})
  }
}

/** False where it does not fit: then what comes after it waits too. */
function add(batch: Batch, pending: Pending, index: number): boolean {
  const { topic } = pending
  const { partition, key, value, headers } = pending.records[index]!
  let bytes = RECORD_BYTES + value.length + (key?.length ?? 0)
  if (headers !== undefined) for (const name in headers) bytes += 2 * name.length + 3 * (headers[name]?.length ?? 0)
  const place = `${topic}/${partition}`
  const before = batch.partitionBytes.get(place) ?? 0
  if (before > 0 && (before + bytes > PARTITION_BYTES || batch.bytes + bytes > REQUEST_BYTES)) return false
  batch.partitionBytes.set(place, before + bytes)
  batch.bytes += bytes
  const messages = batch.topics.get(topic) ?? []
  if (messages.length === 0) batch.topics.set(topic, messages)
  messages.push({
    partition,
    key: key === null ? null : buffer(key),
    value: buffer(value),
    ...(headers !== undefined && { headers: { ...headers } }),
  })
  batch.waiting.push({ pending, index, topic })
  return true
}

/** The same bytes, not a copy. */
const buffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
