export { type FileLock, InUseError, lockFile } from './lock-file.ts'
export { createLogger, type Logger, type LoggerOptions } from './logger.ts'
export { type RetryOptions, retry } from './retry.ts'
export { Shutdown } from './shutdown.ts'
