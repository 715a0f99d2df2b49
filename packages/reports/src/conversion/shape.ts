import { z } from 'zod'
import { drillShape } from '../paths/shape.ts'
import { groupShape, selectionShape } from '../selection-shape.ts'

const count = z.int().nonnegative()
const rate = z.number().nullable()

/**
 * chains = converted + broken + ignored + open. conversionRate = converted / (converted + broken), with its 95 % interval
 * (Wilson), null of nothing: open chains may still do either, ignored ones are messages that nobody answered.
 */
export const outcomeShape = z.object({
  chains: count,
  converted: count,
  broken: count,
  ignored: count,
  open: count,
  conversionRate: rate,
  low: rate,
  high: rate,
})

/** How many of `of` converted chains; the rate is null of nothing. */
const repeatShape = z.object({
  of: count,
  /** Their customer has a later chain with an act of theirs. */
  cameAgain: count,
  cameAgainRate: rate,
  /** One of those later chains converted. */
  boughtAgain: count,
  boughtAgainRate: rate,
})

const percentile = z.number().nonnegative().nullable()

/** A set of chains. Nearest-rank percentiles; null of nothing. */
const profile = {
  ...outcomeShape.shape,
  /** By whether the customer had a chain before (`returning` of --by). Their chains sum to `chains`. */
  new: outcomeShape,
  returning: outcomeShape,
  /**
   * One for each currency, by name; null for amounts without one. `value`: of the sales of converted chains, those taken back
   * count 0. `cost`: of the touches in ended chains. `costPerSale`: cost / converted. Value
   * and cost are rounded to a millionth.
   */
  money: z.array(z.object({ currency: z.string().nullable(), value: rate, cost: rate, costPerSale: rate })),
  /** Of converted chains: places before the sale. */
  touchesBeforeSale: z.object({ mean: percentile, p50: percentile, p95: percentile }),
  /** Of converted chains: from the first interaction to the sale. */
  timeToSaleMs: z.object({ p50: percentile, p95: percentile }),
  /** Of ended chains, mean of the distinct agents. */
  staffPerChain: percentile,
  /** Of converted chains. */
  repeat: repeatShape,
}

export const conversionRow = z.object({
  /** The touchpoint, channel or campaign; null for touches that have none. */
  item: z.string().nullable(),
  /** The chains that have a touch of it. */
  with: z.object(profile),
  /** All others of the group: with + without = totals. */
  without: outcomeShape,
  lift: z.object({
    /** The one rate less the other, with its 95 % interval (Newcombe). Not a cause: who meets it may be others. */
    difference: rate,
    low: rate,
    high: rate,
    /** The one rate by the other. */
    ratio: rate,
  }),
  /** What directly followed its touches in ended chains; they sum to `touches`. `open`: touches in open chains, apart. */
  reaction: z.object({
    touches: count,
    /** The path went on. */
    wentOn: count,
    /** The chain converted there. */
    bought: count,
    /** The chain broke there: `broke` of the report breakpoints. */
    broke: count,
    /** A message that nobody answered. */
    ignored: count,
    open: count,
  }),
  /**
   * Where in the path the touch was. A touch alone is first and last; a chain with several touches may count in several.
   * `afterwards`: chains that have it only after their place. Over all rows `first` sums to the totals, and so does `last`.
   */
  position: z.object({ first: outcomeShape, middle: outcomeShape, last: outcomeShape, afterwards: outcomeShape }),
  /** Converted chains whose last touch before the sale it is. Over all rows `of` sums to the sales. */
  lastTouch: repeatShape,
  /** Those of `with`. */
  chains: drillShape,
})

export const conversionReport = z.object({
  ...selectionShape,
  of: z.enum(['touchpoint', 'channel', 'campaign']),
  totals: outcomeShape,
  /** Most chains first. */
  groups: z.array(
    z.object({
      by: groupShape,
      totals: z.object(profile),
      /** Most chains first, then by name. */
      rows: z.array(conversionRow),
    }),
  ),
})

export type Outcome = z.infer<typeof outcomeShape>
export type ConversionRow = z.infer<typeof conversionRow>
export type ConversionReport = z.infer<typeof conversionReport>
