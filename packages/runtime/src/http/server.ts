import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { Gauge, type Registry } from 'prom-client'
import { type KeyRing, requireKey } from './keys.ts'
import { PROBLEM_JSON, Problem, problemBody } from './problem.ts'

export interface HttpServerOptions {
  readonly keys: KeyRing
  readonly registry: Registry
  /** Why it is not ready to serve, null where it is; asked by `/readyz`. */
  readonly notReady: () => string | null
  readonly logger?: FastifyBaseLogger
  /** A request that has not come whole after this long is given up, so that slow clients hold nothing for long. */
  readonly requestTimeoutMs?: number
}

/** Unpacked bytes of a body. */
export const BODY_LIMIT = 500_000
const REQUEST_TIMEOUT_MS = 30_000
/** Of routes, in the order in which the page shows them. */
const TAGS = [
  { name: 'ingest', description: 'Send what happens, in our own shape or as CloudEvents.' },
  { name: 'segment', description: 'Send with the libraries of Segment and RudderStack.' },
  { name: 'reports', description: 'Ask where and why chains break.' },
  { name: 'customers', description: 'Ask what happened to one customer.' },
  { name: 'touchpoints', description: 'The touchpoints in force.' },
  { name: 'live', description: 'Watch what happens, as it happens.' },
  { name: 'operations', description: 'Health and metrics.' },
]

/**
 * An HTTP server that knows nothing yet but health, metrics, and how errors are told; services register their routes.
 * Answers every error as `application/problem+json`; what is thrown and is no `Problem` becomes a 500 that says nothing
 * of its inside. `/openapi.json` and `/docs` describe the routes that have a schema.
 */
export async function httpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
  const server = Fastify({
    ...(options.logger === undefined ? {} : { loggerInstance: options.logger }),
    bodyLimit: BODY_LIMIT,
    requestTimeout,
    // Node looks for late requests only so often; headers have no longer than the whole.
    http: { connectionsCheckingInterval: requestTimeout / 10, headersTimeout: requestTimeout },
    // A key like `__proto__` stays an ordinary key, to be refused by name with the interaction that has it.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    // A path that cannot be decoded, before there is a route.
    frameworkErrors: (error, _request, reply) => answer(reply as unknown as FastifyReply, told(error)),
    forceCloseConnections: true,
    return503OnClosing: true,
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler(error, socket) {
      if (!socket.writable) return
      const [status, detail] = wrongHttp(error, requestTimeout)
      const body = JSON.stringify(problemBody(status, detail))
      socket.end(
        `HTTP/1.1 ${status} ${status === 408 ? 'Request Timeout' : 'Bad Request'}\r\nContent-Type: ${PROBLEM_JSON}\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      )
    },
  })
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  server.setErrorHandler((error: unknown, request, reply) => {
    const what = told(error)
    if (what.status >= 500 && !(error instanceof Problem)) request.log.error({ err: error }, 'request failed')
    answer(reply, what)
  })
  server.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} ${pathOf(request)}; /docs lists what there is.`
    answer(reply, { status: 404, detail })
  })
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Weaklink',
        description:
          'Where and why the chains of your customers break.\n\nTo send, a **write key**; to ask, an **API key**: ' +
          '`Authorization: Bearer KEY`. Errors are `application/problem+json` (RFC 9457); 429 and 503 carry `Retry-After`.',
        version: '0.1.0',
      },
      tags: TAGS,
      components: {
        securitySchemes: {
          writeKey: { type: 'http', scheme: 'bearer', description: 'A write key; or as user name of Basic.' },
          apiKey: { type: 'http', scheme: 'bearer', description: 'An API key.' },
        },
      },
    },
    transform: jsonSchemaTransform,
  })
  const css = [{ filename: 'weaklink.css', content: '.swagger-ui .topbar { display: none }' }]
  await server.register(swaggerUi, { routePrefix: '/docs', theme: { title: 'Weaklink', css } })
  server.get('/', { schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'))
  server.get('/openapi.json', { schema: { hide: true } }, () => server.swagger())
  server.get('/healthz', { schema: { tags: ['operations'], summary: 'The process lives' } }, () => ({ status: 'ok' }))
  server.get('/readyz', { schema: { tags: ['operations'], summary: 'It can serve' } }, () => {
    const why = options.notReady()
    if (why !== null) throw new Problem(503, why, { retryAfter: 1 })
    return { status: 'ready' }
  })
  new Gauge({
    name: 'weaklink_ready',
    help: '1 where /readyz says that this process can serve, else 0.',
    registers: [options.registry],
    collect() {
      this.set(options.notReady() === null ? 1 : 0)
    },
  })
  server.get(
    '/metrics',
    {
      onRequest: requireKey(options.keys, 'read'),
      schema: { tags: ['operations'], summary: 'Prometheus metrics', security: [{ apiKey: [] }] },
    },
    async (_request, reply) => reply.type(options.registry.contentType).send(await options.registry.metrics()),
  )
  return server
}

/** The path of a request without its query, which may hold a key. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? ''
}

interface Told {
  readonly status: number
  readonly detail: string
  readonly extra?: Readonly<Record<string, unknown>>
  readonly retryAfter?: number | undefined
}

function answer(reply: FastifyReply, { status, detail, extra, retryAfter }: Told): void {
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  reply
    .code(status)
    .type(PROBLEM_JSON)
    .serializer(JSON.stringify)
    .send(problemBody(status, detail, extra))
}

function told(error: unknown): Told {
  if (error instanceof Problem) {
    return { status: error.status, detail: error.message, extra: error.extra, retryAfter: error.retryAfter }
  }
  const { statusCode, message } = Object(error) as { statusCode?: unknown; message?: unknown }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, detail: typeof message === 'string' ? message : 'The request is not right.' }
  }
  return { status: 500, detail: 'Something went wrong here; the log of the server says what.' }
}

function wrongHttp(error: Error & { code?: string }, requestTimeoutMs: number): [status: number, detail: string] {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return [408, `The request did not come whole within ${requestTimeoutMs / 1_000} seconds.`]
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') return [431, 'The headers are larger than 16 KB.']
  return [400, 'This is not well-formed HTTP.']
}
