import { hash } from 'node:crypto'
import { type Rejection, show } from '../rejection.ts'
import { END_OF_TIME, FIRST_INSTANT } from '../time.ts'

/**
 * A line of the queue log, as Asterisk writes it (`ast_queue_log` in main/logger.c):
 *
 *     epoch|call id|queue|agent|event|data1|data2|…
 *
 * The epoch is in seconds, where something else wrote the file perhaps with a fraction. The data may stand in quotes as
 * one field, as an export of the older table with its column `data` has them.
 */
export interface QueueLogLine {
  /** Epoch milliseconds. */
  readonly at: number
  /** Null where the line is about no call. */
  readonly callId: string | null
  readonly queue: string | null
  readonly agent: string | null
  readonly event: string
  readonly data: readonly string[]
  /** 32 hex digits: equal lines have equal ones. */
  readonly digest: string
}

const FORM = 'epoch|call id|queue|agent|EVENT|data …'
/** What stands in the place of a name where there is none. */
const NOBODY = new Set(['', 'NONE'])
/** Who did something where no call did. */
const NO_CALL = new Set(['', 'NONE', 'MANAGER', 'REALTIME', 'CLI'])
const FIELDS_BEFORE_DATA = 5

/** Reads a line, without its end; a rejection where it is none of a queue log. */
export function parseQueueLogLine(text: string): QueueLogLine | Rejection {
  const fields = text.split('|').map((field) => field.trim())
  const [time = '', callId = '', queue = '', agent = '', event = ''] = fields
  if (fields.length < FIELDS_BEFORE_DATA || event === '') {
    return { reason: 'malformed_queue_log', field: '', expected: FORM, got: show(text) }
  }
  const at = instantOf(time)
  const expected = 'the seconds since 1970, as 1366720340 or 1366720340.303267'
  if (at === null) return { reason: 'bad_time', field: 'epoch', expected, got: show(time) }
  if (at < FIRST_INSTANT || at >= END_OF_TIME) {
    return { reason: 'at_out_of_range', field: 'epoch', expected, got: show(time) }
  }
  const data = dataOf(fields.slice(FIELDS_BEFORE_DATA))
  return {
    at,
    callId: NO_CALL.has(callId) ? null : callId,
    queue: NOBODY.has(queue) ? null : queue,
    agent: NOBODY.has(agent) ? null : agent,
    event,
    data,
    digest: hash('sha256', JSON.stringify([time, callId, queue, agent, event, ...data]), 'hex').slice(0, 32),
  }
}

/** Not by a multiplication: a fraction of a second has no exact number. */
function instantOf(time: string): number | null {
  const match = /^(\d{1,11})(?:\.(\d*))?$/.exec(time)
  if (match === null) return null
  return Number(match[1]) * 1_000 + Number((match[2] ?? '').slice(0, 3).padEnd(3, '0'))
}

/** Without what is empty at the end: whoever exports a table writes all of its columns. */
function dataOf(fields: readonly string[]): string[] {
  const data = [...fields]
  while (data.at(-1) === '') data.pop()
  const first = data[0] ?? ''
  const last = data.at(-1) ?? ''
  if (!(first.startsWith('"') && last.endsWith('"')) || (data.length === 1 && first.length === 1)) return data
  const unquoted = data.join('|').slice(1, -1).split('|')
  while (unquoted.at(-1) === '') unquoted.pop()
  return unquoted
}

/** The milliseconds of a field that counts seconds; null where it is missing, or cannot be. */
export function secondsIn(field: string | undefined): number | null {
  if (field === undefined || !/^\d{1,9}(\.\d+)?$/.test(field)) return null
  const ms = Math.round(Number(field) * 1_000)
  return ms <= LONGEST_MS ? ms : null
}

/** No call lasts a month: what says so is a broken counter. */
const LONGEST_MS = 31 * 86_400_000
