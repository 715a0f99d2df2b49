import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type Interaction, readQueueLog } from '../../packages/interactions/src/index.ts'
import { chance } from '../../services/simulator/src/index.ts'
import { background, endAll, until, up } from '../support/up.ts'
import { temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// Asterisk's queue log on the command line: imported, and followed through rotations and kills.

const folder = temporaryFolder()
afterEach(endAll)
afterAll(() => folder.remove())
let folders = 0
const fresh = () => join(folder.path, `data-${folders++}`)

interface Summary {
  readonly read: number
  readonly accepted: number
  readonly duplicates: number
  readonly conflicts: number
  readonly rejected: number
  readonly rejectedBy: Readonly<Record<string, number>>
  readonly rejectedFile: string | null
  readonly events: { readonly ignored: Record<string, number>; readonly unknown: Record<string, number> } | null
}

const rows = async <Row>(dataDir: string, query: string) =>
  (await weaklinkJson<{ rows: Row[] }>(['sql', query, '--data-dir', dataDir])).rows

/** Everything stored, as the reader tells it. */
async function stored(dataDir: string): Promise<unknown[]> {
  return await rows(
    dataDir,
    'SELECT id, customer, touchpoint, toUnixTimestamp64Milli(at) AS at, queue, agent, waitMs FROM interactions ORDER BY id',
  )
}

function asStored(interactions: readonly Interaction[]): unknown[] {
  return [...interactions]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, customer, anonymousId, touchpoint, at, queue = '', agent = '', waitMs = null }) => ({
      id,
      customer: customer ?? anonymousId,
      touchpoint,
      at,
      queue,
      agent,
      waitMs,
    }))
}

const DATA = fileURLToPath(new URL('../../../shared/data/queue-log-stats.json', import.meta.url))

interface Scenario {
  readonly scenario: string
  readonly given: readonly Readonly<Record<string, string>>[]
  readonly expect: readonly { readonly what: string; readonly rows: readonly Readonly<Record<string, string>>[] }[]
}

// The project does not ship the file; where it is not there, this is left out. In CI nothing may be.
describe.skipIf(!existsSync(DATA))('call-centre statistics, from the raw rows', () => {
  const { scenarios } = JSON.parse(existsSync(DATA) ? readFileSync(DATA, 'utf8') : '{"scenarios":[]}') as {
    scenarios: Scenario[]
  }

  it.each(scenarios.map((one) => [one.scenario, one] as const))('%s', async (_name, scenario) => {
    const file = join(folder.path, `queue_log-${folders}`)
    const lines = scenario.given.map(
      ({ time = '', callid, queuename, agent, event, data1, data2, data3, data4, data5 }) => {
        const [, seconds = '', fraction = ''] = /^(.*)\.(\d+)$/.exec(time) ?? []
        const epoch = Date.parse(`${seconds.replace(' ', 'T')}Z`) / 1_000
        return [`${epoch}.${fraction}`, callid, queuename, agent, event, data1, data2, data3, data4, data5].join('|')
      },
    )
    writeFileSync(file, `${lines.join('\n')}\n`)
    const dataDir = fresh()
    const summary = await weaklinkJson<Summary>(['import', file, '--clock', 'data', '--data-dir', dataDir])
    expect(summary).toMatchObject({ read: lines.length, rejected: 0, duplicates: 0, conflicts: 0 })

    const calls = await callsOf(dataDir)
    for (const { what, rows: expected } of scenario.expect) {
      const queue = /on "(q\d+)"/.exec(what)?.[1]
      for (const row of expected) {
        const hour = /^(\d+)h/.exec(row[''] ?? '')?.[1]
        if (hour === undefined) continue
        const received = calls.filter((one) => one.queue === queue && one.hour === Number(hour))
        const answered = received.filter(({ wait }) => wait !== undefined && wait.outcome !== 'abandoned')
        const abandoned = received.filter(({ wait }) => wait?.outcome === 'abandoned')
        const waited = answered.length > 0 ? answered : abandoned
        const figures: Record<string, number> = {
          Received: received.length,
          Answered: answered.length,
          Abandoned: abandoned.length,
          Closed: received.filter(({ away }) => away === 'closed').length,
        }
        for (const [name, value] of Object.entries(figures)) {
          if (row[name] !== undefined)
            expect(`${queue} ${hour}h ${name} ${value}`).toBe(`${queue} ${hour}h ${name} ${row[name]}`)
        }
        if (row.AWT === undefined) continue
        const meanMs = waited.reduce((sum, { wait }) => sum + (wait?.waitMs ?? 0), 0) / waited.length
        expect(waited.length === 0 ? '' : `00:00:0${Math.floor(meanMs / 1_000)}`).toBe(row.AWT)
      }
    }
  })
})

interface Stored {
  readonly customer: string
  readonly episode: string
  readonly touchpoint: string
  readonly at: number
  readonly queue: string
  readonly outcome: string | null
  readonly waitMs: number | null
  readonly away: string
}

/** The calls that queues received: each in the hour (UTC) in which it entered, with the wait of the same number. */
async function callsOf(dataDir: string) {
  const found = await rows<Stored>(
    dataDir,
    `SELECT customer, episode, touchpoint, toUnixTimestamp64Milli(at) AS at, queue, outcome, waitMs,
       JSONExtractString(props, 'turnedAway') AS away FROM interactions ORDER BY at, id`,
  )
  const of = (touchpoint: string, like: Stored) =>
    found.filter((one) => one.touchpoint === touchpoint && one.episode === like.episode && one.queue === like.queue)
  return found
    .filter(({ touchpoint }) => touchpoint === 'call_queue')
    .map((entered) => ({
      queue: entered.queue,
      hour: new Date(entered.at).getUTCHours(),
      away: entered.away,
      wait: of('call_wait', entered)[of('call_queue', entered).indexOf(entered)],
    }))
}

describe('weaklink import queue-log', () => {
  const older = [
    '1700000000|NONE|NONE|NONE|QUEUESTART|',
    '1700000010|c1|sales|NONE|ENTERQUEUE||+4930123456|1',
    '1700000015|c1|sales|SIP/7|CONNECT|5|c9|3',
    '1700000020|c2|sales|NONE|ENTERQUEUE||5555555555|1',
  ]
  const newer = [
    '1700000075|c1|sales|SIP/7|COMPLETECALLER|5|60|1',
    '1700000080|c2|sales|NONE|ABANDON|1|1|60',
    '1700000090|MANAGER|sales|SIP/7|ADDMEMBER|',
    '1700000091|c3|sales|NONE|QUEUEDANCE|',
    'something else',
  ]
  const all = readQueueLog([...older, ...newer]).interactions

  it('rotated files in any order: a call that begins in one and ends in the next is one call', async () => {
    const [first, second, dataDir] = [join(folder.path, 'queue_log.1.gz'), join(folder.path, 'queue_log'), fresh()]
    writeFileSync(first, gzipSync(older.map((line) => `${line}\n`).join('')))
    writeFileSync(second, newer.map((line) => `${line}\n`).join(''))
    const command = ['import', 'queue-log', second, first, '--clock', 'data', '--data-dir', dataDir]
    const summary = await weaklinkJson<Summary>(command)
    expect(summary).toMatchObject({
      read: 9,
      accepted: all.length,
      rejectedBy: { unknown_event: 1, malformed_queue_log: 1 },
      events: { ignored: { QUEUESTART: 1, ADDMEMBER: 1 }, unknown: { QUEUEDANCE: 1 } },
    })
    expect(await stored(dataDir)).toEqual(asStored(all))
    const rejected = readFileSync(summary.rejectedFile ?? '', 'utf8')
      .trimEnd()
      .split('\n')
    expect(rejected.map((line) => JSON.parse(line))).toMatchObject([
      { file: second, line: 4, reason: 'unknown_event', text: newer[3] },
      { file: second, line: 5, reason: 'malformed_queue_log', text: newer[4] },
    ])
    expect(await weaklinkJson<Summary>(command)).toMatchObject({ accepted: 0, duplicates: all.length, conflicts: 0 })

    const again = await weaklink(command)
    expect(again.stdout).toContain('Unknown events: 1 × QUEUEDANCE.')
    expect(again.stdout).toContain('Nothing of a caller, or told before: 1 × QUEUESTART, 1 × ADDMEMBER.')
  })

  it('a dry run shows what would come of it; the last line may be half written', async () => {
    const file = join(folder.path, 'asterisk.log')
    writeFileSync(file, `${older.join('\n')}\n1700000075|c1|sales|SIP/7|COMPLETECALLER|5|6`)
    const dry = await weaklinkJson<object>(['import', file, '--format', 'queue-log', '--dry-run'])
    expect(dry).toMatchObject({ read: 5, interactions: 3, rejected: [{ line: 5, reason: 'incomplete_line' }] })
  })

  it('another rule for the customer, and one with a mistake', async () => {
    const file = join(folder.path, 'queue_log-rule')
    writeFileSync(file, `${older.join('\n')}\n`)
    const dry = (rule: string) => weaklink(['import', file, '--dry-run', '--json', '--customer', rule])
    const { first } = JSON.parse((await dry('tel:{caller:digits}')).stdout) as { first: Interaction[] }
    expect(first.map(({ customer }) => customer)).toEqual(['tel:4930123456', 'tel:4930123456', 'tel:5555555555'])
    const wrong = await dry('tel:{number}')
    expect(wrong).toMatchObject({ status: 2 })
    expect(wrong.stderr).toContain('--customer: column 6: expected one of caller, name, queue, got "number"')
  })

  it.each([
    [['import', 'queue_log', '--mapping', 'm.yaml'], /needs no --mapping/],
    [['import', 'a.csv', '--customer', '{caller}'], /--customer is for queue logs/],
    [['import', 'queue-log'], /Which file\?/],
    [['import', 'a.csv', '--follow'], /--follow follows one queue log/],
    [['import', 'queue-log', 'a', 'b', '--follow'], /--follow follows one queue log/],
    [['import', 'queue_log', '--follow', '--dry-run'], /--follow sends to a running Weaklink/],
  ])('%j is refused', async (args, message) => {
    const outcome = await weaklink(args)
    expect(outcome).toMatchObject({ status: 2 })
    expect(outcome.stderr).toMatch(message)
  })

  it('--follow without a Weaklink says what to do', async () => {
    const file = join(folder.path, 'queue_log-alone')
    writeFileSync(file, '')
    const outcome = await weaklink(['import', 'queue-log', file, '--follow', '--data-dir', fresh()])
    expect(outcome).toMatchObject({ status: 1 })
    expect(outcome.stderr).toContain('start it with "weaklink up')
  })
})

describe('weaklink import queue-log --follow', () => {
  const seed = Number(process.env.WEAKLINK_SEED ?? Math.floor(Math.random() * 2 ** 32))
  const kills = 8

  it(`a growing log through rotations, and ${kills} kills of who follows it (seed ${seed})`, {
    timeout: 240_000,
  }, async () => {
    const { between } = chance(seed)
    const dataDir = fresh()
    const service = await up(dataDir)
    const log = join(folder.path, 'growing', 'queue_log')
    const lines: string[] = []
    mkdirSync(join(log, '..'))

    // The PBX: calls that overlap, each with its own caller; and every so often the file is rotated.
    let writing = true
    let rotating = false
    let rotated = 0
    const writer = (async () => {
      const started = Math.floor(Date.now() / 1_000) - 3_000
      const open: string[] = []
      for (let k = 0; writing; k++) {
        const at = started + Math.floor(k / 4)
        const id = `${started}.${k}`
        const batch = [`${at}|${id}|q${k % 3}|NONE|ENTERQUEUE||${4_930_000_000 + k}|1`]
        open.push(id)
        while (open.length > between(0, 30)) {
          const ending = open.splice(between(0, open.length - 1), 1)[0] ?? ''
          const n = Number(ending.split('.')[1])
          batch.push(`${at}|${ending}|q${n % 3}|NONE|ABANDON|1|1|${n % 60}`)
        }
        lines.push(...batch)
        // As a writer does: in pieces that end anywhere.
        const text = batch.map((line) => `${line}\n`).join('')
        const cut = between(0, text.length)
        appendFileSync(log, text.slice(0, cut))
        appendFileSync(log, text.slice(cut))
        if (rotating && k % 150 === 149) {
          if (rotated++ % 2 === 0) renameSync(log, `${log}.${rotated}`)
          else {
            copyFileSync(log, `${log}.${rotated}`)
            truncateSync(log)
          }
        }
        await sleep(4)
      }
    })()

    const args = ['import', 'queue-log', log, '--follow', '--data-dir', dataDir, '--json']
    const count = async () =>
      (await rows<{ n: number }>(dataDir, 'SELECT toUInt32(count()) AS n FROM interactions'))[0]?.n ?? 0
    // Without a checkpoint there is only the file that has the name.
    const first = background(args)
    await until(async () => (await count()) > 0, 'the first had begun')
    rotating = true
    await first.end('SIGKILL')
    for (let k = 1; k < kills; k++) {
      const follower = background(args)
      await sleep(between(300, 1_800))
      await follower.end('SIGKILL')
    }
    writing = false
    await writer
    const last = background(args)
    const expected = readQueueLog(lines).interactions
    await until(async () => (await count()) >= expected.length, 'everything had arrived')
    const { status, stdout } = await last.end('SIGTERM')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ rejected: 0 })
    expect(last.stderr()).not.toContain('lost')
    expect(await stored(dataDir)).toEqual(asStored(expected))
    await service.end()
  })
})
