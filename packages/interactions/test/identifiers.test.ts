import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDefaultIds, isTouchpoint, type ProducedInteraction, partitionOf, slug } from '../src/index.ts'
import { murmur2 } from '../src/partition.ts'

describe('slug', () => {
  const table: [name: string, then: string][] = [
    ['Waiting on the phone', 'waiting_on_the_phone'],
    ['Ожидание на линии', 'ожидание_на_линии'],
    ['电话等待', '电话等待'],
    ['  Checkout / Step 2!  ', 'checkout_step_2'],
    ['v1.2-beta_x', 'v1.2-beta_x'],
    ['ＦＵＬＬ　ｗｉｄｔｈ', 'full_width'],
    ['Cafe\u0301', 'café'],
    ['-.leading', 'leading'],
    ['İstanbul', 'i̇stanbul'],
    ['डेमो बुकिंग', 'डेमो_बुकिंग'],
    ['!!!', ''],
    ['', ''],
    ['x'.repeat(70), 'x'.repeat(64)],
    [`${'x'.repeat(63)} y`, 'x'.repeat(63)],
    ['😀 smile', 'smile'],
  ]
  it.each(table)('%s', (name, then) => {
    expect(slug(name)).toBe(then)
  })

  it('is a touchpoint id or empty, and its own slug', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 100 }), fc.string({ unit: 'grapheme', maxLength: 100 })),
        (name) => {
          const result = slug(name)
          expect(result === '' || isTouchpoint(result)).toBe(true)
          expect(slug(result)).toBe(result)
        },
      ),
    )
  })

  it('for every single character of Unicode', () => {
    const wrong: string[] = []
    for (let code = 0; code <= 0x10ffff; code++) {
      const result = slug(String.fromCodePoint(code))
      if ((result !== '' && !isTouchpoint(result)) || slug(result) !== result) wrong.push(code.toString(16))
    }
    expect(wrong).toEqual([])
  })
})

describe('partitionOf', () => {
  // From UtilsTest.testMurmur2 of Apache Kafka.
  const vectors: [key: string, hash: number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  it.each(vectors)('hashes %s as Kafka does', (key, hash) => {
    expect(murmur2(new TextEncoder().encode(key))).toBe(hash)
    expect(partitionOf(key, 16)).toBe((hash & 0x7fffffff) % 16)
  })

  it('is the same for a person and its key', () => {
    expect(partitionOf({ kind: 'anonymous', customer: 'анна' }, 7)).toBe(partitionOf('анна', 7))
  })

  it('is a partition', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 1000 }), (key, partitions) => {
        const partition = partitionOf(key, partitions)
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true)
      }),
    )
  })
})

describe('default ids', () => {
  const row: ProducedInteraction = { customer: 'a', touchpoint: 't', at: 1 }

  it('are 32 hex digits, and the same in every file', () => {
    expect(createDefaultIds()(row)).toMatch(/^[0-9a-f]{32}$/)
    expect(createDefaultIds()(row)).toBe(createDefaultIds()({ ...row, waitMs: 5, channel: 'x' }))
  })

  it('number equal rows', () => {
    const ids = createDefaultIds()
    const first = ids(row)
    expect([ids(row), ids(row)]).toEqual([`${first}-2`, `${first}-3`])
  })

  const others: ProducedInteraction[] = [
    { ...row, customer: 'b' },
    { anonymousId: 'a', touchpoint: 't', at: 1 },
    { ...row, touchpoint: 'u' },
    { ...row, at: 2 },
    { ...row, episode: 'e' },
    { ...row, outcome: 'bought' },
    { ...row, episode: 'bought' },
    { ...row, customer: 'a","t' },
  ]
  it('tell every part apart', () => {
    expect(new Set([row, ...others].map((other) => createDefaultIds()(other))).size).toBe(others.length + 1)
  })

  it('do not depend on the order of the rows', () => {
    const rows = fc.array(fc.constantFrom(row, ...others), { maxLength: 50 })
    fc.assert(
      fc.property(
        rows.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          expect(list.map(createDefaultIds()).sort()).toEqual(shuffled.map(createDefaultIds()).sort())
        },
      ),
    )
  })

  it('stay right when there are many', () => {
    const ids = createDefaultIds()
    const seen = new Set<string>()
    for (let round = 0; round < 2; round++) for (let at = 0; at < 20_000; at++) seen.add(ids({ ...row, at }))
    expect(seen.size).toBe(40_000)
    expect([...seen].filter((id) => id.endsWith('-2')).length).toBe(20_000)
  })
})
