import type { BoardCall, WaitingEvent, WaitingNow } from '@weaklink/api'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { background, endAll, until } from '../../../tests/support/up.ts'
import { temporaryFolder, weaklink, weaklinkJson } from '../../../tests/support/weaklink.ts'
import { KEYS, met, openTestLog, type Running, startApi, storeAt, type TestLog } from '../../api/test/support.ts'
import { boardText, eventText } from '../src/waiting/text.ts'

const PLAIN = { bold: same, dim: same, red: same, green: same, yellow: same }
function same(text: string): string {
  return text
}
const options = { style: PLAIN, width: 100 }

const AS_OF = '2024-03-04T11:05:00.000Z'
type Steps = NonNullable<BoardCall['chain']>['interactions']

function path(text: string): Steps {
  return text.split(' ').map((step) => {
    const [touchpoint = '', mark = ''] = step.split('/')
    const outcome = mark === 'x' ? 'abandoned' : mark === 'b' ? 'bought' : 'continued'
    return { touchpoint, at: AS_OF, by: 'customer', outcome, reaction: mark === 'n' ? 'negative' : 'neutral' }
  })
}

function call(
  customer: string | null,
  waitedMs: number,
  steps: string | null,
  more: Partial<BoardCall> = {},
): BoardCall {
  return {
    ...{ id: 'q', customer, anonymousId: customer === null ? '+7916' : null, episode: 'c', queue: 'support' },
    ...{ touchpoint: 'call_queue', since: new Date(Date.parse(AS_OF) - waitedMs).toISOString(), waitedMs },
    chain:
      steps === null
        ? null
        : {
            ...{ id: null, state: 'open', startedAt: AS_OF, interactions: path(steps), omitted: 0 },
            ...{ atRisk: false, chainsBefore: 0, boughtBefore: false, value: [] },
          },
    ...more,
  }
}

function board(calls: BoardCall[], more: Partial<WaitingNow> = {}): WaitingNow {
  const longestMs = calls[0]?.waitedMs ?? 0
  const queues = calls.length === 0 ? [] : [{ queue: 'support', waiting: calls.length, longestMs, averageMs: 61_000 }]
  return { asOf: AS_OF, total: calls.length, queues, calls, notice: null, ...more }
}

describe('the board in words', () => {
  test('nobody waits', () => {
    expect(boardText(board([]), options)).toBe('Nobody waits now, at 11:05:00 UTC.')
  })

  test('a table, longest first, then the queues', () => {
    const boris = call('boris', 195_000, 'ad_view site_visit site_visit call_wait/x call_queue')
    const bought = { boughtBefore: true, value: [{ currency: 'EUR', value: 1480.5 }] }
    const calls = [
      { ...boris, chain: boris.chain === null ? null : { ...boris.chain, ...bought } },
      call(null, 9_999, 'chat/n call_queue', { queue: null }),
      call('x\u001b[2J', 0, null),
    ]
    expect(boardText(board(calls), options).split('\n')).toEqual([
      '3 customers wait at 11:05:00 UTC, the longest for 3m 15s.',
      '',
      'customer           queue       since  waited  bought before     chain so far',
      'boris              support  11:01:45  3m 15s  yes, 1,480.5 EUR  … › call_wait ✗ › call_queue',
      '+7916 (anonymous)  –        11:04:50      9s  no                chat ! › call_queue',
      'x\ufffd[2J              support  11:05:00      0s  ?                 ?',
      '',
      'queue    wait  longest  on average',
      'support     3   3m 15s      1m 01s',
    ])
  })

  test('fits a narrow terminal as far as it may, and a wide one shows the whole path', () => {
    const one = board([call('boris', 3_725_000, 'ad_view site_visit landing pricing call_queue')])
    expect(boardText(one, { style: PLAIN, width: 40 })).toMatch(/… › pricing › call_queue$/m)
    expect(boardText(one, { style: PLAIN, width: 200 })).toMatch(
      /1h 02m {2}no {13}ad_view › site_visit › landing › pricing › call_queue$/m,
    )
  })

  test('what is not shown is said', () => {
    const text = boardText(board([call('boris', 1, null)], { total: 1_234, notice: 'The store is away.' }), options)
    expect(text).toContain('1,234 customers wait')
    expect(text).toContain('The store is away.')
    expect(text).toContain('… and 1,233 more')
  })

  const ended = {
    state: 'ended',
    ...call('boris', 0, null),
    endedAt: AS_OF,
    endedBy: 'call_wait',
    outcome: null,
  } as const
  test.each<[WaitingEvent, string]>([
    [
      { state: 'began', asOf: AS_OF, ...call('boris', 95_000, 'ad_view call_queue') },
      '2024-03-04 11:03:25  boris  waits in support  ad_view › call_queue',
    ],
    [
      { state: 'began', asOf: AS_OF, ...call(null, 0, null, { queue: null }) },
      '2024-03-04 11:05:00  +7916 (anonymous)  waits',
    ],
    [{ ...ended, waitedMs: 95_000 }, '2024-03-04 11:05:00  boris  waits no more: call_wait after 1m 35s'],
    [
      { ...ended, outcome: 'abandoned', waitedMs: 5_000 },
      '2024-03-04 11:05:00  boris  waits no more: abandoned after 5s',
    ],
    [
      { ...ended, endedAt: null, endedBy: null, waitedMs: null },
      '2024-03-04 11:05:00  boris  waits no more: nothing more was heard',
    ],
    [{ state: 'now', ...board([]) }, ''],
  ])('%#: a change is a line', (event, text) => {
    expect(eventText(event, options)).toBe(text)
  })
})

describe('weaklink waiting', () => {
  const folder = temporaryFolder()
  let log: TestLog
  let running: Running
  let target: string[]

  beforeAll(async () => {
    log = await openTestLog()
  })
  beforeEach(async () => {
    running = await startApi({ store: storeAt(9), log: log.log })
    target = ['--url', running.url, '--key', KEYS.read, '--data-dir', folder.path]
  })
  afterEach(async () => {
    await endAll()
    await running.close()
  })
  afterAll(async () => {
    await log.remove()
    folder.remove()
  })

  const happens = (who: string, touchpoint: string, queue: string) =>
    log.put(met(`${who}-${touchpoint}`, { customer: who, touchpoint, at: Date.now(), episode: who, queue }))

  test('says who waits, or that nobody does; --json is the answer of the API', async () => {
    expect((await weaklink(['waiting', ...target])).stdout).toMatch(/^Nobody waits now, at \d\d:\d\d:\d\d UTC\.\n$/)
    await happens('anna', 'call_queue', 'support')
    await happens('boris', 'call_queue', 'sales')
    const { status, stdout } = await weaklink(['waiting', ...target])
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/2 customers wait[\s\S]*anna +support[\s\S]*boris +sales/),
    ])
    const asked = ['waiting', '--queue', 'sales', '--queue', 'other', '--limit', '5', '--longer-than', '0s', ...target]
    expect(await weaklinkJson<WaitingNow>(asked)).toMatchObject({ total: 1, calls: [{ customer: 'boris' }] })
  })

  test('--follow prints changes as lines, with --json as objects, over a restart; Ctrl-C ends it', async () => {
    const lines = background(['waiting', '--follow', ...target])
    const objects = background(['waiting', '--follow', '--json', ...target])
    const told = () =>
      objects
        .stdout()
        .trimEnd()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as WaitingEvent)
    await until(() => lines.stdout().includes('anna') && told().length > 0, 'both had begun')
    expect(told()[0]).toMatchObject({ state: 'now', total: 2 })
    await happens('clara', 'call_queue', 'support')
    await until(() => lines.stdout().includes('clara  waits in support'), 'it began')
    await happens('clara', 'call_wait', 'support')
    await until(() => lines.stdout().includes('clara  waits no more: call_wait after'), 'it ended')
    await until(() => told().some(({ state }) => state === 'ended'), 'the object came')
    expect(told().map(({ state }) => state)).toEqual(['now', 'began', 'ended'])

    const port = Number(new URL(running.url).port)
    await running.close()
    await until(() => lines.stderr().includes('Trying again'), 'it noticed')
    running = await startApi({ store: storeAt(9), log: log.log }, port)
    await until(() => lines.stderr().includes('It goes on.'), 'it goes on')
    for (const one of [lines, objects]) expect((await one.end('SIGINT')).status).toBe(0)
  })

  test('what is wrong with it is said before anything is asked', async () => {
    expect(await weaklink(['waiting', '--longer-than', '30', ...target])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--longer-than 30 is no duration: expected one like'),
    })
    expect(await weaklink(['waiting', '--limit', '0', ...target])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('from 1 to 1000'),
    })
    const wrongKey = await weaklink(['waiting', '--url', running.url, '--key', 'guessed', '--data-dir', folder.path])
    expect(wrongKey).toMatchObject({ status: 1, stderr: expect.stringContaining('refuses') })
  })

  test('where nothing runs it says how to start it', async () => {
    const nothing = await weaklink(['waiting', '--data-dir', folder.path])
    expect(nothing).toMatchObject({ status: 1, stdout: '' })
    expect(nothing.stderr).toMatch(/Nothing runs on .*: start it with "weaklink up --data-dir/)
    const away = await weaklink(['waiting', '--follow', '--url', 'http://127.0.0.1:9', '--key', 'x'])
    expect(away).toMatchObject({ status: 1, stderr: expect.stringContaining('Start one with "weaklink up"') })
  })
})
