/**
 * The port of the log. It knows bytes, not interactions. Words:
 * - a **topic** is a named set of partitions; their number never changes in place;
 * - a **record** is key, value and headers at an **offset** of a partition, with the instant the log took it in;
 * - a **position** is the offset of the next record to read.
 */

export interface NewRecord {
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export interface LogRecord {
  readonly partition: number
  readonly offset: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  /** Epoch milliseconds at which the log took it in; never decreases within a partition. */
  readonly timestamp: number
}

export interface TopicDescription {
  readonly topic: string
  readonly partitions: number
  /** Changes when the topic was created anew or belongs to another log: offsets of different identities do not compare. */
  readonly identity: string
}

export interface PartitionRange {
  readonly partition: number
  /** Offset of the oldest record still held; equals `end` where there is none. */
  readonly start: number
  /** Offset that the next record will get. */
  readonly end: number
}

/**
 * What a consumer does with partitions. The log calls these one after the other for each partition, never at once, but
 * for `lost`.
 */
export interface PartitionHandler {
  /** The consumer came to own this partition; answers the position to read from. */
  assigned(partition: number): Promise<number>
  /** The next records, in offset order, never empty. The following ones come when this promise has resolved. */
  records(partition: number, records: readonly LogRecord[]): Promise<void>
  /** All records so far were handed over (called at least when the end is reached, and about once a second while idle there). */
  caughtUp(partition: number, position: number): Promise<void>
  /** The consumer gives this partition back and nobody owns it yet: what was taken in may be written to the end. */
  revoked(partition: number): Promise<void>
  /**
   * Somebody else owns this partition by now: nothing is to be written for it any more. Called at once, also while another
   * call for it runs, which is then to come to its end; no other call follows until it is assigned anew.
   */
  lost(partition: number): void
}

export interface Consumer {
  /** Resolves when the handler is idle and every partition was revoked. */
  stop(): Promise<void>
  /** Rejects when the consumer cannot go on: a handler threw, a position is out of range, the log failed. Never resolves before `stop`. */
  readonly done: Promise<void>
}

export interface EventLog {
  /** Creates the topic where it is missing; an existing one with another number of partitions is an error. */
  createTopic(topic: string, partitions: number): Promise<TopicDescription>
  describe(topic: string): Promise<TopicDescription>
  ranges(topic: string): Promise<readonly PartitionRange[]>
  /**
   * Resolves with the offsets, in the order given, once all records are durable. Where it rejects, none of them was taken
   * in (embedded), or some may have been (Kafka): appending them again may double them, which readers have to know.
   */
  append(topic: string, records: readonly NewRecord[]): Promise<readonly number[]>
  /** Reads part of one partition without a group: some records from `position` on, at most `max`, empty at the end only. */
  read(topic: string, partition: number, position: number, max: number): Promise<readonly LogRecord[]>
  /** One consumer of a group at a time owns a partition; a second process gets a readable error (embedded) or a share (Kafka). */
  consume(topic: string, group: string, handler: PartitionHandler): Promise<Consumer>
  close(): Promise<void>
}
