import type { Interaction } from '@weaklink/interactions'
import type { Rule } from '../rules/rule.ts'
import { absence } from './absence.ts'
import { type BreakRates, breakRate } from './break-rate.ts'
import { abandonRate, averageWait, serviceLevel } from './call-rates.ts'
import type { Calls, EndedWait } from './calls.ts'
import { queueLength } from './queue-length.ts'

/** What a rule finds now, in one group of what it looks at. */
export interface Reading {
  /** Which group: a queue, or the empty string where there is only one. */
  readonly group: string
  /** Of an alert, that say where it is. */
  readonly labels: Readonly<Record<string, string>>
  /** What the rule looks for is so. */
  readonly holds: boolean
  /** An alert that fires is over. Neither holds nor is over what lies between the bound and `recover`. */
  readonly isOver: boolean
  /** Seconds, a share from 0 to 1, a number of calls, or a factor; null where nothing was measured. */
  readonly value: number | null
  /** Epoch milliseconds since when it is so, where it is known better than by looking. */
  readonly since: number | null
  /** For people; asked only where they are told. */
  text(): ReadingText
}

export interface ReadingText {
  readonly summary: string
  readonly description: string
  /** The same, of what is over. */
  readonly over: string
  /** What a rule's own summary may name. */
  readonly placeholders: Readonly<Record<string, string>>
}

/** A rule that looks at how things are now, again and again: all but `waiting`. */
export interface Level {
  /** For people: why what fired is over in a group of which nothing is read any more. */
  readonly gone: string
  /** An interaction that came, in whatever order. */
  meet?(interaction: Interaction, now: number): void
  /** A wait that ended. */
  count?(wait: EndedWait, now: number): void
  /** What a store answered. */
  measured?(rates: BreakRates): void
  /**
   * What is so now, in each group of which something can be said. In a group that is not among them there is nothing any
   * more, and what fired there is over. Null: nothing can be said at all, and everything stays as it is.
   */
  read(now: number): readonly Reading[] | null
}

/**
 * Null for a rule about single calls.
 *
 * @param logBegan epoch milliseconds of the first thing that the log ever held; minus infinity where that is longer ago than
 * any rule looks back
 */
export function levelOf(rule: Rule, calls: Calls, logBegan: number): Level | null {
  switch (rule.kind) {
    case 'waiting':
      return null
    case 'serviceLevel':
      return serviceLevel(rule)
    case 'abandonRate':
      return abandonRate(rule)
    case 'averageWait':
      return averageWait(rule)
    case 'queueLength':
      return queueLength(rule, calls)
    case 'breakRate':
      return breakRate(rule)
    case 'absence':
      return absence(rule, logBegan)
  }
}
