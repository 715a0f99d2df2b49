import { builtinCatalogue } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import { catalogueInForce } from '../breakpoints/query.ts'
import type { CatalogueTouchpoint, TouchpointsReport } from './shape.ts'

/** Every accepted interaction is in exactly one chain, and this reads one array instead of a row for each of them. */
const MET_SQL = `
  SELECT touchpoint, count() AS interactions
  FROM (SELECT arrayJoin(arrayFlatten(chains.interactions.touchpoint)) AS touchpoint FROM customer_chains FINAL)
  GROUP BY touchpoint
  ORDER BY interactions DESC, touchpoint`

/**
 * The catalogue in force (the built-in one where the log has named none yet), how often customers met each touchpoint,
 * and what they met that it lacks.
 *
 * @throws StoreError
 */
export async function touchpointsReport(store: Store): Promise<TouchpointsReport> {
  const [inForce, met] = await Promise.all([
    catalogueInForce(store),
    store.query<{ touchpoint: string; interactions: number }>(MET_SQL),
  ])
  const catalogue = inForce ?? builtinCatalogue
  const counts = new Map(met.map(({ touchpoint, interactions }) => [touchpoint, interactions]))
  return {
    hash: catalogue.hash,
    patienceMs: catalogue.patienceMs,
    epilogueMs: catalogue.epilogueMs,
    touchpoints: [...catalogue.touchpoints.values()].map((touchpoint) => ({
      ...(touchpoint as Omit<CatalogueTouchpoint, 'interactions'>),
      interactions: counts.get(touchpoint.id) ?? 0,
    })),
    uncatalogued: met.filter(({ touchpoint }) => !catalogue.touchpoints.has(touchpoint)),
  }
}
