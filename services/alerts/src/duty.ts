import { setTimeout as sleep } from 'node:timers/promises'
import { LONGEST_WAIT_MS, type WaitingCall } from '@weaklink/chains'
import type { Store } from '@weaklink/clickhouse'
import { type EventLog, LogError } from '@weaklink/event-log'
import { MAX_AHEAD_MS } from '@weaklink/interactions'
import { retry } from '@weaklink/runtime'
import type { Logger } from '@weaklink/runtime/logger'
import type { Alert, Memory, MemoryRecord, Notifier } from './alert.ts'
import { breakRates } from './break-rates.ts'
import { Engine } from './engine/engine.ts'
import { type Change, Remembered } from './engine/remembered.ts'
import { InteractionsReader } from './interactions-reader.ts'
import type { AlertsMetrics } from './metrics.ts'
import { concerns, lookBackMs, type Rule } from './rules/rule.ts'

/** Everything else that a duty needs. */
export interface DutyOptions {
  readonly log: EventLog
  readonly store: Store | null
  readonly rules: readonly Rule[]
  readonly memory: Memory
  readonly notifier: Notifier
  readonly metrics: AlertsMetrics
  readonly logger: Logger
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How long after a restart nothing begins or ends; default 5 s. */
  readonly settleMs?: number | undefined
}

/** How often the end of the log is looked at: other processes append to it too, and nothing tells of that. */
const POLL_MS = 50
const SECOND_MS = 1_000
/** So long after a restart producers that were away have come back, and told what is over. */
const SETTLE_MS = 5_000
/** Who has not seen the end of the log for so long does not know who still waits. */
const BLIND_MS = 5_000
const STORE_EVERY_MS = 60_000
const RETRY = { firstDelayMs: 100, maxDelayMs: 5_000 } as const

/**
 * One time in which this process is the one that alerts:
 *
 *     reading back ──▶ alerting ⇄ blind (the log is away, or far ahead: nothing begins, nothing ends)
 *
 * Each change is recorded before it is told; a kill in between only means that it is told by the next one, which is told of
 * everything that the memory holds.
 */
export class Duty {
  readonly #options: DutyOptions
  readonly #ending = new AbortController()
  readonly #remembered: Remembered
  readonly #started: Promise<void>
  #engine: Engine | null = null
  #timer: NodeJS.Timeout | undefined
  /** `performance.now()` at which the end of the log was last looked for, and then reached. */
  #reachedAt = performance.now()
  #isBlind = false
  /** `performance.now()` until which nothing begins or ends after a restart: producers come back a moment later. */
  #settledAt = Number.NEGATIVE_INFINITY
  #toRecord: Change[] = []
  #recording: Promise<void> | null = null

  /** @param records everything that the memory holds */
  constructor(options: DutyOptions, records: readonly MemoryRecord[]) {
    this.#options = options
    this.#remembered = new Remembered(records, options.now())
    if (records.length > 0) this.#settledAt = performance.now() + (options.settleMs ?? SETTLE_MS)
    this.#started = this.#run()
  }

  /** Rejects where it cannot go on. */
  get over(): Promise<void> {
    return this.#started
  }

  firing(): readonly Alert[] {
    return this.#remembered.firing()
  }

  /** Who waits in a queue now. */
  waiting(): Iterable<WaitingCall> {
    return this.#engine?.waiting() ?? []
  }

  get behindSeconds(): number {
    return Math.max(0, performance.now() - this.#reachedAt) / 1_000
  }

  /** Nothing is begun any more; resolves when what was found is recorded and told. */
  async stop(): Promise<void> {
    this.abandon()
    await this.#started.catch(() => {})
    await this.#recording
    await this.#options.notifier.stop()
  }

  /** Somebody else alerts by now: nothing more is recorded. */
  abandon(): void {
    this.#ending.abort()
    clearTimeout(this.#timer)
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    try {
      const reader = await this.#readBack()
      const asking = this.#askStore()
      while (!signal.aborted) {
        const lookedAt = performance.now()
        await this.#patiently(() => this.#readOn(reader), 'the log cannot be read')
        this.#reachedAt = lookedAt
        this.#now()
        await sleep(POLL_MS, undefined, { signal }).catch(() => {})
      }
      await asking
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      clearTimeout(this.#timer)
    }
  }

  /** Reads what the rules look back at, and tells what was so before and what is so now. */
  async #readBack(): Promise<InteractionsReader> {
    const { log, rules, now, notifier, metrics } = this.#options
    const back = Math.max(LONGEST_WAIT_MS, ...rules.map(lookBackMs)) + MAX_AHEAD_MS
    const open = () => InteractionsReader.open(log, concerns(rules), now() - back, now())
    const reader = await this.#patiently(open, 'the log cannot be read')
    this.#engine = new Engine(rules, this.#remembered, reader.logBegan, metrics.calls.ended)
    await this.#patiently(() => this.#readOn(reader), 'the log cannot be read')
    this.#reachedAt = performance.now()
    // What is over by now is told as such, and nothing else of it before.
    await this.#record(this.#engine.resume(now()))
    if (!this.#isUnsettled()) await this.#record(this.#engine.evaluateCalls(now()))
    if (!this.#ending.signal.aborted) notifier.tell(this.#remembered.alerts())
    this.#plan()
    return reader
  }

  async #readOn(reader: InteractionsReader): Promise<void> {
    const { now } = this.#options
    for await (const batch of reader.read()) {
      for (const { fact, isCopy, receivedAt } of batch) this.#engine?.meet(fact, isCopy, now(), receivedAt)
      this.#ending.signal.throwIfAborted()
    }
  }

  /** Evaluates what is due at this instant; all rules at each whole second. */
  #now(isSecond = false): void {
    const { now, metrics, logger } = this.#options
    if (this.#engine === null || this.#ending.signal.aborted) return
    const isBlind = performance.now() - this.#reachedAt > BLIND_MS
    if (isBlind !== this.#isBlind) {
      this.#isBlind = isBlind
      if (isBlind) logger.warn('the end of the log was not reached for 5 s: no alert begins or ends until it is')
      else logger.info('the end of the log is reached again')
    }
    if (!isBlind && !this.#isUnsettled()) {
      const end = metrics.evaluation.startTimer()
      void this.#record(isSecond ? this.#engine.evaluate(now()) : this.#engine.evaluateCalls(now()))
      if (isSecond) end()
    }
    this.#plan()
  }

  #isUnsettled(): boolean {
    return performance.now() < this.#settledAt
  }

  /** Wakes at the next whole second, or when the next call will have waited for too long. */
  #plan(): void {
    clearTimeout(this.#timer)
    if (this.#engine === null || this.#ending.signal.aborted) return
    const now = this.#options.now()
    const second = now - (now % SECOND_MS) + SECOND_MS
    // While blind a call that is due stays so.
    const due = this.#isBlind || this.#isUnsettled() ? second : Math.min(second, this.#engine.nextAt)
    this.#timer = setTimeout(() => this.#now(this.#options.now() >= second), Math.max(0, due - now))
  }

  /** Records changes, then tells of them; those that come meanwhile go together. Resolves when all are told. */
  #record(change: Change): Promise<void> {
    if (change.records.length > 0) this.#toRecord.push(change)
    if (this.#recording === null && this.#toRecord.length > 0) {
      this.#recording = this.#recordAll().finally(() => {
        this.#recording = null
      })
    }
    return this.#recording ?? Promise.resolve()
  }

  async #recordAll(): Promise<void> {
    const { memory, notifier, metrics, logger } = this.#options
    while (this.#toRecord.length > 0) {
      const changes = this.#toRecord.splice(0)
      const records = changes.flatMap((change) => change.records)
      const alerts = changes.flatMap((change) => change.alerts)
      try {
        await this.#patiently(() => memory.remember(records), 'alerts cannot be recorded')
      } catch (error) {
        // Whoever works next finds it again. Told now, it would be told under another key then.
        if (this.#ending.signal.aborted) return
        // It will not be recorded later either, and an alert that nobody hears of is worse than one told twice.
        logger.error({ err: error }, 'alerts cannot be recorded, and are told all the same')
      }
      for (const { rule, key, endsAt, labels, startsAt } of alerts) {
        const state = endsAt === null ? 'firing' : 'resolved'
        metrics.changes.inc({ rule, state })
        logger.info({ rule, alert: key, severity: labels.severity, startsAt, endsAt }, `an alert is ${state}`)
      }
      if (alerts.length > 0) notifier.tell(alerts)
    }
  }

  async #askStore(): Promise<void> {
    const { store, rules, metrics, logger, now } = this.#options
    const { signal } = this.#ending
    const asking = rules.filter((rule) => rule.kind === 'breakRate')
    if (asking.length === 0) return
    if (store === null) {
      logger.warn({ rules: asking.map(({ name }) => name) }, 'there is no ClickHouse to ask: these rules say nothing')
      return
    }
    // From the start, so that a rate sees the first one.
    for (const { name } of asking) metrics.ruleFailures.inc({ rule: name }, 0)
    while (!signal.aborted) {
      for (const rule of asking) {
        try {
          this.#engine?.measured(rule.name, await breakRates(store, rule, now()))
        } catch (error) {
          metrics.ruleFailures.inc({ rule: rule.name })
          logger.warn({ rule: rule.name, err: error }, 'ClickHouse gave no answer: the rule stays as it is')
        }
        if (signal.aborted) return
      }
      await sleep(STORE_EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Tries again what only time heals. */
  #patiently<T>(operation: () => Promise<T>, what: string): Promise<T> {
    return retry(operation, {
      ...RETRY,
      signal: this.#ending.signal,
      giveUp: (error) => !(error instanceof LogError && error.retryHelps),
      onRetry: (error, attempt) => {
        if (attempt === 1) this.#options.logger.warn({ err: error }, `${what}, and it is tried again`)
      },
    })
  }
}
