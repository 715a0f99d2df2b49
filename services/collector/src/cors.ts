import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Any page may send: what it needs is a write key, which is public in a page anyway, and no cookie counts. By hand,
 * because the usual plugin claims every OPTIONS request of the server, also those of other services.
 */
export function allowBrowsers(request: FastifyRequest, reply: FastifyReply): void {
  if (request.headers.origin === undefined) return
  reply.header('access-control-allow-origin', '*')
  reply.header('access-control-expose-headers', 'retry-after')
}

const A_DAY_S = 86_400

export function preflight(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  allowBrowsers(request, reply)
  const asked = request.headers['access-control-request-headers']
  return reply
    .code(204)
    .header('access-control-allow-methods', 'POST')
    .header('access-control-allow-headers', asked ?? 'authorization, content-type, content-encoding')
    .header('access-control-max-age', String(A_DAY_S))
    .header('vary', 'access-control-request-headers')
    .send()
}
