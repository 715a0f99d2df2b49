import { wordsOf } from './words.ts'

/** One column of a CSV, or one dotted path of JSON objects, with its values as texts ('' where there is none). */
export interface Column {
  readonly name: string
  /** The name in comparable words. */
  readonly words: string
  /** One for each row, in order. */
  readonly values: readonly string[]
  /** Rows that have a value. */
  readonly filled: number
  /** How many rows have each value, the empty one apart. */
  readonly counts: ReadonlyMap<string, number>
  /** Share of the values that are numbers written in digits alone, with a sign or decimal mark. */
  readonly numeric: number
  readonly longest: number
}

/** What there is to look at: rows as templates read them, and their columns. */
export interface Table {
  readonly rows: readonly unknown[]
  readonly columns: readonly Column[]
  /** Where the rows are the elements of a list in the file's objects: its path. */
  readonly each?: string
}

const MAX_DEPTH = 4

/** @param header of a CSV, so that columns without any value are known too */
export function tableOf(rows: readonly unknown[], header: readonly string[] | null, each?: string): Table {
  const cells = new Map<string, string[]>()
  const put = (path: string, row: number, value: string) => {
    let values = cells.get(path)
    if (values === undefined) {
      values = new Array<string>(rows.length).fill('')
      cells.set(path, values)
    }
    values[row] = value
  }
  for (const name of header ?? []) cells.set(name, new Array<string>(rows.length).fill(''))
  for (const [index, row] of rows.entries()) walk(row, '', 0, (path, value) => put(path, index, value))
  const columns = [...cells].map(([name, values]) => columnOf(name, values))
  return { rows, columns, ...(each === undefined ? {} : { each }) }
}

/**
 * The same rows with the elements of their lists taken apart, for every list of objects that they have: perhaps the
 * interactions are in there.
 */
export function tablesOfElements(rows: readonly unknown[]): Table[] {
  const paths = new Set<string>()
  for (const row of rows.slice(0, 1000)) {
    if (!isObject(row)) continue
    for (const [key, value] of Object.entries(row)) if (Array.isArray(value) && value.some(isObject)) paths.add(key)
  }
  return [...paths].map((path) => {
    const elements = rows.flatMap((row) => {
      const list = isObject(row) ? row[path] : undefined
      // As a mapping looks things up: in the element first, then in the row.
      return Array.isArray(list) ? list.filter(isObject).map((element) => ({ ...(row as object), ...element })) : []
    })
    return tableOf(elements, null, path)
  })
}

function walk(value: unknown, path: string, depth: number, found: (path: string, value: string) => void): void {
  if (isObject(value)) {
    if (depth >= MAX_DEPTH) return
    for (const [key, child] of Object.entries(value)) {
      // A dot within a key is found at the top only, and blanks around it nowhere: templates read paths.
      if (key.trim() !== key || key === '' || (depth > 0 && key.includes('.'))) continue
      walk(child, path === '' ? key : `${path}.${key}`, depth + 1, found)
    }
  } else if (path !== '' && (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')) {
    found(path, String(value).trim())
  }
}

function columnOf(name: string, values: readonly string[]): Column {
  const counts = new Map<string, number>()
  let [filled, numbers, longest] = [0, 0, 0]
  for (const value of values) {
    if (value === '') continue
    filled++
    counts.set(value, (counts.get(value) ?? 0) + 1)
    if (/^[+-]?\d+([.,]\d+)?$/.test(value)) numbers++
    longest = Math.max(longest, value.length)
  }
  return { name, words: wordsOf(name), values, filled, counts, numeric: filled === 0 ? 0 : numbers / filled, longest }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** How deep in the objects the column is. */
export function depthOf(column: Column): number {
  return column.name.split('.').length - 1
}

/** At most `limit` distinct values, taken evenly from all over the file. */
export function sampleOf(column: Column, limit: number): string[] {
  const values = [...column.counts.keys()]
  if (values.length <= limit) return values
  return Array.from({ length: limit }, (_, index) => values[Math.floor((index * values.length) / limit)]!)
}
