import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import type { Account } from './config.ts'

/** Where a running embedded server listens and who may log in: `connect({ ...endpoint, database })`. */
export interface Endpoint extends Account {
  readonly url: string
  /** Process of the server. */
  readonly pid: number
  /** The read-only account. */
  readonly analyst: Account
}

const FILE = 'endpoint.json'
const PROBE_MS = 5_000

/** Readable by its owner only: it holds the passwords. Renamed into place, so that nobody reads half of it. */
export async function writeEndpoint(directory: string, endpoint: Endpoint): Promise<void> {
  const file = join(directory, FILE)
  await writeFile(`${file}.new`, `${JSON.stringify(endpoint, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

export async function removeEndpoint(directory: string): Promise<void> {
  await rm(join(directory, FILE), { force: true })
}

/**
 * The embedded server that another process of this user runs in the directory, or null where none answers. A file that
 * a killed process left behind is recognised: the passwords are new at every start, so only that very server lets us in.
 */
export async function readEndpoint(directory: string): Promise<Endpoint | null> {
  let endpoint: Endpoint
  try {
    endpoint = JSON.parse(await readFile(join(directory, FILE), 'utf8')) as Endpoint
  } catch {
    return null
  }
  try {
    await ask(endpoint.url, endpoint, 'SELECT 1', PROBE_MS)
    return endpoint
  } catch {
    return null
  }
}

/** One query on a connection of its own. Rejects with the server's answer where it is not 200. */
export function ask(url: string, account: Account, query: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: 'POST',
        agent: false,
        timeout: timeoutMs,
        headers: { 'X-ClickHouse-User': account.username, 'X-ClickHouse-Key': account.password },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('error', reject)
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          if (response.statusCode === 200) resolve(text)
          else reject(new Error(`HTTP ${response.statusCode}: ${text.slice(0, 500)}`))
        })
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    sent.on('error', reject)
    sent.end(query)
  })
}
