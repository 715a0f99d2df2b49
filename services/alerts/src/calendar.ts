import { DateTime, IANAZone } from 'luxon'
import { z } from 'zod'

/**
 * Hours of a week on the clock of a place, as rules name them: `{ days: mon-fri, from: "09:00", to: "18:00", zone: Europe/Berlin }`.
 * They follow the clock on the wall: an hour that summer time leaves out is left out, one that it repeats counts twice.
 */

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const MINUTE_MS = 60_000

export interface Hours {
  /** 1 is Monday, 7 is Sunday: the days on which they begin. */
  readonly days: readonly number[]
  /** Minutes after midnight, on the wall. */
  readonly from: number
  /** As `from`, not included; not after `from`: of the next day. */
  readonly to: number
  /** IANA name of the time zone. */
  readonly zone: string
}

const DAYS_EXPECTED = 'days as mon-fri, sat or mon,wed,fri (mon tue wed thu fri sat sun)'
const TIME_EXPECTED = 'a time of the day from "00:00" to "24:00"'
const ZONE_EXPECTED = 'a time zone as Europe/Berlin or UTC'

const days = z
  .string({ error: DAYS_EXPECTED })
  .refine((text) => daysOf(text) !== null, { error: DAYS_EXPECTED })
  .describe('On which days they begin, as mon-fri or sat,sun. Default: every day.')
const time = z.string({ error: TIME_EXPECTED }).regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, { error: TIME_EXPECTED })

/** The shape of hours in a file. */
export const hoursSchema = z
  .strictObject(
    {
      days: days.optional(),
      from: time.optional().describe('When they begin. Default: "00:00".'),
      to: time.optional().describe('When they end; earlier than "from": on the next day. Default: "24:00".'),
      zone: z
        .string({ error: ZONE_EXPECTED })
        .refine(IANAZone.isValidZone, { error: ZONE_EXPECTED })
        .optional()
        .describe('The time zone, as Europe/Berlin. Default: UTC.'),
    },
    { error: 'a map with days, from, to, zone' },
  )
  .refine(({ from = '00:00', to = '24:00' }) => from !== to, {
    error: 'hours that end at another time than they begin',
    path: ['to'],
  })

/** The hours that a valid file names. */
export function hoursOf(file: z.infer<typeof hoursSchema>): Hours {
  const { days = 'mon-sun', from = '00:00', to = '24:00', zone = 'UTC' } = file
  return { days: daysOf(days) ?? [], from: minutesOf(from), to: minutesOf(to), zone }
}

/** As a file would write them, for people: `mon-fri 09:00-18:00 Europe/Berlin`. */
export function hoursText({ days, from, to, zone }: Hours): string {
  const runs: number[][] = []
  for (const day of days) {
    const run = runs.at(-1)
    if (run?.at(-1) === day - 1) run.push(day)
    else runs.push([day])
  }
  const names = runs.map((run) => [...new Set([run[0], run.at(-1)])].map((day) => DAYS[(day ?? 1) - 1]).join('-'))
  return `${names.join(',')} ${timeText(from)}-${timeText(to)} ${zone}`
}

/** Whether an instant (epoch milliseconds) is within the hours. */
export function isWithin(hours: Hours, at: number): boolean {
  return dayBegun(hours, at) !== null
}

/**
 * Since when, without a gap, the hours have been on at an instant, both epoch milliseconds; null outside of them. Days that
 * follow each other without a gap are one stretch; minus infinity where there never is a gap.
 */
export function beganWithin(hours: Hours, at: number): number | null {
  let began: number | null = null
  let look = at
  // Of a week without a gap every day would begin where the one before ended.
  for (let day = 0; day <= DAYS.length; day++) {
    const begun = dayBegun(hours, look)
    if (begun === null) return began
    began = Math.min(look, begun.set({ hour: Math.floor(hours.from / 60), minute: hours.from % 60 }).toMillis())
    look = began - 1
  }
  return Number.NEGATIVE_INFINITY
}

/** The midnight of the day whose hours are on at this instant. */
function dayBegun({ days, from, to, zone }: Hours, at: number): DateTime | null {
  const local = DateTime.fromMillis(at, { zone })
  const minute = local.hour * 60 + local.minute
  const isOvernight = to <= from
  if (days.includes(local.weekday) && minute >= from && (isOvernight || minute < to)) return local.startOf('day')
  const yesterday = local.startOf('day').minus({ days: 1 })
  return isOvernight && minute < to && days.includes(yesterday.weekday) ? yesterday : null
}

function daysOf(text: string): number[] | null {
  const found = new Set<number>()
  for (const part of text.toLowerCase().split(',')) {
    const [first, last = first, ...more] = part.trim().split('-').map(dayOf)
    if (!first || !last || more.length > 0) return null
    // sat-mon goes over the end of the week.
    for (let day = first; ; day = (day % 7) + 1) {
      found.add(day)
      if (day === last) break
    }
  }
  return [...found].sort()
}

function dayOf(name: string): number {
  return (DAYS as readonly string[]).indexOf(name.trim()) + 1
}

function minutesOf(time: string): number {
  const [hour, minute] = time.split(':').map(Number)
  return (hour ?? 0) * 60 + (minute ?? 0)
}

function timeText(minutes: number): string {
  return [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':')
}

/** Remembers the answer for the minute: no time zone changes within one. */
export function calendar(hours: Hours): { beganWithin(at: number): number | null } {
  let known = { minute: Number.NaN, began: null as number | null }
  return {
    beganWithin(at) {
      const minute = Math.floor(at / MINUTE_MS)
      if (minute !== known.minute) known = { minute, began: beganWithin(hours, minute * MINUTE_MS) }
      return known.began
    },
  }
}
