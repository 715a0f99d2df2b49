import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Attempt } from './courier.ts'

export interface Metrics {
  counted(attempt: Attempt): void
}

export interface Measured {
  /** Alerts that each receiver ought to know of by now, and does not. */
  waiting(): Iterable<readonly [receiver: string, alerts: number]>
  /** Messages that stand in the list of the failed, by receiver. */
  failed(): Iterable<readonly [receiver: string, messages: number]>
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function createMetrics(registry: Registry, receivers: readonly string[], measured: Measured): Metrics {
  const registers = [registry]
  const total = new Counter({
    name: 'weaklink_notifications_total',
    help: 'Attempts to tell a receiver, by what became of them: told, failed (is tried again), dead (given up).',
    labelNames: ['receiver', 'result'],
    registers,
  })
  const seconds = new Histogram({
    name: 'weaklink_notifications_seconds',
    help: 'How long an attempt to tell a receiver took.',
    labelNames: ['receiver'],
    buckets: BUCKETS,
    registers,
  })
  new Gauge({
    name: 'weaklink_notifications_waiting',
    help: 'Alerts that a receiver ought to know of by now, and does not.',
    labelNames: ['receiver'],
    registers,
    collect() {
      this.reset()
      for (const [receiver, alerts] of measured.waiting()) this.set({ receiver }, alerts)
    },
  })
  new Gauge({
    name: 'weaklink_notifications_dead',
    help: 'Messages of the last seven days that were given up (weaklink alerts list --failed).',
    labelNames: ['receiver'],
    registers,
    collect() {
      this.reset()
      for (const [receiver, messages] of measured.failed()) this.set({ receiver }, messages)
    },
  })
  // From the start, so that a rate sees the first failure.
  for (const receiver of receivers) for (const result of ['told', 'failed', 'dead']) total.inc({ receiver, result }, 0)
  return {
    counted({ receiver, result, seconds: took }) {
      total.inc({ receiver, result })
      seconds.observe({ receiver }, took)
    },
  }
}
