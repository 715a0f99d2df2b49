import { constants } from 'node:os'
import type { Logger } from './logger.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * The orderly end of a process: what was opened first is closed last.
 *
 * The first SIGINT or SIGTERM closes everything and exits with `process.exitCode` (0 where nobody set it), or 1 when a
 * closer failed. A second signal exits at once with 128 + its number: somebody is in a hurry.
 */
export class Shutdown {
  readonly #logger: Pick<Logger, 'info' | 'error'>
  readonly #closers: { readonly name: string; readonly close: () => unknown }[] = []
  readonly #started = new AbortController()
  #running: Promise<boolean> | undefined

  constructor(logger: Pick<Logger, 'info' | 'error'>) {
    this.#logger = logger
    for (const name of SIGNALS) process.on(name, this.#onSignal)
  }

  /** Aborted when the end begins; for waits and retries. */
  get signal(): AbortSignal {
    return this.#started.signal
  }

  /** Registers what must be closed, right after it was opened. */
  add(name: string, close: () => unknown): void {
    this.#closers.push({ name, close })
  }

  /**
   * Closes everything once, in reverse order, one after the other; a failing closer is logged and does not keep the
   * others from closing. Further calls answer the same promise.
   * @returns whether all of them closed
   */
  run(): Promise<boolean> {
    this.#running ??= this.#closeAll()
    return this.#running
  }

  async #closeAll(): Promise<boolean> {
    this.#started.abort()
    let allClosed = true
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer.close()
      } catch (error) {
        allClosed = false
        this.#logger.error({ err: error }, `could not close ${closer.name}`)
      }
    }
    for (const name of SIGNALS) process.off(name, this.#onSignal)
    return allClosed
  }

  readonly #onSignal = (signal: (typeof SIGNALS)[number]): void => {
    if (this.#running !== undefined) process.exit(128 + constants.signals[signal])
    this.#logger.info(`${signal}: closing`)
    void this.run().then((allClosed) => process.exit(allClosed ? process.exitCode : 1))
  }
}
