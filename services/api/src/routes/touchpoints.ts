import { touchpointsReport } from '@weaklink/reports'
import { touchpointsReport as touchpointsShape } from '@weaklink/reports/shapes'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ask, type Source } from '../ask.ts'
import { parametersOf } from '../parameters.ts'
import { reportSchema } from './description.ts'
import { TOUCHPOINTS } from './examples.ts'

const nothing = z.object({})

/** The touchpoints in force, and those that interactions name but the catalogue lacks. */
export function touchpointsRoute(server: FastifyInstance, source: Source): void {
  server.get(
    '/api/v1/touchpoints',
    {
      schema: reportSchema(
        {
          tag: 'touchpoints',
          summary: 'The touchpoints in force, and those that interactions name but the catalogue lacks',
          description: 'The same answer as `weaklink catalogue show --json`.',
        },
        touchpointsShape.meta({ examples: [TOUCHPOINTS] }),
      ),
    },
    (request, reply) => {
      parametersOf(nothing, request.query)
      return ask(source, request, reply, touchpointsReport)
    },
  )
}
