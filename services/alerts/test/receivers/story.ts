import type { Alert } from '../../src/alert.ts'
import { type Grouping, Outbox, type Telling } from '../../src/notify/outbox.ts'

const GROUPING: Grouping = {
  by: ['alertname', 'queue'],
  waitMs: 0,
  intervalMs: 0,
  repeatMs: 14_400_000,
  closesQuietly: false,
  needsRefresh: false,
  most: 500,
}

/** What a receiver is told at each of these instants, of the alerts as they are then. */
export function tellings(...steps: readonly { readonly at: number; readonly alerts?: readonly Alert[] }[]): Telling[] {
  const outbox = new Outbox('ops', GROUPING, 14_400_000, 0)
  return steps.flatMap(({ at, alerts = [] }) => {
    for (const alert of alerts) outbox.learn(alert, () => false, at)
    const due = outbox.due(() => false, at, 100)
    for (const telling of due) outbox.done(telling)
    return due
  })
}
