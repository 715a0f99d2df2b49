export { type FileLock, InUseError, lockFile } from './lock-file.ts'
export { type RetryOptions, retry } from './retry.ts'
