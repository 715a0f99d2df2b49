import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@weaklink/runtime/logger'
import type { Registry } from 'prom-client'
import type { Alert, Memory, MemoryRecord, Notifier, NotifierFactory } from '../alert.ts'
import { type NotifyConfig, receiversFor } from './config.ts'
import { type Attempt, Courier } from './courier.ts'
import { FailedList } from './failed.ts'
import { createMetrics, type Measured, type Metrics } from './metrics.ts'
import { Outbox } from './outbox.ts'
import { Silences } from './silences.ts'
import { groupingOf, sinkOf } from './sinks/index.ts'

export interface NotifierOptions {
  readonly config: NotifyConfig
  readonly registry: Registry
  readonly logger: Logger
  /** Where people find Weaklink, as in `https://weaklink.example.com`; null: messages hold no links. */
  readonly baseUrl?: string | null
  /** Whether it is a quiet hour of the alert's rule at an instant (epoch milliseconds). */
  readonly isQuiet?: (alert: Alert, at: number) => boolean
  /** Epoch milliseconds; default: the clock. */
  readonly now?: () => number
  /** From 0 to 1; shortens the waits between attempts. */
  readonly random?: () => number
  /** How long one attempt may take; default 10 s. */
  readonly timeoutMs?: number
}

/** How long what is under way may take when the notifier is stopped. */
const GRACE_MS = 5_000
const REMEMBER_AGAIN_MS = 1_000
/** Records that are remembered at once: less than a log takes in one batch. */
const MOST_IN_ONE = 2_000
/** Silences that are over are asked whether somebody heard of an alert when it began. */
const SILENCES_KEPT_MS = 2 * 86_400_000

type Note = Omit<MemoryRecord, 'timestamp'>

/**
 * Makes notifiers, one after the other, which tell the receivers of a configuration; their metrics are registered once.
 *
 * Each receiver has a queue of its own, so that one which is away holds back no other. It is told at least once, with the same
 * key: what was told is remembered after it was told. A crash in between tells it again, as the same alert by the same `key`,
 * in a message of the same id.
 */
export function notifierFactory(options: NotifierOptions): NotifierFactory {
  const names = options.config.receivers.map(({ name }) => name)
  let measured: Measured | null = null
  const metrics = createMetrics(options.registry, names, {
    waiting: () => measured?.waiting() ?? [],
    failed: () => measured?.failed() ?? [],
  })
  return (memory) => {
    const made = createNotifier(options, memory, metrics)
    measured = made.measured
    return made.notifier
  }
}

function createNotifier(
  options: NotifierOptions,
  memory: Memory,
  metrics: Metrics,
): { readonly notifier: Notifier; readonly measured: Measured } {
  const { config, logger, baseUrl = null, timeoutMs = 10_000 } = options
  const { isQuiet = () => false, now = Date.now, random = Math.random } = options
  const silences = new Silences()
  const failed = new FailedList()
  const isMuted = (alert: Alert, at: number) => silences.cover(alert.labels, at) || isQuiet(alert, at)

  const notes = rememberInOrder(memory, logger)
  const remember = (records: readonly Note[]) => {
    for (const record of records) failed.recall(record)
    notes.add(records)
  }
  const happened = (attempt: Attempt) => {
    metrics.counted(attempt)
    say(logger, attempt)
  }
  const posts = config.receivers.map(({ name, target }) => {
    const { giveUp, zone } = config
    const outbox = new Outbox(name, groupingOf(target, config), giveUp.afterMs, now())
    const sink = sinkOf(target, { baseUrl, zone })
    return {
      outbox,
      courier: new Courier({ outbox, sink, giveUp, isMuted, now, random, timeoutMs, remember, happened }),
    }
  })
  const measured: Measured = {
    waiting: () => posts.map(({ outbox }) => [outbox.receiver, outbox.waiting(now())]),
    failed: () => {
      const list = failed.of(now())
      return posts.map(({ outbox }) => [
        outbox.receiver,
        list.filter(({ receiver }) => receiver === outbox.receiver).length,
      ])
    },
  }

  let hasBegun = false
  const notifier: Notifier = {
    tell(changes) {
      hasBegun = true
      for (const alert of changes) {
        const receivers = receiversFor(config, alert.labels)
        for (const { outbox, courier } of posts) {
          // Who was told of the beginning is told of the end, also where the routes are others by now.
          const isHeard = receivers.has(outbox.receiver) || (alert.endsAt !== null && outbox.knows(alert.key))
          if (isHeard) courier.learn(alert)
        }
      }
      for (const { courier } of posts) courier.wake()
    },
    recall(records) {
      let isSilence = false
      for (const record of records) {
        if (silences.recall(record)) isSilence = true
        // Later on these are our own, of which we know more.
        else if (!failed.recall(record) && !hasBegun) posts.some(({ outbox }) => outbox.recall(record))
      }
      if (!isSilence) return
      silences.forget(now() - SILENCES_KEPT_MS)
      for (const { outbox, courier } of posts) {
        outbox.reconsider(now())
        courier.wake()
      }
    },
    async stop() {
      await Promise.all(posts.map(({ courier }) => courier.stop(GRACE_MS)))
      await notes.end(GRACE_MS)
    },
  }
  return { notifier, measured }
}

function say(logger: Logger, attempt: Attempt): void {
  const { receiver, alerts, result } = attempt
  if (result === 'told') {
    if (attempt.remark === null) logger.debug({ receiver, alerts }, 'told')
    else logger.warn({ receiver, alerts, remark: attempt.remark }, 'told, but the answer was odd')
    return
  }
  const { attempts, error } = attempt
  if (result === 'dead') {
    logger.error({ receiver, alerts, attempts, error }, 'given up; weaklink alerts list --failed shows it')
  } else if (Number.isInteger(Math.log2(attempts))) {
    // At the first, the second, the fourth, …: a receiver that is away all night is not to fill the disk.
    logger.warn({ receiver, alerts, attempts, error }, 'could not be told; it is tried again')
  }
}

/** Writes one batch after the other, and again what the log did not take: a log that is away holds nobody back. */
function rememberInOrder(memory: Pick<Memory, 'remember'>, logger: Logger) {
  let waiting: Note[] = []
  let writing: Promise<void> | null = null
  const ended = new AbortController()
  const write = async () => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST_IN_ONE)
      waiting = waiting.slice(MOST_IN_ONE)
      try {
        await memory.remember(batch)
      } catch (error) {
        waiting = [...batch, ...waiting]
        if (ended.signal.aborted) return
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ error: reason }, 'what was told could not be remembered; it is tried again')
        await sleep(REMEMBER_AGAIN_MS, undefined, { signal: ended.signal }).catch(() => {})
      }
    }
  }
  const start = () => {
    writing ??= write().finally(() => {
      writing = null
    })
    return writing
  }
  return {
    add(records: readonly Note[]) {
      if (records.length === 0) return
      waiting.push(...records)
      void start()
    },
    /** Tries once more; what cannot be written by then is told again after the next start. */
    async end(graceMs: number) {
      ended.abort()
      await Promise.race([start(), sleep(graceMs, undefined, { ref: false })])
    },
  }
}
