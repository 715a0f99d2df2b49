import { z } from 'zod'

/** The part of an answer that says what it is about. */
export const selectionShape = {
  /** The newest T: the instant that the answer is about. Null where no clock has ticked yet. */
  asOf: z.iso.datetime().nullable(),
  from: z.iso.datetime().nullable(),
  to: z.iso.datetime().nullable(),
  date: z.enum(['start', 'end']),
}

/** One group of an answer that `--by` splits: key → value, null where it is absent; empty where nothing splits. */
export const groupShape = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))

/** What an interaction may carry that chains are told apart by. */
export const OF = ['touchpoint', 'channel', 'campaign'] as const
export type Of = (typeof OF)[number]
