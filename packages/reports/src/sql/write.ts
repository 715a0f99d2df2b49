import { stringify } from 'csv-stringify/sync'
import type { SqlAnswer } from './ask.ts'

/**
 * An answer as text, as its rows come: `{"columns":[{name, type}],"rows":[{…}]}`; CSV (RFC 4180, UTF-8, a heading first; what
 * is no single value as JSON); or one JSON object a line.
 */
export async function* sqlText(
  { columns, rows }: SqlAnswer,
  format: 'json' | 'csv' | 'ndjson',
): AsyncGenerator<string> {
  const names = columns.map(({ name }) => name)
  if (format === 'json') yield `{"columns":${JSON.stringify(columns)},"rows":[`
  if (format === 'csv') yield stringify([names])
  let separator = ''
  for await (const block of rows) {
    if (block.length === 0) continue
    if (format === 'csv') {
      yield stringify(block.map((row) => row.map(cell)))
      continue
    }
    const objects = block.map((row) => JSON.stringify(Object.fromEntries(names.map((name, k) => [name, row[k]]))))
    yield format === 'json' ? separator + objects.join(',') : `${objects.join('\n')}\n`
    separator = ','
  }
  if (format === 'json') yield ']}'
}

function cell(value: unknown): string | number | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return value
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
