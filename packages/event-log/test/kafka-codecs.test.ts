import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeOnKafka, describeWithJava, ownName, realKafka } from '../../../tests/support/kafka.ts'
import { decompressed } from '../src/kafka/codecs.ts'
import { crc32c } from '../src/kafka/crc32c.ts'
import { COMPRESSIONS, type Compression, type KafkaLog, openKafkaLog } from '../src/kafka/index.ts'
import { readBatches } from '../src/kafka/record-batch.ts'
import { readAll, record, text } from './contract.ts'

const COUNT = 500
const values = (codec: string) => Array.from({ length: COUNT }, (_, n) => `${codec} value ${n}${' ü'.repeat(200)}`)

const logs: KafkaLog[] = []
afterAll(async () => {
  for (const log of logs) await log.close()
})

function open(brokers: readonly string[], compression: Compression): KafkaLog {
  const log = openKafkaLog({ brokers, compression })
  logs.push(log)
  return log
}

await describeOnKafka('compression', ({ brokers }) => {
  test.for(COMPRESSIONS)('%s: what we write we read, and the broker has taken it', async (compression) => {
    const log = open(brokers, compression)
    const topic = ownName(`codec-${compression}`)
    await log.createTopic(topic, 1)
    await log.append(
      topic,
      values(compression).map((value) => record(0, value)),
    )
    expect((await readAll(log, topic, 0)).map(text)).toEqual(values(compression))
  })
})

await describeWithJava('the Java client', ({ java, classPath }) => {
  let brokers: readonly string[] = []
  beforeAll(async () => {
    brokers = (await realKafka()).brokers ?? []
  })

  const client = async (...args: string[]) => {
    const source = fileURLToPath(new URL('programs/CodecClient.java', import.meta.url))
    const { stdout } = await promisify(execFile)(java, ['-cp', classPath, source, ...args], { maxBuffer: 1 << 26 })
    return stdout
  }

  test('reads what we write, whatever the compression', async () => {
    const topic = ownName('codecs-to-java')
    const written: string[] = []
    for (const compression of COMPRESSIONS) {
      const log = open(brokers, compression)
      await log.createTopic(topic, 1)
      await log.append(
        topic,
        values(compression).map((value) => record(0, value)),
      )
      written.push(...values(compression))
    }
    const read = await client('read', brokers.join(','), topic, String(written.length))
    expect(read.trimEnd().split('\n')).toEqual(written)
  })

  test.for(COMPRESSIONS)('writes %s, and we read it', async (compression) => {
    const log = open(brokers, 'none')
    const topic = ownName(`codec-of-java-${compression}`)
    await log.createTopic(topic, 1)
    await client('write', brokers.join(','), topic, compression, String(COUNT))
    const read = await readAll(log, topic, 0)
    expect(read.map(text)).toEqual(values(compression))
    expect(read.map(({ headers }) => headers)).toEqual(values('').map((_, n) => ({ trace: `t${n}` })))
    expect(read.map(({ key }) => Buffer.from(key!).toString())).toEqual(values('').map((_, n) => `key-${n}`))
  })
})

describe('a batch', () => {
  test('has the checksum that the standard names for its example', () => {
    // RFC 3720, B.4: 32 bytes of zeroes, of ones, ascending.
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
    expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, n) => n)))).toBe(0x46dd794e)
  })

  test('of any bytes is read or named, never more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(100), (bytes, position) => {
        const { records, next, unreadable } = readBatches(Buffer.from(bytes), 0, position)
        expect(next).toBeGreaterThanOrEqual(position)
        for (const { offset } of records) expect(offset).toBeGreaterThanOrEqual(position)
        if (unreadable !== null) expect(unreadable.problem).toMatch(/./)
      }),
    )
  })

  test('that unpacks to very much comes alone: what is behind it waits', async () => {
    const log = open((await realKafka()).brokers ?? [], 'zstd')
    const topic = ownName('bombs')
    await log.createTopic(topic, 1)
    const zeros = { partition: 0, key: null, value: Buffer.alloc(40_000_000) }
    for (let n = 0; n < 3; n++) await log.append(topic, [zeros])
    expect((await log.read(topic, 0, 0, 10_000)).map(({ offset }) => offset)).toEqual([0])
    expect((await readAll(log, topic, 0)).length).toBe(3)
  })

  test('that claims another compression, or to be endless, is an error', () => {
    expect(() => decompressed(Buffer.from('x'), 7)).toThrow('its compression is number 7')
    for (const attributes of [1, 2, 3, 4])
      expect(() => decompressed(Buffer.from('no such thing'), attributes)).toThrow()
  })
})
