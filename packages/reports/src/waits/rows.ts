import { byColumns, type Row } from '../question.ts'
import type { CallFigures, WaitsReport } from './shape.ts'

/** One row for each queue and hour (day, week …) of each group. Totals are those of `--per none`: they are no sums of rows. */
export function waitsRows({ groups }: WaitsReport): Row[] {
  return groups.flatMap(({ by, queues }) =>
    queues.flatMap(({ queue, slots }) =>
      slots.map(({ start, ...figures }) => ({ ...byColumns(by), queue, start, ...rounded(flat(figures)) })),
    ),
  )
}

/** Milliseconds are whole, shares have six digits. */
function rounded(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, cell]) => {
      if (typeof cell !== 'number') return [name, cell]
      return [name, name.endsWith('Ms') ? Math.round(cell) : Math.round(cell * 1e6) / 1e6]
    }),
  )
}

function flat(figures: CallFigures): Row {
  const { left, answeredWaitMs, abandonedWaitMs, serviceLevel, callbacks } = figures
  return {
    received: figures.received,
    answered: figures.answered,
    abandoned: figures.abandoned,
    closed: figures.closed,
    saturated: figures.saturated,
    blocked: figures.blocked,
    leftByTimeout: left.timeout,
    leftByKey: left.key,
    leftEmpty: left.empty,
    leftOtherwise: left.other,
    waiting: figures.waiting,
    unended: figures.unended,
    shortAbandons: figures.shortAbandons,
    averageWaitMs: figures.averageWaitMs,
    answeredWaitP50Ms: answeredWaitMs.p50,
    answeredWaitP90Ms: answeredWaitMs.p90,
    answeredWaitP95Ms: answeredWaitMs.p95,
    abandonedWaitP50Ms: abandonedWaitMs.p50,
    abandonedWaitP90Ms: abandonedWaitMs.p90,
    abandonedWaitP95Ms: abandonedWaitMs.p95,
    longestWaitMs: figures.longestWaitMs,
    averageTalkMs: figures.averageTalkMs,
    answeredRate: figures.answeredRate,
    abandonRate: figures.abandonRate,
    answeredInTime: serviceLevel.answeredInTime,
    serviceLevelOfAnswered: serviceLevel.ofAnswered,
    serviceLevelOfAnsweredAndAbandoned: serviceLevel.ofAnsweredAndAbandoned,
    serviceLevelMet: serviceLevel.met,
    callbacksAsked: callbacks.asked,
    callbacksAfterGivingUp: callbacks.afterGivingUp,
  }
}
