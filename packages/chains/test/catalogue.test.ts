import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { builtinCatalogue, builtinFile } from '../src/builtin.ts'
import { catalogueFromContent, contentOf } from '../src/catalogue.ts'
import { CatalogueError, parseCatalogue } from '../src/catalogue-file.ts'
import { catalogueJsonSchema } from '../src/catalogue-schema.ts'

const parse = (text: string) => parseCatalogue(text, 'touchpoints.yaml')

function errorOf(text: string): CatalogueError {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof CatalogueError) return error
    throw error
  }
  throw new Error('no error')
}

describe('a file', () => {
  test('with every key', () => {
    const catalogue = parse(`
defaults: { patience: 20d, epilogue: 500ms }
touchpoints:
  - id: call_wait
    name: { en: Waiting on the phone, zh: 电话等待 }
    group: phone
    channel: phone
    by: customer
    step: 3
    stage: decision
    attention: short
    life: repeating
    outcome: continued
    reaction: neutral
    result: false
    patience: 24h
    epilogue: 3m
    expectedWait: 20s
    importance: 5
    owner: support
    next: [call_wait]
`)
    expect(catalogue).toMatchObject({ patienceMs: 20 * 86_400_000, epilogueMs: 500 })
    expect(catalogue.touchpoints.get('call_wait')).toEqual({
      id: 'call_wait',
      name: { en: 'Waiting on the phone', zh: '电话等待' },
      group: 'phone',
      channel: 'phone',
      by: 'customer',
      step: 3,
      stage: 'decision',
      attention: 'short',
      life: 'repeating',
      outcome: 'continued',
      reaction: 'neutral',
      result: false,
      patienceMs: 86_400_000,
      epilogueMs: 180_000,
      expectedWaitMs: 20_000,
      importance: 5,
      owner: 'support',
      next: ['call_wait'],
    })
  })

  test('without defaults waits 30 days, with an epilogue of 5 minutes', () => {
    expect(parse('touchpoints: []')).toMatchObject({ patienceMs: 30 * 86_400_000, epilogueMs: 300_000 })
  })

  test('a plain name is a name in English; an id may be in any script', () => {
    expect(parse('touchpoints: [{ id: реклама, name: Реклама }]').touchpoints.get('реклама')).toEqual({
      id: 'реклама',
      name: { en: 'Реклама' },
    })
  })
})

describe('the hash', () => {
  const hash = (text: string) => parse(text).hash

  test('is of the content, not of the layout or the order of touchpoints', () => {
    const one = hash('touchpoints:\n  - { id: a, step: 1, patience: 1d }\n  - { id: b }\n')
    expect(one).toMatch(/^[0-9a-f]{32}$/)
    expect(hash('# a comment\ntouchpoints: [{ id: b }, { patience: 24h, id: a, step: 1 }]')).toBe(one)
    expect(hash('defaults: { patience: 30d }\ntouchpoints: [{ id: b }, { id: a, step: 1, patience: 1d }]')).toBe(one)
  })

  test('changes with the content', () => {
    const hashes = ['a', 'b', 'a, step: 1', 'a, step: 2', 'a, next: [a]'].map((rest) =>
      hash(`touchpoints: [{ id: ${rest} }]`),
    )
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  test('survives being stored and loaded', () => {
    expect(catalogueFromContent(contentOf(builtinCatalogue))).toEqual(builtinCatalogue)
  })
})

describe('an error says where, what was found and what was expected', () => {
  const T = 'touchpoints:\n  - id: a\n'
  const DURATION = 'a duration like 500ms 20s 3m 24h 7d'
  const rows: readonly (readonly [name: string, text: string, ...lines: string[]])[] = [
    [
      'unknown key',
      `${T}    patiense: 3d`,
      '3:5 touchpoints[0].patiense: got the unknown key "patiense", expected "patience" (the nearest known one)',
    ],
    [
      'unknown default',
      'defaults: { epilog: 5m }\ntouchpoints: []',
      '1:13 defaults.epilog: got the unknown key "epilog", expected "epilogue" (the nearest known one)',
    ],
    [
      'unknown key like nothing',
      'x: 1\ntouchpoints: []',
      '1:1 x: got the unknown key "x", expected one of defaults, touchpoints',
    ],
    ['bad duration', `${T}    patience: 3 days`, `3:15 touchpoints[0].patience: got "3 days", expected ${DURATION}`],
    ['duration as a number', `${T}    epilogue: 5`, `3:15 touchpoints[0].epilogue: got 5, expected ${DURATION}`],
    [
      'endless duration',
      `${T}    patience: 99999d`,
      '3:15 touchpoints[0].patience: got "99999d", expected a duration of at most 3650d',
    ],
    [
      'bad default',
      'defaults: { patience: 1w }\ntouchpoints: []',
      `1:23 defaults.patience: got "1w", expected ${DURATION}`,
    ],
    [
      'duplicate id',
      `${T}  - id: b\n  - id: a`,
      '4:9 touchpoints[2].id: got "a", expected an id of its own (line 2 has it already)',
    ],
    [
      'next names nothing',
      `${T}    next:\n      - a\n      - zzz`,
      '5:9 touchpoints[0].next[1]: got "zzz", expected the id of a touchpoint in this file',
    ],
    [
      'next nearly names one',
      `${T}    next: [call]\n  - id: calls`,
      '3:12 touchpoints[0].next[0]: got "call", expected "calls" (the nearest known one)',
    ],
    [
      'aliases of aliases of aliases',
      'a: &a [1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\ntouchpoints: [*c,*c,*c,*c,*c]',
      '4:27: got 15 aliases up to here, expected fewer than 100 uses of an anchor, uses within uses multiplied',
    ],
    ['wrong type', `${T}    step: high`, '3:11 touchpoints[0].step: got "high", expected a number'],
    ['yes is a text', `${T}    result: yes`, '3:13 touchpoints[0].result: got "yes", expected true or false'],
    ['unknown value', `${T}    by: client`, '3:9 touchpoints[0].by: got "client", expected one of customer, company'],
    [
      'importance',
      `${T}    importance: 6`,
      '3:17 touchpoints[0].importance: got 6, expected a whole number from 1 to 5',
    ],
    [
      'bad name',
      `${T}    name: [x]`,
      '3:11 touchpoints[0].name: got a list, expected a name, or a map of languages to names like { en: Waiting, es: Espera }',
    ],
    ['empty', '', '1:1: got nothing, expected a map with touchpoints and, optionally, defaults'],
    ['no touchpoints', 'defaults: {}', '1:1 touchpoints: got nothing, expected a list of touchpoints'],
    [
      'alias of nothing',
      'touchpoints: [*x]',
      '1:15: got "touchpoints: [*x]", expected YAML (no anchor &x stands before this alias)',
    ],
    [
      'same key twice',
      'touchpoints: []\ntouchpoints: []',
      '2:1: got "touchpoints: []", expected YAML (Map keys must be unique)',
    ],
    [
      'all of them, in order',
      `${T}    step: x\n  - id: b\n    by: y`,
      '3:11 touchpoints[0].step: got "x", expected a number',
      '5:9 touchpoints[1].by: got "y", expected one of customer, company',
    ],
  ]
  for (const [name, text, ...lines] of rows) {
    test(name, () => {
      expect(errorOf(text).message.split('\n')).toEqual(lines.map((line) => `touchpoints.yaml:${line}`))
    })
  }

  for (const id of ['Call Wait', '_a', 'cafe\u0301', 'x'.repeat(65), '']) {
    test(`bad id ${JSON.stringify(id)}`, () => {
      const [problem] = errorOf(stringify({ touchpoints: [{ id }] })).problems
      expect(problem).toMatchObject({
        file: 'touchpoints.yaml',
        line: 2,
        column: 9,
        path: 'touchpoints[0].id',
        got: JSON.stringify(id),
      })
      expect(problem?.expected).toMatch(/^a touchpoint id: lower case letters/)
    })
  }

  test('no id', () => {
    expect(errorOf('touchpoints:\n  - step: 1').problems).toMatchObject([
      { line: 2, column: 5, path: 'touchpoints[0].id', got: 'nothing' },
    ])
  })

  test('bad YAML', () => {
    expect(errorOf('touchpoints: []\n  - id: [').problems[0]).toMatchObject({ line: 2, path: '' })
  })
})

describe('the built-in catalogue', () => {
  test('is a valid file', () => {
    expect(parse(stringify(builtinFile))).toEqual(builtinCatalogue)
  })

  test('names every touchpoint in four languages', () => {
    for (const { name } of builtinCatalogue.touchpoints.values()) {
      expect(Object.keys(name ?? {}).sort()).toEqual(['en', 'es', 'ru', 'zh'])
    }
  })
})

test('the JSON Schema names every key of a touchpoint', () => {
  expect(catalogueJsonSchema()).toMatchObject({
    type: 'object',
    additionalProperties: false,
    required: ['touchpoints'],
    properties: {
      touchpoints: {
        items: {
          additionalProperties: false,
          required: ['id'],
          properties: { patience: { type: 'string' }, importance: { maximum: 5 } },
        },
      },
    },
  })
})
