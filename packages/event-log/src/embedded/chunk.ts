/**
 * A **chunk** is one stored value: some records of one append to one partition, side by side, all with one timestamp.
 * Several records to a value make appending and reading several times as fast as one value each.
 *
 *     chunk   = version u32 = 2, count u32, timestamp f64, first offset f64, headers length u32, headers (JSON), record…
 *     record  = key length i32 (-1 = no key), headers length u32 (0 = none), value length u32, key, headers (JSON), value
 *
 * The headers of the chunk are those that all its records have alike. All numbers are little-endian.
 */
import type { LogRecord, NewRecord } from '../port.ts'

export interface Chunk {
  readonly bytes: Buffer
  readonly count: number
}

const VERSION = 2
const CHUNK_HEADER_BYTES = 28
const RECORD_HEADER_BYTES = 12
/** Where a chunk is closed. Measured: 64 KB and 1 MB are slower to write, and a small one is cheap to read a part of. */
const CHUNK_BYTES = 256 * 1024

const NO_HEADERS: Headers = Object.freeze({})
const NOTHING = Buffer.alloc(0)

/** Encodes records of one partition; a record larger than a chunk gets one of its own. Offsets and time: see `seal`. */
export function encodeChunks(records: readonly NewRecord[]): Chunk[] {
  const common = commonHeaders(records)
  const commonJson = encodeHeaders(common)
  const chunks: Chunk[] = []
  const headers = records.map(({ headers }) =>
    headers === undefined ? NOTHING : encodeHeaders(without(common, headers)),
  )
  const sizeOf = (index: number) => {
    const { key, value } = records[index]!
    return RECORD_HEADER_BYTES + (key?.length ?? 0) + headers[index]!.length + value.length
  }
  for (let first = 0; first < records.length; ) {
    const start = CHUNK_HEADER_BYTES + commonJson.length
    let size = start + sizeOf(first)
    let next = first + 1
    while (next < records.length && size + sizeOf(next) <= CHUNK_BYTES) size += sizeOf(next++)
    const bytes = Buffer.allocUnsafe(size)
    bytes.writeUInt32LE(VERSION, 0)
    bytes.writeUInt32LE(next - first, 4)
    bytes.writeUInt32LE(commonJson.length, 24)
    bytes.set(commonJson, CHUNK_HEADER_BYTES)
    let at = start
    for (let index = first; index < next; index++) at = encodeRecord(bytes, at, records[index]!, headers[index]!)
    chunks.push({ bytes, count: next - first })
    first = next
  }
  return chunks
}

/** Writes what only the transaction that stores the chunk knows. */
export function seal(chunk: Chunk, timestamp: number, firstOffset: number): Buffer {
  chunk.bytes.writeDoubleLE(timestamp, 8)
  chunk.bytes.writeDoubleLE(firstOffset, 16)
  return chunk.bytes
}

export function timestampOf(bytes: Buffer): number {
  return bytes.readDoubleLE(8)
}

/**
 * Appends the records from a position on to a list, until the list holds `maxRecords`.
 * Keys and values are views of `bytes`, not copies.
 *
 * @throws Error where it is damaged; some records may have been appended then
 */
export function decodeChunk(bytes: Buffer, partition: number, position: number, maxRecords: number, into: LogRecord[]) {
  if (bytes.length < CHUNK_HEADER_BYTES || bytes.readUInt32LE(0) !== VERSION) {
    throw new Error('it is not in a form that this version reads')
  }
  const count = bytes.readUInt32LE(4)
  const timestamp = timestampOf(bytes)
  const firstOffset = bytes.readDoubleLE(16)
  if (!(firstOffset + count > position)) throw new Error('it does not hold the offsets that it stands for')
  const commonEnd = CHUNK_HEADER_BYTES + bytes.readUInt32LE(24)
  const common = decodeHeaders(bytes, CHUNK_HEADER_BYTES, commonEnd, NO_HEADERS)
  let at = commonEnd
  for (let offset = firstOffset; offset < firstOffset + count && into.length < maxRecords; offset++) {
    if (at + RECORD_HEADER_BYTES > bytes.length) throw brokenOff(offset - firstOffset, count)
    const keyLength = bytes.readInt32LE(at)
    const headersLength = bytes.readUInt32LE(at + 4)
    const valueLength = bytes.readUInt32LE(at + 8)
    const keyAt = at + RECORD_HEADER_BYTES
    const headersAt = keyAt + Math.max(keyLength, 0)
    const valueAt = headersAt + headersLength
    at = valueAt + valueLength
    if (at > bytes.length) throw brokenOff(offset - firstOffset, count)
    if (offset < position) continue
    into.push({
      partition,
      offset,
      key: keyLength < 0 ? null : bytes.subarray(keyAt, headersAt),
      value: bytes.subarray(valueAt, at),
      headers: decodeHeaders(bytes, headersAt, valueAt, common),
      timestamp,
    })
  }
}

const brokenOff = (k: number, count: number) => new Error(`its record ${k} of ${count} breaks off`)

type Headers = Readonly<Record<string, string>>

/** What stands alike in the headers of all records. */
function commonHeaders(records: readonly NewRecord[]): Headers {
  const common = Object.entries(records[0]?.headers ?? {}).filter(([name, value]) =>
    records.every(({ headers }) => headers !== undefined && Object.hasOwn(headers, name) && headers[name] === value),
  )
  return Object.fromEntries(common)
}

function without(common: Headers, headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !Object.hasOwn(common, name)))
}

function encodeHeaders(headers: Headers): Buffer {
  const json = JSON.stringify(headers)
  return json === '{}' ? NOTHING : Buffer.from(json)
}

function decodeHeaders(bytes: Buffer, start: number, end: number, common: Headers): Headers {
  if (start === end) return common
  const own = JSON.parse(bytes.toString('utf8', start, end))
  return common === NO_HEADERS ? own : { ...common, ...own }
}

function encodeRecord(bytes: Buffer, start: number, { key, value }: NewRecord, headers: Buffer): number {
  bytes.writeInt32LE(key?.length ?? -1, start)
  bytes.writeUInt32LE(headers.length, start + 4)
  bytes.writeUInt32LE(value.length, start + 8)
  let at = start + RECORD_HEADER_BYTES
  if (key !== null) {
    bytes.set(key, at)
    at += key.length
  }
  if (headers.length > 0) bytes.set(headers, at)
  at += headers.length
  bytes.set(value, at)
  return at + value.length
}
