import type { Interaction } from '@weaklink/interactions'
import type { Alert, MemoryRecord } from '../src/alert.ts'
import { parseAlerts } from '../src/alerts-file.ts'
import type { BreakRates } from '../src/engine/break-rate.ts'
import { Engine } from '../src/engine/engine.ts'
import { type Change, Remembered } from '../src/engine/remembered.ts'
import { Newest } from '../src/memory.ts'
import type { Rule } from '../src/rules/rule.ts'

/** A Monday, 09:00 UTC: `t(0)` of every test. */
export const START = Date.UTC(2026, 2, 2, 9)
const SECOND = 1_000
const BACK = 86_400_000 + 5 * 60_000

/** The instant `minutes` minutes and `seconds` seconds after the start. */
export function t(minutes: number, seconds = 0): number {
  return START + minutes * 60 * SECOND + seconds * SECOND
}

export function rulesIn(yaml: string): readonly Rule[] {
  return parseAlerts(yaml, 'alerts.yaml', {}).rules
}

/** Something that the log takes in at an instant; by default its own. */
export type Arrival = Interaction & { readonly receivedAt?: number }

/** What was told, and when. */
export interface Told {
  readonly at: number
  readonly alert: Alert
}

/** The core under a clock of our own, on a log and a memory that outlive it. */
export class Course {
  readonly told: Told[] = []
  #rules: readonly Rule[]
  readonly #log: { readonly at: number; readonly interaction: Interaction }[] = []
  readonly #memory = new Newest()
  readonly #began: number
  #engine: Engine
  #now: number
  /** When all rules were looked at last. */
  #evaluated: number
  #rates = new Map<string, BreakRates>()

  constructor(rules: readonly Rule[], from = START) {
    this.#rules = rules
    this.#now = from
    this.#began = from
    this.#evaluated = from
    this.#engine = new Engine(rules, new Remembered([], from), from)
    this.#apply(this.#engine.resume(from))
  }

  /** Goes on to an instant, as the service does: everything that comes, each second, and each deadline. */
  until(end: number, arrivals: readonly Arrival[] = []): this {
    const coming = [...arrivals].sort((a, b) => (a.receivedAt ?? a.at) - (b.receivedAt ?? b.at))
    for (;;) {
      const arrival = coming[0]
      const arrivesAt = arrival === undefined ? Number.POSITIVE_INFINITY : (arrival.receivedAt ?? arrival.at)
      const second = this.#evaluated - (this.#evaluated % SECOND) + SECOND
      const next = Math.min(second, Math.max(this.#engine.nextAt, this.#now), Math.max(arrivesAt, this.#now))
      if (next > end) break
      this.#now = next
      // What comes at a whole second is there when that is looked at.
      if (arrivesAt <= next && arrival !== undefined) {
        coming.shift()
        const { receivedAt: _, ...interaction } = arrival
        this.#log.push({ at: next, interaction })
        this.#engine.meet({ kind: 'interaction', interaction }, false, next)
        this.#apply(this.#engine.evaluateCalls(next))
      } else if (next === second) {
        this.#evaluated = next
        this.#apply(this.#engine.evaluate(next))
      } else this.#apply(this.#engine.evaluateCalls(next))
    }
    this.#now = end
    return this
  }

  /** What the store says from now on. */
  measured(rule: string, rates: BreakRates): this {
    this.#rates.set(rule, rates)
    this.#engine.measured(rule, rates)
    return this
  }

  /** The clock says something else. */
  jump(now: number): this {
    this.#now = now
    this.#evaluated = now
    return this
  }

  /** Killed; another one goes on from the memory and the log, where nobody was for a while, perhaps with other rules. */
  restart({ after = 0, rules = this.#rules, meanwhile = [] as readonly Arrival[] } = {}): this {
    this.#now += after
    this.#rules = rules
    for (const { receivedAt, ...interaction } of meanwhile) {
      this.#log.push({ at: receivedAt ?? interaction.at, interaction })
    }
    const now = this.#now
    this.#evaluated = now
    this.#engine = new Engine(rules, new Remembered(this.#memory.all(), now), this.#began)
    for (const { at, interaction } of this.#log)
      if (at >= now - BACK) this.#engine.meet({ kind: 'interaction', interaction }, false, now, at)
    this.#apply(this.#engine.resume(now))
    this.#apply(this.#engine.evaluateCalls(now))
    for (const [rule, rates] of this.#rates) this.#engine.measured(rule, rates)
    return this
  }

  /** As `09:02:00 waiting-too-long firing anna`, in the order told. */
  lines(): string[] {
    return this.told.map(({ at, alert }) => {
      const { rule, labels, endsAt } = alert
      const who = labels.customer ?? labels.queue ?? labels.touchpoint ?? ''
      return `${timeOf(at)} ${rule} ${endsAt === null ? 'firing' : 'resolved'} ${who}`.trimEnd()
    })
  }

  #apply({ alerts, records }: Change): void {
    this.#memory.add(
      records.map((record): MemoryRecord => JSON.parse(JSON.stringify({ ...record, timestamp: this.#now }))),
    )
    for (const alert of alerts) this.told.push({ at: this.#now, alert })
  }
}

export function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, at % SECOND === 0 ? 19 : 23)
}

let made = 0

/** A customer enters a queue. */
export function enters(customer: string, at: number, more: Partial<Arrival> = {}): Arrival {
  return {
    id: `q${made++}`,
    customer,
    touchpoint: 'call_queue',
    at,
    episode: `call-of-${customer}`,
    queue: 'support',
    ...more,
  }
}

/** A wait ends. */
export function waited(customer: string, at: number, waitMs: number, more: Partial<Arrival> = {}): Arrival {
  return {
    id: `w${made++}`,
    customer,
    touchpoint: 'call_wait',
    at,
    episode: `call-of-${customer}`,
    queue: 'support',
    waitMs,
    ...more,
  }
}

export function gaveUp(customer: string, at: number, waitMs: number, more: Partial<Arrival> = {}): Arrival {
  return waited(customer, at, waitMs, { outcome: 'abandoned', ...more })
}

/** So many calls that end one after the other within a minute from an instant on. */
export function calls(count: number, from: number, waitMs: number, more: Partial<Arrival> = {}): Arrival[] {
  return Array.from({ length: count }, (_, k) =>
    waited(`c${made++}`, from + Math.floor((k * 60_000) / count), waitMs, more),
  )
}

export function visits(touchpoint: string, at: number, more: Partial<Arrival> = {}): Arrival {
  return { id: `v${made++}`, customer: 'vera', touchpoint, at, ...more }
}
