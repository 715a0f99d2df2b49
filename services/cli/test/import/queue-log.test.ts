import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { QueueLogReader } from '@weaklink/interactions'
import { afterAll, describe, expect, it } from 'vitest'
import { inOrder, isQueueLog, type Line, readInteractions } from '../../src/import/interactions.ts'

const folder = mkdtempSync(join(tmpdir(), 'weaklink-queue-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(content) : content)
  return path
}

async function linesOf(path: string, now = Date.UTC(2026, 0, 1)): Promise<string[]> {
  const lines: Line[] = []
  let rows = 0
  for await (const batch of readInteractions(path, { format: 'queue-log', queueLog: new QueueLogReader(), now })) {
    lines.push(...batch.lines)
    rows += batch.rows
  }
  return [
    `${rows} rows`,
    ...lines.map((one) => `${one.line} ${one.ok ? one.interaction.touchpoint : one.rejection.reason}`),
  ]
}

const ENTER = '1700000000|c1|sales|NONE|ENTERQUEUE||5555555555|1'
const ABANDON = '1700000009|c1|sales|NONE|ABANDON|1|1|9'

it.each([
  ['queue_log', true],
  ['/var/log/asterisk/queue_log.3.gz', true],
  ['queue_log-20240501', true],
  ['queue_log.csv', false],
  ['queue_log.json.gz', false],
  ['queue_logs', false],
  ['my_queue_log', false],
])('%s is a queue log by its name: %s', (path, is) => {
  expect(isQueueLog(path, undefined)).toBe(is)
  expect([isQueueLog(path, 'queue-log'), isQueueLog(path, 'csv')]).toEqual([true, false])
})

it('files of a log are read in the order of their lines, after the others; what cannot be read is left to the import', async () => {
  const newest = file('queue_log', `hello\n${ENTER.replace('17', '19')}\n`)
  const middle = file('queue_log.1.gz', `${ENTER.replace('17', '18')}\n`)
  const oldest = file('queue_log.2', `${ENTER}\n`)
  const empty = file('queue_log.3', '')
  const others = [join(folder, 'queue_log.4'), join(folder, 'events.csv')]
  expect(await inOrder([newest, empty, others[0] ?? '', middle, others[1] ?? '', oldest], undefined)).toEqual([
    others[1],
    oldest,
    middle,
    newest,
    empty,
    others[0],
  ])
})

describe('lines of a file', () => {
  const table: readonly (readonly [given: string, content: string | Buffer, then: readonly string[]])[] = [
    [
      'lines of all kinds',
      `${ENTER}\n\n1700000001|NONE|NONE|NONE|CONFIGRELOAD|\nnone\n${ABANDON}\n`,
      ['4 rows', '1 call_queue', '4 malformed_queue_log', '5 call_wait'],
    ],
    ['line ends of Windows', `${ENTER}\r\n${ABANDON}\r\n`, ['2 rows', '1 call_queue', '2 call_wait']],
    [
      'a last line without its end',
      `${ENTER}\n${ABANDON.slice(0, -1)}`,
      ['2 rows', '1 call_queue', '2 incomplete_line'],
    ],
    ['a byte order mark', `\ufeff${ENTER}\n`, ['1 rows', '1 call_queue']],
    [
      'a name that is not UTF-8',
      Buffer.concat([Buffer.from(`${ENTER}|M`), Buffer.from([0xfc]), Buffer.from(`ller\n${ABANDON}\n`)]),
      ['2 rows', '1 call_queue', '2 call_wait'],
    ],
    [
      'a line that is too long',
      `${ENTER}${'x'.repeat(2_000_000)}\n${ABANDON}\n`,
      ['2 rows', '1 line_too_long', '2 call_wait'],
    ],
    ['an instant to come', `${ENTER.replace('17', '19')}\n${ABANDON}\n`, ['2 rows', '1 at_in_future', '2 call_wait']],
  ]
  it.each(table)('%s', async (_given, content, then) => {
    expect(await linesOf(file('lines', content))).toEqual(then)
  })
})

it('a long log is read in little memory', { timeout: 120_000 }, async () => {
  const lines: string[] = []
  for (let k = 0; k < 200_000; k++) {
    lines.push(`${1_600_000_000 + k}|c${k}|q${k % 7}|NONE|ENTERQUEUE||${4_930_000_000 + (k % 50_000)}|1\n`)
    if (k >= 100) lines.push(`${1_600_000_000 + k}|c${k - 100}|q${(k - 100) % 7}|NONE|ABANDON|1|1|100\n`)
  }
  const path = file('queue_log.gz', lines.join(''))
  const module = fileURLToPath(new URL('../../src/import/interactions.ts', import.meta.url))
  const program = `
    const { readInteractions } = await import(${JSON.stringify(module)})
    let n = 0
    for await (const { lines } of readInteractions(${JSON.stringify(path)}, { now: Date.now() })) n += lines.length
    console.log(n)`
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--max-old-space-size=48',
    '--input-type=module',
    '--eval',
    program,
  ])
  expect(Number(stdout)).toBe(lines.length)
})
