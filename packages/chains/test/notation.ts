import type { Actor, Interaction, Outcome, Reaction } from '@weaklink/interactions'
import { ACTORS, OUTCOMES, REACTIONS } from '@weaklink/interactions'
import type { Chain } from '../src/model.ts'

/**
 * A notation for rows of tests. Times are in units of a second; an interaction's id is `touchpoint@time` unless named.
 *
 *   ad@0, call@3.5 abandoned company ep:c1, pay@5 order:A id:x agent:ann wait:20
 *
 * A chain reads: its end or deadline, its place, its interactions, `+` its epilogue, what else is true of it.
 *
 *   converted@5 at pay: ad@0 call@3.5 x + review@9 (reversed, complained)
 *   open until 13 at call: ad@0 call@3 (at risk)
 */
export const UNIT_MS = 1000

type Fields = { -readonly [K in keyof Interaction]: Interaction[K] }

const NAMED: Readonly<Record<string, (fields: Fields, value: string) => void>> = {
  id: (fields, value) => {
    fields.id = value
  },
  ep: (fields, value) => {
    fields.episode = value
  },
  order: (fields, value) => {
    fields.order = value
  },
  agent: (fields, value) => {
    fields.agent = value
  },
  wait: (fields, value) => {
    fields.waitMs = Number(value)
  },
}

/** The interactions of customer `u` that a text describes, in its order. */
export function interactions(text: string): Interaction[] {
  return text.split(', ').map((one) => {
    const [met, ...words] = one.split(' ') as [string, ...string[]]
    const [touchpoint, time] = met.split('@') as [string, string]
    const fields: Fields = { id: met, customer: 'u', touchpoint, at: Math.round(Number(time) * UNIT_MS) }
    for (const word of words) describe(fields, word)
    return fields
  })
}

function describe(fields: Fields, word: string): void {
  const [name, value] = word.split(':') as [string, string | undefined]
  if (value !== undefined) NAMED[name]!(fields, value)
  else if (ACTORS.some((actor) => actor === word)) fields.by = word as Actor
  else if (OUTCOMES.some((outcome) => outcome === word)) fields.outcome = word as Outcome
  else if (REACTIONS.some((reaction) => reaction === word)) fields.reaction = word as Reaction
  else throw new Error(`no such word in the notation: ${word}`)
}

/** A chain in the notation. */
export function shown(chain: Chain): string {
  const ids = (epilogue: boolean) =>
    chain.interactions.filter((line) => line.epilogue === epilogue).map((line) => line.interaction.id)
  const end =
    chain.state === 'open'
      ? `open until ${units(chain.deadline)}`
      : `${chain.reason ?? chain.state}@${units(chain.closedAt)}`
  const notes = [
    chain.atRisk && 'at risk',
    chain.reversed && 'reversed',
    chain.complained && 'complained',
    chain.returned && (chain.returnedAndBought ? 'returned and bought' : 'returned'),
  ].filter((note) => note !== false)
  return [
    `${end} at ${chain.place}:`,
    ...ids(false),
    ...(ids(true).length > 0 ? ['+', ...ids(true)] : []),
    ...(notes.length > 0 ? [`(${notes.join(', ')})`] : []),
  ].join(' ')
}

function units(instant: number | null): string {
  return instant === null ? '?' : String(instant / UNIT_MS)
}
