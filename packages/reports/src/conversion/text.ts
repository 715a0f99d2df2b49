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
  type TextOptions,
  table,
  whole,
  wrap,
} from '../terminal.ts'
import type { ConversionReport, ConversionRow } from './shape.ts'

type Group = ConversionReport['groups'][number]

/** Rows of a group in the terminal's table. */
const SHOWN = 20

/** What goes with a sale most and least certainly, then one table for each group. */
export function conversionText(report: ConversionReport, options: TextOptions = {}): string {
  const { style = PLAIN, width = 100 } = options
  if (report.totals.chains === 0) {
    return `${wrap(NO_CHAINS, width)}\n`
  }
  const { totals } = report
  const parts = [
    answer(report, width, style),
    wrap(
      `${counted(totals.chains, 'chain')}: ${whole(totals.converted)} converted, ${whole(totals.broken)} broken, ` +
        `${whole(totals.open)} open${totals.ignored === 0 ? '' : `, ${whole(totals.ignored)} ignored`}. ${ended(totals)}`,
      width,
    ),
    ...report.groups.flatMap((group) => {
      const name = groupText(group.by)
      return [[...(name === '' ? [] : [style.bold(name)]), ...rowsTable(group, report.of, width, style)].join('\n')]
    }),
    notes(report, width, style),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

/** The difference that is furthest from chance, up and down. Where customers buy is no answer: who was there bought. */
function answer({ groups, of }: ConversionReport, width: number, style: Style): string {
  const candidates = groups.flatMap((group) =>
    group.rows
      .filter(({ reaction, item }) => item !== null && (of !== 'touchpoint' || reaction.bought === 0))
      .map((row) => ({ row, group })),
  )
  const best = candidates.toSorted((a, b) => (b.row.lift.low ?? -1) - (a.row.lift.low ?? -1))[0]
  const worst = candidates.toSorted((a, b) => (a.row.lift.high ?? 1) - (b.row.lift.high ?? 1))[0]
  const sentence = ({ row, group }: { row: ConversionRow; group: Group }, word: string) => {
    const among = groupText(group.by) === '' ? '' : ` (${groupText(group.by)})`
    return (
      `${word} with ${style.bold(label(row))}${among} ${rateText(row.with)} convert, without it ${rateText(row.without)}: ` +
      `${points(row.lift.difference)} points (95 %: ${points(row.lift.low, row.lift)} to ${points(row.lift.high, row.lift)}).`
    )
  }
  const said = [
    ...(best !== undefined && (best.row.lift.low ?? -1) > 0 ? [sentence(best, 'Of the chains')] : []),
    ...(worst !== undefined && (worst.row.lift.high ?? 1) < 0 ? [sentence(worst, 'Of those')] : []),
  ]
  if (said.length > 0) return wrap(said.join(' '), width)
  return wrap(`No ${of} goes with more or fewer sales than chance would explain.`, width)
}

function ended(totals: ConversionReport['totals']): string {
  const ended = totals.converted + totals.broken
  if (ended === 0) return 'None has converted or broken yet.'
  return `Of the ${whole(ended)} that converted or broke, ${rateText(totals)} converted.`
}

function rowsTable({ rows: all }: Group, of: ConversionReport['of'], width: number, style: Style): string[] {
  const rows = all.slice(0, SHOWN)
  const column = (title: string, cell: (row: ConversionRow) => string, mark?: Column['mark']): Column => ({
    title,
    cells: rows.map(cell),
    align: 'right',
    ...(mark === undefined ? {} : { mark }),
  })
  const lift = (cell: string, row: number) => {
    const { low = null, high = null } = rows[row]?.lift ?? {}
    return (low ?? 0) > 0 ? style.green(cell) : (high ?? 0) < 0 ? style.red(cell) : cell
  }
  const rates: Column[] = [
    { ...column(of, label), align: 'left' },
    column('chains', (row) => whole(row.with.chains)),
    column('open', (row) => whole(row.with.open)),
    column('converted', (row) => rateText(row.with)),
    column('95 %', (row) => interval(row.with)),
    column('without', (row) => rateText(row.without)),
    column('points', (row) => points(row.lift.difference), lift),
  ]
  const wentOn = column('went on', (row) => percent(row.reaction.wentOn + row.reaction.bought, row.reaction.touches))
  const brokeHere = column('broke here', (row) => percent(row.reaction.broke, row.reaction.touches))
  const money = rows.some((row) => row.with.money.length > 0) ? [column('cost per sale', (row) => moneyText(row))] : []
  const layouts = [
    [...rates, wentOn, brokeHere, ...money],
    [...rates, brokeHere, ...money],
    [...rates, brokeHere],
    rates,
  ]
  const layout = layouts.find((one) => narrowest(one) <= width) ?? rates
  const more = all.length > SHOWN ? [style.dim(`… and ${whole(all.length - SHOWN)} more; --json has all.`)] : []
  return [...table(layout, width, style), ...more]
}

function label({ item }: ConversionRow): string {
  return item === null ? '(none)' : printable(item)
}

/** Costs, by currency; a sale that cost nothing says nothing here. */
function moneyText(row: ConversionRow): string {
  return row.with.money
    .filter(({ cost, costPerSale }) => cost !== 0 && costPerSale !== null)
    .map(
      ({ currency, costPerSale }) => `${amount(costPerSale ?? 0)}${currency === null ? '' : ` ${printable(currency)}`}`,
    )
    .join(', ')
}

function amount(value: number): string {
  return Math.abs(value) >= 100 ? whole(Math.round(value)) : String(Math.round(value * 100) / 100)
}

function rateText({ converted, broken }: { converted: number; broken: number }): string {
  return percent(converted, converted + broken)
}

function interval(bounds: Bounds): string {
  if (bounds.low === null || bounds.high === null) return '–'
  const digits = decimals(bounds)
  return `${(bounds.low * 100).toFixed(digits)}–${(bounds.high * 100).toFixed(digits)} %`
}

/** `+45`, with a sign; in an interval with as many decimals as keep its ends apart. */
function points(value: number | null, within: Bounds = { low: null, high: null }): string {
  if (value === null) return '–'
  const text = Math.abs(value * 100).toFixed(decimals(within))
  return Number(text) === 0 ? text : `${value > 0 ? '+' : '−'}${text}`
}

interface Bounds {
  readonly low: number | null
  readonly high: number | null
}

function decimals({ low, high }: Bounds): number {
  return low !== null && high !== null && high - low < 0.05 ? 1 : 0
}

function notes({ groups, of, asOf }: ConversionReport, width: number, style: Style): string {
  const first = groups[0]?.rows.find(({ item }) => item !== null)
  const words = [
    'Rates are over chains that converted or broke; open ones may still do either. Intervals are 95 %, each by itself. It says what goes together, not what caused the sale.',
    ...(of === 'touchpoint' && first !== undefined
      ? [
          `Go on: \`weaklink report chains --with ${first.item}\`; by position, new and returning, repeat and money: --json.`,
        ]
      : ['By position, new and returning, repeat and money: --json.']),
    asOf === null
      ? 'No clock has ticked yet: nothing has ended by silence.'
      : `As of ${asOf.slice(0, 16).replace('T', ' ')} UTC.`,
  ]
  return words.map((line) => style.dim(wrap(line, width))).join('\n')
}
