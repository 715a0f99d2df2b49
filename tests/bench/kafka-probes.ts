import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../packages/clickhouse/src/index.ts'
import type { EventLog } from '../../packages/event-log/src/index.ts'
import { INTERACTIONS_TOPIC } from '../../packages/interactions/src/index.ts'
import { recordOf } from './kafka-world.ts'

/** The way of single interactions: each of a customer of its own, from the log to the row that everybody can read. */
export interface Probes {
  /** By customer, when it was appended (begun) and when its row was first seen; epoch milliseconds. */
  readonly appendedAt: ReadonlyMap<string, number>
  readonly seenAt: ReadonlyMap<string, number>
  /** Sends no more, and resolves when the rows of all were seen: with how long each one took, ascending. */
  stop(): Promise<readonly number[]>
}

export const EVERY_MS = 50
export const POLL_MS = 50
const PACE_MS = 5

/**
 * Appends one interaction every `EVERY_MS`, to whichever partition its customer belongs, and looks for the rows.
 *
 * @param name of these probes, unlike that of others in the same store
 */
export function startProbes(log: EventLog, partitions: number, store: Store, name: string): Probes {
  const [appendedAt, seenAt] = [new Map<string, number>(), new Map<string, number>()]
  let sending = true
  // However slow the log is, the next one is sent in time.
  const appends: Promise<unknown>[] = []
  const sent = (async () => {
    for (const started = Date.now(); sending; await sleep(PACE_MS)) {
      for (; appendedAt.size * EVERY_MS <= Date.now() - started; ) {
        const [customer, at] = [`probe-${name}-${appendedAt.size}`, Date.now()]
        appendedAt.set(customer, at)
        const probe = { id: customer, customer, touchpoint: 'site_visit', at }
        appends.push(log.append(INTERACTIONS_TOPIC, [recordOf(probe, partitions)]))
      }
    }
  })()
  const looked = (async () => {
    while (sending || seenAt.size < appendedAt.size) {
      const waiting = [...appendedAt.keys()].filter((customer) => !seenAt.has(customer))
      const rows = await store.query<{ customer: string }>(
        'SELECT customer FROM customer_chains WHERE customer IN ({waiting:Array(String)})',
        { waiting },
      )
      const now = Date.now()
      for (const { customer } of rows) if (!seenAt.has(customer)) seenAt.set(customer, now)
      await sleep(POLL_MS)
    }
  })()
  return {
    appendedAt,
    seenAt,
    async stop() {
      sending = false
      await sent
      await Promise.all(appends)
      await looked
      return Array.from(appendedAt, ([customer, at]) => seenAt.get(customer)! - at).sort((a, b) => a - b)
    },
  }
}
