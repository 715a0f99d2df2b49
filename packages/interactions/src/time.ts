/** Epoch milliseconds of the first instant that an interaction may have, and of the first one after the last. */
export const FIRST_INSTANT = 0
export const END_OF_TIME = Date.UTC(2201, 0, 1)

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?(?: ?([Zz]|UTC|([+-])(\d\d)(?::?(\d\d))?))?$/

/** A date, or a date and time, as written: `localMs` is what a clock in UTC would have shown. */
export interface WrittenTime {
  readonly localMs: number
  /** Minutes east of UTC, null where the text does not say. */
  readonly offsetMinutes: number | null
}

/**
 * Reads ISO 8601 calendar dates and times (`2024-03-13`, `2024-03-13 10:21:14`, `2024-03-13T10:21:14.5+03:00`), floored
 * to the millisecond. Null where the text is something else, or no date of the calendar.
 */
export function parseIso(text: string): WrittenTime | null {
  const match = ISO.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second, fraction, zone, sign, offsetHours, offsetMinutes] = match
  if (zone !== undefined && hour === undefined) return null
  const seconds = Number(second ?? 0)
  // RFC 3339 knows the leap second 60; it counts as the first of the next minute, as in POSIX time.
  if (Number(hour ?? 0) > 23 || Number(minute ?? 0) > 59 || seconds > 60) return null
  if (Number(offsetHours ?? 0) > 23 || Number(offsetMinutes ?? 0) > 59) return null
  const days = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  if (days.getUTCMonth() !== Number(month) - 1 || days.getUTCDate() !== Number(day)) return null
  const milliseconds = Number((fraction ?? '').slice(0, 3).padEnd(3, '0'))
  const localMs = days.getTime() + ((Number(hour ?? 0) * 60 + Number(minute ?? 0)) * 60 + seconds) * 1000 + milliseconds
  if (zone === undefined) return { localMs, offsetMinutes: null }
  const offset = Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)
  return { localMs, offsetMinutes: sign === '-' ? -offset : offset }
}

/** Epoch milliseconds of an RFC 3339 time with offset; else the name of what is wrong with it. */
export function parseRfc3339(text: string): number | 'bad_time' | 'time_without_offset' {
  const written = parseIso(text)
  if (written === null) return 'bad_time'
  if (written.offsetMinutes === null) return 'time_without_offset'
  return RFC_3339.test(text) ? written.localMs - written.offsetMinutes * 60_000 : 'bad_time'
}
