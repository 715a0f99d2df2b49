import { isUtf8 } from 'node:buffer'
import { TextDecoder } from 'node:util'
import type { Rejection } from '@weaklink/interactions'
import { InputError } from './input-error.ts'
import type { Source } from './source.ts'

/** A longer line is rejected, and never held in memory as a whole. */
export const MAX_LINE_BYTES = 1024 * 1024
/** Characters shown of a line that is too long. */
const HEAD_BYTES = 1000

export interface RejectedLine {
  readonly line: number
  readonly ok: false
  readonly rejection: Rejection
  /** The line, or the lines of a row, as they came. */
  readonly text: string
}

/** Some consecutive lines of a file, without their ends. */
export interface LineBlock {
  readonly texts: readonly string[]
  /** 1-based number of each text. */
  readonly numbers: readonly number[]
  readonly rejected: readonly RejectedLine[]
  /** The last text is the last of the file and had no line end: perhaps it breaks off. */
  readonly unended: boolean
}

/**
 * The lines of a file, decoded. Lines that are too long or not in the encoding are rejected one by one.
 * @param encoding a label of the Encoding Standard; a byte order mark in the file has precedence
 * @throws {InputError} of the source, with the number of the line that it cut off
 */
export async function* readLines(source: Source, encoding = 'utf-8'): AsyncGenerator<LineBlock> {
  const splitter = new LineSplitter(source.path, decoderOf(encoding, source.path))
  try {
    for await (const chunk of withoutMark(source, encoding)) {
      const block = splitter.take(chunk)
      if (block !== null) yield block
    }
  } catch (error) {
    throw error instanceof InputError ? error.at(splitter.line) : error
  }
  const block = splitter.end()
  if (block !== null) yield block
}

interface Decoder {
  /** Null where bytes are not in the encoding. */
  readonly decode: (bytes: Buffer) => string | null
  readonly decodeAnyway: (bytes: Buffer) => string
  readonly hint: string
}

function decoderOf(label: string, path: string): Decoder {
  const encoding = encodingName(label, path)
  const lenient = new TextDecoder(encoding, { ignoreBOM: true })
  const decodeAnyway = (bytes: Buffer) => lenient.decode(bytes)
  // UTF-16 comes here as UTF-8.
  if (encoding === 'utf-8' || encoding.startsWith('utf-16')) {
    const hint = 'UTF-8; name another encoding in the mapping, as file: { encoding: windows-1251 }'
    return { decode: (bytes) => (isUtf8(bytes) ? bytes.toString('utf8') : null), decodeAnyway, hint }
  }
  const strict = new TextDecoder(encoding, { fatal: true, ignoreBOM: true })
  const decode = (bytes: Buffer) => {
    try {
      return strict.decode(bytes)
    } catch {
      return null
    }
  }
  return { decode, decodeAnyway, hint: `${encoding}, as the mapping says` }
}

function encodingName(label: string, path: string): string {
  try {
    return new TextDecoder(label).encoding
  } catch {
    throw new InputError('unknown_encoding', path, `"${label}"; known are utf-8, windows-1251, iso-8859-1, shift_jis …`)
  }
}

/** The bytes without a byte order mark, and UTF-16 made UTF-8, so that a line feed is one byte everywhere. */
async function* withoutMark(source: Source, label: string): AsyncGenerator<Buffer> {
  let utf16: TextDecoder | undefined
  let first = true
  for await (let chunk of source.chunks) {
    if (first) {
      const mark = markOf(chunk)
      const encoding = mark?.encoding ?? encodingName(label, source.path)
      if (encoding.startsWith('utf-16')) utf16 = new TextDecoder(encoding)
      else if (mark !== undefined) chunk = chunk.subarray(mark.bytes)
      first = false
    }
    yield utf16 === undefined ? chunk : Buffer.from(utf16.decode(chunk, { stream: true }))
  }
}

/** The encoding that a byte order mark tells. */
export function markOf(bytes: Buffer): { readonly encoding: string; readonly bytes: number } | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: 'utf-8', bytes: 3 }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: 'utf-16le', bytes: 2 }
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: 'utf-16be', bytes: 2 }
  return undefined
}

const LINE_FEED = 0x0a

class LineSplitter {
  /** Number of the next line. */
  line = 1
  readonly #path: string
  readonly #decoder: Decoder
  /** Of a line whose end has not come yet. */
  #begun: Buffer[] = []
  #begunBytes = 0
  /** The beginning of a line that is too long, while its rest is passed over. */
  #passedOver: Buffer | null = null

  constructor(path: string, decoder: Decoder) {
    this.#path = path
    this.#decoder = decoder
  }

  take(chunk: Buffer): LineBlock | null {
    const last = chunk.lastIndexOf(LINE_FEED)
    if (last === -1) {
      this.#begin(chunk)
      return null
    }
    const rejected: RejectedLine[] = []
    let from = 0
    if (this.#passedOver !== null) {
      rejected.push(this.#tooLong(this.#passedOver))
      this.#passedOver = null
      from = chunk.indexOf(LINE_FEED) + 1
    }
    // Where the line that was passed over ends with the chunk's only line feed, no other is complete.
    const complete = from > last ? null : Buffer.concat([...this.#begun, chunk.subarray(from, last)])
    this.#begun = []
    this.#begunBytes = 0
    this.#begin(chunk.subarray(last + 1))
    return this.#block(complete, rejected, false)
  }

  end(): LineBlock | null {
    if (this.#passedOver !== null) return this.#block(null, [this.#tooLong(this.#passedOver)], false)
    if (this.#begunBytes === 0) return null
    const bytes = Buffer.concat(this.#begun)
    this.#refuseOtherEnds(bytes)
    return this.#block(bytes, [], true)
  }

  #begin(bytes: Buffer): void {
    if (this.#passedOver !== null) return
    this.#begun.push(bytes)
    this.#begunBytes += bytes.length
    if (this.#begunBytes <= MAX_LINE_BYTES) return
    const head = Buffer.concat(this.#begun)
    this.#refuseOtherEnds(head)
    this.#passedOver = Buffer.from(head.subarray(0, HEAD_BYTES))
    this.#begun = []
    this.#begunBytes = 0
  }

  /** Files of old Macs end their lines with a carriage return alone. */
  #refuseOtherEnds(bytes: Buffer): void {
    const carriageReturn = bytes.indexOf(0x0d)
    if (this.line === 1 && carriageReturn !== -1 && carriageReturn < bytes.length - 1) {
      throw new InputError('bad_line_ends', this.#path, 'save it with Unix or Windows line ends')
    }
  }

  #block(bytes: Buffer | null, rejected: RejectedLine[], unended: boolean): LineBlock {
    const texts: string[] = []
    const numbers: number[] = []
    const decoded = bytes === null ? null : this.#decoder.decode(bytes)
    if (bytes !== null && (decoded === null || bytes.length > MAX_LINE_BYTES)) {
      this.#oneByOne(bytes, texts, numbers, rejected)
    } else if (decoded !== null) {
      for (const text of decoded.split('\n')) {
        texts.push(text.endsWith('\r') ? text.slice(0, -1) : text)
        numbers.push(this.line++)
      }
    }
    return { texts, numbers, rejected, unended }
  }

  #oneByOne(bytes: Buffer, texts: string[], numbers: number[], rejected: RejectedLine[]): void {
    for (let from = 0; from <= bytes.length; ) {
      const feed = bytes.indexOf(LINE_FEED, from)
      const end = feed === -1 ? bytes.length : feed
      const line = bytes.subarray(from, bytes[end - 1] === 0x0d ? Math.max(from, end - 1) : end)
      const text = line.length > MAX_LINE_BYTES ? null : this.#decoder.decode(line)
      if (text !== null) {
        texts.push(text)
        numbers.push(this.line++)
      } else rejected.push(line.length > MAX_LINE_BYTES ? this.#tooLong(line) : this.#notEncoded(line))
      from = end + 1
    }
  }

  #tooLong(line: Buffer): RejectedLine {
    const text = `${this.#decoder.decodeAnyway(line.subarray(0, HEAD_BYTES))}…`
    const expected = `a line of at most ${MAX_LINE_BYTES} bytes`
    return this.#reject({ reason: 'line_too_long', field: '', expected, got: 'more' }, text)
  }

  #notEncoded(line: Buffer): RejectedLine {
    const at = [...line.keys()].find((index) => line[index]! >= 0x80) ?? 0
    const got = `the bytes ${line.subarray(at, at + 8).toString('hex')} after ${at} others`
    const text = this.#decoder.decodeAnyway(line)
    return this.#reject({ reason: 'invalid_encoding', field: '', expected: this.#decoder.hint, got }, text)
  }

  #reject(rejection: Rejection, text: string): RejectedLine {
    return { line: this.line++, ok: false, rejection, text }
  }
}
