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
import { callName, guessMapping, type MappingGuess, type MappingResult } from './mapping.ts'
import { mappingText, type TouchpointCount } from './mapping-text.ts'
import { textsOf } from './probe.ts'
import { type Dated, type TimeRange, timeRangeOf } from './time-range.ts'
import { toCheck } from './to-check.ts'
import { type CatalogueGuess, guessCatalogue, type Named } from './touchpoints.ts'

/** What came of looking at a file. */
export interface Look {
  readonly mappingText: string
  readonly catalogueText: string
  readonly mapping: MappingGuess
  readonly catalogue: CatalogueGuess
  readonly touchpoints: TouchpointCount
  /** Null where no row can be used. */
  readonly times: TimeRange | null
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
  const draft = parseMapping(mappingText(guess, file, null), 'mapping.yaml')
  const { interactions, dated, rejected, rejectedBy } = interactionsOf(draft, sniffed, options.now)
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
  const touchpoints = touchpointCountOf(met, names)
  const mapping = mappingText(guess, file, touchpoints)
  const text = catalogueText(catalogue, fileName)
  // A file that our own reader refuses must not be written.
  parseCatalogue(text, 'touchpoints.yaml')
  const times = timeRangeOf(dated)
  const rejectedShare = interactions.length === 0 ? 1 : rejected / (interactions.length + rejected)
  return {
    mappingText: mapping,
    catalogueText: text,
    mapping: guess,
    catalogue,
    touchpoints,
    times,
    rows: sniffed.rows.length,
    rejected,
    rejectedBy,
    warnings: toCheck({ mapping: guess, catalogue, times, rejected: rejectedShare }),
  }
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

/** The most frequent way in which each touchpoint is written, and how many ways there are. */
function namesOf(raws: readonly string[], guess: MappingGuess): Map<string, Named> {
  const counts = new Map<string, number>()
  for (const raw of raws) counts.set(raw, (counts.get(raw) ?? 0) + 1)
  const names = new Map<string, Named>()
  const spellings = new Map<string, number>()
  for (const [raw] of [...counts].sort((a, b) => b[1] - a[1])) {
    const call = guess.touchpoint.callEnds.get(raw)
    const id = call?.touchpoint ?? slug(raw)
    // The ends of a call are other words, not other spellings.
    spellings.set(id, call === undefined ? (spellings.get(id) ?? 0) + 1 : 1)
    if (id === '' || names.has(id)) continue
    const name = call === undefined ? undefined : callName(id)
    // What a call's end means stands in the mapping; its touchpoint is a place.
    names.set(id, { raw: call === undefined ? raw : id, ...(name === undefined ? {} : { name }) })
  }
  return new Map([...names].map(([id, named]) => [id, { ...named, spellings: spellings.get(id) ?? 1 }]))
}

function touchpointCountOf(met: readonly Met[], names: ReadonlyMap<string, Named>): TouchpointCount {
  const ids = new Set(met.map(({ touchpoint }) => touchpoint))
  const merged = [...ids].reduce((sum, id) => sum + (names.get(id)?.spellings ?? 1) - 1, 0)
  return { different: ids.size, merged }
}

type Taken = Omit<Interaction, 'id'>

function interactionsOf(
  mapping: Mapping,
  { rows }: Sniffed,
  now: number,
): { interactions: Taken[]; dated: Dated[]; rejected: number; rejectedBy: Record<string, number> } {
  const interactions: Taken[] = []
  const dated: Dated[] = []
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
      if (checked.ok) {
        interactions.push(checked.interaction)
        dated.push({ at: checked.interaction.at, line: row.line })
      } else reject(checked.rejection.reason)
    }
  }
  return { interactions, dated, rejected, rejectedBy }
}
