/** Those who wait until something may have changed. */
export class Sleepers {
  readonly #wakes = new Set<() => void>()

  /** Resolves at the next `wake`, or after so long. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#wakes.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      this.#wakes.add(wake)
    })
  }

  wake(): void {
    for (const wake of this.#wakes) wake()
  }
}
