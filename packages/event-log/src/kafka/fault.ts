import { LogError, type LogErrorCode } from '../errors.ts'

/** What kafkajs tells with an error, as far as it does. */
interface Told {
  readonly name?: string
  readonly message?: string
  /** The broker's name of an error of the protocol. */
  readonly type?: string
  readonly retriable?: boolean
  readonly cause?: unknown
  readonly errors?: readonly unknown[]
}

const CODES: Readonly<Record<string, LogErrorCode>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'topic_unknown',
  TOPIC_AUTHORIZATION_FAILED: 'not_authorized',
  GROUP_AUTHORIZATION_FAILED: 'not_authorized',
  CLUSTER_AUTHORIZATION_FAILED: 'not_authorized',
  SASL_AUTHENTICATION_FAILED: 'not_authorized',
  MESSAGE_TOO_LARGE: 'record_too_large',
  RECORD_LIST_TOO_LARGE: 'record_too_large',
}
const CONNECTION =
  /^KafkaJS(Connection|ConnectionClosed|RequestTimeout|LockTimeout|NoBrokerAvailable|BrokerNotFound)(Error)?$|^KafkaJS(Timeout|LockTimeout|BrokerNotFound)$/

/** How the broker named this error; empty where it did not. */
export const typeOf = (error: unknown): string => (rootOf(error) as Told | null)?.type ?? ''

/** What kafkajs met, as an error of the log: the place first, then what the broker or the network said. */
export function faultOf(error: unknown, place: string): LogError {
  if (error instanceof LogError) return error
  const root = (rootOf(error) ?? {}) as Told
  const said = `${root.message ?? error}`.replace(/\s+/g, ' ').trim()
  return new LogError(codeOf(root), `${place} failed: ${said}`, { cause: error })
}

function codeOf({ name = '', type = '', retriable }: Told): LogErrorCode {
  if (name === 'KafkaJSSASLAuthenticationError') return 'not_authorized'
  if (CONNECTION.test(name)) return 'unreachable'
  // kafkajs stumbles over answers of brokers that are just starting, such as a partition without a leader.
  if (name === 'TypeError') return 'refused_for_now'
  return CODES[type] ?? (retriable === true ? 'refused_for_now' : 'refused')
}

/** kafkajs wraps what it met, sometimes twice. */
function rootOf(error: unknown): unknown {
  let root = error
  for (let depth = 0; depth < 10; depth++) {
    const { cause, errors } = (root ?? {}) as Told
    const inner = cause ?? errors?.[0]
    if (inner === undefined || inner === null) break
    root = inner
  }
  return root
}
