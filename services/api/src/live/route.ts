import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { LIVE_ROUTE, type LiveMetrics } from '../metrics.ts'
import type { ApiLimits, ApiOptions } from '../options.ts'
import { badParameter, type Given, parametersOf } from '../parameters.ts'
import { errors } from '../routes/description.ts'
import { waitingRoute } from '../routes/waiting.ts'
import { Board } from './board.ts'
import { Breaks } from './breaks.ts'
import type { Wanted } from './client.ts'
import { type Cursor, parseCursor } from './cursor.ts'
import { EVENT_TYPES, type EventType, liveEventSchema } from './events.ts'
import { Feed } from './feed.ts'
import { eventOfRefused } from './records.ts'
import { Streams } from './streams.ts'

const parameters = z.object({
  types: z
    .string()
    .optional()
    .describe(`Only these, with commas: ${EVENT_TYPES.join(', ')}. Default: all.`)
    .meta({ examples: ['interaction,break'] }),
  customer: z.string().optional().describe('Only what is about this person, known or anonymous.'),
  touchpoint: z.string().optional().describe('Only what happened at this touchpoint; of a break, its place.'),
  lastEventId: z
    .string()
    .optional()
    .describe(
      'Goes on after this event, as the header `Last-Event-ID` does, which comes first. `start`: from the oldest record that the log holds.',
    ),
})

const DESCRIPTION = `
Server-sent events. The first one is \`ready\`. The \`id\` of an event says how far you have come: with the header
\`Last-Event-ID\` (or \`?lastEventId=\`) the stream goes on after it, and you get every interaction, link and rejected record
once, in the order of the log; \`gap\` says where the log no longer holds them. Without it you get what happens from now on.
\`waiting\` and what the collector rejected do not stand in the log: they carry no \`id\`, and are told to those who are
connected. So is \`break\` where the log has no topic for breaks; where it has, a \`break\` may come twice after a crash. A client that does not keep up is dropped, and goes on with its last id. \`?key=\` takes the key where a
header cannot be set, as in a browser's EventSource.`

/** What happens, as it happens, and who waits now. */
export function liveRoutes(
  server: FastifyInstance,
  options: ApiOptions,
  limits: ApiLimits,
  metrics: LiveMetrics,
): void {
  const feed = new Feed(options.log, server.log, limits.heartbeatMs)
  const streams = new Streams(feed, limits, metrics)
  const board = new Board(feed, options.store, server.log, limits.heartbeatMs)
  const breaks = new Breaks()
  const stopListening = [
    options.revised?.((row) => {
      if (!feed.readsBreaks) feed.tell(breaks.newIn(row, Date.now()))
    }),
    options.refused?.((rejections) => feed.tell(rejections.map(eventOfRefused))),
  ]
  server.addHook('preClose', async () => {
    for (const stop of stopListening) stop?.()
    await Promise.all([board.close(), feed.close()])
  })
  waitingRoute(server, board, streams)

  server.get(
    LIVE_ROUTE,
    {
      // A HEAD request would never come to its end.
      exposeHeadRoute: false,
      schema: {
        tags: ['live'],
        summary: 'What happens, as it happens: interactions, rejects, breaks, waiting calls',
        description: DESCRIPTION,
        security: [{ apiKey: [] }],
        querystring: parameters,
        headers: z.object({ 'last-event-id': z.string().optional().describe('Goes on after this event.') }),
        response: {
          200: { description: 'Events.', content: { 'text/event-stream': { schema: liveEventSchema } } },
          ...errors(400, 503),
        },
      },
    },
    async (request, reply) => {
      const given = parametersOf(parameters, request.query)
      const wanted = wantedOf(given)
      const cursor = cursorOf(request.headers['last-event-id'], given.lastEventId)
      await streams.answer(request, reply, wanted, (client) => feed.follow(client, cursor))
    },
  )
}

/** @throws Problem 400 */
function wantedOf({ types, customer, touchpoint }: Given<typeof parameters>): Wanted {
  const names = types?.split(',') ?? EVENT_TYPES
  for (const name of names) {
    if (!(EVENT_TYPES as readonly string[]).includes(name)) {
      throw badParameter('types', types ?? '', `one or more of ${EVENT_TYPES.join(', ')}, with commas`)
    }
  }
  return { types: new Set(names as EventType[]), customer: customer ?? null, touchpoint: touchpoint ?? null }
}

/** @throws Problem 400 */
function cursorOf(header: string | string[] | undefined, parameter: string | undefined): Cursor | null {
  const text = header === undefined || header === '' ? parameter : String(header)
  if (text === undefined || text === '') return null
  const cursor = parseCursor(text)
  if (cursor === null) {
    throw badParameter(
      text === parameter ? 'lastEventId' : 'Last-Event-ID',
      text,
      'the id of an event of this stream, or start',
    )
  }
  return cursor
}
