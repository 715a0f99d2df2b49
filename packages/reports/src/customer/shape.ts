import { z } from 'zod'

const count = z.int().nonnegative()
const instant = z.iso.datetime()
const reason = z.enum(['refused', 'abandoned', 'dissatisfied', 'silence'])

export const customerInteraction = z.object({
  id: z.string(),
  touchpoint: z.string(),
  at: instant,
  by: z.enum(['customer', 'company']),
  outcome: z.enum(['continued', 'bought', 'refused', 'abandoned']),
  reaction: z.enum(['positive', 'neutral', 'negative']),
  /** It still belongs to the chain, after its end. */
  epilogue: z.boolean(),
  /** False for a result, which says what happened, not where. */
  place: z.boolean(),
  episode: z.string().nullable(),
  order: z.string().nullable(),
  waitMs: count.nullable(),
  durationMs: count.nullable(),
  value: z.number().nullable(),
  cost: z.number().nullable(),
  currency: z.string().nullable(),
  channel: z.string().nullable(),
  campaign: z.string().nullable(),
  queue: z.string().nullable(),
  agent: z.string().nullable(),
  props: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
})

export const customerChain = z.object({
  id: z.string(),
  ordinal: z.int().positive(),
  previous: z.string().nullable(),
  state: z.enum(['open', 'converted', 'broken', 'ignored']),
  reason: reason.nullable(),
  place: z.string(),
  /** 0-based, into `interactions`. */
  placeIndex: count,
  furthest: z.string(),
  startedAt: instant,
  /** Instant of the place. */
  lastAt: instant,
  closedAt: instant.nullable(),
  /** Of an open chain: until when silence is not yet a break. */
  deadline: instant.nullable(),
  atRisk: z.boolean(),
  reversed: z.boolean(),
  complained: z.boolean(),
  returned: z.boolean(),
  returnedAndBought: z.boolean(),
  recovered: z.array(z.string()),
  staff: count,
  brokenEpisode: z.string().nullable(),
  /** In order: the chain itself, then its epilogue. */
  interactions: z.array(customerInteraction),
  episodes: z.array(
    z.object({
      id: z.string(),
      group: z.string().nullable(),
      startedAt: instant,
      endedAt: instant,
      interactions: count,
      waitMs: count,
      broke: z.boolean(),
      brokeAt: z.string().nullable(),
    }),
  ),
})

export const customerReport = z.object({
  asOf: instant.nullable(),
  customer: z.string(),
  /** Whoever has this id: a known customer, somebody anonymous, both, or nobody; after somebody anonymous who is a customer, that customer. */
  people: z.array(
    z.object({
      kind: z.enum(['customer', 'anonymous']),
      customer: z.string(),
      /** Of somebody anonymous who turned out to be a customer: which one. Their chains stand there. */
      movedTo: z.string().nullable(),
      /** Of a customer: the anonymous ids under which they were seen as well. */
      anonymousIds: z.array(z.string()),
      chains: z.array(customerChain),
    }),
  ),
})

export type CustomerInteraction = z.infer<typeof customerInteraction>
export type CustomerChain = z.infer<typeof customerChain>
export type CustomerReport = z.infer<typeof customerReport>
