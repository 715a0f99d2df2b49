import {
  type Column,
  counted,
  groupText,
  narrowest,
  PLAIN,
  percent,
  type Style,
  shortDuration,
  type TextOptions,
  table,
  whole,
  wrap,
} from '../terminal.ts'
import type { Breakpoint, BreakpointsReport } from './shape.ts'

/** The report for a terminal: the answer first, then the totals, then the places, the weakest first. */
export function breakpointsText(report: BreakpointsReport, options: TextOptions = {}): string {
  const { style = PLAIN, names = new Map<string, string>(), width = 100 } = options
  const noun = report.within === null ? 'chain' : `${report.within} episode`
  if (report.totals.chains === 0) return `${wrap(emptyText(report, noun), width)}\n`
  const split = report.groups.length > 0 && Object.keys(report.groups[0]?.by ?? {}).length > 0
  const context: Context = { style, names, width, noun, showWaits: report.groups.some(hasWaits) }
  const parts = [
    answer(report, context, split),
    totalsText(report, context),
    ...report.groups.map((group) => {
      const lines = placesTable(group.breakpoints, context)
      return [...(split ? [style.bold(groupText(group.by))] : []), ...lines].join('\n')
    }),
    notes(report, context),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

interface Context {
  readonly style: Style
  readonly names: ReadonlyMap<string, string>
  readonly width: number
  readonly noun: string
  readonly showWaits: boolean
}

function emptyText({ from, to, within }: BreakpointsReport, noun: string): string {
  const period = from === null && to === null ? '' : ' in this period'
  const episodes = within === null ? '' : ' Episodes need interactions that carry an `episode`.'
  return (
    `There are no ${noun}s here${period}. If nothing was taken in yet: \`weaklink import FILE\`, \`weaklink up\` or \`weaklink demo\`; ` +
    `where there are some, ask for more with a wider --from, --to or --where.${episodes}`
  )
}

/** One sentence: the weakest place, and why. */
function answer(report: BreakpointsReport, { style, names, width, noun }: Context, split: boolean): string {
  if (report.totals.broken === 0) return wrap(`No ${noun} has broken so far.`, width)
  const weakest = report.groups
    .flatMap((group) => group.breakpoints.slice(0, 1).map((place) => ({ ...place, by: group.by })))
    .reduce((a, b) => (b.excess > a.excess ? b : a))
  const name = names.get(weakest.touchpoint)
  const where = style.bold(weakest.touchpoint) + (name === undefined ? '' : ` (${name})`)
  const among = split ? ` for ${groupText(weakest.by)}` : ''
  const counts = `${whole(weakest.broke)} of ${counted(weakest.reached, noun)} that reached it broke there`
  if (weakest.excess <= 0) {
    return wrap(`No place loses more ${noun}s than expected. First of all: ${where}, ${counts}.`, width)
  }
  const beyond = `${amount(weakest.excess)} more than expected`
  return wrap(
    `Most ${noun}s are lost beyond expectation at ${where}${among}: ${counts}, ${beyond}; ${mainReason(weakest)}.`,
    width,
  )
}

const REASON_WORDS: Record<keyof Breakpoint['reasons'], string> = {
  refused: 'ended with a refusal',
  abandoned: 'were abandoned',
  dissatisfied: 'ended on a bad experience',
  silence: 'ended in silence',
}

function mainReason(place: Breakpoint): string {
  const [reason, count] = reasonsOf(place)[0] ?? ['silence', 0]
  return `${percent(count, place.broke)} of them ${REASON_WORDS[reason]}`
}

function reasonsOf({ reasons }: Breakpoint): [keyof Breakpoint['reasons'], number][] {
  const entries = Object.entries(reasons) as [keyof Breakpoint['reasons'], number][]
  return entries.filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a)
}

function totalsText({ totals, within }: BreakpointsReport, { style, width, noun }: Context): string {
  const also = (value: number, words: string) => (value === 0 ? [] : [`${whole(value)} ${words}`])
  const bracketed = (parts: string[]) => (parts.length === 0 ? '' : ` (${parts.join(', ')})`)
  const done = within === null ? 'converted' : 'went through'
  const states = [
    `${whole(totals.broken)} broken`,
    `${whole(totals.converted)} ${done}${bracketed([...also(totals.reversed, 'reversed'), ...also(totals.complained, 'complained')])}`,
    `${whole(totals.open)} open${bracketed(also(totals.atRisk, 'at risk'))}`,
    ...also(totals.ignored, 'ignored'),
  ]
  const lines = [
    wrap(`${counted(totals.chains, noun)} of ${counted(totals.customers, 'customer')}: ${states.join(', ')}.`, width),
  ]
  if (totals.broken > 0) {
    const lost = style.bold(whole(totals.broken - totals.returned))
    const bought = within === null ? 'bought' : 'got through'
    const back =
      totals.returned === 0
        ? 'none of these customers has come back'
        : `after ${whole(totals.returned)} the customer came back (${totals.returnedAndBought === 0 ? 'none' : whole(totals.returnedAndBought)} ${bought})`
    const verb = totals.broken - totals.returned === 1 ? 'is' : 'are'
    lines.push(wrap(`Of the broken ones ${lost} ${verb} lost for good so far; ${back}.`, width))
  }
  return lines.join('\n')
}

function placesTable(all: readonly Breakpoint[], context: Context): string[] {
  // What occurs only after the end of chains cannot break one; the notes name it.
  const places = all.filter(({ reached }) => reached > 0)
  const { style, names, width, showWaits } = context
  const column = (title: string, cell: (place: Breakpoint) => string, mark?: Column['mark']): Column => ({
    title,
    cells: places.map(cell),
    align: 'right',
    ...(mark === undefined ? {} : { mark }),
  })
  const marked = (cell: string, row: number) => {
    const excess = places[row]?.excess ?? 0
    return excess > 0 ? style.red(cell) : excess < 0 ? style.green(cell) : cell
  }
  const id = (place: Breakpoint) => names.get(place.touchpoint) ?? ''
  const core: Column[] = [
    { ...column('touchpoint', (place) => place.touchpoint), align: 'left' },
    column('reached', (place) => whole(place.reached)),
    ...(places.some(({ openHere }) => openHere > 0) ? [column('open', (place) => whole(place.openHere))] : []),
    column('broke', (place) => whole(place.broke)),
    column('rate', (place) => percent(place.broke, place.reached - place.openHere)),
    column('excess', (place) => signed(place.excess), marked),
  ]
  const why = (most: number): Column => ({
    ...column('why', (place) =>
      reasonsOf(place)
        .slice(0, most)
        .map(([reason, count]) => `${reason} ${percent(count, place.broke)}`)
        .join(', '),
    ),
    align: 'left',
  })
  const recovered = column('recovered', (place) => whole(place.recovered))
  const returned = column('returned', (place) => whole(place.returned))
  const waits = showWaits ? [column('wait p50/p95', waitText)] : []
  const name: Column[] = names.size === 0 ? [] : [{ ...column('name', id), align: 'left' }]
  // The widest that fits: what is least needed goes first.
  const layouts = [
    [...core, why(2), recovered, returned, ...waits, ...name],
    [...core, why(2), recovered, returned, ...waits],
    [...core, why(1), recovered, returned, ...waits],
    [...core, why(1), returned, ...waits],
    [...core, why(1), ...waits],
    [...core, why(1)],
  ]
  return table(layouts.find((layout) => narrowest(layout) <= width) ?? core, width, style)
}

function waitText({ waitMs: { p50, p95 } }: Breakpoint): string {
  return p50 === null || p95 === null ? '' : `${shortDuration(p50)}/${shortDuration(p95)}`
}

function hasWaits(group: BreakpointsReport['groups'][number]): boolean {
  return group.breakpoints.some(({ waitMs }) => waitMs.p50 !== null)
}

/** One decimal while it says something. */
function amount(value: number): string {
  return Math.abs(value) >= 10 ? whole(Math.round(value)) : String(Math.round(value * 10) / 10)
}

function signed(value: number): string {
  const text = amount(Math.abs(value))
  return text === '0' ? '0' : `${value > 0 ? '+' : '−'}${text}`
}

function notes(report: BreakpointsReport, { style, width, noun }: Context): string {
  const lines: string[] = []
  if (report.totals.open > 0) {
    lines.push(
      report.settledThrough === null
        ? `Provisional: more than 1 % of the ${noun}s are still open on every day so far, and some of them will break yet.`
        : `Provisional: ${noun}s that started after ${report.settledThrough}. More than 1 % are still open, and some of them will break yet.`,
    )
  }
  const places = report.groups.flatMap(({ breakpoints }) => breakpoints)
  if (places.some(({ openHere }) => openHere > 0)) {
    lines.push(`The rate leaves out the ${noun}s that are still open at the place: broke / (reached − open).`)
  }
  const reached = new Set(places.filter((place) => place.reached > 0).map(({ touchpoint }) => touchpoint))
  const after = [...new Set(places.map(({ touchpoint }) => touchpoint))].filter(
    (touchpoint) => !reached.has(touchpoint),
  )
  if (after.length > 0) lines.push(`Only after the end of ${noun}s: ${after.join(', ')}.`)
  if (report.totals.broken > 0 && report.totals.converted === 0 && report.within === null) {
    lines.push('Nothing has converted: is there a touchpoint with `outcome: bought` in touchpoints.yaml?')
  }
  if (report.at === 'furthest') lines.push(`What did not convert counts at the furthest place that it came to.`)
  if (report.olderCatalogue > 0) {
    lines.push(
      `${counted(report.olderCatalogue, 'customer')} still ${report.olderCatalogue === 1 ? 'stands' : 'stand'} on an older catalogue: \`weaklink rebuild\` derives them again.`,
    )
  }
  lines.push(scope(report, noun))
  return lines.map((line) => style.dim(wrap(line, width))).join('\n')
}

function scope({ asOf, refreshedAt, from, to, date }: BreakpointsReport, noun: string): string {
  const verb = date === 'start' ? 'started' : 'ended'
  const bounds = [from === null ? '' : `from ${instantText(from)}`, to === null ? '' : `before ${instantText(to)}`]
  const period = bounds.filter((bound) => bound !== '').join(' and ')
  const what = period === '' ? '' : `${noun[0]?.toUpperCase()}${noun.slice(1)}s that ${verb} ${period}. `
  const counted = refreshedAt === null ? '' : ` Counted at ${instantText(refreshedAt)}; --fresh counts anew.`
  return `${what}${asOf === null ? 'No clock has ticked yet: nothing has ended by silence.' : `As of ${instantText(asOf)}.`}${counted}`
}

/** `2024-05-01`, or with the time where it is not midnight. In UTC. */
function instantText(iso: string): string {
  return iso.endsWith('T00:00:00.000Z') ? iso.slice(0, 10) : `${iso.slice(0, 16).replace('T', ' ')} UTC`
}
