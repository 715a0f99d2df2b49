/**
 *   starting ──answers──▶ running ──crash──▶ down ──waits──▶ starting … ──stop──▶ gone
 *
 * A server for a service: when it ends by itself it is started again, on the same port and with the same passwords, so
 * that clients find it where it was. The directory stays locked in between.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Endpoint, removeEndpoint } from './endpoint.ts'
import { type ServerProcess, startProcess } from './process.ts'
import { type EmbeddedServerOptions, takeDirectory } from './server.ts'

export interface KeptServerOptions extends EmbeddedServerOptions {
  /** It is gone, or could not be started, and will be started in so long. */
  readonly onDown: (reason: string, restartInMs: number) => void
  /** It answers again. */
  readonly onUp: () => void
}

export interface KeptServer extends Endpoint {
  /** Why it does not answer at the moment, null where it does. */
  readonly down: () => string | null
  /** Ends it for good, see `EmbeddedServer.stop`. */
  stop(): Promise<void>
}

/** One that lived shorter than this crashes for a reason that starting again does not heal: then the waits grow. */
const STABLE_MS = 30_000
const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000

/**
 * Starts ClickHouse as `startEmbeddedServer` does, and again whenever it ends.
 * @throws what `startEmbeddedServer` does, for the first start; later ones are repeated until they succeed
 */
export async function keepEmbeddedServer(options: KeptServerOptions): Promise<KeptServer> {
  const { lock, ...process } = await takeDirectory(options)
  const stopping = new AbortController()
  let down: string | null = null
  let server: ServerProcess
  try {
    server = await startProcess(process)
  } catch (error) {
    lock.release()
    throw error
  }

  const keeping = (async () => {
    let failures = 0
    let startedAt = performance.now()
    while (!stopping.signal.aborted) {
      const reason = await server.ended
      await removeEndpoint(process.directory).catch(() => {})
      if (performance.now() - startedAt > STABLE_MS) failures = 0
      const next = await again(reason, failures)
      if (next === null) return
      server = next.server
      failures = next.failures
      startedAt = performance.now()
    }
  })()

  /** Null where it was stopped meanwhile. */
  async function again(reason: string, before: number): Promise<{ server: ServerProcess; failures: number } | null> {
    down = reason
    for (let failures = before; !stopping.signal.aborted; failures++) {
      const delayMs = failures === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1))
      options.onDown(down, delayMs)
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {})
      try {
        const next = await startProcess(process, server.identity, stopping.signal)
        down = null
        options.onUp()
        return { server: next, failures: failures + 1 }
      } catch (error) {
        down = error instanceof Error ? error.message : String(error)
      }
    }
    return null
  }

  const { url, username, password, analyst } = server.endpoint
  return {
    url,
    username,
    password,
    analyst,
    get pid() {
      return server.endpoint.pid
    },
    down: () => down,
    stop: async () => {
      stopping.abort()
      await server.kill()
      await keeping
      // It may have come up again just then.
      await server.kill()
      await removeEndpoint(process.directory).catch(() => {})
      lock.release()
    },
  }
}
