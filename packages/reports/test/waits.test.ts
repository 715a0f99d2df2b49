import { catalogueFromContent } from '@weaklink/chains'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import type { Interaction } from '@weaklink/interactions'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { breakpoints, breakpointsQuery, chainsQuery, chainsReport } from '../src/index.ts'
import { waitsQuestion } from '../src/waits/question.ts'
import type { CallFigures, WaitsReport } from '../src/waits/shape.ts'
import { createTables, storeAll, whileWriting } from './stored.ts'
import { CATALOGUE, customer, HOUR, instant, optional, phone, TICK, type Told } from './waits-calls.ts'
import { naiveWaits, type WaitsOptions } from './waits-naive.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const ask = (question: WaitsOptions = {}) => waitsQuestion.ask(db.store, waitsQuestion.query(question as never))

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'America/Santiago', 'Pacific/Apia']
const bound = fc.oneof(
  fc.constantFrom('2024-03-30', '2024-03-31', '2024-04-01', '2024-10-26', '2024-10-27', '2024-10-28', '2024-09-08'),
  instant.map((at) => new Date(at).toISOString()),
)
const options: fc.Arbitrary<WaitsOptions> = fc
  .record({
    from: optional(bound, 50),
    to: optional(bound, 50),
    zone: fc.constantFrom(...ZONES),
    per: optional(fc.constantFrom('hour', 'halfhour', 'day', 'week', 'none'), 80),
    queue: optional(fc.constantFrom('sales', ['sales', 'support'], ''), 30),
    where: optional(fc.constantFrom('channel=ads', 'touchpoint=call_queue', 'queue=sales', 'channel='), 30),
    by: optional(fc.constantFrom('channel', 'returning'), 30),
    serviceLevel: optional(fc.constantFrom('80:20s', '50:5s', '100:1m', '0:0s'), 70),
    short: optional(fc.constantFrom('5s', '0s', '1m'), 40),
    wait: optional(fc.constantFrom('first', 'longest'), 50),
  })
  .filter((question) => {
    try {
      waitsQuestion.query(question as never)
      const span = question.from && question.to ? Date.parse(question.to) - Date.parse(question.from) : 0
      return span < 20 * 24 * HOUR
    } catch {
      return false
    }
  })

describe('the report from the database', () => {
  test('equals the naive one in every number, whatever is asked', async () => {
    const asked = fc.array(options, { minLength: 8, maxLength: 8, size: 'max' })
    await fc.assert(
      fc.asyncProperty(phone, asked, async ({ tick, people }, questions) => {
        await storeAll(db.store, CATALOGUE, tick, people)
        for (const question of [{}, ...questions]) {
          const got = await ask(question).catch((error: Error) => error)
          const expected = naiveWaits(people, question, tick)
          if (got instanceof Error) {
            expect(got.message).toMatch(/^--queue .*: expected a queue that had calls|none: calls here name no queue/)
            expect(expected.totals.received).toBe(0)
            continue
          }
          expect(got).toMatchObject(withoutHolding(expected))
          for (const [index, group] of got.groups.entries()) {
            const steps = expected.groups[index]!.patience.steps
            expect(group.patience.steps.length).toBe(steps.length)
            for (const [nth, step] of steps.entries()) {
              expect(group.patience.steps[nth]!.holding).toBeCloseTo(step.holding, 12)
            }
          }
          waitsQuestion.shape.parse(got)
          expect(waitsQuestion.text(got, { width: 80 })).not.toMatch(/NaN|undefined|\[object|Infinity/)
          const columns = new Set(waitsQuestion.rows(got).map((row) => Object.keys(row).join()))
          expect(columns.size).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 8 },
    )
  }, 120_000)

  test('reconciles: fates with what was received, slots and queues with totals, chains with breakpoints', async () => {
    await fc.assert(
      fc.asyncProperty(phone, options, async ({ tick, people }, question) => {
        await storeAll(db.store, CATALOGUE, tick, people)
        const { queue: _queue, ...rest } = question
        const got = await ask(rest)
        for (const { totals, slots, queues } of got.groups) {
          for (const figures of [totals, ...slots, ...queues.flatMap(({ totals, slots }) => [totals, ...slots])]) {
            expect(fates(figures)).toBe(figures.received)
          }
          for (const parts of [slots, queues.map(({ totals }) => totals)]) expect(added(parts)).toEqual(added([totals]))
          for (const one of queues) expect(added(one.slots)).toEqual(added([one.totals]))
        }
        const { where, by } = question
        const { from, to } = got
        const period = { ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) }
        const broke = await breakpoints(
          db.store,
          breakpointsQuery({ ...period, ...(where && { where }), ...(by && { by }), fresh: 'true' } as never),
        )
        for (const state of ['chains', 'converted', 'broken', 'ignored', 'open'] as const) {
          const sum = got.groups.flatMap(({ cost }) => cost).reduce((all, { counts }) => all + counts[state], 0)
          expect(sum).toBe(broke.totals[state])
        }
      }),
      { numRuns: 10 },
    )
  }, 120_000)

  test('names for every bucket the options of `report chains` that list exactly its chains', async () => {
    await fc.assert(
      fc.asyncProperty(phone, options, async ({ tick, people }, { queue: _queue, ...question }) => {
        await storeAll(db.store, CATALOGUE, tick, people)
        for (const { cost } of (await ask(question)).groups.slice(0, 2)) {
          for (const row of cost.filter(({ counts }) => counts.chains > 0)) {
            const query = chainsQuery({ ...row.chains, limit: '1000' } as never)
            expect((await chainsReport(db.store, query)).chains.length).toBe(row.counts.chains)
          }
        }
      }),
      { numRuns: 4 },
    )
  }, 60_000)

  test('is one moment, also while the tracker writes', async () => {
    const people = [
      customer('anna', [
        ['2024-03-01T10:00Z', 'call_queue', { episode: 'a', queue: 'sales' }],
        ['2024-03-01T10:01Z', 'call_wait', { episode: 'a', queue: 'sales', waitMs: 60_000 }],
      ]),
    ]
    await storeAll(db.store, CATALOGUE, TICK, [])
    await whileWriting(db.store, CATALOGUE, people, async () => {
      for (let round = 0; round < 10; round++) {
        const { totals, groups } = await ask()
        expect(groups[0]?.cost.find(({ bucket }) => bucket === '1-2m')?.counts.chains).toBe(totals.received)
      }
    })
  })
})

describe('a call', () => {
  const figures = async (told: readonly Told[], question: WaitsOptions = {}) => {
    await storeAll(db.store, CATALOGUE, TICK, [customer('anna', told)])
    return (await ask(question)).groups[0]!.totals
  }
  const sales = { episode: 'c1', queue: 'sales' }

  test('whose end carries an earlier instant than its beginning is one call', async () => {
    expect(
      await figures([
        ['2024-03-01T10:00Z', 'call_queue', sales],
        ['2024-03-01T09:00Z', 'call_wait', { ...sales, waitMs: 3_000 }],
      ]),
    ).toMatchObject({ received: 1, answered: 1, averageWaitMs: 3_000 })
    expect(
      await figures([
        ['2024-03-01T10:00Z', 'call_queue', sales],
        ['2024-03-01T09:00Z', 'call_wait', sales],
      ]),
    ).toMatchObject({ received: 1, answered: 1, averageWaitMs: null, longestWaitMs: null })
  })
  test('in two queues is received by both', async () => {
    const support = { ...sales, queue: 'support' }
    await figures([
      ['2024-03-01T10:00Z', 'call_queue', sales],
      ['2024-03-01T10:01Z', 'call_wait', { ...sales, props: { ended: 'timeout' } }],
      ['2024-03-01T10:01Z', 'call_queue', support],
      ['2024-03-01T10:03Z', 'call_wait', { ...support, outcome: 'abandoned' }],
    ])
    expect((await ask()).groups[0]!.queues).toMatchObject([
      { queue: 'sales', totals: { received: 1, left: { timeout: 1 }, averageWaitMs: null, longestWaitMs: 60_000 } },
      { queue: 'support', totals: { received: 1, abandoned: 1, averageWaitMs: 120_000 } },
    ])
  })
  test('without an end waits for an hour, then nobody knows', async () => {
    const told: Told[] = [['2024-03-01T10:00Z', 'call_queue', sales]]
    for (const [tick, waiting, unended] of [
      ['2024-03-01T11:00Z', 1, 0],
      ['2024-03-01T11:00:00.001Z', 0, 1],
      [null, 1, 0],
    ] as const) {
      const now = tick === null ? null : Date.parse(tick)
      await storeAll(db.store, CATALOGUE, now, [customer('anna', told, now)])
      expect((await ask()).groups[0]!.totals).toMatchObject({ received: 1, waiting, unended, answeredRate: 0 })
    }
  })
  test('turned away is received, and has no wait', async () => {
    const turned = (turnedAway: string) =>
      ['2024-03-01T10:00Z', 'call_queue', { ...sales, reaction: 'negative', props: { turnedAway } }] as const
    expect(await figures([turned('closed'), turned('full'), turned('empty'), turned('diverted')])).toMatchObject({
      received: 4,
      closed: 1,
      saturated: 2,
      blocked: 1,
      waiting: 0,
      answeredRate: 0,
      longestWaitMs: null,
    })
    expect(await figures([turned('closed')])).toMatchObject({ received: 1, answeredRate: null, abandonRate: null })
  })
  test('given up is called back where the next call comes from the company', async () => {
    const gaveUp = (at: string, episode: string): Told[] => [
      [`${at}:00Z`, 'call_queue', { episode, queue: 'sales' }],
      [`${at}:30Z`, 'call_wait', { episode, queue: 'sales', outcome: 'abandoned', waitMs: 30_000 }],
    ]
    const got = await figures([
      ...gaveUp('2024-03-01T10:00', 'a'),
      ...gaveUp('2024-03-01T11:00', 'b'),
      ['2024-03-01T12:00Z', 'call_back', { episode: 'x' }],
      ...gaveUp('2024-03-01T13:00', 'c'),
    ])
    expect(got).toMatchObject({ abandoned: 3, callbacks: { asked: 0, afterGivingUp: 1 } })
  })
  test('given up early is left out on request, but for the patience of callers', async () => {
    const told: Told[] = [4_000, 5_000, 6_000].map((waitMs, index) => [
      `2024-03-01T1${index}:00Z`,
      'call_wait',
      { episode: `e${index}`, queue: 'sales', outcome: 'abandoned', waitMs },
    ])
    expect(await figures(told, { short: '5s' })).toMatchObject({ received: 1, abandoned: 1, shortAbandons: 2 })
    expect((await ask({ short: '5s' })).groups[0]!.patience).toMatchObject({ calls: 3, gaveUp: 3 })
    expect((await ask()).totals.received).toBe(3)
  })
})

describe('the service level', () => {
  const told: Told[] = [
    ['2024-03-01T10:00Z', 'call_wait', { episode: 'a', waitMs: 20_000 }],
    ['2024-03-01T11:00Z', 'call_wait', { episode: 'b', waitMs: 20_001 }],
    ['2024-03-01T12:00Z', 'call_wait', { episode: 'c', waitMs: 20_000, outcome: 'abandoned' }],
    ['2024-03-01T13:00Z', 'call_wait', { episode: 'd' }],
  ]
  test('counts who waited just so long, of the answered, and of the answered and abandoned', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [customer('anna', told)])
    expect((await ask()).groups[0]!.totals.serviceLevel).toEqual({
      answeredInTime: 1,
      ofAnswered: 1 / 2,
      ofAnsweredAndAbandoned: 1 / 3,
      met: false,
    })
    expect((await ask({ serviceLevel: '33.3:20s' })).groups[0]!.totals.serviceLevel.met).toBe(true)
  })
  test('is what the catalogue expects, where nobody says', async () => {
    const content = JSON.stringify({
      patienceMs: HOUR,
      epilogueMs: HOUR,
      touchpoints: [{ id: 'call_wait', expectedWaitMs: 45_000 }],
    })
    await storeAll(db.store, catalogueFromContent(content), TICK, [customer('anna', told)])
    expect((await ask()).serviceLevel).toEqual({ target: 0.8, withinMs: 45_000 })
    expect((await ask({ serviceLevel: '90:10s' })).serviceLevel).toEqual({ target: 0.9, withinMs: 10_000 })
  })
})

describe('hours and days', () => {
  const at = (instants: readonly string[]) =>
    customer(
      'anna',
      instants.map((instant, index) => [instant, 'call_wait', { episode: `e${index}`, queue: 'sales', waitMs: 0 }]),
    )
  const starts = async (question: WaitsOptions) => {
    const { slots } = (await ask({ zone: 'Europe/Berlin', ...question })).groups[0]!
    return slots.map(({ start, received }) => `${start?.slice(0, 16)}${start?.slice(-6)} ${received}`)
  }

  test('the hour that comes twice is two rows; the one that is left out is none', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [
      at(['2024-10-27T00:30Z', '2024-10-27T01:30Z', '2024-10-27T01:40Z', '2024-03-31T00:59Z', '2024-03-31T01:00Z']),
    ])
    const autumn = await starts({ from: '2024-10-27', to: '2024-10-28' })
    expect(autumn.length).toBe(25)
    expect(autumn.slice(1, 5)).toEqual([
      '2024-10-27T01:00+02:00 0',
      '2024-10-27T02:00+02:00 1',
      '2024-10-27T02:00+01:00 2',
      '2024-10-27T03:00+01:00 0',
    ])
    const spring = await starts({ from: '2024-03-31', to: '2024-04-01' })
    expect(spring.length).toBe(23)
    expect(spring.slice(1, 3)).toEqual(['2024-03-31T01:00+01:00 1', '2024-03-31T03:00+02:00 1'])
    expect(waitsQuestion.text(await ask({ zone: 'Europe/Berlin', from: '2024-10-27', to: '2024-10-28' }), {})).toMatch(
      /27 Oct 2024 02:00 \+02:00 .*\n27 Oct 2024 02:00 \+01:00 /,
    )
  })
  test('a day has its 23 or 25 hours, and a week begins on Monday', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [at(['2024-10-26T22:00Z', '2024-10-27T22:59Z', '2024-10-27T23:00Z'])])
    expect(await starts({ per: 'day' })).toEqual(['2024-10-27T00:00+02:00 2', '2024-10-28T00:00+01:00 1'])
    expect(await starts({ per: 'week' })).toEqual(['2024-10-21T00:00+02:00 2', '2024-10-28T00:00+01:00 1'])
  })
  test('without calls are left out where the period is open, or too long', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [at(['2024-10-27T00:30Z', '2024-10-27T05:30Z'])])
    expect((await starts({})).length).toBe(2)
    expect((await starts({ from: '2024-01-01', to: '2025-01-01' })).length).toBe(2)
    expect((await starts({ from: '2024-01-01', to: '2025-01-01', per: 'day' })).length).toBe(366)
  })
})

describe('what waiting costs', () => {
  test('puts a chain by its longest wait, or its first; who gave up apart; nothing after the end', async () => {
    const call = (hour: number, waitMs: number, more: Partial<Interaction> = {}): Told => [
      `2024-03-01T${hour}:00Z`,
      'call_wait',
      { episode: `e${hour}`, queue: 'sales', waitMs, ...more },
    ]
    await storeAll(db.store, CATALOGUE, TICK, [
      customer('anna', [call(10, 5_000), call(11, 130_000), ['2024-03-01T12:00Z', 'visit'], call(13, 400_000)]),
      customer('boris', [call(10, 9_999), call(11, 5_000, { outcome: 'abandoned' })]),
      customer('clara', [['2024-03-01T10:00Z', 'ad_view']]),
      customer('dora', [call(10, 10_000)]),
    ])
    const buckets = async (question: WaitsOptions) =>
      Object.fromEntries(
        (await ask(question)).groups[0]!.cost.flatMap(({ bucket, counts: { chains, converted } }) =>
          chains === 0 ? [] : [[bucket, [chains, converted]]],
        ),
      )
    expect(await buckets({})).toEqual({ '10-30s': [1, 0], '2-5m': [1, 1], abandoned: [1, 0], none: [1, 0] })
    expect(await buckets({ wait: 'first' })).toEqual({ '0-10s': [2, 1], '10-30s': [1, 0], none: [1, 0] })
    expect(await buckets({ queue: 'sales' })).toEqual(await buckets({}))
    const drill = (await ask({ queue: 'sales', wait: 'first' })).groups[0]!.cost[0]!.chains
    expect(drill).toEqual({ waited: '0-10s', wait: 'first', queue: ['sales'] })
    const { chains } = await chainsReport(db.store, chainsQuery(drill as never))
    expect(chains.map((chain) => chain.customer).sort()).toEqual(['anna', 'boris'])
    expect(() => chainsQuery({ queue: 'sales' })).toThrow(/^--queue sales: expected --waited with it/)
  })
})

describe('of nothing', () => {
  test('is empty', async () => {
    await storeAll(db.store, CATALOGUE, null, [])
    const got = await ask()
    expect(got).toMatchObject({ asOf: null, totals: { received: 0, chains: 0 } })
    expect(got.groups).toMatchObject([{ by: {}, totals: { received: 0, averageWaitMs: null }, queues: [], slots: [] }])
    expect((await ask({ by: 'channel' })).groups).toEqual([])
    expect(waitsQuestion.text(got, {})).toMatch(/^There are no chains here\./)
    expect(waitsQuestion.rows(got)).toEqual([])
  })
  test('an unknown queue is named, one without calls then is not', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [
      customer('anna', [['2024-03-01T10:00Z', 'call_wait', { queue: 'sales', waitMs: 1 }]]),
    ])
    await expect(ask({ queue: 'sails' })).rejects.toThrow('--queue sails: expected a queue that had calls: sales')
    const got = await ask({ queue: 'sales', from: '2024-02-01', to: '2024-02-02' })
    expect(got.groups[0]!.queues).toMatchObject([{ queue: 'sales', totals: { received: 0 } }])
    expect(got.groups[0]!.queues[0]!.slots.length).toBe(24)
  })
})

describe('an option that cannot be met says what can', () => {
  const cases: [option: WaitsOptions, message: RegExp][] = [
    [{ zone: 'Berlin' }, /^--zone Berlin: expected a time zone by its name/],
    [{ zone: '+02:00' }, /^--zone \+02:00: expected a time zone/],
    [{ serviceLevel: '20s' }, /^--service-level 20s: expected a percentage and a duration, as 80:20s/],
    [{ serviceLevel: '101:20s' }, /^--service-level 101:20s: expected/],
    [{ short: '5' }, /^--short 5: expected a duration/],
    [{ per: 'month' }, /^--per month: expected one of hour, halfhour, day, week, none/],
    [{ from: 'yesterday' }, /^--from yesterday: expected a date/],
    [{ from: '2024-05-01', to: '2024-05-01' }, /^--to 2024-05-01: expected an instant after "from"/],
  ]
  test.each(cases)('%o', (option, message) => {
    expect(() => waitsQuestion.query(option as never)).toThrow(message)
  })
  test('the name of a zone in other letters is that zone', () => {
    expect(waitsQuestion.query({ zone: 'europe/berlin' }).zone).toBe('Europe/Berlin')
  })
})

function fates({ answered, abandoned, closed, saturated, blocked, left, waiting, unended }: CallFigures): number {
  const { timeout, key, empty, other } = left
  return answered + abandoned + closed + saturated + blocked + timeout + key + empty + other + waiting + unended
}

function added(parts: readonly CallFigures[]): number[] {
  const of = ({ received, answered, abandoned, shortAbandons, callbacks, waiting }: CallFigures) => [
    ...[received, answered, abandoned, shortAbandons, callbacks.asked, callbacks.afterGivingUp, waiting],
  ]
  return parts.map(of).reduce((sum, one) => sum.map((value, index) => value + one[index]!), [0, 0, 0, 0, 0, 0, 0])
}

/** Products of many factors differ in their last digits with the order. */
function withoutHolding(report: ReturnType<typeof naiveWaits>): Partial<WaitsReport> {
  return JSON.parse(JSON.stringify(report, (key, value) => (key === 'holding' ? undefined : value)))
}
