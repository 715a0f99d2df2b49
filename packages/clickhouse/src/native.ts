/**
 * Rows as ClickHouse keeps them: column after column, in its Native format, so that the server has next to nothing to
 * parse. Columns nest (arrays of tuples of …); a row is one value pushed into each leaf. Source of the format:
 * ClickHouse's documentation of "Native", and of the binary serialization of the types below.
 */
export interface Column {
  /** As in CREATE TABLE; the server converts where the table's own type differs. */
  readonly type: string
  /** Values pushed so far. */
  readonly length: number
  /** What stands in front of the data, of all columns inside of this one. */
  writePrefix(to: ByteSink): void
  writeData(to: ByteSink): void
}

/** By the names of the table's columns. */
export type Columns = Readonly<Record<string, Column>>

type ByteSink = (bytes: Uint8Array) => void

/** One column of each type, empty. What a type cannot hold is a RangeError of its `push`. */
export const column = {
  string: () => new StringColumn(),
  lowCardinality: () => new LowCardinalityColumn(),
  bool: () => new BoolColumn(),
  /** @param type the whole type, `Enum8('a' = 1)`; what is pushed are the numbers */
  enum8: (type: string) => new Enum8Column(type),
  uint32: () => new UInt32Column(),
  uint64: () => new WholeColumn('UInt64', 0),
  /** DateTime64(3, 'UTC'): epoch milliseconds. */
  dateTime64: () => new WholeColumn("DateTime64(3, 'UTC')", Number.MIN_SAFE_INTEGER),
  float64: () => new Float64Column(),
  nullable: (values: NumberColumn) => new NullableColumn(values),
  array: <C extends Column>(elements: C) => new ArrayColumn(elements),
  tuple: <F extends Columns>(fields: F) => new TupleColumn(fields),
}

/** How many rows the columns hold. */
export function rowsIn(columns: Columns): number {
  return Object.values(columns)[0]?.length ?? 0
}

/**
 * The rows of the columns as one block. The bytes are views: push nothing while they are in use.
 *
 * @throws RangeError where a column has more or fewer values than the others
 */
export function nativeBlock(columns: Columns): Uint8Array[] {
  const chunks: Uint8Array[] = []
  const entries = Object.entries(columns)
  const rows = rowsIn(columns)
  chunks.push(varint(entries.length), varint(rows))
  for (const [name, values] of entries) {
    requireLength(name, values, rows)
    chunks.push(text(name), text(values.type))
    if (rows === 0) continue
    values.writePrefix((bytes) => chunks.push(bytes))
    values.writeData((bytes) => chunks.push(bytes))
  }
  return chunks
}

const FIRST_CAPACITY = 128

/** Numbers of one fixed width. */
class FixedColumn implements Column {
  readonly type: string
  readonly #width: number
  protected bytes: Buffer
  protected view: DataView
  length = 0

  constructor(type: string, width: number) {
    this.type = type
    this.#width = width
    this.bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY * width)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Where the next value is to be written. */
  protected next(): number {
    const at = this.length++ * this.#width
    if (at === this.bytes.length) {
      this.bytes = grown(this.bytes, at, at + 1)
      this.view = new DataView(this.bytes.buffer)
    }
    return at
  }

  writePrefix(): void {}

  writeData(to: ByteSink): void {
    to(this.bytes.subarray(0, this.length * this.#width))
  }
}

class BoolColumn extends FixedColumn {
  constructor() {
    super('Bool', 1)
  }

  push(value: boolean): void {
    const at = this.next()
    this.bytes[at] = value ? 1 : 0
  }
}

class Enum8Column extends FixedColumn {
  constructor(type: string) {
    super(type, 1)
  }

  push(value: number): void {
    if ((value << 24) >> 24 !== value) throw new RangeError(`${value} is not a number of an Enum8`)
    const at = this.next()
    this.bytes[at] = value
  }
}

class UInt32Column extends FixedColumn {
  constructor() {
    super('UInt32', 4)
  }

  push(value: number): void {
    if (value >>> 0 !== value) throw new RangeError(`${value} is not a UInt32`)
    const at = this.next()
    this.view.setUint32(at, value, true)
  }
}

/** Whole numbers from `lowest` to 2^53 in eight bytes. */
class WholeColumn extends FixedColumn {
  readonly #lowest: number

  constructor(type: string, lowest: number) {
    super(type, 8)
    this.#lowest = lowest
  }

  push(value: number): void {
    if (!Number.isSafeInteger(value) || value < this.#lowest) {
      throw new RangeError(`${value} is not a whole number from ${this.#lowest} to 2^53 (${this.type})`)
    }
    const at = this.next()
    const high = Math.floor(value / 4294967296)
    this.view.setUint32(at, value - high * 4294967296, true)
    this.view.setInt32(at + 4, high, true)
  }
}

class Float64Column extends FixedColumn {
  constructor() {
    super('Float64', 8)
  }

  push(value: number): void {
    const at = this.next()
    this.view.setFloat64(at, value, true)
  }
}

/** UTF-8. A lone surrogate becomes U+FFFD. */
class StringColumn implements Column {
  readonly type = 'String'
  #bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY)
  #end = 0
  length = 0

  push(value: string): void {
    this.length++
    const units = value.length
    // A UTF-16 unit takes at most 3 bytes, and the length in front of them at most 5.
    const most = this.#end + units * 3 + 5
    if (most > this.#bytes.length) this.#bytes = grown(this.#bytes, this.#end, most)
    const bytes = this.#bytes
    let at = this.#end
    if (units < 43) {
      // At most 127 bytes, so the length takes one byte. A call into the runtime costs more than a few characters do.
      const start = at++
      for (let k = 0; k < units; k++) {
        const code = value.charCodeAt(k)
        if (code > 127) {
          at = start + 1 + bytes.write(value, start + 1, 'utf8')
          break
        }
        bytes[at++] = code
      }
      bytes[start] = at - start - 1
      this.#end = at
      return
    }
    let rest = Buffer.byteLength(value, 'utf8')
    for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128
    bytes[at++] = rest
    this.#end = at + bytes.write(value, at, 'utf8')
  }

  writePrefix(): void {}

  writeData(to: ByteSink): void {
    to(this.#bytes.subarray(0, this.#end))
  }
}

/** LowCardinality(String): every different value once, and for each row its number. */
class LowCardinalityColumn implements Column {
  readonly type = 'LowCardinality(String)'
  readonly #numbers = new Map<string, number>()
  readonly #keys = new StringColumn()
  #indexes = new Uint32Array(FIRST_CAPACITY)
  length = 0

  push(value: string): void {
    let number = this.#numbers.get(value)
    if (number === undefined) {
      number = this.#numbers.size
      this.#numbers.set(value, number)
      this.#keys.push(value)
    }
    if (this.length === this.#indexes.length) {
      const larger = new Uint32Array(this.length * 2)
      larger.set(this.#indexes)
      this.#indexes = larger
    }
    this.#indexes[this.length++] = number
  }

  writePrefix(to: ByteSink): void {
    to(uint64(1)) // keys are in the block itself
  }

  writeData(to: ByteSink): void {
    if (this.length === 0) return
    const keys = this.#keys.length
    const [width, indexes] = keys <= 256 ? [0, Uint8Array] : keys <= 65_536 ? [1, Uint16Array] : [2, Uint32Array]
    to(uint64(width | ADDITIONAL_KEYS | NEW_DICTIONARY))
    to(uint64(keys))
    this.#keys.writeData(to)
    to(uint64(this.length))
    const narrow = indexes.from(this.#indexes.subarray(0, this.length))
    to(new Uint8Array(narrow.buffer))
  }
}

const ADDITIONAL_KEYS = 1 << 9
const NEW_DICTIONARY = 1 << 10

type NumberColumn = Column & { push(value: number): void }

/** Nullable(T) of numbers: null and undefined are NULL. */
class NullableColumn implements Column {
  readonly type: string
  readonly #nulls = new BoolColumn()
  readonly #values: NumberColumn

  constructor(values: NumberColumn) {
    this.type = `Nullable(${values.type})`
    this.#values = values
  }

  get length(): number {
    return this.#nulls.length
  }

  push(value: number | null | undefined): void {
    this.#nulls.push(value === null || value === undefined)
    this.#values.push(value ?? 0)
  }

  writePrefix(to: ByteSink): void {
    this.#values.writePrefix(to)
  }

  writeData(to: ByteSink): void {
    this.#nulls.writeData(to)
    this.#values.writeData(to)
  }
}

/** Array(T): push the elements of one array into `elements`, then `end` it. */
class ArrayColumn<C extends Column> implements Column {
  readonly type: string
  readonly elements: C
  readonly #ends = new WholeColumn('UInt64', 0)

  constructor(elements: C) {
    this.type = `Array(${elements.type})`
    this.elements = elements
  }

  get length(): number {
    return this.#ends.length
  }

  end(): void {
    this.#ends.push(this.elements.length)
  }

  writePrefix(to: ByteSink): void {
    this.elements.writePrefix(to)
  }

  writeData(to: ByteSink): void {
    this.#ends.writeData(to)
    this.elements.writeData(to)
  }
}

/** Tuple(name T, …): push into each of `fields`. */
class TupleColumn<F extends Columns> implements Column {
  readonly type: string
  readonly fields: F
  readonly #first: Column | undefined

  constructor(fields: F) {
    this.type = `Tuple(${Object.entries(fields)
      .map(([name, { type }]) => `\`${name}\` ${type}`)
      .join(', ')})`
    this.fields = fields
    this.#first = Object.values(fields)[0]
  }

  get length(): number {
    return this.#first?.length ?? 0
  }

  writePrefix(to: ByteSink): void {
    for (const values of Object.values(this.fields)) values.writePrefix(to)
  }

  writeData(to: ByteSink): void {
    for (const [name, values] of Object.entries(this.fields)) {
      requireLength(name, values, this.length)
      values.writeData(to)
    }
  }
}

function requireLength(name: string, { length }: Column, rows: number): void {
  if (length !== rows) throw new RangeError(`column ${name} has ${length} values, the others have ${rows}`)
}

function grown(bytes: Buffer, used: number, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2))
  bytes.copy(larger, 0, 0, used)
  return larger
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value)
  return Buffer.concat([varint(bytes.length), bytes])
}

function uint64(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
