import type { Interaction } from '@weaklink/interactions'
import { customerId } from './customer.ts'
import { DAY } from './local-time.ts'
import { simulate } from './simulate.ts'
import { type PlantedWeakLink, planted } from './weak-links.ts'

export interface GeneratedBusiness {
  /** In the order of their instants. */
  readonly interactions: readonly Interaction[]
  readonly planted: readonly PlantedWeakLink[]
}

export interface BusinessOptions {
  readonly seed: number
  /** Those of them who come within the days, which is nearly always everybody. */
  readonly customers: number
  /** More than 32. */
  readonly days: number
  /** Epoch milliseconds of the first day, 00:00 UTC. */
  readonly start: number
}

/**
 * The history of a company as an export of its CRM has it: everybody is known, also while they were only a cookie. The
 * last month brings no new customers: by its end it is known what became of nearly everybody. The same options give the
 * same interactions.
 */
export function generateBusiness({ seed, customers, days, start }: BusinessOptions): GeneratedBusiness {
  const customersPerDay = customers / (days - 32)
  const interactions: Interaction[] = []
  for (const { who, interaction } of simulate({ seed, start, end: start + days * DAY, customersPerDay, customers })) {
    const { id, anonymousId: _, ...what } = interaction
    interactions.push({ id, ...what, customer: customerId(who) })
  }
  interactions.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
  return { interactions, planted: planted() }
}
