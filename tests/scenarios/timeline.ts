import type { Chain, Episode } from '@weaklink/chains'
import type { Person } from '@weaklink/interactions'
import { instantText, type Table } from './story.ts'

/** One customer's chains, as they were derived. */
export interface PersonChains {
  readonly person: Person
  readonly chains: readonly Chain[]
}

type Cell = (customer: string, chain: Chain) => string

/** What a timeline always shows. */
const CELLS: Readonly<Record<string, Cell>> = {
  customer: (customer) => customer,
  chain: (_, { ordinal }) => String(ordinal),
  from: (_, { startedAt }) => instantText(startedAt),
  to: (_, { closedAt }) => (closedAt === null ? '' : instantText(closedAt)),
  'what became of it': (_, chain) => whatBecameOf(chain),
  'its touchpoints': (_, chain) =>
    chain.interactions
      .flatMap(({ interaction: { touchpoint }, epilogue }, index) =>
        epilogue ? [] : index === chain.placeIndex ? `**${touchpoint}**` : touchpoint,
      )
      .join(' → '),
  epilogue: (_, chain) =>
    chain.interactions.flatMap((line) => (line.epilogue ? line.interaction.touchpoint : [])).join(' → '),
  also: (_, chain) => alsoTrueOf(chain).join(', '),
}

/** What a timeline shows where the story is about it. */
const MORE_CELLS: Readonly<Record<string, Cell>> = {
  furthest: (_, { furthest }) => furthest,
  staff: (_, { staff }) => String(staff),
  'lost in': (_, { brokenEpisode }) => brokenEpisode ?? '',
  episodes: (_, { episodes }) => episodes.map(episodeText).join('; '),
}

/**
 * The timeline with these columns.
 *
 * @throws Error where a column is missing that a timeline always has, or one is unknown
 */
export function timelineOf(people: readonly PersonChains[], columns: readonly string[]): Table {
  const missing = Object.keys(CELLS).find((column) => !columns.includes(column))
  if (missing !== undefined) throw new Error(`expected a column "${missing}" in the timeline`)
  const cells = columns.map((column) => {
    const cell = CELLS[column] ?? MORE_CELLS[column]
    if (cell === undefined) throw new Error(`no such column in a timeline: "${column}"`)
    return cell
  })
  const rows = people.flatMap(({ person, chains }) =>
    chains.map((chain) => cells.map((cell) => cell(person.customer, chain))),
  )
  return { columns, rows }
}

/** The table as aligned Markdown, as it may stand in a story. */
export function tableText({ columns, rows }: Table): string {
  const widths = columns.map((column, k) => Math.max(column.length, ...rows.map((row) => row[k]?.length ?? 0)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, k) => cell.padEnd(widths[k] ?? 0)).join(' | ')} |`
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function whatBecameOf({ state, place, reason, deadline }: Chain): string {
  switch (state) {
    case 'open':
      return `open at ${place}, until ${deadline === null ? '?' : instantText(deadline)}`
    case 'converted':
      return 'converted'
    case 'broken':
      return `broken at ${place}: ${reason}`
    case 'ignored':
      return 'ignored'
    default:
      return state satisfies never
  }
}

function alsoTrueOf(chain: Chain): string[] {
  return [
    chain.atRisk ? 'at risk' : [],
    chain.recovered.length > 0 ? `recovered at ${chain.recovered.join(' and ')}` : [],
    chain.returnedAndBought ? 'returned and bought' : chain.returned ? 'returned' : [],
    chain.reversed ? 'reversed' : [],
    chain.complained ? 'complained' : [],
  ].flat()
}

function episodeText({ id, interactions, waitMs, brokeAt }: Episode): string {
  return [
    `${id}: ${interactions} ${interactions === 1 ? 'step' : 'steps'}`,
    waitMs === 0 ? [] : `waited ${waitText(waitMs)}`,
    brokeAt === null ? [] : `broke at ${brokeAt}`,
  ]
    .flat()
    .join(', ')
}

function waitText(waitMs: number): string {
  const [minutes, seconds] = [Math.floor(waitMs / 60_000), (waitMs % 60_000) / 1000]
  return `${minutes > 0 ? `${minutes}m` : ''}${seconds > 0 ? `${seconds}s` : ''}`
}
