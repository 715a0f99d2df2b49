import { z } from 'zod'

const count = z.int().nonnegative()
const duration = z.int().nonnegative()

/** A touchpoint of the catalogue; what the catalogue does not say is absent. Durations are milliseconds. */
export const catalogueTouchpoint = z.object({
  id: z.string(),
  /** By language. */
  name: z.record(z.string(), z.string()).optional(),
  group: z.string().optional(),
  channel: z.string().optional(),
  by: z.enum(['customer', 'company']).optional(),
  step: z.number().optional(),
  stage: z.enum(['awareness', 'research', 'comparison', 'decision', 'purchase', 'post_purchase']).optional(),
  attention: z.enum(['short', 'long']).optional(),
  life: z.enum(['once', 'repeating']).optional(),
  outcome: z.enum(['continued', 'bought', 'refused', 'abandoned']).optional(),
  reaction: z.enum(['positive', 'neutral', 'negative']).optional(),
  result: z.boolean().optional(),
  patienceMs: duration.optional(),
  epilogueMs: duration.optional(),
  expectedWaitMs: duration.optional(),
  importance: z.int().optional(),
  owner: z.string().optional(),
  next: z.array(z.string()).optional(),
  /** Interactions there, epilogues included. */
  interactions: count,
})

export const touchpointsReport = z.object({
  /** Of the catalogue in force. */
  hash: z.string(),
  patienceMs: duration,
  epilogueMs: duration,
  /** By id. */
  touchpoints: z.array(catalogueTouchpoint),
  /** What interactions name and the catalogue lacks, the most frequent first. */
  uncatalogued: z.array(z.object({ touchpoint: z.string(), interactions: count })),
})

export type CatalogueTouchpoint = z.infer<typeof catalogueTouchpoint>
export type TouchpointsReport = z.infer<typeof touchpointsReport>
