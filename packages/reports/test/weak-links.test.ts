import type { Chain } from '@weaklink/chains'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chainsQuery, chainsReport } from '../src/index.ts'
import { parseKey } from '../src/keys.ts'
import { furtherOf } from '../src/weak-links/progress.ts'
import { weakLinksQuestion } from '../src/weak-links/question.ts'
import { search } from '../src/weak-links/search.ts'
import type { SegmentValue } from '../src/weak-links/segments.ts'
import type { Series } from '../src/weak-links/series.ts'
import type { WeakLink } from '../src/weak-links/shape.ts'
import { storeSource } from '../src/weak-links/source.ts'
import { placesOf, type Scope } from '../src/weak-links/sql.ts'
import { windowLevels } from '../src/weak-links/windows.ts'
import { business } from './arbitrary.ts'
import type { PersonChains } from './naive.ts'
import { createTables, storeAll } from './stored.ts'
import { CATALOGUE, PEOPLE, TICK } from './story.ts'
import { naiveSource, type PlainChain, plainChain, precedencesOf, yieldsOf } from './weak-links-naive.ts'
import { peopleOf, CATALOGUE as SHOP, START } from './weak-links-planted.ts'

const DAY = 86_400_000
const { query, ask, text, rows, shape } = weakLinksQuestion
let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const answer = async (options: Parameters<typeof query>[0] = {}) => shape.parse(await ask(db.store, query(options)))

describe('what the store counts', () => {
  test('is what one counts chain by chain, in every series', async () => {
    await fc.assert(
      fc.asyncProperty(business, fc.integer({ min: 1, max: 3 }), async ({ catalogue, tick, people }, minChains) => {
        await storeAll(db.store, catalogue, tick, people)
        const { totals, looked, settledThrough } = await answer({ minChains: '10' })
        expect(totals).toEqual(naiveTotals(people, settledThrough))
        if (looked.from === null || looked.to === null) return

        const [from, to] = [Date.parse(looked.from) / DAY, Date.parse(looked.to) / DAY]
        const values = [
          'channel=ads',
          'channel=seo',
          'campaign=',
          'campaign=spring',
          'returning=true',
          'returning=false',
        ]
          .concat('props.plan=1', 'props.plan=true', 'props.plan=', 'props.plan=pro')
          .map(segmentValue)
        const plain = settledOf(people, to).map(({ chain, before }) =>
          plainChain(
            chain,
            from,
            values.flatMap((value, index) => (hasValue(chain, before, value) ? [index + 1] : [])),
          ),
        )
        const naive = naiveSource(plain, { days: to - from, minChains })
        const selection = { from: null, to: null, date: 'start' as const, where: new Map() }
        const scope: Scope = { selection, from, to, step: 1, values }
        const yields = yieldsOf(plain).filter(({ reached }) => reached >= minChains)
        const source = storeSource(db.store, scope, placesOf(furtherOf(yields, precedencesOf(plain))), minChains)

        const singles = await naive.singles()
        expect(counted(await source.singles())).toEqual(counted(singles))
        const elements = [...new Set(singles.map(({ element }) => element))].sort()
        expect(counted(await source.pairs(elements))).toEqual(counted(await naive.pairs(elements)))
        const whole = { from: 0, to: to - from }
        const spots = elements.map((element, index) => ({
          element,
          segment: index % 3 === 2 ? [1] : [],
          window: whole,
        }))
        for (const asked of [spots.slice(0, 1), spots.slice(0, 2), spots.slice(-2)]) {
          if (asked.length === 0) continue
          expect(sorted(await source.lostAt(asked))).toEqual(sorted(await naive.lostAt(asked)))
        }
      }),
      { numRuns: 8 },
    )
  })
})

describe('a business with two weak links', () => {
  const days = 120
  const options = {
    seed: 7,
    chains: 3000,
    days,
    standing: 0.15,
    effects: [
      { touchpoint: 'payment', segment: [], from: 60, to: 80, stops: 0.6 },
      { touchpoint: 'cart', segment: [6], from: 20, to: 50, stops: 0.6 },
    ],
  }
  const people = peopleOf(options)
  const dayText = (day: number) => new Date(START + day * DAY).toISOString().slice(0, 10)
  beforeAll(() => storeAll(db.store, SHOP, START + (days + 3) * DAY, people))

  test('has them found, with their segment and their days, and says in words what they are', async () => {
    const report = await answer()
    expect(report.findings.map(({ touchpoint, segment }) => ({ touchpoint, segment }))).toEqual([
      { touchpoint: 'payment', segment: {} },
      { touchpoint: 'cart', segment: { 'props.device': 'mobile' } },
    ])
    for (const [index, { from, to }] of [
      { from: 60, to: 80 },
      { from: 20, to: 50 },
    ].entries()) {
      const finding = report.findings[index]
      expect(Math.abs(Date.parse(finding?.from ?? '') - Date.parse(dayText(from)))).toBeLessThanOrEqual(3 * DAY)
      expect(Math.abs(Date.parse(finding?.to ?? '') - Date.parse(dayText(to)))).toBeLessThanOrEqual(3 * DAY)
    }
    const written = text(report, { width: 100 })
    expect(written).toMatch(
      /^1\. \d+ \w+ 2024 to \d+ \w+ 2024: of the \d+ chains that came to payment \d+ % were lost\s+there, otherwise\s+\d+ %/,
    )
    expect(written.replaceAll(/\s+/g, ' ')).toMatch(
      /with props\.device = mobile that came to cart \d+ % were lost there/,
    )
    expect(Math.max(...written.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
    const [first, ...others] = rows(report)
    expect(first).toMatchObject({ kind: 'period', touchpoint: 'payment', link: null, segment: '' })
    for (const row of others) expect(Object.keys(row)).toEqual(Object.keys(first ?? {}))
  })

  test('has sums that add up, and a list of chains behind each number', async () => {
    const report = await answer()
    const { chains, open, unsettled, ignored, converted, broken } = report.totals
    expect(chains).toBe(open + unsettled + ignored + converted + broken)
    for (const finding of [...report.findings, ...report.standing]) {
      expect(finding.lost).toBeCloseTo(finding.explained + finding.expected + finding.excess, 6)
      expect(finding.low).toBeLessThanOrEqual(finding.excess)
      expect(finding.high).toBeGreaterThanOrEqual(finding.excess)
      const ids = listed(people, finding).map(({ id }) => id)
      expect(ids).toHaveLength(finding.lost)
      const { chains: drilled } = await chainsReport(db.store, chainsQuery({ ...finding.chains, limit: '1000' }))
      expect(drilled.map(({ id }) => id).sort()).toEqual(ids.sort())
    }
  })

  test('is told the same by the naive count, whatever is selected', async () => {
    for (const { where, from, to } of [
      { where: undefined, from: undefined, to: undefined },
      { where: 'channel=search', from: dayText(10), to: dayText(110) },
    ]) {
      const report = await answer({ where, from, to })
      const values = Object.entries(report.looked.segments).flatMap(([key, all]) =>
        all.map((value) => segmentValue(`${key}=${value ?? ''}`)),
      )
      const [first, end] = [report.looked.from, report.looked.to].map((day) => Date.parse(day ?? '') / DAY)
      const plain = settledOf(people, end ?? 0)
        .filter(({ chain, before }) => where === undefined || hasValue(chain, before, segmentValue(where)))
        .filter(({ chain }) => from === undefined || chain.startedAt >= Date.parse(from))
        .map(({ chain, before }) =>
          plainChain(
            chain,
            first ?? 0,
            values.flatMap((value, index) => (hasValue(chain, before, value) ? [index + 1] : [])),
          ),
        )
      const span = (end ?? 0) - (first ?? 0)
      const naive = await search(naiveSource(plain, { days: span, minChains: 20 }), {
        minChains: 20,
        levels: windowLevels(span),
        fdr: 0.05,
        limit: 10,
      })
      const told = (finding: Pick<WeakLink, 'reached' | 'lost' | 'lostAtAll' | 'excess' | 'pValue' | 'qValue'>) => {
        const { reached, lost, lostAtAll, excess, pValue, qValue } = finding
        return {
          reached,
          lost,
          lostAtAll,
          excess: excess.toFixed(6),
          pValue: pValue.toPrecision(6),
          qValue: qValue.toPrecision(6),
        }
      }
      expect(report.findings.map(told)).toEqual(naive.periods.map(told))
      expect(report.standing.map(told)).toEqual(naive.standing.map(told))
      expect(report.looked.questions).toBe(naive.questions)
    }
  })

  test('has fewer of them found where fewer chains are asked about', async () => {
    const { findings } = await answer({ where: 'props.device=desktop' })
    expect(findings.map(({ touchpoint }) => touchpoint)).toEqual(['payment'])
    expect(findings[0]?.chains.where).toEqual(['props.device=desktop'])
    expect((await answer({ limit: '1' })).findings).toHaveLength(1)
    expect(Object.keys((await answer({ by: 'channel' })).looked.segments)).toEqual(['channel'])
    expect((await answer({ to: dayText(15) })).findings).toEqual([])
  })
})

test('a few chains are too few to tell, and nothing stored is nothing found', async () => {
  await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
  const few = await answer()
  expect(few).toMatchObject({ findings: [], standing: [], looked: { questions: 0 } })
  expect(text(few, {})).toContain('Too few chains have ended')
  await storeAll(db.store, CATALOGUE, null, [])
  const none = await answer()
  expect(none).toMatchObject({ asOf: null, settledThrough: null, totals: { chains: 0 }, looked: { from: null } })
  expect(text(none, {})).toContain('There are no chains here')
  expect(rows(none)).toEqual([])
})

test.each([
  [{ date: 'end' }, /^--date end: expected "start"/],
  [{ fdr: '2' }, /^--fdr 2: expected a number from 0.001 to 0.5/],
  [{ fdr: '' }, /^--fdr '': expected a number/],
  [{ minChains: '5' }, /^--min-chains 5: expected a whole number of chains, 10 or more/],
  [{ limit: '0' }, /^--limit 0: expected a whole number from 1 to 50/],
  [{ by: 'order' }, /^--by order: expected keys that many chains share/],
  [{ by: 'colour' }, /^--by colour: expected one of/],
] as const)('%o is refused with what is allowed', (options, message) => {
  expect(() => query(options)).toThrow(message)
})

// Read as their definitions say

function settledOf(people: readonly PersonChains[], end: number): { chain: Chain; before: readonly Chain[] }[] {
  return people
    .flatMap(({ chains }) => chains.map((chain, index) => ({ chain, before: chains.slice(0, index) })))
    .filter(({ chain }) => chain.state === 'converted' || chain.state === 'broken')
    .filter(({ chain }) => chain.startedAt < end * DAY)
}

function naiveTotals(people: readonly PersonChains[], settledThrough: string | null) {
  const all = people.flatMap(({ chains }) => chains)
  const end = settledThrough === null ? Number.NEGATIVE_INFINITY : Date.parse(settledThrough) + DAY
  const count = (test: (chain: Chain) => boolean) => all.filter(test).length
  const inState = (state: Chain['state']) => count((chain) => chain.state === state && chain.startedAt < end)
  return {
    chains: all.length,
    open: count(({ state }) => state === 'open'),
    unsettled: count(({ state, startedAt }) => state !== 'open' && startedAt >= end),
    ignored: inState('ignored'),
    converted: inState('converted'),
    broken: inState('broken'),
  }
}

function segmentValue(text: string): SegmentValue {
  const at = text.indexOf('=')
  return { key: parseKey('where', text.slice(0, at)), text: text.slice(at + 1) }
}

function hasValue(chain: Chain, before: readonly Chain[], { key, text }: SegmentValue): boolean {
  const [met] = chain.interactions
  if (key.kind === 'returning') {
    const isContact = (one: Chain['interactions'][number]) =>
      one.by === 'customer' || one.outcome === 'bought' || one.outcome === 'refused'
    return String(before.some(({ interactions }) => interactions.some(isContact))) === text
  }
  const name = key.kind === 'props' ? key.prop : key.name
  const fields: Readonly<Record<string, unknown>> = {
    ...(key.kind === 'props' ? met?.interaction.props : met?.interaction),
  }
  return String(fields[name] ?? '') === text
}

/** The chains that the options of `report chains` stand for. */
function listed(people: readonly PersonChains[], { chains }: WeakLink): readonly (PlainChain & { id: string })[] {
  const [from, to] = [Date.parse(chains.throughFrom) / DAY, Date.parse(chains.throughTo) / DAY]
  return people
    .flatMap((person) => person.chains.map((chain, index) => ({ chain, before: person.chains.slice(0, index) })))
    .filter(
      ({ chain, before }) =>
        chain.state === chains.state &&
        chains.where.every((condition) => hasValue(chain, before, segmentValue(condition))),
    )
    .map(({ chain }) => ({ ...plainChain(chain, 0, []), id: chain.id }))
    .filter(({ path, reached }) => {
      const [last, other] = chains.through.split('>').toReversed()
      const day = path.findLast(
        ({ touchpoint }, index) =>
          touchpoint === last && (other === undefined || path[index - 1]?.touchpoint === other),
      )?.day
      return (
        day !== undefined &&
        day >= from &&
        day < to &&
        !chains.without.some((touchpoint) => reached.includes(touchpoint))
      )
    })
}

/** Without what only the chains lost at a spot have. */
function counted(series: readonly Series[]) {
  return sorted(
    series.map(({ element, segment, reached, lost, lostAtAll }) => ({ element, segment, reached, lost, lostAtAll })),
  )
}

function sorted(series: readonly Pick<Series, 'element' | 'segment'>[]) {
  return series
    .map((one) => ({ ...one, key: `${one.element} ${one.segment.join(' ')}` }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}
