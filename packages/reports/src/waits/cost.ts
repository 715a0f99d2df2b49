import { STATES, type State } from '@weaklink/chains'
import type { Drill } from '../drill.ts'
import { wilson } from '../intervals.ts'
import { WAIT_BUCKETS, WAITED, type Waited, type WaitsReport } from './shape.ts'

type Cost = WaitsReport['groups'][number]['cost'][number]

/** Chains by state. */
export type StateCounts = Partial<Readonly<Record<State, number>>>

/**
 * What became of chains by how long they waited: one row for each bucket, also for those without chains.
 *
 * @param drill options of `report chains` for all of them together
 */
export function costOf(counts: ReadonlyMap<string, StateCounts>, drill: Drill): Cost[] {
  return WAITED.map((bucket) => {
    const of = counts.get(bucket) ?? {}
    const { converted = 0, broken = 0, ignored = 0, open = 0 } = of
    const chains = STATES.reduce((sum, state) => sum + (of[state] ?? 0), 0)
    return {
      bucket,
      ...bounds(bucket),
      counts: { chains, converted, broken, ignored, open },
      conversion: shareOf(converted, converted + broken),
      break: shareOf(broken, converted + broken),
      chains: { ...drill, waited: bucket },
    }
  })
}

function bounds(bucket: Waited): { fromMs: number | null; toMs: number | null } {
  const index = WAIT_BUCKETS.findIndex((one) => one.bucket === bucket)
  if (index < 0) return { fromMs: null, toMs: null }
  return { fromMs: WAIT_BUCKETS[index]?.fromMs ?? null, toMs: WAIT_BUCKETS[index + 1]?.fromMs ?? null }
}

function shareOf(part: number, of: number): Cost['conversion'] {
  const interval = wilson(part, of)
  return { rate: of === 0 ? null : part / of, low: interval?.low ?? null, high: interval?.high ?? null }
}
