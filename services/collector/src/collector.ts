import { type EventLog, LogError } from '@weaklink/event-log'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { checkKey, type KeyRing, keyIn, Problem } from '@weaklink/runtime'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import type { Registry } from 'prom-client'
import { parseJson, Room, readBody } from './body.ts'
import { binaryEvent, modeOf, takeCloudEvent } from './cloudevents.ts'
import { allowBrowsers, preflight } from './cors.ts'
import { Intake, type IntakeSettings } from './intake.ts'
import { BytesInFlight, type CollectorLimits, DEFAULT_LIMITS, RateLimit } from './limits.ts'
import { createMetrics, type Format } from './metrics.ts'
import type { RefusedInput } from './refusal.ts'
import { type Element, scanArray } from './scan.ts'
import { EVENTS, INTERACTIONS, SEGMENT_BATCH, segmentCall } from './schemas.ts'
import { CALLS, type Call, takeSegmentEvent } from './segment.ts'

export interface CollectorOptions {
  /** Holds the topic of interactions. */
  readonly log: EventLog
  /** Every route needs a `write` key. */
  readonly keys: KeyRing
  readonly registry: Registry
  /** Why nothing may be taken in now, null where it may: producers are told to come again. */
  readonly overloaded?: () => string | null
  readonly limits?: Partial<CollectorLimits>
  /** Epoch milliseconds: what the times of interactions are held against. */
  readonly now?: () => number
  /** Told what a request brought that was not taken in, for people who watch; never an empty list. */
  readonly onRejected?: (rejections: RefusedInput[]) => void
}

const RETRY_AFTER_S = 1

/** The short names that Segment's library for browsers uses. */
const SHORT: Readonly<Record<Call, string>> = {
  track: 't',
  page: 'p',
  screen: 's',
  identify: 'i',
  alias: 'a',
  group: 'g',
}
/** Segment's own, and where RudderStack's library for browsers sends what is left when a page is closed. */
const BATCH_PATHS = ['/v1/batch', '/v1/b', '/v1/import', '/beacon/v1/batch']

/** What a request asks for beside its body: which route, and how its parts are read. */
interface Reader {
  readonly format: Format
  /** What a body says, where that is not `parseJson`. */
  parse?(bytes: Buffer, receivedAt: number): unknown
  /** How many parts the body has, and how each is taken in. */
  read(body: unknown, request: FastifyRequest): { readonly count: number; take(intake: Intake): void }
}

/**
 * The routes that take interactions in. An answer goes out when everything that it calls accepted is durable in the
 * log; what is wrong is named, part by part. When the server closes, what was already read is still stored and answered.
 */
export function collector(options: CollectorOptions): FastifyPluginAsync {
  return async (server) => {
    const { log, keys, overloaded = () => null, now = Date.now, onRejected } = options
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const flight = new BytesInFlight(limits.bytesInFlight)
    const rate = new RateLimit(limits.interactionsPerSecond, now)
    const metrics = createMetrics(options.registry, flight)
    let settings: IntakeSettings | null = null
    /** Asked when the first request comes, not before: the log may be away when the server begins to listen. */
    const settingsOf = async (): Promise<IntakeSettings> => {
      const { partitions } = await log.describe(INTERACTIONS_TOPIC)
      return { partitions, interactionBytes: limits.interactionBytes, watched: onRejected !== undefined }
    }
    const storing = new Storing()

    /** Before the body is read. */
    const admit = (request: FastifyRequest, reply: FastifyReply, key: string | null) => {
      checkKey(keys, 'write', key, reply)
      const why = overloaded()
      if (why !== null) throw new Problem(503, why, { retryAfter: RETRY_AFTER_S })
      rate.check(key as string)
      request.writeKey = key
    }

    const take = async (request: FastifyRequest, reply: FastifyReply, { format, parse = parseJson, read }: Reader) => {
      const room = new Room(flight)
      const receivedAt = now()
      try {
        const bytes = await readBody(request.raw, limits.bodyBytes, room)
        if (bytes.length === 0 && format !== 'cloudevents') throw new Problem(400, 'The body is empty; expected JSON.')
        const body = bytes.length === 0 ? undefined : parse(bytes, receivedAt)
        // Segment's libraries for browsers say their key there.
        if (request.writeKey === null) admit(request, reply, keyInBody(body))
        const { count, take: takeParts } = read(body, request)
        if (count > limits.interactionsPerRequest) {
          const limit = limits.interactionsPerRequest
          throw new Problem(413, `The request holds ${count} parts; expected at most ${limit}.`, { extra: { limit } })
        }
        rate.take(request.writeKey as string, count)
        settings ??= await written(settingsOf())
        const intake = new Intake(receivedAt, settings)
        takeParts(intake)
        const dryRun = isDryRun(request)
        if (!dryRun) {
          storing.begin(reply)
          await written(intake.store(log))
          metrics.counted(format, intake)
          if (intake.refusedInputs.length > 0) onRejected?.(intake.refusedInputs)
        }
        return answer(reply, format, intake, dryRun)
      } finally {
        room.release()
      }
    }

    server.removeAllContentTypeParsers()
    // The body is read where it can be refused without cutting the connection off, whatever type it says it has.
    server.addContentTypeParser('*', (_request, _payload, done) => done(null))
    server.decorateRequest('writeKey', null)
    server.addHook('preClose', () => storing.done())

    const route = (path: string, schema: FastifySchema, reader: Reader) => {
      server.options(path, { schema: { hide: true } }, preflight)
      server.post(
        path,
        {
          schema,
          // The schema only describes.
          validatorCompiler: () => () => true,
          onRequest(request, reply, done) {
            allowBrowsers(request, reply)
            const key = keyIn(request) ?? queryText(request, 'writeKey')
            if (key !== null || reader.format !== 'segment') admit(request, reply, key)
            // Fastify refuses a content type that it cannot read; these routes read JSON whatever it says.
            if (reader.format !== 'cloudevents') delete request.headers['content-type']
            done()
          },
          onResponse(_request, reply, done) {
            metrics.answered(reader.format, reply.statusCode, reply.elapsedTime / 1_000)
            done()
          },
        },
        (request, reply) => take(request, reply, reader),
      )
    }
    route('/v1/interactions', INTERACTIONS, interactionsReader)
    route('/v1/events', EVENTS, cloudEventsReader)
    for (const path of BATCH_PATHS) route(path, shown(path, SEGMENT_BATCH), batchReader)
    for (const call of CALLS) {
      for (const path of [`/v1/${call}`, `/v1/${SHORT[call]}`])
        route(path, shown(path, segmentCall(call)), callReader(call))
    }
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The key that let it in, null as long as none did. */
    writeKey: string | null
  }
}

/** A body of interactions that was read the short way. */
class ScannedBody {
  readonly elements: readonly Element[]

  constructor(elements: readonly Element[]) {
    this.elements = elements
  }
}

const interactionsReader: Reader = {
  format: 'interactions',
  parse: (bytes, receivedAt) => {
    const elements = scanArray(bytes, receivedAt)
    return elements === null ? parseJson(bytes) : new ScannedBody(elements)
  },
  read: (body) => {
    if (body instanceof ScannedBody) {
      const { elements } = body
      return {
        count: elements.length,
        take(intake) {
          for (let index = 0; index < elements.length; index++) {
            const element = elements[index]!
            if ('ordinary' in element) intake.interaction(index, element.ordinary)
            else intake.scanned(index, element)
          }
        },
      }
    }
    const parts = Array.isArray(body) ? body : [body]
    return {
      count: parts.length,
      take(intake) {
        for (let index = 0; index < parts.length; index++) intake.interaction(index, parts[index])
      },
    }
  },
}

const cloudEventsReader: Reader = {
  format: 'cloudevents',
  read: (body, { headers }) => {
    const mode = modeOf(headers)
    if (mode === 'batched' && !Array.isArray(body)) {
      throw new Problem(400, 'The body is no batch of CloudEvents; expected a JSON array.')
    }
    if (mode === 'structured' && body === undefined) {
      throw new Problem(400, 'The body is empty; expected a CloudEvent as JSON.')
    }
    const parts: unknown[] =
      mode === 'batched' ? (body as unknown[]) : [mode === 'binary' ? binaryEvent(headers, body) : body]
    return {
      count: parts.length,
      take(intake) {
        for (const [index, event] of parts.entries()) takeCloudEvent(intake, index, event)
      },
    }
  },
}

const batchReader: Reader = {
  format: 'segment',
  read: (body) => {
    const { batch, sentAt } = Object(body) as { batch?: unknown; sentAt?: unknown }
    if (!Array.isArray(batch)) {
      throw new Problem(400, 'The body is no batch; expected a JSON object with "batch", an array of events.')
    }
    return {
      count: batch.length,
      take(intake) {
        for (const [index, event] of batch.entries()) takeSegmentEvent(intake, index, event, undefined, sentAt)
      },
    }
  },
}

function callReader(call: Call): Reader {
  return {
    format: 'segment',
    read: (body) => ({ count: 1, take: (intake) => takeSegmentEvent(intake, 0, body, call) }),
  }
}

/** @throws Problem 503 where the log cannot take anything now */
async function written<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    // What nobody changes will not heal, but the process will be started again, and then it will.
    const opensAgain = error.code === 'closed' || error.code === 'reopen_needed'
    if (!error.retryHelps && !opensAgain) throw error
    // A Kafka that answers no more may have some of it all the same.
    const detail = `Nothing is acknowledged: the log cannot be written (${error.code}). Send it again.`
    throw new Problem(503, detail, { retryAfter: 5, extra: { code: error.code } })
  }
}

/** A text, so that it goes out as it is. */
function answer(reply: FastifyReply, format: Format, intake: Intake, dryRun: boolean): FastifyReply {
  const { accepted, duplicates, refused } = intake
  const rejected = refused.length === 0 ? '[]' : JSON.stringify(refused)
  const counts = `"accepted":${accepted},"duplicates":${duplicates},"rejected":${rejected}}`
  return reply
    .code(format === 'segment' || dryRun ? 200 : 202)
    .header('content-type', 'application/json; charset=utf-8')
    .send(format === 'segment' ? `{"success":true,${counts}` : `{${counts}`)
}

/** @throws Problem 400 for a value that says neither yes nor no */
function isDryRun(request: FastifyRequest): boolean {
  const { dryRun } = request.query as { dryRun?: unknown }
  if (dryRun === undefined || dryRun === '0' || dryRun === 'false') return false
  if (dryRun === '1' || dryRun === 'true') return true
  throw new Problem(400, `dryRun is ${JSON.stringify(dryRun)}; expected 1 or 0.`, { extra: { field: 'dryRun' } })
}

function keyInBody(body: unknown): string | null {
  const { writeKey } = Object(body) as { writeKey?: unknown }
  return typeof writeKey === 'string' ? writeKey : null
}

function queryText(request: FastifyRequest, name: string): string | null {
  const value = (request.query as Readonly<Record<string, unknown>>)[name]
  return typeof value === 'string' ? value : null
}

/** The other names of a route are not described again. */
function shown(path: string, schema: FastifySchema): FastifySchema {
  return path === '/v1/batch' || CALLS.some((call) => path === `/v1/${call}`) ? schema : { ...schema, hide: true }
}

/** The requests whose parts are on their way into the log: a server that closes waits for their answers. */
class Storing {
  readonly #replies = new Set<FastifyReply>()
  #idle: (() => void) | undefined

  begin(reply: FastifyReply): void {
    this.#replies.add(reply)
    reply.raw.once('close', () => {
      this.#replies.delete(reply)
      if (this.#replies.size === 0) this.#idle?.()
    })
  }

  /** Resolves when all have been answered, or nobody waits for the answer any more. */
  done(): Promise<void> {
    return this.#replies.size === 0 ? Promise.resolve() : new Promise((resolve) => (this.#idle = resolve))
  }
}
