import { z } from 'zod'

const count = z.int().nonnegative()
const instant = z.iso.datetime()

export const chainSummary = z.object({
  id: z.string(),
  kind: z.enum(['customer', 'anonymous']),
  customer: z.string(),
  /** 1-based, among the chains of this customer. */
  ordinal: z.int().positive(),
  state: z.enum(['open', 'converted', 'broken', 'ignored']),
  reason: z.enum(['refused', 'abandoned', 'dissatisfied', 'silence']).nullable(),
  place: z.string(),
  furthest: z.string(),
  atRisk: z.boolean(),
  startedAt: instant,
  /** Instant of the place. */
  lastAt: instant,
  closedAt: instant.nullable(),
  /** Interactions, the epilogue apart. */
  touches: count,
  /** Distinct agents, the epilogue apart. */
  staff: count,
  /** The touchpoints in order, the epilogue apart; equal neighbours are one entry. */
  path: z.array(z.object({ touchpoint: z.string(), times: z.int().positive() })),
})

export const chainsReport = z.object({
  asOf: instant.nullable(),
  /** Newest start first. */
  chains: z.array(chainSummary),
  /** Pass it as `cursor` for the chains that follow; null where there are none. */
  next: z.string().nullable(),
})

export type ChainSummary = z.infer<typeof chainSummary>
export type ChainsReport = z.infer<typeof chainsReport>
