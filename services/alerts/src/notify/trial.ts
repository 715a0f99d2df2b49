import { createHash, randomUUID } from 'node:crypto'
import type { Alert } from '../alert.ts'
import type { NotifyConfig, Receiver } from './config.ts'
import type { Telling } from './outbox.ts'
import { groupingOf, sinkOf } from './sinks/index.ts'
import { SendError } from './sinks/sink.ts'

/** What became of a message to try a receiver. */
export interface Trial {
  readonly receiver: string
  readonly kind: Receiver['target']['kind']
  readonly ok: boolean
  /** Why not, or what was odd; null where all is well. Never holds a secret. */
  readonly says: string | null
}

/**
 * Sends one alert, which says that it is a test, to each receiver, whatever the routes say, and resolves it where an incident
 * would stay open. Never rejects.
 */
export async function tryReceivers(
  config: NotifyConfig,
  options: { readonly baseUrl?: string | null; readonly now: number; readonly timeoutMs?: number },
): Promise<readonly Trial[]> {
  const { now, baseUrl = null, timeoutMs = 10_000 } = options
  const key = createHash('sha256').update(randomUUID()).digest('hex')
  const firing: Alert = {
    key,
    rule: 'weaklink-test',
    labels: { alertname: 'weaklink-test', severity: 'info' },
    summary: 'This is a test of Weaklink: nothing is wrong',
    description: 'Somebody called weaklink alerts test --send. Whoever reads this is told of alerts from now on.',
    runbook: null,
    startsAt: now,
    endsAt: null,
    value: null,
  }
  return await Promise.all(
    config.receivers.map(async ({ name: receiver, target }): Promise<Trial> => {
      const { kind } = target
      const sink = sinkOf(target, { baseUrl, zone: config.zone })
      const tellings = [tellingOf(receiver, firing, now)]
      if (groupingOf(target, config).closesQuietly) tellings.push(tellingOf(receiver, { ...firing, endsAt: now }, now))
      try {
        let says: string | null = null
        for (const telling of tellings) says = (await sink.send(telling, AbortSignal.timeout(timeoutMs))) ?? says
        return { receiver, kind, ok: true, says }
      } catch (error) {
        return { receiver, kind, ok: false, says: error instanceof SendError ? error.message : 'it could not be sent' }
      }
    }),
  )
}

function tellingOf(receiver: string, alert: Alert, at: number): Telling {
  const isOver = alert.endsAt !== null
  return {
    id: createHash('sha256').update(`${alert.key}${receiver}${isOver}`).digest('hex').slice(0, 32),
    receiver,
    group: '{alertname="weaklink-test"}',
    groupLabels: { alertname: alert.rule },
    reason: 'first',
    firing: isOver ? [] : [alert],
    resolved: isOver ? [alert] : [],
    fresh: new Set([alert.key]),
    leftOut: 0,
    isPart: false,
    at,
  }
}
