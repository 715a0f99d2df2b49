import { setImmediate } from 'node:timers/promises'

/** After so many milliseconds of work others get their turn. */
const TURN_MS = 20

/** Long computing in a process that answers others as well: `await` what `take` returns, every now and then. */
export class Turns {
  #since = performance.now()

  /** Undefined as long as nobody has waited long. */
  take(): Promise<void> | undefined {
    return performance.now() - this.#since < TURN_MS ? undefined : this.#give()
  }

  async #give(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}
