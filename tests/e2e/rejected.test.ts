import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedServer, startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import { openEmbeddedLog } from '../../packages/event-log/src/embedded/index.ts'
import { damageBatch } from '../../packages/event-log/test/damage.ts'
import { encode, INTERACTIONS_TOPIC, MAX_AHEAD_MS, REJECTED_TOPIC } from '../../packages/interactions/src/index.ts'
import { type Outcome, weaklink as run, temporaryFolder } from '../support/weaklink.ts'

// What other producers put into the log, and what is done about it: list, replay, skip.

const folder = temporaryFolder()
let server: EmbeddedServer
afterAll(async () => {
  await server?.stop()
  folder.remove()
})
const data = join(folder.path, 'data')
const events = join(folder.path, 'events.jsonl')

/** On a ClickHouse that goes on between the commands, which then are quicker. */
function weaklink(args: readonly string[]): Promise<Outcome> {
  const url = new URL(server.url)
  url.username = server.username
  url.password = server.password
  return run(args, { env: { CLICKHOUSE_URL: url.href } })
}

async function weaklinkJson<T = Record<string, unknown>>(args: readonly string[]): Promise<T> {
  const { status, stdout, stderr } = await weaklink([...args, '--json'])
  if (status !== 0) throw new Error(`weaklink ${args.join(' ')} ended with ${status}:\n${stderr}\n${stdout}`)
  return JSON.parse(stdout) as T
}

interface Listed {
  readonly rejected: number
  readonly byReason: Readonly<Record<string, number>>
  readonly foreign: number
  readonly records: readonly {
    readonly at: string
    readonly partition: number
    readonly offset: number
    readonly reason: string
    readonly field: string
    readonly replayed: boolean
    readonly key: { readonly base64: string; readonly text: string | null } | null
    readonly value: { readonly base64: string; readonly text: string | null }
    readonly headers: Readonly<Record<string, string>>
  }[]
}

type Bad = { key: string | null; value: string | Uint8Array; headers?: Record<string, string> }

/** As a producer that knows nothing of us. */
async function append(records: readonly Bad[], topic: string = INTERACTIONS_TOPIC): Promise<readonly number[]> {
  const log = await openEmbeddedLog(join(data, 'log'))
  try {
    return await log.append(
      topic,
      records.map(({ key, value, headers = {} }) => ({
        partition: 0,
        key: key === null ? null : Buffer.from(key),
        value: Buffer.from(value),
        headers,
      })),
    )
  } finally {
    await log.close()
  }
}

/** Any command with a tracker takes in what waits. */
const takeIn = () => weaklinkJson(['import', events, '--data-dir', data])
const list = (...flags: string[]) => weaklinkJson<Listed>(['rejected', 'list', ...flags, '--data-dir', data])
const replay = (...flags: string[]) => weaklinkJson(['rejected', 'replay', ...flags, '--data-dir', data])
const idsOf = async (customer: string) => {
  const { rows } = await weaklinkJson<{ rows: { id: string }[] }>([
    'sql',
    `SELECT id FROM interactions WHERE customer = '${customer}' ORDER BY id`,
    '--data-dir',
    data,
  ])
  return rows.map(({ id }) => id)
}

const now = Date.now()
const visit = (id: string, customer: string, at = now - 60_000) => ({ id, customer, touchpoint: 'site_visit', at })
/** Ahead of its receipt by a little too much, now. */
const ahead = visit('ahead', 'clara', now + MAX_AHEAD_MS + 15_000)
const bad: Bad[] = [
  { key: 'anna', value: '{"id":', headers: { traceparent: '00-1' } },
  { key: null, value: encode(visit('keyless', 'boris')) },
  { key: 'anna', value: encode(visit('mine', 'boris')) },
  { key: 'anna', value: encode(visit('named', 'anna')), headers: { 'weaklink-tenant': 'x' } },
  { key: 'clara', value: encode(ahead) },
  { key: 'anna', value: new Uint8Array([0xff, 0x00, 0x1b, 0x5b]) },
  { key: null, value: '{"tick":9007199254740991}', headers: { 'weaklink-record': 'tick' } },
]

beforeAll(async () => {
  server = await startEmbeddedServer({ directory: join(folder.path, 'server'), what: 'a test' })
  writeFileSync(events, `${encode(visit('good', 'anna'))}\n`)
  await takeIn()
  await append(bad)
  await takeIn()
})

describe('rejected list', () => {
  it('each with its reason, its coordinates and its bytes, the newest last', async () => {
    const { rejected, byReason, foreign, records } = await list()
    expect({ rejected, foreign }).toEqual({ rejected: 7, foreign: 0 })
    expect(byReason).toEqual({
      key_mismatch: 2,
      not_json: 2,
      at_in_future: 1,
      bad_control_record: 1,
      unknown_header: 1,
    })
    expect(records.map(({ reason, field }) => `${reason} ${field}`.trim())).toEqual([
      'not_json',
      'key_mismatch key',
      'key_mismatch key',
      'unknown_header weaklink-tenant',
      'at_in_future at',
      'not_json',
      'bad_control_record tick',
    ])
    expect(records[0]).toMatchObject({
      partition: 0,
      replayed: false,
      key: { text: 'anna' },
      value: { text: '{"id":' },
      headers: { traceparent: '00-1' },
    })
    expect(records[1]?.key).toBeNull()
    expect(records[5]?.value).toEqual({ base64: '/wAbWw==', text: null })
    const offsets = records.map(({ offset }) => offset)
    expect(offsets).toEqual(offsets.map((_, k) => (offsets[0] ?? 0) + k))
  })

  it('in words: a line each, and how many of each reason', async () => {
    const { stdout } = await weaklink(['rejected', 'list', '--limit', '4', '--data-dir', data])
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('… 3 older ones; --limit shows more')
    expect(lines[1]).toMatch(
      /^\d{4}-.*Z {2}0\/\d+ {2}weaklink-tenant: The name of the header begins with `weaklink-`.*got "x"\. {2}\{"id":"named"/,
    )
    expect(stdout).not.toContain('\u001b')
    expect(stdout).toContain('7 records rejected:\n  2  key_mismatch\n  2  not_json\n')
  })

  it('filtered; a reason that there is not is bad usage', async () => {
    expect((await list('--reason', 'not_json')).rejected).toBe(2)
    expect((await list('--since', '1h')).rejected).toBe(7)
    expect((await list('--since', '2999-01-01T00:00:00Z')).records).toEqual([])
    const { status, stderr } = await weaklink(['rejected', 'list', '--reason', 'nojson', '--data-dir', data])
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('Did you mean not_json?') })
    expect(await weaklink(['rejected', 'list', '--since', 'soon', '--data-dir', data])).toMatchObject({ status: 2 })
  })

  it('once, though a crash set it aside twice; and what is not ours is said to be not ours', async () => {
    const log = await openEmbeddedLog(join(data, 'log'))
    const [first] = await log.read(REJECTED_TOPIC, 0, 0, 1)
    await log.close()
    await append([{ key: 'anna', value: first?.value ?? '', headers: first?.headers ?? {} }], REJECTED_TOPIC)
    await append([{ key: null, value: 'what is this?' }], REJECTED_TOPIC)
    expect(await list()).toMatchObject({ rejected: 7, foreign: 1 })
    const { findings } = await weaklinkJson<{ findings: { what: string; says: string }[] }>([
      'doctor',
      '--data-dir',
      data,
    ])
    expect(findings.find(({ what }) => what === 'rejected')?.says).toMatch(/^7 records/)
  })
})

describe('rejected replay', () => {
  it('--dry-run shows it, and does nothing', async () => {
    expect(await replay('--dry-run', '--reason', 'key_mismatch')).toMatchObject({
      dryRun: true,
      records: [{ toPartition: 0 }, { toPartition: 0 }],
    })
    expect((await list()).rejected).toBe(7)
  })

  it('by the key of its customer where the key was what was wrong; twice changes nothing', async () => {
    const taken = { replayed: 2, duplicates: 0, others: 0, rejected: 0, rejectedBy: {} }
    expect(await replay('--reason', 'key_mismatch')).toEqual({ ...taken, accepted: 2 })
    expect(await idsOf('boris')).toEqual(['keyless', 'mine'])
    expect(await replay('--reason', 'key_mismatch')).toEqual({ ...taken, accepted: 0, duplicates: 2 })
    expect(await idsOf('boris')).toEqual(['keyless', 'mine'])
  })

  it('what is still wrong comes back, and counts once, however often', async () => {
    const again = { replayed: 2, accepted: 0, duplicates: 0, others: 0, rejected: 2, rejectedBy: { not_json: 2 } }
    for (let time = 0; time < 2; time++) expect(await replay('--reason', 'not_json')).toEqual(again)
    const { rejected, records } = await list('--reason', 'not_json')
    expect(rejected).toBe(2)
    expect(records.map(({ replayed }) => replayed)).toEqual([true, true])
    expect((await list()).rejected).toBe(7)
  })

  it('by its coordinates; without a partition they are bad usage', async () => {
    const { records } = await list('--reason', 'unknown_header')
    const { partition, offset } = records[0] ?? { partition: -1, offset: -1 }
    expect(await replay('--partition', `${partition}`, '--offset', `${offset}`)).toMatchObject({
      replayed: 1,
      rejectedBy: { unknown_header: 1 },
    })
    expect(await weaklink(['rejected', 'replay', '--offset', '1', '--data-dir', data])).toMatchObject({ status: 2 })
  })

  it('at_in_future: once it is late enough, it is taken in', async () => {
    while (Date.now() < ahead.at - MAX_AHEAD_MS) await sleep(200)
    expect(await replay('--reason', 'at_in_future')).toMatchObject({ replayed: 1, accepted: 1, rejected: 0 })
    expect(await idsOf('clara')).toEqual(['ahead'])
  })

  it('in words, and where there is nothing', async () => {
    const { stdout } = await weaklink(['rejected', 'replay', '--reason', 'key_mismatch', '--data-dir', data])
    expect(stdout).toBe('2 records replayed: 2 known already.\n')
    const nothing = await weaklink(['rejected', 'replay', '--reason', 'too_long', '--data-dir', data])
    expect(nothing).toMatchObject({ status: 0, stdout: 'Nothing of that was rejected.\n' })
  })
})

describe('rejected skip', () => {
  const skip = (offset: number, partition = 0) =>
    weaklink(['rejected', 'skip', '--partition', `${partition}`, '--offset', `${offset}`, '--data-dir', data])

  it('a damaged batch ends the tracker by name; skipped, its bytes are kept and the tracker goes on', async () => {
    const [before] = await append([{ key: 'dora', value: encode(visit('before', 'dora')) }])
    const [damaged] = await append([
      { key: 'dora', value: encode(visit('lost-1', 'dora')) },
      { key: 'dora', value: encode(visit('lost-2', 'dora')) },
    ])
    await append([{ key: 'dora', value: encode(visit('after', 'dora')) }])
    if (before === undefined || damaged === undefined) throw new Error('nothing was appended')
    await damageBatch(join(data, 'log'), INTERACTIONS_TOPIC, damaged)

    const early = await skip(damaged)
    expect(early).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^Nothing was skipped: .* Start weaklink up/),
    })

    const ended = await weaklink(['import', events, '--data-dir', data])
    expect(ended).toMatchObject({ status: 1, stdout: '' })
    expect(ended.stderr).toContain(`weaklink rejected skip --partition 0 --offset ${damaged}`)
    expect(ended.stderr).not.toMatch(/^\s+at /m)

    expect((await skip(before)).stderr).toMatch(/^Nothing was skipped: .* can be read/)
    expect((await skip(damaged + 1_000)).stderr).toMatch(/^Nothing was skipped: .*, not at/)
    expect(await skip(damaged, 7)).toMatchObject({ status: 2, stderr: expect.stringContaining('no partition 7') })

    const done = await skip(damaged)
    expect(done).toMatchObject({ status: 0, stdout: expect.stringContaining(`goes on at ${damaged + 2}`) })
    expect((await skip(damaged)).stderr).toMatch(/^Nothing was skipped: .* past the batch/)
    await takeIn()
    expect(await idsOf('dora')).toEqual(['after', 'before'])
    const { records } = await list('--reason', 'unreadable_batch')
    expect(records).toMatchObject([{ partition: 0, offset: damaged, key: null }])
    expect(Buffer.from(records[0]?.value.base64 ?? '', 'base64').toString()).toContain('lost-1')
    expect(await weaklink(['rejected', 'replay', '--reason', 'unreadable_batch', '--data-dir', data])).toMatchObject({
      status: 2,
    })
  })
})
