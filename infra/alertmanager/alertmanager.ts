/**
 * A real Alertmanager as a child process, on 127.0.0.1 only: that of the machine, else that of Debian's package, which is
 * fetched without installing it. It dies with this process, whatever that dies of.
 */
import { closeSync, existsSync, openSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { debianProgram } from '../debian.ts'
import { spawnMortal } from '../kafka/mortal.ts'
import { freePorts } from '../kafka/ports.ts'

export const PACKAGE = 'prometheus-alertmanager'
/** Where Debian's looks for its templates; others have them built in. */
const TEMPLATES = '/usr/share/prometheus/alertmanager'
const START_MS = 30_000

export interface Alertmanager {
  readonly url: string
  readonly pid: number
  /** Signals the process, SIGKILL by default, and resolves when it is gone. */
  stop(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

/**
 * Starts one, on a free port unless one is named, and resolves when it is ready.
 *
 * @param configuration the text of its alertmanager.yml
 * @throws NoProgramError where there is none and none can be had
 */
export async function startAlertmanager(
  configuration: string,
  options: { readonly port?: number } = {},
): Promise<Alertmanager> {
  const { program, folder } = await installation()
  const directory = await mkdtemp(join(tmpdir(), 'weaklink-alertmanager-'))
  const port = options.port ?? (await freePorts(1))[0]
  const file = join(directory, 'alertmanager.yml')
  const log = join(directory, 'alertmanager.log')
  await writeFile(file, configuration)
  const output = openSync(log, 'a')
  const child = spawnMortal(
    program,
    [
      `--config.file=${file}`,
      `--storage.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      // No cluster: it would listen on all addresses.
      '--cluster.listen-address=',
    ],
    { output, cwd: folder ?? directory },
  )
  closeSync(output)
  let end: string | null = null
  const ended = child.ended.then((reason) => {
    end = reason || 'it ended in order'
  })
  const url = `http://127.0.0.1:${port}`
  const stop = async (signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL') => {
    child.signal(signal)
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  for (const giveUpAt = performance.now() + START_MS; !(await isReady(url)); await sleep(50)) {
    if (end === null && performance.now() < giveUpAt) continue
    const words = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-5)
    const reason = end ?? `no answer after ${START_MS / 1000} s`
    await stop()
    throw new Error([`Alertmanager did not start: ${reason}`, ...words].join('\n'))
  }
  return { url, pid: child.pid, stop }
}

/** The program, and the folder that it has to be started in; null where that is all the same. */
async function installation(): Promise<{ readonly program: string; readonly folder: string | null }> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    // The name that it has everywhere but in Debian.
    if (folder !== '' && existsSync(join(folder, 'alertmanager'))) {
      return { program: join(folder, 'alertmanager'), folder: null }
    }
  }
  const program = await debianProgram(PACKAGE, PACKAGE)
  if (existsSync(TEMPLATES)) return { program, folder: null }
  return { program: await lookingAtHome(program), folder: join(dirname(program), '../share/prometheus/alertmanager') }
}

/**
 * A copy of Debian's program that looks for its templates in the folder that it is started in, since nothing is installed:
 * the path that is built into it is replaced by one of the same length.
 */
async function lookingAtHome(program: string): Promise<string> {
  const copy = `${program}-unpacked`
  if (existsSync(copy)) return copy
  const bytes = await readFile(program)
  const here = Buffer.from('/proc/self/cwd'.padEnd(TEMPLATES.length, '/'))
  for (let at = bytes.indexOf(TEMPLATES); at >= 0; at = bytes.indexOf(TEMPLATES, at + 1)) here.copy(bytes, at)
  const unfinished = `${copy}-${process.pid}`
  await writeFile(unfinished, bytes)
  await chmod(unfinished, 0o755)
  await rename(unfinished, copy)
  return copy
}

async function isReady(url: string): Promise<boolean> {
  return await fetch(`${url}/-/ready`).then(
    (response) => response.ok,
    () => false,
  )
}
