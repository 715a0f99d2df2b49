import type { WaitingCall } from '@weaklink/chains'
import { Gauge, Histogram, type Registry } from 'prom-client'
import type { EndedWait } from './engine/calls.ts'

/** Beyond so many queues the others are told as one: a producer that makes up names must not fill a Prometheus. */
const MOST_QUEUES = 100
const OTHERS = '(others)'
const SECONDS = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1_800]

export interface CallMetrics {
  /** A wait ended, now or long ago. */
  ended(wait: EndedWait): void
}

/**
 * What this service says at /metrics of queues. Calls without a queue have an empty label.
 *
 * @param now.waiting who waits, as far as this process knows
 * @param now.instant epoch milliseconds
 */
export function callMetrics(
  registry: Registry,
  now: { waiting(): Iterable<WaitingCall>; instant(): number },
): CallMetrics {
  const registers = [registry]
  const startedAt = now.instant()
  const known = new Set<string>()
  const labelOf = (queue: string | null) => {
    const name = queue ?? ''
    if (known.size < MOST_QUEUES) known.add(name)
    return known.has(name) ? name : OTHERS
  }
  // A queue that is empty by now says 0, and not what it said last.
  new Gauge({
    name: 'weaklink_calls_waiting',
    help: 'Calls that wait in a queue now.',
    labelNames: ['queue'],
    registers,
    collect() {
      this.reset()
      for (const queue of known) this.set({ queue }, 0)
      for (const { queue } of now.waiting()) this.inc({ queue: labelOf(queue) })
    },
  })
  new Gauge({
    name: 'weaklink_calls_longest_wait_seconds',
    help: 'How long the one has waited who waits longest in a queue now; 0 where nobody waits.',
    labelNames: ['queue'],
    registers,
    collect() {
      this.reset()
      const longest = new Map([...known].map((queue) => [queue, 0]))
      for (const { queue, since } of now.waiting()) {
        const label = labelOf(queue)
        longest.set(label, Math.max(longest.get(label) ?? 0, now.instant() - since))
      }
      for (const [queue, ms] of longest) this.set({ queue }, ms / 1_000)
    },
  })
  const waits = new Histogram({
    name: 'weaklink_call_wait_seconds',
    help: 'How long calls waited whose wait ended since the start, by queue and how it ended: answered, abandoned, other.',
    labelNames: ['queue', 'outcome'],
    buckets: SECONDS,
    registers,
  })
  return {
    ended({ queue, at, waitMs, how }) {
      // After a start the log is read back: those waits were counted by who ran before.
      if (at >= startedAt) waits.observe({ queue: labelOf(queue), outcome: how }, waitMs / 1_000)
    },
  }
}
