import { hourOf, weekdayOf } from './local-time.ts'

/** How busy a company is, and from when. */
export interface Phase {
  /** Epoch milliseconds. */
  readonly from: number
  /** People who come for the first time on an average day, to each branch. */
  readonly customersPerDay: number
  /** Each has its own phone line and its own quoting desk. */
  readonly branches: number
}

/** By weekday, Sunday first; 1 is the average day. Heating fails all week, and is noticed on Mondays. */
const WEEKDAYS = evenedOut([0.6, 1.2, 1.1, 1.05, 1.05, 1.05, 0.8])
/** By hour of the day; 1 is the average hour. People look after their own affairs at lunch and after work. */
const HOURS = evenedOut([2, 1, 1, 1, 1, 3, 8, 14, 18, 20, 20, 20, 52, 48, 16, 18, 18, 20, 24, 24, 22, 16, 10, 5])
/**
 * Calls by hour of an average day where one new customer a day comes, with those who come back; measured in the second
 * half of a year, every weak link switched off. Agents are hired by it.
 */
const CALLS = [
  0, 0, 0, 0, 0, 0, 0, 0, 0.03, 0.06, 0.085, 0.09, 0.21, 0.22, 0.085, 0.055, 0.05, 0.05, 0.05, 0.025, 0, 0, 0, 0,
]

/** The busiest hour of the week, in average hours. */
export const PEAK = Math.max(...WEEKDAYS) * Math.max(...HOURS)

/** How much busier the hour of this local instant is than an average one. */
export function busyness(local: number): number {
  return (WEEKDAYS[weekdayOf(local)] ?? 0) * (HOURS[hourOf(local)] ?? 0)
}

/** Calls that come in the hour of this local instant, at a branch with so many new customers a day. */
export function callsAt(local: number, customersPerDay: number): number {
  return customersPerDay * (WEEKDAYS[weekdayOf(local)] ?? 0) * (CALLS[hourOf(local)] ?? 0)
}

function evenedOut(values: readonly number[]): readonly number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.map((value) => value / mean)
}
