import { byColumns, type Rate, type Row } from '../question.ts'
import type { ConversionReport, ConversionRow, Outcome } from './shape.ts'

/**
 * One row for each touchpoint, channel or campaign of each group. Money is there where it is in one currency (`currency`);
 * where a row has several, its amounts are null, and the JSON has one of each.
 */
export function conversionRows({ groups, of }: ConversionReport): Row[] {
  return groups.flatMap(({ by, rows }) => rows.map((row) => ({ ...byColumns(by), of, item: row.item, ...flat(row) })))
}

/** The conversion rate of the chains with each item, and of all. */
export function conversionRates({ groups, of }: ConversionReport): Rate[] {
  const rate = (key: Row, { converted, broken }: Outcome): Rate => ({
    key,
    name: 'conversionRate',
    part: converted,
    of: converted + broken,
  })
  return groups.flatMap(({ by, totals, rows }) => [
    rate({ ...byColumns(by), [of]: '(all)' }, totals),
    ...rows.map((row) => rate({ ...byColumns(by), [of]: row.item }, row.with)),
  ])
}

function flat({ with: chains, without, lift, reaction, position, lastTouch }: ConversionRow): Row {
  const [money, ...more] = chains.money
  const single = more.length === 0 ? money : undefined
  return {
    ...outcome('with', chains),
    ...outcome('without', without),
    liftDifference: lift.difference,
    liftLow: lift.low,
    liftHigh: lift.high,
    liftRatio: lift.ratio,
    currency: single?.currency ?? null,
    value: single?.value ?? null,
    cost: single?.cost ?? null,
    costPerSale: single?.costPerSale ?? null,
    ...outcome('new', chains.new),
    ...outcome('returning', chains.returning),
    ...reaction,
    touchesBeforeSaleMean: chains.touchesBeforeSale.mean,
    touchesBeforeSaleP50: chains.touchesBeforeSale.p50,
    touchesBeforeSaleP95: chains.touchesBeforeSale.p95,
    timeToSaleP50Ms: chains.timeToSaleMs.p50,
    timeToSaleP95Ms: chains.timeToSaleMs.p95,
    staffPerChain: chains.staffPerChain,
    cameAgain: chains.repeat.cameAgain,
    boughtAgain: chains.repeat.boughtAgain,
    ...outcome('first', position.first),
    ...outcome('middle', position.middle),
    ...outcome('last', position.last),
    ...outcome('afterwards', position.afterwards),
    lastTouchSales: lastTouch.of,
    lastTouchCameAgain: lastTouch.cameAgain,
    lastTouchBoughtAgain: lastTouch.boughtAgain,
  }
}

/** `withChains`, `withConverted` … */
function outcome(prefix: string, of: Outcome): Row {
  return {
    [`${prefix}Chains`]: of.chains,
    [`${prefix}Converted`]: of.converted,
    [`${prefix}Broken`]: of.broken,
    [`${prefix}Ignored`]: of.ignored,
    [`${prefix}Open`]: of.open,
    [`${prefix}Rate`]: of.conversionRate,
    [`${prefix}Low`]: of.low,
    [`${prefix}High`]: of.high,
  }
}
