import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KEYS_FILE, KeysError, keyRing, keysOf } from '../src/index.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weaklink-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the keys of a directory', () => {
  it('are made once, kept when they are shown, and readable by their owner alone', () => {
    const first = keysOf(folder)
    expect(first.minted).toBe(true)
    // Not kept: they could not be shown.
    expect(keysOf(folder).keys).not.toEqual(first.keys)
    first.keep()
    expect(keysOf(folder)).toMatchObject({ keys: first.keys, minted: false })
    expect(statSync(join(folder, KEYS_FILE)).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(join(folder, KEYS_FILE), 'utf8'))).toEqual(first.keys)
  })

  it.each(['', '{}', '{"write":"a"}', '{"write":1,"admin":"b"}', 'null'])('a damaged file (%j) is named', (text) => {
    writeFileSync(join(folder, KEYS_FILE), text)
    expect(() => keysOf(folder)).toThrow(KeysError)
    expect(() => keysOf(folder)).toThrow(join(folder, KEYS_FILE))
  })
})

describe('a ring of keys', () => {
  const stored = { write: 'w', admin: 'a' }

  it('knows what each key allows, those of the environment as well', () => {
    const ring = keyRing(stored, { WEAKLINK_WRITE_KEYS: 'w, w2', WEAKLINK_READ_KEYS: 'r' })
    expect(['w', 'w2', 'r', 'a', '', 'nobody'].map((key) => ring.scopeOf(key))).toEqual([
      ...['write', 'write', 'read', 'admin', null, null],
    ])
  })

  it('refuses one key for two uses', () => {
    expect(() => keyRing(null, { WEAKLINK_WRITE_KEYS: 'k', WEAKLINK_ADMIN_KEYS: 'k' })).toThrow(
      /to send .* to administer/,
    )
  })
})
