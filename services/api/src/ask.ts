import { Readable } from 'node:stream'
import { type Store, StoreError } from '@weaklink/clickhouse'
import { type Kept, QueryError } from '@weaklink/reports'
import { Problem } from '@weaklink/runtime'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { badParameter } from './parameters.ts'

/** Where answers come from, and how long one may take. */
export interface Source {
  readonly store: Store
  /** From one answer to the next. */
  readonly kept: Kept
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
  source: Source,
  request: FastifyRequest,
  reply: FastifyReply,
  answer: (store: Store) => Promise<T>,
): Promise<T> {
  const { store, translated } = listening(source, request, reply)
  return await translated(() => answer(store))
}

/**
 * Like `ask`, for an answer that is written as it comes: the time is up when nothing of it came. What goes wrong after its
 * beginning breaks the connection off, so that half an answer never looks like a whole one.
 */
export async function askText(
  source: Source,
  request: FastifyRequest,
  reply: FastifyReply,
  contentType: string,
  answer: (store: Store) => AsyncIterator<string>,
): Promise<FastifyReply> {
  const { store, translated, begun } = listening(source, request, reply)
  const texts = answer(store)
  const first = await translated(() => texts.next())
  begun()
  async function* all() {
    for (let next = first; next.done !== true; next = await texts.next()) yield next.value
  }
  return reply.type(contentType).send(Readable.from(all(), { objectMode: false }))
}

/** The store, for what is asked on behalf of several requests: each query has as long as a request has. */
export function timeLimited(store: Store, queryMs: number): Store {
  return {
    ...store,
    query: (sql, params, options) => store.query(sql, params, { ...options, signal: AbortSignal.timeout(queryMs) }),
  }
}

/** The store, for as long as somebody listens and the time is not up. */
function listening({ store, queryMs }: Source, request: FastifyRequest, reply: FastifyReply) {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), queryMs)
  const begun = () => clearTimeout(timer)
  reply.raw.once('close', begun)
  const signal = AbortSignal.any([gone.signal, late.signal])
  const translated = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (error instanceof QueryError) throw badParameter(error.option, error.got, error.expected)
      if (!(error instanceof StoreError)) throw error
      if (!gone.signal.aborted) request.log.warn({ err: error }, 'the store gave no answer')
      throw problemOf(error, late.signal.aborted, queryMs)
    }
  }
  return {
    store: {
      ...store,
      query: (sql, params, options) => store.query(sql, params, { ...options, signal }),
      stream: (sql, params, options) => store.stream(sql, params, { ...options, signal }),
    } satisfies Store,
    translated,
    begun,
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
