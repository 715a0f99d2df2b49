/** The **list of the failed**: what a receiver was not told, though it was tried long enough, or once where that was enough. */
import { z } from 'zod'
import type { MemoryRecord } from '../alert.ts'
import { statusOf, type Telling } from './outbox.ts'

/** Never holds a secret. */
export interface Failed {
  readonly receiver: string
  /** Epoch milliseconds at which it was given up. */
  readonly at: number
  readonly attempts: number
  readonly error: string
  /** How many alerts it was about. */
  readonly count: number
  /** The first of them. */
  readonly alerts: readonly { readonly key: string; readonly status: 'firing' | 'resolved'; readonly summary: string }[]
}

const PREFIX = 'failed/'
const SHOWN = 20
/** So long it stays in the list. */
const KEPT_MS = 7 * 86_400_000

const failedSchema = z.object({
  receiver: z.string(),
  at: z.number(),
  attempts: z.number(),
  error: z.string(),
  count: z.number(),
  alerts: z.array(z.object({ key: z.string(), status: z.enum(['firing', 'resolved']), summary: z.string() })),
})

export function failedRecord(
  telling: Telling,
  { at, attempts, error }: Pick<Failed, 'at' | 'attempts' | 'error'>,
): Omit<MemoryRecord, 'timestamp'> {
  const { receiver, id, firing, resolved, fresh } = telling
  const all = [...firing, ...resolved]
  const meant = fresh.size === 0 ? all : all.filter(({ key }) => fresh.has(key))
  const alerts = meant
    .slice(0, SHOWN)
    .map((alert) => ({ key: alert.key, status: statusOf(alert), summary: alert.summary }))
  return {
    key: `${PREFIX}${receiver}/${id}`,
    value: { receiver, at, attempts, error, count: meant.length, alerts } satisfies Failed,
  }
}

/** The list of the failed among the records of the topic, the newest last; of the last seven days. */
export function failedIn(records: readonly Pick<MemoryRecord, 'key' | 'value'>[], now: number): readonly Failed[] {
  const list = new FailedList()
  for (const record of records) list.recall(record)
  return list.of(now)
}

export class FailedList {
  readonly #byKey = new Map<string, Failed>()

  /** Takes in a record of the topic; false where it is of something else. */
  recall({ key, value }: Pick<MemoryRecord, 'key' | 'value'>): boolean {
    if (!key.startsWith(PREFIX)) return false
    const parsed = failedSchema.safeParse(value)
    if (parsed.success) this.#byKey.set(key, parsed.data)
    else this.#byKey.delete(key)
    return true
  }

  of(now: number): readonly Failed[] {
    for (const [key, { at }] of this.#byKey) if (at < now - KEPT_MS) this.#byKey.delete(key)
    return [...this.#byKey.values()].sort((a, b) => a.at - b.at)
  }
}
