import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedServer, startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import { flagOf } from '../../packages/reports/src/index.ts'
import type { ChainsReport, ConversionReport, WaitsReport } from '../../packages/reports/src/shapes.ts'
import { temporaryFolder, weaklink } from '../support/weaklink.ts'

// The calls of a real queue log, from its lines through the tracker to what `report waits` says on the command line.

const FILE = fileURLToPath(new URL('../../../shared/data/queue-log-stats.json', import.meta.url))

interface Row {
  readonly time: string
  readonly callid: string
  readonly queuename: string
  readonly agent: string
  readonly event: string
  readonly [data: `data${number}`]: string
}

const folder = temporaryFolder()
const data = join(folder.path, 'data')
let server: EmbeddedServer
const run = (...args: string[]) => {
  const url = new URL(server.url)
  url.username = server.username
  url.password = server.password
  return weaklink([...args, '--data-dir', data], { env: { CLICKHOUSE_URL: url.href } })
}
const ask = async <T>(...args: string[]): Promise<T> => {
  const { status, stdout, stderr } = await run('report', ...args, '--json')
  if (status !== 0) throw new Error(`report ${args.join(' ')} ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as T
}

beforeAll(async () => {
  const { scenarios }: { scenarios: readonly { given: readonly Row[] }[] } = JSON.parse(readFileSync(FILE, 'utf8'))
  // The fourth: nine calls of one morning, one of them when the queue was closed.
  const lines = (scenarios[3]?.given ?? []).map(({ time, callid, queuename, agent, event, ...fields }) => {
    const [whole, fraction] = time.split('.')
    const seconds = Date.parse(`${whole?.replace(' ', 'T')}Z`) / 1000
    return [`${seconds}.${fraction}`, callid, queuename, agent, event, ...Object.values(fields)].join('|')
  })
  const log = join(folder.path, 'queue_log')
  writeFileSync(log, lines.map((line) => `${line}\n`).join(''))
  server = await startEmbeddedServer({ directory: join(folder.path, 'server'), what: 'a test' })
  expect(await run('import', log, '--format', 'queue-log', '--clock', 'data')).toMatchObject({ status: 0 })
})
afterAll(async () => {
  await server?.stop()
  folder.remove()
})

describe('report waits', () => {
  it('has the figures of the call centre', async () => {
    const day = ['--from', '2012-07-01T08:00:00Z', '--to', '2012-07-01T12:00:00Z', '--queue', 'q01']
    const { groups } = await ask<WaitsReport>('waits', ...day)
    const [queue] = groups[0]?.queues ?? []
    expect(
      queue?.slots.map(({ start, received, answeredRate }) => [start?.slice(11, 16), received, answeredRate]),
    ).toEqual([
      ['08:00', 0, null],
      ['09:00', 0, null],
      ['10:00', 0, null],
      ['11:00', 9, 0.5],
    ])
    expect(queue?.totals).toMatchObject({ received: 9, answered: 4, abandoned: 4, closed: 1, averageWaitMs: 9_250 })
  })

  it('answers in words, in CSV, and in the hours of a zone', async () => {
    const text = await run('report', 'waits', '--zone', 'Asia/Kolkata')
    expect(text).toMatchObject({ status: 0, stderr: '' })
    expect(text.stdout).toMatch(
      /^Of 8 calls \(1 more came when the queue was closed\), 50 % were answered and 50 % gave up; half of/,
    )
    const csv = await run('report', 'waits', '--zone', 'Asia/Kolkata', '--format', 'csv')
    const [header = '', ...rows] = csv.stdout.trimEnd().split('\n')
    expect(header).toMatch(/^queue,start,received,answered,/)
    expect(rows.map((row) => row.split(',').slice(0, 3))).toEqual([
      ['q01', '2012-07-01T16:00:00.000+05:30', '4'],
      ['q01', '2012-07-01T17:00:00.000+05:30', '5'],
    ])
  })

  it('agrees with the other reports, and leads to the chains', async () => {
    const { groups } = await ask<WaitsReport>('waits')
    const conversion = await ask<ConversionReport>('conversion')
    const cost = groups[0]?.cost ?? []
    expect(cost.reduce((sum, { counts }) => sum + counts.chains, 0)).toBe(conversion.totals.chains)
    for (const { chains, counts } of cost) {
      const options = Object.entries(chains).flatMap(([name, value]) =>
        [value].flat().flatMap((one) => [`--${flagOf(name)}`, one]),
      )
      expect((await ask<ChainsReport>('chains', ...options)).chains).toHaveLength(counts.chains)
    }
  })

  it('refuses a mistake with what there is', async () => {
    const outcome = await run('report', 'waits', '--queue', 'q1')
    expect(outcome).toMatchObject({ status: 2, stdout: '' })
    expect(outcome.stderr).toMatch(/^--queue q1: expected a queue that had calls: q01/)
  })
})
