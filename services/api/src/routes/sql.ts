import { Readable } from 'node:stream'
import { ANALYST_VIEWS, type Store, StoreError } from '@weaklink/clickhouse'
import { askSql, parseFormat, SqlError, type SqlErrorKind, sqlText } from '@weaklink/reports'
import { Problem } from '@weaklink/runtime'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parametersOf, question } from '../parameters.ts'
import { errors, reportSchema } from './description.ts'

const parameters = z.object({
  format: z
    .enum(['json', 'csv', 'ndjson'])
    .optional()
    .describe('How the answer is written; json where nothing is said.'),
})
const body = z
  .object({ query: z.string() })
  .meta({ examples: [{ query: "SELECT place, count() AS chains FROM chains WHERE state = 'broken' GROUP BY place" }] })
const answerShape = z
  .object({
    columns: z.array(z.object({ name: z.string(), type: z.string().describe('As ClickHouse names it.') })),
    rows: z
      .array(z.record(z.string(), z.unknown()))
      .describe('By the names of the columns; whole numbers beyond 2^53 as texts.'),
  })
  .meta({
    examples: [
      {
        columns: [
          { name: 'place', type: 'String' },
          { name: 'chains', type: 'UInt64' },
        ],
        rows: [{ place: 'call_wait', chains: 12 }],
      },
    ],
  })

const STATUS: Readonly<Record<SqlErrorKind, number>> = { query: 400, forbidden: 403, limit: 422, timeout: 504 }
const CONTENT_TYPES = {
  json: 'application/json; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
} as const
const RETRY_AFTER_SECONDS = 2
/** Characters of an answer: more than the million rows that are allowed have where they are numbers. */
const HELD_BACK = 32_000_000
const NO_ANALYST =
  'SQL over HTTP needs the read-only account of the ClickHouse that CLICKHOUSE_URL names: make the user "analyst" as ' +
  'infra/clickhouse/users.d/weaklink.xml does, and give this process its password in CLICKHOUSE_ANALYST_PASSWORD.'

/**
 * Questions in SQL, asked as the account of analysts. The beginning of an answer is held back, so that a
 * query that comes to a limit has a status; the rest goes out as it comes, and what goes wrong then breaks the connection off.
 *
 * @param analyst null where there is no such account
 */
export function sqlRoute(server: FastifyInstance, analyst: Store | null, queryMs: number): void {
  const schema = reportSchema(
    {
      tag: 'reports',
      summary: 'Ask in SQL',
      description:
        `One SELECT over the views ${ANALYST_VIEWS.join(', ')}, as JSON (\`{"query": "…"}\`) or as plain text. Nothing can be ` +
        'changed, and ClickHouse limits what a query may take. The same answer as `weaklink sql --json`.',
    },
    answerShape,
    { querystring: parameters, rows: true },
  )
  server.post(
    '/api/v1/sql',
    { schema: { ...schema, body, response: { ...Object(schema.response), ...errors(501) } } },
    async (request, reply) => {
      const { format: wanted = 'json' } = parametersOf(parameters, request.query)
      const format = question(() => parseFormat(wanted, ['json', 'csv', 'ndjson']))
      const sql = queryOf(request.body)
      if (analyst === null) throw new Problem(501, NO_ANALYST)
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      const late = AbortSignal.timeout(queryMs)
      try {
        const answer = await askSql(analyst, sql, { signal: AbortSignal.any([gone.signal, late]) })
        const texts = sqlText(answer, format)
        // Until it is longer than this, what is wrong with it still has a status.
        const begun: string[] = []
        for (let length = 0; length < HELD_BACK; length += begun.at(-1)?.length ?? 0) {
          const { value, done } = await texts.next()
          if (done === true) break
          begun.push(value)
        }
        async function* all() {
          yield* begun.splice(0)
          for await (const text of texts) yield text
        }
        return reply.type(CONTENT_TYPES[format]).send(Readable.from(all(), { objectMode: false }))
      } catch (error) {
        throw problemOf(error, late.aborted, queryMs)
      }
    },
  )
}

function queryOf(given: unknown): string {
  if (typeof given === 'string') return given
  const { query, ...others } = Object(given) as { query?: unknown }
  if (typeof query === 'string' && Object.keys(others).length === 0) return query
  throw new Problem(
    400,
    'The body has to be {"query": "SELECT …"} as application/json, or the query itself as text/plain.',
  )
}

function problemOf(error: unknown, late: boolean, queryMs: number): unknown {
  if (late) {
    const detail = `The query takes longer than ${queryMs / 1_000} seconds and was ended. Ask for less: a shorter period, or a sum instead of its parts.`
    return new Problem(504, detail)
  }
  if (error instanceof SqlError) return new Problem(STATUS[error.kind], error.message)
  if (!(error instanceof StoreError && error.retriable)) return error
  return new Problem(
    503,
    'The store of the chains does not answer at the moment, or has too much to do. Ask again in a while.',
    {
      retryAfter: RETRY_AFTER_SECONDS,
    },
  )
}
