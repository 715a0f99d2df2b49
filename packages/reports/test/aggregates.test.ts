import type { Store } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type AggregatesUse, aggregatedBreakpoints } from '../src/breakpoints/aggregated.ts'
import { KeptDays } from '../src/breakpoints/kept-days.ts'
import { freshBreakpoints } from '../src/breakpoints/query.ts'
import { breakpointsReport } from '../src/breakpoints/shape.ts'
import { type BreakpointsOptions, breakpoints, breakpointsQuery } from '../src/index.ts'
import { business } from './arbitrary.ts'
import { naiveBreakpoints } from './naive.ts'
import { createTables, storeAll, storePeople, whileWriting } from './stored.ts'
import { ANNA, BORIS, CATALOGUE, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
  // Here nothing refreshes them but the test.
  await db.store.command('ALTER TABLE aggregates_refresh MODIFY REFRESH EVERY 100 YEAR')
})
afterAll(() => db.stop())

/** Whatever there is, and however old. */
const ALWAYS: AggregatesUse = { fromInteractions: 0, untilAgeMs: Number.POSITIVE_INFINITY }

/** One that began after this was called: one that was under way may have read before. */
async function refresh(store: Store): Promise<void> {
  const [now] = await store.query<{ at: string }>('SELECT now64(3) AS at')
  for (;;) {
    await store.command('SYSTEM REFRESH VIEW aggregates_refresh')
    await store.command('SYSTEM WAIT VIEW aggregates_refresh')
    const [made] = await store.query<{ at: string }>(
      "SELECT max(refreshedAt) AS at FROM aggregates WHERE kind = 'head'",
    )
    if ((made?.at ?? '') >= (now?.at ?? '')) return
  }
}

const aggregated = (options: BreakpointsOptions = {}, use = ALWAYS) =>
  aggregatedBreakpoints(db.store, breakpointsQuery(options), undefined, use)
/** By a process that answers many. */
const keeping = (kept: KeptDays, options: BreakpointsOptions = {}, use = ALWAYS) =>
  aggregatedBreakpoints(db.store, breakpointsQuery(options), kept, use)
const fresh = (options: BreakpointsOptions = {}) => freshBreakpoints(db.store, breakpointsQuery(options))

const DAY = 86_400_000
const day = fc.integer({ min: -2, max: 30 }).map((n) => new Date(Date.UTC(2024, 2, 1) + n * DAY).toISOString())
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const answerable: fc.Arbitrary<BreakpointsOptions> = fc
  .record({
    from: optional(day),
    to: optional(day),
    by: optional(fc.constantFrom('channel', 'campaign', 'channel,campaign', 'campaign,channel')),
    where: optional(
      fc
        .subarray(['channel', 'campaign'])
        .chain((keys) =>
          fc.tuple(
            ...keys.map((key) =>
              fc.constantFrom(
                ...(key === 'channel' ? ['ads', 'seo', "o'neil\\", '', 'none'] : ['spring', '', 'none']).map(
                  (value) => `${key}=${value}`,
                ),
              ),
            ),
          ),
        ),
    ),
  })
  .filter(({ from, to }) => from === undefined || to === undefined || from < to)

describe('the aggregates', () => {
  test('say what the chains themselves say, in every field, and what is naively counted', async () => {
    const asked = fc.array(answerable, { minLength: 8, maxLength: 8, size: 'max' })
    await fc.assert(
      fc.asyncProperty(business, asked, async (one, questions) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        await refresh(db.store)
        const kept = new KeptDays(db.store)
        for (const question of [{}, ...questions]) {
          const got = await aggregated(question)
          expect({ ...got, refreshedAt: null }).toEqual(await fresh(question))
          expect({ ...got, refreshedAt: null }).toEqual(naiveBreakpoints(one.people, question, one.tick))
          expect(breakpointsReport.parse(got).refreshedAt).not.toBeNull()
          // Of the period that is asked for, and of one before.
          expect(await keeping(kept, { ...question, from: undefined, to: undefined })).not.toBeNull()
          expect(await keeping(kept, question)).toEqual(got)
        }
      }),
      { numRuns: 8 },
    )
  })

  test('know the waits exactly: from none to far apart, also many that are alike', async () => {
    const wait = fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 100_000 }),
      fc.constant(2 ** 40),
      fc.constantFrom(7, 8, 15, 16, 17, 1023, 1024),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(wait, { minLength: 1, maxLength: 60, size: 'max' }), async (waits) => {
        const people = waits.map((waitMs, n) => {
          const at = `2024-03-0${(n % 9) + 1}T10:00`
          return customer(`c${n}`, [[at, 'call_wait', { waitMs, ...(n % 3 === 0 ? { channel: 'ads' } : {}) }]])
        })
        await storeAll(db.store, CATALOGUE, TICK, people)
        await refresh(db.store)
        for (const question of [{}, { by: 'channel' }, { from: '2024-03-02', to: '2024-03-08' }]) {
          expect({ ...(await aggregated(question)), refreshedAt: null }).toEqual(await fresh(question))
        }
      }),
      { numRuns: 5, examples: [[[0]], [Array.from({ length: 70 }, (_, wait) => wait)], [[0, 3, 2 ** 53 - 1]]] },
    )
  })

  test('say how many customers stand on an older catalogue', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await storePeople(db.store, 'an older hash', PEOPLE.slice(0, 2), 2)
    await refresh(db.store)
    expect((await aggregated())?.olderCatalogue).toBe(2)
  })

  test('are of one state, also while the tracker writes and they are made anew', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [])
    await refresh(db.store)
    const kept = new KeptDays(db.store)
    const asked = async () => {
      let answers = 0
      for (let round = 0; round < 40; round++) {
        const got = await (round % 2 === 0 ? aggregated() : keeping(kept))
        if (got === null) continue
        answers += 1
        const sum = (field: 'broke' | 'convertedHere' | 'openHere' | 'ignoredHere') =>
          got.groups[0]!.breakpoints.reduce((total, place) => total + place[field], 0)
        const { broken, converted, open, ignored, chains, customers } = got.totals
        expect([sum('broke'), sum('convertedHere'), sum('openHere'), sum('ignoredHere')]).toEqual([
          broken,
          converted,
          open,
          ignored,
        ])
        // Five people a round, of whom one has two chains.
        expect(chains).toBe((customers / 5) * 6)
        const waits = got.groups[0]!.breakpoints.find(({ touchpoint }) => touchpoint === 'call_wait')?.waitMs
        expect(waits).toEqual(customers === 0 ? undefined : { p50: expect.any(Number), p95: 95_000 })
      }
      expect(answers).toBeGreaterThan(0)
    }
    await whileWriting(db.store, CATALOGUE, PEOPLE, asked, () => refresh(db.store))
  })

  test('that a process keeps are made anew as well, while it answers, with those waits that were asked for', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [ANNA])
    await refresh(db.store)
    const kept = new KeptDays(db.store)
    const [first, narrow] = [await keeping(kept), await keeping(kept, { from: '2024-03-02', where: 'channel=seo' })]
    expect(first?.totals.customers).toBe(1)
    expect(narrow?.refreshedAt).toBe(first?.refreshedAt)
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await refresh(db.store)
    const now = await aggregated()
    await vi.waitFor(async () => expect(await keeping(kept)).toEqual(now), { timeout: 20_000 })
    const other = { from: '2024-03-02', where: 'channel=seo' }
    await vi.waitFor(async () => expect(await keeping(kept, other)).toEqual(await aggregated(other)), {
      timeout: 20_000,
    })
  })

  test('that are too many to keep are asked for', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await refresh(db.store)
    await db.store.command(`
      INSERT INTO aggregates (kind, level, touchpoint, day, counts, waiting, refreshedAt, asOf)
      SELECT 'places', 0, toString(number), toDate32('2199-01-01'), arrayWithConstant(11, toUInt64(0)), [], refreshedAt, asOf
      FROM (SELECT refreshedAt, asOf FROM aggregates WHERE kind = 'head') AS head, numbers(40000) AS numbers`)
    const options = { to: '2190-01-01' }
    expect(await keeping(new KeptDays(db.store), options)).toEqual(await aggregated(options))
    await refresh(db.store)
  })

  test('are taken over where nothing changed, as of now; and made anew where something did', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [ANNA])
    await refresh(db.store)
    const before = await aggregated()
    const position = { partition: 0, epoch: 1, logIdentity: 'log', offset: 2, catalogue: CATALOGUE.hash, accepted: 1 }
    const counts = { duplicates: 0, conflicts: 0, rejected: 0, newestAt: null, imports: [] }
    const later = { ...position, ...counts, tick: '2024-05-01T00:00:00.000Z' }
    await db.store.command(`INSERT INTO positions FORMAT JSONEachRow ${JSON.stringify(later)}`)
    await db.store.command(
      'INSERT INTO interactions_log (customer, id) SELECT toString(number), toString(number) FROM numbers(7)',
    )
    await refresh(db.store)
    const after = await aggregated()
    expect(after).toEqual({ ...before, asOf: '2024-05-01T00:00:00.000Z', refreshedAt: after?.refreshedAt })
    expect((after?.refreshedAt ?? '') > (before?.refreshedAt ?? '')).toBe(true)
    expect(await aggregated({}, { ...ALWAYS, fromInteractions: 7 })).not.toBeNull()
    expect(await aggregated({}, { ...ALWAYS, fromInteractions: 8 })).toBeNull()
    await storePeople(db.store, CATALOGUE.hash, [BORIS], 2)
    expect((await aggregated())?.totals.customers).toBe(1)
    await refresh(db.store)
    expect((await aggregated())?.totals.customers).toBe(2)
  })
})

describe('the chains themselves are read', () => {
  beforeAll(async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await refresh(db.store)
  })

  const cases: [why: string, options: BreakpointsOptions][] = [
    ['where that is asked for', { fresh: 'true' }],
    ['for a period that begins within a day', { from: '2024-03-01T10:00:00Z' }],
    ['for a period that ends at midnight elsewhere', { to: '2024-03-08T00:00:00+01:00' }],
    ['by the end of chains', { date: 'end' }],
    ['for the furthest place', { at: 'furthest' }],
    ['for episodes', { within: 'phone' }],
    ['by another key', { by: 'channel,returning' }],
    ['where another key selects', { where: 'props.x=1' }],
    ['for several values', { where: ['channel=ads', 'channel=seo'] }],
    ['for a year that the aggregates do not know', { to: '9000-01-01' }],
  ]
  test.each(cases)('%s', async (_, options) => {
    expect(await aggregated(options)).toBeNull()
  })

  test('where there are few interactions, which is no slower', async () => {
    expect(await aggregatedBreakpoints(db.store, breakpointsQuery({}))).toBeNull()
    expect(await aggregatedBreakpoints(db.store, breakpointsQuery({}), new KeptDays(db.store))).toBeNull()
    expect((await breakpoints(db.store, breakpointsQuery({}))).refreshedAt).toBeNull()
  })

  test('where the aggregates are too old', async () => {
    expect(await aggregated({}, { ...ALWAYS, untilAgeMs: -1 })).toBeNull()
    expect(await aggregated({}, { ...ALWAYS, untilAgeMs: 60_000 })).not.toBeNull()
  })

  test('where there are no aggregates yet', async () => {
    const kept = new KeptDays(db.store)
    expect(await keeping(kept)).not.toBeNull()
    await db.store.command('TRUNCATE TABLE aggregates')
    expect(await aggregated()).toBeNull()
    // What is kept answers for as long as it is not too old.
    expect(await keeping(kept)).not.toBeNull()
    expect(await keeping(kept, {}, { ...ALWAYS, untilAgeMs: -1 })).toBeNull()
    await refresh(db.store)
    expect(await aggregated()).not.toBeNull()
  })

  test('what --fresh may be', () => {
    expect(() => breakpointsQuery({ fresh: 'maybe' })).toThrow(/^--fresh maybe: expected one of true, false$/)
    expect(breakpointsQuery({ fresh: 'false' }).fresh).toBe(false)
  })
})

describe('the views of them', () => {
  test('add up to the report and to one another, however they are split', async () => {
    await fc.assert(
      fc.asyncProperty(business, async (one) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        await refresh(db.store)
        const { totals, groups } = await fresh()
        const [conversion] = await db.store.query(`
          SELECT sum(chains) AS chains, sum(open) AS open, sum(atRisk) AS atRisk, sum(converted) AS converted,
            sum(reversed) AS reversed, sum(complained) AS complained, sum(broken) AS broken, sum(ignored) AS ignored,
            sum(returned) AS returned, sum(returnedAndBought) AS returnedAndBought
          FROM conversion_daily`)
        const { customers: _, ...ofChains } = totals
        expect(conversion).toEqual(ofChains)
        const places = await db.store.query<{ touchpoint: string; counts: number[] }>(`
          SELECT touchpoint, [sum(interactions), sum(reached), sum(convertedHere), sum(openHere), sum(ignoredHere), sum(broke),
            sum(returned), sum(recovered), sumIf(broke, reason = 'refused'), sumIf(broke, reason = 'abandoned'),
            sumIf(broke, reason = 'dissatisfied'), sumIf(broke, reason = 'silence')] AS counts
          FROM breakpoints_daily GROUP BY touchpoint ORDER BY touchpoint`)
        const expected = groups[0]!.breakpoints.map((place) => {
          const { interactions, reached, convertedHere, openHere, ignoredHere, broke, returned, recovered, reasons } =
            place
          const ends = [convertedHere, openHere, ignoredHere, broke, returned, recovered, ...Object.values(reasons)]
          return { touchpoint: place.touchpoint, counts: [interactions, reached, ...ends] }
        })
        const byTouchpoint = (a: { touchpoint: string }, b: { touchpoint: string }) =>
          a.touchpoint < b.touchpoint ? -1 : 1
        expect(places.sort(byTouchpoint)).toEqual(expected.sort(byTouchpoint))
        const waited = one.people
          .flatMap(({ chains }) => chains.flatMap(({ interactions }) => interactions))
          .filter(({ interaction }) => interaction.waitMs !== undefined)
        const [hours] = await db.store.query(`
          SELECT sum(interactions) AS interactions, sum(abandoned) AS abandoned, sum(waitMs) AS waitMs, max(longestMs) AS longestMs
          FROM waits_hourly`)
        const waits = waited.map(({ interaction }) => interaction.waitMs ?? 0)
        expect(hours).toEqual({
          interactions: waits.length,
          abandoned: waited.filter(({ outcome }) => outcome === 'abandoned').length,
          waitMs: waits.reduce((sum, wait) => sum + wait, 0),
          longestMs: Math.max(0, ...waits),
        })
      }),
      { numRuns: 8 },
    )
  })
})
