import type { Store } from '@weaklink/clickhouse'

/** Aggregates that were made longer ago are late (they are refreshed every 46 s): reports then read the chains themselves. */
export const LATE_MS = 60_000

/** How the aggregates are kept. On a cluster, of the server that was asked and its worst shard. */
export interface AggregatesState {
  /** When the chains were read that they count; null where they were never made. */
  readonly refreshedAt: string | null
  readonly ageMs: number | null
  /** How long the last refresh took that succeeded since the server started. */
  readonly tookMs: number | null
  /** Why the last refresh failed; null where it did not. */
  readonly failure: string | null
}

/** @throws StoreError */
export async function aggregatesState(store: Store): Promise<AggregatesState> {
  const [row] = await store.query<AggregatesState>(`
    SELECT refreshedAt, ageMs, tookMs, nullIf(failure, '') AS failure
    FROM (
      SELECT minOrNull(refreshedAt) AS refreshedAt,
        maxOrNull(dateDiff('millisecond', aggregates.refreshedAt, now64(3))) AS ageMs
      FROM aggregates WHERE kind = 'head') AS made,
      (SELECT max(last_success_duration_ms) AS tookMs, max(exception) AS failure
       FROM system.view_refreshes
       WHERE database = currentDatabase() AND view IN ('aggregates_refresh', 'aggregates_refresh_shard')) AS refreshes`)
  return row ?? { refreshedAt: null, ageMs: null, tookMs: null, failure: null }
}
