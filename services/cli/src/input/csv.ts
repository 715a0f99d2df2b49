import type { Rejection } from '@weaklink/interactions'
import { CsvError } from 'csv-parse'
import { parse } from 'csv-parse/sync'
import { InputError } from './input-error.ts'
import { type LineBlock, MAX_LINE_BYTES, type RejectedLine } from './lines.ts'

/**
 * Rows of a CSV out of its lines. A **record** is one line, or several where a line feed stands in quotes: as many as
 * it takes until the quotes are even. Where such a record is not well-formed, a quote too many or too few is to blame;
 * then only its first line is rejected, and reading goes on with the second, so that no good line is lost behind it.
 */

export type CsvRow =
  | { readonly line: number; readonly ok: true; readonly row: Readonly<Record<string, string>>; readonly text: string }
  | RejectedLine

const DELIMITERS = [',', ';', '\t', '|']
/** Records given to the parser at a time: enough that a call costs nothing, few enough that an error costs little. */
const GROUP_RECORDS = 100
const SNIFFED_LINES = 20

export class CsvReader {
  /** Names of the header, null until it came. Columns without a name are left out. */
  columns: readonly string[] | null = null
  delimiter: string
  readonly #path: string
  readonly #sniffs: boolean
  #header: readonly string[] = []
  #texts: string[] = []
  #numbers: number[] = []

  constructor(path: string, delimiter: string | undefined) {
    this.#path = path
    this.#sniffs = delimiter === undefined
    this.delimiter = delimiter ?? ','
  }

  /** Takes the next lines, and gives the rows that they complete. */
  take(block: LineBlock): CsvRow[] {
    this.#refuseLostHeader(block)
    for (const text of block.texts) this.#texts.push(text)
    for (const number of block.numbers) this.#numbers.push(number)
    return [...block.rejected, ...this.#rows(false)]
  }

  /** Gives what was held back for a closing quote: there are no more lines. */
  end(): CsvRow[] {
    const rows = this.#rows(true)
    if (this.columns === null) throw new InputError('empty_file', this.#path, 'not even a header')
    return rows
  }

  #rows(atEnd: boolean): CsvRow[] {
    let from = 0
    if (this.columns === null) {
      const start = this.#readHeader(atEnd)
      if (start === null) return []
      from = start
    }
    const rows: CsvRow[] = []
    for (;;) {
      from = this.#afterBlanks(from)
      const group = this.#group(from)
      if (group.length > 0) from = this.#take(group, rows)
      else if (from < this.#texts.length && (atEnd || this.#held(from) > MAX_LINE_BYTES)) {
        rows.push(this.#rejectLine(from))
        from++
      } else break
    }
    this.#texts = this.#texts.slice(from)
    this.#numbers = this.#numbers.slice(from)
    return rows
  }

  /** Index of the line after the header, null while it is not complete. */
  #readHeader(atEnd: boolean): number | null {
    const first = this.#afterBlanks(0)
    if (first === this.#texts.length) return null
    // A line that Excel writes for itself.
    const named = /^sep=(.)$/i.exec(this.#texts[first]!)
    const start = named === null ? first : first + 1
    if (start === this.#texts.length) return null
    if (named !== null && this.#sniffs) this.delimiter = named[1]!
    const end = this.#endOfRecord(start)
    if (end === null && !atEnd && this.#held(start) <= MAX_LINE_BYTES) return null
    if (named === null && this.#sniffs) this.delimiter = sniffDelimiter(this.#texts.slice(start, start + SNIFFED_LINES))
    const line = this.#numbers[start] ?? 1
    const text = this.#texts.slice(start, end ?? start + 1).join('\n')
    const [header] = this.#parse([text])
    if (header === undefined) {
      throw new InputError('bad_header', this.#path, `expected ${faultOf(text, this.delimiter).expected}`, line)
    }
    this.#header = header.map((name) => name.trim())
    const columns = this.#header.filter((name) => name !== '')
    const repeated = columns.find((name, index) => columns.indexOf(name) !== index)
    if (repeated !== undefined) {
      throw new InputError('bad_header', this.#path, `two columns are named ${repeated}`, line)
    }
    if (columns.includes('__proto__')) throw new InputError('bad_header', this.#path, 'rename __proto__', line)
    this.columns = columns
    return end ?? start + 1
  }

  /** Index after the last line of the record that begins at `from`, null where its end has not come. */
  #endOfRecord(from: number): number | null {
    let even = true
    for (let index = from; index < this.#texts.length; index++) {
      const text = this.#texts[index]!
      for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) even = !even
      if (even) return index + 1
    }
    return null
  }

  /** Without this, the line after a header that could not be decoded would be taken for it. */
  #refuseLostHeader({ rejected: [first], numbers }: LineBlock): void {
    if (this.columns !== null || this.#texts.length > 0 || first === undefined) return
    if (first.line > (numbers[0] ?? Number.POSITIVE_INFINITY)) return
    const { reason, expected } = first.rejection
    throw new InputError('bad_header', this.#path, `${reason}, expected ${expected}`, first.line)
  }

  #afterBlanks(from: number): number {
    let index = from
    while (index < this.#texts.length && this.#texts[index]!.trim() === '') index++
    return index
  }

  #group(from: number): { start: number; end: number }[] {
    const group: { start: number; end: number }[] = []
    for (let start = from; group.length < GROUP_RECORDS && start < this.#texts.length; ) {
      const end = this.#endOfRecord(start)
      if (end === null) break
      group.push({ start, end })
      start = this.#afterBlanks(end)
    }
    return group
  }

  /** Adds the rows of the group up to its first malformed record; answers the index of the line to go on with. */
  #take(group: readonly { start: number; end: number }[], rows: CsvRow[]): number {
    const texts = group.map(({ start, end }) =>
      end === start + 1 ? this.#texts[start]! : this.#texts.slice(start, end).join('\n'),
    )
    const records = this.#parse(texts)
    for (const [index, fields] of records.entries()) {
      const line = this.#numbers[group[index]!.start]!
      rows.push(this.#rowOf(fields, line, texts[index]!))
    }
    const malformed = group[records.length]
    if (malformed === undefined) return group.at(-1)!.end
    rows.push(this.#rejectLine(malformed.start))
    return malformed.start + 1
  }

  /** The fields of the records, up to the first that is malformed. */
  #parse(texts: readonly string[]): string[][] {
    const quoted = texts.filter((text) => text.includes('"'))
    const parsed = quoted.length === 0 ? [] : parseQuoted(quoted, this.delimiter)
    const records: string[][] = []
    let next = 0
    for (const text of texts) {
      const fields = text.includes('"') ? parsed[next++] : text.split(this.delimiter)
      if (fields === undefined) break
      records.push(fields)
    }
    return records
  }

  #rowOf(fields: readonly string[], line: number, text: string): CsvRow {
    const header = this.#header
    if (fields.length !== header.length) {
      const expected = `${header.length} columns, as the header has`
      const rejection: Rejection = { reason: 'wrong_column_count', field: '', expected, got: `${fields.length}` }
      return { line, ok: false, rejection, text }
    }
    const row: Record<string, string> = {}
    for (let index = 0; index < header.length; index++) {
      if (header[index] !== '') row[header[index]!] = fields[index]!
    }
    return { line, ok: true, row, text }
  }

  #rejectLine(index: number): RejectedLine {
    const text = this.#texts[index]!
    return { line: this.#numbers[index]!, ok: false, rejection: faultOf(text, this.delimiter), text }
  }

  #held(from: number): number {
    let characters = 0
    for (let index = from; index < this.#texts.length; index++) characters += this.#texts[index]!.length + 1
    return characters
  }
}

function options(delimiter: string) {
  return { delimiter, record_delimiter: '\n', relax_column_count: true } as const
}

function parseQuoted(texts: readonly string[], delimiter: string): string[][] {
  try {
    return parse(texts.join('\n'), options(delimiter))
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    // The error says how many records came before it.
    const good = Number(error.records)
    return good === 0 ? [] : parseQuoted(texts.slice(0, good), delimiter)
  }
}

/** What is wrong with a line that is no record by itself. */
function faultOf(text: string, delimiter: string): Rejection {
  const got = `${JSON.stringify(text.slice(0, 60)).slice(0, 75)}`
  try {
    parse(text, options(delimiter))
  } catch (error) {
    const code = error instanceof CsvError ? error.code : ''
    if (code === 'CSV_QUOTE_NOT_CLOSED') {
      return { reason: 'unclosed_quote', field: '', expected: 'a closing quote', got }
    }
    if (code === 'CSV_INVALID_CLOSING_QUOTE') {
      const expected = 'a delimiter after a closing quote; a quote within a quoted value is written twice'
      return { reason: 'malformed_csv', field: '', expected, got }
    }
  }
  const expected = 'quotes only around whole values; a value with a quote in it is quoted, and the quote written twice'
  return { reason: 'malformed_csv', field: '', expected, got }
}

/** The delimiter that divides the first line, and most lines after it, into the same number of columns. */
function sniffDelimiter(lines: readonly string[]): string {
  const plain = lines.map((line) => line.replace(/"(?:[^"]|"")*"/g, ''))
  let best = ','
  let bestScore = 0
  for (const delimiter of DELIMITERS) {
    const columns = plain[0]!.split(delimiter).length
    if (columns === 1) continue
    const score = plain.filter((line) => line.split(delimiter).length === columns).length * 1000 + columns
    if (score > bestScore) {
      best = delimiter
      bestScore = score
    }
  }
  return best
}
