import { type Catalogue, parseCatalogue } from '@weaklink/chains'
import { ACTORS, type Interaction, OUTCOMES, REACTIONS, validate } from '@weaklink/interactions'

/** A story file: README.md next to this file says how it reads. */
export interface Story {
  readonly title: string
  readonly catalogue: Catalogue
  /** In the order of the table. */
  readonly recorded: readonly Recorded[]
  readonly looks: readonly Look[]
}

/** An interaction, and when the company's log got it. */
interface Recorded {
  readonly interaction: Interaction
  readonly recordedAt: number
}

/** What the owner expects to see at one instant. */
export interface Look {
  /** The instant: T, and the end of what has been recorded. */
  readonly now: number
  readonly timeline: Table
  readonly reports: readonly ShownReport[]
}

/** `$ weaklink report breakpoints --at furthest`, and the first lines that it prints. */
interface ShownReport {
  readonly options: Readonly<Record<string, string>>
  readonly text: string
}

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

interface Section {
  readonly heading: string
  /** 1-based, of the heading. */
  readonly line: number
  readonly lines: readonly string[]
}

interface Row {
  readonly line: number
  readonly cells: ReadonlyMap<string, string>
}

const LOOK = /^Seen on (.+)$/
const RECORD_COLUMNS = [
  'when',
  'customer',
  'cookie',
  'where',
  'what',
  'wait',
  'episode',
  'order',
  'agent',
  'id',
  'recorded',
  'note',
]

/** @throws Error naming the file, the line and what was expected there */
export function parseStory(text: string, file: string): Story {
  const [opening, ...sections] = sectionsOf(text)
  const title = opening?.lines.find((line) => line.startsWith('# '))?.slice(2)
  if (title === undefined) throw new Error(`${file}:1: expected a title, as "# A clinic"`)

  const section = (heading: string): Section => {
    const found = sections.find((one) => one.heading === heading)
    if (found === undefined) throw new Error(`${file}: expected a section "## ${heading}"`)
    return found
  }
  const [catalogueText] = fenced(section('The touchpoints'), 'yaml')
  if (catalogueText === undefined) throw new Error(`${file}: expected a yaml block under "The touchpoints"`)
  const happened = section('What happened')

  const looks = sections.filter(({ heading }) => LOOK.test(heading))
  if (looks.length === 0) throw new Error(`${file}: expected a section as "## Seen on Fri 2024-03-22 15:00"`)
  return {
    title,
    catalogue: parseCatalogue(catalogueText, file),
    recorded: rowsOf(happened, file).map((row, index) => recordedOf(row, index, file)),
    looks: looks.map((one) => lookOf(one, file)),
  }
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const INSTANT = /^([A-Z][a-z]{2}) (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2})(:\d{2})?$/

/** An instant as stories write it, in UTC: `Mon 2024-03-04 10:02`, with seconds where there are some. */
export function instantText(at: number): string {
  const iso = new Date(at).toISOString()
  const seconds = at % 60_000 === 0 ? '' : iso.slice(16, at % 1000 === 0 ? 19 : 23)
  return `${WEEKDAYS[new Date(at).getUTCDay()]} ${iso.slice(0, 10)} ${iso.slice(11, 16)}${seconds}`
}

/** @throws Error naming the place: the weekday must be the date's */
function parseInstant(text: string, place: string): number {
  const [, , date, minute, seconds = ':00'] = INSTANT.exec(text) ?? []
  const at = Date.parse(`${date}T${minute}${seconds}Z`)
  if (Number.isNaN(at)) throw new Error(`${place}: expected a time as "Mon 2024-03-04 10:02", got "${text}"`)
  if (instantText(at).slice(0, 3) !== text.slice(0, 3)) {
    throw new Error(`${place}: expected ${instantText(at).slice(0, 3)}, the weekday of ${date}, got "${text}"`)
  }
  return at
}

const WAIT = /^(?:(\d+)m)?(?:(\d+)s)?$/

function parseWait(text: string, place: string): number {
  const [whole, minutes = '0', seconds = '0'] = WAIT.exec(text) ?? []
  if (whole === undefined) throw new Error(`${place}: expected a wait as 45s, 3m or 3m20s, got "${text}"`)
  return (Number(minutes) * 60 + Number(seconds)) * 1000
}

function recordedOf({ line, cells }: Row, index: number, file: string): Recorded {
  const place = `${file}:${line}`
  const unknown = [...cells.keys()].find((column) => !RECORD_COLUMNS.includes(column))
  if (unknown !== undefined) {
    throw new Error(`${place}: expected columns out of ${RECORD_COLUMNS.join(', ')}, got "${unknown}"`)
  }
  const cell = (column: string) => cells.get(column) || undefined
  const at = parseInstant(cell('when') ?? '', place)
  const recorded = cell('recorded')
  const recordedAt = recorded === undefined ? at : parseInstant(recorded, place)
  const wait = cell('wait')
  const validation = validate(
    {
      // Rows without an id of their own are told apart by their number, which sorts as the rows stand.
      id: cell('id') ?? `row-${String(index + 1).padStart(3, '0')}`,
      customer: cell('customer'),
      anonymousId: cell('cookie'),
      touchpoint: cell('where'),
      at,
      ...saidIn(cell('what') ?? '', place),
      waitMs: wait === undefined ? undefined : parseWait(wait, place),
      episode: cell('episode'),
      order: cell('order'),
      agent: cell('agent'),
    },
    { receivedAt: recordedAt, idRequired: true },
  )
  if (!validation.ok) {
    const { reason, field, expected, got } = validation.rejection
    throw new Error(`${place}: ${reason}: expected in ${field} ${expected}, got ${got}`)
  }
  return { interaction: validation.interaction, recordedAt }
}

/** The words of the column `what`: outcome, reaction, and who acted. */
function saidIn(text: string, place: string): { outcome?: string; reaction?: string; by?: string } {
  const said: { outcome?: string; reaction?: string; by?: string } = {}
  for (const word of text.split(',').map((part) => part.trim())) {
    if (word === '') continue
    if (OUTCOMES.some((outcome) => outcome === word)) said.outcome = word
    else if (REACTIONS.some((reaction) => reaction === word)) said.reaction = word
    else if (ACTORS.some((actor) => `by ${actor}` === word)) said.by = word.slice('by '.length)
    else {
      const words = [...OUTCOMES, ...REACTIONS, ...ACTORS.map((actor) => `by ${actor}`)]
      throw new Error(`${place}: expected words out of ${words.join(', ')}, got "${word}"`)
    }
  }
  return said
}

function lookOf(section: Section, file: string): Look {
  const [, when = ''] = LOOK.exec(section.heading) ?? []
  return {
    now: parseInstant(when, `${file}:${section.line}`),
    timeline: tableOf(section, file).table,
    reports: fenced(section, 'text').map((block) => reportOf(block, `${file}:${section.line}`)),
  }
}

const REPORT = /^\$ weaklink report breakpoints((?: --[a-z]+ [^ ]+)*)\n/

function reportOf(block: string, place: string): ShownReport {
  const [command, options = ''] = REPORT.exec(block) ?? []
  if (command === undefined) {
    throw new Error(`${place}: expected text blocks to begin with "$ weaklink report breakpoints"`)
  }
  const pairs = options.matchAll(/--([a-z]+) ([^ ]+)/g)
  return {
    options: Object.fromEntries(Array.from(pairs, ([, name = '', value = '']) => [name, value])),
    text: block.slice(command.length),
  }
}

function sectionsOf(text: string): Section[] {
  const sections: { heading: string; line: number; lines: string[] }[] = [{ heading: '', line: 1, lines: [] }]
  let inFence = false
  text.split('\n').forEach((line, index) => {
    if (line.startsWith('```')) inFence = !inFence
    if (!inFence && line.startsWith('## ')) sections.push({ heading: line.slice(3).trim(), line: index + 1, lines: [] })
    else sections.at(-1)?.lines.push(line)
  })
  return sections
}

/** The contents of the fenced blocks in this language. */
function fenced({ lines }: Section, language: string): string[] {
  return lines.flatMap((line, start) =>
    line === `\`\`\`${language}` ? lines.slice(start + 1, lines.indexOf('```', start)).join('\n') : [],
  )
}

/** The one table of a section. */
function tableOf(section: Section, file: string): { table: Table; firstLine: number } {
  const start = section.lines.findIndex((line) => line.startsWith('|'))
  if (start === -1) throw new Error(`${file}:${section.line}: expected a table under "${section.heading}"`)
  const length = section.lines.slice(start).findIndex((line) => !line.startsWith('|'))
  const lines = section.lines.slice(start, length === -1 ? undefined : start + length)
  const [columns = [], , ...rows] = lines.map((line) =>
    line
      .trim()
      .replace(/^\||\|$/g, '')
      .split('|')
      .map((cell) => cell.trim()),
  )
  const firstLine = section.line + 1 + start + 2
  rows.forEach((row, index) => {
    if (row.length === columns.length) return
    throw new Error(`${file}:${firstLine + index}: expected ${columns.length} cells, got ${row.length}`)
  })
  return { table: { columns, rows }, firstLine }
}

function rowsOf(section: Section, file: string): Row[] {
  const { table, firstLine } = tableOf(section, file)
  return table.rows.map((row, index) => ({
    line: firstLine + index,
    cells: new Map(table.columns.map((column, k) => [column, row[k] ?? ''])),
  }))
}
