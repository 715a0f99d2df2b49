export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/**
 * The clock on the company's wall. A local instant is what that clock shows, as milliseconds since it showed the first
 * of January 1970, 00:00: its days begin at multiples of a day, also where summer time begins.
 */
export class LocalTime {
  readonly #fixedOffset: number | null
  /** The last asked stretch without a change of the clock. */
  #stretch = { from: 0, to: 0, offset: 0 }

  /** @param utcOffsetHours null for Central European time with its summer time */
  constructor(utcOffsetHours: number | null) {
    this.#fixedOffset = utcOffsetHours === null ? null : utcOffsetHours * HOUR
  }

  /** Local instant of an instant. */
  of(at: number): number {
    return at + this.#offset(at)
  }

  /** Instant of a local instant. */
  instant(local: number): number {
    const guess = local - this.#offset(local)
    return local - this.#offset(guess)
  }

  #offset(at: number): number {
    if (this.#fixedOffset !== null) return this.#fixedOffset
    const { from, to } = this.#stretch
    if (at < from || at >= to) this.#stretch = stretchOf(at)
    return this.#stretch.offset
  }
}

/** 0 is Sunday. */
export function weekdayOf(local: number): number {
  // The first of January 1970 was a Thursday.
  return (Math.floor(local / DAY) + 4) % 7
}

/** 0 to 23. */
export function hourOf(local: number): number {
  return Math.floor((local % DAY) / HOUR)
}

/** 00:00 of the day. */
export function dayOf(local: number): number {
  return local - (local % DAY)
}

/** Directive 2000/84/EC: summer time from the last Sunday in March to the last one in October, 01:00 UTC both. */
function stretchOf(at: number): { from: number; to: number; offset: number } {
  const year = new Date(at).getUTCFullYear()
  const changes = [lastSunday(year - 1, 9), lastSunday(year, 2), lastSunday(year, 9), lastSunday(year + 1, 2)]
  const next = changes.findIndex((change) => at < change)
  return { from: changes[next - 1]!, to: changes[next]!, offset: next === 2 ? 2 * HOUR : HOUR }
}

function lastSunday(year: number, month: number): number {
  const lastDay = Date.UTC(year, month + 1, 0)
  return lastDay - weekdayOf(lastDay) * DAY + HOUR
}
