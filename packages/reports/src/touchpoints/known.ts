import type { Store } from '@weaklink/clickhouse'
import { nearestName } from '@weaklink/interactions'
import { catalogueInForce } from '../breakpoints/query.ts'
import { QueryError } from '../query-error.ts'

/** How many names a message lists. */
const LISTED = 40

/**
 * A touchpoint that neither the catalogue nor any interaction knows is a mistake; one that merely has no chains in a period is
 * an empty answer.
 *
 * @throws QueryError naming the nearest and those there are
 */
export async function requireTouchpoints(store: Store, option: string, asked: readonly string[]): Promise<void> {
  if (asked.length === 0) return
  const catalogue = await catalogueInForce(store)
  const unlisted = asked.filter((id) => catalogue?.touchpoints.has(id) !== true)
  if (unlisted.length === 0) return
  const stored = await store.query<{ name: string }>(
    `SELECT DISTINCT arrayJoin(arrayDistinct(arrayFlatten(chains.interactions.touchpoint))) AS name FROM customer_chains FINAL`,
  )
  const names = [...new Set([...stored.map(({ name }) => name), ...(catalogue?.touchpoints.keys() ?? [])])].sort()
  for (const id of unlisted) {
    if (names.includes(id)) continue
    const nearest = nearestName(id, names)
    const listed = `${names.slice(0, LISTED).join(', ')}${names.length > LISTED ? ` … (${names.length} in all)` : ''}`
    const expected =
      names.length === 0
        ? 'a touchpoint; nothing is stored yet'
        : `${nearest === undefined ? '' : `${nearest}, or another `}one of the touchpoints there are: ${listed}`
    throw new QueryError(option, id, expected.replace('another one', 'another'))
  }
}
