import {
  type Column,
  counted,
  groupText,
  NO_CHAINS,
  narrowest,
  PLAIN,
  percent,
  printable,
  type Style,
  shortDuration,
  type TextOptions,
  table,
  whole,
  wrap,
} from '../terminal.ts'
import { chainsCommand } from './drill.ts'
import type { AttributionMeasure, AttributionReport, AttributionRow, Model } from './shape.ts'

/** How many rows a table shows; the JSON has all of them. */
const SHOWN = 30

/** For a terminal: who the models agree on and where they part, then the models side by side. */
export function attributionText(report: AttributionReport, options: TextOptions = {}): string {
  const { style = PLAIN, names = new Map<string, string>(), width = 100 } = options
  const context: Context = { report, style, width, names: report.of === 'touchpoint' ? names : new Map() }
  const split = Object.keys(report.groups[0]?.by ?? {}).length > 0
  const blocks = report.groups.flatMap(({ by, measures }) => {
    return [...(split ? [style.bold(groupText(by))] : []), ...measures.map((measure) => measureText(measure, context))]
  })
  if (report.totals[report.aim] === 0) blocks.splice(0, blocks.length, wrap(nothingText(report), width))
  return `${[...blocks, notes(context)].join('\n\n')}\n`
}

interface Context {
  readonly report: AttributionReport
  readonly style: Style
  readonly width: number
  readonly names: ReadonlyMap<string, string>
}

function nothingText({ aim, totals }: AttributionReport): string {
  if (totals.chains === 0) {
    return NO_CHAINS
  }
  return aim === 'broken'
    ? `None of ${counted(totals.chains, 'chain')} has broken: there is nothing to blame.`
    : `None of ${counted(totals.chains, 'chain')} has converted: there is nothing to share out. Is there a touchpoint with ` +
        '`outcome: bought` in touchpoints.yaml?'
}

function measureText(measure: AttributionMeasure, context: Context): string {
  const { report, style, width } = context
  if (measure.total === 0) return `There is nothing to share out of ${what(measure)}.`
  const more = measure.rows.length - SHOWN
  return [
    wrap(answer(measure, context), width),
    '',
    ...creditsTable(measure, context),
    ...(more > 0 ? [style.dim(`… and ${counted(more, report.of)} more: --json has them all.`)] : []),
  ].join('\n')
}

/** Whom the models put first, and about whom they disagree most. */
function answer(measure: AttributionMeasure, { report, style }: Context): string {
  const { models } = report
  const verb = report.aim === 'converted' ? 'most of the credit for' : 'most of the blame for'
  if (
    models.length > 1 &&
    measure.rows.length > 1 &&
    measure.rows.every((row) => new Set(models.map((model) => row.credits[model])).size === 1)
  ) {
    const [most = 0] = measure.rows.map((row) => row.credits[models[0] ?? 'first'] ?? 0).sort((a, b) => b - a)
    const first = measure.rows.filter((row) => row.credits[models[0] ?? 'first'] === most)
    const who = first.map((row) => style.bold(label(row))).join(' and ')
    return `${who} ${first.length > 1 ? 'get' : 'gets'} ${verb} ${what(measure)} (${amount(most)}${first.length > 1 ? ' each' : ''}). All models say the same, as they must where a chain has touches of one ${report.of} only: that they agree says nothing.`
  }
  const leaders = Map.groupBy(models, (model) => leaderBy(model, measure))
  const said = [...leaders].flatMap(([row, agreeing]) => {
    if (row === undefined) return []
    const values = agreeing.map((model) => row.credits[model] ?? 0)
    const [low, high] = [amount(Math.min(...values)), amount(Math.max(...values))]
    const range = low === high ? low : `${low} to ${high}`
    return [{ row, text: `${style.bold(label(row))} (${range})`, agreeing }]
  })
  const total = `${what(measure)}`
  const [first] = said
  if (first === undefined) return ''
  const by = (agreeing: readonly Model[]) => `by ${agreeing.join(', ')}`
  const lead =
    said.length === 1
      ? `${first.text} gets ${verb} ${total}${models.length > 1 ? ', by every model' : `, ${by(models)}`}.`
      : `Who gets ${verb} ${total} depends on the model: ${said.map(({ text, agreeing }) => `${text} ${by(agreeing)}`).join('; ')}.`
  return `${lead}${disagreement(measure, report.models)}`
}

function leaderBy(model: Model, { rows }: AttributionMeasure): AttributionRow | undefined {
  return rows.reduce<AttributionRow | undefined>(
    (best, row) => (best === undefined || (row.credits[model] ?? 0) > (best.credits[model] ?? 0) ? row : best),
    undefined,
  )
}

function disagreement({ rows, total }: AttributionMeasure, models: readonly Model[]): string {
  const spreads = rows.map((row) => {
    const byCredit = models.toSorted((a, b) => (row.credits[a] ?? 0) - (row.credits[b] ?? 0))
    const [least, most] = [byCredit[0], byCredit.at(-1)]
    const credit = (model: Model | undefined) => (model === undefined ? 0 : (row.credits[model] ?? 0))
    return { row, least, most, low: credit(least), high: credit(most) }
  })
  const widest = spreads.reduce(
    (a, b) => (b.high - b.low > a.high - a.low ? b : a),
    spreads[0] as (typeof spreads)[number],
  )
  if (widest === undefined || widest.high - widest.low < total / 100) return ''
  const { row, least, most, low, high } = widest
  return ` The models are furthest apart about ${label(row)}: ${amount(low)} by ${least}, ${amount(high)} by ${most}.`
}

function what({ measure, currency, total }: AttributionMeasure): string {
  if (measure === 'value')
    return `a value of ${amount(total)} ${currency === null ? '(no currency given)' : printable(currency)}`
  return counted(total, measure === 'conversions' ? 'conversion' : 'broken chain')
}

function label({ item }: AttributionRow): string {
  return item === null ? '(none)' : printable(item)
}

function creditsTable(measure: AttributionMeasure, context: Context, models = context.report.models): string[] {
  const { report, style, width, names } = context
  const rows = measure.rows.slice(0, SHOWN)
  const right = (title: string, cell: (row: AttributionRow) => string): Column => ({
    title,
    cells: rows.map(cell),
    align: 'right',
  })
  const first: Column = { title: report.of, cells: rows.map(label), align: 'left' }
  const touched = right('touched', (row) => whole(row.touched))
  const credits = models.map((model) => right(model, (row) => amount(row.credits[model] ?? 0)))
  const shares = models.map((model) => right(model, (row) => percent(row.credits[model] ?? 0, measure.total)))
  const name: Column[] =
    names.size === 0
      ? []
      : [{ title: 'name', cells: rows.map(({ item }) => names.get(item ?? '') ?? ''), align: 'left' }]
  // The widest that fits: what is least needed goes first, and shares are narrower than large amounts.
  const layouts = [
    [first, touched, ...credits, ...name],
    [first, touched, ...credits],
    [first, ...credits],
    [first, touched, ...shares],
    [first, ...shares],
  ]
  const fitting = layouts.find((layout) => narrowest(layout) <= width)
  if (fitting !== undefined || models.length < 2) return table(fitting ?? [first, ...shares], width, style)
  const half = Math.ceil(models.length / 2)
  const below = creditsTable(measure, context, models.slice(half))
  return [...creditsTable(measure, context, models.slice(0, half)), '', ...below]
}

/** One decimal while it says something. */
function amount(value: number): string {
  if (value > 0 && value < 0.05) return '<0.1'
  return value >= 100 ? whole(Math.round(value)) : String(Math.round(value * 10) / 10)
}

function notes({ report, style, width }: Context): string {
  const { totals, groups, aim } = report
  const models = totals[aim] === 0 ? [] : report.models
  const rows = groups.flatMap(({ measures }) => measures[0]?.rows ?? [])
  const lines: string[] = []
  const { open, ignored } = totals
  if (models.includes('decay'))
    lines.push(`decay: a touch ${shortDuration(report.halfLifeMs)} earlier gets half the credit.`)
  const graph = models.filter((model) => model === 'markov' || model === 'shapley')
  if (graph.length > 0) {
    lines.push(
      `${graph.join(' and ')}: from the ${counted(totals.converted, 'converted chain')} and the ${counted(totals.broken, 'broken one')}; ` +
        `what would be gone without a ${report.of}${models.includes('markov') && report.order > 1 ? ` (markov of order ${report.order})` : ''}.`,
    )
  }
  const error = Math.max(0, ...rows.map(({ shapleyError }) => shapleyError ?? 0))
  if (report.samples !== null) {
    lines.push(
      `shapley: from ${whole(report.samples)} random orders, with a standard error of at most ${Math.ceil(error * 100) / 100}.`,
    )
  }
  for (const { model, why } of report.leftOut) lines.push(`${model} is left out: ${why}.`)
  if (open > 0) lines.push(`${counted(open, 'open chain')} ${open === 1 ? 'is' : 'are'} not counted yet.`)
  if (ignored > 0)
    lines.push(`${counted(ignored, 'message')} that nobody answered ${ignored === 1 ? 'is' : 'are'} left out.`)
  if (rows.length > 0) {
    const noun = aim === 'converted' ? 'Credit' : 'Blame'
    lines.push(
      `${noun} adds up to the total in every column. It is not cause: no model knows what would have happened otherwise.`,
    )
  }
  const [top] = rows
  if (top?.chains != null) lines.push(`The chains behind a row: ${printable(chainsCommand(top.chains))}`)
  lines.push(scope(report))
  return lines.map((line) => style.dim(wrap(line, width))).join('\n')
}

function scope({ asOf, from, to, date }: AttributionReport): string {
  const bounds = [from === null ? '' : `from ${instant(from)}`, to === null ? '' : `before ${instant(to)}`]
  const period = bounds.filter((bound) => bound !== '').join(' and ')
  const what = period === '' ? '' : `Chains that ${date === 'start' ? 'started' : 'ended'} ${period}. `
  return `${what}${asOf === null ? 'No clock has ticked yet: nothing has ended by silence.' : `As of ${instant(asOf)}.`}`
}

/** `2024-05-01`, or with the time where it is not midnight. In UTC. */
function instant(iso: string): string {
  return iso.endsWith('T00:00:00.000Z') ? iso.slice(0, 10) : `${iso.slice(0, 16).replace('T', ' ')} UTC`
}
