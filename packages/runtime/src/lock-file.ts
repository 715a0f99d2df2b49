import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataType } from 'ffi-rs'

/** A lock that this process holds. The kernel frees it when the process ends, by whatever death. */
export interface FileLock {
  /** Frees the lock; a second call does nothing. The file stays, empty: deleting it could take it away under a waiter. */
  release(): void
}

/** Another holder has the lock; `pid`, `what` and `since` are what it wrote about itself, if it came to that. */
export class InUseError extends Error {
  readonly code = 'in_use'
  readonly path: string
  readonly pid: number | undefined
  readonly what: string | undefined
  /** RFC 3339, UTC. */
  readonly since: string | undefined

  constructor(path: string, holder: Partial<Holder>) {
    const process = holder.pid === undefined ? 'another process' : `process ${holder.pid}`
    const about = [holder.what, holder.since && `since ${clockTime(new Date(holder.since))}`].filter(Boolean).join(', ')
    super(
      `${dirname(path)} is in use by ${process}${about && ` (${about})`}: end it, or name another directory with --data-dir`,
    )
    this.name = 'InUseError'
    this.path = path
    this.pid = holder.pid
    this.what = holder.what
    this.since = holder.since
  }
}

/** The content of a lock file, written for people and messages: the lock itself is the kernel's. */
interface Holder {
  readonly pid: number
  readonly what: string
  readonly since: string
}

/**
 * Takes an exclusive lock on a file, which is created (with its directory) where it is missing.
 *
 * It is flock(2), so a killed process never leaves a lock behind; and it belongs to the opened file, so a second lock
 * within the same process is refused like anybody else's. Children do not inherit it (Node opens with O_CLOEXEC).
 * The directory must be on a local file system.
 *
 * @param path the lock file; messages name its directory
 * @param what who holds it, for the messages of others, like `weaklink import`
 * @param options.waitMs how long to wait for a holder that is about to end; then the answer is a promise
 * @throws {InUseError} when another holder has it (still, at the end of the wait)
 */
export function lockFile(path: string, what: string): FileLock
export function lockFile(path: string, what: string, options: { readonly waitMs: number }): Promise<FileLock>
export function lockFile(
  path: string,
  what: string,
  options?: { readonly waitMs: number },
): FileLock | Promise<FileLock> {
  return options === undefined ? lockNow(path, what) : lockWithin(path, what, options.waitMs)
}

const POLL_MS = 25

async function lockWithin(path: string, what: string, waitMs: number): Promise<FileLock> {
  const end = performance.now() + waitMs
  for (;;) {
    try {
      return lockNow(path, what)
    } catch (error) {
      const leftMs = end - performance.now()
      if (!(error instanceof InUseError) || leftMs <= 0) throw error
      await sleep(Math.min(POLL_MS, leftMs))
    }
  }
}

function lockNow(path: string, what: string): FileLock {
  mkdirSync(dirname(path), { recursive: true })
  // 'a+' creates the file and never truncates: what the holder wrote must stay until we are the holder.
  const file = openSync(path, 'a+')
  let locked = false
  try {
    locked = tryFlock(file, path)
    if (!locked) throw new InUseError(path, readHolder(path))
    const holder: Holder = { pid: process.pid, what, since: new Date().toISOString() }
    ftruncateSync(file)
    writeSync(file, `${JSON.stringify(holder)}\n`)
  } catch (error) {
    closeSync(file)
    throw error
  }
  let held = true
  return {
    release() {
      if (!held) return
      held = false
      ftruncateSync(file)
      closeSync(file)
    },
  }
}

/** The holder may be between taking the lock and writing who it is: then there is nothing to tell yet. */
function readHolder(path: string): Partial<Holder> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return {}
  }
}

/** `12:01` for today, else with the date; local time, as on the clock of whoever reads it. */
function clockTime(at: Date): string {
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`
  if (at.toDateString() === new Date().toDateString()) return time
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`
}

const two = (n: number) => String(n).padStart(2, '0')

const LOCK_EX = 2
const LOCK_NB = 4
/** EWOULDBLOCK: 11 on Linux, 35 on macOS. */
const WOULD_BLOCK = process.platform === 'darwin' ? 35 : 11
let ffi: typeof import('ffi-rs') | undefined

/** Node has no flock; the C library that Node itself runs on has. Answers false when somebody else holds the lock. */
function tryFlock(file: number, path: string): boolean {
  if (process.platform === 'win32')
    throw new Error(`cannot lock ${path}: Windows has no flock; use Linux, macOS or WSL`)
  if (ffi === undefined) {
    // Only now, and not asynchronously: who locks nothing needs no such package, and an image may lack it.
    ffi = createRequire(import.meta.url)('ffi-rs') as typeof import('ffi-rs')
    // The empty path is the running program: its libc has another file name on each system (glibc, musl, macOS).
    ffi.open({ library: 'libc', path: '' })
  }
  const { I32 } = ffi.DataType
  const { value, errnoCode, errnoMessage } = ffi.load<DataType.I32, true>({
    library: 'libc',
    funcName: 'flock',
    retType: I32,
    paramsType: [I32, I32],
    paramsValue: [file, LOCK_EX | LOCK_NB],
    errno: true,
  })
  if (value === 0) return true
  if (errnoCode === WOULD_BLOCK) return false
  throw new Error(`cannot lock ${path}: ${errnoMessage}; the directory must be on a local file system that knows flock`)
}
