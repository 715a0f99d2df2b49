import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** One that answers does so within a tenth of it. */
const ANSWER_MS = 2_000

/** Why containers cannot run here; null where a Docker engine answers. Told within two seconds. */
export async function noDocker(): Promise<string | null> {
  try {
    await run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: ANSWER_MS, killSignal: 'SIGKILL' })
    return null
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return missing ? 'there is no Docker' : 'no Docker engine answers'
  }
}
