import { hash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from './problem.ts'

/** What a key allows: `write` to send interactions, `read` to ask, `admin` to ask and to change. */
export type Scope = 'write' | 'read' | 'admin'

/** The keys of a data directory, as they stand in its file. */
export interface StoredKeys {
  readonly write: string
  readonly admin: string
}

export interface KeyRing {
  /** What this key allows, null where nobody gave it out. */
  scopeOf(key: string): Scope | null
}

/** Where a data directory keeps its keys; readable by its owner alone. */
export const KEYS_FILE = 'keys.json'

/** The keys of the environment: several of a kind are separated by commas. */
export const KEY_VARIABLES = {
  write: 'WEAKLINK_WRITE_KEYS',
  read: 'WEAKLINK_READ_KEYS',
  admin: 'WEAKLINK_ADMIN_KEYS',
} as const

/** Keys that cannot be used as they stand. */
export class KeysError extends Error {
  override readonly name = 'KeysError'
}

/** The keys that a directory has, null where it never had any. @throws KeysError where the file is damaged */
export function readKeys(directory: string): StoredKeys | null {
  const path = join(directory, KEYS_FILE)
  if (!existsSync(path)) return null
  const wrong = new KeysError(
    `${path} is damaged: expected {"write": KEY, "admin": KEY}. Delete it: new keys are then made.`,
  )
  try {
    const { write, admin } = Object(JSON.parse(readFileSync(path, 'utf8'))) as Partial<StoredKeys>
    if (typeof write !== 'string' || typeof admin !== 'string' || write === '' || admin === '') throw wrong
    return { write, admin }
  } catch (error) {
    throw error instanceof SyntaxError ? wrong : error
  }
}

/**
 * The keys of a directory; makes them where there are none, which `minted` tells, so that they are shown once.
 * `keep` writes those down, to be called when they can be shown.
 */
export function keysOf(directory: string): { readonly keys: StoredKeys; readonly minted: boolean; keep(): void } {
  const known = readKeys(directory)
  if (known !== null) return { keys: known, minted: false, keep() {} }
  const keys = { write: mint('write'), admin: mint('admin') }
  const text = `${JSON.stringify(keys, null, 2)}\n`
  const path = join(directory, KEYS_FILE)
  const keep = () => {
    // Whole or not at all, whatever fails in between.
    writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true })
    renameSync(`${path}.new`, path)
  }
  return { keys, minted: true, keep }
}

function mint(scope: Scope): string {
  return `${scope}_${randomBytes(24).toString('base64url')}`
}

/**
 * A ring of these keys and those of the environment.
 *
 * @throws KeysError where one key is to be of two kinds: whoever may only send could then ask
 */
export function keyRing(stored: StoredKeys | null, environment: Readonly<Record<string, string | undefined>>): KeyRing {
  const scopes = new Map<string, Scope>()
  const add = (scope: Scope, key: string) => {
    const known = scopes.get(digest(key))
    if (known !== undefined && known !== scope) {
      throw new KeysError(
        `One key is given as a key to ${USES[known]} and as one to ${USES[scope]}; each kind needs its own.`,
      )
    }
    scopes.set(digest(key), scope)
  }
  for (const [scope, variable] of Object.entries(KEY_VARIABLES) as [Scope, string][]) {
    for (const key of (environment[variable] ?? '').split(',')) if (key.trim() !== '') add(scope, key.trim())
  }
  if (stored !== null) {
    add('write', stored.write)
    add('admin', stored.admin)
  }
  return { scopeOf: (key) => scopes.get(digest(key)) ?? null }
}

const USES: Readonly<Record<Scope, string>> = { write: 'send', read: 'ask', admin: 'administer' }

/** Compared by digest, so that the time it takes says nothing of the key. */
function digest(key: string): string {
  return hash('sha256', key, 'hex')
}

/** Whether a scope allows what another one does. */
function allows(scope: Scope, wanted: Scope): boolean {
  return scope === wanted || (scope === 'admin' && wanted === 'read')
}

/** The key of a request: `Authorization: Bearer KEY`, the user of `Basic`, or `?key=` where no header can be set. */
export function keyIn(request: FastifyRequest): string | null {
  const [scheme, credentials = ''] = (request.headers.authorization ?? '').split(' ', 2)
  if (scheme?.toLowerCase() === 'bearer') return credentials
  if (scheme?.toLowerCase() === 'basic')
    return Buffer.from(credentials, 'base64').toString('utf8').split(':', 1)[0] ?? null
  const { key } = Object(request.query) as { key?: unknown }
  return typeof key === 'string' ? key : null
}

const WANTED: Readonly<Record<Scope, string>> = {
  write: 'a write key',
  read: 'an API key',
  admin: 'an API key that may change things',
}

/**
 * Lets a request in whose key is of this scope.
 *
 * @throws Problem 401 without a key or with an unknown one, 403 with one of another scope
 */
export function checkKey(keys: KeyRing, wanted: Scope, key: string | null, reply: FastifyReply): void {
  const scope = key === null || key === '' ? null : keys.scopeOf(key)
  if (scope === null) {
    reply.header('www-authenticate', 'Bearer realm="weaklink"')
    const got = key === null || key === '' ? 'none came' : 'the one that came is not known here'
    throw new Problem(401, `This needs ${WANTED[wanted]}, as "Authorization: Bearer KEY"; ${got}.`)
  }
  if (!allows(scope, wanted)) {
    throw new Problem(403, `This needs ${WANTED[wanted]}; the one that came is for "${scope}".`)
  }
}

/** `checkKey` of the key that a request carries; as `onRequest` of a route, so before its body is read. */
export function requireKey(keys: KeyRing, wanted: Scope) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> =>
    checkKey(keys, wanted, keyIn(request), reply)
}
