import type { ChainColumn } from '../chain-units.ts'
import type { Params } from '../keys.ts'
import { WAIT_BUCKETS, type WaitOfChain } from './shape.ts'

/** Which waits of a chain count. */
export interface WaitsOfChain {
  readonly wait: WaitOfChain
  /** Empty: of all queues. */
  readonly queues: readonly string[]
}

/** The columns of a chain that `bucketSql` reads. */
export function waitedColumns({ queues }: WaitsOfChain): readonly ChainColumn[] {
  const columns = ['touchpoints', 'isEpilogue', 'waits', 'outcomes'] as const
  return queues.length === 0 ? columns : [...columns, 'queues']
}

/**
 * SQL: the bucket of a chain, by its longest or first wait in a queue, the epilogue apart: what comes after the end was no
 * part of what led there. `abandoned` where somebody gave up (at first), `unknown` where no length is known, `none` where
 * nobody waited.
 */
export function bucketSql({ wait, queues }: WaitsOfChain, params: Params): string {
  const some = queues.length > 0
  const waited = `
    arrayFilter(
      (one, met, epilogue${some ? ', queue' : ''}) -> met = 'call_wait' AND NOT epilogue
        ${some ? `AND has(${params.bind(queues, 'Array(String)')}, queue)` : ''},
      arrayZip(waits, outcomes), touchpoints, isEpilogue${some ? ', queues' : ''})`
  const counted = wait === 'first' ? `arraySlice(${waited}, 1, 1)` : waited
  const edges = WAIT_BUCKETS.map(({ fromMs }) => fromMs)
  const names = ['unknown', ...WAIT_BUCKETS.map(({ bucket }) => bucket)]
  return `
    multiIf(
      empty(${counted} AS itsWaits), 'none',
      arrayExists(wait -> wait.2 = 'abandoned', itsWaits), 'abandoned',
      ${params.bind(names, 'Array(String)')}[1 + arrayCount(
        edge -> edge <= arrayMax(arrayMap(wait -> ifNull(toInt64(wait.1), -1), itsWaits)),
        ${params.bind(edges, 'Array(Int64)')})])`
}
