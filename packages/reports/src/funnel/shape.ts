import { z } from 'zod'
import { chainSummary } from '../chains/shape.ts'

const count = z.int().nonnegative()
const instant = z.iso.datetime()
const duration = z.number().nonnegative()

/** A share of closed chains with its 95 % interval (Wilson); null of nothing. */
const rate = z.object({
  part: count,
  of: count,
  rate: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
})

export const funnelStep = z.object({
  /** 1-based. */
  step: z.int().positive(),
  /** As it was asked; in any order `2 of ad_view, site_visit, quote` are those that met any two. */
  text: z.string(),
  /** It may be missing: who did not meet it is found at the step before all the same. */
  optional: z.boolean(),
  /** reached = passed + converted + lost + ignored + open. */
  reached: count,
  /** Came to the next step that has to be met; 0 at the last. */
  passed: count,
  /** Of those that did not pass: converted all the same (at the last step: converted). */
  converted: count,
  /** Broken: the sum of `reasons`. */
  lost: count,
  reasons: z.object({ refused: count, abandoned: count, dissatisfied: count, silence: count }),
  /** Messages that nobody answered. */
  ignored: count,
  /** They may come further yet. */
  open: count,
  /** Of the closed ones that reached the first step: those that reached this one. */
  fromFirst: rate,
  /** Of the closed ones that reached the step before that has to be met; null at the first. */
  fromPrevious: rate.nullable(),
  /** Options which, added to this question, list these chains; other words for `reached` are the names of the counts. */
  chains: z.object({ group: z.array(z.string()).optional(), chains: z.string() }),
})

const percentile = duration.nullable()

export const funnelReport = z.object({
  /** The newest T: the instant that the answer is about. Null where no clock has ticked yet. */
  asOf: instant.nullable(),
  from: instant.nullable(),
  to: instant.nullable(),
  date: z.enum(['start', 'end']),
  order: z.enum(['steps', 'strict', 'any']),
  /** Milliseconds from the first step to the last, at most. */
  windowMs: z.int().positive().nullable(),
  /** What is counted in the steps. */
  count: z.enum(['chains', 'customers']),
  /** Whether open chains are among them, shown apart, or left out. */
  open: z.enum(['apart', 'out']),
  /** Of the selection, always chains: chains = open + converted + broken + ignored. */
  totals: z.object({ customers: count, chains: count, open: count, converted: count, broken: count, ignored: count }),
  /** Most chains at the first step first. Sums over the groups are the counts without `by`. */
  groups: z.array(
    z.object({
      by: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
      /** Selected chains of the group, whether they came to the first step or not. */
      chains: count,
      steps: z.array(funnelStep),
      /** From one step to another, of those who met both; null for a funnel of one step. Milliseconds. */
      time: z
        .object({
          from: z.int().positive(),
          to: z.int().positive(),
          count,
          min: percentile,
          p10: percentile,
          p25: percentile,
          p50: percentile,
          p75: percentile,
          p90: percentile,
          p95: percentile,
          max: percentile,
          histogram: z.array(z.object({ from: duration, to: duration.nullable(), count })),
        })
        .nullable(),
    }),
  ),
  /** With `chains`: the chains of one number, the newest start first. */
  list: z
    .object({
      step: z.int().positive(),
      text: z.string(),
      what: z.string(),
      /** All of them, not only those of this page. */
      count,
      chains: z.array(chainSummary),
      next: z.string().nullable(),
    })
    .nullable(),
})

export type FunnelStep = z.infer<typeof funnelStep>
export type FunnelReport = z.infer<typeof funnelReport>
