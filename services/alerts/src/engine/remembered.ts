import { z } from 'zod'
import type { Alert, MemoryRecord } from '../alert.ts'
import type { Rule } from '../rules/rule.ts'

/** What is to be told, and what has to be remembered before that. */
export interface Change {
  readonly alerts: readonly Alert[]
  readonly records: readonly Omit<MemoryRecord, 'timestamp'>[]
}

const NOTHING: Change = { alerts: [], records: [] }

export function together(changes: readonly Change[]): Change {
  const some = changes.filter(({ records }) => records.length > 0)
  if (some.length <= 1) return some[0] ?? NOTHING
  return { alerts: some.flatMap(({ alerts }) => alerts), records: some.flatMap(({ records }) => records) }
}

/** What stands of one rule, by call or group. */
export interface OfRule {
  readonly firing: Map<string, Alert>
  /** Since when it holds, epoch milliseconds. */
  readonly pending: Map<string, number>
}

const ALERT = 'alert/'
const PENDING = 'pending/'
/** So long it is known that an alert is over. */
const RESOLVED_KEPT_MS = 86_400_000

const alertSchema: z.ZodType<Alert> = z.object({
  key: z.string(),
  rule: z.string(),
  labels: z.record(z.string(), z.string()),
  summary: z.string(),
  description: z.string(),
  runbook: z.string().nullable(),
  startsAt: z.number(),
  endsAt: z.number().nullable(),
  value: z.number().nullable(),
})
/** `print` as in a rule, `group` a call or a group of it. */
const alertRecord = z.object({ print: z.string(), group: z.string(), alert: alertSchema })
const pendingRecord = z.object({ print: z.string(), group: z.string(), since: z.number() })

/**
 * What the engine knows beyond the log: what fires, since when something holds that may fire, and what was over lately. It is
 * kept in the topic `weaklink.alerts`, so that whoever begins anew goes on with the same keys.
 */
export class Remembered {
  /** By the print of their rules. */
  readonly #rules = new Map<string, OfRule>()
  readonly #resolved = new Map<string, Alert>()

  /**
   * @param records as `Memory.load` gives them; those of others are left out, as is what nobody can read
   * @param now epoch milliseconds; what was over long before is dropped
   */
  constructor(records: readonly MemoryRecord[], now: number) {
    for (const { key, value } of records) {
      const [alert, pending] = [alertRecord.safeParse(value), pendingRecord.safeParse(value)]
      if (key.startsWith(ALERT) && alert.success) {
        const { print, group, alert: one } = alert.data
        if (one.endsAt === null) this.#of(print).firing.set(group, one)
        else if (one.endsAt > now - RESOLVED_KEPT_MS) this.#resolved.set(one.key, one)
      } else if (key.startsWith(PENDING) && pending.success) {
        this.#of(pending.data.print).pending.set(pending.data.group, pending.data.since)
      }
    }
  }

  of(rule: Rule): OfRule {
    return this.#of(rule.print)
  }

  isResolved(alertKey: string): boolean {
    return this.#resolved.has(alertKey)
  }

  /** Everything that fires, and what was resolved in the last day. */
  alerts(): Alert[] {
    return [...this.firing(), ...this.#resolved.values()]
  }

  firing(): Alert[] {
    return [...this.#rules.values()].flatMap(({ firing }) => [...firing.values()])
  }

  fire(rule: Rule, group: string, alert: Alert): Change {
    return { alerts: [alert], records: [{ key: ALERT + alert.key, value: { print: rule.print, group, alert } }] }
  }

  resolve(rule: { readonly print: string }, group: string, alert: Alert): Change {
    this.#resolved.set(alert.key, alert)
    // The oldest stand first, but for those that a clock put elsewhere.
    for (const [key, { endsAt }] of this.#resolved) {
      if ((endsAt ?? 0) > (alert.endsAt ?? 0) - RESOLVED_KEPT_MS) break
      this.#resolved.delete(key)
    }
    return { alerts: [alert], records: [{ key: ALERT + alert.key, value: { print: rule.print, group, alert } }] }
  }

  pend(rule: Rule, group: string, since: number | null): Change {
    const value = since === null ? null : { print: rule.print, group, since }
    return { alerts: [], records: [{ key: `${PENDING}${rule.print}/${group}`, value }] }
  }

  /** What stood of rules that are there no more, or were changed: it is over. */
  withoutRule(rules: readonly Rule[], now: number): Change {
    const changes: Change[] = []
    const prints = new Set(rules.map(({ print }) => print))
    for (const [print, { firing, pending }] of this.#rules) {
      if (prints.has(print)) continue
      for (const [group, alert] of firing) {
        const isChanged = rules.some(({ name }) => name === alert.rule)
        const description = `The rule ${alert.rule} was ${isChanged ? 'changed' : 'removed'}: this alert is over, whatever it was about.`
        changes.push(this.resolve({ print }, group, { ...alert, description, endsAt: Math.max(alert.startsAt, now) }))
      }
      for (const group of pending.keys()) {
        changes.push({ alerts: [], records: [{ key: `${PENDING}${print}/${group}`, value: null }] })
      }
      this.#rules.delete(print)
    }
    return together(changes)
  }

  #of(print: string): OfRule {
    let known = this.#rules.get(print)
    if (known === undefined) {
      known = { firing: new Map(), pending: new Map() }
      this.#rules.set(print, known)
    }
    return known
  }
}

/** The alerts that fire by what the topic holds (as `Memory.load` gives it), the one that began last first. */
export function firingIn(records: readonly MemoryRecord[]): readonly Alert[] {
  return new Remembered(records, Number.POSITIVE_INFINITY).firing().sort((a, b) => b.startsAt - a.startsAt)
}
