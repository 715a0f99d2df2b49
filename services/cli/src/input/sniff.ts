import { isUtf8 } from 'node:buffer'
import { markOf } from './lines.ts'
import { formatOf, type ReadOptions, type RowFormat, type RowResult, rowsOf } from './read-rows.ts'
import { openSource, type Source } from './source.ts'

/** A first look at a file. */
export interface Sniffed {
  readonly format: RowFormat
  /** Of a CSV: its header; of JSON: the keys seen, in the order of their first appearance. */
  readonly columns: readonly string[]
  /** Null for JSON. */
  readonly delimiter: string | null
  /** utf-8, utf-16le, utf-16be, windows-1251 or windows-1252. */
  readonly encoding: string
  /** The first rows, rejected ones among them. */
  readonly rows: readonly RowResult[]
}

const SAMPLE_BYTES = 256 * 1024

/**
 * Looks at the first rows of a file, and guesses its encoding where none is given.
 * @throws {InputError} where not even the first rows can be read
 */
export async function sniff(path: string, maxRows = 1000, options: ReadOptions = {}): Promise<Sniffed> {
  const format = options.format ?? formatOf(path)
  const { sample, source } = await sampleOf(await openSource(path))
  const encoding = options.encoding ?? guessEncoding(sample)
  const rows: RowResult[] = []
  let delimiter: string | null = null
  let header: readonly string[] | null = null
  for await (const batch of rowsOf(source, format, { ...options, encoding })) {
    header = batch.columns
    delimiter = batch.delimiter
    rows.push(...batch.rows.slice(0, maxRows - rows.length))
    if (rows.length >= maxRows) break
  }
  return { format, columns: header ?? keysOf(rows), delimiter, encoding, rows }
}

function keysOf(rows: readonly RowResult[]): string[] {
  const keys = new Set<string>()
  for (const result of rows) {
    if (!result.ok || typeof result.row !== 'object' || result.row === null || Array.isArray(result.row)) continue
    for (const key of Object.keys(result.row)) keys.add(key)
  }
  return [...keys]
}

/** The first bytes, and the source with them still in it: a pipe can be read only once. */
async function sampleOf(source: Source): Promise<{ sample: Buffer; source: Source }> {
  const rest = source.chunks[Symbol.asyncIterator]()
  const taken: Buffer[] = []
  let bytes = 0
  while (bytes < SAMPLE_BYTES) {
    const { done, value } = await rest.next()
    if (done === true) break
    taken.push(value)
    bytes += value.length
  }
  async function* chunks(): AsyncGenerator<Buffer> {
    try {
      yield* taken
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
    } finally {
      await rest.return?.()
    }
  }
  return { sample: Buffer.concat(taken), source: { ...source, chunks: chunks() } }
}

/** By the byte order mark; else UTF-8 where it is that; else by how the bytes beyond ASCII stand together. */
function guessEncoding(sample: Buffer): string {
  const mark = markOf(sample)
  if (mark !== undefined) return mark.encoding
  // The sample may end within a character.
  const lastLine = sample.lastIndexOf(0x0a)
  if (isUtf8(lastLine === -1 ? sample : sample.subarray(0, lastLine))) return 'utf-8'
  let letters = 0
  let inWords = 0
  for (let index = 0; index < sample.length; index++) {
    if (!isCyrillicLetter(sample[index]!)) continue
    letters++
    if (isCyrillicLetter(sample[index - 1] ?? 0) || isCyrillicLetter(sample[index + 1] ?? 0)) inWords++
  }
  // In windows-1252 the same bytes are accented letters, which stand alone between ASCII ones.
  return letters > 0 && inWords / letters > 0.6 ? 'windows-1251' : 'windows-1252'
}

function isCyrillicLetter(byte: number): boolean {
  return byte >= 0xc0 || byte === 0xa8 || byte === 0xb8
}
