import { PROBLEM_JSON } from '@weaklink/runtime'
import type { FastifySchema } from 'fastify'
import { z } from 'zod'

/** An error as RFC 9457 has it. */
const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What was wrong with this request, and what would have been right.'),
  })
  .meta({
    examples: [
      {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        detail: 'The parameter "state" is "lost"; expected one of open, converted, broken, ignored.',
        parameter: 'state',
        value: 'lost',
        expected: 'one of open, converted, broken, ignored',
      },
    ],
  })

const ERRORS = {
  400: 'A parameter is unknown, or cannot be met; the answer names it.',
  401: 'No key came, or an unknown one.',
  403: 'The key that came is not for reading.',
  404: 'There is no such thing.',
  422: 'The question needs more than the store allows for one.',
  501: 'This server is not set up for it.',
  503: 'Not possible at the moment; `Retry-After` says when to try again.',
  504: 'The answer takes too long; ask for less.',
} as const

/** What a route may answer instead of what was asked for. */
export function errors(...statuses: readonly (keyof typeof ERRORS)[]) {
  return Object.fromEntries(
    ([401, 403, ...statuses] as const).map((status) => [
      status,
      { description: ERRORS[status], content: { [PROBLEM_JSON]: { schema: problem } } },
    ]),
  )
}

/** The description of a route that answers a report. */
export function reportSchema(
  described: { readonly tag: string; readonly summary: string; readonly description?: string },
  answer: z.ZodType,
  more: {
    readonly querystring?: z.ZodType
    readonly params?: z.ZodType
    readonly missing?: true
    readonly rows?: true
  } = {},
): FastifySchema {
  const { missing, rows, ...parameters } = more
  return {
    tags: [described.tag],
    summary: described.summary,
    ...(described.description === undefined ? {} : { description: described.description }),
    security: [{ apiKey: [] }],
    ...parameters,
    response: {
      200: {
        description: 'The answer.',
        content: {
          'application/json': { schema: answer },
          ...(rows === true
            ? { 'text/csv': { schema: z.string() }, 'application/x-ndjson': { schema: z.string() } }
            : {}),
        },
      },
      ...errors(400, ...(missing === true ? ([404] as const) : []), 422, 503, 504),
    },
  }
}
