/**
 * What the two halves of this service say to each other: the engine finds out what is wrong, the notifier (notify/) tells
 * people.
 *
 *     interactions ─▶ engine ─(recorded in weaklink.alerts)─▶ tell ─▶ notifier ─▶ receivers
 */

/** Something is wrong now, or was. */
export interface Alert {
  /**
   * Says which alert it is, whoever tells it, however often: a hash of rule, labels and the instant (or call) it began with.
   * Never changes.
   */
  readonly key: string
  readonly rule: string
  /** alertname (= rule), severity, queue, touchpoint, customer …; with `startsAt` they say which alert it is at Alertmanager. */
  readonly labels: Readonly<Record<string, string>>
  readonly summary: string
  readonly description: string
  readonly runbook: string | null
  /** Epoch milliseconds: since when what the rule looks for is so (after `for`: when it fired). */
  readonly startsAt: number
  /** Null while it fires. */
  readonly endsAt: number | null
  /** What was measured, in the rule's unit; null where nothing was. */
  readonly value: number | null
}

/** Tells people of alerts. */
export interface Notifier {
  /**
   * Alerts that begin to fire or are resolved (`endsAt` set). Comes back at once; sending goes on by itself. After a start it
   * is called with everything that fires, and with what was resolved in the last day, also where an earlier process has told
   * it: what was told already it knows by key from what it remembered.
   */
  tell(changes: readonly Alert[]): void
  /**
   * What the topic `weaklink.alerts` says, in its order: everything it holds before the first `tell`, later each record as it
   * comes, also this process's own. Keys that are not the notifier's (see `MemoryRecord`) are left out by the notifier.
   */
  recall(records: readonly MemoryRecord[]): void
  /** Resolves when nothing is being sent any more; what is not yet told is remembered. */
  stop(): Promise<void>
}

/** A record of the topic `weaklink.alerts`. The newest of a key counts. */
export interface MemoryRecord {
  /** `alert/…` and `pending/…` are the engine's; the notifier's begin with `silence/`, `told/` and so on. */
  readonly key: string
  /** JSON; null: forgotten. */
  readonly value: unknown
  /** Epoch milliseconds at which the log took it in. */
  readonly timestamp: number
}

/** The topic `weaklink.alerts`, as who writes to it sees it. One for each time that this process comes to own it. */
export interface Memory {
  /** Resolves when the records are durable; in order. `value: null` forgets. Rejects where the log does not take them. */
  remember(records: readonly Omit<MemoryRecord, 'timestamp'>[]): Promise<void>
  /** Everything the topic holds: the newest of each key, in the order of the topic, without those forgotten. */
  load(): Promise<readonly MemoryRecord[]>
}

/** Makes the notifier of one time in which this process is the one that alerts; `startAlerts` calls it, and `stop` after it. */
export type NotifierFactory = (memory: Memory) => Notifier
