/**
 * The deadlines of what is open: which customers has T passed, and which deadline comes next. A binary heap with lazy
 * deletion: `current` is the truth, an entry of the heap that no longer agrees with it is skipped.
 */
export class Deadlines {
  readonly #current = new Map<string, number>()
  #times: number[] = []
  #keys: string[] = []

  /** Sets the deadline of a customer (epoch milliseconds), or takes it away with null. */
  set(key: string, deadline: number | null): void {
    if (deadline === null) {
      this.#current.delete(key)
      return
    }
    if (this.#current.get(key) === deadline) return
    this.#current.set(key, deadline)
    this.#push(deadline, key)
    if (this.#times.length > 1024 && this.#times.length > 2 * this.#current.size) this.#rebuild()
  }

  /** The deadline of a customer, null where nothing of theirs is open. */
  of(key: string): number | null {
    return this.#current.get(key) ?? null
  }

  /** The earliest deadline, null where nothing is open. */
  next(): number | null {
    this.#dropStale()
    return this.#times[0] ?? null
  }

  /** Takes out the customers whose deadline lies before T (a deadline exactly at T has not passed), with that deadline. */
  takePassed(tick: number): Map<string, number> {
    const passed = new Map<string, number>()
    for (;;) {
      this.#dropStale()
      const [time, key] = [this.#times[0], this.#keys[0]]
      if (time === undefined || key === undefined || time >= tick) return passed
      this.#current.delete(key)
      passed.set(key, time)
    }
  }

  #dropStale(): void {
    while (this.#times.length > 0) {
      const [time, key] = [this.#times[0], this.#keys[0]]
      if (key !== undefined && this.#current.get(key) === time) return
      this.#pop()
    }
  }

  #rebuild(): void {
    this.#times = []
    this.#keys = []
    for (const [key, deadline] of this.#current) this.#push(deadline, key)
  }

  #push(time: number, key: string): void {
    const [times, keys] = [this.#times, this.#keys]
    let child = times.length
    while (child > 0) {
      const parent = (child - 1) >>> 1
      const above = times[parent] as number
      if (above <= time) break
      times[child] = above
      keys[child] = keys[parent] as string
      child = parent
    }
    times[child] = time
    keys[child] = key
  }

  #pop(): void {
    const [times, keys] = [this.#times, this.#keys]
    const time = times.pop() as number
    const key = keys.pop() as string
    const length = times.length
    if (length === 0) return
    let parent = 0
    for (;;) {
      let child = 2 * parent + 1
      if (child >= length) break
      if (child + 1 < length && (times[child + 1] as number) < (times[child] as number)) child++
      if ((times[child] as number) >= time) break
      times[parent] = times[child] as number
      keys[parent] = keys[child] as string
      parent = child
    }
    times[parent] = time
    keys[parent] = key
  }
}
