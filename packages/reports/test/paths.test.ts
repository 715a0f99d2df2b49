import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chainsQuery } from '../src/chains/options.ts'
import { chainsReport } from '../src/chains/query.ts'
import type { Drill } from '../src/drill.ts'
import { breakpoints, breakpointsQuery } from '../src/index.ts'
import { pathsQuestion } from '../src/paths/question.ts'
import type { Ends, PathBranch } from '../src/paths/shape.ts'
import { business, options as selections } from './arbitrary.ts'
import { naivePaths, type PathsOptions, withoutDrills } from './paths-naive.ts'
import { createTables, storeAll, whileWriting } from './stored.ts'
import { CATALOGUE, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const ask = (question: PathsOptions = {}) => pathsQuestion.ask(db.store, pathsQuestion.query(question as never))
const drill = (options: Drill) => chainsReport(db.store, chainsQuery({ ...options, limit: '1000' } as never))

const touchpoint = fc.constantFrom('call_wait', 'ad', 'home', 'quote')
const options: fc.Arbitrary<PathsOptions> = fc
  .tuple(
    selections,
    fc.record(
      {
        fold: fc.constantFrom('repeats', 'none'),
        limit: fc.constantFrom('1', '2', '3', '5', '1000'),
        depth: fc.constantFrom('1', '2', '5'),
        tree: fc.tuple(fc.constantFrom('after', 'before'), touchpoint),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([{ at: _at, within: _within, ...selection }, { tree, ...own }]) => ({
    ...selection,
    ...own,
    ...(tree === undefined ? {} : { [tree[0]]: tree[1] }),
  }))

const touchpoints = (one: { catalogue: { touchpoints: ReadonlyMap<string, unknown> } }) => one.catalogue.touchpoints

describe('the report from the database', () => {
  test('equals the naive one in every number, whatever is asked', async () => {
    const asked = fc.array(options, { minLength: 6, maxLength: 6, size: 'max' })
    await fc.assert(
      fc.asyncProperty(business, asked, async (one, questions) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        for (const question of [{}, ...questions]) {
          const about = question.after ?? question.before
          if (about !== undefined && !touchpoints(one).has(about)) continue
          const got = await ask(question)
          expect(withoutDrills(got)).toEqual(naivePaths(one.people, question, one.tick))
          pathsQuestion.shape.parse(got)
          sameColumns(pathsQuestion.rows(got))
        }
      }),
      { numRuns: 10 },
    )
  }, 60_000)

  test('conserves the flow, and its ends are those of breakpoints', async () => {
    const asked = selections.map(({ at: _at, within: _within, ...selection }) => selection)
    await fc.assert(
      fc.asyncProperty(business, asked, async (one, question) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        const got = await ask({ ...question, limit: '1000' })
        const broke = await breakpoints(db.store, breakpointsQuery({ ...question, fresh: 'true' }))
        expect(got.totals).toMatchObject({
          chains: broke.totals.chains,
          ends: {
            converted: broke.totals.converted,
            broken: broke.totals.broken,
            open: broke.totals.open,
            ignored: broke.totals.ignored,
          },
        })
        for (const { by, totals, nodes, links, variants } of got.groups) {
          const places = broke.groups.find((group) => JSON.stringify(group.by) === JSON.stringify(by))!.breakpoints
          expect(nodes.map((node) => node.touchpoint).sort()).toEqual(
            places
              .filter(({ reached }) => reached > 0)
              .map((place) => place.touchpoint)
              .sort(),
          )
          for (const node of nodes) {
            const into = links.filter(({ to }) => to === node.touchpoint)
            const out = links.filter(({ from }) => from === node.touchpoint)
            expect(node.starts + sum(into.map((link) => link.occurrences))).toBe(node.occurrences)
            expect(countOf(node.ends) + sum(out.map((link) => link.occurrences))).toBe(node.occurrences)
            const place = places.find((one) => one.touchpoint === node.touchpoint)!
            expect([node.reached, node.ends]).toEqual([
              place.reached,
              {
                converted: place.convertedHere,
                broken: place.broke,
                open: place.openHere,
                ignored: place.ignoredHere,
                reasons: place.reasons,
              },
            ])
          }
          expect(sum(nodes.map(({ starts }) => starts))).toBe(totals.chains)
          expect(sum(variants.map(({ inChains }) => inChains))).toBe(totals.chains)
          expect(totals.chains + sum(links.map(({ occurrences }) => occurrences))).toBe(totals.occurrences)
        }
      }),
      { numRuns: 12 },
    )
  }, 60_000)

  test('of what is shown and what is folded away is the same total, whatever the limit', async () => {
    await fc.assert(
      fc.asyncProperty(business, fc.integer({ min: 1, max: 4 }), async (one, limit) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        const { totals, groups } = await ask({ limit: String(limit), after: 'call_wait' })
        const { nodes, otherNodes, links, otherLinks, variants, otherVariants, tree } = groups[0]!
        const ends = [...nodes, otherNodes].map((one) => one.ends)
        for (const state of ['converted', 'broken', 'open', 'ignored'] as const) {
          expect(sum(ends.map((one) => one[state]))).toBe(totals.ends[state])
          expect(sum([...variants, otherVariants].map((one) => one.ends[state]))).toBe(totals.ends[state])
        }
        expect(sum([...nodes, otherNodes].map((one) => one.starts))).toBe(totals.chains)
        expect(sum([...nodes, otherNodes].map((one) => one.occurrences))).toBe(totals.occurrences)
        expect(sum([...links, otherLinks].map((one) => one.occurrences))).toBe(totals.occurrences - totals.chains)
        const check = (branch: PathBranch): void => {
          const goOn = sum(branch.branches.map(({ inChains }) => inChains)) + branch.other.inChains
          expect(branch.endOfPath + goOn).toBe(branch.inChains)
          expect(countOf(branch.ends)).toBe(branch.inChains)
          branch.branches.forEach(check)
        }
        check(tree!)
      }),
      { numRuns: 10 },
    )
  }, 60_000)

  test('names for every row the options of `report chains` that list exactly its chains', async () => {
    await fc.assert(
      fc.asyncProperty(business, async (one) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        const got = await ask({ by: 'channel', where: ['by=customer'], from: '2024-03-02', date: 'end', limit: '3' })
        for (const { nodes, links, variants } of got.groups.slice(0, 2)) {
          for (const { reached, chains } of nodes) expect((await drill(chains)).chains.length).toBe(reached)
          for (const { inChains, chains } of [...links, ...variants]) {
            expect((await drill(chains!)).chains.length).toBe(inChains)
          }
        }
      }),
      { numRuns: 3 },
    )
  }, 60_000)

  test('is one moment, also while the tracker writes', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [])
    await whileWriting(db.store, CATALOGUE, PEOPLE, async () => {
      for (let round = 0; round < 20; round++) {
        const { totals, groups } = await ask()
        const { nodes, links, variants } = groups[0]!
        expect(sum(nodes.map(({ ends }) => countOf(ends)))).toBe(totals.chains)
        expect(sum(variants.map(({ inChains }) => inChains))).toBe(totals.chains)
        expect(sum(links.map(({ occurrences }) => occurrences))).toBe(totals.occurrences - totals.chains)
      }
    })
  })

  test('of nothing is empty', async () => {
    await storeAll(db.store, CATALOGUE, null, [])
    const got = await ask({ after: 'ad_view' })
    expect(got).toMatchObject({ asOf: null, totals: { chains: 0, occurrences: 0 } })
    expect(got.groups).toMatchObject([
      { by: {}, nodes: [], links: [], variants: [], tree: { inChains: 0, branches: [] } },
    ])
    expect((await ask({ by: 'channel' })).groups).toEqual([])
    expect(pathsQuestion.text(got, {})).toMatch(/^There are no chains here\./)
  })

  test('survives one chain of thousands of interactions', async () => {
    const told = Array.from({ length: 2000 }, (_, index) => {
      const at = new Date(Date.parse('2024-03-01T00:00Z') + index * 60_000).toISOString().slice(0, 19)
      return [at, index % 2 === 0 ? 'call_wait' : 'call_talk'] as const
    })
    const people = [customer('busy', told)]
    await storeAll(db.store, CATALOGUE, TICK, people)
    const question = { before: 'call_talk', depth: '10' }
    expect(withoutDrills(await ask(question))).toEqual(naivePaths(people, question, TICK))
  })
})

describe('repeats', () => {
  const PATIENT = customer('patient', [
    ['2024-03-03T10:00', 'ad_view'],
    ['2024-03-03T10:05', 'call_wait'],
    ['2024-03-03T10:06', 'call_wait'],
    ['2024-03-03T10:10', 'call_wait'],
    ['2024-03-04T10:00', 'visit'],
  ])

  test('are one step of a whole path, and a link of their own', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [PATIENT])
    const { variants, links } = (await ask()).groups[0]!
    expect(variants.map(({ path }) => path)).toEqual([['ad_view', 'call_wait', 'visit']])
    expect(links.find(({ from, to }) => from === to)).toMatchObject({
      from: 'call_wait',
      occurrences: 2,
      inChains: 1,
      timeMs: { p50: 60_000, p95: 240_000 },
    })
  })
  test('are each a step with --fold none', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [PATIENT])
    const { variants } = (await ask({ fold: 'none' })).groups[0]!
    expect(variants[0]).toMatchObject({
      path: ['ad_view', 'call_wait', 'call_wait', 'call_wait', 'visit'],
      chains: null,
    })
  })
})

test('messages that nobody answered are reached, once, but no part of the path', async () => {
  const silent = customer('silent', [
    ['2024-02-01T10:00', 'ad_view'],
    ['2024-02-02T10:00', 'sms'],
    ['2024-02-03T10:00', 'sms'],
  ])
  const answered = customer('answered', [
    ['2024-02-01T10:00', 'sms'],
    ['2024-02-02T10:00', 'call_wait'],
    ['2024-02-03T10:00', 'sms'],
  ])
  await storeAll(db.store, CATALOGUE, TICK, [silent, answered])
  const { nodes, variants } = (await ask()).groups[0]!
  expect(nodes[0]).toMatchObject({ touchpoint: 'sms', reached: 2, afterwards: 1, occurrences: 1, starts: 1 })
  expect(variants.map(({ path }) => path)).toEqual([['ad_view'], ['sms', 'call_wait']])
})

describe('an option that cannot be met says what can', () => {
  const cases: [option: PathsOptions, message: RegExp][] = [
    [{ limit: '0' }, /^--limit 0: expected a whole number from 1 to 1000$/],
    [{ limit: '1e3' }, /^--limit 1e3: expected a whole number/],
    [{ depth: '11' }, /^--depth 11: expected a whole number from 1 to 10$/],
    [{ fold: 'all' }, /^--fold all: expected one of repeats, none$/],
    [{ after: 'ad_view', before: 'visit' }, /^--before visit: expected no --after with it/],
    [{ from: 'yesterday' }, /^--from yesterday: expected a date/],
    [{ by: 'colour' }, /^--by colour: expected one of/],
  ]
  test.each(cases)('%o', (option, message) => {
    expect(() => pathsQuestion.query(option as never)).toThrow(message)
  })
  test('a touchpoint that there is not', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    await expect(ask({ after: 'cal_wait' })).rejects.toThrow(/^--after cal_wait: expected call_wait/)
    await expect(ask({ before: `x'; DROP TABLE customer_chains; --` })).rejects.toThrow(/^--before x'/)
  })
})

describe('in print', () => {
  test('the commonest path comes first, and nothing is wider than asked', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    const report = await ask({ after: 'call_wait' })
    expect(pathsQuestion.text(report, { width: 100 })).toMatchInlineSnapshot(`
      "The commonest of 5 paths is ad_view: 33 % of the chains; none of them has bought.

      6 chains: 3 broken, 1 converted, 1 open, 1 ignored.

      what follows what      times  chains  of those there  time p50/p95
      ad_view → call_wait        2       2            67 %         2m/4m
      call_talk → visit          1       1           100 %     2.2d/2.2d
      call_wait → call_talk      1       1            33 %         1m/1m
      call_wait → sms            1       1            33 %         1m/1m
      sms → call_wait            1       1            50 %     2.9d/2.9d

      chains  share  open  ignored  bought  whole path
           2   33 %     1        0     0 %  ad_view
           1   17 %     0        0     0 %  call_wait
           1   17 %     0        1       –  sms
           1   17 %     0        0     0 %  ad_view → call_wait
           1   17 %     0        0   100 %  ad_view → call_wait → sms → … → call_talk → visit

      where they end  chains  share  bought  open  ignored  broke  why
      ad_view              2   33 %       0     1        0      1  silence 100 %
      call_wait            2   33 %       0     0        0      2  abandoned 100 %
      sms                  1   17 %       0     0        1      0
      visit                1   17 %       1     0        0      0

      chains  share  bought  what came after the first call_wait
           3  100 %    33 %  call_wait
           1   33 %   100 %  ├─ sms
           1   33 %   100 %  │  └─ call_wait
           1   33 %   100 %  │     └─ call_talk
           2   67 %          └─ (end here)

      A path ends at the place where the chain is or ended. "of those there": of the ended chains that
      were at the first, how many went on directly to the second. "bought": of the ended ones.
      Go on: \`weaklink report paths --after ad_view\`, or the chains themselves: \`weaklink report chains
      --variant 'ad_view'\`.
      As of 2024-04-10 00:00 UTC.
      "
    `)
    for (const width of [80, 100]) {
      const lines = pathsQuestion.text(await ask({ by: 'channel', limit: '2', before: 'visit' }), { width }).split('\n')
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width)
    }
  })
  test('what can be compared is the share of each link among ended chains', async () => {
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
    expect(pathsQuestion.rates!(await ask({ limit: '1' }))).toEqual([
      { key: { from: 'ad_view', to: 'call_wait' }, name: 'share', part: 2, of: 3 },
    ])
  })
})

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function countOf({ converted, broken, open, ignored }: Ends): number {
  return converted + broken + open + ignored
}

function sameColumns(rows: readonly object[]): void {
  expect(new Set(rows.map((row) => Object.keys(row).join())).size).toBeLessThanOrEqual(1)
}
