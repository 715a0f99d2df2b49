import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Intake } from './intake.ts'
import type { BytesInFlight } from './limits.ts'

const FORMATS = ['interactions', 'segment', 'cloudevents'] as const
export type Format = (typeof FORMATS)[number]

/** What the collector counts: nothing that came disappears without a name. */
export interface Metrics {
  counted(format: Format, intake: Intake): void
  /** An answer went out. */
  answered(format: Format, status: number, seconds: number): void
}

export function createMetrics(registry: Registry, flight: BytesInFlight): Metrics {
  const registers = [registry]
  const parts = new Counter({
    name: 'weaklink_collector_interactions_total',
    help: 'Parts of requests by what became of them: accepted, duplicate or rejected.',
    labelNames: ['format', 'result'],
    registers,
  })
  const rejected = new Counter({
    name: 'weaklink_collector_rejected_total',
    help: 'Rejected parts of requests by reason.',
    labelNames: ['format', 'reason'],
    registers,
  })
  const seconds = new Histogram({
    name: 'weaklink_collector_request_seconds',
    help: 'From the head of a request to its answer, which waits until the log is durable.',
    labelNames: ['format', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  new Gauge({
    name: 'weaklink_collector_bytes_in_flight',
    help: 'Bytes of bodies that are being read, checked and written.',
    registers,
    collect() {
      this.set(flight.held)
    },
  })
  // From the start, so that a rate sees the first time that it refuses.
  for (const format of FORMATS) seconds.zero({ format, status: 503 })
  // Asking for a child by its labels costs more than counting.
  const of = Object.fromEntries(
    FORMATS.map((format) => [
      format,
      {
        accepted: parts.labels({ format, result: 'accepted' }),
        duplicates: parts.labels({ format, result: 'duplicate' }),
        rejected: parts.labels({ format, result: 'rejected' }),
        answered: new Map<number, Histogram.Internal<'format' | 'status'>>(),
      },
    ]),
  ) as Record<Format, FormatMetrics>
  return {
    counted(format, { accepted, duplicates, refused }) {
      const { accepted: taken, duplicates: repeated, rejected: wrong } = of[format]
      taken.inc(accepted)
      repeated.inc(duplicates)
      wrong.inc(refused.length)
      for (const { reason } of refused) rejected.inc({ format, reason })
    },
    answered(format, status, took) {
      const { answered } = of[format]
      let known = answered.get(status)
      if (known === undefined) {
        known = seconds.labels({ format, status })
        answered.set(status, known)
      }
      known.observe(took)
    },
  }
}

interface FormatMetrics {
  readonly accepted: Counter.Internal
  readonly duplicates: Counter.Internal
  readonly rejected: Counter.Internal
  /** By status. */
  readonly answered: Map<number, Histogram.Internal<'format' | 'status'>>
}
