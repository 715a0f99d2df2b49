import type { RevisedCustomer } from '../options.ts'
import { eventOf, instantText, type LiveEvent } from './events.ts'

/** What broke longer ago is history. */
const RECENT_MS = 3_600_000
const MOST_TOLD = 50_000

/** Tells a break once: a customer's chains are written whole each time that one of them changes. */
export class Breaks {
  /** Chain and instant of the breaks that were told, with that instant; the oldest first. */
  readonly #told = new Map<string, number>()

  /** @param now epoch milliseconds */
  newIn({ person, chains }: RevisedCustomer, now: number): LiveEvent[] {
    const events: LiveEvent[] = []
    for (const chain of chains) {
      const { state, reason, closedAt } = chain
      if (state !== 'broken' || reason === null || closedAt === null || closedAt < now - RECENT_MS) continue
      // A chain that went on after its break may break again, later.
      const key = `${chain.id} ${closedAt}`
      if (this.#told.has(key)) continue
      this.#told.set(key, closedAt)
      this.#forget(now)
      events.push(
        eventOf('break', [person.customer], chain.place, {
          kind: person.kind,
          customer: person.customer,
          chain: chain.id,
          ordinal: chain.ordinal,
          place: chain.place,
          furthest: chain.furthest,
          reason,
          episode: chain.brokenEpisode,
          startedAt: instantText(chain.startedAt),
          lastAt: instantText(chain.lastAt),
          closedAt: instantText(closedAt),
        }),
      )
    }
    return events
  }

  /** From the oldest on: what would not be told any more, and what is too much. */
  #forget(now: number): void {
    for (const [key, closedAt] of this.#told) {
      if (closedAt >= now - RECENT_MS && this.#told.size <= MOST_TOLD) return
      this.#told.delete(key)
    }
  }
}
