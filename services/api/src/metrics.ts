import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { DropReason } from './live/client.ts'

/** What the live stream tells of its clients. */
export interface LiveMetrics {
  /** @param route of the stream */
  connected(route: string): void
  left(): void
  dropped(reason: DropReason): void
}

export const LIVE_ROUTE = '/api/v1/live'

const DROP_REASONS: readonly DropReason[] = ['slow', 'stalled', 'failed']

/** Counts and times every request of this server, and makes what the live stream counts. */
export function observe(server: FastifyInstance, registry: Registry): LiveMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'weaklink_api_requests_total',
    help: 'Requests to the API, by route and status.',
    labelNames: ['route', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'weaklink_api_request_duration_seconds',
    help: 'How long an answer took, by route and status; the live stream apart, which has no end.',
    labelNames: ['route', 'status'],
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  })
  server.addHook('onResponse', async (request, reply) => {
    const labels = { route: request.routeOptions.url ?? '', status: String(reply.statusCode) }
    // A stream was counted when it began, and how long somebody listened is no duration of ours.
    if (String(reply.raw.getHeader('content-type')).startsWith('text/event-stream')) return
    requests.inc(labels)
    seconds.observe(labels, reply.elapsedTime / 1_000)
  })
  const clients = new Gauge({ name: 'weaklink_api_live_clients', help: 'Clients of the live stream.', registers })
  const dropped = new Counter({
    name: 'weaklink_api_live_dropped_total',
    help: 'Live clients that were dropped, by reason: slow, stalled or failed.',
    labelNames: ['reason'],
    registers,
  })
  // From the start, so that a rate sees the first one.
  for (const reason of DROP_REASONS) dropped.inc({ reason }, 0)
  return {
    connected(route) {
      requests.inc({ route, status: '200' })
      clients.inc()
    },
    left: () => clients.dec(),
    dropped: (reason) => dropped.inc({ reason }),
  }
}
