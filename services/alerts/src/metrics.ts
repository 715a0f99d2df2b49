import type { WaitingCall } from '@weaklink/chains'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Alert } from './alert.ts'
import { callMetrics } from './call-metrics.ts'
import type { Rule } from './rules/rule.ts'

export type AlertsMetrics = ReturnType<typeof alertsMetrics>

/** What this service says at /metrics of itself; the notifier's are its own. */
export function alertsMetrics(
  registry: Registry,
  rules: readonly Rule[],
  now: {
    firing(): readonly Alert[]
    isWorking(): boolean
    behindSeconds(): number
    waiting(): Iterable<WaitingCall>
    /** Epoch milliseconds. */
    instant(): number
  },
) {
  const registers = [registry]
  new Gauge({
    name: 'weaklink_alerts_firing',
    help: 'Alerts that fire now.',
    labelNames: ['rule', 'severity'] as const,
    registers,
    collect() {
      this.reset()
      for (const { name, severity } of rules) this.set({ rule: name, severity }, 0)
      for (const { rule, labels } of now.firing()) this.inc({ rule, severity: labels.severity ?? '' })
    },
  })
  new Gauge({
    name: 'weaklink_alerts_working',
    help: '1 where this process is the one that alerts, 0 where it stands by.',
    registers,
    collect() {
      this.set(now.isWorking() ? 1 : 0)
    },
  })
  new Gauge({
    name: 'weaklink_alerts_behind_seconds',
    help: 'Seconds since the end of the log was reached last; while it is not, no alert begins.',
    registers,
    collect() {
      this.set(now.behindSeconds())
    },
  })
  const metrics = {
    calls: callMetrics(registry, now),
    changes: new Counter({
      name: 'weaklink_alerts_changes_total',
      help: 'Alerts that began to fire, or were resolved.',
      labelNames: ['rule', 'state'] as const,
      registers,
    }),
    evaluation: new Histogram({
      name: 'weaklink_alerts_evaluation_seconds',
      help: 'How long all rules took to be evaluated.',
      buckets: [0.0001, 0.001, 0.01, 0.1, 1],
      registers,
    }),
    ruleFailures: new Counter({
      name: 'weaklink_alerts_rule_failures_total',
      help: 'Times a rule could not be evaluated, since the store gave no answer.',
      labelNames: ['rule'] as const,
      registers,
    }),
  }
  // From the start, so that a rate sees the first one.
  for (const { name: rule, kind } of rules) {
    for (const state of ['firing', 'resolved']) metrics.changes.inc({ rule, state }, 0)
    if (kind === 'breakRate') metrics.ruleFailures.inc({ rule }, 0)
  }
  return metrics
}
