import { CatalogueError } from '@weaklink/chains'
import { StoreError } from '@weaklink/clickhouse'
import { LogError } from '@weaklink/event-log'
import { InvalidMapping } from '@weaklink/interactions'
import { QueryError } from '@weaklink/reports'
import { InUseError, KeysError } from '@weaklink/runtime'
import { LogChangedError } from '@weaklink/tracker'
import { InputError } from './input/index.ts'
import { CommandError, UsageError } from './terminal.ts'

/** A package that is not there, and those of them that the embedded engines need. */
const MISSING = /^(ERR_)?MODULE_NOT_FOUND$/
const EMBEDDED = /'(lmdb|ffi-rs)'/

/** What a failure means to the person at the terminal, and the exit code: 2 where the call or its files are at fault. */
export function explain(error: unknown): { message: string; exitCode: 1 | 2 } {
  if (error instanceof UsageError || error instanceof QueryError) return { message: error.message, exitCode: 2 }
  if (error instanceof CatalogueError || error instanceof InvalidMapping) return { message: error.message, exitCode: 2 }
  if (
    error instanceof CommandError ||
    error instanceof InUseError ||
    error instanceof KeysError ||
    error instanceof InputError ||
    error instanceof StoreError ||
    error instanceof LogError ||
    error instanceof LogChangedError
  ) {
    return { message: error.message, exitCode: 1 }
  }
  if (error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) {
    return {
      message: `There is no space left on the disk (${error.message}). Free some, then run the same command again.`,
      exitCode: 1,
    }
  }
  if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EROFS')) {
    return { message: `This may not be written or read: ${error.message}`, exitCode: 1 }
  }
  if (error instanceof Error && 'code' in error && MISSING.test(String(error.code)) && EMBEDDED.test(error.message)) {
    return {
      message:
        'The embedded log and the embedded ClickHouse are not installed here (an image leaves them out). Set ' +
        'KAFKA_BROKERS and CLICKHOUSE_URL; for weaklink up also its keys: WEAKLINK_WRITE_KEYS, WEAKLINK_READ_KEYS.',
      exitCode: 1,
    }
  }
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: 1 }
}
