import { stateText } from '../chains/text.ts'
import { dayText, timeText } from '../instant-text.ts'
import {
  counted,
  longDuration,
  PLAIN,
  printable,
  type Style,
  shortDuration,
  type TextOptions,
  wrap,
} from '../terminal.ts'
import type { CustomerChain, CustomerInteraction, CustomerReport } from './shape.ts'

/** A timeline: for every chain a heading, its interactions, and where and why it ended. */
export function customerText(report: CustomerReport, options: TextOptions = {}): string {
  const { style = PLAIN, names = new Map<string, string>(), width = 100 } = options
  if (report.people.length === 0) {
    const text = `Nobody with the id "${printable(report.customer)}" is known, neither as a customer nor as an anonymous id. Ids are compared letter by letter; \`weaklink report chains\` lists the newest chains with theirs.`
    return `${wrap(text, width)}\n`
  }
  const blocks = report.people.flatMap(({ kind, customer, movedTo, anonymousIds, chains }) => {
    if (movedTo !== null) {
      return [`${style.bold(`Anonymous ${printable(customer)}`)} is the customer ${printable(movedTo)}.`]
    }
    const also = anonymousIds.length === 0 ? '' : ` · also seen as ${listed(anonymousIds)}`
    const who = style.bold(`${kind === 'customer' ? 'Customer' : 'Anonymous'} ${printable(customer)}`)
    return [
      `${who} · ${counted(chains.length, 'chain')}${also}`,
      ...chains.map((chain) => chainText(chain, style, names)),
    ]
  })
  const asOf = report.asOf === null ? '' : ` As of ${instantText(report.asOf)}.`
  return `${[...blocks, style.dim(`Times are in UTC.${asOf}`)].join('\n\n')}\n`
}

/** Of many devices only the first are worth a line. */
const IDS_SHOWN = 5

function listed(ids: readonly string[]): string {
  const shown = ids.slice(0, IDS_SHOWN).map(printable).join(', ')
  return ids.length > IDS_SHOWN ? `${shown} and ${ids.length - IDS_SHOWN} more` : shown
}

function chainText(chain: CustomerChain, style: Style, names: ReadonlyMap<string, string>): string {
  const from = instantText(chain.startedAt)
  const until = chain.closedAt === null ? '' : ` → ${dayText(chain.closedAt)}`
  const lines = [`${style.bold(`Chain ${chain.ordinal}`)} · ${stateText(chain, style)} · ${from}${until}`]
  let before: CustomerInteraction | null = null
  for (const [index, met] of chain.interactions.entries()) {
    if (met.epilogue && before?.epilogue !== true) {
      lines.push(`  ${style.dim('afterwards')}`)
      before = null
    }
    lines.push(...between(before, met, chain, style))
    lines.push(interactionLine(before, met, style, names))
    if (index === chain.placeIndex) lines.push(...endLines(chain, style))
    before = met
  }
  return lines.join('\n')
}

const DAY_MS = 86_400_000
/** As wide as the date and the time that a line begins with. */
const MARGIN = ' '.repeat(2 + '30 Sep 2024'.length + 2 + '10:21'.length + 2)

/** What the reader should know before this line: how long nothing happened, and that an episode begins. */
function between(
  before: CustomerInteraction | null,
  met: CustomerInteraction,
  chain: CustomerChain,
  style: Style,
): string[] {
  const lines: string[] = []
  const gapMs = before === null ? 0 : Date.parse(met.at) - Date.parse(before.at)
  if (gapMs >= DAY_MS) lines.push(`${MARGIN}${style.dim(`… ${longDuration(gapMs)} later`)}`)
  if (met.episode !== null && met.episode !== before?.episode) {
    const episode = met.epilogue ? undefined : chain.episodes.find(({ id }) => id === met.episode)
    const waits = chain.interactions.filter(({ episode, waitMs }) => episode === met.episode && waitMs !== null)
    const waited = episode === undefined || waits.length < 2 ? '' : ` · waited ${shortDuration(episode.waitMs)} in all`
    lines.push(`${MARGIN}${style.dim(`┌ ${episode?.group ?? 'episode'} ${printable(met.episode)}${waited}`)}`)
  }
  return lines
}

function interactionLine(
  before: CustomerInteraction | null,
  met: CustomerInteraction,
  style: Style,
  names: ReadonlyMap<string, string>,
): string {
  const newDay = before === null || before.at.slice(0, 10) !== met.at.slice(0, 10)
  const day = (newDay ? dayText(met.at) : '').padStart('30 Sep 2024'.length)
  const name = names.get(met.touchpoint)
  const facts = [
    met.by === 'company' ? 'by the company' : '',
    met.waitMs === null ? '' : `waited ${shortDuration(met.waitMs)}`,
    met.durationMs === null ? '' : `took ${shortDuration(met.durationMs)}`,
    met.agent === null ? '' : `with ${printable(met.agent)}`,
    met.value === null ? '' : `${met.value}${met.currency === null ? '' : ` ${met.currency}`}`,
    met.place ? '' : 'a result, not a place',
  ].filter((fact) => fact !== '')
  const text = [
    `${met.episode === null ? '' : '│ '}${met.touchpoint}${name === undefined ? '' : ` (${name})`}${markOf(met, style)}`,
    ...facts.map((fact) => style.dim(fact)),
  ]
  return `  ${day}  ${timeText(met.at)}  ${text.join(' · ')}`
}

function markOf({ outcome, reaction }: CustomerInteraction, style: Style): string {
  if (outcome === 'bought') return ` ${style.green('✓ bought')}`
  if (outcome !== 'continued') return ` ${style.red(`✗ ${outcome}`)}`
  if (reaction === 'negative') return ` ${style.red('! negative')}`
  return reaction === 'positive' ? ` ${style.green('+ positive')}` : ''
}

/** Under the place: that the chain ended here, or stands here, and why. */
function endLines(chain: CustomerChain, style: Style): string[] {
  const line = (text: string) => [`${MARGIN}└ ${text}`]
  switch (chain.state) {
    case 'broken':
      return line(style.red(`broke here: ${whyBroken(chain)}${comeback(chain)}`))
    case 'open':
      return line(style.yellow(chain.deadline === null ? 'open' : openText(chain, instantText(chain.deadline))))
    case 'ignored':
      return line(style.dim(`ignored: nobody answered for ${silenceOf(chain)}`))
    case 'converted':
      return chain.reversed || chain.complained
        ? line(
            style.yellow(
              [chain.reversed ? 'taken back later' : '', chain.complained ? 'a complaint followed' : '']
                .filter(Boolean)
                .join(', '),
            ),
          )
        : []
  }
}

function openText({ atRisk, interactions, placeIndex }: CustomerChain, deadline: string): string {
  if (!atRisk) return `open: silence is not yet a break until ${deadline}`
  const reason = interactions[placeIndex]?.outcome === 'abandoned' ? 'abandoned' : 'dissatisfied'
  return `open, at risk: breaks as ${reason} on ${deadline}, unless the customer comes back`
}

function whyBroken(chain: CustomerChain): string {
  switch (chain.reason) {
    case 'refused': {
      const last = chain.interactions.findLast(({ epilogue }) => !epilogue)
      const place = chain.interactions[chain.placeIndex]
      return last === undefined || last === place
        ? 'refused'
        : `refused, as ${last.touchpoint} says on ${dayText(last.at)}`
    }
    case 'abandoned':
      return `abandoned, and nobody came back for ${silenceOf(chain)}`
    case 'dissatisfied':
      return `a bad experience, and nobody came back for ${silenceOf(chain)}`
    default:
      return `nobody came back for ${silenceOf(chain)} after this`
  }
}

function comeback({ returned, returnedAndBought }: CustomerChain): string {
  return returnedAndBought ? '; a later chain bought' : returned ? '; the customer returned later' : ''
}

function silenceOf({ lastAt, closedAt }: CustomerChain): string {
  return longDuration(Date.parse(closedAt ?? lastAt) - Date.parse(lastAt))
}

function instantText(iso: string): string {
  return `${dayText(iso)} ${timeText(iso)}`
}
