import { ClickHouseError } from '@clickhouse/client'

/**
 * What can go wrong with the store: a closed table. `retriable`: the same request may succeed later without anybody
 * changing it (inserts are idempotent by the design of the tables, so repeating one is always allowed).
 */
const CODES = {
  unreachable: { retriable: true },
  timeout: { retriable: true },
  disk_full: { retriable: true },
  overloaded: { retriable: true },
  auth: { retriable: false },
  forbidden: { retriable: false },
  limit: { retriable: false },
  rejected: { retriable: false },
  schema: { retriable: false },
  no_embedded_server: { retriable: false },
  start_failed: { retriable: false },
} as const

export type StoreErrorCode = keyof typeof CODES

export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  readonly retriable: boolean

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    this.retriable = CODES[code].retriable
  }
}

/** Numbers of ClickHouse's own error table (src/Common/ErrorCodes.cpp); whatever is not here is `rejected`. */
const SERVER_CODES: Readonly<Record<string, StoreErrorCode>> = {
  243: 'disk_full', // NOT_ENOUGH_SPACE
  159: 'timeout', // TIMEOUT_EXCEEDED
  209: 'timeout', // SOCKET_TIMEOUT
  210: 'unreachable', // NETWORK_ERROR
  202: 'overloaded', // TOO_MANY_SIMULTANEOUS_QUERIES
  203: 'overloaded', // NO_FREE_CONNECTION
  225: 'overloaded', // NO_ZOOKEEPER
  236: 'overloaded', // ABORTED: the server is shutting down
  242: 'overloaded', // TABLE_IS_READ_ONLY: a replica lost its coordinator
  252: 'overloaded', // TOO_MANY_PARTS
  279: 'overloaded', // ALL_CONNECTION_TRIES_FAILED: a shard of a cluster is away
  285: 'overloaded', // TOO_FEW_LIVE_REPLICAS
  286: 'overloaded', // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
  289: 'overloaded', // REPLICA_IS_NOT_IN_QUORUM
  319: 'overloaded', // UNKNOWN_STATUS_OF_INSERT
  369: 'overloaded', // ALL_REPLICAS_ARE_STALE: or away
  439: 'overloaded', // CANNOT_SCHEDULE_TASK
  999: 'overloaded', // KEEPER_EXCEPTION
  192: 'auth', // UNKNOWN_USER
  193: 'auth', // WRONG_PASSWORD
  194: 'auth', // REQUIRED_PASSWORD
  516: 'auth', // AUTHENTICATION_FAILED
  164: 'forbidden', // READONLY
  446: 'forbidden', // FUNCTION_NOT_ALLOWED
  452: 'forbidden', // SETTING_CONSTRAINT_VIOLATION
  497: 'forbidden', // ACCESS_DENIED
  158: 'limit', // TOO_MANY_ROWS
  160: 'limit', // TOO_SLOW
  201: 'limit', // QUOTA_EXCEEDED
  307: 'limit', // TOO_MANY_BYTES
  396: 'limit', // TOO_MANY_ROWS_OR_BYTES
}

const MEMORY_LIMIT_EXCEEDED = '241'
/** ATTEMPT_TO_READ_AFTER_EOF, CANNOT_READ_ALL_DATA: of rows that came from somewhere, mostly from us. */
const BROKEN_OFF = ['32', '33']

function codeOf(error: Error): StoreErrorCode {
  if (/no space left on device|errno: 28\b/i.test(error.message)) return 'disk_full'
  if (error instanceof ClickHouseError) {
    // The limit of the whole server passes with the load; the limit of one query does not.
    if (error.code === MEMORY_LIMIT_EXCEEDED) return /\(total\)/.test(error.message) ? 'overloaded' : 'limit'
    // One server of a cluster ended while another one read from it or wrote to it.
    if (BROKEN_OFF.includes(error.code) && /receiving packet from|Insertion status/.test(error.message)) {
      return 'unreachable'
    }
    return SERVER_CODES[error.code] ?? 'rejected'
  }
  // The server said something, but out of its error table: an exception of a library that it uses.
  if (/^(std|Poco)::\S* Code: \d+/.test(error.message)) return 'rejected'
  // Rows that end in the text of an exception (SyntaxError): how servers before 25.11 report one after the first rows.
  // The others are our own failure to write or read rows: no repetition heals it, and the server is not away.
  if (error instanceof SyntaxError || error instanceof RangeError || error instanceof TypeError) return 'rejected'
  if ('code' in error && /^ERR_(?!STREAM_PREMATURE_CLOSE)/.test(String(error.code))) return 'rejected'
  if (/^Timeout error/.test(error.message) || ('code' in error && error.code === 'ETIMEDOUT')) return 'timeout'
  return 'unreachable'
}

/** The first line of what the server says, without the trailing parts that help nobody. */
function brief(message: string): string {
  return (message.split('\n')[0] ?? '')
    .replace(/, Stack trace.*$/, '')
    .replace(/\s*\(version [^)]*\)\s*$/, '')
    .slice(0, 600)
}

/** Turns what @clickhouse/client threw into a StoreError that names the server and what to do. */
export function toStoreError(thrown: unknown, url: string): StoreError {
  if (thrown instanceof StoreError) return thrown
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const code = codeOf(error)
  return new StoreError(code, describe(code, url, brief(error.message) || errorName(error)), thrown)
}

/** Connection errors of Node to several addresses carry no message of their own. */
function errorName(error: Error): string {
  return 'code' in error ? String(error.code) : error.name
}

function describe(code: StoreErrorCode, url: string, said: string): string {
  switch (code) {
    case 'unreachable':
      return `ClickHouse at ${url} cannot be reached (${said}). Check that it runs, and if CLICKHOUSE_URL names it, that this is right.`
    case 'timeout':
      return `ClickHouse at ${url} took too long (${said}). Ask for less, or try again when it is less busy.`
    case 'disk_full':
      return `ClickHouse at ${url} has no disk space left (${said}). Free some space on its disk; writing then goes on.`
    case 'overloaded':
      return `ClickHouse at ${url} is too busy at the moment (${said}). Try again in a while.`
    case 'auth':
      return `ClickHouse at ${url} does not accept this user and password (${said}). Check CLICKHOUSE_URL.`
    case 'forbidden':
      return `ClickHouse at ${url} does not allow this (${said}).`
    case 'limit':
      return `ClickHouse at ${url} stopped the query at a limit (${said}). Ask for less: fewer rows or a shorter period.`
    case 'rejected':
      return `ClickHouse at ${url} rejected the request: ${said}`
    case 'schema':
    case 'no_embedded_server':
    case 'start_failed':
      return said
    default:
      return code satisfies never
  }
}
