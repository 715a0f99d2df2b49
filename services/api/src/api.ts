import { KeptDays } from '@weaklink/reports'
import { requireKey } from '@weaklink/runtime'
import type { FastifyPluginAsync } from 'fastify'
import { timeLimited } from './ask.ts'
import { liveRoutes } from './live/route.ts'
import { observe } from './metrics.ts'
import { type ApiOptions, LIMITS } from './options.ts'
import { customerRoute } from './routes/customer.ts'
import { reportRoutes } from './routes/reports.ts'
import { sqlRoute } from './routes/sql.ts'
import { touchpointsRoute } from './routes/touchpoints.ts'
import { observeAggregates, observeDisks, observeLag } from './standing.ts'

/** The routes under `/api/v1`: what the command line answers, over HTTP, and what happens as it happens. */
export function api(options: ApiOptions): FastifyPluginAsync {
  const limits = { ...LIMITS, ...options.limits }
  return async (server) => {
    // Schemas describe. Questions are checked by those who answer them, who can say what was expected; and an answer
    // goes out as it is, the same as on the command line.
    server.setValidatorCompiler(() => (value) => ({ value }))
    server.setSerializerCompiler(() => (answer) => JSON.stringify(answer))
    server.addHook('onRequest', requireKey(options.keys, 'read'))
    const live = observe(server, options.registry)
    observeLag(options.store, options.log, options.registry)
    observeAggregates(options.store, options.registry)
    observeDisks(options.store, options.registry)
    const source = {
      store: options.store,
      kept: { days: new KeptDays(timeLimited(options.store, limits.queryMs)) },
      queryMs: limits.queryMs,
    }
    reportRoutes(server, source)
    customerRoute(server, source)
    touchpointsRoute(server, source)
    sqlRoute(server, options.analyst ?? null, limits.queryMs)
    liveRoutes(server, options, limits, live)
  }
}
