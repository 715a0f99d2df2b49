import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { KEY_VARIABLES } from '@weaklink/runtime'
import { InvalidArgumentError } from 'commander'
import { CommandError, UsageError } from '../terminal.ts'

/** What a process can run, in the order in which they are told. */
export const SERVICES = ['collector', 'tracker', 'api', 'alerts'] as const
export type ServiceName = (typeof SERVICES)[number]

/** What all the others need. */
const CORE: readonly ServiceName[] = ['collector', 'tracker', 'api']

export type Environment = Readonly<Record<string, string | undefined>>

/** What one `weaklink up` runs, and with what. */
export interface Plan {
  readonly services: readonly ServiceName[]
  /** The rules of the alerts; null where there are none. */
  readonly alertsFile: string | null
  /** Nothing of it runs elsewhere. */
  readonly isWhole: boolean
  /** `KAFKA_BROKERS` as it stands; null: the embedded log of the directory. */
  readonly brokers: string | null
  /** `CLICKHOUSE_URL`; null: the embedded ClickHouse of the directory. */
  readonly clickhouseUrl: string | null
  /**
   * The data directory; null where nothing of it is needed: log and rows are kept by others, and the keys are given by
   * the environment. Then nothing is read or written there, and it need not exist.
   */
  readonly directory: string | null
}

export interface PlanOptions {
  readonly dataDir: string
  /** Default: all, alerts where there are rules. */
  readonly services?: readonly ServiceName[]
  /** The rules of the alerts; default: `alerts.yaml` of the data directory, where it is there. */
  readonly alerts?: string | undefined
  readonly environment: Environment
  /** Log and ClickHouse of the directory, whatever the environment says. */
  readonly embedded?: boolean
}

/** @throws UsageError where a part is to run that could not meet the others */
export function planOf({ dataDir, services: named, alerts, environment, embedded = false }: PlanOptions): Plan {
  const services = named ?? (alertsFile(alerts, resolve(dataDir)) === null ? CORE : SERVICES)
  const given = (name: string) => (embedded ? null : environment[name]?.trim() || null)
  const [brokers, clickhouseUrl] = [given('KAFKA_BROKERS'), given('CLICKHOUSE_URL')]
  const isWhole = runsWhole(services)
  if (!isWhole && brokers === null) {
    throw new UsageError(
      `--services ${services.join(',')} runs a part of Weaklink, and its parts meet in Kafka: set KAFKA_BROKERS ` +
        '(host:port). The embedded log is for one process that runs all of them.',
    )
  }
  if (!isWhole && needsStore(services) && clickhouseUrl === null) {
    throw new UsageError(
      `--services ${services.join(',')} runs a part of Weaklink, which needs the ClickHouse that the others have: set ` +
        'CLICKHOUSE_URL (http://user:password@host:8123). The embedded one is for one process that runs all of them.',
    )
  }
  const isElsewhere = brokers !== null && (clickhouseUrl !== null || !needsStore(services))
  const needsDirectory = !isElsewhere || missingKeys(services, environment).length > 0
  const directory = needsDirectory ? resolve(dataDir) : null
  if (directory !== null && existsSync(directory) && !statSync(directory).isDirectory())
    throw new UsageError(`${directory} is a file; --data-dir names a directory.`)
  const file = services.includes('alerts') ? alertsFile(alerts, directory) : null
  if (services.includes('alerts') && file === null) {
    throw new UsageError(
      'The alerts need rules: name their file with --alerts FILE (docs/alerts.md says what stands in it).',
    )
  }
  if (alerts !== undefined && file === null) {
    throw new UsageError(
      `--alerts ${alerts} is for a process that runs the service alerts; this one runs ${services.join(', ')}.`,
    )
  }
  return { services, alertsFile: file, isWhole, brokers, clickhouseUrl, directory }
}

/** Nothing that others need runs elsewhere. */
export function runsWhole(services: readonly ServiceName[]): boolean {
  return CORE.every((name) => services.includes(name))
}

/** The rules in a data directory where no other file is named. */
const ALERTS_FILE = 'alerts.yaml'

function alertsFile(named: string | undefined, directory: string | null): string | null {
  if (named !== undefined) return resolve(named)
  const own = directory === null ? null : join(directory, ALERTS_FILE)
  return own !== null && existsSync(own) ? own : null
}

/** The tracker writes rows, the API reads them; the collector knows only the log, and most alerts do. */
export function needsStore(services: readonly ServiceName[]): boolean {
  return services.includes('tracker') || services.includes('api')
}

/** The services that a command line names, with commas. */
export function servicesOf(text: string): readonly ServiceName[] {
  const names = text.split(',').map((name) => name.trim())
  for (const name of names) {
    if (!(SERVICES as readonly string[]).includes(name))
      throw new InvalidArgumentError(`Expected one or more of ${SERVICES.join(', ')}, with commas between.`)
  }
  return SERVICES.filter((name) => names.includes(name))
}

/** Of a key that others may try to guess. */
const KEY_LENGTH = 16

/**
 * Whoever listens to other machines gives the keys himself.
 *
 * @throws CommandError beyond loopback without keys of the environment
 */
export function requireKeysBeyondLoopback(
  host: string,
  services: readonly ServiceName[],
  environment: Environment,
): void {
  if (isLoopback(host)) return
  for (const variable of Object.values(KEY_VARIABLES)) {
    if (keysIn(environment, variable).every((key) => key.length >= KEY_LENGTH)) continue
    throw new CommandError(
      `A key in ${variable} is shorter than ${KEY_LENGTH} characters: ${host} can be reached from other machines.`,
    )
  }
  if (missingKeys(services, environment).length === 0) return
  throw new CommandError(
    `${host} can be reached from other machines, so the keys must be given by the environment: ` +
      `${neededKeys(services)
        .map(({ text }) => text)
        .join(', and ')} (several of a kind with commas between).`,
  )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host)
}

interface NeededKey {
  readonly text: string
  /** One of these. */
  readonly variables: readonly string[]
}

const { write, read, admin } = KEY_VARIABLES
const TO_SEND: NeededKey = { text: `${write} to send`, variables: [write] }
/** Also who only looks at `/metrics` asks. */
const TO_ASK: NeededKey = { text: `${read} or ${admin} to ask`, variables: [read, admin] }

function neededKeys(services: readonly ServiceName[]): readonly NeededKey[] {
  return [
    ...(services.includes('collector') ? [TO_SEND] : []),
    ...(services.some((name) => name !== 'collector') ? [TO_ASK] : []),
  ]
}

function missingKeys(services: readonly ServiceName[], environment: Environment): readonly NeededKey[] {
  return neededKeys(services).filter(({ variables }) =>
    variables.every((variable) => keysIn(environment, variable).length === 0),
  )
}

function keysIn(environment: Environment, variable: string): string[] {
  return (environment[variable] ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '')
}
