import { readFile } from 'node:fs/promises'
import {
  type Alerts,
  type AlertsConfig,
  AlertsFileError,
  isWithin,
  type NotifierFactory,
  notifierFactory,
  parseAlerts,
  startAlerts,
} from '@weaklink/alerts'
import type { Store } from '@weaklink/clickhouse'
import type { EventLog } from '@weaklink/event-log'
import type { Logger } from '@weaklink/runtime/logger'
import type { Registry } from 'prom-client'
import { CommandError, UsageError } from '../terminal.ts'
import type { Environment } from './plan.ts'

/** @throws UsageError where it cannot be read, CommandError with everything that is wrong in it */
export async function readAlerts(file: string, environment: Environment): Promise<AlertsConfig> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`--alerts ${file} cannot be read: ${error.message}`)
  })
  try {
    return parseAlerts(text, file, environment)
  } catch (error) {
    if (!(error instanceof AlertsFileError)) throw error
    throw new CommandError(`The rules of the alerts cannot be used.\n${error.message}`)
  }
}

/** Rules about breaks ask ClickHouse; the others know everything from the log. */
export function asksStore({ rules }: AlertsConfig): boolean {
  return rules.some(({ kind }) => kind === 'breakRate')
}

export interface AlertingOptions {
  readonly config: AlertsConfig
  readonly log: EventLog
  readonly store: Store | null
  readonly registry: Registry
  readonly logger: Logger
  /** Where people find this Weaklink. */
  readonly baseUrl: string
}

/** Watches by the rules, and tells whom the file names. */
export function alerting({ config, baseUrl, ...options }: AlertingOptions): Alerts {
  const { rules, notify } = config
  const quiet = new Map(rules.map((rule) => [rule.name, rule.quiet]))
  return startAlerts({
    ...options,
    rules,
    notifier:
      notify === null
        ? nobody
        : notifierFactory({
            ...options,
            config: notify,
            baseUrl,
            isQuiet: ({ rule }, at) => (quiet.get(rule) ?? []).some((hours) => isWithin(hours, at)),
          }),
  })
}

/** Alerts that nobody is told of are only listed. */
const nobody: NotifierFactory = () => ({ tell() {}, recall() {}, async stop() {} })
