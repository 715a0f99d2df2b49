import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { LogError } from '../errors.ts'
import type { NewRecord } from '../port.ts'
import { COMPRESSIONS, type Compression } from './codecs.ts'

const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
type SaslMechanism = (typeof SASL_MECHANISMS)[number]

export interface KafkaOptions {
  /** `host:port` of at least one broker; the others are learned from it. */
  readonly brokers: readonly string[]
  /** How this client calls itself in the broker's logs and quotas. */
  readonly clientId?: string
  /** TLS; true: with the system's certificate authorities. */
  readonly ssl?: ConnectionOptions | boolean
  readonly sasl?: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string }
  /** Of what is appended; whatever it is, all are read. Default `none`. */
  readonly compression?: Compression
  /** Headers that a record gets beside its own, for readers that are not ours. */
  readonly headersFor?: (topic: string, record: NewRecord) => Readonly<Record<string, string>>
  /** After so long without a heartbeat the broker gives a consumer's partitions to others. Default 30,000. */
  readonly sessionMs?: number
  /** A partition that stands still for so long while its end moves ends the consumer. Default 300,000. */
  readonly stallMs?: number
}

/** The variables that name a Kafka, and what each must hold. */
export const KAFKA_VARIABLES = {
  KAFKA_BROKERS: 'host:port of at least one broker, separated by commas',
  KAFKA_CLIENT_ID: 'how this client calls itself; default weaklink',
  KAFKA_SSL: 'true for TLS, false without',
  KAFKA_SSL_CA: 'path of the certificate authorities (PEM); default: those of the system',
  KAFKA_SSL_CERT: 'path of the certificate of this client (PEM)',
  KAFKA_SSL_KEY: 'path of the key of that certificate (PEM)',
  KAFKA_SASL_MECHANISM: SASL_MECHANISMS.join(' | '),
  KAFKA_SASL_USERNAME: 'name of the account',
  KAFKA_SASL_PASSWORD: 'its password',
  KAFKA_SESSION_MS:
    'after so many milliseconds without a sign of life a tracker is taken for dead: 6000 to 1800000; default 30000',
  KAFKA_COMPRESSION: `of what is written: ${COMPRESSIONS.join(' | ')}; default none`,
} as const

type Environment = Readonly<Record<string, string | undefined>>
type Variable = keyof typeof KAFKA_VARIABLES

/**
 * The Kafka that the environment names; null where it names none.
 *
 * @throws {LogError} `settings_invalid`, which names the variable, its value and what was expected
 */
export function kafkaOptionsOf(environment: Environment): KafkaOptions | null {
  const read = (name: Variable) => environment[name]?.trim() || undefined
  const listed = read('KAFKA_BROKERS')
  if (listed === undefined) return null
  const brokers = listed.split(',').map((broker) => broker.trim())
  // Whoever writes an account into it must not find it in a log.
  for (const broker of brokers) if (!isAddress(broker)) throw invalid('KAFKA_BROKERS', broker.replace(/^.*@/, '…@'))
  const [clientId, compression] = [read('KAFKA_CLIENT_ID'), choice(read('KAFKA_COMPRESSION'), COMPRESSIONS)]
  if (compression === null) throw invalid('KAFKA_COMPRESSION', read('KAFKA_COMPRESSION'))
  const sessionMs = sessionMsOf(read)
  const [ssl, sasl] = [sslOf(read), saslOf(read)]
  return {
    brokers,
    clientId: clientId ?? 'weaklink',
    ...(ssl !== undefined && { ssl }),
    ...(sasl !== undefined && { sasl }),
    ...(compression !== undefined && { compression }),
    ...(sessionMs !== undefined && { sessionMs }),
  }
}

type Read = (name: Variable) => string | undefined

function sslOf(read: Read): ConnectionOptions | boolean | undefined {
  const given = read('KAFKA_SSL')?.toLowerCase()
  if (given !== undefined && given !== 'true' && given !== 'false') throw invalid('KAFKA_SSL', read('KAFKA_SSL'))
  const files = (['KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'] as const).filter((name) => read(name))
  if (given !== 'true') {
    if (files[0] === undefined || given === 'false') return undefined
    throw new LogError('settings_invalid', `${files[0]} is set, but KAFKA_SSL is not: set it to true`)
  }
  const pem = (name: Variable) => {
    const path = read(name)
    if (path === undefined) return undefined
    try {
      const text = readFileSync(path, 'utf8')
      if (text.includes('-----BEGIN ')) return text
      throw new Error(`${path} holds no PEM (-----BEGIN …)`)
    } catch (cause) {
      const message = `${name} cannot be read: ${cause instanceof Error ? cause.message : cause}`
      throw new LogError('settings_invalid', message, { cause })
    }
  }
  const [ca, cert, key] = [pem('KAFKA_SSL_CA'), pem('KAFKA_SSL_CERT'), pem('KAFKA_SSL_KEY')]
  if ((cert === undefined) !== (key === undefined)) {
    throw new LogError('settings_invalid', 'KAFKA_SSL_CERT and KAFKA_SSL_KEY belong together: set both, or none')
  }
  if (ca === undefined && cert === undefined) return true
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) }
}

function saslOf(read: Read): KafkaOptions['sasl'] {
  const given = read('KAFKA_SASL_MECHANISM')
  const [username, password] = [read('KAFKA_SASL_USERNAME'), read('KAFKA_SASL_PASSWORD')]
  if (given === undefined) {
    if (username === undefined && password === undefined) return undefined
    throw new LogError(
      'settings_invalid',
      `KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is set, but KAFKA_SASL_MECHANISM is not: expected ${KAFKA_VARIABLES.KAFKA_SASL_MECHANISM}`,
    )
  }
  const mechanism = choice(given, SASL_MECHANISMS)
  if (mechanism == null) throw invalid('KAFKA_SASL_MECHANISM', given)
  if (username === undefined) throw invalid('KAFKA_SASL_USERNAME', username)
  if (password === undefined) throw invalid('KAFKA_SASL_PASSWORD', password)
  return { mechanism, username, password }
}

function sessionMsOf(read: Read): number | undefined {
  const given = read('KAFKA_SESSION_MS')
  if (given === undefined) return undefined
  const ms = Number(given)
  // What brokers allow, unless they say otherwise.
  if (!Number.isInteger(ms) || ms < 6_000 || ms > 1_800_000) throw invalid('KAFKA_SESSION_MS', given)
  return ms
}

/** Undefined where nothing is given, null where it is none of them. */
function choice<T extends string>(given: string | undefined, choices: readonly T[]): T | undefined | null {
  return given === undefined ? undefined : (choices.find((one) => one === given.toLowerCase()) ?? null)
}

function isAddress(broker: string): boolean {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/@]+):(\d{1,5})$/.exec(broker)
  return match !== null && Number(match[2]) >= 1 && Number(match[2]) <= 65_535
}

function invalid(name: Variable, got: string | undefined): LogError {
  const shown = got === undefined ? 'is not set' : `is ${JSON.stringify(got)}`
  return new LogError('settings_invalid', `${name} ${shown}: expected ${KAFKA_VARIABLES[name]}`)
}
