import { describe, expect, it } from 'vitest'
import {
  applyMapping,
  checkMapping,
  InvalidMapping,
  identityMapping,
  mappingErrorText,
  mappingJsonSchema,
  parseMapping,
} from '../src/index.ts'

const CORE = 'customer: "{who}"\ntouchpoint: "{what}"\nat: "{when}"\n'
const row = { who: 'ann', what: 'Call', when: '2024-05-01T10:00:00Z' }

/** The first interaction, or the rejection as `reason field`. */
function mapped(yaml: string, of: unknown): unknown {
  return allMapped(yaml, of)[0]
}

function allMapped(yaml: string, of: unknown): unknown[] {
  return applyMapping(parseMapping(yaml, 'm.yaml'), of).map((result) =>
    result.ok ? result.input : `${result.rejection.reason} ${result.rejection.field}`,
  )
}

function faults(yaml: string): string[] {
  try {
    parseMapping(yaml, 'm.yaml')
    return []
  } catch (error) {
    if (!(error instanceof InvalidMapping)) throw error
    return error.errors.map(mappingErrorText)
  }
}

describe('templates', () => {
  const table: [given: string, template: string, columns: object, then: unknown][] = [
    ['one column', '{a}', { a: 'x' }, 'x'],
    ['a constant', 'shop', {}, 'shop'],
    ['literals around', 'crm-{a}/{b}', { a: '1', b: '2' }, 'crm-1/2'],
    ['a literal whose column is empty is absent', 'crm-{a}', { a: ' ' }, undefined],
    ['one of two columns empty is absent', '{a}-{b}', { a: 'x', b: '' }, undefined],
    ['the first alternative that is present', '{a|b|c}', { a: '', c: 'z' }, 'z'],
    ['an alternative that its filter empties', '{a:digits|b}', { a: 'none', b: 'y' }, 'y'],
    ['filters in turn', '{a:trim:lower}', { a: ' A@B.C ' }, 'a@b.c'],
    ['digits', '{a:digits}', { a: 'No. 12-34' }, '1234'],
    ['slug', '{a:slug}', { a: 'Email / DE' }, 'email_de'],
    ['a name with spaces and dots', '{Дата создания v.1}', { 'Дата создания v.1': 'x' }, 'x'],
    ['escapes', '\\{{a\\:b}\\}', { 'a:b': 'x' }, '{x}'],
    ['a number', '{a}', { a: 12.5 }, '12.5'],
    ['a dotted path', '{a.b.0.c}', { a: { b: [{ c: 'deep' }] } }, 'deep'],
    ['a path that ends early', '{a.b.c}', { a: 'x' }, undefined],
    ['null', '{a}', { a: null }, undefined],
    ['an object', '{a}', { a: { b: 1 } }, 'wrong_type channel'],
    ['what only the prototype has', '{constructor}', {}, undefined],
  ]
  it.each(table)('%s', (_given, template, columns, then) => {
    const result = mapped(`${CORE}channel: ${JSON.stringify(template)}`, { ...row, ...columns })
    expect(
      typeof then === 'string' && then.includes(' channel') ? result : (result as { channel?: string }).channel,
    ).toBe(then)
  })

  const phones: [text: string, then: string | undefined][] = [
    ['+7 (916) 123-45-67', '+79161234567'],
    ['8 (916) 123-45-67', '+79161234567'],
    ['79161234567', '+79161234567'],
    ['0049 30 1234567', '+49301234567'],
    ['(415) 555-0100', '4155550100'],
    ['101', undefined],
    ['anonymous', undefined],
  ]
  it.each(phones)('e164 of %s', (text, then) => {
    expect(mapped(`${CORE}agent: "{phone:e164}"`, { ...row, phone: text })).toEqual({
      customer: 'ann',
      touchpoint: 'call',
      at: Date.parse(row.when),
      ...(then === undefined ? {} : { agent: then }),
    })
  })
})

describe('numbers', () => {
  const table: [given: string, yaml: string, n: unknown, then: unknown][] = [
    ['seconds', 'waitMs: "{n:s}"', '12.5', { waitMs: 12_500 }],
    ['minutes', 'durationMs: "{n:m}"', '2', { durationMs: 120_000 }],
    ['hours', 'durationMs: "{n:h}"', '1', { durationMs: 3_600_000 }],
    ['milliseconds', 'waitMs: "{n}"', '250', { waitMs: 250 }],
    ['a JSON number', 'value: "{n}"', 12.5, { value: 12.5 }],
    ['a decimal comma', 'file: { decimal: "," }\nvalue: "{n}"', '1 234,50', { value: 1234.5 }],
    ['grouped thousands', 'file: { decimal: "," }\nvalue: "{n}"', '1.234.567,8', { value: 1234567.8 }],
    ['a comma for seconds', 'file: { decimal: "," }\nwaitMs: "{n:s}"', '0,5', { waitMs: 500 }],
    ['a comma nobody spoke of', 'value: "{n}"', '12,345', 'not_a_number value'],
    ['a word', 'cost: "{n}"', 'free', 'not_a_number cost'],
    ['a word with a unit', 'waitMs: "{n:s}"', 'long', 'not_a_number waitMs'],
    ['nothing', 'value: "{n}"', '', {}],
  ]
  it.each(table)('%s', (_given, yaml, n, then) => {
    const core = { customer: 'ann', touchpoint: 'call', at: Date.parse(row.when) }
    expect(mapped(`${CORE}${yaml}`, { ...row, n })).toEqual(
      typeof then === 'string' ? then : { ...core, ...(then as object) },
    )
  })
})

describe('times', () => {
  const table: [given: string, time: string, when: unknown, then: string][] = [
    ['ISO with offset', '', '2024-05-01T13:00:00+03:00', '2024-05-01T10:00:00.000Z'],
    ['ISO in a zone', '{ zone: Europe/Moscow }', '2024-05-01 13:00:00', '2024-05-01T10:00:00.000Z'],
    ['a date in a zone', '{ zone: Europe/Moscow }', '2024-05-01', '2024-04-30T21:00:00.000Z'],
    [
      'ISO in UTC, as databases write it',
      '{ zone: Europe/Moscow }',
      '2024-05-01 10:00:00 UTC',
      '2024-05-01T10:00:00.000Z',
    ],
    ['a JSON number', '', 1714557600000, '2024-05-01T10:00:00.000Z'],
    ['seconds', '{ format: s }', '1714557600.129', '2024-05-01T10:00:00.129Z'],
    ['milliseconds', '{ format: ms }', '1714557600129', '2024-05-01T10:00:00.129Z'],
    ['microseconds', '{ format: us }', '1714557600129999', '2024-05-01T10:00:00.129Z'],
    [
      'tokens in a zone',
      '{ format: "dd.MM.yyyy HH:mm", zone: Europe/Moscow }',
      '01.05.2024 13:00',
      '2024-05-01T10:00:00.000Z',
    ],
    ['tokens with offset', '{ format: "yyyy-MM-dd HH:mm ZZZ" }', '2024-05-01 13:00 +0300', '2024-05-01T10:00:00.000Z'],
    [
      'tokens with offset, and a zone all the same',
      '{ format: "yyyy-MM-dd HH:mm ZZZ", zone: UTC }',
      '2024-05-01 13:00 +0300',
      '2024-05-01T10:00:00.000Z',
    ],
    [
      'names of months, in English',
      '{ format: "d LLL yyyy h:mm a", zone: UTC }',
      '1 May 2024 10:00 AM',
      '2024-05-01T10:00:00.000Z',
    ],
    [
      'tokens with a letter between',
      `{ format: "yyyy-MM-dd'T'HH:mm", zone: Europe/Moscow }`,
      '2024-05-01T13:00',
      '2024-05-01T10:00:00.000Z',
    ],
    ['winter', '{ zone: Europe/Berlin }', '2024-01-01 12:00', '2024-01-01T11:00:00.000Z'],
    ['summer', '{ zone: Europe/Berlin }', '2024-07-01 12:00', '2024-07-01T10:00:00.000Z'],
    ['an hour that never was', '{ zone: Europe/Berlin }', '2024-03-31 02:30', '2024-03-31T01:30:00.000Z'],
    ['an hour that came twice', '{ zone: Europe/Berlin }', '2024-10-27 02:30', '2024-10-27T00:30:00.000Z'],
    [
      'the same in tokens',
      '{ format: "dd.MM.yyyy HH:mm", zone: America/New_York }',
      '03.11.2024 01:30',
      '2024-11-03T05:30:00.000Z',
    ],
    ['just before the second round', '{ zone: Europe/Berlin }', '2024-10-27 03:00', '2024-10-27T02:00:00.000Z'],
    ['no offset and no zone', '', '2024-05-01 13:00', 'time_without_offset at'],
    ['another form', '{ zone: UTC }', '01/05/2024', 'bad_time at'],
    ['another form than the tokens', '{ format: "dd.MM.yyyy", zone: UTC }', '2024-05-01', 'bad_time at'],
    ['digits without a unit', '', '1714557600', 'bad_time at'],
    ['a word for seconds', '{ format: s }', 'now', 'bad_time at'],
  ]
  it.each(table)('%s', (_given, time, when, then) => {
    const result = mapped(`${CORE}${time === '' ? '' : `time: ${time}`}`, { ...row, when })
    expect(typeof result === 'string' ? result : new Date((result as { at: number }).at).toISOString()).toBe(then)
  })

  it('the remedy for a missing zone is named', () => {
    const [result] = applyMapping(parseMapping(CORE, 'm.yaml'), { ...row, when: '2024-05-01 13:00' })
    expect(result).toMatchObject({ rejection: { expected: expect.stringContaining('time: { zone: Europe/Moscow }') } })
  })
})

describe('emit, each, values and props', () => {
  const call = `
file: { delimiter: ";", encoding: windows-1251, decimal: "," }
time: { format: "dd.MM.yyyy HH:mm", zone: Europe/Moscow }
customer: "{phone:e164|email:lower|visitor}"
emit:
  - { when: { disposition: [NO ANSWER, BUSY] }, touchpoint: call_wait, outcome: abandoned, waitMs: "{duration:s}" }
  - { touchpoint: "{stage}", at: "{date}" }
touchpoint: "{event}"
at: "{timestamp}"
props: [platform, user_cohort]
values: { "Закрыто и не реализовано": { touchpoint: deal_lost, outcome: refused } }
`
  const deal = {
    phone: '8 916 123-45-67',
    disposition: 'BUSY',
    duration: '12,5',
    stage: 'Закрыто и не реализовано',
    date: '01.05.2024 13:00',
    timestamp: '30.04.2024 13:00',
    platform: 'ios',
    user_cohort: '',
  }
  const shared = { customer: '+79161234567', props: { platform: 'ios' } }
  const lost = { ...shared, touchpoint: 'deal_lost', outcome: 'refused', at: Date.parse('2024-05-01T10:00:00Z') }
  const waited = {
    ...shared,
    touchpoint: 'call_wait',
    outcome: 'abandoned',
    waitMs: 12_500,
    at: Date.parse('2024-04-30T10:00:00Z'),
  }

  const table: [given: string, change: object, then: unknown[]][] = [
    ['both of a row', {}, [waited, lost]],
    ['only what fits `when`', { disposition: 'ANSWERED' }, [lost]],
    ['only what has a time', { date: '' }, [waited]],
    [
      'another value is slugged',
      { disposition: '', stage: 'Первичный контакт' },
      [{ ...shared, touchpoint: 'первичный_контакт', at: lost.at }],
    ],
    ['nothing fits', { disposition: 'FAILED', date: '' }, ['nothing_emitted emit']],
    ['a value without letters', { disposition: '', stage: '???' }, ['bad_touchpoint touchpoint']],
  ]
  it.each(table)('%s', (_given, change, then) => {
    expect(allMapped(call, { ...deal, ...change })).toEqual(then)
  })

  it('tells the reader how the file is written', () => {
    expect(parseMapping(call, 'm.yaml').file).toEqual({ delimiter: ';', encoding: 'windows-1251' })
    expect(parseMapping(`${CORE}file: { delimiter: tab }`, 'm.yaml').file).toEqual({ delimiter: '\t' })
  })

  it('`when` compares scalars as texts, and null means empty', () => {
    const yaml = `${CORE}emit:\n  - { when: { paid: [1, true] }, outcome: bought }\n  - { when: { paid: null }, outcome: refused }`
    const outcomes = [{ paid: 1 }, { paid: '1' }, { paid: true }, { paid: '' }, {}, { paid: '2' }]
    expect(outcomes.map((paid) => mapped(yaml, { ...row, ...paid }))).toMatchObject([
      { outcome: 'bought' },
      { outcome: 'bought' },
      { outcome: 'bought' },
      { outcome: 'refused' },
      { outcome: 'refused' },
      'nothing_emitted emit',
    ])
  })

  const each = `each: "{visit.actions}"\n${CORE}episode: "{visit.id}"\nprops: [device.kind, count]\n`
  it('each element, with what the row says of all', () => {
    const visit = {
      id: 'v1',
      actions: [
        { what: 'Home', when: 1 },
        { what: 'Cart', when: 2, count: 3, who: 'bob' },
      ],
    }
    expect(allMapped(each, { who: 'ann', visit, device: { kind: 'phone' } })).toEqual([
      { customer: 'ann', touchpoint: 'home', at: 1, episode: 'v1', props: { 'device.kind': 'phone' } },
      { customer: 'bob', touchpoint: 'cart', at: 2, episode: 'v1', props: { 'device.kind': 'phone', count: 3 } },
    ])
  })

  it('each of nothing is one rejection', () => {
    expect(allMapped(each, { who: 'ann' })).toEqual(['nothing_emitted each'])
    expect(allMapped(each, { visit: { actions: [] } })).toEqual(['nothing_emitted each'])
    expect(allMapped(each, { visit: { actions: [1] } })).toEqual(['wrong_type each'])
  })
})

describe('a mapping that does not fit', () => {
  const table: [given: string, yaml: string, then: (string | RegExp)[]][] = [
    ['an unknown key', `${CORE}custmer: x`, ['m.yaml:4:1: custmer: expected customer, got "custmer"']],
    ['an unknown key within', `${CORE}time: { zones: UTC }`, ['m.yaml:4:9: time.zones: expected zone, got "zones"']],
    [
      'an unclosed placeholder',
      `${CORE}order: "{a:b"`,
      ['m.yaml:4:9: order: expected a } that closes this {, got "{a:b"'],
    ],
    [
      'an unknown filter',
      `${CORE}order: "x-{a:upper}"`,
      [/^m\.yaml:4:14: order: expected a filter \(lower, trim, digits, e164, slug\)/],
    ],
    ['a unit elsewhere', `${CORE}order: "{a:s}"`, [/units are for waitMs and durationMs/]],
    ['an empty placeholder', `${CORE}order: "{}"`, [/expected the name of a column/]],
    [
      'an unknown encoding',
      `${CORE}file: { encoding: cp-klingon }`,
      [/^m\.yaml:4:19: file\.encoding: expected the name of an encoding/],
    ],
    [
      'a long delimiter',
      `${CORE}file: { delimiter: ";;" }`,
      [/^m\.yaml:4:20: file\.delimiter: expected one character, or tab/],
    ],
    ['an unknown zone', `${CORE}time: { zone: Mars/Base }`, [/^m\.yaml:4:15: time\.zone: expected a time zone/]],
    ['the zone of the machine', `${CORE}time: { zone: local }`, [/time\.zone/]],
    [
      'tokens of another library',
      `${CORE}time: { format: DD-MM-YYYY, zone: UTC }`,
      [/time\.format: expected iso, s, ms, us, or luxon tokens/],
    ],
    ['12 hours without AM', `${CORE}time: { format: "dd.MM.yyyy hh:mm", zone: UTC }`, [/time\.format: expected HH/]],
    ['tokens without a zone', `${CORE}time: { format: "dd.MM.yyyy" }`, [/time\.zone: expected a time zone, since/]],
    ['a constant that is none', `${CORE}outcome: lost`, [/^m\.yaml:4:10: outcome: expected one of continued/]],
    ['no customer', 'touchpoint: "{a}"\nat: "{b}"', [/customer: expected a template for customer, got nothing/]],
    [
      'an emit without touchpoint',
      'customer: "{a}"\nat: "{b}"\nemit:\n  - { outcome: bought }',
      [/^m\.yaml:4:5: emit\.0\.touchpoint/],
    ],
    ['props as a map', `${CORE}props: { a: b }`, [/props: expected a list/]],
    ['no YAML', 'customer: x: y', [/^m\.yaml:1:11: expected YAML/]],
    ['an alias of nothing', `${CORE}order: *x`, ['m.yaml:4:8: expected an anchor &x before this alias, got *x']],
    [
      'aliases of aliases of aliases',
      `${CORE}values:\n  a: &a [1,1,1,1,1]\n  b: &b [*a,*a,*a,*a,*a]\n  c: &c [*b,*b,*b,*b,*b]\n  d: [*c,*c,*c,*c,*c]`,
      [/^m\.yaml:8:19: expected fewer than 100 uses of an anchor, uses within uses multiplied, got 15 aliases/],
    ],
    ['a list', '- a', [/expected keys and values/]],
    ['a key twice', `${CORE}at: "{x}"`, [/m\.yaml:4:1: expected YAML, got Map keys must be unique/]],
    ['several faults at once', `${CORE}by: me\norder: "{"`, [/by/, /order/]],
  ]
  it.each(table)('%s', (_given, yaml, then) => {
    const found = faults(yaml)
    expect(found).toHaveLength(then.length)
    for (const [index, text] of then.entries()) {
      if (typeof text === 'string') expect(found.toSorted()[index]).toBe(text)
      else expect(found.toSorted()[index]).toMatch(text)
    }
  })

  it('a column that the file lacks is found before the first row', () => {
    const mapping = parseMapping(`${CORE}order: "x {Order|nr}"\nprops: [color]\n`, 'm.yaml')
    expect(checkMapping(mapping, ['who', 'what', 'when', 'order', 'nr']).map(mappingErrorText)).toEqual([
      'm.yaml:4:12: order: expected order? or another column of the file (who, what, when, order, nr), got "Order"',
      'm.yaml:5:9: props.0: expected column of the file (who, what, when, order, nr), got "color"',
    ])
    expect(checkMapping(mapping, ['who', 'what', 'when', 'Order', 'nr', 'color'])).toEqual([])
  })

  it('`each` is not for a CSV', () => {
    const mapping = parseMapping(`${CORE}each: "{list}"`, 'm.yaml')
    expect(checkMapping(mapping, ['who', 'what', 'when', 'list'])).toHaveLength(1)
  })
})

describe('without a mapping', () => {
  const columns = ['customer', 'touchpoint', 'at', 'waitMs', 'channel', 'props.plan']

  it('JSON is taken as it is', () => {
    expect(applyMapping(identityMapping(null, 'a.jsonl'), row)).toEqual([{ ok: true, input: row }])
  })

  it('a CSV gives numbers, props, and nothing for empty cells', () => {
    const cells = {
      customer: 'ann',
      touchpoint: 'call',
      at: '1714557600000',
      waitMs: '250',
      channel: '',
      'props.plan': 'pro',
    }
    expect(applyMapping(identityMapping(columns, 'a.csv'), cells)).toEqual([
      {
        ok: true,
        input: { customer: 'ann', touchpoint: 'call', at: 1714557600000, waitMs: 250, props: { plan: 'pro' } },
      },
    ])
    const text = applyMapping(identityMapping(columns, 'a.csv'), { ...cells, at: row.when })
    expect(text).toMatchObject([{ input: { at: row.when } }])
  })

  it('other columns are an error before the first row', () => {
    try {
      identityMapping(['customer', 'touchpoint', 'at', 'chanel', 'ts'], 'a.csv')
      expect.unreachable()
    } catch (error) {
      expect((error as InvalidMapping).errors).toMatchObject([
        { file: 'a.csv', line: 1, column: 4, field: 'chanel', expected: expect.stringContaining('(channel?)') },
        { file: 'a.csv', line: 1, column: 5, field: 'ts' },
      ])
    }
    expect(() => identityMapping(['customer', 'at'], 'a.csv')).toThrow(/a column touchpoint/)
  })
})

it('the JSON Schema of the mapping knows its keys', () => {
  expect(Object.keys(mappingJsonSchema().properties ?? {})).toEqual(
    expect.arrayContaining(['file', 'time', 'each', 'emit', 'values', 'customer', 'props']),
  )
})
