import { type BreakEvent, encodeBreak } from '@weaklink/chains'
import type { NewRecord } from '@weaklink/event-log'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import { BREAKS_TOPIC, encodeFact, IMPORT_HEADER, INTERACTIONS_TOPIC, LINK_HEADER } from '@weaklink/interactions'
import { describe, expect, test } from 'vitest'
import { customer } from '../../../packages/reports/test/story.ts'
import type { RevisedCustomer } from '../src/index.ts'
import { many, names, useLive } from './live.ts'
import { type Listener, met, PARTITIONS } from './support.ts'

const live = useLive()

describe('what arrives', () => {
  test('is told from now on, as it stands in the log, with where it stands there', async () => {
    await live.log.put(met('before'))
    const listener = await live.listen()
    expect(listener.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const at = Date.parse('2024-03-04T11:02:00Z')
    await live.log.put(
      met('e1', { customer: 'ü', touchpoint: 'call_wait', at, waitMs: 5, props: { plan: 'pro\n"x"' } }),
    )
    const [event] = await listener.has(1)
    expect(event?.data).toEqual({
      id: 'e1',
      customer: 'ü',
      touchpoint: 'call_wait',
      at: '2024-03-04T11:02:00.000Z',
      waitMs: 5,
      props: { plan: 'pro\n"x"' },
      partition: expect.any(Number),
      offset: expect.any(Number),
      receivedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    })
    expect(listener.events[0]).toMatchObject({ type: 'ready', data: { resumed: false } })
  })

  test('comes in the order of the log, partition by partition', async () => {
    const listener = await live.listen()
    for (let k = 0; k < 60; k += 20) await live.log.put(...many(k, k + 20))
    const events = await listener.has(60)
    expect(new Set(listener.ids)).toEqual(new Set(names(0, 60)))
    const partitions = new Set(events.map(({ data }) => data.partition))
    expect(partitions.size).toBe(PARTITIONS)
    for (const partition of partitions) {
      const offsets = events.filter(({ data }) => data.partition === partition).map(({ data }) => data.offset)
      expect(offsets).toEqual(offsets.map((_, k) => k))
    }
  })

  test('is told also where another process appended it', async () => {
    const listener = await live.listen()
    const other = await openEmbeddedLog(live.log.directory)
    await other.append(INTERACTIONS_TOPIC, [{ partition: 1, ...encodeFact(met('elsewhere')) }])
    await other.close()
    expect((await listener.has(1))[0]?.data.id).toBe('elsewhere')
  })

  test('is told without control records and copies under another person; links are told', async () => {
    const listener = await live.listen()
    await live.log.put({ kind: 'tick', tick: 1 }, { kind: 'catalogue', hash: '0'.repeat(32) })
    await live.log.put({ kind: 'touch', person: { kind: 'customer', customer: 'anna' } })
    await live.log.put({ kind: 'link', link: { id: 'l1', anonymousId: 'cookie', customer: 'anna' } })
    await live.log.put({ kind: 'unlink', anonymousId: 'cookie' })
    await live.log.log.append(INTERACTIONS_TOPIC, [
      { partition: 0, key: Buffer.from('nobody'), value: Buffer.from('{ not JSON') },
      { partition: 0, ...encodeFact(met('copy'), { [LINK_HEADER]: 'l1' }) },
      { partition: 0, ...encodeFact(met('imported'), { [IMPORT_HEADER]: 'x' }) },
    ])
    await listener.has(1)
    expect(listener.ids).toEqual(['imported'])
    expect(listener.of('link').map(({ data }) => data)).toMatchObject([
      { state: 'linked', id: 'l1', anonymousId: 'cookie', customer: 'anna' },
      { state: 'unlinked', anonymousId: 'cookie', customer: null },
    ])
    expect(new Set(listener.events.map(({ type }) => type))).toEqual(
      new Set(['ready', 'waiting', 'interaction', 'link']),
    )
  })
})

describe('filters', () => {
  test('by type, by customer of either kind, by touchpoint', async () => {
    const onlyLinks = await live.listen('?types=link,break')
    const onlyAnna = await live.listen('?customer=anna&types=interaction,link')
    const onlyQuotes = await live.listen(`?touchpoint=${encodeURIComponent('цена')}`)
    const all = await live.listen()
    await live.log.put(
      met('a1'),
      met('b1', { customer: 'boris', touchpoint: 'цена' }),
      met('a2', { anonymousId: 'anna', touchpoint: 'цена' }),
      { kind: 'link', link: { id: 'l1', anonymousId: 'x', customer: 'anna' } },
      { kind: 'link', link: { id: 'l2', anonymousId: 'y', customer: 'boris' } },
    )
    await all.has(3)
    await all.has(2, 'link')
    await live.log.put(met('last'), met('end', { customer: 'boris', touchpoint: 'цена' }), {
      kind: 'link',
      link: { id: 'end', anonymousId: 'z', customer: 'anna' },
    })
    await Promise.all([onlyLinks.has(3, 'link'), onlyAnna.has(2, 'link'), onlyQuotes.has(3), onlyAnna.has(3)])
    const told = (listener: Listener) => new Set(listener.events.slice(1).map(({ data, type }) => data.id ?? type))
    expect(told(onlyLinks)).toEqual(new Set(['l1', 'l2', 'end']))
    expect(told(onlyAnna)).toEqual(new Set(['a1', 'a2', 'last', 'l1', 'end']))
    expect(told(onlyQuotes)).toEqual(new Set(['waiting', 'b1', 'a2', 'end']))
  })
})

describe('rejects', () => {
  test('come from the log and from the collector, with reason, field, expected and got', async () => {
    const listener = await live.listen()
    const annas = await live.listen('?customer=anna&types=rejected')
    await live.reject('bad-1')
    await listener.has(1, 'rejected')
    const why = { reason: 'missing_field', field: 'touchpoint', expected: 'a touchpoint id', got: 'nothing' }
    const value = '{"id":"bad-2","customer":"anna"}'
    live.running.refuse({ id: 'bad-2', ...why, value, at: 0 }, { id: null, ...why, value: '{"cut', at: 0 })
    const [inLog, atDoor, cut] = await listener.has(3, 'rejected')
    expect(inLog?.id).toBeDefined()
    expect(inLog?.data).toMatchObject({
      by: 'tracker',
      id: 'bad-1',
      reason: 'customer_limit',
      field: 'customer',
      expected: 'at most 20000',
      got: '20001',
      value: expect.stringContaining('"bad-1"'),
      partition: 1,
      offset: 7,
    })
    const rest = { partition: null, offset: null }
    expect(atDoor?.data).toEqual({
      by: 'collector',
      id: 'bad-2',
      ...why,
      value,
      at: '1970-01-01T00:00:00.000Z',
      ...rest,
    })
    expect([atDoor?.id, cut?.data.id]).toEqual([undefined, null])
    await annas.has(2, 'rejected')
    expect(annas.of('rejected').map(({ data }) => data.id)).toEqual(['bad-1', 'bad-2'])
  })
})

describe('breaks', () => {
  const MINUTE = 60_000
  const at = (ms: number) => new Date(ms).toISOString().slice(0, -1)
  /** Somebody who walked away so long ago, and bought or not. */
  const gone = (name: string, agoMs: number): RevisedCustomer => {
    const when = Date.now() - agoMs
    const { person, chains } = customer(name, [[at(when), 'visit', { outcome: 'refused' }]], undefined, when + MINUTE)
    return { person: { ...person }, chains }
  }

  test('are told once, when they happened within the last hour', async () => {
    const listener = await live.listen()
    const boris = await live.listen('?customer=boris')
    const row = gone('anna', MINUTE)
    live.running.revise(row)
    live.running.revise(row)
    live.running.revise(gone('clara', 3 * 60 * MINUTE))
    live.running.revise(gone('boris', 2 * MINUTE))
    live.running.revise(row)
    await listener.has(2, 'break')
    await boris.has(1, 'break')
    await live.log.put(met('end'))
    await listener.has(1)
    expect(listener.of('break').map(({ data }) => data.customer)).toEqual(['anna', 'boris'])
    expect(listener.of('break')[0]?.data).toEqual({
      kind: 'customer',
      customer: 'anna',
      chain: row.chains[0]?.id,
      ordinal: 1,
      place: 'visit',
      furthest: 'visit',
      reason: 'refused',
      episode: null,
      startedAt: expect.any(String),
      lastAt: expect.any(String),
      closedAt: new Date(row.chains[0]?.closedAt ?? 0).toISOString(),
    })
    expect(boris.of('break')).toHaveLength(1)
  })

  test('of a chain that went on and broke again are told again', async () => {
    const listener = await live.listen('?types=break')
    const [first, again] = [gone('anna', 5 * MINUTE), gone('anna', MINUTE)]
    live.running.revise(first)
    live.running.revise(again)
    await listener.has(2, 'break')
    expect(new Set(listener.of('break').map(({ data }) => data.chain)).size).toBe(1)
  })

  describe('breaks in a topic of their own', () => {
    const told = (type: 'broke' | 'healed', customer: string, more: Partial<BreakEvent> = {}): NewRecord => {
      const common = {
        ...{
          event: `${'0'.repeat(32)}@7`,
          chain: '0'.repeat(32),
          version: 7,
          customer,
          place: 'visit',
          reason: 'silence',
        },
        ...{ startedAt: '2024-03-01T00:00:00.000Z', lastAt: '2024-03-01T00:00:00.000Z', catalogue: 'c', tick: null },
        ...{ brokeAt: '2024-03-31T00:00:00.000Z', recordedAt: '2024-03-31T00:00:01.000Z', ...more },
      } as const
      const event = (
        type === 'broke'
          ? { type, ...common, furthest: 'quote', episode: 'e', interactions: 2 }
          : { type, ...common, state: 'open' }
      ) as BreakEvent
      return { partition: 0, ...encodeBreak(event) }
    }

    test('are told from there, also after a reconnect; what is history is not', async () => {
      await live.log.log.createTopic(BREAKS_TOPIC, 2)
      const first = await live.listen()
      await live.log.log.append(BREAKS_TOPIC, [
        told('broke', 'anna'),
        told('healed', 'anna'),
        told('broke', 'clara', { recordedAt: '2025-03-31T00:00:00.000Z' }),
      ])
      await first.has(1, 'break')
      expect(first.of('break')[0]?.data).toEqual({
        kind: 'customer',
        customer: 'anna',
        chain: '0'.repeat(32),
        place: 'visit',
        furthest: 'quote',
        reason: 'silence',
        episode: 'e',
        startedAt: '2024-03-01T00:00:00.000Z',
        lastAt: '2024-03-01T00:00:00.000Z',
        closedAt: '2024-03-31T00:00:00.000Z',
      })
      // What the tracker in this process writes is what the topic tells.
      live.running.revise(gone('fay', MINUTE))
      await live.log.put(met('end'))
      await first.has(1)
      expect(first.of('break')).toHaveLength(1)
      first.close()
      await live.log.log.append(BREAKS_TOPIC, [told('broke', 'boris')])
      const second = await live.listen('', first.lastEventId)
      await second.has(1, 'break')
      expect(second.of('break').map(({ data }) => data.customer)).toEqual(['boris'])
      expect(second.of('gap')).toEqual([])
    })

    test('a client that came before there was the topic goes on without a gap', async () => {
      const before = await live.listen()
      before.close()
      await live.restart()
      await live.log.log.createTopic(BREAKS_TOPIC, 2)
      const after = await live.listen('', before.lastEventId)
      await live.log.log.append(BREAKS_TOPIC, [told('broke', 'anna')])
      await after.has(1, 'break')
      expect(after.of('gap')).toEqual([])
    })
  })
})

describe('calls that wait', () => {
  const call = (id: string, touchpoint: string, at: number, more = {}) =>
    met(id, { touchpoint, at, episode: 'call-1', customer: 'anna', ...more })
  const now = Date.now() - 60_000
  const states = (listener: Listener) =>
    listener.of('waiting').map(({ data }) => [data.state, data.episode, data.endedBy])

  test('begin in the queue, and end with whatever comes later in the episode', async () => {
    const listener = await live.listen('?types=waiting')
    await live.log.put(call('q1', 'call_queue', now, { queue: 'sales' }), call('q1', 'call_queue', now))
    await live.log.put(call('early', 'call_menu', now - 5), call('other', 'call_answer', now, { episode: 'call-2' }))
    await live.log.put(
      call('w1', 'call_wait', now + 9_000, { outcome: 'abandoned', queue: 'sales' }),
      call('a1', 'call_answer', now + 9_001),
    )
    await live.log.put(
      call('q2', 'call_queue', now + 10_000),
      call('q3', 'call_queue', now + 11_000, { queue: 'second' }),
    )
    await live.log.put(call('a2', 'call_answer', now + 12_000))
    await listener.has(7, 'waiting')
    expect(states(listener)).toEqual([
      ['now', undefined, undefined],
      ['began', 'call-1', undefined],
      ['ended', 'call-1', 'call_wait'],
      ['began', 'call-1', undefined],
      ['ended', 'call-1', 'call_queue'],
      ['began', 'call-1', undefined],
      ['ended', 'call-1', 'call_answer'],
    ])
    expect(listener.of('waiting')[2]?.data).toEqual({
      state: 'ended',
      customer: 'anna',
      anonymousId: null,
      episode: 'call-1',
      queue: 'sales',
      touchpoint: 'call_queue',
      since: new Date(now).toISOString(),
      endedAt: new Date(now + 9_000).toISOString(),
      endedBy: 'call_wait',
      outcome: 'abandoned',
      waitedMs: 9_000,
    })
  })

  test('are told to who comes later; those of an import of old calls are none', async () => {
    await live.log.put(call('q1', 'call_queue', now), call('old', 'call_queue', now - 86_400_000, { episode: 'old' }))
    await live.log.put(call('q2', 'call_queue', now, { episode: 'call-2', customer: 'boris' }))
    await live.log.put(call('a2', 'call_answer', now + 1, { episode: 'call-2', customer: 'boris' }))
    const calls = async (path: string) => (await (await live.listen(path)).has(1, 'waiting'))[0]?.data
    const waiting = [expect.objectContaining({ customer: 'anna', episode: 'call-1' })]
    expect(await calls('')).toEqual({ state: 'now', calls: waiting })
    expect(await calls('?customer=anna&types=waiting')).toEqual({ state: 'now', calls: waiting })
    expect(await calls('?customer=boris')).toEqual({ state: 'now', calls: [] })
  })

  test('of somebody who was anonymous until they were answered', async () => {
    const listener = await live.listen('?types=waiting')
    await live.log.put({ ...met('q1', { anonymousId: '+7916', touchpoint: 'call_queue', at: now, episode: 'c' }) })
    await listener.has(2, 'waiting')
    await live.log.put(
      met('a1', { customer: 'anna', anonymousId: '+7916', touchpoint: 'call_answer', at: now + 1, episode: 'c' }),
    )
    await listener.has(3, 'waiting')
    expect(states(listener).slice(1)).toEqual([
      ['began', 'c', undefined],
      ['ended', 'c', 'call_answer'],
    ])
  })
})
