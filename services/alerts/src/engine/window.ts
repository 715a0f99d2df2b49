/** In so many pieces a window slides on. */
const PIECES = 180
const SECOND_MS = 1_000

/** Counts of the last so many milliseconds, in pieces of whole seconds: the oldest piece leaves as a whole. */
export class Window {
  readonly #pieceMs: number
  readonly #pieces: number
  /** By instant / piece. */
  readonly #counts = new Map<number, { calls: number; part: number }>()

  constructor(overMs: number) {
    this.#pieceMs = Math.ceil(overMs / PIECES / SECOND_MS) * SECOND_MS
    this.#pieces = Math.ceil(overMs / this.#pieceMs)
  }

  add(at: number, part: number, now: number): void {
    const piece = Math.floor(at / this.#pieceMs)
    if (piece <= this.#last(now) - this.#pieces) return
    const counts = this.#counts.get(piece) ?? { calls: 0, part: 0 }
    counts.calls += 1
    counts.part += part
    this.#counts.set(piece, counts)
  }

  /** What came in the time up to an instant (epoch milliseconds); what is older is forgotten. */
  sum(now: number): { readonly calls: number; readonly part: number } {
    const last = this.#last(now)
    const sum = { calls: 0, part: 0 }
    for (const [piece, { calls, part }] of this.#counts) {
      if (piece <= last - this.#pieces) this.#counts.delete(piece)
      else if (piece <= last) {
        sum.calls += calls
        sum.part += part
      }
    }
    return sum
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0
  }

  #last(now: number): number {
    return Math.floor(now / this.#pieceMs)
  }
}
