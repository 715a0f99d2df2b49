/**
 * Writes rows in ClickHouse's RowBinary format into one growing buffer: the cheapest way in, for both sides.
 * The columns are written in the order of the INSERT. What a type looks like: LowCardinality(T) as T, Array(T) as
 * `arrayLength` and the elements, Tuple as its fields one after the other, Nullable(T) through `nullable` or `null`.
 */
export class RowBinaryWriter {
  #buffer: Buffer
  #length = 0

  /** @param capacity first size in bytes; it doubles when needed and is kept by `reset`. */
  constructor(capacity = 64 * 1024) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(capacity, 64))
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  /** UTF-8. A lone surrogate becomes U+FFFD. */
  string(value: string): void {
    const units = value.length
    // A UTF-16 unit takes at most 3 bytes, and the length in front of them at most 5.
    this.#reserve(units * 3 + 5)
    const start = this.#length
    if (units < 43) {
      // At most 127 bytes, so the length takes one byte wherever it ends: written once, without measuring first.
      const written = this.#buffer.write(value, start + 1, 'utf8')
      this.#buffer[start] = written
      this.#length = start + 1 + written
      return
    }
    this.#varint(Buffer.byteLength(value, 'utf8'))
    this.#length += this.#buffer.write(value, this.#length, 'utf8')
  }

  uint8(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#length++] = value
  }

  bool(value: boolean): void {
    this.uint8(value ? 1 : 0)
  }

  /** Enum8: the number of the value, -128..127. */
  enum8(value: number): void {
    this.#reserve(1)
    this.#length = this.#buffer.writeInt8(value, this.#length)
  }

  uint32(value: number): void {
    this.#reserve(4)
    this.#length = this.#buffer.writeUInt32LE(value, this.#length)
  }

  /** A number has to be a whole one within ±2^53. */
  int64(value: number | bigint): void {
    this.#reserve(8)
    if (typeof value === 'bigint') {
      this.#length = this.#buffer.writeBigInt64LE(value, this.#length)
      return
    }
    requireSafe(value)
    const high = Math.floor(value / 4294967296)
    this.#buffer.writeUInt32LE(value - high * 4294967296, this.#length)
    this.#length = this.#buffer.writeInt32LE(high, this.#length + 4)
  }

  /** DateTime64(3): epoch milliseconds. */
  dateTime64(milliseconds: number): void {
    this.int64(milliseconds)
  }

  /** A number has to be a whole one from 0 to 2^53. */
  uint64(value: number | bigint): void {
    this.#reserve(8)
    if (typeof value === 'bigint') {
      this.#length = this.#buffer.writeBigUInt64LE(value, this.#length)
      return
    }
    requireSafe(value)
    const high = Math.floor(value / 4294967296)
    this.#buffer.writeUInt32LE(value - high * 4294967296, this.#length)
    this.#length = this.#buffer.writeUInt32LE(high, this.#length + 4)
  }

  float64(value: number): void {
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleLE(value, this.#length)
  }

  /** The flag in front of a Nullable; true when `value` has to be written after it. */
  nullFlag<T>(value: T | null | undefined): value is T {
    const present = value !== null && value !== undefined
    this.uint8(present ? 0 : 1)
    return present
  }

  /** Nullable(T): `writer.nullable(row.closedAt, writer.dateTime64)`; undefined is NULL too. */
  nullable<T>(value: T | null | undefined, write: (this: RowBinaryWriter, value: T) => void): void {
    if (this.nullFlag(value)) write.call(this, value)
  }

  /** Before the elements of an Array. */
  arrayLength(elements: number): void {
    this.#reserve(5)
    this.#varint(elements)
  }

  /** The bytes so far, as a copy of their own, and starts over. */
  finish(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#length))
    this.#length = 0
    return bytes
  }

  /** Forgets what was written. */
  reset(): void {
    this.#length = 0
  }

  /** LEB128, up to 5 bytes that the caller reserved. */
  #varint(value: number): void {
    let rest = value
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.#buffer[this.#length++] = rest
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

function requireSafe(value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number within ±2^53`)
}
