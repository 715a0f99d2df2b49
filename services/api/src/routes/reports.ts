import { REASONS, STATES } from '@weaklink/chains'
import { breakpoints, breakpointsQuery, chainsQuery, chainsReport } from '@weaklink/reports'
import { breakpointsReport as breakpointsShape, chainsReport as chainsShape } from '@weaklink/reports/shapes'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ask, type Source } from '../ask.ts'
import { parametersOf, question } from '../parameters.ts'
import { reportSchema } from './description.ts'
import { BREAKPOINTS, CHAINS } from './examples.ts'

const selection = {
  from: z
    .string()
    .optional()
    .describe('A day (`2024-05-01`, its midnight in UTC) or an instant with its offset; included.'),
  to: z.string().optional().describe('Likewise; not included.'),
  date: z
    .enum(['start', 'end'])
    .optional()
    .describe('What the period is about: the start of a chain (default), or its end.'),
  where: z
    .array(z.string())
    .optional()
    .describe(
      'KEY=VALUE: only chains that begin with this value. Repeated: one key several times means any of these values, several keys have to fit all.',
    )
    .meta({ examples: [['channel=search', 'props.platform=mobile']] }),
}

const breakpointsParameters = z.object({
  ...selection,
  at: z
    .enum(['place', 'furthest'])
    .optional()
    .describe(
      'Where a chain that did not convert counts: where it broke (default), or at the furthest place that it came to.',
    ),
  within: z.string().optional().describe('The same over the episodes of a group of touchpoints, such as `phone`.'),
  by: z
    .array(z.string())
    .optional()
    .describe(
      'Splits by the value at the beginning of a chain: channel, campaign, returning, props.x … Repeated, or with commas.',
    )
    .meta({ examples: [['channel']] }),
})

const chainsParameters = z.object({
  ...selection,
  state: z.enum(STATES).optional(),
  reason: z.enum(REASONS).optional().describe('Why it broke.'),
  place: z.string().optional().describe('The touchpoint where chains are, or ended.'),
  customer: z.string().optional().describe('Whose: known or anonymous.'),
  limit: z.string().optional().describe('At most so many, 1 to 1000. Default: 50.'),
  cursor: z.string().optional().describe('`next` of the page before.'),
})

/** The reports of the command line, with its options as parameters. */
export function reportRoutes(server: FastifyInstance, source: Source): void {
  server.get(
    '/api/v1/reports/breakpoints',
    {
      schema: reportSchema(
        {
          tag: 'reports',
          summary: 'Where and why chains break, the weakest place first',
          description: 'The same answer as `weaklink report breakpoints --json`.',
        },
        breakpointsShape.meta({ examples: [BREAKPOINTS] }),
        { querystring: breakpointsParameters },
      ),
    },
    (request, reply) => {
      const query = question(() => breakpointsQuery(parametersOf(breakpointsParameters, request.query)))
      return ask(source, request, reply, (store) => breakpoints(store, query))
    },
  )
  for (const url of ['/api/v1/reports/chains', '/api/v1/chains']) {
    server.get(
      url,
      {
        schema: reportSchema(
          {
            tag: 'reports',
            summary: 'The chains themselves, the newest first',
            description: 'Page by page: pass `next` as `cursor`. The same answer as `weaklink report chains --json`.',
          },
          chainsShape.meta({ examples: [CHAINS] }),
          { querystring: chainsParameters },
        ),
      },
      (request, reply) => {
        const query = question(() => chainsQuery(parametersOf(chainsParameters, request.query)))
        return ask(source, request, reply, (store) => chainsReport(store, query))
      },
    )
  }
}
