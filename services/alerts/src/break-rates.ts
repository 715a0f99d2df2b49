import type { Store } from '@weaklink/clickhouse'
import { breakpoints, breakpointsQuery } from '@weaklink/reports'
import type { BreakCounts, BreakRates } from './engine/break-rate.ts'
import type { RuleOf } from './rules/rule.ts'

const MINUTE_MS = 60_000

/**
 * How many chains broke at the touchpoint of a rule lately, and in the time before; whole minutes.
 *
 * @throws StoreError
 */
export async function breakRates(store: Store, rule: RuleOf<'breakRate'>, now: number): Promise<BreakRates> {
  const to = now - (now % MINUTE_MS)
  const between = to - rule.overMs
  const counts = async (from: number, until: number): Promise<BreakCounts> => {
    const [begin, end] = [new Date(from).toISOString(), new Date(until).toISOString()]
    const { groups } = await breakpoints(store, breakpointsQuery({ from: begin, to: end, date: 'end' }))
    const place = groups.flatMap((group) => group.breakpoints).find(({ touchpoint }) => touchpoint === rule.touchpoint)
    return { broke: place?.broke ?? 0, reached: (place?.reached ?? 0) - (place?.openHere ?? 0) }
  }
  return { recent: await counts(between, to), past: await counts(between - rule.againstMs, between) }
}
