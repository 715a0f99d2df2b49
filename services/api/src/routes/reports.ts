import { type AnyOptions, type AskableQuestion, parseFormat, QUESTIONS, written } from '@weaklink/reports'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ask, askText, type Source } from '../ask.ts'
import { parametersOf, question } from '../parameters.ts'
import { reportSchema } from './description.ts'
import { EXAMPLES } from './examples.ts'

const format = z
  .enum(['json', 'csv', 'ndjson'])
  .optional()
  .describe('How the answer is written. CSV and NDJSON: flat rows; of chains, without a limit, all there are.')

const CONTENT_TYPES = { csv: 'text/csv; charset=utf-8', ndjson: 'application/x-ndjson; charset=utf-8' } as const

/** The reports of the command line, with its options as parameters. */
export function reportRoutes(server: FastifyInstance, source: Source): void {
  for (const one of QUESTIONS) {
    reportRoute(server, source, `/api/v1/reports/${one.name}`, one)
    if (one.name === 'chains') reportRoute(server, source, '/api/v1/chains', one)
  }
}

function reportRoute(server: FastifyInstance, source: Source, url: string, one: AskableQuestion): void {
  const { name, summary, description, shape } = one
  const parameters = z.object({ ...one.parameters.shape, format })
  const example = EXAMPLES[name]
  server.get(
    url,
    {
      schema: reportSchema(
        {
          tag: 'reports',
          summary,
          description: `${description} The same answer as \`weaklink report ${name} --json\`.`,
        },
        example === undefined ? shape : shape.meta({ examples: [example] }),
        { querystring: parameters, rows: true },
      ),
    },
    (request, reply) => {
      const { format: wanted = 'json', ...options } = parametersOf(parameters, request.query) as AnyOptions & {
        format?: string
      }
      const [how, prepared] = question(
        () => [parseFormat(wanted, ['json', 'csv', 'ndjson']), one.prepare(options)] as const,
      )
      if (how === 'json')
        return ask(source, request, reply, async (store) => (await prepared.answer(store, source.kept)).report)
      return askText(source, request, reply, CONTENT_TYPES[how], (store) => written(prepared.rows(store), how))
    },
  )
}
