/** A child process that dies with this one, however this one dies: SIGKILL included. */
import { type ChildProcess, spawn } from 'node:child_process'

/**
 * The shell becomes the program (`exec` keeps the process id, so signals and exit codes are the program's own) and leaves
 * a watchdog behind, which reads from us. The kernel closes that pipe with us: then it kills the program. A word instead
 * says that the program is gone and nothing is to be killed.
 */
const SCRIPT = 'exec 3<&0; (read -r _ <&3 || kill -9 $$) >/dev/null 2>&1 & exec "$0" "$@" </dev/null 3<&-'

export interface MortalOptions {
  /** A file descriptor for what it says, on both outputs. */
  readonly output: number
  readonly cwd?: string
}

export interface Mortal {
  readonly pid: number
  /** Resolves when it is gone, with how it ended in words, empty where that was exit code 0; never rejects. */
  readonly ended: Promise<string>
  /** Does nothing once it is gone. */
  signal(signal: NodeJS.Signals): void
}

/** Runs a program in a process group of its own: Ctrl-C in the terminal reaches us alone, who end it in our order. */
export function spawnMortal(program: string, args: readonly string[], { output, cwd }: MortalOptions): Mortal {
  const child: ChildProcess = spawn('/bin/sh', ['-c', SCRIPT, program, ...args], {
    stdio: ['pipe', output, output],
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
  })
  child.stdin?.on('error', () => {})
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`it could not be run: ${error.message}`))
    child.once('exit', (code, signal) => {
      child.stdin?.end('over\n')
      resolve(signal !== null ? `it ended by ${signal}` : code === 0 ? '' : `it ended with exit code ${code}`)
    })
  })
  return { pid: child.pid ?? 0, ended, signal: (signal) => void child.kill(signal) }
}
