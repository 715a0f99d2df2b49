/** Instants at which something is due: a binary heap, the earliest first. */
export class Deadlines<T> {
  #heap: { readonly at: number; readonly what: T }[] = []

  get size(): number {
    return this.#heap.length
  }

  /** Epoch milliseconds of the earliest; infinite where there is none. */
  get next(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  add(at: number, what: T): void {
    const heap = this.#heap
    const one = { at, what }
    let place = heap.push(one) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (heap[parent]!.at <= at) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = one
  }

  /** Takes the earliest out, where it is due at this instant. */
  take(now: number): T | null {
    const heap = this.#heap
    const [first] = heap
    if (first === undefined || first.at > now) return null
    const last = heap.pop()!
    if (heap.length > 0) {
      let place = 0
      for (;;) {
        let child = 2 * place + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++
        if (heap[child]!.at >= last.at) break
        heap[place] = heap[child]!
        place = child
      }
      heap[place] = last
    }
    return first.what
  }

  /** Drops what is not due any more. */
  keep(isWanted: (what: T) => boolean): void {
    // What is sorted is a heap.
    this.#heap = this.#heap.filter(({ what }) => isWanted(what)).sort((a, b) => a.at - b.at)
  }
}
