import { interactionSchema, OUTCOMES } from '@weaklink/interactions'
import { z } from 'zod'

/** The events of the live stream, as their `data` reads. Times are RFC 3339. */

const instant = z.iso.datetime()
const offset = z.int().nonnegative()
const person = { customer: z.string().nullable(), anonymousId: z.string().nullable() }

/** Where a record stands in the log, and when the log took it in. */
const coordinates = { partition: z.int().nonnegative(), offset, receivedAt: instant }

const interaction = z
  .object({ ...interactionSchema.shape, id: z.string(), at: instant, ...coordinates })
  .describe('An interaction as it stands in the log.')
  .meta({
    examples: [
      {
        id: '0190e5c2',
        customer: 'boris',
        touchpoint: 'call_wait',
        at: '2024-03-04T11:02:00.000Z',
        outcome: 'abandoned',
        waitMs: 95_000,
        partition: 0,
        offset: 41,
        receivedAt: '2024-03-04T11:02:01.120Z',
      },
    ],
  })

const link = z
  .object({
    state: z.enum(['linked', 'unlinked']),
    id: z.string().nullable(),
    anonymousId: z.string(),
    customer: z.string().nullable(),
    ...coordinates,
  })
  .describe('Somebody said that an anonymous person is a customer, or took it back.')

const rejected = z
  .object({
    by: z.enum(['collector', 'tracker']).describe('Who did not take it in: at the door, or out of the log.'),
    id: z.string().nullable(),
    reason: z.string(),
    field: z.string(),
    expected: z.string(),
    got: z.string(),
    value: z.string().describe('What came, as JSON where it was; cut where it is long.'),
    at: instant.describe('When it was rejected.'),
    partition: z.int().nullable().describe('Where the record stands in the log; null where it never came there.'),
    offset: offset.nullable(),
  })
  .describe('What was not taken in, and why.')
  .meta({
    examples: [
      {
        by: 'collector',
        id: 'e-7',
        reason: 'missing_field',
        field: 'touchpoint',
        expected: 'a touchpoint id',
        got: 'nothing',
        value: '{"id":"e-7","customer":"boris"}',
        at: '2024-03-04T11:02:01.120Z',
        partition: null,
        offset: null,
      },
    ],
  })

const broke = z
  .object({
    kind: z.enum(['customer', 'anonymous']),
    customer: z.string(),
    chain: z.string(),
    ordinal: z
      .int()
      .positive()
      .optional()
      .describe('Only where the tracker runs in the same process without a topic for breaks.'),
    place: z.string(),
    furthest: z.string(),
    reason: z.enum(['refused', 'abandoned', 'dissatisfied', 'silence']),
    episode: z.string().nullable(),
    startedAt: instant,
    lastAt: instant.describe('Instant of the place.'),
    closedAt: instant,
  })
  .describe('A chain that broke within the last hour.')

const call = z.object({
  ...person,
  episode: z.string(),
  queue: z.string().nullable(),
  touchpoint: z.string(),
  since: instant,
})

const waiting = z
  .discriminatedUnion('state', [
    z
      .object({ state: z.literal('now'), calls: z.array(call) })
      .describe('All calls that wait now: the first one of a connection, in the place of what was told before.'),
    call.extend({ state: z.literal('began') }),
    call
      .extend({
        state: z.literal('ended'),
        endedAt: instant.nullable(),
        endedBy: z
          .string()
          .nullable()
          .describe('The touchpoint that ended it; null where nothing was heard for an hour.'),
        outcome: z.enum(OUTCOMES).nullable().describe('As the producer said it; null where it did not.'),
        waitedMs: z.int().nonnegative().nullable(),
      })
      .describe('It waits no more.'),
  ])
  .describe(
    'Calls in a queue. `call_queue` begins a wait; its `call_wait` ends it, or whatever comes later in the call.',
  )

const gap = z
  .object({
    topic: z.string(),
    partition: z.int().nullable(),
    reason: z.enum(['no_longer_held', 'another_log']),
    from: offset.nullable(),
    to: offset.nullable(),
  })
  .describe('The log no longer holds what comes next for you; it goes on where it can.')

const ready = z.object({ resumed: z.boolean() }).describe('The first event: from its id on nothing is left out.')

/** What a client may ask for by `types`. */
export const EVENT_TYPES = ['interaction', 'rejected', 'break', 'waiting', 'link'] as const
export type EventType = (typeof EVENT_TYPES)[number]

const SHAPES = { interaction, link, rejected, break: broke, waiting, gap, ready } as const

type EventData = { readonly [T in keyof typeof SHAPES]: z.input<(typeof SHAPES)[T]> }
export type Call = z.infer<typeof call>

/** All that a client may get, as a client reads it. */
export const liveEventSchema = z.union(
  Object.entries(SHAPES).map(([event, data]) => z.object({ event: z.literal(event), id: z.string().optional(), data })),
)

/** An event for those who want it. */
export interface LiveEvent {
  readonly type: EventType
  /** The ids of whom it is about, known or anonymous. */
  readonly people: readonly string[]
  /** Null where it is about none. */
  readonly touchpoint: string | null
  readonly data: string
}

export function eventOf<T extends EventType>(
  type: T,
  people: readonly (string | null | undefined)[],
  touchpoint: string | null,
  data: EventData[T],
): LiveEvent {
  return { type, people: people.filter((id) => typeof id === 'string'), touchpoint, data: JSON.stringify(data) }
}

/** The text of an event on the wire. Without an `id` a client keeps the one it had. */
export function frame(type: keyof typeof SHAPES, data: string, id: string | null = null): string {
  return `event: ${type}\n${id === null ? '' : `id: ${id}\n`}data: ${data}\n\n`
}

/** The text of an event about the connection itself, which every client gets. */
export function notice<T extends 'ready' | 'gap' | 'waiting'>(type: T, data: EventData[T], id: string | null): string {
  return frame(type, JSON.stringify(data), id)
}

export function instantText(ms: number): string {
  return new Date(ms).toISOString()
}
