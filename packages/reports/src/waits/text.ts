import { dayText } from '../instant-text.ts'
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
import type { CallFigures, WaitsReport } from './shape.ts'
import { costSentence, costTable, patienceLines } from './text-chains.ts'

type Group = WaitsReport['groups'][number]
type Slot = Group['slots'][number]

/** Queues, and hours, of a group in the terminal's tables. */
const SHOWN = 20
/** More hours than these say more as a list of the worst. */
const ALL_SLOTS = 48
const WORST = 10

/** How calls were taken, how long callers hold out, what waiting costs; then the tables. */
export function waitsText(report: WaitsReport, options: TextOptions = {}): string {
  const { style = PLAIN, width = 100 } = options
  const { received, chains } = report.totals
  if (received === 0 && chains === 0) return `${wrap(NO_CHAINS, width)}\n`
  const parts = [
    ...report.groups.flatMap((group) => {
      const name = groupText(group.by)
      return [
        ...(name === '' ? [] : [style.bold(name)]),
        wrap(answer(group, report), width),
        ...(received === 0 ? [] : [queuesTable(group, width, style), slotsTable(group, report, width, style)]),
        patienceLines(group.patience, width, style),
        costTable(group.cost, report.wait, width, style),
      ]
    }),
    notes(report, width, style),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function answer({ totals, cost }: Group, report: WaitsReport): string {
  return [callsSentence(totals), levelSentence(totals, report), costSentence(cost, report.wait)]
    .filter((sentence) => sentence !== '')
    .join(' ')
}

function callsSentence(totals: CallFigures): string {
  const { received, closed, abandoned, answered, abandonedWaitMs } = totals
  const taken = received - closed
  if (received === 0) return 'No call entered a queue here.'
  if (taken === 0) return `${counted(received, 'call')} came, all when the queue was closed.`
  const soon =
    abandonedWaitMs.p50 === null
      ? ''
      : `; half of those who gave up did so within ${shortDuration(Math.round(abandonedWaitMs.p50))}`
  const more = closed === 0 ? '' : ` (${whole(closed)} more came when the queue was closed)`
  return (
    `Of ${counted(taken, 'call')}${more}, ${percent(answered, taken)} were answered and ` +
    `${percent(abandoned, taken)} gave up${soon}.`
  )
}

function levelSentence({ serviceLevel, answered }: CallFigures, report: WaitsReport): string {
  const { ofAnswered, ofAnsweredAndAbandoned, met } = serviceLevel
  if (answered === 0 || ofAnswered === null || ofAnsweredAndAbandoned === null) return ''
  const { target, withinMs } = report.serviceLevel
  return (
    `${share(ofAnswered)} of the answered ones waited at most ${shortDuration(withinMs)}; counting those who gave up it is ` +
    `${share(ofAnsweredAndAbandoned)}, ${met ? 'not less' : 'less'} than the ${share(target)} aimed at.`
  )
}

function queuesTable({ queues, totals }: Group, width: number, style: Style): string {
  const named = queues.slice(0, SHOWN).map(({ queue, totals }) => [queueText(queue), totals] as const)
  const rows = queues.length > 1 ? [...named, ['all queues', totals] as const] : named
  const lines = figuresTable('queue', rows, width, style)
  const more = queues.length > SHOWN ? [style.dim(`… and ${whole(queues.length - SHOWN)} more; --json has all.`)] : []
  return [...lines, ...more].join('\n')
}

function slotsTable({ slots: all, queues }: Group, report: WaitsReport, width: number, style: Style): string {
  const { per, zone } = report
  if (per === 'none' || all.length < 2) return ''
  const locals = all.map(({ start }) => start?.slice(0, 19) ?? '')
  const label = (slot: Slot) => {
    const local = slot.start?.slice(0, 19) ?? ''
    const day = dayText(`${local}Z`)
    if (per === 'day') return day
    if (per === 'week') return `from ${day}`
    const doubled = locals.indexOf(local) !== locals.lastIndexOf(local)
    return `${day} ${local.slice(11, 16)}${doubled ? ` ${slot.start?.slice(-6)}` : ''}`
  }
  const few = all.length <= ALL_SLOTS
  const worst = all
    .filter(({ abandoned }) => abandoned > 0)
    .toSorted((a, b) => b.abandoned - a.abandoned || b.received - a.received)
    .slice(0, WORST)
  const shown = few ? all : worst
  if (shown.length === 0) return ''
  const unit = { hour: 'hour', halfhour: 'half hour', day: 'day', week: 'week' }[per]
  const of = queues.length > 1 ? ', all queues' : ''
  const title = few
    ? `By ${unit} (${zone}${of}):`
    : `Where most gave up, of ${whole(all.length)} ${unit}s (${zone}${of}):`
  const rows = shown.map((slot) => [label(slot), slot] as const)
  return [title, ...figuresTable(unit, rows, width, style)].join('\n')
}

/** As many of the figures as there is room for. */
function figuresTable(
  title: string,
  rows: readonly (readonly [label: string, figures: CallFigures])[],
  width: number,
  style: Style,
): string[] {
  const column = (title: string, cell: (figures: CallFigures) => string, mark?: Column['mark']): Column => ({
    title,
    cells: rows.map(([, figures]) => cell(figures)),
    align: 'right',
    ...(mark === undefined ? {} : { mark }),
  })
  const some = (title: string, of: (figures: CallFigures) => number) =>
    rows.some(([, figures]) => of(figures) > 0) ? [column(title, (figures) => whole(of(figures)))] : []
  const aim = (cell: string, row: number) => {
    const met = rows[row]?.[1].serviceLevel.met
    return met === undefined || met === null ? cell : met ? style.green(cell) : style.red(cell)
  }
  const counts: Column[] = [
    { title, cells: rows.map(([label]) => label), align: 'left' },
    column('received', ({ received }) => whole(received)),
    column('answered', ({ answered }) => whole(answered)),
    column('gave up', ({ abandoned }) => whole(abandoned)),
  ]
  const more = [
    ...some('closed', ({ closed }) => closed),
    ...some('full', ({ saturated }) => saturated),
    ...some('blocked', ({ blocked }) => blocked),
    ...some('left', ({ left }) => left.timeout + left.key + left.empty + left.other),
    ...some('waiting', ({ waiting }) => waiting),
    ...some('no end', ({ unended }) => unended),
  ]
  const rates = [
    column('gave up %', ({ abandonRate }) => (abandonRate === null ? '' : share(abandonRate))),
    column(
      'in time',
      ({ serviceLevel: { ofAnsweredAndAbandoned } }) =>
        ofAnsweredAndAbandoned === null ? '' : share(ofAnsweredAndAbandoned),
      aim,
    ),
    column('wait', ({ averageWaitMs }) => duration(averageWaitMs)),
  ]
  const longest = column('longest', ({ longestWaitMs }) => duration(longestWaitMs))
  const p90 = column('p90', ({ answeredWaitMs }) => duration(answeredWaitMs.p90))
  const talk = column('talk', ({ averageTalkMs }) => duration(averageTalkMs))
  const layouts = [
    [...counts, ...more, ...rates, p90, longest, talk],
    [...counts, ...more, ...rates, longest],
    [...counts, ...more, ...rates],
    [...counts, ...rates, longest],
    [...counts, ...rates],
  ]
  return table(layouts.find((one) => narrowest(one) <= width) ?? counts, width, style)
}

function queueText(queue: string | null): string {
  return queue === null ? '(no queue)' : printable(queue)
}

function duration(ms: number | null): string {
  return ms === null ? '' : shortDuration(Math.round(ms))
}

function share(rate: number): string {
  return percent(rate, 1)
}

function notes({ asOf, serviceLevel, shortMs, groups, queues }: WaitsReport, width: number, style: Style): string {
  const calls = groups.some(({ totals }) => totals.received > 0)
  const short = groups.reduce((sum, { totals }) => sum + totals.shortAbandons, 0)
  const words = [
    ...(calls
      ? [
          `A call counts when it entered the queue. In time: within ${shortDuration(serviceLevel.withinMs)}, of those who were ` +
            'answered or gave up. Wait: the mean of answered calls, of abandoned ones where none was answered. Nothing ' +
            'stands where there is nothing to divide by.',
        ]
      : []),
    ...(shortMs === null ? [] : [`Left out: ${counted(short, 'call')} given up within ${shortDuration(shortMs)}.`]),
    'Chains by wait: it says what goes together, not what causes it. Who waits long calls at another hour, often for another ' +
      `reason, and who stays on the line that long wanted it more.${queues.length === 0 ? '' : ' Waits in other queues are not counted.'}`,
    asOf === null
      ? 'No clock has ticked yet: nothing has ended by silence.'
      : `As of ${asOf.slice(0, 16).replace('T', ' ')} UTC.`,
  ]
  return words.map((line) => style.dim(wrap(line, width))).join('\n')
}
