import type { WaitingCall } from '@weaklink/chains'
import type { Fact } from '@weaklink/interactions'
import type { Alert } from '../alert.ts'
import type { Rule, RuleOf } from '../rules/rule.ts'
import type { BreakRates } from './break-rate.ts'
import { callAlert, callAlertKey, endedCallAlert } from './call-alert.ts'
import { type CallEvent, Calls, type EndedWait } from './calls.ts'
import { Deadlines } from './deadlines.ts'
import { Lasting } from './lasting.ts'
import { levelOf } from './level.ts'
import { type Change, type Remembered, together } from './remembered.ts'

/**
 * The core: interactions and the time go in, alerts that begin or are over come out. It reads no clock; the same interactions,
 * asked at the same instants, give the same alerts with the same keys, whoever asks and however often it was begun anew.
 *
 *     a call        waits ──(longer than the rule allows)──▶ firing ──(its wait ends)──▶ resolved
 *     all else      see `Lasting`
 */
export class Engine {
  readonly #rules: readonly Rule[]
  readonly #calls = new Calls()
  readonly #callRules: readonly CallRule[]
  readonly #lasting: readonly Lasting[]
  /** When a call will have waited for too long; calls that are over are dropped late. */
  readonly #deadlines = new Deadlines<Deadline>()
  readonly #remembered: Remembered
  readonly #onWaitEnded: (wait: EndedWait) => void
  /** Of calls whose wait ended since `evaluate` was called last. */
  #ended: Change[] = []

  /**
   * @param remembered what fired when the last one stopped
   * @param logBegan epoch milliseconds of the first thing that the log ever held; minus infinity where that is longer ago than
   * any rule looks back
   * @param onWaitEnded told of each wait that ended, whatever the rules are
   */
  constructor(
    rules: readonly Rule[],
    remembered: Remembered,
    logBegan = Number.NEGATIVE_INFINITY,
    onWaitEnded: (wait: EndedWait) => void = () => {},
  ) {
    this.#onWaitEnded = onWaitEnded
    this.#rules = rules
    this.#remembered = remembered
    this.#callRules = rules.filter((rule) => rule.kind === 'waiting').map((rule) => ({ rule, ...remembered.of(rule) }))
    this.#lasting = rules.flatMap((rule) => {
      const level = levelOf(rule, this.#calls, logBegan)
      return level === null ? [] : [new Lasting(rule, level, remembered.of(rule))]
    })
  }

  /**
   * The log says something. What it changes is told by `evaluate`.
   *
   * @param isCopy the copy of an interaction, under the customer that somebody anonymous turned out to be
   * @param receivedAt when the log took it in, epoch milliseconds
   */
  meet(fact: Fact, isCopy: boolean, now: number, receivedAt = now): void {
    if (fact.kind === 'interaction' && !isCopy) {
      for (const { level } of this.#lasting) level.meet?.(fact.interaction, now)
    }
    for (const event of this.#calls.meet(fact, isCopy, now)) this.#follow(event, now, receivedAt)
  }

  /** What the store says about the touchpoint of a rule about breaks. */
  measured(rule: string, rates: BreakRates): void {
    for (const lasting of this.#lasting) if (lasting.rule.name === rule) lasting.level.measured?.(rates)
  }

  /** Once after the start, when the log was read as far back as the rules look: what fired before, and nobody can see any more, is over. */
  resume(now: number): Change {
    const changes: Change[] = [this.#remembered.withoutRule(this.#rules, now)]
    for (const { rule, firing } of this.#callRules) {
      for (const [callKey, alert] of firing) {
        if (this.#calls.has(callKey)) continue
        firing.delete(callKey)
        changes.push(this.#remembered.resolve(rule, callKey, endedCallAlert(rule, alert, null, null, now)))
      }
    }
    return together(changes)
  }

  /** Alerts that begin or are over, at an instant. */
  evaluate(now: number): Change {
    for (const event of this.#calls.expire(now)) this.#follow(event, now)
    const changes = [this.#take(), this.#due(now)]
    for (const lasting of this.#lasting) changes.push(lasting.evaluate(now, this.#remembered))
    return together(changes)
  }

  /** As `evaluate`, of single calls only: cheap enough for every instant at which something is due. */
  evaluateCalls(now: number): Change {
    return together([this.#take(), this.#due(now)])
  }

  /** Who waits now. */
  waiting(): Iterable<WaitingCall> {
    return this.#calls.waiting()
  }

  /** When the next call will have waited for too long, epoch milliseconds. */
  get nextAt(): number {
    return this.#deadlines.next
  }

  #follow(event: CallEvent, now: number, receivedAt = now): void {
    switch (event.event) {
      case 'counted':
        this.#onWaitEnded(event.wait)
        for (const { level } of this.#lasting) level.count?.(event.wait, now)
        break
      case 'began':
        this.#watch(event.key, event.call, receivedAt)
        break
      case 'ended':
        for (const { rule, firing } of this.#callRules) {
          const alert = firing.get(event.key)
          if (alert === undefined) continue
          firing.delete(event.key)
          const ended = endedCallAlert(rule, alert, event.call, event.by, now)
          this.#ended.push(this.#remembered.resolve(rule, event.key, ended))
        }
    }
  }

  #watch(callKey: string, call: WaitingCall, receivedAt: number): void {
    // Of what is told late (a file that is caught up with, a producer that was away) the end may be on its way.
    const earliest = receivedAt - call.since > LATE_MS ? receivedAt + GRACE_MS : Number.NEGATIVE_INFINITY
    for (const watcher of this.#callRules) {
      const { longerThanMs, queues } = watcher.rule
      if (queues !== null && (call.queue === null || !queues.includes(call.queue))) continue
      this.#deadlines.add(Math.max(call.since + longerThanMs, earliest), { ...watcher, callKey, call })
    }
    const live = this.#calls.size * this.#callRules.length
    if (this.#deadlines.size > 2 * live + SPARE) this.#deadlines.keep(({ callKey }) => this.#calls.has(callKey))
  }

  #take(): Change {
    const ended = this.#ended
    this.#ended = []
    return together(ended)
  }

  #due(now: number): Change {
    const changes: Change[] = []
    for (let due = this.#deadlines.take(now); due !== null; due = this.#deadlines.take(now)) {
      const { rule, firing, callKey, call } = due
      if (!this.#calls.has(callKey) || firing.has(callKey)) continue
      // Its end was told: what comes again is a repeat.
      if (this.#remembered.isResolved(callAlertKey(rule, callKey))) continue
      const alert = callAlert(rule, callKey, call)
      firing.set(callKey, alert)
      changes.push(this.#remembered.fire(rule, callKey, alert))
      if (changes.length === AT_ONCE) break
    }
    return together(changes)
  }
}

/** What comes so long after its instant is late … */
const LATE_MS = 5_000
/** … and a wait that was told late is too long at the earliest so long after that. */
const GRACE_MS = 10_000
/** So many deadlines of calls that are over may stay. */
const SPARE = 1_000
/** So many alerts are made in one turn; `nextAt` then is past already. */
const AT_ONCE = 1_000

interface CallRule {
  readonly rule: RuleOf<'waiting'>
  /** By call. */
  readonly firing: Map<string, Alert>
}

interface Deadline extends CallRule {
  readonly callKey: string
  readonly call: WaitingCall
}
