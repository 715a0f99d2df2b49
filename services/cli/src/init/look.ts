import { parseCatalogue } from '@weaklink/chains'
import {
  applyMapping,
  type Interaction,
  type Mapping,
  parseMapping,
  personKey,
  personOf,
  slug,
  validate,
} from '@weaklink/interactions'
import type { Sniffed } from '../input/index.ts'
import { UsageError } from '../terminal.ts'
import { catalogueText } from './catalogue-text.ts'
import { type Table, tableOf, tablesOfElements } from './columns.ts'
import type { Met } from './history.ts'
import { ANOTHER_TIME, callName, guessMapping, type MappingGuess, type MappingResult } from './mapping.ts'
import { mappingText } from './mapping-text.ts'
import { textsOf } from './probe.ts'
import { type CatalogueGuess, guessCatalogue, type Named } from './touchpoints.ts'

/** What came of looking at a file. */
export interface Look {
  readonly mappingText: string
  readonly catalogueText: string
  readonly mapping: MappingGuess
  readonly catalogue: CatalogueGuess
  /** Rows looked at, and those of them that the mapping turns into nothing. */
  readonly rows: number
  readonly rejected: number
  readonly rejectedBy: Readonly<Record<string, number>>
  /** What a person must look at, the gravest first. */
  readonly warnings: readonly string[]
}

/**
 * Looks at the first rows of a file: guesses what its columns are, reads the rows with that mapping, as the import would,
 * and guesses from the interactions what the touchpoints are.
 * @param options `now`, epoch milliseconds: interactions from after it count as rejected
 * @throws UsageError where there is no time, or no customer, in the columns
 */
export function lookAt(sniffed: Sniffed, fileName: string, options: { readonly now: number }): Look {
  const good = sniffed.rows.flatMap((row) => (row.ok ? [row.row] : []))
  if (good.length === 0) throw new UsageError(`${fileName}: none of its rows can be read${firstFault(sniffed)}`)
  const { table, guess } = choose(good, sniffed, fileName)

  const raws = textsOf(guess.touchpoint.template, table.rows)
  const names = namesOf(raws, guess)
  const file = { name: fileName, delimiter: sniffed.delimiter, encoding: sniffed.encoding, rows: sniffed.rows.length }
  const mapping = mappingText(guess, file, new Set(raws).size - (raws.includes('') ? 1 : 0))
  const { interactions, rejected, rejectedBy } = interactionsOf(
    parseMapping(mapping, 'mapping.yaml'),
    sniffed,
    options.now,
  )
  const met = interactions.map(
    (one): Met => ({
      person: personKey(personOf(one as Interaction)),
      touchpoint: one.touchpoint,
      at: one.at,
      episode: one.episode,
    }),
  )
  const catalogue = guessCatalogue(met, {
    names,
    states: guess.touchpoint.states && guess.touchpoint.callEnds.size === 0,
    group: guess.episode?.group ?? (guess.touchpoint.callEnds.size > 0 ? 'phone' : undefined),
    hasOrders: guess.order !== undefined,
  })
  const text = catalogueText(catalogue, fileName)
  // A file that our own reader refuses must not be written.
  parseCatalogue(text, 'touchpoints.yaml')
  const rows = sniffed.rows.length
  const warnings = warningsOf(
    guess,
    catalogue,
    interactions.length === 0 ? 1 : rejected / (interactions.length + rejected),
  )
  return { mappingText: mapping, catalogueText: text, mapping: guess, catalogue, rows, rejected, rejectedBy, warnings }
}

function choose(rows: readonly unknown[], sniffed: Sniffed, fileName: string): { table: Table; guess: MappingGuess } {
  const table = tableOf(rows, sniffed.format === 'csv' ? sniffed.columns : null)
  const result = guessMapping(table)
  if (result.ok && result.guess.touchpoint.columns.length > 0) return { table, guess: result.guess }
  for (const elements of sniffed.format === 'csv' ? [] : tablesOfElements(rows)) {
    const other: MappingResult = guessMapping(elements)
    if (other.ok && other.guess.touchpoint.columns.length > 0) return { table: elements, guess: other.guess }
  }
  if (result.ok) return { table, guess: result.guess }
  const what = result.missing === 'time' ? 'says when something happened' : 'says whose a row is'
  const field = result.missing === 'time' ? 'at (and time)' : 'customer'
  const columns = table.columns.map(({ name }) => name).join(', ') || 'none'
  throw new UsageError(
    `${fileName}: none of its columns ${what}. Columns: ${columns}. Write mapping.yaml by hand, with ${field}; weaklink import --help shows how it is used.`,
  )
}

function firstFault({ rows }: Sniffed): string {
  const fault = rows.find((row) => !row.ok)
  return fault === undefined || fault.ok
    ? ''
    : ` (line ${fault.line}: expected ${fault.rejection.expected}, got ${fault.rejection.got})`
}

/** The most frequent way in which each touchpoint is written. */
function namesOf(raws: readonly string[], guess: MappingGuess): Map<string, Named> {
  const counts = new Map<string, number>()
  for (const raw of raws) counts.set(raw, (counts.get(raw) ?? 0) + 1)
  const names = new Map<string, Named>()
  for (const [raw] of [...counts].sort((a, b) => b[1] - a[1])) {
    const call = guess.touchpoint.callEnds.get(raw)
    const id = call?.touchpoint ?? slug(raw)
    if (id === '' || names.has(id)) continue
    const name = call === undefined ? undefined : callName(id)
    // What a call's end means stands in the mapping; its touchpoint is a place.
    names.set(id, { raw: call === undefined ? raw : id, ...(name === undefined ? {} : { name }) })
  }
  return names
}

type Taken = Omit<Interaction, 'id'>

function interactionsOf(
  mapping: Mapping,
  { rows }: Sniffed,
  now: number,
): { interactions: Taken[]; rejected: number; rejectedBy: Record<string, number> } {
  const interactions: Taken[] = []
  const rejectedBy: Record<string, number> = {}
  let rejected = 0
  const reject = (reason: string) => {
    rejected++
    rejectedBy[reason] = (rejectedBy[reason] ?? 0) + 1
  }
  for (const row of rows) {
    if (!row.ok) {
      reject(row.rejection.reason)
      continue
    }
    for (const mapped of applyMapping(mapping, row.row)) {
      const checked = mapped.ok ? validate(mapped.input, { receivedAt: now }) : mapped
      if (checked.ok) interactions.push(checked.interaction)
      else reject(checked.rejection.reason)
    }
  }
  return { interactions, rejected, rejectedBy }
}

function warningsOf(guess: MappingGuess, catalogue: CatalogueGuess, rejectedShare: number): string[] {
  const warnings: string[] = []
  if (!catalogue.touchpoints.some(({ outcome }) => outcome === 'bought')) {
    warnings.push(
      'Nothing looks like a purchase. Without a touchpoint with outcome: bought no chain converts: add it in touchpoints.yaml.',
    )
  }
  if (rejectedShare > 0.01) {
    warnings.push(`${(100 * rejectedShare).toFixed(1)} % of the rows would be rejected: the dry run says why.`)
  }
  if (guess.touchpoint.columns.length === 0) {
    warnings.push('No column says what happened: correct touchpoint in mapping.yaml.')
  }
  if (guess.people.byStatistics) {
    warnings.push(`${guess.people.columns[0]} is taken for the customer only because of how often its values come.`)
  }
  const otherTime = [...guess.unused].find(([, reason]) => reason === ANOTHER_TIME)?.[0]
  if (guess.touchpoint.states && guess.touchpoint.callEnds.size === 0 && otherTime !== undefined) {
    warnings.push(
      `${otherTime} is a time too. If a row is a whole deal, rather than one step of it, export the history of the stages; or see emit.`,
    )
  }
  if (guess.time.ambiguous) warnings.push('Day and month may be the other way round: correct format in mapping.yaml.')
  if (guess.time.needsZone)
    warnings.push('The times do not say their zone; UTC is only a stand-in: correct zone in mapping.yaml.')
  if (!guess.time.hasTimeOfDay) warnings.push('There are only dates: what came first on one day is not known.')
  return warnings
}
