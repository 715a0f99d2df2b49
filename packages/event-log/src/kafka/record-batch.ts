import type { UnreadableBatch } from '../errors.ts'
import type { LogRecord } from '../port.ts'
import { decompressed } from './codecs.ts'
import { crc32c } from './crc32c.ts'

/**
 * What a broker answers of a partition: record batches, one after the other (the message format v2 of the Kafka protocol).
 * Read by ourselves rather than by kafkajs, so that a batch which cannot be read is named by its offsets and kept as bytes
 * instead of ending the consumer without a place, and because it checks the checksum, which kafkajs does not.
 */

export interface ReadBatches {
  readonly records: readonly LogRecord[]
  /** Offset after the last batch that was read. */
  readonly next: number
  /** The batch that stands at `next` and cannot be read; null where there is none. */
  readonly unreadable: UnreadableBatch | null
}

/** A transaction that was aborted: records of this producer from this offset on do not count. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

const HEADER_BYTES = 61
/** What is read at once, without compression: beyond it, the batches behind wait for the next time. */
const UNPACKED_BYTES = 32 * 1024 * 1024
const FORMAT = 2
// Where a batch holds what.
const LENGTH_AT = 8
const FORMAT_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
const BASE_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const PRODUCER_ID_AT = 43
const COUNT_AT = 57
/** Of `length`, what stands before it. */
const BEFORE_LENGTH_BYTES = 12

const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const ABORT = 0

/**
 * Reads what a broker answered of a partition: the records from `position` on, without those of aborted transactions. The
 * last batch may break off; it comes whole with the next answer.
 */
export function readBatches(
  bytes: Buffer,
  partition: number,
  position: number,
  aborted: readonly AbortedTransaction[] = [],
): ReadBatches {
  const records: LogRecord[] = []
  const transactions = new Transactions(aborted)
  let next = position
  let unpacked = 0
  for (let at = 0; at + HEADER_BYTES <= bytes.length && unpacked < UNPACKED_BYTES; ) {
    const size = BEFORE_LENGTH_BYTES + bytes.readInt32BE(at + LENGTH_AT)
    if (size >= HEADER_BYTES && at + size > bytes.length) break
    const batch = bytes.subarray(at, size < HEADER_BYTES ? bytes.length : at + size)
    const offset = Number(batch.readBigInt64BE(0))
    const end = offset + Math.max(0, batch.readInt32BE(LAST_OFFSET_DELTA_AT)) + 1
    at += batch.length
    // The first one may begin before the position.
    if (end <= position) continue
    try {
      check(batch)
      if (transactions.counts(batch, offset)) unpacked += readRecords(batch, partition, offset, position, records)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      return { records, next, unreadable: { offset, next: end, bytes: batch, problem } }
    }
    next = end
  }
  return { records, next, unreadable: null }
}

function check(batch: Buffer): void {
  const format = batch.readInt8(FORMAT_AT)
  if (format !== FORMAT) throw new Error(`its format is ${format}, expected ${FORMAT}`)
  if (BEFORE_LENGTH_BYTES + batch.readInt32BE(LENGTH_AT) !== batch.length) throw new Error('its length is damaged')
  const [expected, got] = [batch.readUInt32BE(CRC_AT), crc32c(batch.subarray(ATTRIBUTES_AT))]
  if (got !== expected)
    throw new Error(`its checksum is ${got.toString(16)}, expected ${expected.toString(16)}: it was damaged`)
}

/** Which batches count, when transactions are read as far as they were committed. */
class Transactions {
  readonly #begun: AbortedTransaction[]
  readonly #aborted = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#begun = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  counts(batch: Buffer, offset: number): boolean {
    const attributes = batch.readInt16BE(ATTRIBUTES_AT)
    if ((attributes & (TRANSACTIONAL | CONTROL)) === 0) return true
    const producer = batch.readBigInt64BE(PRODUCER_ID_AT)
    while (this.#begun[0] !== undefined && this.#begun[0].firstOffset <= offset) {
      this.#aborted.add(this.#begun.shift()!.producerId)
    }
    if ((attributes & CONTROL) === 0) return !this.#aborted.has(producer)
    if (markerOf(batch) === ABORT) this.#aborted.delete(producer)
    return false
  }
}

/** What the only record of a control batch says: its key is a version and the kind. */
function markerOf(batch: Buffer): number {
  const cursor = new Cursor(batch, HEADER_BYTES)
  cursor.varint()
  cursor.at++
  cursor.varlong()
  cursor.varint()
  const key = cursor.bytes()
  return key === null || key.length < 4 ? -1 : key.readInt16BE(2)
}

/** @returns how many bytes they take */
function readRecords(batch: Buffer, partition: number, offset: number, position: number, records: LogRecord[]): number {
  const attributes = batch.readInt16BE(ATTRIBUTES_AT)
  const base = Number(batch.readBigInt64BE(BASE_TIMESTAMP_AT))
  const appended = attributes & LOG_APPEND_TIME ? Number(batch.readBigInt64BE(MAX_TIMESTAMP_AT)) : null
  const count = batch.readInt32BE(COUNT_AT)
  const cursor = new Cursor(decompressed(batch.subarray(HEADER_BYTES), attributes), 0)
  const read: LogRecord[] = []
  for (let k = 0; k < count; k++) {
    const length = cursor.varint()
    const end = cursor.at + length
    if (length < 0 || end > cursor.buffer.length) throw new Error(`its record ${k} of ${count} breaks off`)
    cursor.at++ // Attributes, of which there are none yet.
    const timestamp = appended ?? base + Number(cursor.varlong())
    if (appended !== null) cursor.varlong()
    const at = offset + cursor.varint()
    const key = cursor.bytes()
    const value = cursor.bytes() ?? NO_BYTES
    const headers = cursor.headers()
    if (cursor.at !== end) throw new Error(`its record ${k} of ${count} is not as long as it says`)
    if (at >= position) read.push({ partition, offset: at, key, value, headers, timestamp })
  }
  // All of a batch, or nothing of it.
  for (const record of read) records.push(record)
  return cursor.buffer.length
}

const NO_BYTES = Buffer.alloc(0)
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

/** Walks through the records of a batch: lengths and deltas are zigzag varints, as in Protocol Buffers. */
class Cursor {
  readonly buffer: Buffer
  at: number

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer
    this.at = at
  }

  varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    throw new Error('a number in it is damaged')
  }

  varlong(): bigint {
    const start = this.at
    // Nearly all fit into 31 bits.
    let small = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      small |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt((small >>> 1) ^ -(small & 1))
    }
    this.at = start
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
    }
    throw new Error('a number in it is damaged')
  }

  /** Null for those that are absent. */
  bytes(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const end = this.at + length
    if (end > this.buffer.length) throw new Error('a record in it breaks off')
    const bytes = this.buffer.subarray(this.at, end)
    this.at = end
    return bytes
  }

  /** As texts; of several with one name the last. */
  headers(): Readonly<Record<string, string>> {
    const count = this.varint()
    if (count <= 0) return NO_HEADERS
    const headers: Record<string, string> = {}
    for (let k = 0; k < count; k++) {
      const name = this.#text()
      headers[name] = this.#text()
    }
    return headers
  }

  #text(): string {
    const length = this.varint()
    if (length <= 0) return ''
    const end = this.at + length
    if (end > this.buffer.length) throw new Error('a header in it breaks off')
    const text = this.buffer.toString('latin1', this.at, end)
    const isAscii = !NOT_ASCII.test(text)
    const read = isAscii ? text : this.buffer.toString('utf8', this.at, end)
    this.at = end
    return read
  }

  #byte(): number {
    const byte = this.buffer[this.at++]
    if (byte === undefined) throw new Error('it breaks off')
    return byte
  }
}

const NOT_ASCII = /[\u0080-\u00ff]/
