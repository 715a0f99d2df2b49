import type { MappingGuess } from './mapping.ts'
import { placeholder } from './probe.ts'
import { comment, count, flow, scalar } from './yaml-text.ts'

export interface FileGuess {
  readonly name: string
  /** Null for JSON. */
  readonly delimiter: string | null
  readonly encoding: string
  readonly rows: number
}

/** How many touchpoints there are, once their names are folded: `Paid` and `paid ` are one, and one spelling is merged. */
export interface TouchpointCount {
  readonly different: number
  readonly merged: number
}

/** As both the printout and the file say it, so that they agree. */
export function mergedText({ merged }: TouchpointCount): string {
  return merged === 0 ? '' : `, ${count(merged)} ${merged === 1 ? 'spelling' : 'spellings'} merged`
}

/**
 * The text of a `mapping.yaml`.
 * @param touchpoints null in a first draft: they are counted only when the rows have been read with it
 */
export function mappingText(guess: MappingGuess, file: FileGuess, touchpoints: TouchpointCount | null): string {
  const { time, people, touchpoint, episode, fields, props, unused } = guess
  const lines = [
    `# How the rows of ${comment(file.name)} become interactions: guessed by weaklink init from ${count(file.rows)} rows.`,
    '# Correct what is wrong, and look at the result: weaklink import … --dry-run',
    '',
  ]
  const fileKeys = {
    ...(file.delimiter === null ? {} : { delimiter: file.delimiter === '\t' ? 'tab' : file.delimiter }),
    ...(file.encoding === 'utf-8' ? {} : { encoding: file.encoding }),
    ...(guess.decimal === undefined ? {} : { decimal: guess.decimal }),
  }
  if (Object.keys(fileKeys).length > 0) lines.push(`file: ${flow(fileKeys)}`)
  lines.push('time:', line(`  format: ${scalar(time.format)}`, `as in ${time.example}`))
  if (time.ambiguous) lines.push('  # CHECK: no day is above 12, so day and month (dd, MM) may be the other way round.')
  if (!time.hasTimeOfDay) lines.push('  # There are only dates: what came first on one day is not known.')
  if (time.needsZone) {
    lines.push(line('  zone: UTC', 'CORRECT THIS: the times do not say their zone; as Europe/Moscow, America/New_York'))
  }
  lines.push('')
  if (guess.each !== undefined)
    lines.push(line(`each: ${scalar(placeholder(guess.each))}`, 'one interaction per element'))
  const each = people.people === 0 ? 0 : people.rows / people.people
  const who = `${count(people.people)} customers, ${each.toFixed(1)} rows each${people.byStatistics ? '; CHECK: guessed only from how often the values come' : ''}`
  if (people.customer !== undefined) lines.push(line(`customer: ${scalar(people.customer)}`, who))
  if (people.anonymousId !== undefined) {
    lines.push(
      line(
        `anonymousId: ${scalar(people.anonymousId)}`,
        people.customer === undefined ? who : 'until the customer is known',
      ),
    )
  }
  const different =
    touchpoints === null ? undefined : `${count(touchpoints.different)} different${mergedText(touchpoints)}`
  const places = touchpoint.columns.length > 0 ? different : 'CHECK: no column says what happened'
  lines.push(line(`touchpoint: ${scalar(touchpoint.template)}`, places))
  lines.push(`at: ${scalar(time.template)}`)
  if (guess.id !== undefined) lines.push(line(`id: ${scalar(placeholder(guess.id))}`, 'another in every row'))
  if (episode !== undefined) lines.push(line(`episode: ${scalar(placeholder(episode.column))}`, 'one visit, one call'))
  if (guess.order !== undefined)
    lines.push(line(`order: ${scalar(placeholder(guess.order))}`, 'tells one sale from the next'))
  for (const { field, template, remark } of fields) lines.push(line(`${field}: ${scalar(template)}`, remark))
  if (props.length > 0) lines.push(`props: [${props.map(scalar).join(', ')}]`)
  if (touchpoint.callEnds.size > 0) {
    lines.push('', '# How a call ended is an outcome, not a place:', 'values:')
    for (const [raw, end] of touchpoint.callEnds) lines.push(`  ${scalar(raw)}: ${flow({ ...end })}`)
  }
  if (unused.size > 0) {
    lines.push('', '# Columns that are not used:')
    for (const [name, reason] of unused) lines.push(`#   ${comment(name)}: ${reason}`)
  }
  return `${lines.join('\n')}\n`
}

function line(text: string, remark: string | undefined): string {
  return remark === undefined ? text : `${text.padEnd(33)} # ${comment(remark)}`
}
