import { STATES } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import { type Drill, drillInto } from '../drill.ts'
import { newcombe, wilson } from '../intervals.ts'
import { Params } from '../keys.ts'
import { groupValues, shownPeriod } from '../selection.ts'
import type { ConversionQuery } from './options.ts'
import type { ConversionReport, ConversionRow, Outcome } from './shape.ts'
import { conversionSql, ITEM_COUNTS, TOTAL_COUNTS } from './sql.ts'

/** What `conversionSql` gives. */
interface Counted {
  readonly part: 'asOf' | 'total' | 'item' | 'repeat' | 'money'
  readonly grp: string
  readonly item: string
  readonly counts: readonly number[]
  readonly numbers: readonly (number | null)[]
  /** A state, or a currency. */
  readonly label: string
}

type Group = ConversionReport['groups'][number]
type Profile = Group['totals']

/**
 * What touchpoints, channels or campaigns go with a sale: chains with and without each, and what they were like. It describes;
 * it does not say what caused the sale.
 *
 * Sums that hold, in each group: with + without = totals for every row; over all rows `position.first`, and also
 * `position.last`, sum to the totals, `lastTouch.of` to the sales, `reaction.bought` and `reaction.broke` to converted and
 * broken, and the cost to the cost of the totals. A chain is in `with` of each item it has: these sum to more.
 *
 * @throws StoreError
 */
export async function askConversion(store: Store, query: ConversionQuery): Promise<ConversionReport> {
  const params = new Params()
  const sql = conversionSql(query, params)
  const rows = await store.query<Counted>(sql, params.values, {
    settings: { enable_shared_storage_snapshot_in_query: 1 },
  })
  const asOf = rows.find(({ part }) => part === 'asOf')?.numbers[0] ?? null
  const byGroup = Map.groupBy(
    rows.filter(({ part }) => part !== 'asOf'),
    ({ grp }) => grp,
  )
  if (query.by.length === 0 && byGroup.size === 0) byGroup.set('[]', [])
  const groups = [...byGroup].map(([grp, members]) => ({ grp, group: groupOf(grp, members, query) }))
  groups.sort((a, b) => b.group.totals.chains - a.group.totals.chains || (a.grp < b.grp ? -1 : 1))
  return {
    asOf: asOf === null ? null : new Date(asOf).toISOString(),
    ...shownPeriod(query.selection),
    of: query.of,
    totals: outcomeOf(added(groups.map(({ group }) => statesOf(group.totals)))),
    groups: groups.map(({ group }) => group),
  }
}

function groupOf(grp: string, rows: readonly Counted[], query: ConversionQuery): Group {
  const part = (name: Counted['part']) => rows.filter((row) => row.part === name)
  const repeats = new Map(part('repeat').map(({ item, counts }) => [item, counts]))
  // Every sale has one last touch, so what is counted there is counted once.
  const sales = [3, 4, 5].map((index) => addUp(part('repeat').map(({ counts }) => counts[index] ?? 0)))
  const money = Map.groupBy(part('money'), ({ item }) => item)
  const by = groupValues(grp, query.by)
  const drill = drillInto(query.selection, by)
  const total = countedOf(part('total'), TOTAL_COUNTS)
  const totals = profileOf(total, sales, totalMoney(part('money')))
  return {
    by,
    totals,
    rows: [...Map.groupBy(part('item'), ({ item }) => item)]
      .map(([item, states]) => {
        const counted = countedOf(states, ITEM_COUNTS)
        const [again, paid] = [repeats.get(item) ?? [], money.get(item) ?? []]
        return rowOf(item, counted, less(total.counts.with, counted.counts.with), again, paid, query, drill)
      })
      .sort((a, b) => b.with.chains - a.with.chains || ((a.item ?? '') < (b.item ?? '') ? -1 : 1)),
  }
}

/** By name of the count, one number for each of STATES; and the percentiles of the converted ones. */
interface StateCounts<Name extends string> {
  readonly counts: Readonly<Record<Name, readonly number[]>>
  readonly percentiles: readonly (number | null)[]
}

function countedOf<Names extends Readonly<Record<string, string>>>(
  rows: readonly Counted[],
  names: Names,
): StateCounts<keyof Names & string> {
  const states = STATES.map((state) => rows.find(({ label }) => label === state))
  const counts = Object.keys(names).map((name, index) => [name, states.map((row) => row?.counts[index] ?? 0)])
  return {
    counts: Object.fromEntries(counts),
    percentiles: rows.find(({ label }) => label === 'converted')?.numbers ?? [],
  }
}

function rowOf(
  item: string,
  counted: StateCounts<keyof typeof ITEM_COUNTS>,
  others: readonly number[],
  repeats: readonly number[],
  money: readonly Counted[],
  { of }: ConversionQuery,
  drill: Drill,
): ConversionRow {
  const { counts } = counted
  const paid = money.map(({ label, numbers: [value, , cost] }) => ({
    currency: label,
    value: value ?? null,
    cost: cost ?? null,
  }))
  const profile = profileOf(counted, repeats.slice(0, 3), paid)
  const without = outcomeOf(others)
  return {
    item: item === '' ? null : item,
    with: profile,
    without,
    lift: liftOf(profile, without),
    reaction: reactionOf(counts),
    position: {
      first: outcomeOf(counts.first),
      middle: outcomeOf(counts.middle),
      last: outcomeOf(counts.last),
      afterwards: outcomeOf(counts.afterwards),
    },
    lastTouch: repeatOf(repeats.slice(3)),
    chains: { ...drill, with: [of === 'touchpoint' ? item : `${of}=${item}`] },
  }
}

/** A touch goes on, or is the end of the path, or comes after it. */
function reactionOf({ wentOn, last, unanswered }: StateCounts<keyof typeof ITEM_COUNTS>['counts']) {
  const of = (counts: readonly number[], state: (typeof STATES)[number]) => counts[STATES.indexOf(state)] ?? 0
  const ended = (counts: readonly number[]) => addUp(counts) - of(counts, 'open')
  return {
    touches: ended(wentOn) + ended(last) + ended(unanswered),
    wentOn: ended(wentOn),
    bought: of(last, 'converted'),
    broke: of(last, 'broken'),
    ignored: of(last, 'ignored') + ended(unanswered),
    open: of(wentOn, 'open') + of(last, 'open') + of(unanswered, 'open'),
  }
}

function profileOf(
  { counts, percentiles }: StateCounts<keyof typeof TOTAL_COUNTS>,
  repeats: readonly number[],
  money: readonly { currency: string; value: number | null; cost: number | null }[],
): Profile {
  const outcome = outcomeOf(counts.with)
  const ended = outcome.chains - outcome.open
  const staff = addUp(counts.staff) - (counts.staff[STATES.indexOf('open')] ?? 0)
  const [touchesP50, touchesP95, timeP50, timeP95] = percentiles
  return {
    ...outcome,
    new: outcomeOf(less(counts.with, counts.returning)),
    returning: outcomeOf(counts.returning),
    money: money
      .map(({ currency, value, cost }) => {
        const paid = millionths(cost)
        return {
          currency: currency === '' ? null : currency,
          value: millionths(value),
          cost: paid,
          costPerSale: outcome.converted === 0 || paid === null ? null : paid / outcome.converted,
        }
      })
      .sort((a, b) => ((a.currency ?? '') < (b.currency ?? '') ? -1 : 1)),
    touchesBeforeSale: {
      mean: outcome.converted === 0 ? null : addUp(counts.saleTouches) / outcome.converted,
      p50: touchesP50 ?? null,
      p95: touchesP95 ?? null,
    },
    timeToSaleMs: { p50: timeP50 ?? null, p95: timeP95 ?? null },
    staffPerChain: ended === 0 ? null : staff / ended,
    repeat: repeatOf(repeats),
  }
}

/** Every chain has one first touch, so what is counted there is counted once; every cost is at one touch. */
function totalMoney(rows: readonly Counted[]) {
  return [...Map.groupBy(rows, ({ label }) => label)].map(([currency, members]) => ({
    currency,
    value: sumOf(members.map(({ numbers: [, first] }) => first ?? null)),
    cost: sumOf(members.map(({ numbers: [, , cost] }) => cost ?? null)),
  }))
}

/** Null where a part of it was too large for a number. */
function sumOf(values: readonly (number | null)[]): number | null {
  let sum = 0
  for (const value of values) {
    if (value === null) return null
    sum += value
  }
  return sum
}

/** Sums of decimals differ in their last digits with the order in which they were added. */
function millionths(value: number | null): number | null {
  if (value === null) return null
  const rounded = Math.round(value * 1e6) / 1e6
  return Number.isFinite(rounded) ? rounded : null
}

/** Counts in the order of STATES. */
function outcomeOf(counts: readonly number[]): Outcome {
  const of = (state: (typeof STATES)[number]) => counts[STATES.indexOf(state)] ?? 0
  const [converted, broken, ignored, open] = [of('converted'), of('broken'), of('ignored'), of('open')]
  const tried = converted + broken
  const interval = wilson(converted, tried)
  return {
    ...{ chains: tried + ignored + open, converted, broken, ignored, open },
    conversionRate: tried === 0 ? null : converted / tried,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  }
}

function liftOf(one: Outcome, other: Outcome): ConversionRow['lift'] {
  const interval = newcombe(one.converted, one.converted + one.broken, other.converted, other.converted + other.broken)
  const [rate, otherRate] = [one.conversionRate, other.conversionRate]
  return {
    difference: rate === null || otherRate === null ? null : rate - otherRate,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    ratio: rate === null || otherRate === null || otherRate === 0 ? null : rate / otherRate,
  }
}

function repeatOf([of = 0, cameAgain = 0, boughtAgain = 0]: readonly number[]): Profile['repeat'] {
  return {
    of,
    cameAgain,
    cameAgainRate: of === 0 ? null : cameAgain / of,
    boughtAgain,
    boughtAgainRate: of === 0 ? null : boughtAgain / of,
  }
}

function addUp(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function statesOf(outcome: Outcome): number[] {
  return STATES.map((state) => outcome[state])
}

function less(all: readonly number[], some: readonly number[]): number[] {
  return STATES.map((_, index) => (all[index] ?? 0) - (some[index] ?? 0))
}

function added(lists: readonly (readonly number[])[]): number[] {
  return STATES.map((_, index) => lists.reduce((sum, list) => sum + (list[index] ?? 0), 0))
}
