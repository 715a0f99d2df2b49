import { extname } from 'node:path'
import { show } from '@weaklink/interactions'
import { CsvReader } from './csv.ts'
import { InputError } from './input-error.ts'
import { type LineBlock, type RejectedLine, readLines } from './lines.ts'
import { openSource, type Source } from './source.ts'

export type RowFormat = 'jsonl' | 'csv'

export interface ReadOptions {
  /** Where it is not given, the extension says it: .csv .tsv .jsonl .ndjson .json, each also with .gz. */
  readonly format?: RowFormat
  /** Of a CSV; found out where it is not given. */
  readonly delimiter?: string
  /** Default utf-8; UTF-16 is known by its byte order mark. */
  readonly encoding?: string
  /** JSON may be one array whatever the name says; without it, only where it is `.json`. */
  readonly mayBeArray?: boolean
}

/** A row of the file, or why a line of it is none. `line` is 1-based; that of the first where a row spans several. */
export type RowResult =
  | { readonly line: number; readonly ok: true; readonly row: unknown; readonly text: string }
  | RejectedLine

export interface RowBatch {
  /** In the order of the file; perhaps empty. */
  readonly rows: readonly RowResult[]
  /** Of a CSV, known from the first batch on; null for JSON. */
  readonly columns: readonly string[] | null
  readonly delimiter: string | null
  /** Of the file as it lies on the disk. */
  readonly bytesRead: number
  /** 0 where it is not known, as of a pipe. */
  readonly bytesTotal: number
}

/**
 * Reads the rows of a file, plain or gzipped: CSV with a header, JSON lines, or (`.json`) one JSON array, whose
 * elements are then counted as lines. What is no row is a rejection with its line and text, and the rows after it are
 * read all the same.
 * @throws {InputError} where the file cannot be read, or not to its end; the batches before it are good
 */
export async function* readRows(path: string, options: ReadOptions = {}): AsyncGenerator<RowBatch> {
  yield* rowsOf(await openSource(path), options.format ?? formatOf(path), options)
}

/** The same of a source that is open already. */
export async function* rowsOf(source: Source, format: RowFormat, options: ReadOptions): AsyncGenerator<RowBatch> {
  if (format === 'csv') yield* csvRows(source, options)
  else yield* jsonRows(source, options.encoding, options.mayBeArray ?? extensionOf(source.path) === '.json')
}

function extensionOf(path: string): string {
  return extname(path.toLowerCase().replace(/\.gz$/, ''))
}

export function formatOf(path: string): RowFormat {
  const extension = extensionOf(path)
  if (extension === '.csv' || extension === '.tsv') return 'csv'
  if (extension === '.jsonl' || extension === '.ndjson' || extension === '.json') return 'jsonl'
  throw new InputError('unknown_format', path, 'name it .csv, .tsv, .jsonl or .ndjson, or give --format')
}

async function* csvRows(source: Source, { delimiter, encoding }: ReadOptions): AsyncGenerator<RowBatch> {
  const tabs = extensionOf(source.path) === '.tsv' ? '\t' : undefined
  const reader = new CsvReader(source.path, delimiter ?? tabs)
  const batch = (rows: RowResult[]) => batchOf(source, rows, reader)
  try {
    for await (const block of readLines(source, encoding)) {
      const rows = reader.take(block)
      if (rows.length > 0) yield batch(rows)
    }
  } catch (error) {
    // The file breaks off: what waits for a closing quote is all that there will be.
    if (error instanceof InputError && reader.columns !== null) yield batch(reader.end())
    throw error
  }
  yield batch(reader.end())
}

async function* jsonRows(source: Source, encoding: string | undefined, mayBeArray: boolean): AsyncGenerator<RowBatch> {
  let begun = false
  const blocks = readLines(source, encoding)
  for await (const block of blocks) {
    const first: string | undefined = begun ? undefined : block.texts.find((text) => text.trim() !== '')
    if (mayBeArray && first?.trimStart().startsWith('[')) {
      yield* arrayRows(source, block, blocks)
      return
    }
    begun ||= first !== undefined || block.rejected.length > 0
    yield batchOf(source, jsonLines(block))
  }
  if (!begun) throw new InputError('empty_file', source.path, 'it has only blank lines')
}

function jsonLines({ texts, numbers, rejected, unended }: LineBlock): RowResult[] {
  const rows: RowResult[] = [...rejected]
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index]!
    const line = numbers[index]!
    if (text.trim() === '') continue
    try {
      rows.push({ line, ok: true, row: JSON.parse(text), text })
    } catch (error) {
      const reason = unended && index === texts.length - 1 ? 'incomplete_line' : 'malformed_json'
      const expected = `JSON (${(error as Error).message.slice(0, 200)})`
      rows.push({ line, ok: false, rejection: { reason, field: '', expected, got: show(text) }, text })
    }
  }
  return rows
}

const MAX_ARRAY_CHARACTERS = 256 * 1024 * 1024

async function* arrayRows(source: Source, first: LineBlock, rest: AsyncIterable<LineBlock>): AsyncGenerator<RowBatch> {
  const parts: string[] = []
  let characters = 0
  const add = ({ texts, rejected }: LineBlock) => {
    const [fault] = rejected
    if (fault !== undefined) {
      const detail = `${fault.rejection.reason}; JSON lines, one object a line, may have faults and any size`
      throw new InputError('malformed_json', source.path, detail, fault.line)
    }
    parts.push(...texts)
    characters += texts.reduce((sum, text) => sum + text.length + 1, 0)
    if (characters > MAX_ARRAY_CHARACTERS) {
      throw new InputError('too_large', source.path, "make JSON lines of it, as with jq -c '.[]'")
    }
  }
  add(first)
  for await (const block of rest) add(block)
  let elements: unknown
  try {
    elements = JSON.parse(parts.join('\n'))
  } catch (error) {
    throw new InputError('malformed_json', source.path, (error as Error).message)
  }
  if (!Array.isArray(elements)) throw new InputError('malformed_json', source.path, 'neither an array nor JSON lines')
  const size = 1000
  for (let from = 0; from < elements.length; from += size) {
    const rows = elements.slice(from, from + size).map((row: unknown, index): RowResult => {
      return { line: from + index + 1, ok: true, row, text: JSON.stringify(row) }
    })
    yield batchOf(source, rows)
  }
}

function batchOf(source: Source, rows: RowResult[], csv?: CsvReader): RowBatch {
  // Rejected lines come first; where there are none, this costs one pass.
  rows.sort((a, b) => a.line - b.line)
  return {
    rows,
    columns: csv?.columns ?? null,
    delimiter: csv?.delimiter ?? null,
    bytesRead: source.bytesRead(),
    bytesTotal: source.bytesTotal,
  }
}
