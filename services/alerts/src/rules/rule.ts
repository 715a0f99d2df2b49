import { concernsWaiting } from '@weaklink/chains'
import type { RawRecord } from '@weaklink/interactions'
import type { Hours } from '../calendar.ts'

/** A **rule** says what is wrong, of which calls, and what people are told then. One of `alerts.yaml`, read and checked. */
export type Rule = RuleBase & Condition

interface RuleBase {
  /** Unique; the label `alertname` of its alerts. */
  readonly name: string
  readonly severity: string
  /** Further labels. */
  readonly labels: Readonly<Record<string, string>>
  readonly runbook: string | null
  /** Template of an alert's summary; null: the usual one. */
  readonly summary: string | null
  /** When nobody is to be told; an alert that still fires afterwards is told then. */
  readonly quiet: readonly Hours[]
  /** A hash of what decides when it fires and under which labels: an alert of another print is another rule's. */
  readonly print: string
}

export type Condition =
  | WaitingCondition
  | ServiceLevelCondition
  | AbandonRateCondition
  | AverageWaitCondition
  | QueueLengthCondition
  | BreakRateCondition
  | AbsenceCondition

/** A condition that has to hold for a while, and is over only beyond its way back. */
interface Lasting {
  readonly forMs: number
  /** In the unit of the condition's bound: what has to be reached again. */
  readonly recover: number
}

/** Which calls. */
interface OfQueues {
  /** Null: all. */
  readonly queues: readonly string[] | null
}

/** An alert for each queue, or one for all of them together. */
interface ByQueue extends OfQueues {
  readonly perQueue: boolean
}

/** Over the calls whose wait ended in the last so many milliseconds. */
interface OverCalls extends Lasting, ByQueue {
  readonly overMs: number
  /** With fewer calls nothing can be said, and nothing begins. */
  readonly atLeast: number
}

/** One customer who waits for longer, and still does: an alert for each call. */
interface WaitingCondition extends OfQueues {
  readonly kind: 'waiting'
  readonly longerThanMs: number
}

/** answered within so long / (answered + abandoned). */
export interface ServiceLevelCondition extends OverCalls {
  readonly kind: 'serviceLevel'
  readonly withinMs: number
  /** 0 to 1. */
  readonly below: number
}

/** abandoned / (answered + abandoned). */
export interface AbandonRateCondition extends OverCalls {
  readonly kind: 'abandonRate'
  /** 0 to 1. */
  readonly above: number
}

/** The mean wait, however it ended. */
export interface AverageWaitCondition extends OverCalls {
  readonly kind: 'averageWait'
  /** Milliseconds, as is `recover`. */
  readonly above: number
}

/** How many calls wait now. */
export interface QueueLengthCondition extends Lasting, ByQueue {
  readonly kind: 'queueLength'
  readonly above: number
}

/** How many chains break at a touchpoint, against its own past. */
export interface BreakRateCondition extends Lasting {
  readonly kind: 'breakRate'
  readonly touchpoint: string
  readonly overMs: number
  /** How long the time before is that it is compared with. */
  readonly againstMs: number
  /** So many times the rate of the past; `recover` is a factor too. */
  readonly above: number
  /** Chains that reached the touchpoint and ended in `overMs`. */
  readonly atLeast: number
}

/** Nothing happened at a touchpoint for so long, in hours in which something should. */
export interface AbsenceCondition {
  readonly kind: 'absence'
  readonly touchpoint: string
  readonly forMs: number
  /** Null: always. */
  readonly between: Hours | null
}

export type Kind = Condition['kind']
/** A rule of one kind. */
export type RuleOf<K extends Kind> = RuleBase & Extract<Condition, { readonly kind: K }>

/** How far back a rule looks in the log. */
export function lookBackMs(rule: Rule): number {
  switch (rule.kind) {
    case 'serviceLevel':
    case 'abandonRate':
    case 'averageWait':
      return rule.overMs
    case 'absence':
      return rule.forMs
    default:
      return 0
  }
}

/**
 * Says of a record of the interactions log whether it may concern any of the rules, without reading it; never false where it
 * does.
 *
 * @param kinds rules of these look at what happens at the touchpoint that they name
 */
export function concerns(
  rules: readonly Rule[],
  kinds: readonly Kind[] = ['absence'],
): (record: Pick<RawRecord, 'value' | 'headers'>) => boolean {
  const touchpoints = rules.flatMap((rule) =>
    'touchpoint' in rule && kinds.includes(rule.kind) ? [Buffer.from(rule.touchpoint)] : [],
  )
  return (record) => {
    // What is written in other ways (`\u…`) is let through by it too.
    if (concernsWaiting(record)) return true
    const { buffer, byteOffset, byteLength } = record.value
    const bytes = Buffer.from(buffer, byteOffset, byteLength)
    return touchpoints.some((touchpoint) => bytes.includes(touchpoint))
  }
}
