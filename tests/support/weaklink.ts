import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Runs the real command in a process of its own, as a user would. */
export const BIN = fileURLToPath(new URL('../../services/cli/bin/weaklink.js', import.meta.url))

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `weaklink …args`, in the folder `cwd`. */
export function weaklink(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  const { CLICKHOUSE_URL: _, ...env } = process.env
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => {
      resolve({ status, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') })
    })
  })
}

/** The JSON that a command answers; fails with what it said where it failed. */
export async function weaklinkJson<T>(args: readonly string[], options: { cwd?: string } = {}): Promise<T> {
  const outcome = await weaklink([...args, '--json'], options)
  if (outcome.status !== 0)
    throw new Error(`weaklink ${args.join(' ')} ended with ${outcome.status}:\n${outcome.stderr}\n${outcome.stdout}`)
  return JSON.parse(outcome.stdout) as T
}

/** A temporary folder that `remove` takes away again. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'weaklink-e2e-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
