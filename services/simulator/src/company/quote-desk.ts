import { DAY, dayOf, HOUR, type LocalTime, weekdayOf } from './local-time.ts'

/**
 * Quotes that the desk can write in a day, for each one asked for on an average day; by weekday, Sunday first. Both are
 * enough in the long run.
 */
const FULL = [1.3, 1.6, 1.6, 1.6, 1.6, 1.6, 1.3]
const BEHIND = [0, 2.2, 2.1, 1.9, 0.08, 0.08, 0]
/** Quotes asked for on an average day where one new customer a day comes, with those who come back; measured like CALLS. */
const QUOTES_PER_CUSTOMER = 0.8
const FROM = 8 * HOUR
const TO = 18 * HOUR

/** Those who write quotes, one after the other in the order in which they were asked for. */
export class QuoteDesk {
  readonly #time: LocalTime
  readonly #customersPerDay: (at: number) => number
  readonly #capacity: readonly number[]
  #freeAt = Number.NEGATIVE_INFINITY

  constructor(time: LocalTime, customersPerDay: (at: number) => number, behind: boolean) {
    this.#time = time
    this.#customersPerDay = customersPerDay
    this.#capacity = behind ? BEHIND : FULL
  }

  /**
   * Takes on a quote, and tells at once when it will be written: nothing that comes later can delay it.
   *
   * @param size the work of it; 1 is the average
   */
  takeOn(at: number, size: number): number {
    const perDay = this.#customersPerDay(at) * QUOTES_PER_CUSTOMER
    let left = size
    let local = this.#time.of(Math.max(at, this.#freeAt))
    for (;;) {
      const today = dayOf(local)
      const begin = Math.max(local, today + FROM)
      const quotesADay = perDay * (this.#capacity[weekdayOf(today)] ?? 0)
      const doable = (Math.max(0, today + TO - begin) / (TO - FROM)) * quotesADay
      if (doable >= left) {
        this.#freeAt = this.#time.instant(Math.round(begin + (left / quotesADay) * (TO - FROM)))
        return this.#freeAt
      }
      left -= doable
      local = today + DAY
    }
  }
}
