import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeFact,
  encode,
  encodeFact,
  eventHeaders,
  type Fact,
  IMPORT_HEADER,
  LINK_HEADER,
  MAX_INTERACTION_BYTES,
  partitionOf,
  partitionOfKey,
  RECORD_HEADER,
  REJECTION_REASONS,
  rejectionText,
} from '../src/index.ts'
import { interactionArbitrary } from './arbitrary.ts'

// What any producer in any language may put into the topic: each mistake has its name, its field and words for it.

const NOW = Date.UTC(2026, 0, 2)
const bytes = (text: string) => new TextEncoder().encode(text)
const interaction = { id: 'i1', customer: 'anna', touchpoint: 'call_wait', at: NOW - 1000 } as const
const good = encodeFact({ kind: 'interaction', interaction })
const event = eventHeaders(good.value)

const says = (record: Parameters<typeof decodeFact>[0], timestamp = NOW, place?: Parameters<typeof decodeFact>[2]) => {
  const decoded = decodeFact(record, timestamp, place)
  if (decoded.ok) return decoded.fact.kind
  expect(rejectionText(decoded.rejection)).toContain(REJECTION_REASONS[decoded.rejection.reason])
  const { reason, field, expected, got } = decoded.rejection
  return `${reason} | ${field} | ${expected} | ${got}`
}

describe('the value', () => {
  const value = (text: string) => says({ ...good, value: bytes(text) })
  it('nothing, spaces, a broken text, a list, a number', () => {
    expect(value('')).toBe('no_value |  | an interaction as JSON | nothing')
    expect(value('  ')).toBe('not_json |  | JSON in UTF-8 | "  "')
    expect(value('{"id":"i1",')).toBe('not_json |  | JSON in UTF-8 | "{\\"id\\":\\"i1\\","')
    expect(value('[1]')).toBe('not_an_object |  | a JSON object | an array of 1')
    expect(value('7')).toBe('not_an_object |  | a JSON object | 7')
    expect(value('null')).toBe('not_an_object |  | a JSON object | null')
  })
  it('larger than an interaction may be, to the byte', () => {
    const pad = (size: number) => {
      const empty = encode({ ...interaction, props: { x: '' } })
      return { ...good, value: bytes(encode({ ...interaction, props: { x: 'x'.repeat(size - empty.length) } })) }
    }
    expect(says(pad(MAX_INTERACTION_BYTES))).toBe('interaction')
    expect(says(pad(MAX_INTERACTION_BYTES + 1))).toBe('record_too_large |  | at most 32768 bytes | 32769 bytes')
    expect(says(pad(1_000_000))).toBe('record_too_large |  | at most 32768 bytes | 1000000 bytes')
  })
  it('the largest of somebody anonymous is not too large once it is moved to the longest customer', () => {
    const anonymous = { id: 'i1', anonymousId: 'c', touchpoint: 'chat', at: 0, props: { x: '' } }
    const x = 'x'.repeat(MAX_INTERACTION_BYTES - encode(anonymous).length)
    const largest = { ...anonymous, props: { x } }
    expect(says(encodeFact({ kind: 'interaction', interaction: largest }))).toBe('interaction')
    const moved = { ...largest, customer: '\u0001'.repeat(256) }
    expect(says(encodeFact({ kind: 'interaction', interaction: moved }, { [LINK_HEADER]: '0-7' }))).toBe('interaction')
  })
  it('fields of the wrong type', () => {
    expect(value(JSON.stringify({ ...interaction, customer: 7 }))).toMatch(/^wrong_type \| customer \|/)
    expect(value(JSON.stringify({ ...interaction, waitMs: '7' }))).toMatch(/^wrong_type \| waitMs \|/)
    expect(value(JSON.stringify({ ...interaction, props: [1] }))).toMatch(/^wrong_type \| props \|/)
    expect(value('{"id":"i1","customer":"anna","touchpoint":"chat","at":{}}')).toMatch(/^wrong_type \| at \|/)
    expect(value(`{"id":"i1","customer":"anna","touchpoint":"chat","at":0,"props":${'['.repeat(9_000)}`)).toMatch(
      /^not_json/,
    )
  })
  it('later than its record', () => {
    expect(says(good, NOW - 10 * 60_000)).toMatch(/^at_in_future \| at \|/)
  })
})

describe('the key', () => {
  it('missing, empty, of another, not text', () => {
    expect(says({ ...good, key: null })).toBe('key_mismatch | key | anna | nothing')
    expect(says({ ...good, key: bytes('') })).toBe('key_mismatch | key | anna | ""')
    expect(says({ ...good, key: bytes('boris') })).toBe('key_mismatch | key | anna | "boris"')
    expect(says({ ...good, key: new Uint8Array([0xff, 0xff, 0xff, 0xff]) })).toMatch(/^key_mismatch \| key \| anna \|/)
  })
  it('right, but in another partition than the Java client chooses', () => {
    const partition = partitionOf('anna', 8)
    expect(says(good, NOW, { partition, partitions: 8 })).toBe('interaction')
    const other = (partition + 1) % 8
    expect(says(good, NOW, { partition: other, partitions: 8 })).toBe(
      `wrong_partition | key | partition ${partition} of 8 for this key | ${other}`,
    )
    expect(says(encodeFact({ kind: 'tick', tick: NOW }), NOW, { partition: other, partitions: 8 })).toBe('tick')
    expect(says(encodeFact({ kind: 'unlink', anonymousId: 'anna' }), NOW, { partition: other, partitions: 8 })).toMatch(
      /^wrong_partition/,
    )
  })
  it('is the same partition by its text and by its bytes', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 400 }),
      fc.constantFrom('\ufeffbom', 'Анна', '電話'),
    )
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 100 }), (text, partitions) => {
        expect(partitionOfKey(bytes(text), partitions)).toBe(partitionOf(text, partitions))
      }),
    )
  })
})

describe('headers', () => {
  const headers = (more: Record<string, string>, base: Record<string, string> = event) =>
    says({ ...good, headers: { ...base, ...more } })
  it('of a CloudEvent: all, some, or none', () => {
    expect(headers({})).toBe('interaction')
    expect(headers({}, {})).toBe('interaction')
    expect(headers({ ce_id: 'i1' }, {})).toBe('interaction')
  })
  it('of others are nobody’s business', () => {
    expect(headers({ traceparent: '00-0af7-b7ad-01', ce_time: 'never', ce_subject: '', ce_mine: 'x', Weak: '' })).toBe(
      'interaction',
    )
  })
  it('that say otherwise than the record are named', () => {
    expect(headers({ ce_specversion: '0.3' })).toBe('bad_header | ce_specversion | 1.0 | "0.3"')
    expect(headers({ ce_type: 'com.example.visit' })).toBe(
      'bad_header | ce_type | weaklink.interaction | "com.example.visit"',
    )
    expect(headers({ ce_id: 'i2' })).toBe('bad_header | ce_id | the id of the interaction, "i1" | "i2"')
    expect(headers({ 'content-type': 'application/cloudevents+json' })).toMatch(/^bad_header \| content-type \|/)
    expect(headers({ 'content-type': 'text/plain; charset=utf-8' })).toBe('interaction')
  })
  it('in our namespace are ours, or a mistake', () => {
    expect(headers({ 'weaklink-recrod': 'tick' })).toMatch(/^unknown_header \| weaklink-recrod \|.*\| "tick"$/)
    expect(headers({ 'weaklink-': '' })).toMatch(/^unknown_header \| weaklink- \|/)
    expect(headers({ [IMPORT_HEADER]: 'x'.repeat(129) })).toMatch(/^bad_header \| weaklink-import \| 1 to 128/)
    expect(headers({ [IMPORT_HEADER]: '' })).toMatch(/^bad_header \| weaklink-import \| 1 to 128 characters \| ""$/)
    expect(headers({ [RECORD_HEADER]: 'interaction' })).toMatch(/^bad_control_record \| weaklink-record \|/)
    expect(headers({ [LINK_HEADER]: '0-7' })).toMatch(/^bad_header \| weaklink-link \|/)
  })
})

describe('control records', () => {
  const control = (kind: string, value: unknown, key: string | null = null, timestamp = NOW) =>
    says(
      {
        key: key === null ? null : bytes(key),
        value: bytes(JSON.stringify(value)),
        headers: { [RECORD_HEADER]: kind },
      },
      timestamp,
    )
  const hash = 'a'.repeat(32)
  const right: [kind: Fact['kind'], value: object, key: string | null][] = [
    ['tick', { tick: NOW }, null],
    ['catalogue', { hash }, null],
    ['touch', { person: 'customer' }, 'anna'],
    ['link', { id: 'l', customer: 'anna' }, 'cookie'],
    ['unlink', {}, 'cookie'],
    ['withdraw', { link: '0-7' }, 'anna'],
    ['import-end', { importId: 'x' }, null],
  ]
  it.each(right)('%s, when it is right; not an object; without a value', (kind, value, key) => {
    expect(control(kind, value, key)).toBe(kind)
    for (const content of [null, 7, 'x', [value]])
      expect(control(kind, content, key)).toMatch(/^bad_control_record \| {2}\| a JSON object \|/)
    expect(says({ key: null, value: bytes(''), headers: { [RECORD_HEADER]: kind } })).toBe(
      'no_value |  | JSON | nothing',
    )
    expect(says({ key: null, value: bytes('{'), headers: { [RECORD_HEADER]: kind } })).toMatch(/^not_json/)
  })
  it.each(right.filter(([, , key]) => key !== null))('%s without a key, or with one that is no id', (kind, value) => {
    for (const key of [null, '', 'x'.repeat(257), 'a\u0000b'])
      expect(control(kind, value, key)).toMatch(/^key_mismatch \| key \|/)
  })
  const wrong: [kind: string, value: object, then: RegExp][] = [
    ['tick', { tick: NOW + 1 }, /^tick_in_future \| tick \| at most the record's own timestamp/],
    ['tick', { tick: -1 }, /^bad_control_record \| tick \|.*\| -1$/],
    ['tick', { tick: 1.5 }, /^bad_control_record \| tick/],
    ['tick', { tick: 1e300 }, /^bad_control_record \| tick/],
    ['tick', { tick: '2026-01-01T00:00:00Z' }, /^bad_control_record \| tick/],
    ['catalogue', { hash: hash.toUpperCase() }, /^bad_control_record \| hash \| 32 hex digits/],
    ['catalogue', {}, /^bad_control_record \| hash \|.*\| nothing$/],
    ['touch', { person: 'company' }, /^bad_control_record \| person/],
    ['link', { customer: 'anna' }, /^bad_control_record \| id/],
    ['link', { id: 'l', customer: '' }, /^bad_control_record \| customer/],
    ['withdraw', { link: 'x'.repeat(129) }, /^bad_control_record \| link/],
    ['import-end', { importId: 'x'.repeat(129) }, /^bad_control_record \| importId/],
    ['import-end', { importId: 7 }, /^bad_control_record \| importId/],
    ['Tick', { tick: NOW }, /^bad_control_record \| weaklink-record \| tick, catalogue.*\| "Tick"$/],
    ['constructor', {}, /^bad_control_record \| weaklink-record/],
  ]
  it.each(wrong)('%s %j', (kind, value, then) => {
    expect(control(kind, value, 'anna')).toMatch(then)
  })
})

describe('whatever comes', () => {
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.json().map(bytes),
    fc.string({ unit: 'binary', maxLength: 300 }).map(bytes),
    interactionArbitrary.map((one) => bytes(encode(one))),
    // A right one with one byte changed.
    fc.tuple(interactionArbitrary, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([one, at, byte]) => {
      const changed = bytes(encode(one))
      changed[at % changed.length] = byte
      return changed
    }),
    fc
      .record({
        tick: fc.anything(),
        hash: fc.anything(),
        person: fc.anything(),
        id: fc.anything(),
        link: fc.anything(),
      })
      .map((value) => bytes(JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one)) ?? '')),
  )
  const headerName = fc.oneof(
    fc.constantFrom(RECORD_HEADER, LINK_HEADER, IMPORT_HEADER, 'ce_id', 'ce_type', 'ce_specversion', 'content-type'),
    fc.string({ maxLength: 20 }).map((name) => `weaklink-${name}`),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('__proto__', 'constructor', 'toString'),
  )
  const headerValue = fc.oneof(
    fc.constantFrom('tick', 'touch', 'link', 'unlink', 'withdraw', 'catalogue', 'import-end', '1.0'),
    fc.string({ unit: 'binary', maxLength: 200 }),
  )

  it('is a fact or a rejection, never an exception', () => {
    fc.assert(
      fc.property(
        anyBytes,
        fc.option(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }).map(bytes)), { nil: null }),
        fc.dictionary(headerName, headerValue, { maxKeys: 4 }),
        fc.double(),
        fc.integer({ min: 1, max: 9 }),
        (value, key, headers, timestamp, partitions) => {
          const decoded = decodeFact({ key, value, headers }, timestamp, { partition: 0, partitions })
          if (decoded.ok) return
          const { reason, field, expected, got } = decoded.rejection
          expect(Object.keys(REJECTION_REASONS)).toContain(reason)
          // It becomes headers of a record, and lines on a terminal.
          for (const text of [field, expected, got]) expect(text.isWellFormed() && text.length < 1_000).toBe(true)
        },
      ),
      { numRuns: 3_000 },
    )
  })
})

describe('eventHeaders', () => {
  it('are those of the interaction, however its id is written', () => {
    fc.assert(
      fc.property(interactionArbitrary, (one) => {
        const { value } = encodeFact({ kind: 'interaction', interaction: one })
        expect(eventHeaders(value)).toEqual({
          ce_specversion: '1.0',
          ce_id: one.id,
          ce_type: 'weaklink.interaction',
          ce_source: 'weaklink',
          'content-type': 'application/json',
        })
      }),
      { numRuns: 1_000 },
    )
  })
  it('also where the id does not stand first, or is a part of a larger buffer', () => {
    expect(eventHeaders(bytes('{"customer":"a","id":"i\\u0031"}')).ce_id).toBe('i1')
    expect(eventHeaders(bytes(`xx${encode(interaction)}yy`).subarray(2, -2)).ce_id).toBe('i1')
  })
  it('are none where there is no id to be read', () => {
    for (const text of ['', '{', '7', 'null', '[]', '{"id":7}', '{"id":"i1', '\u0000'])
      expect(eventHeaders(bytes(text))).toEqual({})
  })
  it('are what the reader agrees with', () => {
    fc.assert(
      fc.property(interactionArbitrary, (one) => {
        const record = encodeFact({ kind: 'interaction', interaction: one })
        const decoded = decodeFact({ ...record, headers: eventHeaders(record.value) }, Number.MAX_SAFE_INTEGER)
        expect(decoded.ok || decoded.rejection.reason === 'record_too_large').toBe(true)
      }),
    )
  })
})
