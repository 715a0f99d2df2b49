import type { Column, Table } from './columns.ts'
import { sampleOf } from './columns.ts'
import { placeholder, textsOf } from './probe.ts'
import { ANONYMOUS, CUSTOMER_ID, EMAIL, PERSON_NAME, PHONE, type Vocabulary, weightOf } from './vocabulary.ts'

/** Who the customers are. */
export interface PeopleGuess {
  /** Template; absent where only an anonymous id is there. */
  readonly customer?: string
  readonly anonymousId?: string
  readonly columns: readonly string[]
  /** Distinct people, and rows that have one. */
  readonly people: number
  readonly rows: number
  /** No name said so, only how often the values come. */
  readonly byStatistics: boolean
  /** What stands in for the customer's first column where that is empty, in the order of `columns`. */
  readonly standIns: readonly StandIn[]
}

interface StandIn {
  readonly column: string
  /** Rows whose customer it gives. */
  readonly rows: number
  readonly kind: 'name' | 'id' | 'call'
}

interface Candidate {
  readonly column: Column
  readonly template: string
  readonly weight: number
  /** What the template makes of each row. */
  readonly texts: readonly string[]
  readonly covered: number
  readonly kind: 'name' | 'id'
}

/** Kinds of ids, the surest first: the weights of one kind lie above all of the next. */
const KINDS: readonly (readonly [vocabulary: Vocabulary, above: number])[] = [
  [CUSTOMER_ID, 30],
  [PHONE, 20],
  [EMAIL, 10],
  [PERSON_NAME, 0],
]

/**
 * The customer is the surest id that most rows have; other ids are alternatives only where that one is missing in some
 * rows. `lastResort` (a call's id) stands for callers who withhold their number: each such call a customer of its own.
 * @returns null where no column can be it
 */
export function guessPeople(
  table: Table,
  taken: ReadonlySet<string>,
  lastResort: Column | undefined,
): PeopleGuess | null {
  const free = table.columns.filter(({ name, filled }) => filled > 0 && !taken.has(name))
  const candidates = free.flatMap((column) => candidateOf(column, table))
  const anonymous = free
    .filter((column) => weightOf(column.words, ANONYMOUS) > 0 && isManyValued(column))
    .sort((a, b) => weightOf(b.words, ANONYMOUS) - weightOf(a.words, ANONYMOUS))
    .find((column) => !candidates.some((other) => other.column === column && other === surest(candidates, table)))
  const first = surest(candidates, table)
  if (first === undefined) {
    if (anonymous !== undefined)
      return summary({ anonymousId: placeholder(anonymous.name) }, [anonymous.name], anonymous.values, false)
    const guessed = byStatistics(free, table)
    return guessed === undefined
      ? null
      : summary({ customer: placeholder(guessed.name) }, [guessed.name], guessed.values, true)
  }
  const parts = [first.template]
  const columns = [first.column.name]
  let texts = first.texts
  const standIns: StandIn[] = []
  const add = (template: string, { name: column }: Column, others: readonly string[], kind: StandIn['kind']) => {
    const rows = texts.filter((text, row) => text === '' && others[row] !== '').length
    if (rows === 0) return
    texts = texts.map((text, row) => text || others[row]!)
    parts.push(template)
    columns.push(column)
    standIns.push({ column, rows, kind })
  }
  // Where there is an anonymous id, it stands in for what is missing.
  if (anonymous === undefined) {
    for (const { template, column, texts: others, kind } of candidates.filter((one) => one !== first))
      add(template, column, others, kind)
    if (lastResort !== undefined) add(placeholder(lastResort.name), lastResort, lastResort.values, 'call')
  }
  const customer = `{${parts.map((part) => part.slice(1, -1)).join('|')}}`
  if (anonymous === undefined) return { ...summary({ customer }, columns, texts, false), standIns }
  const people = texts.map((text, row) => text || anonymous.values[row]!)
  return summary({ customer, anonymousId: placeholder(anonymous.name) }, [...columns, anonymous.name], people, false)
}

/** Whether the column says who somebody is: such columns are not for `props`. */
export function isPersonal(column: Column): boolean {
  return [...KINDS.map(([vocabulary]) => vocabulary), ANONYMOUS].some((one) => weightOf(column.words, one) > 0)
}

function summary(
  templates: Pick<PeopleGuess, 'customer' | 'anonymousId'>,
  columns: readonly string[],
  people: readonly string[],
  byStatistics: boolean,
): PeopleGuess {
  const present = people.filter((text) => text !== '')
  return { ...templates, columns, people: new Set(present).size, rows: present.length, byStatistics, standIns: [] }
}

function surest(candidates: readonly Candidate[], table: Table): Candidate | undefined {
  const sorted = candidates.toSorted((a, b) => b.weight - a.weight || b.covered - a.covered)
  const half = table.rows.length / 2
  return sorted.find(({ covered }) => covered >= half) ?? candidates.toSorted((a, b) => b.covered - a.covered)[0]
}

function candidateOf(column: Column, table: Table): Candidate[] {
  const kind = KINDS.find(([vocabulary]) => weightOf(column.words, vocabulary) > 0)
  if (kind === undefined || column.longest > 256) return []
  const [vocabulary, above] = kind
  if (vocabulary === PERSON_NAME && column.counts.size === 1 && column.filled > 1) return []
  const values = sampleOf(column, 500)
  const looksLike = (pattern: RegExp) => values.filter((value) => pattern.test(value)).length / values.length
  // "customer" is often a name, and as often an id.
  const isId = vocabulary === PERSON_NAME && looksLike(/^\S*[\d@]\S*$/) > 0.8
  const filter = looksLike(/@.+\./) > 0.8 ? 'lower' : isPhone(vocabulary, looksLike) ? 'e164' : undefined
  if (vocabulary === PHONE && filter !== 'e164' && looksLike(/\d/) < 0.5) return []
  const template = placeholder(column.name, filter)
  const texts = textsOf(template, table.rows)
  const covered = texts.filter((text) => text !== '').length
  // A caller who is not written as a number ("Anna" <100>) is less sure than one who is.
  const unsure = vocabulary === PHONE && filter !== 'e164' ? 15 : 0
  const weight = weightOf(column.words, vocabulary) + (isId ? 30 : above - unsure)
  return [{ column, template, texts, covered, weight, kind: vocabulary === PERSON_NAME && !isId ? 'name' : 'id' }]
}

function isPhone(vocabulary: Vocabulary, looksLike: (pattern: RegExp) => number): boolean {
  const digits = looksLike(/^\+?[\d\s().-]{7,20}$/)
  if (vocabulary === PHONE) return digits > 0.5
  return digits > 0.8 && looksLike(/^\s*\(?\+|^[78][\s(-]*\d{3}[\s)-]*\d{3}[\s-]*\d\d[\s-]*\d\d$|\d[\s)-]+\d/) > 0.8
}

function isManyValued({ counts, filled }: Column): boolean {
  return counts.size >= Math.min(10, filled / 2)
}

/** The column whose values come again and again, and are many all the same; of several the coarsest: a session is finer. */
function byStatistics(columns: readonly Column[], table: Table): Column | undefined {
  const rows = table.rows.length
  return columns
    .filter(
      ({ filled, counts }) =>
        filled >= 0.9 * rows && counts.size >= Math.max(5, rows / 100) && counts.size <= 0.7 * rows,
    )
    .filter(
      ({ values, longest }) =>
        longest <= 64 && !values.some((value) => /^\d+[.,]\d+$|^\d+[.:/-]\d+[.:/-]\d+/.test(value)),
    )
    .sort((a, b) => a.counts.size - b.counts.size)[0]
}
