import { DAY, dayOf, HOUR, hourOf, type LocalTime, MINUTE, weekdayOf } from './local-time.ts'
import type { Chance } from './random.ts'

/** When the phone is answered and the office is open: hours of the day, by weekday, Sunday first. */
const OPEN: readonly (readonly [open: number, close: number])[] = [
  [10, 16],
  [8, 20],
  [8, 20],
  [8, 20],
  [8, 20],
  [8, 20],
  [9, 18],
]
/** Nobody calls or comes so shortly before closing. */
const LAST_CALL_MS = 30 * MINUTE

/** Whether agents work in the hour of this local instant. */
export function isOpen(local: number): boolean {
  const [open, close] = OPEN[weekdayOf(local)]!
  return hourOf(local) >= open && hourOf(local) < close
}

/** When somebody who wants to call at this instant does: at once, or when the company is open again. */
export function whenToCall(at: number, time: LocalTime, chance: Chance): number {
  const local = time.of(at)
  const today = dayOf(local)
  const [open, close] = OPEN[weekdayOf(local)]!
  if (local >= today + open * HOUR && local < today + close * HOUR - LAST_CALL_MS) return at
  const day = local < today + open * HOUR ? today : today + DAY
  const [opens, closes] = OPEN[weekdayOf(day)]!
  // Most people find time for it in their own lunch break.
  const minutes = chance.happens(0.72)
    ? chance.between(12 * 60, 14 * 60 - 1)
    : chance.between(opens * 60, closes * 60 - LAST_CALL_MS / MINUTE - 1)
  return time.instant(day + minutes * MINUTE) + chance.between(0, MINUTE - 1)
}

/** The instant moved into the day, between 9 and 18 o'clock; to the next morning where it is too late. */
export function inDaytime(at: number, time: LocalTime, chance: Chance): number {
  const local = time.of(at)
  const hour = hourOf(local)
  if (hour >= 9 && hour < 18) return at
  const day = dayOf(local) + (hour < 9 ? 0 : DAY)
  return time.instant(day + 9 * HOUR) + chance.between(0, 2 * HOUR)
}
