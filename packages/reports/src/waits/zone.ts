import { DateTime, IANAZone } from 'luxon'
import { parseInstant } from '../period.ts'
import { QueryError } from '../query-error.ts'
import type { PER } from './shape.ts'

export type Per = (typeof PER)[number]

const MINUTE = 60_000
const DAY = 86_400_000
/** 1970 began on a Thursday; a week begins on Monday. */
const THURSDAY = 3 * DAY

/**
 * ClickHouse counts by quarters of an hour, which no zone divides; hours and days are cut here. Its own time zones are older
 * than those of Node (it would put Vancouver an hour off since 2026), and Apia on another day.
 */
export const QUARTER_MS = 15 * MINUTE

const LENGTH_MS = { hour: 60 * MINUTE, halfhour: 30 * MINUTE, day: DAY, week: 7 * DAY } as const

/**
 * A **slot** is one hour, half hour, day or week of a zone, named by the local time at which it begins (written as if it were
 * UTC, epoch milliseconds) and, for hours, by the offset of the zone: the hour that comes twice in autumn is two slots.
 */
export interface Slot {
  readonly local: number
  /** Milliseconds, 0 for days and weeks: in these it may change. */
  readonly offset: number
}

/** @throws QueryError */
export function parseZone(text: string): string {
  if (!/^[A-Za-z]/.test(text) || !IANAZone.isValidZone(text)) {
    throw new QueryError('zone', text, 'a time zone by its name: UTC, Europe/Berlin, America/New_York …')
  }
  const known = new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
  return known.toLowerCase() === text.toLowerCase() ? known : text
}

/**
 * Epoch milliseconds; a bare date is its first instant in the zone.
 *
 * @throws QueryError
 */
export function instantIn(zone: string, option: string, text: string): number {
  const instant = parseInstant(option, text)
  return text.includes('T') ? instant : DateTime.fromMillis(instant, { zone: 'utc' }).setZone(zone, KEEP).toMillis()
}

const KEEP = { keepLocalTime: true }

/** The slots of a zone. */
export class Slots {
  readonly #per: Per
  readonly #clock: IANAZone
  readonly #known = new Map<number, Slot>()

  constructor(per: Per, zone: string) {
    this.#per = per
    this.#clock = IANAZone.create(zone)
  }

  /** In which a quarter of an hour lies (`QUARTER_MS`, counted from 1970 in UTC). */
  ofQuarter(quarter: number): Slot {
    const known = this.#known.get(quarter) ?? this.#of(quarter * QUARTER_MS)
    this.#known.set(quarter, known)
    return known
  }

  /** All of a period in order, or null where they are more than `most`. */
  within(from: number, to: number, most: number): Slot[] | null {
    const per = this.#per
    if (per === 'none') return [this.ofQuarter(0)]
    if ((to - from) / LENGTH_MS[per] > most) return null
    const slots = new Map<string, Slot>()
    const meet = (quarter: number) => {
      const slot = this.ofQuarter(quarter)
      slots.set(keyOf(slot), slot)
    }
    const [first, last] = [Math.floor(from / QUARTER_MS), Math.floor((to - 1) / QUARTER_MS)]
    // No day is shorter than 6 hours.
    const step = per === 'day' || per === 'week' ? 24 : 1
    for (let quarter = first; quarter < last; quarter += step) meet(quarter)
    meet(last)
    return [...slots.values()]
  }

  #of(instant: number): Slot {
    const per = this.#per
    if (per === 'none') return { local: 0, offset: 0 }
    const offset = this.#clock.offset(instant) * MINUTE
    const ofDays = per === 'day' || per === 'week'
    const shift = per === 'week' ? THURSDAY : 0
    const local = instant + offset + shift
    const length = LENGTH_MS[per]
    return { local: local - (((local % length) + length) % length) - shift, offset: ofDays ? 0 : offset }
  }
}

export function keyOf({ local, offset }: Slot): string {
  return `${local} ${offset}`
}

/** In time. */
export function bySlot(a: Slot, b: Slot): number {
  return a.local - a.offset - (b.local - b.offset)
}

/** Its beginning with its offset: `2024-10-27T02:00:00.000+02:00`; null for the one slot of `none`. */
export function slotStart(per: Per, zone: string, { local, offset }: Slot): string | null {
  if (per === 'none') return null
  if (per === 'hour' || per === 'halfhour') return withOffset(local, offset)
  const start = DateTime.fromMillis(local, { zone: 'utc' }).setZone(zone, KEEP)
  return withOffset(start.toMillis() + start.offset * MINUTE, start.offset * MINUTE)
}

function withOffset(local: number, offset: number): string {
  return `${new Date(local).toISOString().slice(0, -1)}${offsetText(offset)}`
}

/** `+02:00`. */
function offsetText(offset: number): string {
  const minutes = Math.abs(offset) / MINUTE
  const two = (value: number) => String(Math.trunc(value)).padStart(2, '0')
  return `${offset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
}
