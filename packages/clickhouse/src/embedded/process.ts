/** The process of an embedded server, as its parent sees it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rmdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { StoreError } from '../errors.ts'
import { DEFAULT_DATABASE } from '../settings.ts'
import type { ChildOrder } from './child.ts'
import { type Account, ANALYST, newPassword, OWNER, writeConfig } from './config.ts'
import { ask, type Endpoint, writeEndpoint } from './endpoint.ts'

/** Where a server listens and who may log in; a successor may have the same. */
export interface Identity {
  readonly port: number
  readonly owner: Account
  readonly analyst: Account
}

export interface ProcessOptions {
  readonly directory: string
  /** Path of the ClickHouse library. */
  readonly library: string
  readonly database?: string | undefined
  readonly log?: ((line: string) => void) | undefined
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
 * Starts the process and resolves when it answers and its endpoint is published.
 *
 * @param identity of an earlier server that this one stands in for; else it gets a free port and new passwords
 * @param signal ends the start, and the process with it
 * @throws StoreError `start_failed`
 */
export async function startProcess(
  options: ProcessOptions,
  identity?: Identity,
  signal?: AbortSignal,
): Promise<ServerProcess> {
  // Another process may take the free port before the engine does; then the next one will do.
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    const server = await ServerProcess.spawn(options, identity ?? (await newIdentity()))
    const abort = () => void server.kill()
    signal?.addEventListener('abort', abort)
    let failure: string | null
    try {
      failure = await server.ready()
      if (failure === null && signal?.aborted !== true) {
        await writeEndpoint(options.directory, server.endpoint)
        server.forgetWords()
        return server
      }
    } catch (error) {
      await server.kill()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    await server.kill()
    signal?.throwIfAborted()
    if (identity === undefined && attempt < PORT_ATTEMPTS && /Address already in use/i.test(failure ?? '')) continue
    throw new StoreError('start_failed', `The embedded ClickHouse in ${options.directory} did not start: ${failure}`)
  }
}

async function newIdentity(): Promise<Identity> {
  return {
    port: await freePort(),
    owner: { username: OWNER, password: newPassword() },
    analyst: { username: ANALYST, password: newPassword() },
  }
}

export class ServerProcess {
  readonly identity: Identity
  readonly endpoint: Endpoint
  /** Resolves when it is gone, with its last words. */
  readonly ended: Promise<string>
  readonly #process: ChildProcess
  readonly #directory: string
  readonly #lines: string[] = []
  #over = false

  static async spawn(
    { directory, library, database, log }: ProcessOptions,
    identity: Identity,
  ): Promise<ServerProcess> {
    // One of its own, because it is taken away: see `ready`.
    const cwd = join(directory, WORKING_DIRECTORY)
    await mkdir(cwd, { recursive: true })
    const configFile = await writeConfig({ directory, database: database ?? DEFAULT_DATABASE, ...identity })
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
    return new ServerProcess(child, directory, identity, log)
  }

  private constructor(process: ChildProcess, directory: string, identity: Identity, log?: (line: string) => void) {
    this.#process = process
    this.#directory = directory
    this.identity = identity
    const { port, owner, analyst } = identity
    this.endpoint = { url: `http://127.0.0.1:${port}`, ...owner, pid: process.pid ?? 0, analyst }
    this.#listen(log)
    this.ended = new Promise((resolve) => {
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
    return await this.ended
  }

  /** The password is of this directory alone: nobody else who may have taken the port would accept it. */
  async #started(): Promise<boolean> {
    try {
      return (await ask(this.endpoint.url, this.endpoint, STARTED, PROBE_MS)).trim() === '1'
    } catch {
      return false
    }
  }

  /** From here on `ended` tells of its last words only, not of its first. */
  forgetWords(): void {
    this.#lines.length = 0
  }

  get over(): boolean {
    return this.#over
  }

  async kill(): Promise<void> {
    if (!this.#over) this.#process.kill('SIGKILL')
    await this.ended
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
