import { type AbortedTransaction, type ReadBatches, readBatches } from './record-batch.ts'
import { ask, type Broker, protocolError } from './wire.ts'

/** The two requests of the Kafka protocol that kafkajs has no door for. https://kafka.apache.org/protocol */

export interface FetchPartition {
  readonly partition: number
  readonly position: number
}

export interface FetchLimits {
  /** How long the broker waits for something to come. */
  readonly maxWaitMs: number
  /** Of all partitions; a batch that is larger comes all the same. */
  readonly maxBytes: number
  readonly partitionBytes: number
}

export interface FetchedPartition extends ReadBatches {
  readonly partition: number
  /** What the broker says of the partition instead of records. */
  readonly error: Error | null
  /** Offset up to which records can be read: those of transactions that are not decided yet are not among them. */
  readonly end: number
  /** Offset up to which the log holds records, those of open transactions included. */
  readonly held: number
}

const FETCH = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' }
const READ_COMMITTED = 1

/** Reads partitions of a topic from the broker that leads them. */
export function fetchPartitions(
  broker: Broker,
  topic: string,
  partitions: readonly FetchPartition[],
  { maxWaitMs, maxBytes, partitionBytes }: FetchLimits,
): Promise<readonly FetchedPartition[]> {
  const body = new Writer()
    .int32(-1) // replica: a consumer
    .int32(maxWaitMs)
    .int32(1) // bytes that are worth an answer
    .int32(maxBytes)
    .int8(READ_COMMITTED)
    .int32(0) // session, epoch: none
    .int32(-1)
    .int32(1)
    .string(topic)
    .int32(partitions.length)
  for (const { partition, position } of partitions) {
    body.int32(partition).int32(-1).int64(position).int64(-1).int32(partitionBytes)
  }
  body.int32(0).string('') // forgotten topics, rack
  const positions = new Map(partitions.map(({ partition, position }) => [partition, position]))
  return ask(broker, FETCH, body.bytes(), (bytes) => {
    const reader = new Reader(bytes)
    reader.skip(4) // throttling: the broker has waited already
    const error = protocolError(reader.int16())
    if (error !== null) throw error
    reader.skip(4) // session
    return reader.array(() => {
      reader.string()
      return reader.array(() => fetchedPartition(reader, positions))
    })
  }).then((topics) => topics.flat())
}

function fetchedPartition(reader: Reader, positions: ReadonlyMap<number, number>): FetchedPartition {
  const partition = reader.int32()
  const error = protocolError(reader.int16())
  const held = reader.int64()
  const end = reader.int64()
  reader.int64() // start of the log
  const aborted = reader.array(
    (): AbortedTransaction => ({ producerId: reader.bigint64(), firstOffset: reader.int64() }),
  )
  reader.skip(4) // preferred replica
  const bytes = reader.bytes()
  const position = positions.get(partition) ?? 0
  return { partition, error, end, held, ...readBatches(bytes, partition, position, aborted) }
}

const METADATA = { apiKey: 3, apiVersion: 12, apiName: 'Metadata' }

/** What a cluster says of a topic. */
export interface TopicMetadata {
  /** That the cluster gave it when it was created; null where it has none. Brokers know it since Kafka 2.8. */
  readonly identity: string | null
  readonly partitions: number
}

/**
 *
 * @throws what the broker says of the topic, `UNKNOWN_TOPIC_OR_PARTITION` where there is none
 */
export function topicMetadata(broker: Broker, topic: string): Promise<TopicMetadata> {
  const body = new Writer()
    .int8(0) // no tagged fields in the header
    .int8(2) // one topic, by its name
    .fixed(Buffer.alloc(16))
    .compactString(topic)
    .int8(0)
    .int8(0) // create no topics, list no rights
    .int8(0)
    .int8(0)
  return ask(broker, METADATA, body.bytes(), (bytes) => {
    const reader = new Reader(bytes)
    reader.skip(1 + 4) // tagged fields of the header, throttling
    reader.compactArray(() => {
      reader.skip(4)
      reader.compactString()
      reader.skip(4)
      reader.compactString()
      reader.skip(1)
    })
    reader.compactString()
    reader.skip(4)
    // The first topic is the only one.
    reader.uvarint()
    const error = protocolError(reader.int16())
    if (error !== null) throw error
    reader.compactString()
    const identity = reader.fixed(16)
    reader.skip(1) // whether it is one of Kafka's own
    const partitions = Math.max(0, reader.uvarint() - 1)
    return { identity: identity.every((byte) => byte === 0) ? null : identity.toString('base64url'), partitions }
  })
}

class Writer {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    const part = Buffer.alloc(1)
    part.writeInt8(value)
    return this.fixed(part)
  }

  int32(value: number): this {
    const part = Buffer.alloc(4)
    part.writeInt32BE(value)
    return this.fixed(part)
  }

  int64(value: number): this {
    const part = Buffer.alloc(8)
    part.writeBigInt64BE(BigInt(value))
    return this.fixed(part)
  }

  string(value: string): this {
    const text = Buffer.from(value)
    const length = Buffer.alloc(2)
    length.writeInt16BE(text.length)
    return this.fixed(length).fixed(text)
  }

  compactString(value: string): this {
    const text = Buffer.from(value)
    const length: number[] = []
    let rest = text.length + 1
    for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
    return this.fixed(Buffer.from([...length, rest])).fixed(text)
  }

  fixed(bytes: Buffer): this {
    this.#parts.push(bytes)
    return this
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

class Reader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  int16(): number {
    this.#at += 2
    return this.#buffer.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#buffer.readInt32BE(this.#at - 4)
  }

  bigint64(): bigint {
    this.#at += 8
    return this.#buffer.readBigInt64BE(this.#at - 8)
  }

  int64(): number {
    return Number(this.bigint64())
  }

  string(): string {
    return this.fixed(Math.max(0, this.int16())).toString()
  }

  bytes(): Buffer {
    return this.fixed(Math.max(0, this.int32()))
  }

  array<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, item)
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#buffer.readUInt8(this.#at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }

  compactString(): string {
    return this.fixed(Math.max(0, this.uvarint() - 1)).toString()
  }

  compactArray<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.uvarint() - 1) }, item)
  }

  fixed(length: number): Buffer {
    this.#at += length
    return this.#buffer.subarray(this.#at - length, this.#at)
  }
}
