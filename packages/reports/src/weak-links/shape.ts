import { z } from 'zod'
import { selectionShape } from '../selection-shape.ts'

const count = z.int().nonnegative()
const day = z.iso.date()

const weakLink = z.object({
  /** One of the two is null. */
  touchpoint: z.string().nullable(),
  /** From one touchpoint directly to another one. */
  link: z.tuple([z.string(), z.string()]).nullable(),
  /** Key → value at the beginning of the chains, null where it is absent; empty: everybody. */
  segment: z.record(z.string(), z.string().nullable()),
  /** The days on which they came there for the last time, UTC; `to` is not included. */
  from: day,
  to: day,
  /** Between which days it began, and ended (`to`), with 95 %; null where it is told for all the time. */
  fromBetween: z.tuple([day, day]).nullable(),
  toBetween: z.tuple([day, day]).nullable(),
  /** It lasts to the end of what is settled. */
  ongoing: z.boolean(),
  /** Chains of the segment that came there in these days. */
  reached: count,
  /** Of them, those that were lost there: they broke, and never reached a touchpoint that is further. */
  lost: count,
  /** Of `lost`: what other findings account for. */
  explained: z.number(),
  /** lost = explained + expected + excess. */
  expected: z.number(),
  excess: z.number(),
  /** The 95 % interval of `excess`. */
  low: z.number(),
  high: z.number(),
  rate: z.number(),
  rateOtherwise: z.number(),
  /** Of `reached`, those that broke, wherever. */
  lostAtAll: count,
  rateAtAllOtherwise: z.number(),
  /** How much more the losses there move from day to day than by chance; 1: not at all. */
  dispersion: z.number(),
  /** Of this touchpoint or link and this segment, corrected for the periods that were tried. */
  pValue: z.number(),
  /** Corrected for everything that was tried. */
  qValue: z.number(),
  /** Options of the report `chains` that list the lost ones. */
  chains: z.object({
    state: z.literal('broken'),
    through: z.string(),
    throughFrom: day,
    throughTo: day,
    without: z.array(z.string()),
    where: z.array(z.string()),
    from: z.iso.datetime().optional(),
    to: z.iso.datetime().optional(),
  }),
})

export const weakLinksReport = z.object({
  ...selectionShape,
  /** Chains that started after this UTC day are left out: too many of them are still open. */
  settledThrough: z.iso.date().nullable(),
  /** chains = open + unsettled + ignored + converted + broken; looked at are the last two. */
  totals: z.object({
    chains: count,
    open: count,
    /** Closed, but started after `settledThrough`. */
    unsettled: count,
    ignored: count,
    converted: count,
    broken: count,
  }),
  /** What was looked at. */
  looked: z.object({
    from: day.nullable(),
    to: day.nullable(),
    /** So many days are counted as one. */
    daysAtOnce: count,
    touchpoints: count,
    links: count,
    segments: z.record(z.string(), z.array(z.string().nullable())),
    /** Touchpoints and links, times segments. */
    combinations: count,
    /** Combinations, times periods. */
    questions: count,
    fdr: z.number(),
    minChains: count,
  }),
  /** In a period more is lost than otherwise; first of all where it is surest that more chains are lost at all. */
  findings: z.array(weakLink),
  /** A segment loses more than the others all the time, in the same order. */
  standing: z.array(weakLink),
  method: z.array(z.string()),
})

export type WeakLink = z.infer<typeof weakLink>
export type WeakLinksReport = z.infer<typeof weakLinksReport>
