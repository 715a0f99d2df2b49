import { newcombe } from '../intervals.ts'
import { type Column, counted, percent, type Style, shortDuration, table, whole, wrap } from '../terminal.ts'
import type { Patience, WaitsReport } from './shape.ts'

type Cost = WaitsReport['groups'][number]['cost']

/** From here on a wait is long. */
const LONG_MS = 120_000

/** What goes with a long wait, or with giving up; empty where there is nothing to compare. */
export function costSentence(cost: Cost, wait: WaitsReport['wait']): string {
  const sum = (rows: Cost) => ({
    converted: rows.reduce((all, { counts }) => all + counts.converted, 0),
    tried: rows.reduce((all, { counts }) => all + counts.converted + counts.broken, 0),
  })
  const waited = cost.filter(({ fromMs }) => fromMs !== null)
  const long = sum(waited.filter(({ fromMs }) => fromMs !== null && fromMs >= LONG_MS))
  const less = sum(waited.filter(({ fromMs }) => fromMs !== null && fromMs < LONG_MS))
  const gaveUp = sum(cost.filter(({ bucket }) => bucket === 'abandoned'))
  const counted = [...waited, ...cost.filter(({ bucket }) => bucket === 'abandoned')]
  const open = counted.reduce((all, { counts }) => all + counts.open, 0)
  const tried = long.tried + less.tried + gaveUp.tried
  if (open > tried) {
    return `What waiting cost cannot be said yet: ${whole(open)} of the ${whole(open + tried)} chains in which somebody waited are still open. Ask again, or for an earlier period, when their patience has passed.`
  }
  const rate = ({ converted, tried }: { converted: number; tried: number }) => percent(converted, tried)
  if (less.tried === 0) return ''
  if (long.tried > 0) {
    const first = wait === 'first' ? ' at first' : ''
    const { low, high } = newcombe(long.converted, long.tried, less.converted, less.tried) ?? { low: 0, high: 0 }
    const chance = low <= 0 && high >= 0 ? ' (which chance may explain)' : ''
    const also = gaveUp.tried === 0 ? '' : `; of those that gave up ${rate(gaveUp)} did`
    return `Chains that waited ${shortDuration(LONG_MS)} or longer${first} converted ${rate(long)}, against ${rate(less)} of those that waited less${chance}${also}.`
  }
  if (gaveUp.tried === 0) return ''
  return `Chains in which somebody gave up converted ${rate(gaveUp)}, against ${rate(less)} of those that waited and were served.`
}

export function patienceLines(patience: Patience, width: number, style: Style): string {
  const { gaveUp, medianMs, after } = patience
  if (gaveUp === 0) return ''
  const shown = after.filter(({ holding }) => holding !== null)
  const { value, low, high } = medianMs
  const bounds =
    low === null
      ? ''
      : high === null
        ? ` (95 %: at least ${shortDuration(low)})`
        : ` (95 %: ${shortDuration(low)} to ${shortDuration(high)})`
  const median =
    value === null
      ? 'Left to wait, more than half of the callers hold out as long as anybody had to wait.'
      : `Left to wait, half of the callers would give up within ${shortDuration(value)}${bounds}.`
  const column = (title: string, cell: (row: Patience['after'][number]) => string): Column => ({
    title,
    cells: shown.map(cell),
    align: 'right',
  })
  const lines =
    shown.length === 0
      ? []
      : table(
          [
            { ...column('after', ({ ms }) => shortDuration(ms)), align: 'left' },
            column('still hold out', ({ holding }) => percent(holding ?? 0, 1)),
            column('95 %', (row) => interval(row)),
            column('calls', ({ atRisk }) => whole(atRisk)),
          ],
          width,
          style,
        )
  return [wrap(median, width), ...lines].join('\n')
}

const LABELS: Readonly<Record<string, string>> = { abandoned: 'gave up', unknown: 'unknown', none: 'no wait' }

export function costTable(cost: Cost, wait: WaitsReport['wait'], width: number, style: Style): string {
  const rows = cost.filter(({ counts }) => counts.chains > 0)
  if (rows.length === 0) return ''
  const column = (title: string, cell: (row: Cost[number]) => string): Column => ({
    title,
    cells: rows.map(cell),
    align: 'right',
  })
  const all = rows.reduce((sum, { counts }) => sum + counts.chains, 0)
  const columns: Column[] = [
    { ...column('waited', ({ bucket }) => LABELS[bucket] ?? bucket), align: 'left' },
    column('chains', ({ counts }) => whole(counts.chains)),
    column('open', ({ counts }) => whole(counts.open)),
    column('converted', ({ counts: { converted, broken } }) => percent(converted, converted + broken)),
    column('95 %', ({ conversion }) => interval(conversion)),
    column('broke', ({ counts: { converted, broken } }) => percent(broken, converted + broken)),
    column('95 %', (row) => interval(row.break)),
  ]
  const title = `${counted(all, 'chain')} by the ${wait === 'first' ? 'first' : 'longest'} wait before the end:`
  return [wrap(title, width), ...table(columns, width, style)].join('\n')
}

function interval({ low, high }: { low: number | null; high: number | null }): string {
  if (low === null || high === null) return '–'
  const digits = high - low < 0.05 ? 1 : 0
  return `${(low * 100).toFixed(digits)}–${(high * 100).toFixed(digits)} %`
}
