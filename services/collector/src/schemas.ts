import { interactionSchema, REJECTION_REASONS } from '@weaklink/interactions'
import * as z from 'zod'
import { CALLS, type Call } from './segment.ts'

/**
 * What /openapi.json says of the routes. Nothing is checked against it on the way: the collector names what is wrong
 * itself, one part of a request after the other.
 */

const EXAMPLE = {
  id: '4711-wait',
  customer: 'c-1001',
  touchpoint: 'call_wait',
  at: '2024-03-13T10:21:14+03:00',
  outcome: 'abandoned',
  episode: 'call-4711',
  waitMs: 42_000,
}

const counts = {
  accepted: z.int().min(0).describe('Taken in; of those that say something, durable.'),
  duplicates: z.int().min(0).describe('Repeats within the request: the same person and id.'),
  rejected: z.array(
    z.object({
      index: z.int().min(0).describe('Place in the request, from 0.'),
      id: z.string().nullable().describe('The id that it came with.'),
      reason: z.enum(Object.keys(REJECTION_REASONS) as [string, ...string[]]),
      field: z.string().describe('The field at fault, empty for the whole.'),
      expected: z.string(),
      got: z.string(),
    }),
  ),
}
const rejectedExample = {
  index: 1,
  id: null,
  reason: 'missing_field',
  field: 'touchpoint',
  expected: 'a touchpoint id',
  got: 'nothing',
}
const answer = z
  .object(counts)
  .describe('What became of each part of the request.')
  .meta({ examples: [{ accepted: 1, duplicates: 0, rejected: [rejectedExample] }] })
const segmentAnswer = z
  .object({ success: z.boolean(), ...counts })
  .describe('What Segment answers, and what became of each event.')
  .meta({ examples: [{ success: true, accepted: 1, duplicates: 0, rejected: [] }] })

const problem = (description: string) => ({
  description,
  content: {
    'application/problem+json': {
      schema: z.looseObject({ type: z.string(), title: z.string(), status: z.int(), detail: z.string() }),
    },
  },
})
const PROBLEMS = {
  400: problem('Nothing of the body could be read: it is broken, and where.'),
  401: problem('No write key, or one that is not known.'),
  403: problem('A key of another kind.'),
  413: problem('The body is larger than 500,000 bytes unpacked, or holds more than 1,000 parts.'),
  415: problem('The body is encoded or of a type that is not read here.'),
  429: problem('The key sends faster than it may; Retry-After says when to go on.'),
  503: problem('Nothing can be taken in now; Retry-After says when to try again.'),
}

const SECURITY = [{ writeKey: [] }]
const QUERY = z.object({
  dryRun: z.enum(['0', '1', 'false', 'true']).optional().describe('1: only checked, nothing is stored.'),
})

export const INTERACTIONS = {
  tags: ['ingest'],
  summary: 'Send interactions',
  description:
    'One interaction or an array of at most 1,000. What is right is taken in and durable when the answer comes; what is not is named. Plain, gzip or deflate.',
  security: SECURITY,
  querystring: QUERY,
  body: z.union([interactionSchema, z.array(interactionSchema).max(1_000)]).meta({ example: [EXAMPLE] }),
  response: { 200: answer.describe('A dry run: what would become of each part.'), 202: answer, ...PROBLEMS },
}

const segmentEvent = z
  .looseObject({
    type: z.enum(CALLS).optional(),
    event: z.string().optional(),
    name: z.string().optional(),
    userId: z.string().nullish(),
    anonymousId: z.string().nullish(),
    messageId: z.string().optional(),
    timestamp: z.string().optional(),
    properties: z.looseObject({}).nullish(),
    context: z.looseObject({}).nullish(),
  })
  .describe('An event of the Segment spec.')
  .meta({
    examples: [
      {
        type: 'track',
        event: 'Order Completed',
        userId: 'c-1001',
        messageId: 'm-1',
        timestamp: '2024-03-13T07:21:14Z',
        properties: { order_id: 'o-17', revenue: 49.9, currency: 'EUR' },
      },
    ],
  })

const SEGMENT = {
  tags: ['segment'],
  security: SECURITY,
  querystring: QUERY,
  response: { 200: segmentAnswer, ...PROBLEMS },
}

export const SEGMENT_BATCH = {
  ...SEGMENT,
  summary: 'Segment: several events',
  description: 'As Segment and RudderStack SDKs send them; the write key as user of Basic, or as writeKey in the body.',
  body: z.looseObject({
    batch: z.array(segmentEvent).max(1_000),
    sentAt: z.string().optional(),
    writeKey: z.string().optional(),
  }),
}

export function segmentCall(call: Call) {
  return { ...SEGMENT, summary: `Segment: ${call}`, body: segmentEvent }
}

const cloudEvent = z
  .looseObject({
    specversion: z.literal('1.0'),
    id: z.string(),
    source: z.string(),
    type: z.string(),
    time: z.string().optional(),
    subject: z.string().optional(),
    data: z.looseObject({}).optional(),
  })
  .describe('A CloudEvent whose data is an interaction; its id, time, subject and type complete it.')
  .meta({
    examples: [
      {
        specversion: '1.0',
        id: 'e-1',
        source: '/calls',
        type: 'call_wait',
        subject: 'c-1001',
        time: '2024-03-13T07:21:14Z',
        data: { outcome: 'abandoned', waitMs: 42_000 },
      },
    ],
  })

export const EVENTS = {
  tags: ['ingest'],
  summary: 'Send CloudEvents 1.0',
  description: 'Structured, batched, or binary: the attributes as ce-* headers and an interaction as the body.',
  security: SECURITY,
  querystring: QUERY,
  consumes: ['application/cloudevents+json', 'application/cloudevents-batch+json', 'application/json'],
  body: z.union([cloudEvent, z.array(cloudEvent).max(1_000)]),
  response: { 200: answer.describe('A dry run: what would become of each part.'), 202: answer, ...PROBLEMS },
}
