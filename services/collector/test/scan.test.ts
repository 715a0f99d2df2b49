import { encodeFact, type Interaction, validate, withId } from '@weaklink/interactions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scanArray } from '../src/scan.ts'
import { readInstant } from '../src/scan-time.ts'

const RECEIVED_AT = Date.UTC(2026, 0, 1)
const RUNS = Number(process.env.WEAKLINK_RUNS ?? 3_000)

/** What an element becomes the ordinary way. */
function ordinarily(input: unknown) {
  const checked = validate(input, { receivedAt: RECEIVED_AT })
  if (!checked.ok) return null
  const interaction = withId(checked.interaction, checked.interaction.id ?? 'minted')
  const { key, value } = encodeFact({ kind: 'interaction', interaction })
  return { key: String(key), value: String(value), isCustomer: interaction.customer !== undefined }
}

/** Everything that was scanned is what the ordinary way makes of it, and everything else is as JSON.parse has it. */
function check(text: string): { scanned: number } {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    list = undefined
  }
  const elements = scanArray(Buffer.from(text), RECEIVED_AT)
  if (elements === null) return { scanned: 0 }
  if (!Array.isArray(list)) throw new Error(`taken for a list: ${text}`)
  expect(elements).toHaveLength(list.length)
  let count = 0
  for (const [k, element] of elements.entries()) {
    if ('ordinary' in element) expect(element.ordinary).toEqual(list[k])
    else {
      count++
      const { id } = list[k] as { id?: string }
      expect(element.id).toBe(id ?? '')
      const value = element.id === '' ? `{"id":"minted",${String(element.value).slice(1)}` : String(element.value)
      expect({ key: String(element.key), value, isCustomer: element.isCustomer }).toEqual(ordinarily(list[k]))
    }
  }
  return { scanned: count }
}

const at = Date.UTC(2024, 1, 29, 10, 21, 14, 7)
const whole: Interaction = {
  id: 'i',
  customer: 'c',
  anonymousId: 'a',
  touchpoint: 'call_wait',
  at,
  by: 'company',
  outcome: 'abandoned',
  reaction: 'negative',
  episode: 'e',
  order: 'o',
  waitMs: 5,
  durationMs: 0,
  value: 49.9,
  cost: 0.000001,
  currency: 'EUR',
  channel: 'phone',
  campaign: 'spring',
  queue: 'q',
  agent: 'g',
  props: { a: '', b: 1, ba: true, c: 0.5, d: 'é电' },
}

describe('the short way', () => {
  it.each([
    ['in normal form', JSON.stringify([whole, whole])],
    ['in another order', JSON.stringify([Object.fromEntries(Object.entries(whole).reverse())])],
    [
      'with blanks',
      JSON.stringify(
        [whole].map(({ props: _, ...rest }) => rest),
        null,
        2,
      ),
    ],
    ['with a time in words', JSON.stringify([{ ...whole, at: '2024-02-29T13:21:14.007+03:00' }])],
    ['without an id', JSON.stringify([{ ...whole, id: undefined }])],
    ['of nobody known', JSON.stringify([{ ...whole, customer: undefined }])],
    ['in another script', JSON.stringify([{ ...whole, customer: 'Анна', touchpoint: 'ожидание', agent: '小李 😀' }])],
  ])('is taken by what is plainly right: %s', (_given, text) => {
    expect(check(text).scanned).toBe(JSON.parse(text).length)
  })

  it('leaves everything else to the ordinary way', () => {
    const one = JSON.stringify(whole)
    const odd = [
      one.replace('"i"', '"\\u0069"'),
      one.replace('"id":"i"', '"id":"j","id":"i"'),
      one.replace(',"props":{', ',"props":[{"x":1},{"id":2}],"props":{'),
      one.replace('"waitMs":5', '"waitMs":5e0'),
      one.replace('"waitMs":5', '"waitMs":05'),
      one.replace('"value":49.9', '"value":49.90'),
      one.replace('"value":49.9', '"value":-0'),
      one.replace('"a":""', '"10":1,"9":1'),
      one.replace('"a":""', '"z":1,"a":1'),
      one.replace('"a":""', '"__proto__":1'),
      one.replace('"outcome":"abandoned"', '"outcome":"lost"'),
      one.replace('"agent":"g"', '"agent":""'),
      one.replace('"agent":"g"', '"agent":null'),
      one.replace('"currency":"EUR"', '"currency":"EUX"'),
      one.replace(String(at), String(RECEIVED_AT + 300_001)),
      one.replace(String(at), `"2023-02-29T00:00:00Z"`),
      one.replace('call_wait', 'Call'),
      one.replace('"touchpoint":"call_wait",', ''),
      one.replace('"customer":"c","anonymousId":"a",', ''),
      '{}',
      '{"a":[{"b":"]}"}]}',
    ]
    for (const text of odd) expect([text, check(`[${text}]`).scanned]).toEqual([text, 0])
    expect(check(`[${[...odd.filter(isJson), one].join(',')}]`).scanned).toBe(1)
    for (const text of [
      '',
      '[',
      '[]',
      '{}',
      `[${one}`,
      `[${one},]`,
      `[${one}] x`,
      `[${one}}`,
      `[${one} ${one}]`,
      '[1]',
    ])
      expect([text, check(text).scanned]).toEqual([text, 0])
  })

  const text = fc.oneof(
    { weight: 12, arbitrary: fc.stringMatching(/^[ -!#-[\]-~é电]{1,12}$/) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
    { weight: 1, arbitrary: fc.constantFrom('', 'x'.repeat(128), 'x'.repeat(129), '\u0000', '"', '\\') },
  )
  const number = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 10_000_000 }).map((cents) => cents / 100) },
    { weight: 1, arbitrary: fc.oneof(fc.double(), fc.constantFrom(0, -0, 1e-7, 1e-6, 1e21, 0.1 + 0.2, -5)) },
  )
  const time = fc.date({ min: new Date(-1e11), max: new Date(RECEIVED_AT + 1e9), noInvalidDate: true })
  const anything = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.array(fc.integer(), { maxLength: 2 }))
  const field = <T>(right: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 30, arbitrary: right }, { weight: 1, arbitrary: anything })
  const interaction = fc
    .record(
      {
        id: field(text),
        customer: field(text),
        anonymousId: field(text),
        touchpoint: field(fc.constantFrom('call_wait', 'quote', 'ожидание')),
        at: field(
          fc.oneof(
            time.map(Number),
            time.map((date) => date.toISOString()),
            time.map((date) => date.toISOString().replace('.000Z', '+05:45')),
          ),
        ),
        by: field(fc.constantFrom('customer', 'company')),
        outcome: field(fc.constantFrom('bought', 'refused')),
        reaction: field(fc.constantFrom('positive', 'neutral')),
        episode: field(text),
        waitMs: field(fc.integer({ min: 0, max: 1.1e11 })),
        value: field(number),
        cost: field(number),
        currency: field(fc.constantFrom('EUR', 'USD')),
        channel: field(text),
        agent: field(text),
        props: field(
          fc.dictionary(
            fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('a', 'b', 'B', '1')),
            fc.oneof(text, number, fc.boolean()),
            { maxKeys: 4 },
          ),
        ),
      },
      { requiredKeys: ['touchpoint', 'at'] },
    )
    .chain((made) =>
      fc
        .shuffledSubarray(Object.keys(made), { minLength: Object.keys(made).length })
        .map((names) => Object.fromEntries(names.map((name) => [name, made[name as 'at']]))),
    )

  it('says of any interactions what the ordinary way says', () => {
    let scanned = 0
    fc.assert(
      fc.property(fc.array(interaction, { maxLength: 4 }), fc.constantFrom(undefined, 1, '\t'), (list, blanks) => {
        scanned += check(JSON.stringify(list, null, blanks)).scanned
      }),
      { numRuns: RUNS },
    )
    expect(scanned).toBeGreaterThan(RUNS / 10)
  })

  it('nor is it misled by broken text', () => {
    const change = fc.record({
      at: fc.nat(),
      to: fc.constantFrom(...'{}[]",:\\ 0-.eE\u0000aé'),
      cut: fc.nat({ max: 3 }),
    })
    fc.assert(
      fc.property(
        fc.array(interaction, { minLength: 1, maxLength: 3 }),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (list, changes) => {
          let json = JSON.stringify(list)
          for (const { at: place, to, cut } of changes) {
            const k = place % json.length
            json = json.slice(0, k) + to + json.slice(k + cut)
          }
          check(json.toWellFormed())
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('reads every instant as JavaScript does', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
        (date) => {
          expect(readInstant(Buffer.from(date.toISOString()), 0)).toBe(date.getTime())
        },
      ),
    )
    expect(readInstant(Buffer.from('2024-02-29T10:21:14-09:30'), 0)).toBe(Date.parse('2024-02-29T10:21:14-09:30'))
  })
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
