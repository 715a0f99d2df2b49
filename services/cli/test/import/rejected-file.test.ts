import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { RejectedFile, type RejectedLine } from '../../src/import/rejected-file.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weaklink-rejected-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function written(name: string): Promise<string> {
  const path = join(directory, name)
  const line: RejectedLine = {
    file: path,
    line: 1,
    reason: 'not_json',
    field: '',
    expected: 'JSON',
    got: 'x',
    text: 'x',
  }
  const rejected = new RejectedFile(directory, [path])
  await rejected.write([line])
  await rejected.close()
  expect(JSON.parse(readFileSync(rejected.path, 'utf8'))).toEqual(line)
  return basename(rejected.path)
}

it('has the name of the imported file', async () => {
  expect(await written('events.csv')).toMatch(/^events\.csv-[0-9a-f]{8}\.jsonl$/)
})

it('is cut where that is too long, in whole characters, and stays different for each file', async () => {
  const long = 'x'.repeat(245)
  expect(await written(`${long}1.jsonl`.slice(0, 251))).toMatch(/^x{100}-[0-9a-f]{8}\.jsonl$/)
  expect(await written(`${long}.json`)).not.toBe(await written(`${long}.csv`))
  // 3 bytes each, of which 100 is no multiple.
  expect(await written(`${'电'.repeat(82)}.csv`)).toMatch(/^电{33}-[0-9a-f]{8}\.jsonl$/)
})
