/**
 *   absent ──start──▶ starting ──answers──▶ running ──stop / crash / parent dies──▶ gone
 *                        └──────child ends──────────▶ failed (start again on another port, if that was the reason)
 *
 * A directory has at most one server: the parent holds `lock` (who else wants it gets a readable error), the child
 * holds `data.lock` (who comes after a killed parent waits until the orphan, which may write to its last, is gone).
 */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type FileLock, lockFile } from '@weaklink/runtime'
import { type Endpoint, removeEndpoint } from './endpoint.ts'
import { libraryPath } from './library.ts'
import { type ProcessOptions, startProcess } from './process.ts'

export interface EmbeddedServerOptions {
  /** Belongs to the server alone; created where it is missing. */
  readonly directory: string
  /** Who uses it, for the message that the next one gets: "weaklink up". */
  readonly what: string
  /** Whose views the analyst may read; default `weaklink`. */
  readonly database?: string
  /** Gets what the engine says, line by line: warnings and errors. */
  readonly log?: (line: string) => void
}

export interface ServerExit {
  /** True after `stop()`. */
  readonly expected: boolean
  /** For people: how it ended, with its last words. */
  readonly reason: string
}

/** A running ClickHouse server, HTTP on 127.0.0.1 only. `username` and `password` are those of the owner's account. */
export interface EmbeddedServer extends Endpoint {
  /** Resolves when the process is gone, its directory free again; never rejects. Start anew to go on. */
  readonly exited: Promise<ServerExit>
  /**
   * Ends the server at once (SIGKILL) and resolves when it is gone. Nothing acknowledged is lost by that; what has to
   * outlive a power cut as well belongs into tables with `fsync_after_insert = 1, fsync_part_directory = 1`.
   */
  stop(): Promise<void>
}

/**
 * Starts ClickHouse as a child process and resolves when it answers (within a second, where it has little data). It dies with this process.
 * @throws InUseError where another process has the directory.
 * @throws StoreError `no_embedded_server` or `start_failed`.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { lock, ...process } = await takeDirectory(options)
  try {
    const server = await startProcess(process)
    let stopping = false
    const exited = server.ended.then(async (reason) => {
      await removeEndpoint(process.directory).catch(() => {})
      lock.release()
      return { expected: stopping, reason: stopping ? 'it was stopped' : reason }
    })
    return {
      ...server.endpoint,
      exited,
      stop: async () => {
        stopping ||= !server.over
        await server.kill()
        await exited
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** The directory, created and locked. */
export async function takeDirectory(options: EmbeddedServerOptions): Promise<ProcessOptions & { lock: FileLock }> {
  const library = libraryPath()
  const directory = resolve(options.directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const lock = lockFile(join(directory, 'lock'), options.what)
  return { lock, directory, library, database: options.database, log: options.log }
}
