/** Every error of the log, and whether the same call can succeed later without anybody changing it. */
const RETRY_HELPS = {
  /** The log was closed. */
  closed: false,
  /** The directory cannot be opened: permissions, not a directory, … */
  open_failed: false,
  /** The directory was written by a version that keeps its data differently. */
  format_unknown: false,
  topic_name_invalid: false,
  group_name_invalid: false,
  partitions_invalid: false,
  /** The topic exists with another number of partitions. */
  partitions_differ: false,
  topic_unknown: false,
  partition_unknown: false,
  position_invalid: false,
  /** The log does not hold this position, or not any more. */
  position_out_of_range: false,
  record_invalid: false,
  /** A batch of the log cannot be read: its bytes are damaged, or of a form or compression that nobody here knows. */
  batch_unreadable: false,
  /** A record is larger than the topic takes. */
  record_too_large: false,
  /** A variable of the environment does not hold what it must. */
  settings_invalid: false,
  /** No broker answers. */
  unreachable: true,
  /** The account or its password is wrong, or it may not do this. */
  not_authorized: false,
  /** The topic was created anew while it was read. */
  topic_recreated: false,
  /** A partition stands still while its end moves. */
  partition_stalled: false,
  /** The broker refuses for now. */
  refused_for_now: true,
  /** The broker refuses. */
  refused: false,
  /** No space left, or the quota is used up. */
  disk_full: true,
  /** The operating system refused the write. */
  write_failed: true,
  /** An earlier write failed in a way after which the log must be opened again; what was acknowledged is safe. */
  reopen_needed: false,
} as const

export type LogErrorCode = keyof typeof RETRY_HELPS

/** An error of the log. The message names the place, the value and what was expected. */
export class LogError extends Error {
  readonly code: LogErrorCode
  /** Whether the same call can succeed later. */
  readonly retryHelps: boolean
  /** The name of the operating system's error, like `ENOSPC`, where there was one. */
  readonly systemCode: string | undefined

  constructor(code: LogErrorCode, message: string, options: { cause?: unknown; systemCode?: string } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'LogError'
    this.code = code
    this.retryHelps = RETRY_HELPS[code]
    this.systemCode = options.systemCode
  }
}

/** The log does not hold this position (any more). A reader never goes on elsewhere by itself: that would hide a loss. */
export class PositionOutOfRangeError extends LogError {
  readonly topic: string
  readonly partition: number
  readonly position: number
  readonly start: number
  readonly end: number

  constructor(topic: string, partition: number, position: number, range: { start: number; end: number }) {
    super(
      'position_out_of_range',
      `position ${position} of partition ${partition} of topic ${topic} is out of range: ` +
        `the log holds the offsets from ${range.start} up to, not including, ${range.end}`,
    )
    this.name = 'PositionOutOfRangeError'
    this.topic = topic
    this.partition = partition
    this.position = position
    this.start = range.start
    this.end = range.end
  }
}

/** A **batch**: records that are stored together. This one stands in the log and cannot be read. */
export interface UnreadableBatch {
  /** Offset of its first record. */
  readonly offset: number
  /** Offset after its last record. */
  readonly next: number
  readonly bytes: Buffer
  /** What is wrong with it, in words. */
  readonly problem: string
}

export function batchUnreadable(
  topic: string,
  partition: number,
  { offset, next, problem }: Omit<UnreadableBatch, 'bytes'>,
): LogError {
  return new LogError(
    'batch_unreadable',
    `partition ${partition} of topic ${topic} holds a batch that cannot be read, offsets ${offset} to ${next - 1}: ${problem}. ` +
      `To set it aside with its bytes and go on behind it: weaklink rejected skip --partition ${partition} --offset ${offset}`,
  )
}
