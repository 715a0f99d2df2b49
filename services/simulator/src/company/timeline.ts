/**
 * What a process waits for: an instant (epoch milliseconds), or whatever calls the function that it hands over, once.
 */
type Pause = number | ((resume: () => void) => void)

/** Something that lives in simulated time: it yields where it waits. Started by `run`, joined by `yield*`. */
export type Process<T = void> = Generator<Pause, T, void>

interface Moment {
  readonly at: number
  /** Of equal instants the one planned first comes first. */
  readonly order: number
  readonly action: () => void
}

/** Discrete events: simulated time jumps from one planned moment to the next. */
export class Timeline {
  #now: number
  #planned = 0
  /** A binary heap, the earliest first. */
  readonly #moments: Moment[] = []

  constructor(start: number) {
    this.#now = start
  }

  /** Epoch milliseconds, whole. */
  get now(): number {
    return this.#now
  }

  /** The instant of the next moment; infinite where nothing is to come. */
  get next(): number {
    return this.#moments[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** Plans an action; an instant that is past means now. */
  plan(instant: number, action: () => void): void {
    const moment = { at: Math.max(this.#now, Math.round(instant)), order: this.#planned++, action }
    const moments = this.#moments
    let place = moments.push(moment) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!before(moment, moments[parent]!)) break
      moments[place] = moments[parent]!
      place = parent
    }
    moments[place] = moment
  }

  /** Runs a process as far as it goes now, and on whenever what it waits for has come. */
  run(course: Process): void {
    const resume = () => {
      const { done, value } = course.next()
      if (done) return
      if (typeof value === 'number') this.plan(value, resume)
      else value(resume)
    }
    resume()
  }

  /** Goes to the next moment, of which there is one, and lets it happen. */
  step(): void {
    const moments = this.#moments
    const first = moments[0]
    const last = moments.pop()
    if (first === undefined || last === undefined) return
    if (moments.length > 0) this.#sink(last)
    this.#now = first.at
    first.action()
  }

  #sink(moment: Moment): void {
    const moments = this.#moments
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= moments.length) break
      if (child + 1 < moments.length && before(moments[child + 1]!, moments[child]!)) child++
      if (!before(moments[child]!, moment)) break
      moments[place] = moments[child]!
      place = child
    }
    moments[place] = moment
  }
}

function before(a: Moment, b: Moment): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
