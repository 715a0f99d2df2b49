import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '@weaklink/clickhouse'
import { type EventLog, LogError, type PartitionHandler } from '@weaklink/event-log'
import { ALERTS_TOPIC } from '@weaklink/interactions'
import { InUseError } from '@weaklink/runtime'
import type { Logger } from '@weaklink/runtime/logger'
import type { Registry } from 'prom-client'
import type { Alert, NotifierFactory } from './alert.ts'
import { Duty } from './duty.ts'
import { createAlertsTopic, decodeMemory, memoryOf, Newest } from './memory.ts'
import { alertsMetrics } from './metrics.ts'
import type { Rule } from './rules/rule.ts'

export interface AlertsOptions {
  readonly log: EventLog
  /** What rules about breaks ask; null: they say nothing. */
  readonly store: Store | null
  readonly rules: readonly Rule[]
  readonly notifier: NotifierFactory
  readonly registry: Registry
  readonly logger: Logger
  /** Epoch milliseconds. Default: the clock. */
  readonly now?: () => number
  /** How long after a restart nothing begins or ends; default 5 s. */
  readonly settleMs?: number
}

/** The alerts of a process. */
export interface Alerts {
  /** What fires now; nothing while another process alerts. */
  alerts(): readonly Alert[]
  /** Whether this process is the one that alerts, and not one that stands by. */
  isWorking(): boolean
  /** Rejects where it cannot go on; does not resolve before `stop`. */
  readonly done: Promise<void>
  /** Resolves when everything is recorded, and nothing is being told any more. */
  stop(): Promise<void>
}

export const ALERTS_GROUP = 'weaklink-alerts'
/** How often a process that stands by looks whether it is needed (embedded log; in Kafka the group says so). */
const STANDBY_MS = 1_000

/**
 * Follows the log and tells of what is wrong, by these rules. Of several processes one works, the others stand by: it is the
 * member of the group that owns the one partition of `weaklink.alerts`.
 */
export function startAlerts(options: AlertsOptions): Alerts {
  const { log, logger, registry, now = Date.now } = options
  const memory = memoryOf(log)
  const ending = new AbortController()
  let duty: Duty | null = null
  const metrics = alertsMetrics(registry, options.rules, {
    firing: () => duty?.firing() ?? [],
    isWorking: () => duty !== null,
    behindSeconds: () => duty?.behindSeconds ?? 0,
    waiting: () => duty?.waiting() ?? [],
    instant: now,
  })

  const follow = async () => {
    await createAlertsTopic(log)
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => {})
    const consumer = await log.consume(ALERTS_TOPIC, ALERTS_GROUP, handlerOf(failed.reject))
    const stopped = new Promise<void>((resolve) =>
      ending.signal.addEventListener('abort', () => resolve(), { once: true }),
    )
    try {
      if (!ending.signal.aborted) await Promise.race([consumer.done, failed.promise, stopped])
    } finally {
      await consumer.stop()
      // A consumer that failed did not say that the partition is somebody else's.
      await duty?.stop()
      duty = null
    }
    await consumer.done
  }

  const handlerOf = (fail: (error: unknown) => void): PartitionHandler => {
    let newest = new Newest()
    let notifier: ReturnType<NotifierFactory> | null = null
    return {
      async assigned() {
        newest = new Newest()
        const [range] = await log.ranges(ALERTS_TOPIC)
        return range?.start ?? 0
      },
      async records(_, batch) {
        const records = batch.map(decodeMemory).filter((record) => record !== null)
        if (notifier === null) newest.add(records)
        else notifier.recall(records)
      },
      async caughtUp() {
        if (notifier !== null) return
        const records = newest.all()
        newest = new Newest()
        notifier = options.notifier(memory)
        notifier.recall(records)
        logger.info('this process alerts')
        duty = new Duty({ ...options, memory, notifier, metrics, now }, records)
        duty.over.catch(fail)
      },
      async revoked() {
        await duty?.stop()
        ;[duty, notifier] = [null, null]
      },
      lost() {
        const gone = duty
        gone?.abandon()
        void gone?.stop()
        ;[duty, notifier] = [null, null]
        logger.warn('another process alerts from now on')
      },
    }
  }

  const run = async () => {
    for (let isFirst = true; !ending.signal.aborted; isFirst = false) {
      try {
        await follow()
      } catch (error) {
        const waits = error instanceof InUseError || (error instanceof LogError && error.retryHelps)
        if (!waits) throw error
        if (isFirst) logger.info(`this process stands by: ${error.message}`)
      }
      await sleep(STANDBY_MS, undefined, { signal: ending.signal }).catch(() => {})
    }
  }
  const done = run()
  done.catch(() => {})
  return {
    alerts: () => duty?.firing() ?? [],
    isWorking: () => duty !== null,
    done,
    async stop() {
      ending.abort()
      await done.catch(() => {})
    },
  }
}
