import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { lockFile } from '../../packages/runtime/src/index.ts'
import { temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// What users hand in by mistake: each mistake has its name and its place, and costs nothing but itself.

const folder = temporaryFolder()
afterAll(() => {
  if (disk !== null) execFileSync('umount', ['-l', disk])
  folder.remove()
})

/** A file system of 24 MB, null where this user may not mount one. */
function smallDisk(): string | null {
  const path = join(folder.path, 'disk')
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path], { stdio: 'ignore' })
    return path
  } catch {
    return null
  }
}
const disk = smallDisk()

let files = 0
function file(name: string, content: string | Uint8Array): string {
  const directory = join(folder.path, String(++files))
  mkdirSync(directory)
  writeFileSync(join(directory, name), content)
  return join(directory, name)
}
const dataDir = () => join(folder.path, `data-${++files}`)

interface Summary {
  readonly read: number
  readonly accepted: number
  readonly duplicates: number
  readonly conflicts: number
  readonly rejected: number
  readonly rejectedBy: Readonly<Record<string, number>>
  readonly rejectedFile: string | null
}

const good = (n: number) =>
  JSON.stringify({ id: `g${n}`, customer: 'anna', touchpoint: 'site_visit', at: `2024-05-0${n}T10:00:00Z` })
const rejectedLines = (path: string | null) =>
  readFileSync(path ?? '', 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('lines', () => {
  const bad: [line: string, reason: string, field: string][] = [
    ['{"customer":', 'malformed_json', ''],
    ['[1,2]', 'not_an_object', ''],
    ['{"touchpoint":"chat","at":1}', 'missing_customer', 'customer'],
    ['{"customer":7,"touchpoint":"chat","at":1}', 'wrong_type', 'customer'],
    ['{"customer":"b","touchpoint":"chat","at":1,"outcome":"sold"}', 'unknown_value', 'outcome'],
    ['{"customer":"b","touchpoint":"chat","at":"2190-01-01T00:00:00Z"}', 'at_in_future', 'at'],
    ['{"customer":"b","touchpoint":"chat","at":"2024-05-01T10:00:00"}', 'time_without_offset', 'at'],
    [`{"customer":"b","touchpoint":"chat","at":1,"id":"${'x'.repeat(129)}"}`, 'too_long', 'id'],
    ['{"customer":"b","touchpoint":"chat","at":1,"chanel":"web"}', 'unknown_field', 'chanel'],
    ['{"customer":"b","touchpoint":"Chat!","at":1}', 'bad_touchpoint', 'touchpoint'],
  ]
  const mixed = file(
    'mixed.jsonl',
    `${bad.map(([line], k) => (k % 5 === 0 ? `${good(k / 5 + 1)}\n${line}` : line)).join('\n')}\n${good(3)}\n{"customer":"b","tou`,
  )
  const data = dataDir()

  it('each bad one is rejected with its line, field and reason; the good ones are taken in', async () => {
    const summary = await weaklinkJson<Summary>(['import', mixed, '--data-dir', data])
    expect(summary).toMatchObject({ read: 14, accepted: 3, duplicates: 0, rejected: 11 })
    const lines = rejectedLines(summary.rejectedFile)
    expect(lines.map(({ reason, field }) => [reason, field])).toEqual([
      ...bad.map(([, reason, field]) => [reason, field]),
      ['incomplete_line', ''],
    ])
    expect(lines.map(({ line }) => line)).toEqual([2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 14])
    for (const line of lines)
      expect(line).toMatchObject({ file: mixed, expected: expect.stringMatching(/./), got: expect.stringMatching(/./) })
    expect(lines[0].text).toBe('{"customer":')
  })

  it('the same import again changes nothing, and no rejected line stands there twice', async () => {
    const summary = await weaklinkJson<Summary>(['import', mixed, '--data-dir', data])
    expect(summary).toMatchObject({ accepted: 0, duplicates: 3, rejected: 11 })
    expect(rejectedLines(summary.rejectedFile)).toHaveLength(11)
  })

  it('the corrected file adds what was missing', async () => {
    writeFileSync(mixed, `${readFileSync(mixed, 'utf8')}chpoint":"chat","at":1}\n${good(4)}\n`)
    expect(await weaklinkJson<Summary>(['import', mixed, '--data-dir', data])).toMatchObject({
      accepted: 2,
      duplicates: 3,
      rejected: 10,
    })
  })

  it('one id with two contents is a conflict; the first stays', async () => {
    const conflicting = file('conflict.jsonl', `${good(1)}\n${good(1).replace('site_visit', 'chat')}\n`)
    const data = dataDir()
    expect(await weaklinkJson<Summary>(['import', conflicting, '--data-dir', data])).toMatchObject({
      accepted: 1,
      duplicates: 1,
      conflicts: 1,
    })
    const { rows } = await weaklinkJson<{ rows: object[] }>([
      'sql',
      'SELECT touchpoint FROM interactions',
      '--data-dir',
      data,
    ])
    expect(rows).toEqual([{ touchpoint: 'site_visit' }])
  })

  it('a file that comes again under another mapping is refused: its events would stand there twice', async () => {
    const csv = file('crm.csv', 'who,what,when\nann,chat,2024-05-01 10:00\n')
    const mapping = (zone: string, column = 'when') =>
      file(
        'm.yaml',
        `time: { format: "yyyy-MM-dd HH:mm", zone: ${zone} }\ncustomer: "{who}"\ntouchpoint: "{what}"\nat: "{${column}}"\n`,
      )
    const data = dataDir()
    const run = (path: string, ...more: string[]) =>
      weaklink(['import', csv, '--mapping', path, '--data-dir', data, ...more])
    expect(await run(mapping('UTC', 'then'))).toMatchObject({ status: 2 })
    expect(await run(mapping('UTC'))).toMatchObject({ status: 0 })
    expect(await run(mapping('Europe/Moscow'))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('under another mapping'),
    })
    expect(await run(mapping('UTC'))).toMatchObject({ status: 0, stdout: expect.stringContaining('1 already there') })
    expect(await run(mapping('Europe/Moscow'), '--mapping-changed')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('1 interactions taken in'),
    })
  })

  it('nothing but bad lines is a failure', async () => {
    const outcome = await weaklink(['import', file('bad.jsonl', '{\n{\n'), '--data-dir', dataDir()])
    expect(outcome).toMatchObject({ status: 1, stderr: expect.stringContaining('Nothing could be taken in') })
  })

  it('a dry run shows everything and takes nothing in', async () => {
    const data = dataDir()
    const outcome = await weaklink(['import', mixed, '--dry-run', '--data-dir', data])
    expect(outcome.status).toBe(0)
    expect(outcome.stdout).toContain(`${mixed}:2 malformed_json`)
    expect(outcome.stdout).toContain('Nothing was taken in')
    expect(existsSync(data)).toBe(false)
  })
})

describe('files', () => {
  const csv = 'customer;stage;date\nann;chat;2024-05-01T10:00:00Z\n'
  const mappingText = 'customer: "{customer}"\ntouchpoint: "{stage}"\nat: "{date}"\n'

  it('a CSV with a broken row and an unclosed quote keeps the others', async () => {
    const broken = file('rows.csv', `${csv}bob;chat\n"carl;chat;2024-05-01T10:00:00Z\ndora;chat;2024-05-02T10:00:00Z\n`)
    const summary = await weaklinkJson<Summary>([
      'import',
      broken,
      '--mapping',
      file('m.yaml', mappingText),
      '--data-dir',
      dataDir(),
    ])
    expect(summary).toMatchObject({
      accepted: 2,
      rejected: 2,
      rejectedBy: { wrong_column_count: 1, unclosed_quote: 1 },
    })
  })

  it('a .gz that is cut off: what came before is in, exit 1, and the whole file completes it', async () => {
    const lines = Array.from({ length: 20_000 }, (_, k) =>
      JSON.stringify({ id: `i${k}`, customer: `c${k % 500}`, touchpoint: 'chat', at: 1_700_000_000_000 + k * 7_919 }),
    )
    const whole = gzipSync(`${lines.join('\n')}\n`)
    const path = file('events.jsonl.gz', whole.subarray(0, whole.length * 0.6))
    const data = dataDir()
    const outcome = await weaklink(['import', path, '--json', '--data-dir', data])
    expect(outcome).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/events\.jsonl\.gz:\d+: the compressed file breaks off/),
    })
    const { accepted } = JSON.parse(outcome.stdout)
    expect(accepted).toBeGreaterThan(5_000)
    writeFileSync(path, whole)
    expect(await weaklinkJson<Summary>(['import', path, '--data-dir', data])).toMatchObject({
      accepted: 20_000 - accepted,
      duplicates: accepted,
      rejected: 0,
    })
  })

  it('the wrong encoding is named, with what to write', async () => {
    const cp1251 = Uint8Array.from([
      ...new TextEncoder().encode('customer;stage;date\nann;'),
      0xce,
      0xf2,
      0xea,
      0xe0,
      0xe7,
      ...new TextEncoder().encode(';2024-05-01T10:00:00Z\n'),
    ])
    const path = file('crm.csv', cp1251)
    const wrong = await weaklink(['import', path, '--mapping', file('m.yaml', mappingText), '--dry-run'])
    expect(wrong).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/crm\.csv:2 invalid_encoding .*windows-1251/),
    })
    const right = await weaklink([
      'import',
      path,
      '--mapping',
      file('m.yaml', `file: { encoding: windows-1251 }\n${mappingText}`),
      '--dry-run',
      '--json',
    ])
    expect(JSON.parse(right.stdout)).toMatchObject({ interactions: 1, first: [{ touchpoint: 'отказ' }] })
  })

  it('several files, of which one does not fit the mapping: none is taken in', async () => {
    const data = dataDir()
    const [one, two] = [file('one.csv', csv), file('two.csv', csv.replace('stage', 'step'))]
    const outcome = await weaklink(['import', one, two, '--mapping', file('m.yaml', mappingText), '--data-dir', data])
    expect(outcome).toMatchObject({ status: 2, stderr: expect.stringContaining('stage') })
    const query = 'SELECT count() AS n FROM interactions'
    expect(await weaklinkJson(['sql', query, '--data-dir', data])).toMatchObject({ rows: [{ n: 0 }] })
  })

  it.each([
    [
      'a file that is not there',
      ['import', '/nowhere/events.jsonl'],
      1,
      /nowhere\/events\.jsonl: there is no such file/,
    ],
    ['an empty file', ['import', file('empty.jsonl', '')], 1, /empty\.jsonl: it is empty/],
    ['an unknown extension', ['import', file('events.txt', 'x')], 1, /events\.txt: its name does not say its format/],
    [
      'a mapping that names a missing column',
      ['import', file('a.csv', csv), '--mapping', file('m.yaml', mappingText.replace('{stage}', '{stages}'))],
      2,
      /m\.yaml:2:\d+: touchpoint: expected stage\? .*\(customer, stage, date\), got "stages"/,
    ],
    [
      'a mapping that is not there',
      ['import', file('a.csv', csv), '--mapping', '/nowhere.yaml'],
      2,
      /nowhere\.yaml cannot be read/,
    ],
    [
      'a mapping with an unknown key',
      ['import', file('a.csv', csv), '--mapping', file('m.yaml', `${mappingText}chanel: x\n`)],
      2,
      /m\.yaml:4:1: chanel: expected channel/,
    ],
    [
      'a catalogue with a mistake',
      [
        'import',
        file('a.csv', csv),
        '--catalogue',
        file('t.yaml', 'touchpoints:\n  - id: chat\n    patience: 3 days\n'),
      ],
      2,
      /t\.yaml:3:\d+ touchpoints\[0\]\.patience.*3 days/s,
    ],
    ['columns that are not ours, and no mapping', ['import', file('a.csv', csv)], 2, /stage/],
    ['an unknown flag', ['import', 'x.csv', '--mapppings'], 2, /unknown option/],
    ['an unknown command', ['imprt'], 2, /unknown command|too many arguments/],
    ['a directory without data', ['report', 'breakpoints'], 2, /holds no Weaklink data/],
    ['a report of nonsense dates', ['report', 'breakpoints', '--from', 'yesterday'], 2, /from.*yesterday|holds no/],
  ] as const)('%s', async (_, args, status, says) => {
    const outcome = await weaklink([...args, '--data-dir', dataDir()])
    expect(outcome.stderr).toMatch(says)
    expect(outcome.status).toBe(status)
    expect(outcome.stderr).not.toMatch(/^\s+at /m)
    expect(outcome.stdout).toBe('')
  })
})

describe('the data directory', () => {
  it('in use by another process: who it is, and nothing happens', async () => {
    const data = dataDir()
    const lock = lockFile(join(data, 'clickhouse', 'lock'), 'weaklink up')
    const outcome = await weaklink(['import', file('a.jsonl', good(1)), '--data-dir', data])
    lock.release()
    expect(outcome).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`in use by process ${process.pid} (weaklink up`),
    })
  })

  it.skipIf(disk === null)(
    'on a disk that is full: says so; with space again, the same import completes it (left out where this user may not mount one)',
    { timeout: 300_000 },
    async () => {
      if (disk === null) return
      const lines = Array.from({ length: 150_000 }, (_, k) =>
        JSON.stringify({
          id: `i${k}`,
          customer: `c${k % 5_000}`,
          touchpoint: 'chat',
          at: 1_700_000_000_000 + k,
          props: { text: `${Math.imul(k, 2_654_435_761) >>> 0}` },
        }),
      )
      const events = file('events.jsonl', `${lines.join('\n')}\n`)
      const full = await weaklink(['import', events, '--json', '--data-dir', join(disk, 'data')], {
        env: { WEAKLINK_GIVE_UP_SECONDS: '5' },
      })
      expect(full.stderr).toMatch(/no (disk )?space|disk is full/i)
      expect(full.status).toBe(1)
      execFileSync('mount', ['-o', 'remount,size=1g', disk])
      const data = join(disk, 'data')
      const again = await weaklinkJson<Summary>(['import', events, '--data-dir', data])
      expect(again.accepted + again.duplicates).toBe(150_000)
      const { rows } = await weaklinkJson<{ rows: { n: number }[] }>([
        'sql',
        'SELECT count() AS n FROM interactions',
        '--data-dir',
        data,
      ])
      expect(rows).toEqual([{ n: 150_000 }])
      expect(await weaklinkJson(['report', 'breakpoints', '--data-dir', data])).toMatchObject({
        totals: { customers: 5_000 },
      })
    },
  )
})
