import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createAlertsTopic, type Memory, memoryOf } from '@weaklink/alerts'
import type { EventLog } from '@weaklink/event-log'
import type { Command } from 'commander'
import type { CommonOptions } from '../run.ts'
import { UsageError } from '../terminal.ts'
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

function directoryOf(command: Command): string {
  return resolve(command.optsWithGlobals<CommonOptions>().dataDir)
}
