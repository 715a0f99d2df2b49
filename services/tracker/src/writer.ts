import type { BreakEvent } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import type { Fact, Rejection } from '@weaklink/interactions'
import type { CustomerRow, IdentityRow, InteractionRow, Position, Rows, TrackerStore } from './store.ts'

export interface WriterOptions {
  readonly store: TrackerStore
  /** Puts records that cannot be taken in aside, durably, before the position moves. */
  readonly putAside: (rejected: readonly RejectedRecord[]) => Promise<void>
  /** Appends records that follow from those taken in, durably, to the log itself, before the position moves. */
  readonly follow: (records: readonly Following[]) => Promise<void>
  /**
   * Tells others, durably, what became of the breaks of customers whose rows were written, before the position moves.
   * Absent: nobody is told, and nothing is looked at for it.
   */
  readonly tell?: ((events: readonly BreakEvent[]) => Promise<void>) | undefined
  /** Told of customers whose rows were written. */
  readonly onWritten?: (rows: readonly CustomerRow[]) => void
}

export interface RejectedRecord {
  readonly record: LogRecord
  readonly rejection: Rejection
}

/**
 * What a record makes follow: the link that an interaction with both ids says, a moved interaction, a withdrawal. It may
 * be appended more than once, after a crash: whoever takes it in knows it again.
 */
export interface Following {
  readonly fact: Fact
  readonly headers: Readonly<Record<string, string>>
}

/** What is to be written next, and the write that is under way: one at a time. */
export class Writer {
  readonly #options: WriterOptions
  #rows: Rows
  /** Rows that were added, of customers and of others. */
  #customers: CustomerRow[] = []
  #customerCount = 0
  #otherCount = 0
  #rejected: RejectedRecord[] = []
  #following: Following[] = []
  #breaks: BreakEvent[] = []
  #underWay: Promise<void> = Promise.resolve()
  #writtenOffset: number
  #abandoned = false

  constructor(options: WriterOptions, writtenOffset: number) {
    this.#options = options
    this.#rows = options.store.newRows()
    this.#writtenOffset = writtenOffset
  }

  /** Offset up to which everything is durable in the store. */
  get writtenOffset(): number {
    return this.#writtenOffset
  }

  /** Interactions, rejected and following records that wait to be written. */
  get waiting(): number {
    return this.#otherCount + this.#rejected.length + this.#following.length
  }

  addInteraction(row: InteractionRow): void {
    this.#rows.addInteraction(row)
    this.#otherCount++
  }

  addIdentity(row: IdentityRow): void {
    this.#rows.addIdentity(row)
    this.#otherCount++
  }

  /** @param breaks what became of their breaks since the row before this one */
  addCustomer(row: CustomerRow, breaks: readonly BreakEvent[]): void {
    this.#rows.addCustomer(row)
    this.#customerCount++
    for (const event of breaks) this.#breaks.push(event)
    if (this.#options.onWritten !== undefined) this.#customers.push(row)
  }

  reject(rejected: RejectedRecord): void {
    this.#rejected.push(rejected)
  }

  follow(following: Following): void {
    this.#following.push(following)
  }

  /** Resolves when the write that is under way is done, rejects with what it failed with. */
  idle(): Promise<void> {
    return this.#underWay
  }

  /** Nothing more is written, not even the rest of what is under way. */
  abandon(): void {
    this.#abandoned = true
  }

  /**
   * Begins to write what was added, while no other write is under way.
   *
   * @param position what is written then stands for everything below it; null where it does not
   * @param done called when everything is durable
   */
  begin(position: Position | null, done: () => void): void {
    const batch = {
      rows: this.#customerCount + this.#otherCount > 0 ? this.#rows : null,
      rejected: this.#rejected,
      following: this.#following,
      breaks: this.#breaks,
      position,
    }
    const customers = this.#customers
    this.#rows = this.#options.store.newRows()
    this.#customers = []
    this.#customerCount = 0
    this.#otherCount = 0
    this.#rejected = []
    this.#following = []
    this.#breaks = []
    this.#underWay = this.#write(batch).then(() => {
      done()
      if (this.#abandoned) return
      this.#options.onWritten?.(customers)
    })
    // The failure is met by whoever awaits the write next; here it must not count as unhandled.
    this.#underWay.catch(() => {})
  }

  /** The order is the promise: nothing is skipped (P6) or counted (P2) before what it stands for is durable. */
  async #write({ rows, rejected, following, breaks, position }: Batch): Promise<void> {
    const { store, putAside, follow, tell } = this.#options
    if (rejected.length > 0 && !this.#abandoned) await putAside(rejected)
    if (following.length > 0 && !this.#abandoned) await follow(following)
    if (rows !== null && !this.#abandoned) await rows.write()
    // Whoever is told of a break finds it in the store.
    if (breaks.length > 0 && !this.#abandoned) await tell?.(breaks)
    if (position !== null && !this.#abandoned) {
      await store.writePositions([position])
      this.#writtenOffset = position.offset
    }
  }
}

interface Batch {
  readonly rows: Rows | null
  readonly rejected: readonly RejectedRecord[]
  readonly following: readonly Following[]
  readonly breaks: readonly BreakEvent[]
  readonly position: Position | null
}
