import { connect as connectSocket } from 'node:net'
import { INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'
import { describe, expect, test } from 'vitest'
import { many, names, PEOPLE, useLive } from './live.ts'
import { KEYS, Listener, met, openTestLog, PARTITIONS, startApi, storeAt } from './support.ts'

const live = useLive()

/** Makes an interaction as large as it may be. */
const HEAVY = Object.fromEntries(Array.from({ length: 30 }, (_, k) => [`p${k}`, 'x'.repeat(900)]))

describe('Last-Event-ID', () => {
  test('goes on exactly where a client was that was cut off in the middle, again and again', async () => {
    await live.log.put(...many(0, 10))
    const TOTAL = 3_010
    const seen: string[] = []
    let last = (await live.listen()).lastEventId
    let put = 10
    const producer = (async () => {
      while (put < TOTAL) {
        await live.log.put(...many(put, put + 50))
        put += 50
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    let round = 0
    while (seen.length < TOTAL - 10) {
      const viaHeader = round % 2 === 0
      const listener = await live.listen(
        viaHeader ? '' : `?lastEventId=${encodeURIComponent(last)}`,
        viaHeader ? last : '',
      )
      expect(listener.events[0]).toMatchObject({ type: 'ready', data: { resumed: true } })
      const wanted = Math.min(listener.ids.length + 37 * round * round, TOTAL - 10 - seen.length)
      round += 1
      await listener.has(wanted)
      listener.close()
      // Cut off anywhere: whatever came with an id counts up to the one that is remembered.
      const came = listener.of('interaction').slice(0, Math.max(1, Math.floor(listener.ids.length * 0.7)))
      seen.push(...came.map(({ data }) => String(data.id)))
      last = came.at(-1)?.id ?? last
    }
    await producer
    expect(seen).toHaveLength(TOTAL - 10)
    expect(new Set(seen)).toEqual(new Set(names(10, TOTAL)))
  })

  test('holds over a restart of the server, for rejected records too', async () => {
    const first = await live.listen()
    await live.log.put(met('one'))
    await first.has(1)
    first.close()
    await live.running.close()
    await live.log.put(met('two', { customer: 'boris' }))
    await live.reject('bad-1')
    await live.restart()
    const second = await live.listen('', first.lastEventId)
    await live.log.put(met('three', { customer: 'clara' }))
    await second.has(2)
    expect(second.ids).toEqual(['two', 'three'])
    expect((await second.has(1, 'rejected'))[0]?.data).toMatchObject({ by: 'tracker', id: 'bad-1' })
    expect(second.of('gap')).toEqual([])
  })

  test('of a long backlog is caught up while more arrives, with filters', async () => {
    const first = await live.listen()
    const last = first.lastEventId
    first.close()
    await live.log.put(...many(0, 6_000))
    const second = await live.listen('?customer=anna', last)
    await live.log.put(...many(6_000, 6_600))
    await second.has(1_100)
    expect(second.ids.map((id) => Number(id.slice(1)))).toEqual(
      Array.from({ length: 1_100 }, (_, k) => k * PEOPLE.length),
    )
  })

  test('gives the order of the log also where more arrives while the last of it is sent', async () => {
    const first = await live.listen()
    await live.log.put(...Array.from({ length: 900 }, (_, k) => met(`i${k}`, { props: HEAVY })))
    await first.has(900)
    first.close()
    const wakes = Promise.withResolvers<void>()
    const opening = live.listen('?types=interaction', first.events[0]?.id, wakes.promise)
    await expect.poll(async () => (await live.running.get('/metrics')).text()).toContain('weaklink_api_live_clients 1')
    for (let k = 900; k < 1_000; k += 10) await live.log.put(...names(k, k + 10).map((id) => met(id)))
    const other = await live.listen('?lastEventId=start')
    await other.has(1_000)
    wakes.resolve()
    const listener = await opening
    await listener.has(1_000)
    expect(listener.ids).toEqual(names(0, 1_000))
  })

  test('`start` is from the oldest record on that the log holds', async () => {
    await live.log.put(...many(0, 30))
    const listener = await live.listen('?lastEventId=start&types=interaction')
    await listener.has(30)
    await live.log.put(met('new'))
    await listener.has(31)
    expect(new Set(listener.ids)).toEqual(new Set([...names(0, 30), 'new']))
    expect(listener.events[0]?.type).toBe('ready')
  })

  test('that the log no longer holds: `gap` says so, and the rest comes', async () => {
    const first = await live.listen()
    await live.log.put(...many(0, 30))
    await first.has(30)
    const [{ id = '' } = { id: '' }] = first.of('interaction')
    first.close()
    const ranges = await live.log.log.ranges(INTERACTIONS_TOPIC)
    for (const { partition, end } of ranges) await live.log.log.trim(INTERACTIONS_TOPIC, partition, end - 2)
    const second = await live.listen('', id)
    await second.has(2 * PARTITIONS)
    expect(second.of('gap').map(({ data }) => data)).toEqual(
      ranges.map(({ partition, end }) => ({
        topic: INTERACTIONS_TOPIC,
        partition,
        reason: 'no_longer_held',
        from: expect.any(Number),
        to: end - 2,
      })),
    )
    await live.log.put(met('after'))
    await second.has(2 * PARTITIONS + 1)
    expect(second.ids.at(-1)).toBe('after')
  })

  test('of another log: `gap` says so, and it goes on from now', async () => {
    await live.log.put(...many(0, 5))
    const other = await openTestLog()
    const elsewhere = await startApi({ store: storeAt(9), log: other.log })
    const first = await Listener.open(elsewhere)
    first.close()
    await elsewhere.close()
    await other.remove()
    const second = await live.listen('', first.lastEventId)
    await second.has(2, 'gap')
    expect(second.of('gap').map(({ data }) => [data.topic, data.reason])).toEqual([
      [INTERACTIONS_TOPIC, 'another_log'],
      [REJECTED_TOPIC, 'another_log'],
    ])
    await live.log.put(met('new'))
    await second.has(1)
    expect(second.ids).toEqual(['new'])
  })
})

describe('connections', () => {
  test('hear a heartbeat, also where nothing happens', async () => {
    await live.restart({ heartbeatMs: 20 })
    const listener = await live.listen('?types=break')
    await listener.until(() => listener.comments.length >= 3)
    expect(listener.comments[0]).toBe('heartbeat')
  })

  test('by the hundred hear the same', async () => {
    const all = await Promise.all(Array.from({ length: 200 }, () => live.listen('?types=interaction')))
    expect(await (await live.running.get('/metrics')).text()).toContain('weaklink_api_live_clients 200')
    for (let k = 0; k < 100; k += 20) await live.log.put(...many(k, k + 20))
    await Promise.all(all.map((listener) => listener.has(100)))
    for (const listener of all) expect(listener.ids).toEqual(all[0]!.ids)
    for (const listener of all) listener.close()
    await expect.poll(async () => (await live.running.get('/metrics')).text()).toContain('weaklink_api_live_clients 0')
  })

  test('that do not keep up are dropped; others hear everything, and who was dropped comes back', async () => {
    await live.restart({ liveBuffer: 200_000 })
    const other = await live.listen('?types=interaction')
    const slow = connectSocket({ host: '127.0.0.1', port: Number(new URL(live.running.url).port) })
    slow.on('error', () => {})
    slow.write(`GET /api/v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEYS.read}\r\n\r\n`)
    await expect.poll(async () => (await live.running.get('/metrics')).text()).toContain('weaklink_api_live_clients 2')
    let put = 0
    const dropped = async () =>
      (await (await live.running.get('/metrics')).text()).includes('weaklink_api_live_dropped_total{reason="slow"} 1')
    while (!(await dropped())) {
      expect(put).toBeLessThan(3_000)
      await live.log.put(...Array.from({ length: 20 }, (_, k) => met(`i${put + k}`, { props: HEAVY })))
      put += 20
      await other.has(put)
    }
    slow.destroy()
    expect(other.ids).toEqual(names(0, put))
    const back = await live.listen('?types=interaction', other.events[0]?.id)
    await back.has(put)
    expect(back.ids).toEqual(names(0, put))
  })

  test('that resume and take nothing are dropped too', async () => {
    await live.restart({ stalledMs: 100 })
    const { lastEventId } = await live.listen()
    await live.log.put(...Array.from({ length: 1_200 }, (_, k) => met(`i${k}`, { props: HEAVY })))
    const slow = connectSocket({ host: '127.0.0.1', port: Number(new URL(live.running.url).port) })
    slow.on('error', () => {})
    slow.write(
      `GET /api/v1/live HTTP/1.1\r\nHost: x\r\nLast-Event-ID: ${lastEventId}\r\nAuthorization: Bearer ${KEYS.read}\r\n\r\n`,
    )
    await expect
      .poll(async () => (await live.running.get('/metrics')).text(), { timeout: 20_000 })
      .toMatch(/live_dropped_total\{reason="(stalled|slow)"\} 1/)
    slow.destroy()
  })

  test('end in order when the server closes', async () => {
    const all = await Promise.all([live.listen(), live.listen('?types=break')])
    await live.running.close()
    for (const listener of all) {
      await listener.until(() => listener.ended)
      expect(listener.broken).toBe(false)
    }
    await live.restart()
  })

  test('above the limit are asked to come later', async () => {
    await live.restart({ liveClients: 1 })
    const first = await live.listen()
    const response = await live.running.get('/api/v1/live')
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
    first.close()
    await expect.poll(async () => (await live.running.get('/metrics')).text()).toContain('weaklink_api_live_clients 0')
    await live.listen()
  })
})
