import { type Store, StoreError } from '@weaklink/clickhouse'
import { QueryError } from '@weaklink/reports'
import { Problem } from '@weaklink/runtime'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { badParameter } from './parameters.ts'

/** Where answers come from, and how long one may take. */
export interface Source {
  readonly store: Store
  readonly queryMs: number
}

const RETRY_AFTER_SECONDS = 2

/**
 * Asks the store for the answer to a request. The query ends with the request: when its time is up, or when nobody
 * listens any more.
 *
 * @throws Problem 400 what cannot be met, 503 the store is away, 504 it takes too long
 */
export async function ask<T>(
  { store, queryMs }: Source,
  request: FastifyRequest,
  reply: FastifyReply,
  answer: (store: Store) => Promise<T>,
): Promise<T> {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const late = AbortSignal.timeout(queryMs)
  const signal = AbortSignal.any([gone.signal, late])
  try {
    return await answer({
      ...store,
      query: (sql, params, options) => store.query(sql, params, { ...options, signal }),
    })
  } catch (error) {
    if (error instanceof QueryError) throw badParameter(error.option, error.got, error.expected)
    if (!(error instanceof StoreError)) throw error
    if (!gone.signal.aborted) request.log.warn({ err: error }, 'the store gave no answer')
    throw problemOf(error, late.aborted, queryMs)
  }
}

function problemOf(error: StoreError, late: boolean, queryMs: number): Problem | StoreError {
  if (late || error.code === 'timeout') {
    return new Problem(
      504,
      `The answer takes longer than ${queryMs / 1_000} seconds. Ask for less (a shorter period with "from" and "to", fewer keys in "by"), or again when the server is less busy.`,
    )
  }
  if (error.retriable) {
    return new Problem(
      503,
      'The store of the chains does not answer at the moment. Nothing is lost: what arrives is kept. Ask again in a while.',
      { retryAfter: RETRY_AFTER_SECONDS },
    )
  }
  if (error.code === 'limit') {
    return new Problem(
      422,
      'The question needs more than the store allows for one. Ask for less: a shorter period with "from" and "to", fewer keys in "by".',
    )
  }
  // Nothing that who asks can do anything about: the log of the server says what.
  return error
}
