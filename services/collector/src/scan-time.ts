/** Behind the instant that `readInstant` read last. */
let end = 0

export function instantEnd(): number {
  return end
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/**
 * Epoch milliseconds of `2024-03-13T10:21:14[.123](Z|+03:00)` at a place of some bytes; NaN where it is of another form
 * or no date of the calendar, which does not mean that it is wrong.
 */
export function readInstant(bytes: Buffer, at: number): number {
  const year = two(bytes, at) * 100 + two(bytes, at + 2)
  const month = two(bytes, at + 5)
  const day = two(bytes, at + 8)
  const hour = two(bytes, at + 11)
  const minute = two(bytes, at + 14)
  const second = two(bytes, at + 17)
  const separated =
    bytes[at + 4] === 0x2d &&
    bytes[at + 7] === 0x2d &&
    bytes[at + 10] === 0x54 &&
    bytes[at + 13] === 0x3a &&
    bytes[at + 16] === 0x3a
  if (!separated || !(month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 59))
    return Number.NaN
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (!(day <= MONTH_DAYS[month - 1]! + (isLeap && month === 2 ? 1 : 0))) return Number.NaN
  end = at + 19
  let milliseconds = 0
  if (bytes[end] === 0x2e) {
    milliseconds = digit(bytes[end + 1]) * 100 + two(bytes, end + 2)
    end += 4
  }
  const local = ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + milliseconds
  const zone = bytes[end++]
  if (zone === 0x5a) return local
  const [hours, minutes] = [two(bytes, end), two(bytes, end + 3)]
  if ((zone !== 0x2b && zone !== 0x2d) || bytes[end + 2] !== 0x3a || !(hours <= 23 && minutes <= 59)) return Number.NaN
  end += 5
  const offset = (hours * 60 + minutes) * 60_000
  return zone === 0x2b ? local - offset : local + offset
}

function two(bytes: Buffer, at: number): number {
  return digit(bytes[at]) * 10 + digit(bytes[at + 1])
}

function digit(byte: number | undefined): number {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : Number.NaN
}

/** Of the Gregorian calendar, by years that begin in March, so that the leap day is the last of a year. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468
}
