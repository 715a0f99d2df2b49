import type { Chain } from '@weaklink/chains'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askable } from '../src/answer.ts'
import { type FunnelOptions, funnelQuery } from '../src/funnel/options.ts'
import { funnel } from '../src/funnel/query.ts'
import { funnelQuestion } from '../src/funnel/question.ts'
import { type FunnelReport, funnelReport } from '../src/funnel/shape.ts'
import { breakpoints, breakpointsQuery } from '../src/index.ts'
import { type Business, business } from './arbitrary.ts'
import { type Attempt, attemptOf, bestAttempt, naiveStep, naiveTimes } from './funnel-naive.ts'
import type { PersonChains } from './naive.ts'
import { createTables, storeAll, whileWriting } from './stored.ts'
import { ANNA, CATALOGUE, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const ask = (options: FunnelOptions) => funnel(db.store, funnelQuery(options))

/** Chains that the options select, with the values of `by`. */
function selected(people: readonly PersonChains[], options: FunnelOptions) {
  const [from, to] = [options.from, options.to].map((text) => (text === undefined ? null : Date.parse(text)))
  const keyOf = (person: PersonChains['person'], chain: Chain, key: string) =>
    key === 'customer'
      ? person.kind === 'customer'
        ? person.customer
        : null
      : (chain.interactions[0]!.interaction[key as 'channel' | 'touchpoint'] ?? null)
  return people.flatMap(({ person, chains }) =>
    chains
      .filter((chain) => {
        const instant = options.date === 'end' ? chain.closedAt : chain.startedAt
        if (options.open === 'out' && chain.state === 'open') return false
        if (options.where !== undefined && keyOf(person, chain, 'channel') !== 'ads') return false
        return instant !== null && (from == null || instant >= from) && (to == null || instant < to)
      })
      .map((chain) => {
        const values = [options.by ?? []].flat().map((key) => keyOf(person, chain, key))
        return { person, chain, group: JSON.stringify(values) }
      }),
  )
}

function naiveGroups(people: readonly PersonChains[], options: FunnelOptions) {
  const { funnel: asked, between } = funnelQuery(options)
  const chains = selected(people, options)
  const all = chains.map(({ person, chain, group }) =>
    attemptOf(`${person.kind} ${person.customer}`, chain, group, asked),
  )
  const attempts: Attempt[] =
    options.count === 'customers'
      ? [...Map.groupBy(all, (attempt) => attempt.customer).values()].map((own) => bestAttempt(own, asked))
      : all
  const names = new Set(options.by === undefined ? ['[]'] : chains.map(({ group }) => group))
  const groups = [...names].map((group) => {
    const own = attempts.filter((attempt) => attempt.group === group)
    return {
      group,
      chains: chains.filter((one) => one.group === group).length,
      steps: asked.steps.map((_, step) => naiveStep(own, asked, step)),
      times: between === null ? null : naiveTimes(own, between),
    }
  })
  return groups.sort(
    (a, b) => b.steps[0]!.reached - a.steps[0]!.reached || b.chains - a.chains || (a.group < b.group ? -1 : 1),
  )
}

/** The report in the form of the naive one. */
function plain(report: FunnelReport) {
  return report.groups.map(({ by, chains, steps, time }) => ({
    group: JSON.stringify(Object.values(by)),
    chains,
    steps: steps.map(({ reached, passed, converted, lost, reasons, ignored, open, fromFirst, fromPrevious }) => ({
      ...{ reached, passed, converted, lost, reasons, ignored, open },
      fromFirst: [fromFirst.part, fromFirst.of],
      fromPrevious: fromPrevious === null ? null : [fromPrevious.part, fromPrevious.of],
    })),
    time,
  }))
}

const STEPS: FunnelOptions[] = [
  { steps: 'ad > call_wait > pay' },
  { steps: 'call_wait > call_talk > call_wait|home > pay', window: '10d' },
  { steps: 'home > call_wait<2d > call_talk<2d', between: '2:3' },
  { steps: 'call_wait > not call_talk:abandoned > home? > call_talk|pay', window: '6d' },
  { steps: 'call_wait > home > call_talk', order: 'strict' },
  { steps: 'call_wait > call_talk:continued > home?', order: 'strict' },
  { steps: 'home > call_wait > call_talk', order: 'any', between: '1:2' },
  { steps: '^call_wait > home > call_talk|home > ^call_wait', order: 'any', window: '9d' },
  { steps: 'call_wait' },
  { steps: 'неизвестно > call_wait:bought' },
]
const options = fc
  .record({
    steps: fc.constantFrom(...STEPS),
    count: fc.constantFrom(undefined, undefined, 'customers' as const),
    open: fc.constantFrom(undefined, undefined, 'out' as const),
    by: fc.constantFrom(undefined, undefined, ['channel'], ['touchpoint', 'customer']),
    where: fc.constantFrom(undefined, undefined, ['channel=ads']),
    date: fc.constantFrom(undefined, 'end' as const),
    from: fc.constantFrom(undefined, undefined, '2024-03-04'),
    to: fc.constantFrom(undefined, undefined, '2024-03-12T06:00:00Z'),
  })
  .map(({ steps, ...rest }): FunnelOptions => ({ ...steps, ...rest }))

describe('the report from the database', () => {
  test('equals the naive one in every number, whatever is asked; its sums are those of breakpoints', async () => {
    const asked = fc.array(options, { minLength: 8, maxLength: 8, size: 'max' })
    await fc.assert(
      fc.asyncProperty(business, asked, async (one, questions) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        for (const question of questions) {
          const report = await askKnown(question, one)
          if (report === null) continue
          funnelReport.parse(report)
          const naive = naiveGroups(one.people, question)
          expect(plain(report).map(({ time: _, ...group }) => group)).toEqual(
            naive.map(({ times: _, ...group }) => group),
          )
          for (const [index, { time }] of report.groups.entries()) checkTime(time, naive[index]!.times)
          checkSums(report, selected(one.people, question))
        }
      }),
      { numRuns: 14 },
    )
  })

  test('the first step reaches what breakpoints say is reached', async () => {
    await fc.assert(
      fc.asyncProperty(business, async (one) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        const { groups, totals } = await breakpoints(db.store, breakpointsQuery({ fresh: 'true' }))
        for (const { touchpoint, reached } of groups[0]!.breakpoints) {
          const report = await ask({ steps: `${touchpoint} > ${touchpoint}` })
          if (one.catalogue.touchpoints.get(touchpoint)?.result !== true) {
            expect(report.groups[0]!.steps[0]!.reached).toBe(reached)
          }
          const { open, converted, broken, ignored, chains, customers } = totals
          expect(report.totals).toEqual({ open, converted, broken, ignored, chains, customers })
        }
      }),
      { numRuns: 4 },
    )
  })

  test('lists the chains of every number', async () => {
    const words = ['reached', 'passed', 'converted', 'lost', 'silence', 'abandoned', 'ignored', 'open'] as const
    await fc.assert(
      fc.asyncProperty(business, options, async (one, question) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        const report = await askKnown({ ...question, limit: undefined }, one)
        if (report === null) return
        for (const group of report.groups.slice(0, 2)) {
          for (const [index, step] of group.steps.entries()) {
            for (const what of words) {
              // Left out, there are none to list: that is refused.
              if (what === 'open' && question.open === 'out') continue
              const expected = what === 'silence' || what === 'abandoned' ? step.reasons[what] : step[what]
              const chains = `${index + 1}:${what}`
              const of = step.chains.group
              const { list } = await ask({ ...question, chains, ...(of === undefined ? {} : { group: of }) })
              expect([what, list?.count]).toEqual([what, expected])
              expect(list?.chains.length).toBe(Math.min(expected, 50))
            }
          }
        }
      }),
      { numRuns: 2 },
    )
  })

  test('of nothing is empty', async () => {
    await storeAll(db.store, CATALOGUE, null, [])
    const report = await ask({ steps: 'ad_view > visit' })
    expect(report).toMatchObject({ asOf: null, totals: { chains: 0, customers: 0 }, list: null })
    expect(report.groups[0]!.steps[1]!.fromFirst).toEqual({ part: 0, of: 0, rate: null, low: null, high: null })
    expect((await ask({ steps: 'ad_view > visit', by: 'channel', count: 'customers' })).groups).toEqual([])
  })

  test('is one moment, also while the tracker writes', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [])
    await whileWriting(db.store, CATALOGUE, PEOPLE, async () => {
      for (let round = 0; round < 15; round++) {
        // Of the story, 1 of 5 customers has two chains and ad_view is in 4 of the 6.
        const { totals, groups } = await ask({ steps: 'ad_view > call_wait > visit' })
        expect(totals.chains * 4).toBe(groups[0]!.steps[0]!.reached * 6)
      }
    })
  })

  /** Null where the business knows a touchpoint too few. */
  async function askKnown(question: FunnelOptions, { catalogue, people }: Business): Promise<FunnelReport | null> {
    const met = people.flatMap(({ chains }) => chains.flatMap((chain) => chain.interactions))
    const known = new Set([...catalogue.touchpoints.keys(), ...met.map((one) => one.interaction.touchpoint)])
    const { steps } = funnelQuery(question).funnel
    const named = steps.flatMap(({ alternatives, not }) => [...alternatives, ...not])
    if (named.every(({ touchpoint }) => known.has(touchpoint))) return await ask(question)
    await expect(ask(question)).rejects.toThrow(/^--steps .*: expected/)
    return null
  }
})

function checkTime(time: FunnelReport['groups'][number]['time'], sorted: readonly number[] | null): void {
  if (time === null || sorted === null) {
    expect([time, sorted]).toEqual([null, null])
    return
  }
  const { count, min, p50, p90, max, histogram } = time
  expect([count, min, max]).toEqual([sorted.length, sorted[0] ?? null, sorted.at(-1) ?? null])
  const rank = (percent: number) => sorted.find((_, index) => (index + 1) * 100 >= percent * sorted.length) ?? null
  expect([p50, p90]).toEqual([rank(50), rank(90)])
  expect(histogram.reduce((sum, bar) => sum + bar.count, 0)).toBe(count)
  for (const { from, to, count } of histogram) {
    expect(sorted.filter((value) => value >= from && value < (to ?? Infinity)).length).toBe(count)
  }
}

function checkSums(report: FunnelReport, chains: readonly { chain: Chain }[]): void {
  const { totals } = report
  expect(totals.chains).toBe(chains.length)
  expect(totals.chains).toBe(totals.open + totals.converted + totals.broken + totals.ignored)
  expect(report.groups.reduce((sum, group) => sum + group.chains, 0)).toBe(totals.chains)
  for (const { steps } of report.groups) {
    for (const step of steps) {
      const { refused, abandoned, dissatisfied, silence } = step.reasons
      expect(step.lost).toBe(refused + abandoned + dissatisfied + silence)
      expect(step.reached).toBe(step.passed + step.converted + step.lost + step.ignored + step.open)
    }
    const required = steps.filter(({ optional }) => !optional)
    for (const [index, step] of required.entries()) expect(step.passed).toBe(required[index + 1]?.reached ?? 0)
  }
}

describe('a small clinic', () => {
  const again = [
    ...PEOPLE,
    customer('fay', [
      ['2024-03-01T08:00', 'ad_view', { channel: 'ads' }],
      ['2024-03-01T09:00', 'call_wait', { outcome: 'abandoned' }],
      ['2024-04-08T08:00', 'ad_view', { channel: 'seo' }],
      ['2024-04-08T09:00', 'call_wait'],
      ['2024-04-08T09:05', 'call_talk'],
    ]),
  ]

  test('by chains: who came how far, and what became of the others', async () => {
    await storeAll(db.store, CATALOGUE, TICK, again)
    const report = await ask({ steps: 'ad_view > call_wait > call_talk > visit' })
    const shown = report.groups[0]!.steps.map(({ text, reached, passed, converted, lost, open }) => [
      ...[text, reached, passed, converted, lost, open],
    ])
    expect(shown).toEqual([
      ['ad_view', 6, 4, 0, 1, 1],
      ['call_wait', 4, 2, 0, 2, 0],
      ['call_talk', 2, 1, 0, 0, 1],
      ['visit', 1, 0, 1, 0, 0],
    ])
    // Anna, in days and hours: 3 March 10:21 to 8 March 15:00.
    expect(report.groups[0]!.time).toMatchObject({ from: 1, to: 4, count: 1, p50: (5 * 24 * 60 + 279) * 60_000 })
    // Of the 4 that ended, 1.
    expect(report.groups[0]!.steps[3]!.fromFirst).toMatchObject({ part: 1, of: 4, rate: 0.25 })
  })

  test('by customers: each once, by the best chain, in the group of that chain', async () => {
    await storeAll(db.store, CATALOGUE, TICK, again)
    const report = await ask({ steps: 'ad_view > call_wait > call_talk', count: 'customers', by: 'channel' })
    const shown = report.groups.map(({ by, steps }) => [by.channel, ...steps.map(({ reached }) => reached)])
    expect(shown).toEqual([
      ['seo', 3, 1, 1],
      ['ads', 2, 2, 1],
      [null, 0, 0, 0],
    ])
    expect(report.totals.customers).toBe(6)
  })

  test('a list, page by page, the newest start first', async () => {
    await storeAll(db.store, CATALOGUE, TICK, again)
    const question = { steps: 'ad_view > call_wait > visit', chains: '1', limit: '4' }
    const { list: first } = await ask(question)
    expect(first).toMatchObject({ step: 1, text: 'ad_view', what: 'reached', count: 6 })
    expect(first!.chains.map((chain) => chain.customer)).toEqual(['fay', 'clara', 'boris', 'anna'])
    expect(first!.chains[3]).toMatchObject({
      state: 'converted',
      place: 'visit',
      path: [{ times: 1 }, {}, {}, {}, {}, {}],
    })
    const { list: second } = await ask({ ...question, cursor: first!.next! })
    expect([second!.chains.map((chain) => chain.customer), second!.next, second!.count]).toEqual([
      ['emil', 'fay'],
      null,
      6,
    ])
    const lost = await ask({ ...question, chains: '2:abandoned', limit: '1000' })
    expect(lost.list!.chains.map((chain) => chain.customer)).toEqual(['boris', 'fay'])
  })

  test('as text, as rows and as rates', async () => {
    await storeAll(db.store, CATALOGUE, TICK, again)
    const question = { steps: 'ad_view > call_wait > [call_talk|visit]<3d? > visit' }
    const report = await ask(question)
    const text = funnelQuestion.text(report, { width: 100 })
    expect(text).toMatch(/^6 chains came to ad_view; of those that ended 25 % came to visit \(95 %: 4.6 to 69.9 %\)\./)
    expect(text).toMatch(/lost\s+after\s+call_wait: 2 of 4 that came so far \(100 % abandoned\)\./)
    expect(text).toContain('3 [call_talk|visit]<3d?')
    expect(text).toContain('not counted as lost')
    for (const width of [40, 60, 100]) {
      for (const line of funnelQuestion.text(report, { width }).split('\n'))
        expect(line.length).toBeLessThanOrEqual(width)
    }
    const rows = funnelQuestion.rows(report)
    expect(rows).toHaveLength(4)
    expect(rows[1]).toMatchObject({ step: 2, text: 'call_wait', reached: 4, lost: 2, abandoned: 2 })
    expect(new Set(rows.map((row) => Object.keys(row).join())).size).toBe(1)
    expect(funnelQuestion.rates!(report)).toContainEqual({
      key: { step: 4, text: 'visit' },
      name: 'fromFirst',
      part: 1,
      of: 4,
    })
    const listed = await ask({ ...question, chains: '2:lost' })
    expect(funnelQuestion.text(listed, {})).toMatch(
      /^Step 2, call_wait: 2 chains were lost after it\.\n\nboris · chain 1/,
    )
    expect(funnelQuestion.rows(listed)[0]).toMatchObject({ customer: 'boris', touchpoints: 'ad_view > call_wait' })
  })

  test('all listed chains, for a program, however many', async () => {
    const people = Array.from({ length: 120 }, (_, n) => customer(`lost-${n}`, [['2024-03-01T10:00', 'ad_view']]))
    await storeAll(db.store, CATALOGUE, TICK, people)
    const rowsOf = async (options: FunnelOptions) => {
      const rows = []
      for await (const block of askable(funnelQuestion).prepare(options).rows(db.store)) rows.push(...block)
      return rows
    }
    const steps = 'ad_view > call_wait'
    expect(await rowsOf({ steps, chains: '1:lost' })).toHaveLength(120)
    expect(await rowsOf({ steps, chains: '1:lost', limit: '7' })).toHaveLength(7)
    expect(await rowsOf({ steps })).toEqual(funnelQuestion.rows(await ask({ steps })))
    await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
  })

  test('a touchpoint that there is not', async () => {
    await storeAll(db.store, CATALOGUE, TICK, [ANNA])
    await expect(ask({ steps: 'ad_view > vist' })).rejects.toThrow(/^--steps vist: expected visit, or another/)
    await expect(ask({ steps: 'ad_view > not cal > visit' })).rejects.toThrow(/^--steps cal: expected/)
  })

  test('thousands of interactions in one chain', async () => {
    const told = Array.from({ length: 3000 }, (_, index) => {
      const at = new Date(Date.parse('2024-03-01T00:00Z') + index * 60_000).toISOString().slice(0, 19)
      return [at, index % 2 === 0 ? 'call_wait' : 'call_talk'] as const
    })
    await storeAll(db.store, CATALOGUE, TICK, [customer('busy', told)])
    for (const order of ['steps', 'strict', 'any']) {
      const steps = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? 'call_wait' : 'call_talk')).join(' > ')
      const report = await ask({ steps, order, window: '39m' })
      expect(report.groups[0]!.steps[39]!.reached).toBe(1)
    }
  })
})
