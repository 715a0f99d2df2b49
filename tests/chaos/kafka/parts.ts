import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { BIN } from '../../support/weaklink.ts'

/** A process of Weaklink that is killed, paused and started again. */
export class Part {
  readonly name: string
  readonly directory: string
  readonly #args: readonly string[]
  readonly #environment: NodeJS.ProcessEnv
  readonly #logFile: string
  #child: ChildProcess | null = null
  #paused = false
  /** Why it ended by itself, where it did. */
  ended: string | null = null
  url = ''

  constructor(name: string, folder: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
    this.name = name
    this.directory = join(folder, name)
    this.#args = args
    this.#environment = environment
    this.#logFile = join(folder, `${name}.log`)
  }

  get runs(): boolean {
    return this.#child !== null
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Resolves when it says that it is up. */
  async start(): Promise<void> {
    const args = [BIN, 'up', '--json', '--data-dir', this.directory, ...this.#args]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#environment },
    })
    const log = createWriteStream(this.#logFile, { flags: 'a' })
    let last = ''
    createInterface({ input: child.stderr! }).on('line', (line) => {
      last = line
      if (!log.writableEnded) log.write(`${line}\n`)
    })
    this.#child = child
    this.ended = null
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return
      this.#child = null
      this.ended = `${this.name} ended by itself (${signal ?? code}): ${last}`
      log.end()
    })
    let text = ''
    for await (const line of createInterface({ input: child.stdout! })) {
      text += line
      if (line !== '}') continue
      this.url = (JSON.parse(text) as { url: string }).url
      child.stdout!.resume()
      return
    }
    throw new Error(`${this.name} ended before it was up: ${last}`)
  }

  /** Ends it, and resolves when it is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === null) return
    this.#child = null
    const gone = once(child, 'exit')
    if (this.#paused) this.resume(child)
    child.kill(signal)
    await gone
  }

  pause(): void {
    this.#paused = this.#child?.kill('SIGSTOP') ?? false
  }

  resume(child = this.#child): void {
    child?.kill('SIGCONT')
    this.#paused = false
  }

  /** The disk of a machine that was replaced. */
  wipe(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
