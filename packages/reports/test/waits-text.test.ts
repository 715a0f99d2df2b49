import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AnyOptions, QUESTIONS, written } from '../src/index.ts'
import { createTables, storeAll } from './stored.ts'
import { catalogueWith, customer, TICK } from './story.ts'
import type { WaitsOptions } from './waits-naive.ts'

// A small call centre on two days.

const CATALOGUE = catalogueWith([
  { id: 'ad_view' },
  { id: 'call_queue', group: 'phone' },
  { id: 'call_wait', group: 'phone', expectedWaitMs: 20_000 },
  { id: 'call_answer', group: 'phone' },
  { id: 'call_back', by: 'company' },
  { id: 'visit', outcome: 'bought' },
])

/** 60 callers: every third waits for minutes, some of them give up; who was served soon buys more often. */
const PEOPLE = Array.from({ length: 60 }, (_, n) => {
  const minute = String(n % 60).padStart(2, '0')
  const hour = String(9 + (n % 4)).padStart(2, '0')
  const call = { episode: `call-${n}`, queue: n % 5 === 0 ? 'support' : 'sales' }
  const at = `2024-03-0${4 + (n % 2)}T${hour}:${minute}`
  const [long, gaveUp] = [n % 3 === 0, n % 6 === 0]
  const waitMs = (long ? 90 + n * 3 : 4 + n / 2) * 1000
  return customer(
    `c${n}`,
    [
      [at, 'call_queue', call],
      [`${at}:30`, 'call_wait', { ...call, waitMs, ...(gaveUp ? { outcome: 'abandoned' } : { agent: 'eva' }) }],
      ...(gaveUp ? [] : ([[`2024-03-06T${hour}:00`, 'call_answer', { ...call, durationMs: 180_000 }]] as const)),
      ...(n % 12 === 6 ? ([['2024-03-06T09:00', 'call_back', { episode: `back-${n}` }]] as const) : []),
      ...(gaveUp || n % (long ? 5 : 2) !== 0 ? [] : ([['2024-03-08T10:00', 'visit', { value: 80 }]] as const)),
    ],
    CATALOGUE,
  )
})

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
  await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
})
afterAll(() => db.stop())

const waits = QUESTIONS.find(({ name }) => name === 'waits')!
const answer = (options: WaitsOptions = {}) => waits.prepare(options as AnyOptions).answer(db.store)
const text = async (options: WaitsOptions, width: number) => (await answer(options)).text({ width })

describe('the text', () => {
  test('answers first, then shows queues, hours, patience and chains', async () => {
    expect(await text({ from: '2024-03-04', to: '2024-03-06', per: 'day', short: '5s' }, 100)).toMatchInlineSnapshot(`
      "Of 60 calls, 83 % were answered and 17 % gave up; half of those who gave up did so within 2.7m. 44 %
      of the answered ones waited at most 20s; counting those who gave up it is 37 %, less than the 80 %
      aimed at. Chains that waited 2m or longer converted 25 %, against 48 % of those that waited less
      (which chance may explain); of those that gave up 0 % did.

      queue       received  answered  gave up  gave up %  in time   wait   p90  longest  talk
      sales             48        40        8       17 %     38 %  51.2s  2.9m     4.4m    3m
      support           12        10        2       17 %     33 %  51.2s  2.3m     3.8m    3m
      all queues        60        50       10       17 %     37 %  51.2s  2.9m     4.4m    3m

      By day (UTC, all queues):
      day         received  answered  gave up  gave up %  in time  wait   p90  longest  talk
      4 Mar 2024        30        20       10       33 %     37 %   19s   30s     4.2m    3m
      5 Mar 2024        30        30        0        0 %     37 %  1.2m  3.5m     4.4m    3m

      Left to wait, half of the callers would give up within 3.6m (95 %: at least 2.7m).
      after  still hold out     95 %  calls
      5s              100 %        –     59
      10s             100 %        –     52
      20s             100 %        –     39
      30s             100 %        –     26
      1m              100 %        –     20
      1.5m             95 %  69–99 %     20
      2m               90 %  65–97 %     16
      3m               64 %  37–82 %     10

      60 chains by the longest wait before the end:
      waited   chains  open  converted     95 %  broke      95 %
      0-10s         8     0       50 %  22–78 %   50 %   22–78 %
      10-30s       26     0       50 %  32–68 %   50 %   32–68 %
      30-60s        6     0       50 %  19–81 %   50 %   19–81 %
      1-2m          2     0        0 %   0–66 %  100 %  34–100 %
      2-5m          8     0       25 %   7–59 %   75 %   41–93 %
      gave up      10     0        0 %   0–28 %  100 %  72–100 %

      A call counts when it entered the queue. In time: within 20s, of those who were answered or gave up.
      Wait: the mean of answered calls, of abandoned ones where none was answered. Nothing stands where
      there is nothing to divide by.
      Left out: 0 calls given up within 5s.
      Chains by wait: it says what goes together, not what causes it. Who waits long calls at another
      hour, often for another reason, and who stays on the line that long wanted it more.
      As of 2024-04-10 00:00 UTC.
      "
    `)
  })
  test('is never wider than asked', async () => {
    for (const width of [60, 80, 100, 140]) {
      for (const options of [
        {},
        { by: 'queue', zone: 'Europe/Berlin' },
        { per: 'none' },
        { queue: 'sales', per: 'day' },
      ]) {
        const lines = (await text(options, width)).split('\n')
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width)
      }
    }
  })
  test('of many hours names the worst', async () => {
    const shown = await text({ from: '2024-03-01', to: '2024-03-11' }, 100)
    expect(shown).toMatch(/Where most gave up, of 240 hours \(UTC, all queues\):\nhour .*\n(4|5) Mar 2024 09:00/)
  })
})

describe('for programs', () => {
  const csv = async (options: WaitsOptions) => {
    const blocks = waits.prepare(options as AnyOptions).rows(db.store)
    return (await Array.fromAsync(written(blocks, 'csv'))).join('').trimEnd().split('\n')
  }

  test('CSV has a row for each queue and hour; what has nothing to divide by is empty', async () => {
    const [header = '', ...lines] = await csv({ from: '2024-03-04T11:00:00Z', to: '2024-03-04T13:00:00Z' })
    const columns = header.split(',')
    const rows = lines.map((line) => {
      const cells = line.split(',')
      return Object.fromEntries(columns.map((name, index) => [name, cells[index]]))
    })
    expect(rows.map(({ queue, start, received }) => [queue, start, received])).toEqual([
      ['sales', '2024-03-04T11:00:00.000+00:00', '12'],
      ['sales', '2024-03-04T12:00:00.000+00:00', '0'],
      ['support', '2024-03-04T11:00:00.000+00:00', '3'],
      ['support', '2024-03-04T12:00:00.000+00:00', '0'],
    ])
    const empty = rows.find(({ received }) => received === '0')!
    for (const name of ['averageWaitMs', 'answeredRate', 'abandonRate', 'serviceLevelOfAnswered', 'serviceLevelMet']) {
      expect(empty[name]).toBe('')
    }
    expect(empty.abandoned).toBe('0')
  })
  test('CSV names what `by` split by', async () => {
    const [header, first] = await csv({ by: 'touchpoint', per: 'none' })
    expect(header).toMatch(/^by\.touchpoint,queue,start,received,/)
    expect(first).toMatch(/^call_queue,sales,,\d+,/)
  })
  test('the JSON is of the shape that the description has', async () => {
    const { report } = await answer({ by: 'queue' })
    expect(waits.shape.parse(JSON.parse(JSON.stringify(report)))).toEqual(report)
  })
})
