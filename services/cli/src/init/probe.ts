import { applyMapping, type MappedRow, parseMapping } from '@weaklink/interactions'

/**
 * Trying a guess on rows with the very reader that the import will use: what fits here fits there. A mapping of which
 * only one field matters is made for it (YAML takes JSON).
 */

const REST = { customer: 'x', touchpoint: 'x', at: '0', time: { format: 'ms' } }

/** The placeholder of a column, with filters or units: `{phone:e164}`. */
export function placeholder(column: string, filter?: string): string {
  const name = column.replace(/[\\{}|:]/g, '\\$&')
  return filter === undefined ? `{${name}}` : `{${name}:${filter}}`
}

/** What a template makes of each row, '' where nothing. */
export function textsOf(template: string, rows: readonly unknown[]): string[] {
  const results = mapped({ ...REST, agent: template }, rows)
  return results.map((result) => (result.ok ? String((result.input as { agent?: string }).agent ?? '') : ''))
}

/** Instants of these texts in epoch milliseconds, null where the format does not fit. */
export function instantsOf(texts: readonly string[], format: string, zone: string | undefined): (number | null)[] {
  const time = { format, ...(zone === undefined ? {} : { zone }) }
  const rows = texts.map((at) => ({ at }))
  const results = mapped({ ...REST, time, at: '{at}' }, rows)
  return results.map((result) => (result.ok ? (result.input as { at: number }).at : null))
}

/** Share of the texts that are numbers from 0 on, read with this decimal mark. */
export function shareOfAmounts(texts: readonly string[], decimal: '.' | ',' | undefined): number {
  if (texts.length === 0) return 0
  const file = decimal === undefined ? {} : { decimal }
  const rows = texts.map((value) => ({ value }))
  const results = mapped({ ...REST, file, value: '{value}' }, rows)
  return results.filter((result) => result.ok && (result.input as { value: number }).value >= 0).length / texts.length
}

function mapped(mapping: object, rows: readonly unknown[]): MappedRow[] {
  const parsed = parseMapping(JSON.stringify(mapping), 'guess')
  return rows.map((row) => applyMapping(parsed, row)[0]!)
}
