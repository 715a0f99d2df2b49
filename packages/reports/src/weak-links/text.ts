import { dayText } from '../instant-text.ts'
import {
  type Column,
  counted,
  NO_CHAINS,
  narrowest,
  PLAIN,
  percent,
  printable,
  type Style,
  type TextOptions,
  table,
  whole,
  wrap,
} from '../terminal.ts'
import type { WeakLink, WeakLinksReport } from './shape.ts'

/** Days that are known better than this are not doubted in words. */
const SURE_MS = 3 * 86_400_000

/** For a terminal: each finding as a sentence, a table of them, then what was looked at and how. */
export function weakLinksText(report: WeakLinksReport, options: TextOptions = {}): string {
  const { style = PLAIN, names = new Map<string, string>(), width = 100 } = options
  const { findings, standing } = report
  const parts = [
    ...(findings.length === 0
      ? [wrap(nothing(report), width)]
      : findings.map((one, index) => numbered(one, index, names, style, width))),
    ...(findings.length === 0 ? [] : [tableOf(findings, width, style)]),
    ...(standing.length === 0
      ? []
      : [
          [
            wrap('Not in a period, but all the time, more is lost by these than by others at the same place:', width),
            ...standing.map((one) => wrap(`- ${standingText(one, names)}`, width)),
          ].join('\n'),
        ]),
    notes(report, width, style),
  ]
  return `${parts.join('\n\n')}\n`
}

function nothing({ totals, looked }: WeakLinksReport): string {
  if (totals.chains === 0) {
    return NO_CHAINS
  }
  if (looked.questions === 0) {
    return `Too few chains have ended to tell anything: a touchpoint is looked at from ${2 * looked.minChains} chains on.`
  }
  return 'No place loses more chains at some time than it does otherwise: everything that moves is within what chance does.'
}

function numbered(
  finding: WeakLink,
  index: number,
  names: ReadonlyMap<string, string>,
  style: Style,
  width: number,
): string {
  return wrap(`${index + 1}. ${sentence(finding, names, style)}`, width)
}

function sentence(finding: WeakLink, names: ReadonlyMap<string, string>, style: Style): string {
  const { from, to, ongoing, reached, lostAtAll } = finding
  const period = ongoing ? `Since ${dayText(from)}` : `${dayText(from)} to ${dayText(dayBefore(to))}`
  const atAll =
    finding.lostAtAll === finding.lost
      ? ''
      : ` Wherever they ended, ${percent(lostAtAll, reached)} were lost, otherwise ${percentOf(finding.rateAtAllOtherwise)}.`
  return `${style.bold(period)}: ${ratesText(finding, names)}: ${excessText(finding)}.${atAll}${datesText(finding)}`
}

/** Where the days are not sure. */
function datesText({ fromBetween, toBetween, ongoing }: WeakLink): string {
  if (fromBetween === null || toBetween === null) return ''
  const between = ([earliest, latest]: readonly [string, string]) =>
    `between ${dayText(earliest)} and ${dayText(latest)}`
  const wide = ([earliest, latest]: readonly [string, string]) => Date.parse(latest) - Date.parse(earliest) > SURE_MS
  const parts = [
    ...(wide(fromBetween) ? [`began ${between(fromBetween)}`] : []),
    ...(!ongoing && wide(toBetween) ? [`ended ${between([dayBefore(toBetween[0]), dayBefore(toBetween[1])])}`] : []),
  ]
  return parts.length === 0 ? '' : ` It ${parts.join(' and ')} (95 %).`
}

function ratesText(finding: WeakLink, names: ReadonlyMap<string, string>): string {
  const { lost, reached, rateOtherwise, explained } = finding
  const beside = explained >= 0.5 ? ` (${whole(Math.round(explained))} of them by what else is told here)` : ''
  return `of the ${counted(reached, 'chain')} ${segmentText(finding)}that ${cameText(finding, names)} ${percent(lost, reached)} were lost there${beside}, otherwise ${percentOf(rateOtherwise)}`
}

function excessText({ excess, low, high }: WeakLink): string {
  return `${counted(Math.round(excess), 'chain')} more than expected (95 %: ${whole(Math.round(low))} to ${whole(Math.round(high))})`
}

function standingText(finding: WeakLink, names: ReadonlyMap<string, string>): string {
  return `${ratesText(finding, names)}: ${excessText(finding)}.`
}

function cameText({ touchpoint, link }: WeakLink, names: ReadonlyMap<string, string>): string {
  const named = (id: string) => {
    const name = names.get(id)
    return name === undefined ? printable(id) : `${printable(id)} (${printable(name)})`
  }
  return link === null ? `came to ${named(touchpoint ?? '')}` : `went from ${named(link[0])} to ${named(link[1])}`
}

function segmentText({ segment }: WeakLink): string {
  const conditions = conditionsOf(segment)
  return conditions === '' ? '' : `with ${conditions} `
}

function conditionsOf(segment: WeakLink['segment']): string {
  return Object.entries(segment)
    .map(([key, value]) => printable(value === null ? `no ${key}` : `${key} = ${value}`))
    .join(' and ')
}

function tableOf(findings: readonly WeakLink[], width: number, style: Style): string {
  const column = (title: string, cell: (finding: WeakLink) => string, align: Column['align'] = 'right'): Column => ({
    title,
    align,
    cells: findings.map(cell),
  })
  const core = [
    column('where', ({ touchpoint, link }) => printable(touchpoint ?? link?.join(' > ') ?? ''), 'left'),
    column('reached', ({ reached }) => whole(reached)),
    column('lost', ({ lost }) => whole(lost)),
    column('rate', ({ lost, reached }) => percent(lost, reached)),
    column('otherwise', ({ rateOtherwise }) => percentOf(rateOtherwise)),
    column('excess', ({ excess }) => `+${whole(Math.round(excess))}`),
  ]
  const period = [column('from', ({ from }) => from), column('through', ({ to }) => dayBefore(to).slice(0, 10))]
  const segment = [column('segment', (finding) => conditionsOf(finding.segment) || 'all', 'left')]
  const error = [column('q', ({ qValue }) => chanceText(qValue))]
  const layouts = [
    [...core, ...period, ...error, ...segment],
    [...core, ...period, ...segment],
    [...core, ...period],
    core,
  ]
  return table(layouts.find((layout) => narrowest(layout) <= width) ?? core, width, style).join('\n')
}

/** A probability: `0.012`, `<0.001`. */
function chanceText(value: number): string {
  return value < 0.001 ? '<0.001' : value.toFixed(3)
}

function percentOf(rate: number): string {
  return percent(Math.round(rate * 1e6), 1e6)
}

function dayBefore(day: string): string {
  return new Date(Date.parse(day) - 86_400_000).toISOString()
}

function notes(report: WeakLinksReport, width: number, style: Style): string {
  const { totals, looked, settledThrough } = report
  const lines: string[] = []
  if (looked.from !== null && looked.to !== null) {
    const keys = Object.entries(looked.segments).map(([key, values]) => `${printable(key)} (${values.length})`)
    lines.push(
      `Looked at: ${counted(totals.converted + totals.broken, 'chain')} that converted or broke, ${looked.from} through ${dayBefore(looked.to).slice(0, 10)}, at ${counted(looked.touchpoints, 'touchpoint')} and ${counted(looked.links, 'link')}; ` +
        `segments: ${keys.length === 0 ? 'none' : keys.join(', ')}. ${counted(looked.questions, 'question')} were asked of the data${looked.daysAtOnce > 1 ? `, ${looked.daysAtOnce} days at once` : ''}; of the findings at most ${percentOf(looked.fdr)} are mere chance on average. What lasts for most of the time, and loses little more at all, may be about something near that place.`,
    )
  }
  if (totals.open + totals.unsettled > 0) {
    lines.push(
      settledThrough === null
        ? `Left out: ${counted(totals.open, 'open chain')}, and all others, as too many that started with them are open.`
        : `Left out, as not settled: ${counted(totals.open, 'open chain')}, and ${counted(totals.unsettled, 'chain')} that started after ${settledThrough}.`,
    )
  }
  if (looked.questions > 0) lines.push(...report.method)
  const [first] = report.findings
  if (first !== undefined) lines.push(`The lost chains of the first one: ${commandOf(first)}`)
  lines.push(
    'Where chains break in all: `weaklink report breakpoints`. The method in full: docs/reports/weak-links.md.',
  )
  return lines.map((line) => style.dim(wrap(line, width))).join('\n')
}

/** As a command line that can be pasted. */
function commandOf({ chains }: WeakLink): string {
  const { state, through, throughFrom, throughTo, without, where, from, to } = chains
  const options = [
    ['state', state],
    ['through', through],
    ['through-from', throughFrom],
    ['through-to', throughTo],
    ...without.map((touchpoint) => ['without', touchpoint]),
    ...where.map((condition) => ['where', condition]),
    ...(from === undefined ? [] : [['from', from]]),
    ...(to === undefined ? [] : [['to', to]]),
  ]
  return `\`weaklink report chains ${options.map(([name, value = '']) => `--${name} ${shellWord(printable(value))}`).join(' ')}\``
}

function shellWord(text: string): string {
  return /^[\w.:=/@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
