import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { breakEventOf, breakEventSchema, decodeBreak, encodeBreak } from '../src/break-event.ts'
import { type BreakChange, breakChanges, watch, watchNext, watchUntil } from '../src/breaks.ts'
import { type Chain, deriveChains } from '../src/index.ts'
import { anyCase } from './arbitrary.ts'

// The tracker's schedules (services/tracker/test) hold what is told against the oracle; here are the leaves.

const PERSON = { kind: 'customer', customer: 'u' } as const

/** Where, why and when chains are broken, by id. */
const broken = (chains: readonly Chain[]) =>
  new Map(
    chains
      .filter(({ state }) => state === 'broken')
      .map(({ id, place, reason, lastAt, closedAt }) => [id, { place, reason, lastAt, brokeAt: closedAt }]),
  )

/** The same of somebody who only hears of changes. */
function hear(known: ReturnType<typeof broken>, changes: readonly BreakChange[]): void {
  for (const change of changes) {
    if (change.type === 'healed' || change.type === 'retracted') {
      expect(known.delete(change.chain)).toBe(true)
      continue
    }
    expect(known.has(change.chain)).toBe(change.type === 'changed')
    const { place, reason, lastAt, brokeAt } = change.now
    known.set(change.chain, { place, reason, lastAt, brokeAt })
  }
}

describe('whoever hears of every change knows what is broken', () => {
  it('one interaction after the other, in whatever order, and at the end T', () => {
    fc.assert(
      fc.property(anyCase, fc.array(fc.integer({ min: 0, max: 24_000 })), ({ catalogue, arrivals, tick }, ticks) => {
        const known = broken([])
        const seen = arrivals.filter((one, k) => arrivals.findIndex(({ id }) => id === one.id) === k)
        const instants = ticks.sort((a, b) => a - b)
        let now = watch(PERSON, [], catalogue, null)
        for (const [k, interaction] of seen.entries()) {
          const before = watch(PERSON, seen.slice(0, k), catalogue, now.tick)
          const after = watch(PERSON, seen.slice(0, k + 1), catalogue, now.tick)
          const whole = breakChanges(before, after)
          const inPlace = watchNext(now, interaction)
          if (inPlace === null) now = after
          else expect(inPlace).toEqual(whole)
          hear(known, whole)
          const later = instants[k]
          if (later !== undefined) hear(known, watchUntil(now, later))
          expect(known).toEqual(broken(deriveChains(PERSON, seen.slice(0, k + 1), catalogue, now.tick)))
        }
        const end = Math.max(tick ?? 0, now.tick ?? 0)
        hear(known, watchUntil(now, end))
        expect(known).toEqual(broken(deriveChains(PERSON, seen, catalogue, end)))
      }),
    )
  })
})

describe('an event', () => {
  const was = { place: 'visit', reason: 'silence', episode: null, startedAt: 0, lastAt: 1, brokeAt: 2 } as const
  const now = { ...was, furthest: 'quote', interactions: 2 }
  const chain = 'a'.repeat(32)
  const changes: BreakChange[] = [
    { chain, type: 'broke', now },
    { chain, type: 'changed', now, was },
    { chain, type: 'healed', was, state: 'converted' },
    { chain, type: 'retracted', was, replacement: null },
  ]
  it.each(changes)('is read as it was written: $type', (change) => {
    const news = { change, version: 7, recordedAt: 3, tick: null, catalogue: 'c', movedTo: null }
    const event = breakEventOf({ kind: 'anonymous', customer: 'ж' }, news)
    const { key, value, headers } = encodeBreak(event)
    expect(Buffer.from(key).toString()).toBe('ж')
    expect(decodeBreak(value)).toEqual(event)
    expect(breakEventSchema.parse(event)).toMatchObject({ event: `${chain}@7`, anonymousId: 'ж' })
    expect(headers).toMatchObject({ ce_id: event.event, ce_type: `weaklink.chain.${change.type}` })
  })

  it('of a record whose time is nonsense is told nevertheless', () => {
    const news = { version: 7, recordedAt: 1e18, tick: 0, catalogue: 'c', movedTo: null, change: changes[0]! }
    expect(breakEventOf(PERSON, news).recordedAt).toBe('2201-01-01T00:00:00.000Z')
  })

  it('that is none is nothing', () => {
    expect(decodeBreak(Buffer.from('{"type":"broke"}'))).toBeNull()
    expect(decodeBreak(Buffer.from('{'))).toBeNull()
  })
})
