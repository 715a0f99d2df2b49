import { customerReport } from '@weaklink/reports'
import { customerReport as customerShape } from '@weaklink/reports/shapes'
import { Problem } from '@weaklink/runtime'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ask, type Source } from '../ask.ts'
import { parametersOf } from '../parameters.ts'
import { reportSchema } from './description.ts'
import { CUSTOMER } from './examples.ts'

const nothing = z.object({})
const id = z.object({
  id: z
    .string()
    .describe('URL-encoded; a known customer or an anonymous id.')
    .meta({ examples: ['user_0042'] }),
})

/** One customer, known or anonymous, with all chains. */
export function customerRoute(server: FastifyInstance, source: Source): void {
  server.get<{ Params: { '*': string } }>(
    // Not `:id`: the router gives up on a parameter of more than 100 characters, and ids have up to 256.
    '/api/v1/customers/*',
    {
      config: {
        swaggerTransform: (document) => jsonSchemaTransform({ ...document, url: '/api/v1/customers/:id' }),
      },
      schema: reportSchema(
        {
          tag: 'customers',
          summary: 'One customer: all chains with their interactions, and the break',
          description: 'The same answer as `weaklink chain CUSTOMER --json`.',
        },
        customerShape.meta({ examples: [CUSTOMER] }),
        { params: id, missing: true },
      ),
    },
    async (request, reply) => {
      parametersOf(nothing, request.query)
      const customer = request.params['*']
      const report = await ask(source, request, reply, (store) => customerReport(store, customer))
      if (report.people.length > 0) return report
      throw new Problem(404, `Nobody with the id ${JSON.stringify(customer)} is known here.`, { extra: { customer } })
    },
  )
}
