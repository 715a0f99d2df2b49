/**
 * What every implementation of the log promises. Nothing here assumes when a consumer looks for records, how many it
 * gets at once, or that its partitions are assigned before `consume` resolves.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Consumer, EventLog, LogRecord, NewRecord, PartitionHandler } from '../src/index.ts'
import { offsetSince, PositionOutOfRangeError } from '../src/index.ts'

export interface LogUnderTest {
  /** Opens the log; several opened ones are clients of the same log. The suite closes what it opens. */
  open(): Promise<EventLog>
  dispose(): Promise<void>
}

/** Waits for what must happen sooner or later. */
export const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 10 })

const bytes = (text: string) => Buffer.from(text)
export const record = (partition: number, value: string): NewRecord => ({ partition, key: null, value: bytes(value) })
export const text = ({ value }: Pick<LogRecord, 'value'>) => Buffer.from(value).toString()
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

/** Reads a partition from a position to its end. */
export async function readAll(log: EventLog, topic: string, partition: number, from = 0): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (;;) {
    const some = await log.read(topic, partition, from + records.length, 1000)
    if (some.length === 0) return records
    records.push(...some)
  }
}

/** A handler that keeps what it is given and fails the test's expectations when calls of a partition overlap. */
export class Recorder implements PartitionHandler {
  readonly from: (partition: number) => number
  readonly assignedTo: number[] = []
  readonly revokedFrom: number[] = []
  readonly lostFrom: number[] = []
  readonly caughtUpAt = new Map<number, number[]>()
  readonly received = new Map<number, LogRecord[]>()
  readonly overlaps: number[] = []
  readonly #busy = new Set<number>()

  constructor(from: (partition: number) => number = () => 0) {
    this.from = from
  }

  assigned(partition: number): Promise<number> {
    return this.#alone(partition, () => {
      this.assignedTo.push(partition)
      return this.from(partition)
    })
  }

  records(partition: number, records: readonly LogRecord[]): Promise<void> {
    return this.#alone(partition, () => {
      expect(records.length).toBeGreaterThan(0)
      this.received.set(partition, [...(this.received.get(partition) ?? []), ...records])
    })
  }

  caughtUp(partition: number, position: number): Promise<void> {
    return this.#alone(partition, () => {
      this.caughtUpAt.set(partition, [...(this.caughtUpAt.get(partition) ?? []), position])
    })
  }

  revoked(partition: number): Promise<void> {
    return this.#alone(partition, () => {
      this.revokedFrom.push(partition)
    })
  }

  lost(partition: number): void {
    this.lostFrom.push(partition)
  }

  texts(partition: number): string[] {
    return (this.received.get(partition) ?? []).map(text)
  }

  offsets(partition: number): number[] {
    return (this.received.get(partition) ?? []).map(({ offset }) => offset)
  }

  async #alone<T>(partition: number, action: () => T): Promise<T> {
    if (this.#busy.has(partition)) this.overlaps.push(partition)
    this.#busy.add(partition)
    await sleep(1)
    this.#busy.delete(partition)
    return action()
  }
}

/** The error that a consumer ended with. */
export const failureOf = (consumer: Consumer): Promise<unknown> =>
  consumer.done.then(
    () => {
      throw new Error('the consumer ended without an error')
    },
    (error) => error,
  )

export function describeEventLog(name: string, start: () => Promise<LogUnderTest>): void {
  describe(`the contract of a log: ${name}`, () => {
    let underTest: LogUnderTest
    let log: EventLog
    let topic: string
    // Others may use the same broker.
    const run = randomBytes(5).toString('hex')
    let topics = 0
    const opened: EventLog[] = []
    const consumers: Consumer[] = []

    beforeAll(async () => {
      underTest = await start()
    })
    afterAll(() => underTest?.dispose())
    beforeEach(async () => {
      topic = `topic-${run}-${++topics}`
      log = await open()
    })
    afterEach(async () => {
      for (const consumer of consumers.splice(0)) await consumer.stop()
      for (const some of opened.splice(0)) await some.close()
    })

    async function open(): Promise<EventLog> {
      const some = await underTest.open()
      opened.push(some)
      return some
    }

    async function consume(handler: PartitionHandler, from = log): Promise<Consumer> {
      const consumer = await from.consume(topic, 'group', handler)
      consumers.push(consumer)
      return consumer
    }

    describe('a topic', () => {
      test('is created once: creating it again answers the same one', async () => {
        const created = await log.createTopic(topic, 3)
        expect(created).toMatchObject({ topic, partitions: 3, identity: expect.stringMatching(/./) })
        expect(await log.createTopic(topic, 3)).toEqual(created)
        expect(await log.describe(topic)).toEqual(created)
        expect(await (await open()).describe(topic)).toEqual(created)
      })

      test('has an identity of its own', async () => {
        const one = await log.createTopic(topic, 1)
        const other = await log.createTopic(`${topic}-other`, 1)
        expect(one.identity).not.toBe(other.identity)
      })

      test('never changes its number of partitions', async () => {
        await log.createTopic(topic, 3)
        await expect(log.createTopic(topic, 4)).rejects.toMatchObject({ code: 'partitions_differ' })
        expect((await log.describe(topic)).partitions).toBe(3)
      })

      test('that does not exist is an error everywhere', async () => {
        const unknown = { code: 'topic_unknown', message: expect.stringContaining(topic) }
        await expect(log.describe(topic)).rejects.toMatchObject(unknown)
        await expect(log.ranges(topic)).rejects.toMatchObject(unknown)
        await expect(log.append(topic, [record(0, 'a')])).rejects.toMatchObject(unknown)
        await expect(log.read(topic, 0, 0, 1)).rejects.toMatchObject(unknown)
        await expect(log.consume(topic, 'group', new Recorder())).rejects.toMatchObject(unknown)
      })

      test.for(['', '.', 'a/b', 'ü', 'x'.repeat(250)])('cannot have the name %j', async (bad) => {
        await expect(log.createTopic(bad, 1)).rejects.toMatchObject({ code: 'topic_name_invalid' })
      })

      test.for([0, -1, 1.5])('cannot have %d partitions', async (partitions) => {
        await expect(log.createTopic(topic, partitions)).rejects.toMatchObject({ code: 'partitions_invalid' })
      })
    })

    describe('append and read', () => {
      test('a new partition is empty', async () => {
        await log.createTopic(topic, 2)
        expect(await log.ranges(topic)).toEqual([
          { partition: 0, start: 0, end: 0 },
          { partition: 1, start: 0, end: 0 },
        ])
        expect(await log.read(topic, 1, 0, 10)).toEqual([])
      })

      test('offsets are answered in the order given and count each partition from 0', async () => {
        await log.createTopic(topic, 3)
        const first = await log.append(topic, [record(1, 'a'), record(0, 'b'), record(1, 'c')])
        const second = await log.append(topic, [record(1, 'd'), record(2, 'e'), record(0, 'f')])
        expect([first, second]).toEqual([
          [0, 0, 1],
          [2, 0, 1],
        ])
        expect((await readAll(log, topic, 1)).map(text)).toEqual(['a', 'c', 'd'])
        expect((await log.ranges(topic)).map(({ end }) => end)).toEqual([2, 3, 1])
      })

      test('an append of nothing resolves with no offsets', async () => {
        await log.createTopic(topic, 1)
        expect(await log.append(topic, [])).toEqual([])
      })

      test('a part is read by position and number', async () => {
        await log.createTopic(topic, 1)
        await log.append(
          topic,
          range(0, 50).map((n) => record(0, `${n}`)),
        )
        const part = await log.read(topic, 0, 20, 5)
        expect(part.map(({ offset }) => offset)).toEqual(range(20, 25))
        expect(part.map(text)).toEqual(['20', '21', '22', '23', '24'])
        expect(await log.read(topic, 0, 50, 5)).toEqual([])
      })

      test('a position beyond the end is out of range', async () => {
        await log.createTopic(topic, 2)
        await log.append(topic, [record(1, 'a'), record(1, 'b')])
        const error = await log.read(topic, 1, 3, 1).catch((error) => error)
        expect(error).toBeInstanceOf(PositionOutOfRangeError)
        expect(error).toMatchObject({
          code: 'position_out_of_range',
          topic,
          partition: 1,
          position: 3,
          start: 0,
          end: 2,
        })
      })

      test('a partition that the topic lacks is an error, and nothing of its batch is taken in', async () => {
        await log.createTopic(topic, 2)
        const batch = [record(0, 'a'), record(2, 'b')]
        await expect(log.append(topic, batch)).rejects.toMatchObject({ code: 'partition_unknown' })
        await expect(log.read(topic, -1, 0, 1)).rejects.toMatchObject({ code: 'partition_unknown' })
        expect((await log.ranges(topic)).map(({ end }) => end)).toEqual([0, 0])
      })

      test('a record comes back as it went in: keys, headers and values of any bytes', async () => {
        await log.createTopic(topic, 2)
        const anyBytes = fc.uint8Array({ maxLength: 300 })
        const anyRecord = fc.record(
          {
            partition: fc.integer({ min: 0, max: 1 }),
            key: fc.option(anyBytes),
            value: anyBytes,
            headers: fc.dictionary(
              fc.string({ minLength: 1, maxLength: 20 }).filter((header) => header !== '__proto__'),
              fc.string({ unit: 'grapheme', maxLength: 30 }),
              { noNullPrototype: true },
            ),
          },
          { requiredKeys: ['partition', 'key', 'value'] },
        )
        await fc.assert(
          fc.asyncProperty(fc.array(anyRecord, { minLength: 1, maxLength: 30 }), async (records) => {
            const offsets = await log.append(topic, records)
            for (const [index, expected] of records.entries()) {
              const [got] = await log.read(topic, expected.partition, offsets[index]!, 1)
              expect(got && plain(got)).toEqual(plain({ ...expected, offset: offsets[index]! }))
            }
          }),
          { numRuns: 25 },
        )
      })

      test('a record of a megabyte', async () => {
        await log.createTopic(topic, 1)
        const value = Buffer.alloc(1_000_000, 'weaklink ')
        await log.append(topic, [record(0, 'before'), { partition: 0, key: null, value }, record(0, 'after')])
        const read = await readAll(log, topic, 0)
        expect(read.map(({ value }) => value.length)).toEqual([6, 1_000_000, 5])
        expect(value.equals(read[1]!.value)).toBe(true)
      })

      test('the caller may reuse its buffers once append has resolved', async () => {
        await log.createTopic(topic, 1)
        const value = bytes('first')
        await log.append(topic, [{ partition: 0, key: value, value }])
        value.fill('x')
        const [read] = await log.read(topic, 0, 0, 1)
        expect(text(read!)).toBe('first')
      })

      test('timestamps are of the time of the append and never decrease within a partition', async () => {
        await log.createTopic(topic, 1)
        for (const n of range(0, 20)) await log.append(topic, [record(0, `${n}`)])
        const times = (await readAll(log, topic, 0)).map(({ timestamp }) => timestamp)
        expect(times).toEqual(times.toSorted((a, b) => a - b))
        // Another machine may have another clock; a minute tells seconds from milliseconds and UTC from local time.
        expect(Math.abs(Date.now() - times.at(-1)!)).toBeLessThan(60_000)
      })

      test('the records since an instant begin where those before it end', async () => {
        await log.createTopic(topic, 1)
        const since = async (timestamp: number) => {
          const [range] = await log.ranges(topic)
          return await offsetSince(log, topic, range!, timestamp)
        }
        expect(await since(0)).toBe(0)
        for (let n = 0; n < 7; n++) {
          await log.append(topic, [record(0, `${n}`), record(0, `${n}`)])
          await sleep(2)
        }
        const all = await readAll(log, topic, 0)
        for (const { timestamp } of all) {
          for (const instant of [timestamp - 1, timestamp, timestamp + 1]) {
            const first = all.find((one) => one.timestamp >= instant)?.offset ?? all.length
            expect(await since(instant)).toBe(first)
          }
        }
      })

      test('appends at the same time, of several clients: each keeps its order, no offset is given twice', async () => {
        await log.createTopic(topic, 2)
        const clients = [log, await open()]
        const answers = await Promise.all(
          range(0, 60).map(async (n) => {
            const batch = range(0, 4).map((index) => record(index % 2, `${n}/${index}`))
            return { batch, offsets: await clients[n % 2]!.append(topic, batch) }
          }),
        )
        for (const partition of [0, 1]) {
          const stored = await readAll(log, topic, partition)
          expect(stored.map(({ offset }) => offset)).toEqual(range(0, 120))
          for (const { batch, offsets } of answers) {
            expect(offsets[partition + 2]).toBeGreaterThan(offsets[partition]!)
            for (const index of [partition, partition + 2]) {
              expect(text(stored[offsets[index]!]!)).toBe(text(batch[index]!))
            }
          }
        }
      })

      test('what was acknowledged is there for the next client', async () => {
        const created = await log.createTopic(topic, 1)
        await log.append(
          topic,
          range(0, 10).map((n) => record(0, `${n}`)),
        )
        await log.close()
        const next = await open()
        expect(await next.describe(topic)).toEqual(created)
        expect((await readAll(next, topic, 0)).map(text)).toEqual(range(0, 10).map(String))
        expect(await next.append(topic, [record(0, 'more')])).toEqual([10])
      })
    })

    describe('a consumer', () => {
      test('gets every partition, all records in order, those that come later too, and word of each end', async () => {
        await log.createTopic(topic, 3)
        await log.append(
          topic,
          range(0, 300).map((n) => record(n % 3, `${n}`)),
        )
        const recorder = new Recorder()
        await consume(recorder)
        await eventually(() => {
          for (const partition of range(0, 3)) expect(recorder.caughtUpAt.get(partition)).toContain(100)
        })
        await log.append(
          topic,
          range(300, 330).map((n) => record(n % 3, `${n}`)),
        )
        await eventually(() => {
          for (const partition of range(0, 3)) expect(recorder.caughtUpAt.get(partition)).toContain(110)
        })
        expect(recorder.assignedTo.toSorted()).toEqual([0, 1, 2])
        for (const partition of range(0, 3)) {
          expect(recorder.offsets(partition)).toEqual(range(0, 110))
          expect(recorder.texts(partition)).toEqual(range(0, 110).map((n) => String(n * 3 + partition)))
        }
        expect(recorder.overlaps).toEqual([])
      })

      test('sees what other clients append', async () => {
        await log.createTopic(topic, 1)
        const recorder = new Recorder()
        await consume(recorder)
        await eventually(() => expect(recorder.caughtUpAt.get(0)).toContain(0))
        await (await open()).append(topic, [record(0, 'from elsewhere')])
        await eventually(() => expect(recorder.texts(0)).toEqual(['from elsewhere']))
      })

      test('starts where the handler says, and is told of the end there even without a record', async () => {
        await log.createTopic(topic, 2)
        await log.append(
          topic,
          range(0, 20).map((n) => record(n % 2, `${n}`)),
        )
        const recorder = new Recorder((partition) => (partition === 0 ? 7 : 10))
        await consume(recorder)
        await eventually(() => {
          expect(recorder.caughtUpAt.get(0)).toContain(10)
          expect(recorder.caughtUpAt.get(1)).toContain(10)
        })
        expect(recorder.offsets(0)).toEqual([7, 8, 9])
        expect(recorder.offsets(1)).toEqual([])
      })

      test('is told of the end again and again while nothing comes', async () => {
        await log.createTopic(topic, 1)
        const recorder = new Recorder()
        await consume(recorder)
        await eventually(() => expect(recorder.caughtUpAt.get(0)?.length).toBeGreaterThanOrEqual(3))
        expect(new Set(recorder.caughtUpAt.get(0))).toEqual(new Set([0]))
      })

      test('that stops has given back every partition and calls nothing any more; the next one goes on', async () => {
        await log.createTopic(topic, 2)
        await log.append(topic, [record(0, 'a'), record(1, 'b')])
        const first = new Recorder()
        const consumer = await consume(first)
        await eventually(() => expect([...first.texts(0), ...first.texts(1)].toSorted()).toEqual(['a', 'b']))
        await consumer.stop()
        await consumer.done
        expect(first.revokedFrom.toSorted()).toEqual([0, 1])
        await log.append(topic, [record(0, 'c')])

        const second = new Recorder(() => 1)
        await consume(second)
        await eventually(() => expect(second.texts(0)).toEqual(['c']))
        expect(first.texts(0)).toEqual(['a'])
      })

      test('that stops waits for the handler', async () => {
        await log.createTopic(topic, 1)
        await log.append(topic, [record(0, 'a')])
        const order: string[] = []
        const begun = Promise.withResolvers<void>()
        const go = Promise.withResolvers<void>()
        const recorder = new Recorder()
        recorder.records = async () => {
          begun.resolve()
          await go.promise
          order.push('handled')
        }
        recorder.revoked = async () => {
          order.push('revoked')
        }
        const consumer = await consume(recorder)
        await begun.promise
        const stopping = consumer.stop().then(() => order.push('stopped'))
        await sleep(20)
        expect(order).toEqual([])
        go.resolve()
        await stopping
        expect(order).toEqual(['handled', 'revoked', 'stopped'])
      })

      test('ends with the error of its handler and does not call it again; the next one gets the same records', async () => {
        await log.createTopic(topic, 2)
        await log.append(topic, [record(0, 'a'), record(1, 'b')])
        const failure = new Error('the handler failed')
        let calls = 0
        const broken = new Recorder()
        broken.records = async () => {
          calls++
          throw failure
        }
        const consumer = await consume(broken)
        expect(await failureOf(consumer)).toBe(failure)
        const callsAtTheEnd = calls
        await log.append(topic, [record(0, 'c')])
        await consumer.stop()
        expect(calls).toBe(callsAtTheEnd)

        const next = new Recorder()
        await consume(next)
        await eventually(() => expect([next.texts(0), next.texts(1)]).toEqual([['a', 'c'], ['b']]))
      })

      test('whose assignment fails ends with that error', async () => {
        await log.createTopic(topic, 1)
        const failure = new Error('no position')
        const recorder = new Recorder(() => {
          throw failure
        })
        expect(await failureOf(await consume(recorder))).toBe(failure)
      })

      test('from a position beyond the end ends with an error and never starts elsewhere', async () => {
        await log.createTopic(topic, 1)
        await log.append(topic, [record(0, 'a')])
        const recorder = new Recorder(() => 5)
        const error = await failureOf(await consume(recorder))
        expect(error).toBeInstanceOf(PositionOutOfRangeError)
        expect(error).toMatchObject({ topic, partition: 0, position: 5, start: 0, end: 1 })
        expect(recorder.texts(0)).toEqual([])
      })

      test('groups are independent of each other', async () => {
        await log.createTopic(topic, 1)
        const one = new Recorder()
        const other = new Recorder()
        await consume(one)
        consumers.push(await log.consume(topic, 'another-group', other))
        await log.append(topic, [record(0, 'a')])
        await eventually(() => expect([one.texts(0), other.texts(0)]).toEqual([['a'], ['a']]))
      })
    })
  })
}

/** For comparison: Buffers and Uint8Arrays of the same bytes are the same. */
const plain = ({ partition, offset, key, value, headers = {} }: NewRecord & { offset: number }) => ({
  partition,
  offset,
  key: key && Buffer.from(key).toString('hex'),
  value: Buffer.from(value).toString('hex'),
  headers,
})
