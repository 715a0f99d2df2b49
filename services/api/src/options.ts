import type { Chain } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import type { EventLog } from '@weaklink/event-log'
import type { Person } from '@weaklink/interactions'
import type { KeyRing } from '@weaklink/runtime'
import type { Registry } from 'prom-client'

export interface ApiOptions {
  readonly store: Store
  /**
   * The store as an account that reads the views for analysts and nothing else: who asks in SQL asks as this one. Null where
   * there is none; nobody can ask in SQL then.
   */
  readonly analyst?: Store | null
  /** For the live stream: what arrives is read from the log itself. */
  readonly log: EventLog
  /** Every route needs a `read` key; admin keys may read too. */
  readonly keys: KeyRing
  readonly registry: Registry
  /** Chains as the tracker writes them, in this process; absent where it runs elsewhere. Answers how to stop listening. */
  readonly revised?: (listener: (row: RevisedCustomer) => void) => () => void
  /** What the collector refused, which the log never sees. Answers how to stop listening. */
  readonly refused?: (listener: (rejections: readonly Refused[]) => void) => () => void
  readonly limits?: Partial<ApiLimits>
}

/** All chains of one person, as they are from now on. */
export interface RevisedCustomer {
  readonly person: Person
  readonly chains: readonly Chain[]
}

/** What the collector did not take in, and why: the fields of a `Rejection`, as far as they could be read. */
export interface Refused {
  readonly id?: string | null | undefined
  readonly reason: string
  readonly field: string
  readonly expected: string
  readonly got: string
  /** What came, as JSON; may be cut. */
  readonly value: string
  /** When it came, in epoch milliseconds. */
  readonly at: number
}

export interface ApiLimits {
  /** A question that takes longer is given up: 504. */
  readonly queryMs: number
  /** Clients of the live stream at a time: 503 for the next one. */
  readonly liveClients: number
  /** What may wait for one live client, in characters. One that falls further behind is dropped, and comes back with its last event id. */
  readonly liveBuffer: number
  /** A resuming client that takes nothing for so long is dropped. */
  readonly stalledMs: number
  /** How often a live client hears something, even where nothing happens. */
  readonly heartbeatMs: number
}

export const LIMITS: ApiLimits = {
  queryMs: 30_000,
  liveClients: 1_000,
  liveBuffer: 1_048_576,
  stalledMs: 30_000,
  heartbeatMs: 15_000,
}
