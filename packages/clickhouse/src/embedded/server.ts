/**
 *   absent ──start──▶ starting ──answers──▶ running ──stop / crash / parent dies──▶ gone
 *                        └──────child ends──────────▶ failed (start again on another port, if that was the reason)
 *
 * A directory has at most one server: the parent holds `lock` (who else wants it gets a readable error), the child
 * holds `data.lock` (who comes after a killed parent waits until the orphan, which may write to its last, is gone).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rmdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { lockFile } from '@weaklink/runtime'
import { StoreError } from '../errors.ts'
import { DEFAULT_DATABASE } from '../settings.ts'
import type { ChildOrder } from './child.ts'
import { ANALYST, newPassword, OWNER, writeConfig } from './config.ts'
import { ask, type Endpoint, removeEndpoint, writeEndpoint } from './endpoint.ts'
import { libraryPath } from './library.ts'

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

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
const WORKING_DIRECTORY = 'cwd'
const START_MS = 120_000
const POLL_MS = 20
const PROBE_MS = 10_000
/** It listens a moment before the query that keeps it alive; only with that one is its start complete. */
const STARTED = `SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT sleepEachRow')`
const PORT_ATTEMPTS = 5
/** Stack frames without symbols, and what the engine stumbles over when it ends after a failed start. */
const NOISE = /^\s*\d+\. |^ \(version |Failed to write a log message|^ cannot lock mutex/
/** The reason of a failed start comes first, that of a crash last. */
const FIRST_LINES = 4
const LAST_LINES = 8

/**
 * Starts ClickHouse as a child process and resolves when it answers (within a second, where it has little data). It dies with this process.
 * @throws InUseError where another process has the directory.
 * @throws StoreError `no_embedded_server` or `start_failed`.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const library = libraryPath()
  const directory = resolve(options.directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const lock = lockFile(join(directory, 'lock'), options.what)
  try {
    // Another process may take the free port before the engine does; then the next one will do.
    for (let attempt = 1; ; attempt++) {
      const child = await Child.start(directory, library, options)
      let failure: string | null
      try {
        failure = await child.ready()
        if (failure === null) return await child.publish(() => lock.release())
      } catch (error) {
        await child.kill()
        throw error
      }
      await child.kill()
      if (attempt < PORT_ATTEMPTS && /Address already in use/i.test(failure)) continue
      throw new StoreError('start_failed', `The embedded ClickHouse in ${directory} did not start: ${failure}`)
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

class Child {
  readonly #process: ChildProcess
  readonly #directory: string
  readonly #endpoint: Endpoint
  readonly #lines: string[] = []
  readonly #ended: Promise<string>
  #over = false
  #stopping = false

  static async start(directory: string, library: string, options: EmbeddedServerOptions): Promise<Child> {
    const port = await freePort()
    const owner = { username: OWNER, password: newPassword() }
    const analyst = { username: ANALYST, password: newPassword() }
    const database = options.database ?? DEFAULT_DATABASE
    // One of its own, because it is taken away: see `ready`.
    const cwd = join(directory, WORKING_DIRECTORY)
    await mkdir(cwd, { recursive: true })
    const configFile = await writeConfig({ directory, database, port, owner, analyst })
    const child = spawn(process.execPath, [CHILD], {
      cwd,
      // A group of its own: Ctrl-C in the terminal reaches us, who stop it in our order.
      detached: true,
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', TZ: 'UTC' },
    })
    const order: ChildOrder = { library, configFile, lockFile: join(directory, 'data.lock') }
    // Stays open: its end is the child's.
    child.stdin.on('error', () => {})
    child.stdin.write(`${JSON.stringify(order)}\n`)
    const url = `http://127.0.0.1:${port}`
    return new Child(child, directory, { url, ...owner, pid: child.pid ?? 0, analyst }, options.log)
  }

  constructor(process: ChildProcess, directory: string, endpoint: Endpoint, log?: (line: string) => void) {
    this.#process = process
    this.#directory = directory
    this.#endpoint = endpoint
    this.#listen(log)
    this.#ended = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#over = true
        resolve([reason, ...this.#lines].join('\n'))
      }
      process.once('error', (error) => end(`it could not be run: ${error.message}`))
      process.once('close', (code, signal) => end(`it ended (${signal ?? `exit code ${code}`})`))
    })
  }

  #listen(log?: (line: string) => void): void {
    let rest = ''
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.trim() === '' || NOISE.test(line)) continue
        this.#lines.push(line.replace(/, Stack trace \(when copying.*$/, ''))
        if (this.#lines.length > FIRST_LINES + LAST_LINES) this.#lines.splice(FIRST_LINES, 1)
        log?.(line)
      }
    })
  }

  /** Null when the server answers, else why it does not. */
  async ready(): Promise<string | null> {
    const giveUpAt = performance.now() + START_MS
    while (!this.#over) {
      if (performance.now() > giveUpAt) return `no answer after ${START_MS / 1000} s\n${this.#lines.join('\n')}`
      if (await this.#started()) {
        // `clickhouse local` lets the SQL function file() read every file of this user, our passwords included, and no
        // grant or setting forbids it. But each call first asks for the working directory, and fails where it is gone.
        await rmdir(join(this.#directory, WORKING_DIRECTORY))
        return null
      }
      await delay(POLL_MS)
    }
    return await this.#ended
  }

  /** The password is new: nobody else who may have taken the port would accept it. */
  async #started(): Promise<boolean> {
    try {
      return (await ask(this.#endpoint.url, this.#endpoint, STARTED, PROBE_MS)).trim() === '1'
    } catch {
      return false
    }
  }

  /** Hands the server out: from here on its end is reported and cleans up. */
  async publish(release: () => void): Promise<EmbeddedServer> {
    await writeEndpoint(this.#directory, this.#endpoint)
    this.#lines.length = 0
    const exited = this.#ended.then(async (reason) => {
      await removeEndpoint(this.#directory).catch(() => {})
      release()
      return { expected: this.#stopping, reason: this.#stopping ? 'it was stopped' : reason }
    })
    return {
      ...this.#endpoint,
      exited,
      stop: async () => {
        this.#stopping ||= !this.#over
        await this.kill()
        await exited
      },
    }
  }

  async kill(): Promise<void> {
    if (!this.#over) this.#process.kill('SIGKILL')
    await this.#ended
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}
