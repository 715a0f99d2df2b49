import { END_OF_TIME, FIRST_INSTANT, type Person, type RawRecord } from '@weaklink/interactions'
import { z } from 'zod'
import type { BreakChange } from './breaks.ts'
import { REASONS } from './model.ts'

/**
 * What became of a break, as the topic `weaklink.breaks` tells it to other systems: a CloudEvent in binary mode, whose data
 * is the value. Of each chain the event with the highest version counts.
 */

const instant = z.string().meta({ format: 'date-time' })
const chain = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .describe('The id of the chain.')

/** The break that the event is about: of `healed` and `retracted` the one that is no more. */
const told = {
  event: z
    .string()
    .describe('Id of the event, `chain@version`. After a crash an event may come again, with the same id and content.'),
  chain,
  version: z
    .int()
    .nonnegative()
    .describe("Of each chain the highest counts. The customer's row in ClickHouse has this version or a higher one."),
  customer: z.string().optional().describe('Whose chain it is; `anonymousId` where nobody knows yet who that is.'),
  anonymousId: z.string().optional(),
  place: z.string().describe('The touchpoint at which the chain broke.'),
  reason: z.enum(REASONS),
  startedAt: instant.describe('The first interaction of the chain.'),
  lastAt: instant.describe('The interaction at the place.'),
  brokeAt: instant.describe('The refusal; or the deadline, after which silence was a break.'),
  recordedAt: instant.describe(
    'When the log took the record in that this follows from: long after brokeAt, it is history.',
  ),
  tick: instant.nullable().describe('T: how late it was, as far as the log says.'),
  catalogue: z.string().describe('Hash of the catalogue that says so.'),
}

/** Of a break that stands. */
const standing = {
  furthest: z.string().describe('The touchpoint with the highest step that the chain came to.'),
  episode: z.string().nullable().describe('The call or session that the place belongs to.'),
  interactions: z.int().positive().describe('How many the chain has, its epilogue included.'),
}

/** Of `changed`: what was told before. */
const before = z.object({
  place: z.string(),
  reason: z.enum(REASONS),
  episode: z.string().nullable(),
  lastAt: instant,
  brokeAt: instant,
})

const title = 'What became of a break'
const owner = { anyOf: [{ required: ['customer'] }, { required: ['anonymousId'] }] }

export const breakEventSchema = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('broke'), ...told, ...standing }).describe('A chain broke.'),
    z
      .object({ type: z.literal('changed'), ...told, ...standing, before })
      .describe('A broken chain is broken elsewhere, otherwise or at another time than was told.'),
    z
      .object({
        type: z.literal('healed'),
        ...told,
        state: z.enum(['open', 'converted', 'ignored']).describe('What the chain is now.'),
      })
      .describe('A chain that was broken is not: it went on, or what came late shows that it never was.'),
    z
      .object({
        type: z.literal('retracted'),
        ...told,
        replacement: chain
          .nullable()
          .describe(
            'The chain that the first interaction of this one is in now; null where this person has none such.',
          ),
        movedTo: z
          .string()
          .nullable()
          .describe('The customer whom this anonymous person turned out to be: what broke is told again there.'),
      })
      .describe('There is no chain with this id any more.'),
  ])
  .meta({ title, ...owner })

export type BreakEvent = z.infer<typeof breakEventSchema>

/** A change, and the record of the log that made it. */
export interface BreakNews {
  readonly change: BreakChange
  /** Of the record. */
  readonly version: number
  /** When the log took the record in, epoch milliseconds. */
  readonly recordedAt: number
  /** T, epoch milliseconds. */
  readonly tick: number | null
  /** Hash of the catalogue. */
  readonly catalogue: string
  /** The customer who this anonymous person is now. */
  readonly movedTo: string | null
}

/** JSON Schema (2020-12) of what the topic carries. */
export function breakJsonSchema(): object {
  return z.toJSONSchema(breakEventSchema, { io: 'input' })
}

/** The event that tells a change. */
export function breakEventOf({ kind, customer }: Person, news: BreakNews): BreakEvent {
  const { change, version, recordedAt, tick, catalogue, movedTo } = news
  const about = change.type === 'broke' || change.type === 'changed' ? change.now : change.was
  const common = {
    event: `${change.chain}@${version}`,
    chain: change.chain,
    version,
    ...(kind === 'customer' ? { customer } : { anonymousId: customer }),
    place: about.place,
    reason: about.reason,
    startedAt: textOf(about.startedAt),
    lastAt: textOf(about.lastAt),
    brokeAt: textOf(about.brokeAt),
    // A topic that takes the time of its producers may say anything.
    recordedAt: textOf(Math.min(Math.max(recordedAt, FIRST_INSTANT), END_OF_TIME)),
    tick: tick === null ? null : textOf(tick),
    catalogue,
  }
  switch (change.type) {
    case 'broke':
    case 'changed': {
      const { furthest, episode, interactions } = change.now
      const stands = { ...common, furthest, episode, interactions }
      if (change.type === 'broke') return { type: 'broke', ...stands }
      const { place, reason, lastAt, brokeAt } = change.was
      const was = { place, reason, episode: change.was.episode, lastAt: textOf(lastAt), brokeAt: textOf(brokeAt) }
      return { type: 'changed', ...stands, before: was }
    }
    case 'healed':
      return { type: 'healed', ...common, state: change.state }
    case 'retracted':
      return { type: 'retracted', ...common, replacement: change.replacement, movedTo }
  }
}

/** The event as the topic carries it, keyed by its person. */
export function encodeBreak(event: BreakEvent): RawRecord & { readonly key: Uint8Array } {
  return {
    key: Buffer.from(event.customer ?? event.anonymousId ?? ''),
    value: Buffer.from(JSON.stringify(event)),
    headers: {
      ce_specversion: '1.0',
      ce_id: event.event,
      ce_type: `weaklink.chain.${event.type}`,
      ce_source: 'weaklink',
      ce_time: event.recordedAt,
      ce_subject: event.chain,
      'content-type': 'application/json',
    },
  }
}

/** The event of a record of the topic, null where it is none (of this version of Weaklink). */
export function decodeBreak(value: Uint8Array): BreakEvent | null {
  try {
    return breakEventSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')))
  } catch {
    return null
  }
}

function textOf(instantMs: number): string {
  return new Date(instantMs).toISOString()
}
