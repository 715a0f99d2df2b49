import { describe, expect, it } from 'vitest'
import { decodeFact, encodeFact, type Fact, RECORD_HEADER } from '../src/index.ts'

const NOW = Date.UTC(2026, 0, 2)
const bytes = (text: string) => new TextEncoder().encode(text)
const interaction = { id: 'i1', customer: 'Анна', touchpoint: 'call_wait', at: NOW - 1000 } as const

describe('a fact comes out of the log as it went in', () => {
  const facts: Fact[] = [
    { kind: 'interaction', interaction },
    { kind: 'interaction', interaction: { id: 'i1', anonymousId: 'cookie', touchpoint: 'ad_view', at: 0 } },
    { kind: 'tick', tick: NOW },
    { kind: 'catalogue', hash: '0123456789abcdef0123456789abcdef' },
    { kind: 'touch', person: { kind: 'anonymous', customer: 'Анна' } },
    { kind: 'touch', person: { kind: 'customer', customer: '\ufeffbom' } },
    { kind: 'import-end', importId: 'x' },
  ]
  it.each(facts.map((fact) => [fact.kind, fact] as const))('%s', (_, fact) => {
    expect(decodeFact(encodeFact(fact), NOW)).toEqual({ ok: true, fact })
  })
})

describe('what makes no sense is rejected by name', () => {
  const record = (kind: string | null, value: string | Uint8Array, key: string | null = null) => ({
    key: key === null ? null : bytes(key),
    value: typeof value === 'string' ? bytes(value) : value,
    headers: kind === null ? {} : { [RECORD_HEADER]: kind },
  })
  const good = JSON.stringify(interaction)
  const table: [given: string, what: ReturnType<typeof record>, then: string][] = [
    ['not JSON', record(null, '{', 'Анна'), 'not_json'],
    ['not UTF-8', record(null, new Uint8Array([0x22, 0xff, 0x22]), 'Анна'), 'not_json'],
    ['empty, or without a value at all', record(null, '', 'Анна'), 'no_value'],
    ['no object', record(null, '7', 'Анна'), 'not_an_object'],
    [
      'an interaction without an id',
      record(null, JSON.stringify({ ...interaction, id: undefined }), 'Анна'),
      'missing_field id',
    ],
    [
      'an interaction of the future',
      record(null, JSON.stringify({ ...interaction, at: NOW + 600_000 }), 'Анна'),
      'at_in_future at',
    ],
    ['without a key', record(null, good), 'key_mismatch key'],
    ['with the key of another', record(null, good, 'Boris'), 'key_mismatch key'],
    ['a tick later than its record', record('tick', JSON.stringify({ tick: NOW + 1 })), 'tick_in_future tick'],
    ['a tick without a time', record('tick', '{}'), 'bad_control_record tick'],
    ['a tick of null', record('tick', 'null'), 'bad_control_record'],
    ['a catalogue without a hash', record('catalogue', '{"hash":"x"}'), 'bad_control_record hash'],
    ['a touch of nobody', record('touch', '{"person":"customer"}'), 'key_mismatch key'],
    ['a touch of another kind', record('touch', '{"person":"company"}', 'x'), 'bad_control_record person'],
    [
      'a touch with a key of broken text',
      { ...record('touch', '{"person":"customer"}'), key: new Uint8Array([0xff]) },
      'key_mismatch key',
    ],
    ['an end of no import', record('import-end', '{}'), 'bad_control_record importId'],
    ['an unknown kind', record('forgot', '{}'), 'bad_control_record weaklink-record'],
  ]
  it.each(table)('%s', (_, what, then) => {
    const decoded = decodeFact(what, NOW)
    expect(decoded.ok ? 'accepted' : `${decoded.rejection.reason} ${decoded.rejection.field}`.trim()).toBe(then)
  })
})
