import type { Chain, ChainInteraction } from '@weaklink/chains'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { streamChains } from '../src/chains/query.ts'
import { chainsReport as shape } from '../src/chains/shape.ts'
import { customerReport as customerShape } from '../src/customer/shape.ts'
import {
  type ChainsOptions,
  chainsQuery,
  chainsReport,
  chainsText,
  customerReport,
  customerReportOf,
  customerText,
} from '../src/index.ts'
import { conditionOf } from '../src/keys.ts'
import { pathsQuestion } from '../src/paths/question.ts'
import { business } from './arbitrary.ts'
import { createTables, storeAll } from './stored.ts'
import { ANNA, CATALOGUE, catalogueWith, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

const ANONYMOUS_ANNA = {
  ...customer('anna', [['2024-03-01T10:00', 'ad_view']]),
  person: { kind: 'anonymous', customer: 'anna' } as const,
}

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
  await storeAll(db.store, CATALOGUE, TICK, [...PEOPLE, ANONYMOUS_ANNA])
})
afterAll(() => db.stop())

const ask = (options: ChainsOptions = {}) => chainsReport(db.store, chainsQuery(options))
const found = async (options: ChainsOptions) =>
  (await ask(options)).chains.map(
    ({ kind, customer, ordinal }) => `${kind === 'anonymous' ? '~' : ''}${customer} ${ordinal}`,
  )

describe('the list of chains', () => {
  test('begins with the newest, and goes on where a page ended', async () => {
    const all = await ask()
    expect(shape.parse(all)).toEqual(all)
    expect(all.next).toBeNull()
    const starts = all.chains.map(({ startedAt }) => startedAt)
    expect(starts).toEqual([...starts].sort().reverse())

    const paged: typeof all.chains = []
    let cursor: string | undefined
    do {
      const page = await ask({ limit: '2', cursor })
      expect(page.chains.length).toBeLessThanOrEqual(2)
      paged.push(...page.chains)
      cursor = page.next ?? undefined
    } while (cursor !== undefined)
    expect(paged).toEqual(all.chains)
  })

  const cases: [options: ChainsOptions, expected: string[]][] = [
    [{ state: 'open' }, ['clara 2']],
    [{ state: 'ignored' }, ['dora 1']],
    [{ reason: 'abandoned' }, ['boris 1', 'clara 1']],
    [{ place: 'visit' }, ['anna 1']],
    [{ customer: 'clara' }, ['clara 2', 'clara 1']],
    [{ customer: 'anna' }, ['anna 1', '~anna 1']],
    [{ where: 'returning=true' }, ['clara 2']],
    [{ where: ['channel=ads', 'channel=seo'], state: 'broken' }, ['boris 1', 'emil 1']],
    [{ from: '2024-03-03', to: '2024-03-04' }, ['anna 1']],
    [{ to: '2024-03-09', date: 'end' }, ['anna 1']],
    [{ customer: 'nobody' }, []],
    [{ state: ['open', 'ignored'] }, ['clara 2', 'dora 1']],
  ]
  test.each(cases)('%o finds %o', async (options, expected) => {
    expect(await found(options)).toEqual(expected)
  })

  test('finds by what a chain went over: as counted in memory', async () => {
    const one = fc.constantFrom('ad', 'call_wait', 'home', 'quote', 'mail', 'pay')
    const question = fc.oneof(
      fc.record({ with: fc.array(one, { minLength: 1, maxLength: 2 }) }),
      fc.record({ without: fc.array(one, { minLength: 1, maxLength: 2 }) }),
      fc.record({ first: one, state: fc.constantFrom('broken', 'converted') }),
      fc.record({ last: one }),
      fc.record({ link: fc.tuple(one, one).map((pair) => pair.join(' > ')) }),
      fc.record({ variant: fc.array(one, { minLength: 1, maxLength: 3 }).map((path) => path.join('>')) }),
    )
    await fc.assert(
      fc.asyncProperty(business, fc.array(question, { minLength: 12, maxLength: 12 }), async (world, questions) => {
        await storeAll(db.store, world.catalogue, world.tick, world.people)
        const chains = world.people.flatMap((each) => each.chains)
        const places = (chain: Chain) => chain.interactions.filter((met) => met.place && !met.epilogue)
        const names = (mets: readonly ChainInteraction[]) => mets.map((met) => met.interaction.touchpoint)
        const pathOf = (chain: Chain) =>
          names(places(chain).filter((met) => chain.interactions.indexOf(met) <= chain.placeIndex))
        const steps = (text: string) => text.split('>').map((step) => step.trim())
        // The path of a real chain is hard to guess.
        const real = chains.slice(0, 3).map((chain) => ({
          variant: pathOf(chain)
            .filter((name, index, path) => path[index - 1] !== name)
            .join(' > '),
        }))
        for (const asked of [...questions, ...real] as ChainsOptions[]) {
          const list = (value: string | readonly string[] | undefined) => [value ?? []].flat()
          const expected = chains.filter((chain) => {
            const [reached, path] = [names(places(chain)), pathOf(chain)]
            const folded = path.filter((name, index) => path[index - 1] !== name)
            return (
              list(asked.with).every((name) => reached.includes(name)) &&
              !list(asked.without).some((name) => reached.includes(name)) &&
              (asked.first === undefined || path[0] === asked.first) &&
              (asked.last === undefined || path.at(-1) === asked.last) &&
              (asked.state === undefined || list(asked.state).includes(chain.state)) &&
              (asked.link === undefined ||
                path.some((name, index) => [path[index - 1], name].join() === steps(asked.link ?? '').join())) &&
              (asked.variant === undefined || folded.join() === steps(asked.variant).join())
            )
          })
          const found = await ask({ ...asked, limit: '1000' })
          expect(found.chains.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort())
          const streamed = []
          for await (const block of streamChains(db.store, chainsQuery(asked))) streamed.push(...block)
          const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
          expect(streamed.sort(byId)).toEqual([...found.chains].sort(byId))
        }
      }),
      { numRuns: 8 },
    )
    await storeAll(db.store, CATALOGUE, TICK, [...PEOPLE, ANONYMOUS_ANNA])
  })

  test('leads from a group by a prop to just its chains, whatever the type of the value', async () => {
    await fc.assert(
      fc.asyncProperty(business, async (world) => {
        await storeAll(db.store, world.catalogue, world.tick, world.people)
        const { groups } = await pathsQuestion.ask(db.store, pathsQuestion.query({ by: 'props.plan' }))
        for (const { by, totals, nodes } of groups) {
          const where = [conditionOf('props.plan', by['props.plan'] ?? null)]
          expect((await ask({ where, limit: '1000' })).chains, where[0]).toHaveLength(totals.chains)
          for (const { chains, reached } of nodes.slice(0, 1)) {
            expect((await ask({ ...chains, limit: '1000' })).chains).toHaveLength(reached)
          }
        }
      }),
      { numRuns: 6 },
    )
    await storeAll(db.store, CATALOGUE, TICK, [...PEOPLE, ANONYMOUS_ANNA])
  })

  test('shows whose it is, what became of it, and the path', async () => {
    expect(chainsText(await ask({ limit: '4' }), { width: 60 })).toMatchInlineSnapshot(`
      "clara · chain 2 · open at ad_view · 5 Apr 2024 08:00
        ad_view …
      boris · chain 1 · broken at call_wait (abandoned) · 4 Mar 2024 11:00 → 3 Apr 2024 11:02
        ad_view → call_wait ✗
      anna · chain 1 · converted at visit · 3 Mar 2024 10:21 → 8 Mar 2024 15:00
        ad_view → call_wait → sms → … → call_talk → visit ✓
      emil · chain 1 · broken at ad_view (silence) · 2 Mar 2024 08:00 → 1 Apr 2024 08:00
        ad_view ✗
      More: --cursor 1709366400000_6431b35b4303ae9d78532cedd62c73e9
      "
    `)
    expect(chainsText(await ask({ place: 'nowhere' }))).toMatch(/^There are no such chains\./)
  })

  const errors: [options: ChainsOptions, message: RegExp][] = [
    [{ limit: '0' }, /^--limit 0: expected a whole number from 1 to 1000$/],
    [{ limit: 'ten' }, /^--limit ten: expected a whole number/],
    [{ state: 'lost' }, /^--state lost: expected one of open, converted, broken, ignored$/],
    [{ reason: 'lost' }, /^--reason lost: expected one of refused, abandoned, dissatisfied, silence$/],
    [{ cursor: 'x' }, /^--cursor x: expected `next` of an earlier answer$/],
    [{ where: 'colour=red' }, /^--where colour: expected one of/],
    [{ where: 'props.x==red' }, /expected after == a value as JSON/],
    [{ state: 'open', reason: 'silence' }, /^--reason silence: expected --state broken/],
    [{ state: 'open', date: 'end' }, /^--date end: expected --date start/],
  ]
  test.each(errors)('%o is an error that says what is possible', (options, message) => {
    expect(() => chainsQuery(options)).toThrow(message)
  })
})

describe('one customer', () => {
  test('is the same from the store as from the chains in memory', async () => {
    for (const { person } of PEOPLE) {
      const got = await customerReport(db.store, person.customer)
      expect(got).toEqual(customerReportOf([...PEOPLE, ANONYMOUS_ANNA], person.customer, TICK))
      expect(customerShape.parse(got)).toEqual(got)
    }
  })

  test('whose id is also an anonymous one is shown as both', async () => {
    const { people } = await customerReport(db.store, 'anna')
    expect(people.map(({ kind, chains }) => [kind, chains.length])).toEqual([
      ['customer', 1],
      ['anonymous', 1],
    ])
  })

  test('whom nobody knows', async () => {
    const text = customerText(await customerReport(db.store, "o'hara"))
    expect(text).toMatch(/^Nobody with the id "o'hara" is known, neither as a customer nor as an anonymous id\./)
  })
})

describe('the timeline', () => {
  const timeline = (...people: Parameters<typeof customerReportOf>[0]) =>
    customerText(customerReportOf(people, people[0]!.person.customer, TICK))

  test('of a sale with a call, a gap and what came afterwards', () => {
    expect(timeline(ANNA)).toMatchInlineSnapshot(`
      "Customer anna · 1 chain

      Chain 1 · converted at visit · 3 Mar 2024 10:21 → 8 Mar 2024
         3 Mar 2024  10:21  ad_view
                            ┌ phone call-1
                     10:25  │ call_wait ✗ abandoned · waited 40s
                     10:26  sms · by the company
                            … 2 days later
                            ┌ phone call-2
         6 Mar 2024  09:00  │ call_wait · waited 5s
                     09:01  │ call_talk · took 4m · with eva
                            … 2 days later
         8 Mar 2024  15:00  visit ✓ bought · 120 EUR
                            └ a complaint followed
        afterwards
        10 Mar 2024  12:00  survey ! negative

      Times are in UTC. As of 10 Apr 2024 00:00.
      "
    `)
  })
  test('of a break and a return', () => {
    expect(timeline(PEOPLE[2]!)).toMatchInlineSnapshot(`
      "Customer clara · 2 chains

      Chain 1 · broken at call_wait (abandoned) · 1 Mar 2024 11:00 → 31 Mar 2024
                            ┌ phone call-1
         1 Mar 2024  11:00  │ call_wait ✗ abandoned · waited 1m
                            └ broke here: abandoned, and nobody came back for 30 days; the customer returned later

      Chain 2 · open at ad_view · 5 Apr 2024 08:00
         5 Apr 2024  08:00  ad_view
                            └ open: silence is not yet a break until 5 May 2024 08:00

      Times are in UTC. As of 10 Apr 2024 00:00.
      "
    `)
  })
  test('of a message that nobody answered', () => {
    expect(timeline(PEOPLE[3]!)).toMatchInlineSnapshot(`
      "Customer dora · 1 chain

      Chain 1 · ignored at sms · 1 Mar 2024 11:00 → 31 Mar 2024
         1 Mar 2024  11:00  sms · by the company
                            └ ignored: nobody answered for 30 days

      Times are in UTC. As of 10 Apr 2024 00:00.
      "
    `)
  })
  test('of silence', () => {
    expect(timeline(PEOPLE[4]!)).toMatchInlineSnapshot(`
      "Customer emil · 1 chain

      Chain 1 · broken at ad_view (silence) · 2 Mar 2024 08:00 → 1 Apr 2024
         2 Mar 2024  08:00  ad_view
                            └ broke here: nobody came back for 30 days after this

      Times are in UTC. As of 10 Apr 2024 00:00.
      "
    `)
  })
  test('of a refusal that somebody wrote down later', () => {
    const catalogue = catalogueWith([
      { id: 'ad_view' },
      { id: 'quote' },
      { id: 'deal_lost', result: true, outcome: 'refused' },
    ])
    const told = customer(
      'fay',
      [
        ['2024-03-01T10:00', 'ad_view'],
        ['2024-03-02T10:00', 'quote', { by: 'company', reaction: 'positive' }],
        ['2024-03-20T10:00', 'deal_lost'],
      ],
      catalogue,
    )
    expect(timeline(told)).toMatchInlineSnapshot(`
      "Customer fay · 1 chain

      Chain 1 · broken at ad_view (refused) · 1 Mar 2024 10:00 → 20 Mar 2024
         1 Mar 2024  10:00  ad_view
                            └ broke here: refused, as deal_lost says on 20 Mar 2024
                            … 1 day later
         2 Mar 2024  10:00  quote + positive · by the company
                            … 18 days later
        20 Mar 2024  10:00  deal_lost ✗ refused · a result, not a place

      Times are in UTC. As of 10 Apr 2024 00:00.
      "
    `)
  })
  test('of a bad experience, of a risk, and of a sale that was taken back', () => {
    const bad = customer('gus', [
      ['2024-01-01T10:00', 'call_talk', { reaction: 'negative' }],
      ['2024-02-10T10:00', 'visit', { order: 'o1' }],
      ['2024-02-12T10:00', 'visit', { order: 'o1', outcome: 'refused' }],
      ['2024-04-01T10:00', 'call_wait', { outcome: 'abandoned' }],
    ])
    expect(timeline(bad)).toMatchInlineSnapshot(`
      "Customer gus · 3 chains

      Chain 1 · broken at call_talk (dissatisfied) · 1 Jan 2024 10:00 → 31 Jan 2024
         1 Jan 2024  10:00  call_talk ! negative
                            └ broke here: a bad experience, and nobody came back for 30 days; a later chain bought

      Chain 2 · converted at visit · 10 Feb 2024 10:00 → 10 Feb 2024
        10 Feb 2024  10:00  visit ✓ bought
                            └ taken back later, a complaint followed
        afterwards
        12 Feb 2024  10:00  visit ✗ refused

      Chain 3 · open at call_wait (at risk) · 1 Apr 2024 10:00
         1 Apr 2024  10:00  call_wait ✗ abandoned
                            └ open, at risk: breaks as abandoned on 1 May 2024 10:00, unless the customer comes back

      Times are in UTC. As of 10 Apr 2024 00:00.
      "
    `)
  })
})
