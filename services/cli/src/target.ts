import { resolve } from 'node:path'
import { KEY_VARIABLES, problemDetail, readKeys } from '@weaklink/runtime'
import { type Command, Option } from 'commander'
import type { CommonOptions } from './run.ts'
import { CommandError, UsageError } from './terminal.ts'
import { serviceOf } from './up/service.ts'

/** Where a running Weaklink answers, and the key to show it. */
export interface Target {
  /** Without a slash at its end. */
  readonly url: string
  readonly key: string
}

interface TargetFlags extends CommonOptions {
  readonly url?: string
  readonly key?: string
}

/** Adds the options that say which Weaklink is meant. */
export function withTarget(command: Command, kind: string): Command {
  return command
    .addOption(
      new Option('--url <url>', 'where it answers; default: the weaklink up of the data directory').env('WEAKLINK_URL'),
    )
    .addOption(
      new Option('--key <key>', `${kind}; default: that of the data directory, or of the environment`).env(
        'WEAKLINK_KEY',
      ),
    )
}

/**
 * The Weaklink that a command is for: the named one, else the `weaklink up` of the data directory. The keys of the
 * directory are shown to that one alone, never to another address.
 *
 * @throws CommandError where nothing runs, or no key is known; UsageError where the URL is none
 */
export async function targetOf(command: Command, purpose: 'send' | 'ask'): Promise<Target> {
  const flags = command.optsWithGlobals<TargetFlags>()
  const directory = resolve(flags.dataDir)
  const named = flags.url === undefined ? null : addressOf(flags.url)
  const service = await serviceOf(directory)
  const url = named ?? service?.url
  if (url === undefined) {
    const where = flags.dataDir === '.weaklink' ? '' : ` --data-dir ${flags.dataDir}`
    throw new CommandError(
      `Nothing runs on ${directory}: start it with "weaklink up${where}", or name another one with --url and --key.`,
    )
  }
  const stored = url === service?.url ? readKeys(directory) : null
  const variables = purpose === 'send' ? [KEY_VARIABLES.write] : [KEY_VARIABLES.read, KEY_VARIABLES.admin]
  const given = variables.flatMap((name) => (process.env[name] ?? '').split(',').map((key) => key.trim()))
  const key = flags.key ?? (purpose === 'send' ? stored?.write : stored?.admin) ?? given.find((one) => one !== '')
  if (key === undefined)
    throw new CommandError(`No key for ${url} is known here: give it with --key (or WEAKLINK_KEY).`)
  return { url, key }
}

function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--url ${text} is no address: expected one like http://127.0.0.1:7575`)
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** What was wrong with a connection, in words. */
export function connectionFault(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  return cause.message || ('code' in cause ? String(cause.code) : cause.name)
}

/** What a server says of a request that it refuses: the detail of its problem, or else its status. */
export async function refusalOf(response: Response): Promise<string> {
  const detail = problemDetail(await response.text().catch(() => ''))
  return detail ?? `HTTP ${response.status} ${response.statusText}`.trim()
}
