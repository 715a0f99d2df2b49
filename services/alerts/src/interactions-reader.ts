import { setImmediate as nextTurn } from 'node:timers/promises'
import { type EventLog, type LogRecord, offsetSince, PositionOutOfRangeError } from '@weaklink/event-log'
import { decodeFact, type Fact, INTERACTIONS_TOPIC, LINK_HEADER } from '@weaklink/interactions'

const READ_RECORDS = 500

/** What the log says, and when it was told. */
export interface ReceivedFact {
  readonly fact: Fact
  /** The copy, under the customer, of what somebody did while anonymous. */
  readonly isCopy: boolean
  /** Epoch milliseconds. */
  readonly receivedAt: number
}

/** Reads the interactions of all partitions, from an instant on, as they come. */
export class InteractionsReader {
  readonly #log: EventLog
  readonly #isWanted: (record: LogRecord) => boolean
  readonly #positions: Map<number, number>
  /** Epoch milliseconds at which the log took in the first thing that it holds, or ever will; minus infinity where that is before the instant. */
  readonly logBegan: number

  private constructor(
    log: EventLog,
    isWanted: (record: LogRecord) => boolean,
    positions: Map<number, number>,
    logBegan: number,
  ) {
    this.#log = log
    this.#isWanted = isWanted
    this.#positions = positions
    this.logBegan = logBegan
  }

  /**
   * @param isWanted of most records it can be said without reading them that they are of no interest
   * @param since epoch milliseconds
   * @param now epoch milliseconds
   * @throws LogError
   */
  static async open(
    log: EventLog,
    isWanted: (record: LogRecord) => boolean,
    since: number,
    now: number,
  ): Promise<InteractionsReader> {
    const positions = new Map<number, number>()
    let logBegan = now
    for (const range of await log.ranges(INTERACTIONS_TOPIC)) {
      const position = await offsetSince(log, INTERACTIONS_TOPIC, range, since)
      positions.set(range.partition, position)
      if (position > range.start || range.start > 0) logBegan = Number.NEGATIVE_INFINITY
      else if (range.end > range.start) {
        const [first] = await log.read(INTERACTIONS_TOPIC, range.partition, range.start, 1)
        logBegan = Math.min(logBegan, first?.timestamp ?? now)
      }
    }
    return new InteractionsReader(log, isWanted, positions, logBegan)
  }

  /**
   * Everything that the log holds by now and that was not yet read, in pieces, in the order in which the log took it in: what one
   * person did may stand in two partitions (before and after it was known who they are).
   *
   * @throws LogError; what was handed over is not read again
   */
  async *read(): AsyncGenerator<readonly ReceivedFact[]> {
    const parts: Part[] = []
    for (const { partition, start, end } of await this.#log.ranges(INTERACTIONS_TOPIC)) {
      // A partition that came later, or of which the log has dropped what was not read.
      const position = Math.max(this.#positions.get(partition) ?? start, start)
      this.#positions.set(partition, position)
      const part: Part = { partition, end, next: position, records: [] }
      if (await this.#fill(part)) parts.push(part)
    }
    while (parts.length > 0) {
      parts.sort((a, b) => firstOf(a) - firstOf(b))
      const [part, other] = parts as [Part, ...Part[]]
      const limit = other === undefined ? Number.POSITIVE_INFINITY : firstOf(other)
      const later = part.records.findIndex(({ timestamp }) => timestamp > limit)
      const records = part.records.splice(0, later < 0 ? part.records.length : later)
      yield records.flatMap((record) => (this.#isWanted(record) ? factOf(record) : []))
      const [next] = part.records
      this.#positions.set(part.partition, next?.offset ?? part.next)
      if (next !== undefined) continue
      await nextTurn()
      if (!(await this.#fill(part))) parts.shift()
    }
  }

  /** Whether there are records before the end. */
  async #fill(part: Part): Promise<boolean> {
    if (part.next >= part.end) return false
    try {
      const wanted = Math.min(READ_RECORDS, part.end - part.next)
      part.records = [...(await this.#log.read(INTERACTIONS_TOPIC, part.partition, part.next, wanted))]
      // A log may leave out offsets, and so read past the end, or find nothing before it.
      part.next = Math.max((part.records.at(-1)?.offset ?? part.end - 1) + 1, part.next)
      if (part.records.length === 0) this.#positions.set(part.partition, part.next)
      return part.records.length > 0
    } catch (error) {
      // It was dropped just now: the ranges say from where on when they are asked again.
      if (error instanceof PositionOutOfRangeError) return false
      throw error
    }
  }
}

/** What is being read of a partition. */
interface Part {
  readonly partition: number
  readonly end: number
  /** Offset after the last of `records`. */
  next: number
  records: LogRecord[]
}

function firstOf({ records }: Part): number {
  return records[0]?.timestamp ?? Number.NEGATIVE_INFINITY
}

function factOf(record: LogRecord): ReceivedFact[] {
  const decoded = decodeFact(record, record.timestamp)
  if (!decoded.ok) return []
  return [{ fact: decoded.fact, isCopy: record.headers[LINK_HEADER] !== undefined, receivedAt: record.timestamp }]
}
