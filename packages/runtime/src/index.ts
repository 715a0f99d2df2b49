// The HTTP server and the logger are doors of their own (`/http`, `/logger`): what they bring along is large, and most
// processes need neither.
export { problemDetail, retryAfterMs } from './http/answer.ts'
export {
  checkKey,
  KEY_VARIABLES,
  KEYS_FILE,
  type KeyRing,
  KeysError,
  keyIn,
  keyRing,
  keysOf,
  readKeys,
  requireKey,
  type Scope,
  type StoredKeys,
} from './http/keys.ts'
export { PROBLEM_JSON, Problem, problemBody } from './http/problem.ts'
export { type FileLock, InUseError, lockFile } from './lock-file.ts'
export { type RetryOptions, retry } from './retry.ts'
