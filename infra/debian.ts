/** Programs of Debian's packages for tests: those of the machine, or fetched once, without root. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { access, constants, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { lockFile } from '../packages/runtime/src/index.ts'

const run = promisify(execFile)

const CACHE = fileURLToPath(new URL('../node_modules/.cache/weaklink-debian/', import.meta.url))
const UNFINISHED = '.unfinished'
/** How long one package may take to come, and how long to wait for another process that fetches. */
const DOWNLOAD_MS = 300_000

/** A program is missing and cannot be fetched; the message says why, and what to do. */
export class NoProgramError extends Error {
  override readonly name = 'NoProgramError'
}

/**
 * The path of a program: where PATH has it, else out of the Debian package, which is downloaded once and unpacked under
 * node_modules, however many processes ask at once. Nothing is installed, and what the package depends on is not fetched:
 * it is for programs that need a C library at most.
 *
 * @param packageName as apt knows it, such as `prometheus`
 * @param program its name in `/usr/bin` of the package, such as `promtool`
 * @throws NoProgramError
 */
export async function debianProgram(packageName: string, program: string): Promise<string> {
  const installed = await inPath(program)
  if (installed !== null) return installed
  const folder = join(CACHE, packageName)
  if (!existsSync(folder)) {
    const lock = await lockFile(join(CACHE, 'lock'), 'the download of Debian packages', { waitMs: DOWNLOAD_MS })
    try {
      if (!existsSync(folder)) await fetchPackage(packageName)
    } finally {
      lock.release()
    }
  }
  const path = join(folder, 'usr', 'bin', program)
  if (!existsSync(path)) throw new NoProgramError(`Debian's package ${packageName} has no usr/bin/${program}.`)
  return path
}

async function inPath(program: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = join(folder, program)
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return path
  }
  return null
}

/** Only under the lock: it takes away what an interrupted one left. */
async function fetchPackage(packageName: string): Promise<void> {
  for (const entry of await readdir(CACHE)) {
    if (entry.includes(UNFINISHED)) await rm(join(CACHE, entry), { recursive: true, force: true })
  }
  process.stderr.write(`apt-get downloads Debian's package ${packageName} (once) …\n`)
  const unfinished = join(CACHE, packageName + UNFINISHED)
  const archives = `${unfinished}.deb`
  await mkdir(archives)
  try {
    await run('apt-get', ['-q', 'download', packageName], { cwd: archives, timeout: DOWNLOAD_MS })
    const [archive] = await readdir(archives)
    if (archive === undefined) throw new Error('apt-get downloaded nothing')
    await run('dpkg-deb', ['-x', join(archives, archive), unfinished], { timeout: DOWNLOAD_MS })
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string }
    const why =
      code === 'ENOENT'
        ? 'this machine has no apt-get and dpkg-deb'
        : (stderr ?? '').split('\n').find((line) => line.startsWith('E:')) || message.split('\n', 1)[0]
    throw new NoProgramError(
      `${packageName} is not in PATH and could not be fetched (${why}). Install it, or run apt-get update.`,
    )
  }
  await rename(unfinished, join(CACHE, packageName))
  await rm(archives, { recursive: true, force: true })
}
