import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FileLock, InUseError, lockFile } from '@weaklink/runtime'

/** A running `weaklink up`, as other commands on the same data directory find it. */
export interface Service {
  readonly pid: number
  /** Where its collector and its API answer. */
  readonly url: string
  /** RFC 3339. */
  readonly since: string
  /** Where it keeps its rows: `embedded`, or the address that `CLICKHOUSE_URL` has, without user and password. */
  readonly clickhouse: string
  /** Where its log is: `embedded`, or the brokers that `KAFKA_BROKERS` names. */
  readonly log: string
  /** The file of the rules that it alerts by; null where it does not. */
  readonly alerts: string | null
}

export interface Hold {
  /** From here on other commands find the service. */
  publish(service: Service): void
  /** Other commands do not find it any more; the directory stays held. */
  withdraw(): void
  release(): void
}

/** Held by the service as long as it lives. It decides whether one runs: the file beside it may be of one that was killed. */
export const LOCK = 'up.lock'
const FILE = 'up.json'
/** Commands that look whether a service runs take the lock for an instant. */
const LOOK_MS = 1_000
/** How long a command waits for a service that starts or stops just now. */
const CHANGE_MS = 15_000
const POLL_MS = 50

/**
 * Holds a data directory for a service.
 *
 * @throws InUseError where another one has it
 */
export async function holdDirectory(directory: string, what: string): Promise<Hold> {
  const lock: FileLock = await lockFile(join(directory, LOCK), what, { waitMs: LOOK_MS })
  const path = join(directory, FILE)
  rmSync(path, { force: true })
  return {
    publish(service) {
      writeFileSync(`${path}.new`, `${JSON.stringify(service, null, 2)}\n`)
      renameSync(`${path}.new`, path)
    },
    withdraw: () => rmSync(path, { force: true }),
    release: () => lock.release(),
  }
}

/**
 * The service that runs on a data directory, null where none does. Waits for one that is starting or stopping.
 *
 * @throws InUseError where it does neither in time
 */
export async function serviceOf(directory: string): Promise<Service | null> {
  const path = join(directory, LOCK)
  // Looking leaves nothing behind where there never was a service.
  if (!existsSync(path)) return null
  for (const end = performance.now() + CHANGE_MS; ; await sleep(POLL_MS)) {
    try {
      lockFile(path, 'a command that looks whether weaklink up runs').release()
      return null
    } catch (error) {
      if (!(error instanceof InUseError)) throw error
      const service = readService(directory)
      if (service !== null && service.pid === error.pid) return service
      if (performance.now() > end) throw error
    }
  }
}

function readService(directory: string): Service | null {
  try {
    return JSON.parse(readFileSync(join(directory, FILE), 'utf8')) as Service
  } catch {
    return null
  }
}
