import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
import { createTables, storeAll } from './stored.ts'
import { ANNA, CATALOGUE, customer, PEOPLE, TICK } from './story.ts'

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
  ]
  test.each(cases)('%o finds %o', async (options, expected) => {
    expect(await found(options)).toEqual(expected)
  })

  test('shows whose it is, what became of it, and the path', async () => {
    expect(chainsText(await ask({ limit: '4' }), { width: 60 })).toMatchInlineSnapshot()
    expect(chainsText(await ask({ place: 'nowhere' }))).toMatch(/^There are no such chains\./)
  })

  const errors: [options: ChainsOptions, message: RegExp][] = [
    [{ limit: '0' }, /^--limit 0: expected a whole number from 1 to 1000$/],
    [{ limit: 'ten' }, /^--limit ten: expected a whole number/],
    [{ state: 'lost' }, /^--state lost: expected one of open, converted, broken, ignored$/],
    [{ reason: 'lost' }, /^--reason lost: expected one of refused, abandoned, dissatisfied, silence$/],
    [{ cursor: 'x' }, /^--cursor x: expected `next` of an earlier answer$/],
    [{ where: 'colour=red' }, /^--where colour: expected one of/],
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
    expect(timeline(ANNA)).toMatchInlineSnapshot()
  })
  test('of a break and a return', () => {
    expect(timeline(PEOPLE[2]!)).toMatchInlineSnapshot()
  })
  test('of a message that nobody answered', () => {
    expect(timeline(PEOPLE[3]!)).toMatchInlineSnapshot()
  })
  test('of silence', () => {
    expect(timeline(PEOPLE[4]!)).toMatchInlineSnapshot()
  })
})
