import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import type { BreakpointsReport } from '../../packages/reports/src/index.ts'
import { BIN, temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// The commands as users run them, on a handful of customers.

const folder = temporaryFolder()
const data = join(folder.path, 'data')
const events = join(folder.path, 'events.jsonl')
const catalogue = join(folder.path, 'touchpoints.yaml')
const at = (day: number, minute = 0) => new Date(Date.UTC(2024, 4, day, 10, minute)).toISOString()

beforeAll(async () => {
  const rows = [
    { id: '1', customer: 'anna', touchpoint: 'ad_view', at: at(1), channel: 'search' },
    {
      id: '2',
      customer: 'anna',
      touchpoint: 'call_wait',
      at: at(2),
      waitMs: 180_000,
      outcome: 'abandoned',
      episode: 'call-1',
    },
    { id: '3', customer: 'boris', touchpoint: 'ad_view', at: at(1), channel: 'radio' },
    { id: '4', customer: 'boris', touchpoint: 'call_wait', at: at(3), waitMs: 9_000, episode: 'call-2' },
    { id: '5', customer: 'boris', touchpoint: 'call_answer', at: at(3, 5), agent: 'eve', episode: 'call-2' },
    { id: '6', customer: 'boris', touchpoint: 'payment', at: at(4), outcome: 'bought', value: 99 },
    { id: '7', customer: 'clara', touchpoint: 'kiosk', at: at(5) },
  ]
  writeFileSync(events, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await weaklinkJson(['import', events, '--data-dir', data])
})
afterAll(() => folder.remove())

describe('what was imported', () => {
  it('report breakpoints: the weakest place first, in words and in numbers', async () => {
    const { stdout } = await weaklink(['report', 'breakpoints', '--data-dir', data])
    expect(stdout).toMatch(
      /^Most chains are lost beyond expectation at call_wait|^Most chains are lost beyond expectation at kiosk/,
    )
    const report = await weaklinkJson<BreakpointsReport>(['report', 'breakpoints', '--data-dir', data])
    expect(report.totals).toMatchObject({ customers: 3, chains: 3, open: 0, converted: 1, broken: 2 })
    expect(report.groups[0]?.breakpoints.find(({ touchpoint }) => touchpoint === 'call_wait')).toMatchObject({
      reached: 2,
      broke: 1,
      reasons: { abandoned: 1 },
      waitMs: { p50: 9_000, p95: 180_000 },
    })
  })

  it('report chains, filtered', async () => {
    const answer = await weaklinkJson<{ chains: { customer: string }[] }>([
      'report',
      'chains',
      '--state',
      'broken',
      '--where',
      'channel=search',
      '--data-dir',
      data,
    ])
    expect(answer.chains.map(({ customer }) => customer)).toEqual(['anna'])
  })

  it('chain: the timeline with the break; an unknown customer is said to be unknown', async () => {
    const { stdout } = await weaklink(['chain', 'anna', '--data-dir', data])
    expect(stdout).toContain('broken at call_wait (abandoned)')
    const unknown = await weaklink(['chain', 'nobody', '--data-dir', data])
    expect(unknown.stdout + unknown.stderr).toMatch(/nobody/)
  })

  it('sql reads, and nothing else', async () => {
    const { rows } = await weaklinkJson<{ rows: object[] }>([
      'sql',
      "SELECT customer, state FROM chains WHERE state != 'open' ORDER BY customer",
      '--data-dir',
      data,
    ])
    expect(rows).toEqual([
      { customer: 'anna', state: 'broken' },
      { customer: 'boris', state: 'converted' },
      { customer: 'clara', state: 'broken' },
    ])
    for (const query of [
      'DROP TABLE customer_chains',
      'INSERT INTO positions (partition) VALUES (1)',
      'SELECT * FROM customer_chains',
      "SELECT * FROM url('http://127.0.0.1/', 'CSV', 'x String')",
      'SELECT 1; DROP VIEW chains',
    ]) {
      expect(await weaklink(['sql', query, '--data-dir', data])).toMatchObject({ status: 1, stdout: '' })
    }
  })

  it('sql shows large numbers as they are, and ends quietly when its reader does', async () => {
    const { rows } = await weaklinkJson<{ rows: object[] }>([
      'sql',
      'SELECT toUInt64(9007199254740993) AS large, toUInt64(7) AS small',
      '--data-dir',
      data,
    ])
    expect(rows).toEqual([{ large: '9007199254740993', small: 7 }])
    const line = `"${process.execPath}" "${BIN}" sql "SELECT number FROM system.numbers LIMIT 200000" --data-dir "${data}" | head -1`
    const { stdout, stderr } = await promisify(execFile)('bash', [
      '-c',
      `set -o pipefail; ${line.replace('system.numbers', 'numbers(200000)')}`,
    ])
    expect(stdout).toMatch(/^┌/)
    expect(stderr).toBe('')
  })

  it('doctor finds everything in order, and names what the catalogue lacks', async () => {
    const { ok, findings } = await weaklinkJson<{ ok: boolean; findings: { what: string; says: string }[] }>([
      'doctor',
      '--data-dir',
      data,
    ])
    expect(ok).toBe(true)
    expect(findings.find(({ what }) => what === 'uncatalogued')?.says).toContain('kiosk')
  })
})

describe('a catalogue that changes', () => {
  it('is applied, leaves customers behind until a rebuild, and says so', async () => {
    writeFileSync(catalogue, 'touchpoints:\n  - { id: kiosk, outcome: bought }\n  - { id: payment, outcome: bought }\n')
    expect(await weaklinkJson(['catalogue', 'check', catalogue])).toMatchObject({ touchpoints: 2 })
    expect(await weaklinkJson(['catalogue', 'apply', catalogue, '--data-dir', data])).toMatchObject({
      changed: true,
      olderCatalogue: 3,
    })
    const before = await weaklinkJson<BreakpointsReport>(['report', 'breakpoints', '--data-dir', data])
    expect(before).toMatchObject({ olderCatalogue: 3, totals: { converted: 1 } })
    expect((await weaklink(['doctor', '--data-dir', data])).stdout).toMatch(
      /3 of 3 customers stand on an older one: weaklink rebuild/,
    )
    expect(await weaklinkJson(['rebuild', '--data-dir', data])).toEqual({ rebuilt: 3 })
    const after = await weaklinkJson<BreakpointsReport>(['report', 'breakpoints', '--data-dir', data])
    expect(after).toMatchObject({ olderCatalogue: 0, totals: { converted: 2 } })
    expect(await weaklinkJson(['rebuild', '--data-dir', data])).toEqual({ rebuilt: 0 })
    const shown = await weaklinkJson<{ touchpoints: { id: string; interactions: number }[] }>([
      'catalogue',
      'show',
      '--data-dir',
      data,
    ])
    expect(shown.touchpoints.map(({ id, interactions }) => [id, interactions])).toEqual([
      ['kiosk', 1],
      ['payment', 1],
    ])
  })

  it('stays in force for later imports', async () => {
    writeFileSync(events, `${JSON.stringify({ id: '8', customer: 'dora', touchpoint: 'kiosk', at: at(6) })}\n`, {
      flag: 'a',
    })
    expect(await weaklinkJson(['import', events, '--data-dir', data])).toMatchObject({ accepted: 1, duplicates: 7 })
    expect((await weaklinkJson<BreakpointsReport>(['report', 'breakpoints', '--data-dir', data])).totals).toMatchObject(
      { customers: 4, converted: 3 },
    )
  })
})

it('CLICKHOUSE_URL: the same commands on a ClickHouse that somebody else runs', async () => {
  const server = await startEmbeddedServer({ directory: join(folder.path, 'server'), what: 'a test' })
  const url = new URL(server.url)
  url.username = server.username
  url.password = server.password
  const env = { CLICKHOUSE_URL: url.href }
  const own = join(folder.path, 'own')
  try {
    expect(await weaklink(['import', events, '--clock', 'data', '--data-dir', own], { env })).toMatchObject({
      status: 0,
      stderr: '',
    })
    const report = await weaklink(['report', 'breakpoints', '--json', '--data-dir', own], { env })
    expect(JSON.parse(report.stdout).totals).toMatchObject({ customers: 4, chains: 4 })
    const sql = await weaklink(['sql', 'SELECT count() AS n FROM interactions', '--json', '--data-dir', own], { env })
    expect(JSON.parse(sql.stdout).rows).toEqual([{ n: 8 }])
    expect(await weaklink(['sql', 'DROP TABLE customer_chains', '--data-dir', own], { env })).toMatchObject({
      status: 1,
    })
  } finally {
    await server.stop()
  }
  const away = await weaklink(['report', 'breakpoints', '--data-dir', own], {
    env: { ...env, WEAKLINK_GIVE_UP_SECONDS: '0' },
  })
  expect(away).toMatchObject({ status: 1, stderr: expect.stringMatching(/cannot be reached.*CLICKHOUSE_URL/) })
})

it('demo: leaves alone what no demo made, and the directory that the environment names', async () => {
  const before = await weaklinkJson<BreakpointsReport>(['report', 'breakpoints', '--data-dir', data])
  expect(await weaklink(['demo', '--data-dir', data])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('no demo made'),
  })
  expect(await weaklink(['demo'], { env: { WEAKLINK_DATA_DIR: data }, cwd: folder.path })).toMatchObject({ status: 0 })
  expect(await weaklinkJson(['report', 'breakpoints', '--data-dir', data])).toEqual(before)
  expect(await weaklink(['report', 'breakpoints', '--data-dir', events])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('is a file'),
  })
})

it('rebuild --all derives everybody again, whatever their ids', async () => {
  const own = join(folder.path, 'odd')
  const odd = ['\ufeffbom', 'c:', "o'neil", '😀', 'a\nb'].map((customer, k) =>
    JSON.stringify({ id: `${k}`, customer, touchpoint: 'chat', at: at(1) }),
  )
  const file = join(folder.path, 'odd.jsonl')
  writeFileSync(file, odd.join('\n'))
  await weaklinkJson(['import', file, '--data-dir', own])
  const before = await weaklinkJson(['sql', 'SELECT * FROM chains ORDER BY customer', '--data-dir', own])
  expect(await weaklinkJson(['catalogue', 'apply', catalogue, '--rebuild', '--data-dir', own])).toMatchObject({
    rebuilt: 5,
    olderCatalogue: 0,
  })
  expect(await weaklinkJson(['rebuild', '--all', '--data-dir', own])).toEqual({ rebuilt: 5 })
  expect(await weaklink(['catalogue', 'apply', '--data-dir', own])).toMatchObject({ status: 2 })
  expect(await weaklinkJson(['catalogue', 'apply', '--built-in', '--data-dir', own])).toMatchObject({ changed: true })
  expect(await weaklinkJson(['catalogue', 'apply', catalogue, '--rebuild', '--data-dir', own])).toMatchObject({
    olderCatalogue: 0,
  })
  expect(
    await weaklinkJson(['sql', 'SELECT * EXCEPT catalogue FROM chains ORDER BY customer', '--data-dir', own]),
  ).toMatchObject({
    rows: (before as { rows: object[] }).rows.map(({ catalogue: _, ...row }: { catalogue?: unknown }) => row),
  })
})

it('demo: finds what was planted', async () => {
  const own = join(folder.path, 'demo')
  const { planted, report } = await weaklinkJson<{
    planted: { touchpoint: string; where: string[] | null; rank: number }[]
    report: BreakpointsReport
  }>(['demo', '--exit', '--data-dir', own])
  // Of the whole report the planted places come first, by excess.
  const first = report.groups[0]?.breakpoints.slice(0, planted.length).map(({ touchpoint }) => touchpoint)
  expect(first?.sort()).toEqual(planted.map(({ touchpoint }) => touchpoint).sort())
  for (const { where, rank } of planted) expect(rank).toBeLessThanOrEqual(where === null ? planted.length : 1)
  const again = await weaklinkJson<BreakpointsReport>(['report', 'breakpoints', '--data-dir', own])
  expect(again.groups).toEqual(report.groups)
})

it('the JSON Schemas in docs are those of the code', async () => {
  const { breakJsonSchema, catalogueJsonSchema } = await import('../../packages/chains/src/index.ts')
  const { interactionJsonSchema, mappingJsonSchema } = await import('../../packages/interactions/src/index.ts')
  const schemas = {
    interaction: interactionJsonSchema(),
    mapping: mappingJsonSchema(),
    touchpoints: catalogueJsonSchema(),
    break: breakJsonSchema(),
  }
  for (const [name, schema] of Object.entries(schemas)) {
    const path = new URL(`../../docs/schemas/${name}.schema.json`, import.meta.url)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(schema)))
  }
})
