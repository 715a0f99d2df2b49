import { z } from 'zod'

const count = z.int().nonnegative()
const instant = z.iso.datetime()

export const breakpoint = z.object({
  touchpoint: z.string(),
  /** Interactions at this place, epilogues included. */
  interactions: count,
  /** Chains in which the place occurs, epilogues apart. */
  reached: count,
  passed: count,
  convertedHere: count,
  openHere: count,
  ignoredHere: count,
  broke: count,
  /** broke / (reached − openHere). */
  breakRate: z.number().nullable(),
  /** What would have broken here if all places of the group were equally weak. */
  expectedBroke: z.number(),
  excess: z.number(),
  /** broke / broken chains of the group. */
  shareOfBreaks: z.number().nullable(),
  /** Of `broke`: those whose customer came back. */
  returned: count,
  reasons: z.object({ refused: count, abandoned: count, dissatisfied: count, silence: count }),
  recovered: count,
  waitMs: z.object({ p50: count.nullable(), p95: count.nullable() }),
})

export const breakpointsReport = z.object({
  /** The newest T: the instant that the answer is about. Null where no clock has ticked yet. */
  asOf: instant.nullable(),
  /** When the aggregates that it was read from were made; null where the chains themselves were read. */
  refreshedAt: instant.nullable(),
  from: instant.nullable(),
  to: instant.nullable(),
  date: z.enum(['start', 'end']),
  at: z.enum(['place', 'furthest']),
  /** The group whose episodes take the part of the chains. */
  within: z.string().nullable(),
  /** Numbers about chains that started after this UTC day are provisional: too many of them are still open. */
  settledThrough: z.iso.date().nullable(),
  /** Customers whose chains still stand on an older catalogue than the one in force. */
  olderCatalogue: count,
  totals: z.object({
    customers: count,
    chains: count,
    open: count,
    atRisk: count,
    converted: count,
    reversed: count,
    complained: count,
    broken: count,
    ignored: count,
    returned: count,
    returnedAndBought: count,
  }),
  groups: z.array(
    z.object({
      by: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
      breakpoints: z.array(breakpoint),
    }),
  ),
})

export type Breakpoint = z.infer<typeof breakpoint>
export type BreakpointsReport = z.infer<typeof breakpointsReport>
