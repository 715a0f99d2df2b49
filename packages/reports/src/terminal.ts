import stringWidth from 'string-width'

/** How text is marked for a terminal. Whoever prints decides; without a style the text is plain. */
export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
}

const same = (text: string) => text
export const PLAIN: Style = { bold: same, dim: same, red: same, green: same, yellow: same }

export interface TextOptions {
  readonly style?: Style
  /** Touchpoint id → name in the reader's language. */
  readonly names?: ReadonlyMap<string, string>
  /** Columns of the terminal, default 100. */
  readonly width?: number
}

/** A text from outside, which may hold what a terminal takes for commands, or what turns its text around. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}

export interface Column {
  readonly title: string
  readonly cells: readonly string[]
  readonly align: 'left' | 'right'
  /** Applied after padding, so that marks do not count as width. */
  readonly mark?: (cell: string, row: number) => string
}

const GAP = '  '
const WIDEST_FIRST = 40
const NARROWEST_FIRST = 16

/** How wide the table is when its first column gives way as far as it may. */
export function narrowest(columns: readonly Column[]): number {
  const [first, ...others] = columns.map(widthOf)
  return Math.min(first ?? 0, NARROWEST_FIRST) + others.reduce((sum, width) => sum + GAP.length + width, 0)
}

/** Aligned columns under their titles; the first column is cut where the table would be too wide. */
export function table(columns: readonly Column[], width: number, style: Style): string[] {
  const widths = columns.map(widthOf)
  const others = widths.slice(1).reduce((sum, each) => sum + GAP.length + each, 0)
  widths[0] = Math.min(widths[0] ?? 0, WIDEST_FIRST, Math.max(width - others, NARROWEST_FIRST))
  const line = (textOf: (column: Column) => string, mark: (column: Column, cell: string) => string) =>
    columns.map((column, index) => mark(column, pad(textOf(column), widths[index] ?? 0, column.align))).join(GAP)
  const rows = columns[0]?.cells.length ?? 0
  return [
    style.dim(
      line(
        (column) => column.title,
        (_, cell) => cell,
      ).trimEnd(),
    ),
    ...Array.from({ length: rows }, (_, row) =>
      line(
        (column) => column.cells[row] ?? '',
        (column, cell) => column.mark?.(cell, row) ?? cell,
      ).trimEnd(),
    ),
  ]
}

function widthOf({ title, cells }: Column): number {
  return Math.max(...[title, ...cells].map((text) => stringWidth(text)))
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const cut = fit(text, width)
  const space = ' '.repeat(Math.max(width - stringWidth(cut), 0))
  return align === 'left' ? cut + space : space + cut
}

/** At most this wide; what is cut ends in `…`. Never cuts inside what the reader sees as one character. */
export function fit(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let cut = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(cut + segment) > width - 1) break
    cut += segment
  }
  return `${cut}…`
}

/** Breaks a sentence into lines between its words; `80 %` is one. */
export function wrap(text: string, width: number): string {
  const lines: string[] = []
  for (const word of text.split(/ (?!%)/)) {
    const line = lines.at(-1)
    if (line !== undefined && stringWidth(`${line} ${word}`) <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines.join('\n')
}

/** The values of a group of `--by`: `channel = search, returning = true`; empty where nothing splits. */
export function groupText(by: Readonly<Record<string, string | number | boolean | null>>): string {
  return Object.entries(by)
    .map(([key, value]) => `${printable(key)} = ${printable(String(value ?? '(none)'))}`)
    .join(', ')
}

/** What to do where a question finds no chains. */
export const NO_CHAINS =
  'There are no chains here. If nothing was taken in yet: `weaklink import FILE`, `weaklink up` or `weaklink demo`; ' +
  'where there are some, ask for more with a wider --from, --to or --where.'

const grouped = new Intl.NumberFormat('en-US')

/** 12345 → `12,345`. */
export function whole(value: number): string {
  return grouped.format(value)
}

/** `1 chain`, `2 chains`. */
export function counted(value: number, noun: string): string {
  return `${whole(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** `80 %`; what is neither nothing nor all never looks like it. */
export function percent(part: number, of: number): string {
  if (of === 0) return '–'
  const rounded = Math.round((part * 100) / of)
  if (rounded === 0 && part > 0) return '<1 %'
  if (rounded === 100 && part < of) return '>99 %'
  return `${rounded} %`
}

const UNITS = [
  { ms: 86_400_000, short: 'd', long: 'day' },
  { ms: 3_600_000, short: 'h', long: 'hour' },
  { ms: 60_000, short: 'm', long: 'minute' },
  { ms: 1000, short: 's', long: 'second' },
] as const

/** `20s`, `3.5m`, `2h`: one unit, at most one decimal. */
export function shortDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  for (const unit of UNITS) if (ms >= unit.ms) return `${Math.round((ms * 10) / unit.ms) / 10}${unit.short}`
  return `${ms}ms`
}

/** `3 days`, `20 seconds`: the largest unit of which there is at least one, rounded down. */
export function longDuration(ms: number): string {
  for (const unit of UNITS) if (ms >= unit.ms) return counted(Math.floor(ms / unit.ms), unit.long)
  return 'less than a second'
}
