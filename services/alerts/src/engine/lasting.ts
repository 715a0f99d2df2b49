import type { Alert } from '../alert.ts'
import type { Rule } from '../rules/rule.ts'
import { hashOf } from '../rules/schema.ts'
import { filled } from '../rules/template.ts'
import type { Level, Reading } from './level.ts'
import { type Change, type OfRule, type Remembered, together } from './remembered.ts'

/**
 * The course of a rule that looks at how things are, in each of its groups:
 *
 *               holds                for `for`
 *     quiet ─────────────▶ pending ─────────────▶ firing ──(over: beyond `recover`, or nothing there)──▶ resolved ─▶ quiet
 *        ◀─────────────────
 *          does not hold
 *
 * Between the bound and `recover` what fires goes on firing, and nothing begins. Where nothing can be said (the store is
 * away), everything stays as it is.
 */
export class Lasting {
  readonly rule: Rule
  readonly level: Level
  readonly #forMs: number
  readonly #firing: Map<string, Alert>
  /** By group: since when it holds, epoch milliseconds. */
  readonly #pending: Map<string, number>

  constructor(rule: Rule, level: Level, { firing, pending }: OfRule) {
    this.rule = rule
    this.level = level
    // Of an absence it is part of what is looked for.
    this.#forMs = 'recover' in rule ? rule.forMs : 0
    this.#firing = firing
    this.#pending = pending
  }

  evaluate(now: number, remembered: Remembered): Change {
    const readings = this.level.read(now)
    if (readings === null || (readings.length === 0 && this.#firing.size === 0 && this.#pending.size === 0))
      return together([])
    const changes: Change[] = []
    const groups = new Set(readings.map(({ group }) => group))
    for (const reading of readings) changes.push(this.#step(reading, now, remembered))
    for (const [group, alert] of this.#firing) {
      if (!groups.has(group))
        changes.push(this.#resolve(group, { ...alert, description: this.level.gone }, now, remembered))
    }
    for (const group of this.#pending.keys()) {
      if (!groups.has(group)) changes.push(this.#forget(group, remembered))
    }
    return together(changes)
  }

  #step(reading: Reading, now: number, remembered: Remembered): Change {
    const { group, holds, isOver } = reading
    const alert = this.#firing.get(group)
    if (alert !== undefined) {
      if (!isOver) return together([])
      const { over } = reading.text()
      return this.#resolve(group, { ...alert, description: over, value: reading.value }, now, remembered)
    }
    if (!holds) return this.#pending.has(group) ? this.#forget(group, remembered) : together([])
    const known = this.#pending.get(group)
    // A clock that was ahead must not make it wait for longer.
    const since = known === undefined ? now : Math.min(known, now)
    if (now - since >= this.#forMs) {
      const fired = this.#alertOf(reading, now)
      this.#firing.set(group, fired)
      const forgotten = known === undefined ? [] : [this.#forget(group, remembered)]
      return together([...forgotten, remembered.fire(this.rule, group, fired)])
    }
    if (since === known) return together([])
    this.#pending.set(group, since)
    return remembered.pend(this.rule, group, since)
  }

  #resolve(group: string, alert: Alert, now: number, remembered: Remembered): Change {
    this.#firing.delete(group)
    return remembered.resolve(this.rule, group, { ...alert, endsAt: Math.max(alert.startsAt, now) })
  }

  #forget(group: string, remembered: Remembered): Change {
    this.#pending.delete(group)
    return remembered.pend(this.rule, group, null)
  }

  #alertOf(reading: Reading, now: number): Alert {
    const { rule } = this
    const startsAt = reading.since ?? now
    const { summary, description, placeholders } = reading.text()
    return {
      key: hashOf([rule.print, reading.group, startsAt]),
      rule: rule.name,
      labels: { ...rule.labels, alertname: rule.name, severity: rule.severity, ...reading.labels },
      summary: rule.summary === null ? summary : filled(rule.summary, { rule: rule.name, ...placeholders }),
      description,
      runbook: rule.runbook,
      startsAt,
      endsAt: null,
      value: reading.value,
    }
  }
}
