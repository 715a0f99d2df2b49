import { chainsText } from '../chains/text.ts'
import { dayText } from '../instant-text.ts'
import {
  type Column,
  counted,
  groupText,
  NO_CHAINS,
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
import type { FunnelReport, FunnelStep } from './shape.ts'

type Group = FunnelReport['groups'][number]

/** The answer first, then the steps of every group, then how to go on. With a list: the chains. */
export function funnelText(report: FunnelReport, options: TextOptions = {}): string {
  const { style = PLAIN, width = 100 } = options
  if (report.list !== null) return listText(report.list, options)
  const noun = report.count === 'chains' ? 'chain' : 'customer'
  if (report.totals.chains === 0) {
    return `${wrap(NO_CHAINS, width)}\n`
  }
  const split = report.groups.some(({ by }) => Object.keys(by).length > 0)
  const came = report.groups.filter(({ steps }) => !split || steps[0]!.reached > 0)
  const rest = report.groups.length - came.length
  const parts = came.map((group) => {
    return [
      ...(split ? [style.bold(groupText(group.by))] : []),
      wrap(answer(group, noun, style), width),
      '',
      ...stepsTable(group.steps, width, style),
      ...timeText(group, width),
    ].join('\n')
  })
  const none =
    rest === 0
      ? []
      : [
          wrap(
            `No ${noun} of ${counted(rest, came.length > 0 ? 'other group' : 'group')} came to the first step.`,
            width,
          ),
        ]
  return `${[...parts, ...none, notes(report, style, width)].join('\n\n')}\n`
}

/** One or two sentences: how many come through, and where most are lost. */
function answer({ steps }: Group, noun: string, style: Style): string {
  const first = steps[0]!
  const last = steps.findLast(({ optional }) => !optional)!
  if (first.reached === 0) return `No ${noun} came to the first step, ${first.text}.`
  const weakest = steps
    .slice(0, last.step - 1)
    .reduce<FunnelStep | null>((a, b) => (b.lost > (a?.lost ?? 0) ? b : a), null)
  const came = counted(first.reached, noun)
  if (last.step === 1) {
    return `${came} came to ${first.text}: ${whole(first.converted)} converted, ${whole(first.lost)} lost, ${whole(first.open)} still open.`
  }
  const { part, of, low, high } = last.fromFirst
  const share =
    low === null || high === null
      ? 'all of them are still open'
      : `of those that ended ${style.bold(percent(part, of))} came to ${last.text} (95 %: ${points(low)} to ${points(high)} %)`
  const loss =
    weakest === null
      ? ' None was lost on the way.'
      : ` Most are lost after ${style.bold(weakest.text)}: ${whole(weakest.lost)} of ${whole(weakest.reached)} that came so far${mainReason(weakest)}.`
  const required = steps.filter(({ optional }) => !optional)
  const bought = required.reduce((sum, { converted }) => sum + converted, 0)
  const ended = bought + required.reduce((sum, { lost }) => sum + lost, 0)
  const otherwise = bought - last.converted
  const anyway =
    otherwise === 0
      ? ''
      : ` ${counted(otherwise, noun)} bought without coming so far: in all, ${percent(bought, ended)} of those that bought or broke bought.`
  return `${came} came to ${first.text}; ${share}.${loss}${anyway}`
}

function points(rate: number): string {
  return (rate * 100).toFixed(1)
}

function mainReason({ reasons, lost }: FunnelStep): string {
  const [reason, count] = Object.entries(reasons).sort(([, a], [, b]) => b - a)[0] ?? ['', 0]
  return count === 0 ? '' : ` (${percent(count, lost)} ${reason})`
}

function stepsTable(steps: readonly FunnelStep[], width: number, style: Style): string[] {
  const column = (title: string, cell: (step: FunnelStep) => string, mark?: Column['mark']): Column => ({
    title,
    cells: steps.map(cell),
    align: 'right',
    ...(mark === undefined ? {} : { mark }),
  })
  const any = (of: (step: FunnelStep) => number) => steps.some((step) => of(step) > 0)
  const most = Math.max(...steps.slice(0, -1).map(({ lost }) => lost))
  const numbers: Column[] = [
    column('reached', ({ reached }) => whole(reached)),
    column('from before', ({ fromPrevious }) =>
      fromPrevious === null ? '' : percent(fromPrevious.part, fromPrevious.of),
    ),
    column('from first', ({ fromFirst }) => percent(fromFirst.part, fromFirst.of)),
    column('passed', ({ passed }) => whole(passed)),
    column(
      'lost',
      ({ lost }) => whole(lost),
      (cell, row) => (most > 0 && row < steps.length - 1 && steps[row]?.lost === most ? style.red(cell) : cell),
    ),
    column('converted', ({ converted }) => whole(converted)),
    ...(any(({ open }) => open) ? [column('open', ({ open }) => whole(open))] : []),
    ...(any(({ ignored }) => ignored) ? [column('ignored', ({ ignored }) => whole(ignored))] : []),
  ]
  const named: Column = {
    title: 'step',
    align: 'left',
    cells: steps.map(({ step, text }) => `${step} ${text}`),
  }
  const layout = [numbers, numbers.slice(0, 5), numbers.slice(0, 3)].find(
    (columns) => narrowest([named, ...columns]) <= width,
  )
  return table([named, ...(layout ?? numbers.slice(0, 2))], width, style)
}

/** `From 1 to 4: half within 2d, 90 % within 6d (120 chains).` */
function timeText({ time }: Group, width: number): string[] {
  if (time === null || time.p50 === null || time.p90 === null) return []
  const longest = Math.max(...time.histogram.map(({ count }) => count))
  const widest = Math.max(5, Math.min(30, width - 24))
  const bars = time.histogram.map(({ from, to, count }) => {
    const name = to === null ? `from ${shortDuration(from)}` : `< ${shortDuration(to)}`
    return `  ${name.padEnd(9)} ${'█'.repeat(Math.ceil((count * widest) / longest))} ${whole(count)}`
  })
  return [
    '',
    wrap(
      `From step ${time.from} to step ${time.to} half take at most ${shortDuration(time.p50)}, 90 % at most ${shortDuration(time.p90)} (of ${whole(time.count)}).`,
      width,
    ),
    ...bars,
  ]
}

function notes(report: FunnelReport, style: Style, width: number): string {
  const { totals, asOf, windowMs, order } = report
  const lines = [
    ...(order === 'strict' ? ['Steps directly after one another: no other place between them.'] : []),
    ...(order === 'any' ? ['Steps in any order, but for those with ^.'] : []),
    ...(windowMs === null ? [] : [`At most ${shortDuration(windowMs)} from the first step to the last.`]),
    'The shares are of what has ended: an open chain may come further yet and is not counted as lost.',
    ...(report.groups.some(({ steps }) => steps.slice(0, -1).some(({ converted }) => converted > 0))
      ? ['Converted: bought without the steps that follow.']
      : []),
    `Selected: ${counted(totals.chains, 'chain')} of ${counted(totals.customers, 'customer')}.${asOf === null ? '' : ` As of ${dayText(asOf)}.`}`,
    `The chains behind a number: the same question with --chains ${Math.min(2, report.groups[0]?.steps.length ?? 2)}:lost.`,
  ]
  return lines.map((line) => style.dim(wrap(line, width))).join('\n')
}

const DID: Record<string, string> = {
  reached: 'reached it',
  passed: 'went on to the next step',
  converted: 'converted without going on',
  lost: 'were lost after it',
  ignored: 'got no answer after it',
  open: 'are there and still open',
}

function listText(list: NonNullable<FunnelReport['list']>, options: TextOptions): string {
  const { style = PLAIN, width = 100 } = options
  const did = DID[list.what] ?? `were lost after it (${list.what})`
  const heading = `Step ${list.step}, ${list.text}: ${counted(list.count, 'chain')} ${did}.`
  if (list.chains.length === 0) return `${wrap(heading, width)}\n`
  const { chains, next } = list
  return `${style.bold(wrap(heading, width))}\n\n${chainsText({ asOf: null, chains, next }, options)}`
}
