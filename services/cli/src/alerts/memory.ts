import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createAlertsTopic, type Memory, memoryOf } from '@weaklink/alerts'
import type { EventLog } from '@weaklink/event-log'
import type { Command } from 'commander'
import type { CommonOptions } from '../run.ts'
import { UsageError } from '../terminal.ts'
import { serviceOf } from '../up/service.ts'
import { openLog } from '../workspace.ts'

/**
 * The Kafka that the environment names, else the log of the data directory, also while `weaklink up` runs there; null where
 * there is none yet. ClickHouse is not needed for what alerts ask.
 */
export async function openAlertsLog(command: Command): Promise<EventLog | null> {
  const directory = directoryOf(command)
  if (!process.env.KAFKA_BROKERS?.trim() && !existsSync(join(directory, 'log'))) return null
  return await openLog({ directory, environment: process.env })
}

/**
 * Runs the work of a command on what alerts remember.
 *
 * @throws UsageError where there is no log
 */
export async function withAlertsMemory<T>(command: Command, work: (memory: Memory) => Promise<T>): Promise<T> {
  const log = await openAlertsLog(command)
  if (log === null) {
    throw new UsageError(
      `${directoryOf(command)} holds no Weaklink data: start weaklink up there, or name another directory with --data-dir.`,
    )
  }
  try {
    await createAlertsTopic(log)
    return await work(memoryOf(log))
  } finally {
    await log.close()
  }
}

/** Why what is listed may not be what somebody watches now; null where all is well, or cannot be known. */
export async function nobodyAlerts(command: Command): Promise<string | null> {
  if (process.env.KAFKA_BROKERS?.trim()) return null
  const directory = directoryOf(command)
  const service = await serviceOf(directory)
  if (service === null) return `Weaklink does not run on ${directory}: nobody alerts now, and this is as it was left.`
  if (service.alerts === null) {
    return 'The Weaklink that runs there began without rules, so nobody alerts: put alerts.yaml into its directory, or name a file with --alerts, and start it again.'
  }
  const changedAt = await stat(service.alerts).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
  return changedAt > Date.parse(service.since)
    ? `${service.alerts} was changed after Weaklink was started: its rules are in force from the next start on.`
    : null
}

function directoryOf(command: Command): string {
  return resolve(command.optsWithGlobals<CommonOptions>().dataDir)
}
