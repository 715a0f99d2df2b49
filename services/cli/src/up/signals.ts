import type { Running } from './start.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/**
 * One Ctrl-C may come several times: from the terminal, which tells the whole group, and from npx or our own wrapper,
 * which hand it on. Only what comes later than this is somebody's second one.
 */
const SAME_MS = 500
/** What is still open when all has ended, such as a connection to a server that hangs, is left after so long. */
const LEFT_MS = 1_000

/**
 * Starts a service and lives until a signal ends it in good order; a second signal ends the process at once.
 *
 * @param tell.ready answers whether it is to go on until a signal comes; its signal aborts when one does
 * @param start gets a signal that aborts when the service is to be stopped before it has started
 * @throws what `start` throws, and what the service says when it cannot go on; it is stopped then
 */
export async function untilStopped(
  start: (signal: AbortSignal) => Promise<Running>,
  tell: { ready(running: Running, signal: AbortSignal): Promise<'stop' | 'go on'>; stopping(): void },
): Promise<void> {
  const ending = new AbortController()
  let firstAt: number | null = null
  const onSignal = () => {
    if (firstAt !== null && performance.now() - firstAt > SAME_MS) process.exit(1)
    if (firstAt !== null) return
    firstAt = performance.now()
    tell.stopping()
    ending.abort()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    const running = await start(ending.signal)
    try {
      const ended = new Promise<void>((resolve) => {
        if (ending.signal.aborted) resolve()
        ending.signal.addEventListener('abort', () => resolve())
      })
      const told = tell.ready(running, ending.signal).then((what) => (what === 'stop' ? undefined : ended))
      await Promise.race([told, ended, running.done])
    } finally {
      await running.stop()
    }
  } catch (error) {
    if (!(ending.signal.aborted && error === ending.signal.reason)) throw error
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    setTimeout(() => process.exit(), LEFT_MS).unref()
  }
}
