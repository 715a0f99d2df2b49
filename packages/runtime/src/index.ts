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
export { BODY_LIMIT, type HttpServerOptions, httpServer } from './http/server.ts'
export { type FileLock, InUseError, lockFile } from './lock-file.ts'
export { createLogger, type Logger } from './logger.ts'
export { type RetryOptions, retry } from './retry.ts'
