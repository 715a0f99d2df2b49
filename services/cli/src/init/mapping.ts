import { builtinCatalogue } from '@weaklink/chains'
import { type Column, depthOf, sampleOf, type Table } from './columns.ts'
import { bestColumn, type FieldGuess, guessFields } from './fields.ts'
import { type CallEnd, callEndOf } from './meaning.ts'
import { guessPeople, isPersonal, type PeopleGuess } from './people.ts'
import { placeholder, textsOf } from './probe.ts'
import { guessTime, type TimeGuess } from './times.ts'
import { CALL, EPISODE, EVENT, ORDER, ROW_ID, STAGE, TIME, TIME_OF_DAY, weightOf } from './vocabulary.ts'

/** What the columns of a file seem to be. */
export interface MappingGuess {
  readonly each?: string
  readonly time: TimeGuess & { readonly template: string }
  readonly people: PeopleGuess
  readonly touchpoint: TouchpointGuess
  readonly id?: string
  readonly episode?: { readonly column: string; readonly group: 'phone' | 'site' | undefined }
  readonly order?: string
  readonly decimal?: '.' | ','
  readonly fields: readonly FieldGuess[]
  readonly props: readonly string[]
  /** Columns that are not used, each with the reason. */
  readonly unused: ReadonlyMap<string, string>
}

interface TouchpointGuess {
  readonly template: string
  /** Empty where no column is it, and the template is one name for all rows. */
  readonly columns: readonly string[]
  /** The column holds states, as a CRM's stages, rather than events. */
  readonly states: boolean
  /** Raw values that say how a call ended. */
  readonly callEnds: ReadonlyMap<string, CallEnd>
}

/** A guess, or what could not be found. */
export type MappingResult =
  | { readonly ok: true; readonly guess: MappingGuess }
  | { readonly ok: false; readonly missing: 'time' | 'customer' }

/** Why a column of times is not used. */
export const ANOTHER_TIME = 'another time; something that happened then can be an entry of emit'

const MAX_TOUCHPOINTS = 300
const MAX_PROP_VALUES = 50
const MAX_PROPS = 16

export function guessMapping(table: Table): MappingResult {
  const taken = new Set<string>()
  const times = new Map<string, TimeGuess>()
  const time = guessAt(table, times)
  if (time === null) return { ok: false, missing: 'time' }
  for (const name of [...time.columns, ...times.keys()]) taken.add(name)

  const episode = bestColumn(table, taken, EPISODE, ({ counts, filled }) => counts.size >= Math.min(3, filled))
  if (episode !== undefined) taken.add(episode.name)
  const call = episode !== undefined && CALL.test(episode.words)
  const people = guessPeople(table, taken, call ? episode : undefined)
  if (people === null) return { ok: false, missing: 'customer' }
  for (const name of people.columns) taken.add(name)

  const touchpoint = guessTouchpoint(table, taken)
  for (const name of touchpoint.columns) taken.add(name)
  const id = guessId(table, new Set([...taken].filter((name) => name !== episode?.name)))
  if (id !== undefined) taken.add(id)
  const order = bestColumn(table, taken, ORDER, ({ counts, longest }) => counts.size > 1 && longest <= 128)
  if (order !== undefined) taken.add(order.name)
  const { fields, decimal, unfit } = guessFields(table, taken)
  const props = propsOf(table, new Set([...taken, ...unfit.keys()]))
  for (const name of props) taken.add(name)

  return {
    ok: true,
    guess: {
      time: time.guess,
      people,
      touchpoint,
      ...(table.each === undefined ? {} : { each: table.each }),
      ...(id === undefined ? {} : { id }),
      ...(episode === undefined ? {} : { episode: { column: episode.name, group: groupOf(episode, call) } }),
      ...(order === undefined ? {} : { order: order.name }),
      ...(decimal === undefined ? {} : { decimal }),
      fields,
      props,
      unused: unusedOf(
        table,
        new Set([...[...taken].filter((name) => !times.has(name)), ...time.columns]),
        unfit,
        times,
      ),
    },
  }
}

function groupOf(episode: Column, call: boolean): 'phone' | 'site' | undefined {
  if (call) return 'phone'
  return /session|visit|сесси|визит|sesion|sitzung|会话/.test(episode.words) ? 'site' : undefined
}

/** The time column, and in `times` every other one that holds times. */
function guessAt(
  table: Table,
  times: Map<string, TimeGuess>,
): { guess: TimeGuess & { template: string }; columns: readonly string[] } | null {
  const rows = table.rows.length
  let best: { column: Column; guess: TimeGuess; score: number } | null = null
  for (const column of table.columns) {
    if (column.filled === 0 || column.longest < 6 || column.longest > 48) continue
    const weight = weightOf(column.words, TIME)
    const guess = guessTime(sampleOf(column, 3000), weight > 0)
    if (guess === null || guess.fit < 0.9) continue
    times.set(column.name, guess)
    const score =
      weight + 4 * (column.filled / rows) + 2 * guess.fit + (guess.hasTimeOfDay ? 2 : 0) - depthOf(column) / 10
    if (best === null || score > best.score) best = { column, guess, score }
  }
  if (best === null) return null
  const { column, guess } = best
  const clock = guess.hasTimeOfDay ? undefined : clockOf(table)
  if (clock !== undefined) {
    const template = `${placeholder(column.name)} ${placeholder(clock.name)}`
    const both = guessTime(
      [...new Set(textsOf(template, table.rows))].filter((text) => text !== '').slice(0, 3000),
      false,
    )
    if (both !== null && both.fit >= guess.fit - 0.01) {
      return { guess: { ...both, template }, columns: [column.name, clock.name] }
    }
  }
  return { guess: { ...guess, template: placeholder(column.name) }, columns: [column.name] }
}

/** A column of times of day beside one of dates. */
function clockOf(table: Table): Column | undefined {
  return table.columns.find(
    (column) =>
      TIME_OF_DAY.test(column.words) &&
      column.filled >= 0.99 * table.rows.length &&
      sampleOf(column, 500).every((value) => /^\d{1,2}:\d\d(:\d\d)?$/.test(value)),
  )
}

function guessTouchpoint(table: Table, taken: ReadonlySet<string>): TouchpointGuess {
  const rows = table.rows.length
  const fits = ({ counts, numeric, longest, filled }: Column) =>
    counts.size <= Math.min(MAX_TOUCHPOINTS, Math.max(12, filled / 4)) && numeric < 0.5 && longest <= 200
  const named = table.columns
    .filter((column) => column.filled > 0 && !taken.has(column.name) && fits(column))
    .map((column) => {
      const [event, stage] = [weightOf(column.words, EVENT), weightOf(column.words, STAGE)]
      // A column with one value for all rows tells nothing; nor does one that most rows lack.
      const worth =
        Math.max(event, stage) + 2 * (column.filled / rows) - (column.counts.size === 1 ? 4 : 0) - depthOf(column) / 10
      return { column, named: event > 0 || stage > 0, states: stage > event, worth }
    })
  const candidates = named.filter((one) => one.named).sort((a, b) => b.worth - a.worth)
  const first = candidates[0] ?? unnamedTouchpoint(named, rows)
  if (first === undefined) return { template: 'interaction', columns: [], states: false, callEnds: new Map() }
  const parts = [first.column]
  let missing = first.column.values.map((value) => value === '')
  for (const { column } of candidates.slice(1)) {
    // A few empty ones are faults of the file; many are rows of another kind, named elsewhere.
    if (missing.filter(Boolean).length <= 0.005 * rows) break
    if (!missing.some((empty, row) => empty && column.values[row] !== '')) continue
    missing = missing.map((empty, row) => empty && column.values[row] === '')
    parts.push(column)
  }
  const template = `{${parts.map(({ name }) => placeholder(name).slice(1, -1)).join('|')}}`
  return { template, columns: parts.map(({ name }) => name), states: first.states, callEnds: callEndsOf(first.column) }
}

/** Without a telling name: a column of a few short texts, the one with the most of them. */
function unnamedTouchpoint<T extends { readonly column: Column }>(columns: readonly T[], rows: number): T | undefined {
  return columns
    .filter(({ column }) => column.filled >= 0.95 * rows && column.counts.size >= 3 && column.longest <= 64)
    .filter(({ column }) => !isPersonal(column))
    .toSorted((a, b) => b.column.counts.size - a.column.counts.size)[0]
}

function callEndsOf(column: Column): Map<string, CallEnd> {
  const ends = new Map<string, CallEnd>()
  let rows = 0
  for (const [value, count] of column.counts) {
    const end = callEndOf(value)
    if (end === undefined) continue
    ends.set(value, end)
    rows += count
  }
  const touchpoints = new Set([...ends.values()].map(({ touchpoint }) => touchpoint))
  return rows >= 0.9 * column.filled && touchpoints.has('call_answer') && touchpoints.size > 1 ? ends : new Map()
}

/** Names of a call's touchpoints, from the built-in catalogue. */
export function callName(touchpoint: string): Readonly<Record<string, string>> | undefined {
  return builtinCatalogue.touchpoints.get(touchpoint)?.name
}

function guessId(table: Table, taken: ReadonlySet<string>): string | undefined {
  const column = bestColumn(table, taken, ROW_ID, ({ counts, longest, values }) => {
    const unique = counts.size === table.rows.length && longest <= 128
    // Numbers of rows: a longer export numbers them anew.
    return unique && !values.every((value, row) => Number(value) === Number(values[0]) + row)
  })
  return column?.name
}

function propsOf(table: Table, taken: ReadonlySet<string>): string[] {
  return table.columns
    .filter(({ name, counts, longest, filled }) => {
      return (
        !taken.has(name) && counts.size >= 2 && counts.size <= Math.min(MAX_PROP_VALUES, filled / 2) && longest <= 128
      )
    })
    .filter((column) => !isPersonal(column) || column.counts.size <= 10)
    .slice(0, MAX_PROPS)
    .map(({ name }) => name)
}

function unusedOf(
  table: Table,
  used: ReadonlySet<string>,
  unfit: ReadonlyMap<string, string>,
  times: ReadonlyMap<string, TimeGuess>,
): Map<string, string> {
  const unused = new Map<string, string>()
  for (const column of table.columns) {
    if (used.has(column.name)) continue
    unused.set(column.name, unfit.get(column.name) ?? reasonOf(column, times))
  }
  return unused
}

function reasonOf(column: Column, times: ReadonlyMap<string, TimeGuess>): string {
  if (column.filled === 0) return 'always empty'
  if (times.has(column.name)) return ANOTHER_TIME
  if (column.counts.size === 1) return 'the same in every row'
  if (isPersonal(column)) return 'says who somebody is'
  return `${column.counts.size.toLocaleString('en-US')} different values`
}
