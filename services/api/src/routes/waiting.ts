import { isTouchpoint } from '@weaklink/interactions'
import { durationOf } from '@weaklink/reports'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Board } from '../live/board.ts'
import { waitingEvent, waitingNow } from '../live/board-shape.ts'
import type { BoardQuery } from '../live/board-stream.ts'
import { type Streams, whereReadable } from '../live/streams.ts'
import { LIVE_ROUTE } from '../metrics.ts'
import { badParameter, type Given, parametersOf } from '../parameters.ts'
import { errors } from './description.ts'

const DEFAULT_LIMIT = 100
const MOST_CALLS = 1_000
const EVENTS = 'text/event-stream'
const NOTHING = { types: new Set<never>(), customer: null, touchpoint: null }

const parameters = z.object({
  queue: z
    .array(z.string())
    .optional()
    .describe('Only these queues.')
    .meta({ examples: [['support']] }),
  touchpoint: z.string().optional().describe('Only calls that wait at this touchpoint.'),
  longerThan: z
    .string()
    .optional()
    .describe('Only who has waited for so long by now: 500ms, 20s, 3m, 1h.')
    .meta({ examples: ['30s'] }),
  limit: z
    .string()
    .optional()
    .describe(
      `At most so many calls, 1 to ${MOST_CALLS}; ${DEFAULT_LIMIT} where nothing is said. \`total\` counts all.`,
    ),
  stream: z.string().optional().describe('1: server-sent events, as with the header `Accept: text/event-stream`.'),
})

const DESCRIPTION = `
Who waits in a queue now, who has waited longest first, each with the chain so far: what they did before they called. A call
waits from its \`call_queue\` to its \`call_wait\`, or whatever comes later in the call; after an hour of silence it was
forgotten. The wait comes from the log: what the collector acknowledged before this was asked is in the answer, also right
after a restart. The chain comes from the store, some seconds old at most; where that is away, \`chain\` is null and
\`notice\` says so.

As server-sent events (\`Accept: text/event-stream\`, or \`?stream=1\`) every event is named \`waiting\`: first state \`now\`, all of
it as in the JSON answer; then each call that \`began\` or \`ended\`, once, as it happens, and \`now\` again every 15 seconds.
\`limit\` is for \`now\` alone. The stream has no ids: after a reconnect \`now\` comes first.`

const CALL = {
  id: '0190e5c2',
  customer: 'boris',
  anonymousId: null,
  episode: 'call-81',
  queue: 'support',
  touchpoint: 'call_queue',
  since: '2024-03-04T11:02:00.000Z',
}
const SECOND = { by: 'customer', outcome: 'continued', reaction: 'neutral' } as const
const NOW: z.infer<typeof waitingNow> = {
  asOf: '2024-03-04T11:03:35.000Z',
  total: 1,
  queues: [{ queue: 'support', waiting: 1, longestMs: 95_000, averageMs: 95_000 }],
  calls: [
    {
      ...CALL,
      waitedMs: 95_000,
      chain: {
        id: '5d1f0c8e',
        state: 'open',
        startedAt: '2024-03-04T10:58:12.000Z',
        interactions: [
          { touchpoint: 'ad_view', at: '2024-03-04T10:58:12.000Z', ...SECOND },
          { touchpoint: 'call_queue', at: '2024-03-04T11:02:00.000Z', ...SECOND },
        ],
        omitted: 0,
        atRisk: false,
        chainsBefore: 2,
        boughtBefore: true,
        value: [{ currency: 'EUR', value: 480 }],
      },
    },
  ],
  notice: null,
}

/** Who waits now. */
export function waitingRoute(server: FastifyInstance, board: Board, streams: Streams): void {
  server.get(
    `${LIVE_ROUTE}/waiting`,
    {
      // A HEAD request for a stream would never come to its end.
      exposeHeadRoute: false,
      schema: {
        tags: ['live'],
        summary: 'Who waits now, where, since when, and what they did before',
        description: DESCRIPTION,
        security: [{ apiKey: [] }],
        querystring: parameters,
        response: {
          200: {
            description: 'The answer, or events.',
            content: {
              'application/json': { schema: waitingNow.meta({ examples: [NOW] }) },
              [EVENTS]: { schema: waitingEvent },
            },
          },
          ...errors(400, 503),
        },
      },
    },
    async (request, reply) => {
      const given = parametersOf(parameters, request.query)
      const query = queryOf(given)
      if (!isStream(given.stream, request.headers.accept)) return await whereReadable(request, () => board.now(query))
      await streams.answer(request, reply, NOTHING, (client) => board.follow(client, query))
    },
  )
}

/** @throws Problem 400 */
function queryOf({ queue, touchpoint, longerThan, limit }: Given<typeof parameters>): BoardQuery {
  if (touchpoint !== undefined && !isTouchpoint(touchpoint)) {
    throw badParameter('touchpoint', touchpoint, 'the id of a touchpoint, as call_queue')
  }
  const longerThanMs = longerThan === undefined ? 0 : durationOf(longerThan)
  if (longerThanMs === null) throw badParameter('longerThan', longerThan ?? '', 'a duration as 500ms, 20s, 3m or 1h')
  const most = limit === undefined ? DEFAULT_LIMIT : /^\d{1,4}$/.test(limit) ? Number(limit) : 0
  if (most < 1 || most > MOST_CALLS) throw badParameter('limit', limit ?? '', `a whole number from 1 to ${MOST_CALLS}`)
  return {
    queues: queue === undefined ? null : new Set(queue),
    touchpoint: touchpoint ?? null,
    longerThanMs,
    limit: most,
  }
}

/** @throws Problem 400 */
function isStream(parameter: string | undefined, accept: string | undefined): boolean {
  if (parameter === undefined) return accept?.includes(EVENTS) ?? false
  if (parameter !== '1' && parameter !== '0') throw badParameter('stream', parameter, '1 or 0')
  return parameter === '1'
}
