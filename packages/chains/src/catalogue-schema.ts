import { ACTORS, isTouchpoint, OUTCOMES, REACTIONS } from '@weaklink/interactions'
import { z } from 'zod'
import { type Catalogue, catalogueOf, STAGES, type Touchpoint } from './catalogue.ts'

/**
 * The shape of `touchpoints.yaml`. The `error` of each schema is what was expected there; `parseCatalogue` adds where
 * and what was found instead.
 */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION = /^(\d+)(ms|s|m|h|d)$/
const LANGUAGE = /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/

/** So that no deadline leaves the years that the store can hold. */
const LONGEST_DAYS = 3650

const DEFAULT_PATIENCE = '30d'
const DEFAULT_EPILOGUE = '5m'

const duration = z
  .string({ error: 'a duration like 500ms 20s 3m 24h 7d' })
  .regex(DURATION, { error: 'a duration like 500ms 20s 3m 24h 7d', abort: true })
  .refine((text) => msOf(text) <= LONGEST_DAYS * 86_400_000, { error: `a duration of at most ${LONGEST_DAYS}d` })

const text = (error: string) => z.string({ error }).min(1, { error }).max(256, { error })

const touchpointId = (error: string) => z.string({ error }).refine(isTouchpoint, { error })

const oneOf = <const T extends readonly string[]>(values: T) => z.enum(values, { error: `one of ${values.join(', ')}` })

const name = z.union([text('a name'), z.record(z.string().regex(LANGUAGE), text('a name'))], {
  error: 'a name, or a map of languages to names like { en: Waiting, es: Espera }',
})

const touchpointSchema = z.strictObject(
  {
    id: touchpointId(
      'a touchpoint id: lower case letters and digits of any script, after the first also _ . - and at most 64 characters',
    ),
    name: name.optional().describe('For readers: one name, or a name for each language.'),
    group: text('the name of a kind of episode').optional().describe('The kind of episode that it belongs to.'),
    channel: text('a channel').optional(),
    by: oneOf(ACTORS).optional().describe('Who acts here. Default: customer.'),
    step: z.number({ error: 'a number' }).optional().describe('How far toward the purchase; orders "furthest".'),
    stage: oneOf(STAGES).optional(),
    attention: oneOf(['short', 'long']).optional(),
    life: oneOf(['once', 'repeating']).optional(),
    outcome: oneOf(OUTCOMES).optional().describe('Outcome where the interaction has none. Default: continued.'),
    reaction: oneOf(REACTIONS).optional().describe('Reaction where the interaction has none.'),
    result: z.boolean({ error: 'true or false' }).optional().describe('Not a place: it only says what happened.'),
    patience: duration.optional().describe('How long after it silence is not yet a break.'),
    epilogue: duration.optional().describe('Where it ends a chain: how long what follows still belongs to that chain.'),
    expectedWait: duration.optional().describe('Service-level threshold of waitMs.'),
    importance: z
      .int({ error: 'a whole number from 1 to 5' })
      .min(1, { error: 'a whole number from 1 to 5' })
      .max(5, { error: 'a whole number from 1 to 5' })
      .optional(),
    owner: text('the name of an owner').optional(),
    next: z
      .array(touchpointId('the id of a touchpoint'), { error: 'a list of touchpoint ids' })
      .optional()
      .describe('What should follow.'),
  },
  { error: 'a map of keys such as id, name, patience' },
)

const defaultsSchema = z.strictObject(
  {
    patience: duration.optional().describe(`Default: ${DEFAULT_PATIENCE}.`),
    epilogue: duration.optional().describe(`Default: ${DEFAULT_EPILOGUE}.`),
  },
  { error: 'a map with patience, epilogue' },
)

export const catalogueSchema = z.strictObject(
  {
    defaults: defaultsSchema.optional(),
    touchpoints: z.array(touchpointSchema, { error: 'a list of touchpoints' }),
  },
  { error: 'a map with touchpoints and, optionally, defaults' },
)

/** A catalogue in the shape of its file. */
export type CatalogueFile = z.infer<typeof catalogueSchema>

type TouchpointEntry = CatalogueFile['touchpoints'][number]

/** JSON Schema (2020-12) of `touchpoints.yaml`, for editors. */
export function catalogueJsonSchema(): object {
  return { title: 'Weaklink touchpoints.yaml', ...z.toJSONSchema(catalogueSchema) }
}

/** The catalogue of a valid file: durations in milliseconds, one name as a name in English. */
export function catalogueOfFile(file: CatalogueFile): Catalogue {
  return catalogueOf({
    patienceMs: msOf(file.defaults?.patience ?? DEFAULT_PATIENCE),
    epilogueMs: msOf(file.defaults?.epilogue ?? DEFAULT_EPILOGUE),
    touchpoints: file.touchpoints.map(touchpointOf),
  })
}

function touchpointOf(entry: TouchpointEntry): Touchpoint {
  const { name, patience, epilogue, expectedWait, ...same } = entry
  return {
    ...(withoutUndefined(same) as Pick<Touchpoint, 'id'>),
    ...(name === undefined ? {} : { name: typeof name === 'string' ? { en: name } : name }),
    ...(patience === undefined ? {} : { patienceMs: msOf(patience) }),
    ...(epilogue === undefined ? {} : { epilogueMs: msOf(epilogue) }),
    ...(expectedWait === undefined ? {} : { expectedWaitMs: msOf(expectedWait) }),
  }
}

function withoutUndefined(map: object): object {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined))
}

function msOf(duration: string): number {
  const [, count, unit] = DURATION.exec(duration) ?? []
  return Number(count) * UNIT_MS[unit ?? '']!
}
