import Fastify from 'fastify'
import { Registry } from 'prom-client'
import { openEmbeddedLog } from '../../packages/event-log/src/embedded/index.ts'
import { INTERACTIONS_TOPIC } from '../../packages/interactions/src/index.ts'
import { httpServer } from '../../packages/runtime/src/http/server.ts'
import { keyRing } from '../../packages/runtime/src/index.ts'
import { collector } from '../../services/collector/src/index.ts'

/**
 * One of the two servers of collector.bench.ts, in a process of its own: `collector DIR`, or `bare`, which parses JSON
 * and answers. Tells its port; then, whenever asked, the CPU-seconds it has used.
 */
const [kind, directory = ''] = process.argv.slice(2)

async function start(): Promise<string> {
  if (kind === 'bare') {
    const bare = Fastify({ bodyLimit: 500_000 })
    bare.post('/v1/interactions', (request) => ({ accepted: (request.body as unknown[]).length }))
    return await bare.listen({ host: '127.0.0.1', port: 0 })
  }
  const log = await openEmbeddedLog(directory)
  await log.createTopic(INTERACTIONS_TOPIC, 1)
  const keys = keyRing({ write: 'key', admin: 'admin' }, {})
  const registry = new Registry()
  const server = await httpServer({ keys, registry, notReady: () => null })
  const limits = { interactionsPerSecond: 1e9 }
  await server.register(collector({ log, keys, registry, limits }))
  return await server.listen({ host: '127.0.0.1', port: 0 })
}

const url = await start()
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuSeconds: (user + system) / 1e6 })
})
process.send?.({ url })
