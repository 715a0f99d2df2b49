import { createHash } from 'node:crypto'
import type { Interaction } from '@weaklink/interactions'
import { type Branch, type Company, openBranch } from './company.ts'
import { Customer } from './customer.ts'
import { busyness, PEAK, type Phase } from './demand.ts'
import { life } from './life.ts'
import { DAY, LocalTime } from './local-time.ts'
import { type Chance, chance } from './random.ts'
import { type Process, Timeline } from './timeline.ts'
import { ALL_WEAK_LINKS, type WeakLinks } from './weak-links.ts'

export interface SimulateOptions {
  readonly seed: number
  /** Epoch milliseconds at which the company opens, whole; it has no customers before. */
  readonly start: number
  /** Epoch milliseconds after which nothing is told; for ever where absent. */
  readonly end?: number
  /** People who come for the first time on an average day, to each branch. */
  readonly customersPerDay: number
  /** From an instant on the company is as busy as this; what happens before does not depend on it. */
  readonly later?: Phase
  /** So many people come, and no more. */
  readonly customers?: number
  /** All of them are planted but for those that are switched off here. */
  readonly weakLinks?: Partial<WeakLinks>
  /** Of the company's clock; Central European time with its summer time where absent. */
  readonly utcOffsetHours?: number
}

/** Something that happened. */
export interface Occurrence {
  /** Epoch milliseconds; the instant of the interaction. */
  readonly at: number
  /** Number of the person, from 1: whose it truly is, also while the company sees only a cookie. */
  readonly who: number
  readonly interaction: Interaction
}

/**
 * What happens in a company that repairs heatings and household appliances, in the order of time, one by one: the same
 * options give the same occurrences. Nothing is computed ahead of what is asked for.
 *
 * @throws RangeError where a number is out of its range
 */
export function* simulate(options: SimulateOptions): Generator<Occurrence, void, void> {
  check(options)
  const { seed, start, end = Number.MAX_SAFE_INTEGER, utcOffsetHours = null } = options
  const timeline = new Timeline(start)
  let told: Occurrence[] = []
  const company: Company = {
    timeline,
    time: new LocalTime(utcOffsetHours),
    weakLinks: { ...ALL_WEAK_LINKS, ...options.weakLinks },
    tag: createHash('sha256').update(`${seed} ${start}`).digest('hex').slice(0, 6),
    tell: (who, interaction) => told.push({ at: interaction.at, who, interaction }),
  }
  timeline.run(arrivals(options, company))
  while (timeline.next <= end) {
    timeline.step()
    if (told.length === 0) continue
    const now = told
    told = []
    yield* now
  }
}

/** People who notice one after the other that something is broken at home: a Poisson process whose rate goes with the hour. */
function* arrivals(options: SimulateOptions, company: Company): Process {
  const { seed, customers = Number.POSITIVE_INFINITY, later } = options
  const { timeline, time } = company
  const first: Phase = { from: options.start, customersPerDay: options.customersPerDay, branches: 1 }
  const phaseAt = (at: number) => (later !== undefined && at >= later.from ? later : first)
  const customersPerDay = (at: number) => phaseAt(at).customersPerDay
  const branches: Branch[] = []
  const luck = chance(seedOf(seed, 0))
  for (let number = 1; number <= customers; number++) {
    yield nextArrival(timeline.now, phaseAt, later?.from ?? Number.POSITIVE_INFINITY, time, luck)
    const own = chance(seedOf(seed, number))
    const index = own.between(0, phaseAt(timeline.now).branches - 1)
    branches[index] ??= openBranch(company, index, customersPerDay)
    timeline.run(life(new Customer(number, own, company, branches[index])))
  }
}

/** By thinning (Lewis and Shedler, 1979): candidates come at the peak's rate, and stay as often as the hour is busy. */
function nextArrival(
  now: number,
  phaseAt: (at: number) => Phase,
  change: number,
  time: LocalTime,
  luck: Chance,
): number {
  let at = now
  for (;;) {
    const { customersPerDay, branches } = phaseAt(at)
    const candidate = at + luck.exponential(DAY / (customersPerDay * branches * PEAK))
    if (at < change && candidate >= change) {
      at = change
      continue
    }
    at = candidate
    if (luck.happens(busyness(time.of(at)) / PEAK)) return at
  }
}

/** Seeds of neighbours are far apart (the finalizer of MurmurHash3). */
function seedOf(seed: number, number: number): number {
  let hash = Math.imul(seed ^ Math.imul(number, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function check({ seed, start, end, customersPerDay, customers, later }: SimulateOptions): void {
  const whole = { seed, start, customers, branches: later?.branches }
  for (const [name, value] of Object.entries(whole)) {
    if (value !== undefined && !Number.isSafeInteger(value))
      throw new RangeError(`${name} must be a whole number, got ${value}`)
  }
  const positive = { customersPerDay, laterCustomersPerDay: later?.customersPerDay, branches: later?.branches }
  for (const [name, value] of Object.entries(positive)) {
    if (value !== undefined && !(value > 0 && value < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`${name} must be more than 0, got ${value}`)
    }
  }
  if (start < 0) throw new RangeError(`start must be 1970 or later, got ${start}`)
  if (end !== undefined && Number.isNaN(end)) throw new RangeError('end must be a number')
}
