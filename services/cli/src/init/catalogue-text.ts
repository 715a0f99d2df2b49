import { durationText } from '../duration.ts'
import type { CatalogueGuess, TouchpointEntry } from './touchpoints.ts'
import { comment, count, flow, scalar } from './yaml-text.ts'

/** The text of a `touchpoints.yaml`. */
export function catalogueText(guess: CatalogueGuess, fileName: string): string {
  const { patience, touchpoints, leftOut } = guess
  const from =
    patience.gaps === null
      ? 'the usual: too few gaps to guess from'
      : `covers 95 % of the ${count(patience.gaps)} gaps between two interactions of a customer`
  const lines = [
    `# The touchpoints in ${comment(fileName)}: guessed by weaklink init. Correct what is wrong.`,
    '# step: how far toward the purchase.  outcome: bought or refused ends a chain.',
    '# result: true says what happened, not where (a note of the CRM): the break is then laid on the place before it.',
    '# by: company says that the company acted, e.g. with a message or an offer; with a patience of its own it waits for',
    '# the customer’s answer, and a chain can break there.  patience: how long silence is not yet a break.',
  ]
  if (!touchpoints.some(({ outcome }) => outcome === 'bought')) {
    lines.push(
      '#',
      '# CORRECT THIS: nothing here looks like a purchase, and without one no chain converts.',
      '# Add outcome: bought to the touchpoint at which a customer buys.',
    )
  }
  lines.push('', 'defaults:', `  patience: ${durationText(patience.patienceMs)} # ${from}`, '', 'touchpoints:')
  for (const touchpoint of touchpoints) lines.push(...entryLines(touchpoint))
  if (leftOut > 0)
    lines.push('', `# ${count(leftOut)} rarer ones are left out. They are taken in all the same, with the defaults.`)
  return `${lines.join('\n')}\n`
}

function entryLines(entry: TouchpointEntry): string[] {
  const { id, name, interactions, group, by, step, stage, outcome, reaction, result, patienceMs, maybeNote, remark } =
    entry
  const patienceNote = by === 'company' ? 'it waits for the answer' : 'customers take longer here'
  const keys: (readonly [key: string, value: string | undefined, note?: string | undefined])[] = [
    ['group', group],
    ['by', by],
    ['step', step?.toString()],
    ['stage', stage],
    ['outcome', outcome],
    ['reaction', reaction],
    ['result', result?.toString(), remark],
    ['patience', patienceMs === undefined ? undefined : durationText(patienceMs), patienceNote],
  ]
  return [
    `  - id: ${scalar(id)} # ${count(interactions)} interactions${maybeNote ? '; CHECK: a place, or a note of yours (result: true)?' : ''}`,
    `    name: ${flow(name)}`,
    ...keys.flatMap(([key, value, note]) => {
      if (value === undefined) return []
      return [`    ${key}: ${value}${note === undefined ? '' : ` # ${note}`}`]
    }),
  ]
}
