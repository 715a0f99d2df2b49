import { DateTime, Info, type Zone } from 'luxon'
import { show } from './rejection.ts'
import { Unusable, type Value } from './template.ts'
import { parseIso } from './time.ts'

/** Reads the times of a file: epoch milliseconds, not yet floored. */
export type TimeReader = (value: Value) => number | Unusable

export interface TimeFault {
  readonly key: 'format' | 'zone'
  readonly expected: string
  readonly got: string
}

/** Ticks in a millisecond. */
const EPOCH_UNITS = new Map([
  ['s', 1e-3],
  ['ms', 1],
  ['us', 1e3],
])

// Without it luxon reads the names of months in the language of the machine.
const LOCALE = 'en-US'

const TOKENS = "luxon tokens, as dd.MM.yyyy HH:mm, with year, month and day, and other letters in '…'"

/** Other libraries' tokens, and luxon's for whatever is customary in a country. */
const FOREIGN_TOKENS = /[YDTtFf]/

/**
 * A reader of times in `format`: `iso`, `s`, `ms`, `us` (since 1970) or luxon tokens. `zone` says where a time without
 * offset was written down. A local time that a change of clocks left out is moved on by the change; of one that came
 * twice the earlier instant is taken.
 */
export function createTimeReader(
  format: string,
  zoneName: string | undefined,
  number: (text: string) => number | undefined,
): TimeReader | TimeFault {
  const zone = zoneName === undefined ? undefined : zoneOf(zoneName)
  if (zone === null) return { key: 'zone', expected: 'a time zone, as Europe/Moscow or UTC+3', got: show(zoneName) }
  const instantOf = zone === undefined ? undefined : createZoneClock(zone)
  if (format === 'iso') return isoReader(instantOf)
  const ticks = EPOCH_UNITS.get(format)
  return ticks === undefined ? tokenReader(format, instantOf) : epochReader(format, ticks, number)
}

function zoneOf(name: string): Zone | null {
  // These would make the same file mean something else on another machine.
  if (['local', 'system', 'default', ''].includes(name.trim().toLowerCase())) return null
  const zone = Info.normalizeZone(name)
  return zone.isValid ? zone : null
}

function isoReader(instantOf: ((localMs: number) => number) | undefined): TimeReader {
  const expected = 'an ISO 8601 time; for anything else set time.format in the mapping'
  return (value) => {
    // A number in JSON is epoch milliseconds, as in our own shape.
    if (typeof value === 'number') return value
    const written = parseIso(String(value).trim())
    if (written === null) return new Unusable({ reason: 'bad_time', expected, got: show(value) })
    if (written.offsetMinutes !== null) return written.localMs - written.offsetMinutes * 60_000
    if (instantOf !== undefined) return instantOf(written.localMs)
    return new Unusable({
      reason: 'time_without_offset',
      expected: 'an offset from UTC, or the name of the time zone in the mapping (time: { zone: Europe/Moscow })',
      got: show(value),
    })
  }
}

function epochReader(format: string, ticks: number, number: (text: string) => number | undefined): TimeReader {
  const expected = `a number of ${format} since 1970, as time.format says`
  return (value) => {
    const amount = typeof value === 'number' ? value : number(String(value).trim())
    if (amount === undefined) return new Unusable({ reason: 'bad_time', expected, got: show(value) })
    // Rounded to the microsecond first: 1700000000.129 s is a little less than it looks.
    return Math.floor(Math.round((amount / ticks) * 1000) / 1000)
  }
}

function tokenReader(format: string, instantOf: ((localMs: number) => number) | undefined): TimeReader | TimeFault {
  const parser = DateTime.buildFormatParser(format, { locale: LOCALE })
  const read = (text: string) =>
    DateTime.fromFormatParser(text, parser, { locale: LOCALE, zone: 'utc', setZone: true }) as DateTime
  // Writing a time down and reading it again shows what the format keeps of it.
  const sample = DateTime.fromObject({ year: 2023, month: 11, day: 24, hour: 17 }, { zone: 'UTC+5', locale: LOCALE })
  const again = read(sample.toFormat(format))
  const foreign = FOREIGN_TOKENS.test(format.replace(/'[^']*'/g, ''))
  if (foreign || !again.isValid || again.toISODate() !== sample.toISODate()) {
    return { key: 'format', expected: `iso, s, ms, us, or ${TOKENS}`, got: show(format) }
  }
  if (again.hour === sample.hour - 12) {
    return { key: 'format', expected: 'HH for the hours of a day, or hh with a for AM and PM', got: show(format) }
  }
  const hasOffset = again.offset === sample.offset
  if (!hasOffset && instantOf === undefined) {
    return { key: 'zone', expected: 'a time zone, since the format has no offset from UTC', got: 'nothing' }
  }
  return (value) => {
    const time = read(String(value).trim())
    if (!time.isValid) return new Unusable({ reason: 'bad_time', expected: `a time as ${format}`, got: show(value) })
    return hasOffset || instantOf === undefined ? time.toMillis() : instantOf(time.toMillis())
  }
}

const DAY_MS = 86_400_000
const REMEMBERED_MINUTES = 100_000

/** Turns local times of a zone, as milliseconds of a clock in UTC, into instants. Remembers the minutes it met. */
function createZoneClock(zone: Zone): (localMs: number) => number {
  const offsets = new Map<number, number>()
  return (localMs) => {
    const minute = Math.floor(localMs / 60_000)
    let offset = offsets.get(minute)
    if (offset === undefined) {
      if (offsets.size >= REMEMBERED_MINUTES) offsets.clear()
      offset = offsetAt(zone, minute * 60_000)
      offsets.set(minute, offset)
    }
    return localMs - offset
  }
}

/**
 * Offset of a zone in milliseconds at a local time. Not luxon's own way, which begins with the offset of today and so
 * reads a doubled hour in summer otherwise than in winter.
 */
function offsetAt(zone: Zone, localMs: number): number {
  const before = zone.offset(localMs - DAY_MS) * 60_000
  const after = zone.offset(localMs + DAY_MS) * 60_000
  // The larger offset is the earlier instant.
  for (const offset of [Math.max(before, after), Math.min(before, after)]) {
    if (zone.offset(localMs - offset) * 60_000 === offset) return offset
  }
  return before
}
