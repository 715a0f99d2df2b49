import { FATES, type Fate } from './calls-sql.ts'
import type { ServiceLevel } from './options.ts'
import type { CallFigures } from './shape.ts'

/** Some calls with one fate. */
export interface Calls {
  readonly fate: Fate
  readonly calls: number
  /** In ms, of those whose wait is known; in no order. */
  readonly waits: readonly number[]
  readonly talkMs: number
  /** Conversations of known length. */
  readonly talks: number
  readonly calledBack: number
}

/** Adds calls up. */
export class Tally {
  readonly #calls: Calls[] = []

  add(calls: Calls): void {
    this.#calls.push(calls)
  }

  /** How many there are of a fate. */
  count(fate: Fate): number {
    return this.#sum(({ calls }) => calls, [fate])
  }

  get received(): number {
    return this.#sum(
      ({ calls }) => calls,
      FATES.filter((fate) => fate !== 'short'),
    )
  }

  /** Waits in ms, ascending. */
  waits(...fates: Fate[]): Float64Array {
    const lists = this.#calls.filter(({ fate }) => fates.includes(fate)).map(({ waits }) => waits)
    const all = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0))
    let filled = 0
    for (const list of lists) {
      all.set(list, filled)
      filled += list.length
    }
    return all.sort()
  }

  figures({ target, withinMs }: ServiceLevel): CallFigures {
    const { received } = this
    const taken = received - this.count('closed')
    const answered = this.waits('answered')
    const abandoned = this.waits('abandoned')
    const others = this.waits('timeout', 'key', 'empty', 'other')
    const inTime = answered.findLastIndex((wait) => wait <= withinMs) + 1
    const ofBoth = ratio(inTime, answered.length + abandoned.length)
    const talks = this.#sum(({ talks }) => talks)
    return {
      received,
      answered: this.count('answered'),
      abandoned: this.count('abandoned'),
      closed: this.count('closed'),
      saturated: this.count('saturated'),
      blocked: this.count('blocked'),
      left: {
        timeout: this.count('timeout'),
        key: this.count('key'),
        empty: this.count('empty'),
        other: this.count('other'),
      },
      waiting: this.count('waiting'),
      unended: this.count('unended'),
      shortAbandons: this.count('short'),
      averageWaitMs: this.count('answered') > 0 ? mean(answered) : mean(abandoned),
      answeredWaitMs: spreadOf(answered),
      abandonedWaitMs: spreadOf(abandoned),
      longestWaitMs: longest([answered, abandoned, others]),
      averageTalkMs: ratio(
        this.#sum(({ talkMs }) => talkMs),
        talks,
      ),
      answeredRate: ratio(this.count('answered'), taken),
      abandonRate: ratio(this.count('abandoned'), taken),
      serviceLevel: {
        answeredInTime: inTime,
        ofAnswered: ratio(inTime, answered.length),
        ofAnsweredAndAbandoned: ofBoth,
        met: ofBoth === null ? null : ofBoth >= target,
      },
      callbacks: {
        asked: this.count('key'),
        afterGivingUp: this.#sum(({ calledBack }) => calledBack, ['abandoned']),
      },
    }
  }

  #sum(of: (calls: Calls) => number, fates: readonly Fate[] = FATES): number {
    return this.#calls.reduce((sum, calls) => (fates.includes(calls.fate) ? sum + of(calls) : sum), 0)
  }
}

function spreadOf(sorted: Float64Array): CallFigures['answeredWaitMs'] {
  // Nearest rank: the value at the 1-based rank ceil(p · n).
  const rank = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? null
  return { mean: mean(sorted), p50: rank(50), p90: rank(90), p95: rank(95) }
}

function mean(values: Float64Array): number | null {
  return ratio(
    values.reduce((sum, value) => sum + value, 0),
    values.length,
  )
}

function longest(lists: readonly Float64Array[]): number | null {
  const found = lists.flatMap((sorted) => sorted.at(-1) ?? [])
  return found.length === 0 ? null : Math.max(...found)
}

/** Null of nothing. */
function ratio(part: number, of: number): number | null {
  return of === 0 ? null : part / of
}
