import { DAY_MS } from './history.ts'
import { ANOTHER_TIME, type MappingGuess } from './mapping.ts'
import type { PeopleGuess } from './people.ts'
import { dayOf, type Strays, type TimeRange } from './time-range.ts'
import { type CatalogueGuess, type TouchpointEntry, titleOf } from './touchpoints.ts'
import { comment, count } from './yaml-text.ts'

export interface Looked {
  readonly mapping: MappingGuess
  readonly catalogue: CatalogueGuess
  readonly times: TimeRange | null
  /** Share of the interactions that the import would reject. */
  readonly rejected: number
}

/** What a person must look at, the gravest first. */
export function toCheck({ mapping, catalogue, times, rejected }: Looked): string[] {
  const { time, people, touchpoint, unused } = mapping
  const warnings: string[] = []
  const bought = catalogue.touchpoints.filter(({ outcome }) => outcome === 'bought')
  if (bought.length === 0) {
    warnings.push(
      'Nothing looks like a purchase. Without a touchpoint with outcome: bought no chain converts: add it in touchpoints.yaml.',
    )
  }
  if (rejected > 0.01) {
    warnings.push(`${(100 * rejected).toFixed(1)} % of the rows would be rejected: the dry run says why.`)
  }
  if (touchpoint.columns.length === 0) {
    warnings.push('No column says what happened: correct touchpoint in mapping.yaml.')
  }
  if (people.byStatistics) {
    warnings.push(`${people.columns[0]} is taken for the customer only because of how often its values come.`)
  }
  if (times?.newest) {
    warnings.push(`${straysText(times.newest)} A typo there makes --clock data judge every chain by that date.`)
  }
  if (times?.oldest) warnings.push(`${straysText(times.oldest)} Is that a typo?`)
  if (bought.length > 1) warnings.push(boughtText(bought))
  const notes = catalogue.touchpoints.filter(({ maybeNote }) => maybeNote)
  if (notes.length > 0) warnings.push(notesText(notes))
  warnings.push(...standInTexts(people))
  const otherTime = [...unused].find(([, reason]) => reason === ANOTHER_TIME)?.[0]
  if (touchpoint.states && touchpoint.callEnds.size === 0 && otherTime !== undefined) {
    warnings.push(
      `${otherTime} is a time too. If a row is a whole deal, rather than one step of it, export the history of the stages; or see emit.`,
    )
  }
  if (time.ambiguous) warnings.push('Day and month may be the other way round: correct format in mapping.yaml.')
  if (time.needsZone)
    warnings.push('The times do not say their zone; UTC is only a stand-in: correct zone in mapping.yaml.')
  if (!time.hasTimeOfDay) warnings.push('There are only dates: what came first on one day is not known.')
  return warnings
}

function straysText({ lines, from, to, rest }: Strays): string {
  const which = lines.length > 1 ? `Lines ${listed(lines.map(String))} are` : `Line ${lines[0]} is`
  const days = dayOf(from) === dayOf(to) ? dayOf(to) : `${dayOf(from)} to ${dayOf(to)}`
  const apart = count(Math.round((from > rest ? from - rest : rest - to) / DAY_MS))
  const others = from > rest ? `after all others, which end on ${dayOf(rest)}` : `before the first of the others`
  return `${which} of ${days}, ${apart} days ${others}.`
}

function boughtText(bought: readonly TouchpointEntry[]): string {
  const names = bought.map((one) => `${titleOf(one)}${one.result ? ' (as a result)' : ''}`)
  return `${listed(names)} are ${bought.length > 2 ? 'all' : 'both'} guessed as bought: which one is the sale? Keep outcome: bought there. Elsewhere add result: true if it is word of the same sale, or take outcome away if it is a step before it.`
}

function notesText(notes: readonly TouchpointEntry[]): string {
  const is = notes.length > 1 ? 'are these places or notes of yours' : 'is this a place or a note of yours'
  return `${listed(notes.map(titleOf))}: ${is}? A note gets result: true in touchpoints.yaml, then the loss counts at the place before it.`
}

/** Who lacks the surest id is known by the next: each such column with its rows. */
function standInTexts({ columns, standIns }: PeopleGuess): string[] {
  return standIns.map(({ column, rows, kind }, index) => {
    const surer = listed(columns.slice(0, index + 1))
    const who = `${count(rows)} ${rows === 1 ? 'row' : 'rows'} without ${surer}: there ${column} says who the customer is`
    if (kind === 'call') return `${who}, and every call is a customer of its own.`
    const namesakes = kind === 'name' ? 'Namesakes would be one customer; somebody' : 'Somebody'
    return `${who}. ${namesakes} with rows of both kinds would be two.`
  })
}

const LISTED = 5

/** `a, b and c`; of many the first five. */
function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, LISTED).map(comment)
  const rest = texts.length > LISTED ? [`${count(texts.length - LISTED)} more`] : []
  return new Intl.ListFormat('en-GB').format([...shown, ...rest])
}
