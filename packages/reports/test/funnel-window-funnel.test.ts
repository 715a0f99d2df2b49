import type { Store } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kindOf, matchFunnel, planOf } from '../src/funnel/match.ts'
import { type Funnel, type Order, parseSteps } from '../src/funnel/steps.ts'

/**
 * ClickHouse has a funnel of its own, `windowFunnel`. Where the two mean the same they have to say the same, on the cases that
 * ClickHouse tests it with (events, window and level of 00632_aggregation_window_funnel) and on random events.
 * docs/reports/funnel.md says where they differ.
 */

let db: TestStore
beforeAll(async () => {
  db = await startTestStore()
})
afterAll(() => db.stop())

/** One event: its instant and its name. */
type Event = readonly [at: number, name: string]

function ours(events: readonly Event[], steps: string, order: Order, windowMs: number): number {
  const funnel: Funnel = { order, steps: parseSteps(steps, order), windowMs }
  const plan = planOf(funnel)
  const kept = events
    .map(([at, name], index) => ({ at, touchpoint: plan.touchpoints.indexOf(name), spot: 2 * index + 1 }))
    .filter(({ touchpoint }) => touchpoint !== -1)
  const moments = {
    kinds: kept.map(({ touchpoint }) => kindOf(touchpoint, 0)),
    at: kept.map(({ at }) => at),
    spots: kept.map(({ spot }) => spot),
  }
  return matchFunnel(moments, plan).level
}

/** Levels that `windowFunnel` gives, for many lists of events at once. */
async function theirs(
  store: Store,
  lists: readonly (readonly Event[])[],
  steps: string,
  window: number,
  modes: readonly string[],
): Promise<number[]> {
  const conditions = parseSteps(steps, 'steps').map(
    ({ alternatives }) => `name IN (${alternatives.map(({ touchpoint }) => `'${touchpoint}'`).join(', ')})`,
  )
  const parameters = [String(window), ...modes.map((mode) => `'${mode}'`)].join(', ')
  const rows = lists.flatMap((events, list) => events.map(([at, name]) => [list, at, name] as const))
  const answer = await store.query<{ list: number; level: number }>(
    `SELECT list, windowFunnel(${parameters})(at, ${conditions.join(', ')}) AS level
     FROM (SELECT arrayJoin(arrayZip({lists:Array(UInt32)}, {times:Array(UInt64)}, {names:Array(String)})) AS row,
             row.1 AS list, row.2 AS at, row.3 AS name)
     GROUP BY list`,
    {
      lists: rows.map(([list]) => list),
      times: rows.map(([, at]) => at),
      names: rows.map(([, , name]) => name),
    },
  )
  const levels = new Map(answer.map(({ list, level }) => [list, level]))
  return lists.map((_, list) => levels.get(list) ?? 0)
}

/** `a1 b2 c3`. */
function told(text: string): Event[] {
  return text.split(' ').map((word): Event => {
    const [, name = '', at] = /^([a-z]+)([\d]+)$/.exec(word) ?? []
    return [Number(at), name]
  })
}

const ROW = 'a0 b1 c2 d3 e4 f5 g6 h7 i8'
const LATER = 'b61 c62 d63 e64 f65 g66 h67 i68'
const FAR =
  'b100000000000001 c100000000000002 d100000000000003 e100000000000004 f100000000000005 g100000000000006 h100000000000007 i100000000000008'
const TWICE = 'a0 b10 c20 d30 e40 f50 f51 g60 h70 i80'

describe('the cases of windowFunnel where we mean the same', () => {
  const default_: [events: string, window: number, steps: string, level: number][] = [
    [ROW, 10000, 'a', 1],
    [ROW, 10000, 'a > b', 2],
    [ROW, 10000, 'a > b > c', 3],
    [ROW, 10000, 'a > b > c > i', 4],
    [ROW, 1, 'a', 1],
    [ROW, 2, 'd > e > f > g > h', 3],
    [ROW, 3, 'd > e > f > g > h', 4],
    [ROW, 4, 'd > e > f > g > h', 5],
    [LATER, 4, 'd > e > f > g > h', 5],
    [LATER, 10000, 'b > i', 2],
    [LATER, 10000, 'i > b', 1],
    [LATER, 4, 'b|c|d|e|f|g|h > c|d|e|f|g|h|i > b|c|d|e|f|g > e|f|g|h|i', 4],
    [FAR, 4, 'd > e > f > g > h', 5],
    [FAR, 10000, 'b > i', 2],
    [FAR, 10000, 'i > b', 1],
    [FAR, 4, 'b|c|d|e|f|g|h > c|d|e|f|g|h|i > b|c|d|e|f|g > e|f|g|h|i', 4],
    [TWICE, 10000, 'a > b > c > d > e > f > g', 7],
    ['a1 b2 c3', 86400, 'a > b > c', 3],
    ['a1 d2 b3 c4', 86400, 'a > b > c', 3],
    ['a1 a2 b3 b4 c5 c6', 86400, 'a > b > c', 3],
    ['a1 a2 a3 a4 b5 b6 c7 c8', 86400, 'a > b > c', 3],
    ['a1 a2 b3 b4 d5 c6 c7', 86400, 'a > b > c', 3],
    ['c1 c2 b3 b4 a5 a6', 86400, 'a > b > c', 1],
    // Several at one instant: in the order in which they stand.
    ['a0 b1 c1 d1 e2', 10000, 'a > b > c > d > e', 5],
  ]
  test.each(default_)('%s within %d: %s = %d', async (events, window, steps, level) => {
    expect(ours(told(events), steps, 'steps', window)).toBe(level)
    expect(await theirs(db.store, [told(events)], steps, window, [])).toEqual([level])
  })

  const once: [events: string, window: number, steps: string, level: number][] = [
    ['a0 b1 c1 d1 e2', 10000, 'e > e > e', 1],
    ['f180 f220 s250', 200, 'f > f > s', 3],
    ['f100 f250', 200, 'f > f > s', 2],
    ['s200 f210 s230', 200, 'f > f > s', 1],
  ]
  test.each(once)(
    'each event for one step, strict_once: %s within %d: %s = %d',
    async (events, window, steps, level) => {
      expect(ours(told(events), steps, 'steps', window)).toBe(level)
      expect(await theirs(db.store, [told(events)], steps, window, ['strict_once'])).toEqual([level])
    },
  )

  const strict: [events: string, steps: string, level: number][] = [
    ['a1 b2 c3', 'a > b > c', 3],
    ['a1 d2 b3 c4', 'a > b > c', 1],
    ['a1 a2 b3 b4 c5 c6', 'a > b > c', 2],
    ['a1 a2 a3 a4 b5 b6 c7 c8', 'a > b > c', 2],
    ['a1 a2 b3 b4 d5 c6 c7', 'a > b > c', 2],
    ['c1 c2 b3 b4 a5 a6', 'a > b > c', 1],
    ['a1 c2 b3', 'a > b > c', 1],
  ]
  test.each(strict)('strict_order and strict_deduplication: %s: %s = %d', async (events, steps, level) => {
    expect(ours(told(events), steps, 'strict', 86400)).toBe(level)
    const modes = ['strict_deduplication', 'strict_order']
    expect(await theirs(db.store, [told(events)], steps, 86400, modes)).toEqual([level])
  })
})

describe('the cases where we mean something else', () => {
  const cases: [why: string, events: string, steps: string, order: Order, modes: string[], we: number, they: number][] =
    [
      ['one event serves one step only', 'e4', 'e > e > e', 'steps', [], 1, 3],
      ['a repeat is between two steps', 'a1 a2 b3 b4 c5 c6', 'a > b > c', 'strict', ['strict_order'], 2, 3],
      ['the best attempt, not the first', 'a1 d2 a3 b4 c5', 'a > b > c', 'strict', ['strict_order'], 3, 1],
      ['an earlier step is between as well', 'a1 b2 a3 c4', 'a > b > c', 'strict', ['strict_order'], 2, 3],
      ['at one instant the order of the chain', 'b1 a1', 'a > b', 'steps', [], 1, 2],
      ['at one instant is later', 'a0 b1 c1 d1 e2', 'a > b > c > d > e', 'steps', ['strict_increase'], 5, 2],
      ['a repeat does not end it', TWICE, 'a > b > c > d > e > f > g', 'steps', ['strict_deduplication'], 7, 6],
    ]
  test.each(cases)('%s', async (_, events, steps, order, modes, we, they) => {
    expect(ours(told(events), steps, order, 86400)).toBe(we)
    expect(await theirs(db.store, [told(events)], steps, 86400, modes)).toEqual([they])
  })
})

describe('random events', () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd', 'x')
  /** Each at an instant of its own. */
  const events = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 5 }), names), { maxLength: 14, size: 'max' })
    .map((all) => {
      let at = 0
      return all.map(([pause, name]): Event => {
        at += pause
        return [at, name]
      })
    })
  const lists = fc.array(events, { minLength: 100, maxLength: 100, size: 'max' })
  const window = fc.constantFrom(1, 3, 6, 12, 100)

  test('steps of different events: windowFunnel as it is', async () => {
    const steps = fc.constantFrom('a', 'a > b', 'a > b > c', 'c > a > d > b', 'a|b > c > d', 'a > c|d|b')
    await fc.assert(
      fc.asyncProperty(lists, steps, window, async (all, text, within) => {
        expect(all.map((one) => ours(one, text, 'steps', within))).toEqual(
          await theirs(db.store, all, text, within, []),
        )
      }),
      { numRuns: 40 },
    )
  })

  test('steps that share events: windowFunnel where each event counts once', async () => {
    const steps = fc.constantFrom('a > a', 'a > b > a', 'a|b > b|c > a|c', 'a > a > a > b', 'a|b|c > a|b > a')
    await fc.assert(
      fc.asyncProperty(lists, steps, window, async (all, text, within) => {
        expect(all.map((one) => ours(one, text, 'steps', within))).toEqual(
          await theirs(db.store, all, text, within, ['strict_once']),
        )
      }),
      { numRuns: 40 },
    )
  })
})
