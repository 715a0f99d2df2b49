import { setImmediate } from 'node:timers/promises'

/** How much is computed before others get their turn: some ten milliseconds. */
const AT_ONCE = 5_000_000

/** Long computing in a process that answers others as well: `await` what it returns, now and then. */
export class Turns {
  #spent = 0

  /** @param work steps of computing since the last call */
  spend(work: number): Promise<void> | undefined {
    this.#spent += work
    if (this.#spent < AT_ONCE) return undefined
    this.#spent = 0
    return setImmediate()
  }
}
