import { z } from 'zod'
import { newcombe } from './intervals.ts'
import { parseInstant } from './period.ts'
import { QueryError } from './query-error.ts'
import type { Rate, Row } from './question.ts'
import { groupShape } from './selection-shape.ts'
import { counted, PLAIN, percent, printable, type TextOptions, table, wrap } from './terminal.ts'

/**
 * Two periods side by side. Every share of the report stands beside what it was in the other period, with the interval of the
 * difference: where that holds 0, the difference may be chance.
 */
export const compareParameter = {
  compare: z
    .string()
    .optional()
    .describe(
      'The same about another period, and the differences with their 95 % intervals: previous (the one just before, as long), or FROM/TO.',
    )
    .meta({ examples: ['previous', '2024-03-01/2024-04-01'] }),
}

const share = z.object({
  part: z.int().nonnegative(),
  of: z.int().nonnegative(),
  rate: z.number().nullable(),
})

export const comparisonShape = z.object({
  /** The other period. */
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  asOf: z.iso.datetime().nullable(),
  rates: z.array(
    z.object({
      key: groupShape,
      name: z.string(),
      now: share,
      before: share,
      /** now − before, with its 95 % interval (Newcombe); null where either is of nothing. */
      change: z.number().nullable(),
      low: z.number().nullable(),
      high: z.number().nullable(),
    }),
  ),
})

export type Comparison = z.infer<typeof comparisonShape>

/**
 * The bounds of the other period.
 *
 * @throws QueryError
 */
export function otherPeriod(
  compare: string,
  from: string | undefined,
  to: string | undefined,
): { from: string; to: string } {
  if (compare === 'previous') {
    if (from === undefined || to === undefined) {
      throw new QueryError(
        'compare',
        compare,
        '"from" and "to" with it (which period is it previous to?), or a period as 2024-03-01/2024-04-01',
      )
    }
    const [start, end] = [parseInstant('from', from), parseInstant('to', to)]
    return { from: new Date(2 * start - end).toISOString(), to: from }
  }
  const [start, end, ...more] = compare.split('/')
  if (start === undefined || end === undefined || more.length > 0) {
    throw new QueryError('compare', compare, 'previous, or a period as 2024-03-01/2024-04-01')
  }
  if (parseInstant('compare', start) >= parseInstant('compare', end)) {
    throw new QueryError('compare', compare, 'a period that ends after it begins (the end itself is not included)')
  }
  const overlaps =
    (to === undefined || parseInstant('compare', start) < parseInstant('to', to)) &&
    (from === undefined || parseInstant('compare', end) > parseInstant('from', from))
  if (overlaps) {
    throw new QueryError('compare', compare, 'a period that has nothing in common with the one of "from" and "to"')
  }
  return { from: start, to: end }
}

/** What changed most (for certain) comes first: by how far the interval of the difference stays from 0. */
export function compared(
  now: readonly Rate[],
  before: readonly Rate[],
  period: Pick<Comparison, 'from' | 'to' | 'asOf'>,
): Comparison {
  const idOf = ({ key, name }: Rate) => JSON.stringify([key, name])
  const earlier = new Map(before.map((rate) => [idOf(rate), rate]))
  const gone = before.filter((rate) => !now.some((one) => idOf(one) === idOf(rate)))
  const nothing = { part: 0, of: 0 }
  const pairs = [
    ...now.map((rate) => ({ rate, now: rate, before: earlier.get(idOf(rate)) ?? nothing })),
    ...gone.map((rate) => ({ rate, now: nothing, before: rate })),
  ]
  const rates = pairs.map(({ rate, now, before }) => {
    const interval = newcombe(now.part, now.of, before.part, before.of)
    return {
      key: rate.key,
      name: rate.name,
      now: shareOf(now),
      before: shareOf(before),
      change: interval === null ? null : now.part / now.of - before.part / before.of,
      low: interval?.low ?? null,
      high: interval?.high ?? null,
    }
  })
  return { ...period, rates: rates.sort((a, b) => certainty(b) - certainty(a)) }
}

function shareOf({ part, of }: { part: number; of: number }) {
  return { part, of, rate: of === 0 ? null : part / of }
}

/** Distance of the interval from 0, negative where it holds 0; what cannot be compared comes last. */
function certainty({ low, high }: { low: number | null; high: number | null }): number {
  if (low === null || high === null) return Number.NEGATIVE_INFINITY
  return Math.max(low, -high)
}

export function comparisonRows({ rates }: Comparison): Row[] {
  const keys = [...new Set(rates.flatMap(({ key }) => Object.keys(key)))]
  return rates.map(({ key, name, now, before, change, low, high }) => ({
    ...Object.fromEntries(keys.map((one) => [one, key[one] ?? null])),
    rate: name,
    now: now.rate,
    nowPart: now.part,
    nowOf: now.of,
    before: before.rate,
    beforePart: before.part,
    beforeOf: before.of,
    change,
    low,
    high,
  }))
}

/** Rows of the terminal's table. */
const SHOWN = 20

export function comparisonText(comparison: Comparison, { style = PLAIN, width = 100, names }: TextOptions): string {
  const { rates } = comparison
  const certain = rates.filter(isCertain)
  const day = (instant: string) => instant.slice(0, 10)
  const shown = rates.slice(0, SHOWN)
  const cell = (key: Row) =>
    (Object.keys(key).length === 0 ? ['all chains'] : Object.values(key))
      .map((value) => printable(value === null ? '(none)' : (names?.get(String(value)) ?? String(value))))
      .join(' · ')
  const heading =
    rates.length === 0
      ? 'Neither period has anything to compare.'
      : rates.every(({ before }) => before.of === 0)
        ? `There is nothing to compare with: ${day(comparison.from)} to ${day(comparison.to)} has no such chains.`
        : certain.length === 0
          ? `Compared with ${day(comparison.from)} to ${day(comparison.to)}: nothing changed by more than chance would explain.`
          : `Compared with ${day(comparison.from)} to ${day(comparison.to)}: ${counted(certain.length, 'share')} of ${rates.length} changed by more than chance explains (95 %, each by itself).`
  if (rates.length === 0) return heading
  const points = (value: number | null) =>
    value === null ? '–' : `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value * 100).toFixed(1)}`
  const lines = table(
    [
      { title: 'of', align: 'left', cells: shown.map(({ key }) => cell(key)) },
      { title: 'share', align: 'left', cells: shown.map(({ name }) => name) },
      { title: 'now', align: 'right', cells: shown.map(({ now }) => percent(now.part, now.of)) },
      { title: 'before', align: 'right', cells: shown.map(({ before }) => percent(before.part, before.of)) },
      {
        title: 'change, points',
        align: 'right',
        cells: shown.map(({ change }) => points(change)),
        mark: (text, row) => (isCertain(shown[row]) ? style.bold(text) : text),
      },
      {
        title: '95 %',
        align: 'right',
        cells: shown.map(({ low, high }) => (low === null ? '–' : `${points(low)} to ${points(high)}`)),
      },
    ],
    width,
    style,
  )
  const rest = rates.length > SHOWN ? [style.dim(`… and ${rates.length - SHOWN} more; --json has all.`)] : []
  return [wrap(heading, width), '', ...lines, ...rest].join('\n')
}

function isCertain(rate: { low: number | null; high: number | null } | undefined): boolean {
  return rate !== undefined && certainty(rate) > 0
}
