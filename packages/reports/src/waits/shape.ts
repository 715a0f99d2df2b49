import { z } from 'zod'
import { drillShape } from '../paths/shape.ts'
import { groupShape, selectionShape } from '../selection-shape.ts'

/** What a row covers; `none`: there is one row, for the whole period. */
export const PER = ['hour', 'halfhour', 'day', 'week', 'none'] as const

/** Which wait a chain counts by, of several. */
export const WAIT_OF_CHAIN = ['longest', 'first'] as const
export type WaitOfChain = (typeof WAIT_OF_CHAIN)[number]

/** By how long a chain waited: from `fromMs`, below that of the next. */
export const WAIT_BUCKETS = [
  { bucket: '0-10s', fromMs: 0 },
  { bucket: '10-30s', fromMs: 10_000 },
  { bucket: '30-60s', fromMs: 30_000 },
  { bucket: '1-2m', fromMs: 60_000 },
  { bucket: '2-5m', fromMs: 120_000 },
  { bucket: '5m+', fromMs: 300_000 },
] as const

/** Where a chain is by its wait: it gave up, nobody knows how long it waited, it did not wait. */
export const WAITED = [...WAIT_BUCKETS.map(({ bucket }) => bucket), 'abandoned', 'unknown', 'none'] as const
export type Waited = (typeof WAITED)[number]

const count = z.int().nonnegative()
/** Between 0 and 1; null of nothing. */
const rate = z.number().nullable()
const ms = z.number().nonnegative().nullable()

/** Of the calls whose wait is known; null of nothing. Percentiles are nearest ranks. */
const spread = z.object({ mean: ms, p50: ms, p90: ms, p95: ms })

/**
 * Calls that a queue received: received = answered + abandoned + closed + saturated + blocked + the four of `left` + waiting +
 * unended.
 */
const figures = {
  received: count,
  answered: count,
  /** The caller gave up. */
  abandoned: count,
  /** Turned away, without a wait: the queue was closed; full; had nobody, or sent callers elsewhere. */
  closed: count,
  saturated: count,
  blocked: count,
  /** Left the queue otherwise: after the longest time allowed, by a key, since nobody was there any more, or else. */
  left: z.object({ timeout: count, key: count, empty: count, other: count }),
  /** No end is known. `waiting` entered within an hour before `asOf`. */
  waiting: count,
  unended: count,
  /** Abandoned within `shortMs`: neither in `abandoned` nor in `received`. */
  shortAbandons: count,
  /** The mean wait of answered calls; of abandoned ones where none was answered. */
  averageWaitMs: ms,
  answeredWaitMs: spread,
  abandonedWaitMs: spread,
  /** Of all calls that left the queue. */
  longestWaitMs: ms,
  /** Of conversations. */
  averageTalkMs: ms,
  /** answered / (received − closed), abandoned / (received − closed). */
  answeredRate: rate,
  abandonRate: rate,
  /** Among calls whose wait is known. `met`: `ofAnsweredAndAbandoned` is at least the target. */
  serviceLevel: z.object({
    answeredInTime: count,
    ofAnswered: rate,
    ofAnsweredAndAbandoned: rate,
    met: z.boolean().nullable(),
  }),
  /** Calls that asked for one (by a key), and customers who gave up, and whose next call came from the company. */
  callbacks: z.object({ asked: count, afterGivingUp: count }),
}

const slots = z.array(
  z.object({
    /** When it begins, in the zone, with its offset; null where `per` is none. */
    start: z.iso.datetime({ offset: true }).nullable(),
    ...figures,
  }),
)

const share = z.object({ rate, low: rate, high: rate })

export const waitsReport = z.object({
  asOf: selectionShape.asOf,
  from: selectionShape.from,
  to: selectionShape.to,
  zone: z.string(),
  per: z.enum(PER),
  /** What calls were kept by; empty: all queues. */
  queues: z.array(z.string()),
  serviceLevel: z.object({ target: z.number(), withinMs: count }),
  shortMs: count.nullable(),
  wait: z.enum(WAIT_OF_CHAIN),
  /** Whether hours without calls are listed: where the period has both ends and at most 1,000 of them. */
  filled: z.boolean(),
  totals: z.object({ received: count, chains: count }),
  /** Most calls first. */
  groups: z.array(
    z.object({
      by: groupShape,
      /** Of all queues. */
      totals: z.object(figures),
      slots,
      /** Most calls first. A queue without a name is null. */
      queues: z.array(z.object({ queue: z.string().nullable(), totals: z.object(figures), slots })),
      /**
       * How long callers hold out when nobody answers (Kaplan and Meier 1958): who was answered, or left otherwise, would have
       * held out at least as long. `--short` leaves nobody out here. Intervals are 95 % (Greenwood's variance, on the scale
       * of log(−log)); null where none can be given.
       */
      patience: z.object({
        calls: count,
        gaveUp: count,
        /** By when half would have given up; null where more than half hold out as long as anybody waited. */
        medianMs: z.object({ value: ms, low: ms, high: ms }),
        /** The share that still holds out after so long; null where nobody waited so long. */
        after: z.array(z.object({ ms: count, atRisk: count, holding: rate, low: rate, high: rate })),
        /** Each wait after which somebody gave up. Above 1,000 of them, those at which `holding` loses another 0.1 %. */
        steps: z.array(
          z.object({ ms: count, atRisk: count, gaveUp: count, holding: z.number(), low: rate, high: rate }),
        ),
      }),
      /**
       * Chains that started in the period, by the longest (or first) wait in a queue before their end. They sum to all chains:
       * `abandoned` gave up in a queue, of `unknown` no length is known, `none` did not wait.
       */
      cost: z.array(
        z.object({
          bucket: z.enum(WAITED),
          fromMs: count.nullable(),
          toMs: count.nullable(),
          counts: z.object({ chains: count, converted: count, broken: count, ignored: count, open: count }),
          /** Of converted + broken, with 95 % intervals (Wilson). It says what goes together, not what causes what. */
          conversion: share,
          break: share,
          /** These. */
          chains: drillShape,
        }),
      ),
    }),
  ),
})

export type WaitsReport = z.infer<typeof waitsReport>
export type CallFigures = WaitsReport['groups'][number]['totals']
export type Patience = WaitsReport['groups'][number]['patience']
