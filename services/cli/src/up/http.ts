import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '@weaklink/runtime'
import type { httpServer } from '@weaklink/runtime/http'
import { InvalidArgumentError } from 'commander'
import { CommandError } from '../terminal.ts'

type HttpServer = Awaited<ReturnType<typeof httpServer>>

/** The port of a service where none is named. */
export const DEFAULT_PORT = 7575
export const DEFAULT_HOST = '127.0.0.1'

/** How long requests that are under way may take until a service that stops ends them. */
const FINISH_MS = 5_000
const LIVE = '/api/v1/live'

/**
 * Makes a server stoppable in good order: once `finish` was called, further requests are answered 503, and it resolves
 * when those under way are over, or have had their time. Before routes are registered.
 */
export function finishing(server: HttpServer): { finish(): Promise<void>; stopping(): boolean } {
  const underWay = new Map<object, Promise<unknown>>()
  let stopping = false
  server.addHook('onRequest', async (request, reply) => {
    if (stopping) {
      reply.header('connection', 'close')
      throw new Problem(503, 'Weaklink is stopping.', { retryAfter: 5 })
    }
    // A stream has no end of its own.
    if (request.routeOptions.url === LIVE) return
    const over = once(reply.raw, 'close').catch(() => {})
    underWay.set(reply, over)
    over.then(() => underWay.delete(reply))
  })
  return {
    stopping: () => stopping,
    async finish() {
      stopping = true
      await Promise.race([Promise.all(underWay.values()), sleep(FINISH_MS, undefined, { ref: false })])
    },
  }
}

/**
 * Listens, and answers where others on this machine reach it.
 *
 * @throws CommandError where that place cannot be had
 */
export async function listen(server: HttpServer, host: string, port: number): Promise<string> {
  try {
    await server.listen({ host, port })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    const remedy = 'Name another one with --port (0 takes any free one).'
    if (code === 'EADDRINUSE') throw new CommandError(`Port ${port} of ${host} is taken by another program. ${remedy}`)
    if (code === 'EACCES') throw new CommandError(`Port ${port} may not be used by this user. ${remedy}`)
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
      throw new CommandError(`${host} is no address of this machine. Name another one with --host.`)
    throw error
  }
  const address = server.server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  return `http://${reachable(host)}:${actual}`
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** The port that a command line names. */
export function portOf(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('A port is a whole number from 0 to 65535.')
  return port
}
