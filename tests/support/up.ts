import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BIN, type Outcome } from './weaklink.ts'

/** A command that goes on until it is ended, in a process of its own. */
export interface Background {
  readonly child: ChildProcess
  readonly pid: number
  stdout(): string
  stderr(): string
  /** Resolves when it has ended by itself or by a signal. */
  readonly ended: Promise<Outcome>
  /** Signals it, and waits for its end. */
  end(signal?: NodeJS.Signals): Promise<Outcome>
}

const running = new Set<Background>()

export interface BackgroundOptions {
  readonly env?: NodeJS.ProcessEnv
  /** The Node that it is started with. */
  readonly node?: string
  /** What stands for `weaklink`: a script, and words before those of the call. */
  readonly bin?: readonly string[]
  readonly cwd?: string
}

/** `weaklink …args` in the background. */
export function background(
  args: readonly string[],
  { env, node = process.execPath, bin = [BIN], cwd = tmpdir() }: BackgroundOptions = {},
): Background {
  const { CLICKHOUSE_URL: _, ...inherited } = process.env
  const child = spawn(node, [...bin, ...args], {
    cwd,
    env: { ...inherited, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => {
      running.delete(one)
      resolve({ status, stdout: out, stderr: err })
    })
  })
  const one: Background = {
    child,
    pid: child.pid ?? 0,
    stdout: () => out,
    stderr: () => err,
    ended,
    end: (signal = 'SIGTERM') => {
      child.kill(signal)
      return ended
    },
  }
  running.add(one)
  return one
}

export interface Up extends Background {
  readonly url: string
  readonly keys: { readonly write: string; readonly admin: string }
}

/** `weaklink up` on a data directory and a free port, when it is ready. */
export async function up(dataDir: string, options: BackgroundOptions = {}): Promise<Up> {
  const one = background(['up', '--data-dir', dataDir, '--port', '0', '--json'], options)
  const ready = until(() => /^\}$/m.test(one.stdout()), 'weaklink up was ready')
  const early = one.ended.then(({ status, stderr }) => {
    throw new Error(`weaklink up ended with ${status}:\n${stderr}`)
  })
  await Promise.race([ready, early])
  early.catch(() => {})
  const { url } = JSON.parse(one.stdout()) as { url: string }
  return { ...one, url, keys: JSON.parse(readFileSync(join(dataDir, 'keys.json'), 'utf8')) }
}

/** Ends what a test left running; after each one. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map((one) => one.end('SIGKILL')))
}

/** Waits until something is so. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + 60_000; ; await sleep(50)) {
    if (await holds()) return
    if (performance.now() > end) throw new Error(`a minute went by before ${what}`)
  }
}

export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The process of the embedded ClickHouse of a data directory. */
export function clickhousePid(dataDir: string): number {
  return (JSON.parse(readFileSync(join(dataDir, 'clickhouse', 'endpoint.json'), 'utf8')) as { pid: number }).pid
}
