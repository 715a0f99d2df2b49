import { setTimeout as sleep } from 'node:timers/promises'
import { type EventLog, LogError, type PartitionRange } from '@weaklink/event-log'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { retry } from '@weaklink/runtime'
import type { Logger } from '@weaklink/runtime/logger'
import { openLog } from '../workspace.ts'
import type { Environment } from './plan.ts'

/** The log of a service: Kafka may go away and come back, and the service waits for it as long as that takes. */
export interface ServiceLog {
  /** From the beginning; as long as it was not opened, and once the service has given up, every call rejects with LogError. */
  readonly log: EventLog
  /** The same, for who never gives up: what the log refuses for a while is tried again until it is taken. */
  readonly patientLog: EventLog
  /** `embedded`, or the brokers of `KAFKA_BROKERS`. */
  readonly place: string
  /** Why it cannot be written or read at the moment, in one line; null where it can. */
  trouble(): string | null
  /** Of the interactions, as they were a moment ago; null where that is not known yet. */
  ranges(): readonly PartitionRange[] | null
  /**
   * Waits for a log that is away.
   * @throws LogError for what waiting does not heal: a topic that is missing, a wrong password
   */
  open(signal: AbortSignal | undefined): Promise<void>
  /** What waits for a log that is away gives up after so long. */
  giveUpIn(ms: number): void
  /** Waits for work that ends with the log, but not for much longer than the log itself is waited for. */
  ending(work: Promise<void>): Promise<void>
  close(): Promise<void>
}

export interface ServiceLogOptions {
  /** Of the embedded log. */
  readonly directory: string | null
  /** `KAFKA_BROKERS`; null: the embedded log. */
  readonly brokers: string | null
  readonly environment: Environment
  readonly logger: Logger
}

const WAITS = { firstDelayMs: 200, maxDelayMs: 5_000 } as const
/** How often it is looked whether the log answers, and where it ends. */
const LOOK_MS = { embedded: 200, kafka: 1_000 } as const
const LOOK_TIMEOUT_MS = 5_000
/** Of the attempts that fail, so many are logged: the first, then about one a minute. */
const LOGGED_EVERY = 12
/** A broker that hangs must not keep a service from ending. */
const ENDING_MS = 2_000

export function serviceLog({ directory, brokers, environment, logger }: ServiceLogOptions): ServiceLog {
  let opened: EventLog | null = null
  let why: string | null = 'Weaklink is starting.'
  let ranges: readonly PartitionRange[] | null = null
  const where = brokers === null ? 'The log' : `Kafka at ${brokers}`

  /** Set once it is not waited for any more. */
  let gaveUp: LogError | null = null
  const patience = new AbortController()
  /** Not `Promise.race` with one promise for all: that would hold on to every call there ever was. */
  const underWay = new Set<(reason: unknown) => void>()
  const call = <T>(operation: (log: EventLog) => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (gaveUp !== null) return reject(gaveUp)
      if (opened === null) return reject(new LogError('unreachable', why ?? 'The log is not open.'))
      underWay.add(reject)
      operation(opened)
        .then(resolve, reject)
        .finally(() => underWay.delete(reject))
    })
  const givenUp = Promise.withResolvers<void>()
  const giveUp = () => {
    gaveUp ??= new LogError('unreachable', `${where} does not answer, and this process ends.`)
    patience.abort(gaveUp)
    for (const reject of underWay) reject(gaveUp)
    givenUp.resolve()
  }
  const ending = async (work: Promise<void>) => {
    const over = new AbortController()
    const late = givenUp.promise.then(() => sleep(ENDING_MS, undefined, { signal: over.signal })).catch(() => {})
    await Promise.race([work.finally(() => over.abort()), late])
  }
  const log = eachCall(call)
  const patientLog = eachCall((operation) =>
    retry(() => call(operation), { ...WAITS, signal: patience.signal, giveUp: (error) => !healsByItself(error) }),
  )

  const closing = new AbortController()
  let looking: Promise<void> = Promise.resolve()
  const look = async () => {
    const answer = log.ranges(INTERACTIONS_TOPIC).then((found) => {
      ranges = found
      return null
    }, firstLine)
    const late = sleep(LOOK_TIMEOUT_MS, `${where} does not answer within ${LOOK_TIMEOUT_MS / 1_000} s.`, { ref: false })
    const before = why
    why = await Promise.race([answer, late])
    if (why !== null && before === null) logger.warn(why)
    if (why === null && before !== null) logger.info({ log: brokers ?? 'embedded' }, 'the log answers')
    // One question at a time: the next one would wait behind this one.
    await answer
  }

  return {
    log,
    patientLog,
    place: brokers ?? 'embedded',
    trouble: () => why,
    ranges: () => ranges,
    async open(signal) {
      const named = brokers === null ? {} : environment
      opened = await retry(() => openLog({ directory: directory ?? '', environment: named }), {
        ...WAITS,
        ...(signal === undefined ? {} : { signal }),
        giveUp: (error) => brokers === null || !healsByItself(error),
        onRetry(error, attempt) {
          why = firstLine(error)
          if (attempt % LOGGED_EVERY === 1) logger.warn({ attempt }, `${why}. Trying again`)
        },
      })
      await look()
      const every = brokers === null ? LOOK_MS.embedded : LOOK_MS.kafka
      looking = (async () => {
        while (!closing.signal.aborted) {
          await sleep(every, undefined, { signal: closing.signal }).catch(() => {})
          if (!closing.signal.aborted) await look()
        }
      })()
    },
    giveUpIn(ms) {
      setTimeout(giveUp, ms).unref()
    },
    ending,
    async close() {
      closing.abort()
      giveUp()
      await looking
      if (opened !== null) await ending(opened.close())
    },
  }
}

function healsByItself(error: unknown): boolean {
  return error instanceof LogError && error.retryHelps
}

/** A log all of whose calls go the same way. */
function eachCall(call: <T>(operation: (log: EventLog) => Promise<T>) => Promise<T>): EventLog {
  return {
    createTopic: (topic, partitions) => call((log) => log.createTopic(topic, partitions)),
    describe: (topic) => call((log) => log.describe(topic)),
    ranges: (topic) => call((log) => log.ranges(topic)),
    append: (topic, records) => call((log) => log.append(topic, records)),
    read: (topic, partition, position, max) => call((log) => log.read(topic, partition, position, max)),
    consume: (topic, group, handler) => call((log) => log.consume(topic, group, handler)),
    close: () => call((log) => log.close()),
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
}
