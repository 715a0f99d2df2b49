import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InUseError } from '@weaklink/runtime'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EmbeddedLog, type EmbeddedLogOptions, openEmbeddedLog } from '../src/embedded/index.ts'
import { PositionOutOfRangeError } from '../src/index.ts'
import { describeEventLog, eventually, failureOf, Recorder, readAll, record, text } from './contract.ts'

const newDirectory = () => mkdtempSync(join(tmpdir(), 'weaklink-log-'))

describeEventLog('embedded', async () => {
  const directory = newDirectory()
  return {
    open: () => openEmbeddedLog(directory),
    dispose: async () => rmSync(directory, { recursive: true }),
  }
})

let directory: string
const children: ChildProcess[] = []
const opened: EmbeddedLog[] = []

beforeEach(() => {
  directory = newDirectory()
})
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill))
  for (const log of opened.splice(0)) await log.close()
  rmSync(directory, { recursive: true })
})

async function open(options?: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const log = await openEmbeddedLog(directory, options)
  opened.push(log)
  return log
}

/** Starts a script of this folder; `lines` grows with what it writes to stdout. */
function start(script: string, ...args: string[]): { child: ChildProcess; lines: string[] } {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines: string[] = []
  let rest = ''
  child.stdout!.on('data', (data) => {
    const parts = `${rest}${data}`.split('\n')
    rest = parts.pop()!
    lines.push(...parts)
  })
  return { child, lines }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
}

describe('several processes', () => {
  test('append to one log at once: no offset is given twice, each keeps its order, a consumer sees it all', async () => {
    const log = await open()
    await log.createTopic('t', 3)
    const recorder = new Recorder()
    await log.consume('t', 'g', recorder)
    const names = ['a', 'b', 'c']
    const batches = 150
    const processes = names.map((name) => start('appender.ts', directory, 't', name, String(batches)))
    await Promise.all(
      processes.map(async ({ child }) => {
        const [code] = await once(child, 'close')
        expect(code).toBe(0)
      }),
    )
    const total = names.length * batches
    await eventually(() => {
      for (const partition of [0, 1, 2]) expect(recorder.offsets(partition).length).toBe(total)
    })
    for (const partition of [0, 1, 2]) {
      const stored = await readAll(log, 't', partition)
      expect(stored.map(({ offset }) => offset)).toEqual(Array.from({ length: total }, (_, offset) => offset))
      expect(recorder.texts(partition)).toEqual(stored.map(text))
      const times = stored.map(({ timestamp }) => timestamp)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      for (const [index, name] of names.entries()) {
        const acknowledged = processes[index]!.lines.map((line) => JSON.parse(line)[partition] as number)
        expect(acknowledged.map((offset) => text(stored[offset]!))).toEqual(
          Array.from({ length: batches }, (_, batch) => `${name}/${batch}`),
        )
      }
    }
  })

  test('a larger file than this process has mapped so far is read all the same', async () => {
    const log = await open()
    await log.createTopic('t', 1)
    const other = await open()
    const value = Buffer.alloc(3_000_000, 'x')
    for (let n = 0; n < 20; n++) {
      const offsets = await (n % 2 === 0 ? other : log).append('t', [{ partition: 0, key: null, value }])
      expect(offsets).toEqual([n])
    }
    start('appender.ts', directory, 't', 'child', '50')
    await eventually(async () => expect((await log.ranges('t'))[0]!.end).toBe(70))
    const stored = await readAll(log, 't', 0)
    expect(stored.slice(0, 20).every((some) => value.equals(some.value))).toBe(true)
    expect(stored.slice(20).map(text)).toEqual(Array.from({ length: 50 }, (_, batch) => `child/${batch}`))
  })

  test('one that is killed while it appends loses nothing that was acknowledged and locks nobody out', async () => {
    const log = await open()
    await log.createTopic('t', 3)
    const acknowledged: number[][] = []
    for (let round = 0; round < 5; round++) {
      const { child, lines } = start('appender.ts', directory, 't', `round${round}`, '1000000')
      await eventually(() => expect(lines.length).toBeGreaterThan(10 + 17 * round))
      await kill(child)
      // This process had the log open all the time, and the next one opens what the killed one left.
      await log.append('t', [record(0, 'a survivor')])
      const stored = await Promise.all([0, 1, 2].map((partition) => readAll(log, 't', partition)))
      for (const [batch, line] of lines.entries()) {
        const offsets: number[] = JSON.parse(line)
        acknowledged.push(offsets)
        for (const partition of [0, 1, 2]) {
          expect(text(stored[partition]![offsets[partition]!]!)).toBe(`round${round}/${batch}`)
        }
      }
      // A batch is in all of its partitions or in none.
      const batchesOf = (partition: number) => stored[partition]!.map(text).filter((value) => value.startsWith('round'))
      expect(batchesOf(1)).toEqual(batchesOf(0))
      expect(batchesOf(2)).toEqual(batchesOf(0))
    }
    expect(new Set(acknowledged.map(([offset]) => offset)).size).toBe(acknowledged.length)
  })
})

describe('a second consumer of a group', () => {
  test('is refused with who is at it; when the first has stopped it may', async () => {
    const log = await open()
    await log.createTopic('t', 1)
    const consumer = await log.consume('t', 'g', new Recorder())
    for (const client of [log, await open()]) {
      const error = await client.consume('t', 'g', new Recorder()).catch((error) => error)
      expect(error).toBeInstanceOf(InUseError)
      expect(error).toMatchObject({ pid: process.pid, what: 'consumer of group g on topic t' })
    }
    await consumer.stop()
    await log.consume('t', 'g', new Recorder())
  })

  test('is refused while another process consumes, and may once that one was killed', async () => {
    const log = await open()
    await log.createTopic('t', 1)
    const { child, lines } = start('idle-consumer.ts', directory, 't', 'g')
    await eventually(() => expect(lines).toEqual(['consuming']))
    await expect(log.consume('t', 'g', new Recorder())).rejects.toMatchObject({ code: 'in_use', pid: child.pid })
    await kill(child)
    await log.consume('t', 'g', new Recorder())
  })
})

describe('batches', () => {
  test('are bounded in number and bytes, and a record that is larger comes alone', async () => {
    const log = await open({ batch: { maxRecords: 40, maxBytes: 1_000_000 } })
    await log.createTopic('t', 1)
    await log.append(
      't',
      Array.from({ length: 100 }, (_, n) => record(0, `${n}`)),
    )
    await log.append(
      't',
      Array.from({ length: 30 }, () => ({ partition: 0, key: null, value: Buffer.alloc(100_000) })),
    )
    await log.append('t', [{ partition: 0, key: null, value: Buffer.alloc(20_000_000) }])
    const batches: { count: number; bytes: number }[] = []
    const recorder = new Recorder()
    recorder.records = async (_partition, records) => {
      batches.push({ count: records.length, bytes: records.reduce((sum, { value }) => sum + value.length, 0) })
    }
    await log.consume('t', 'g', recorder)
    await eventually(() => expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(131))
    expect(Math.max(...batches.map(({ count }) => count))).toBe(40)
    expect(batches.at(-1)).toEqual({ count: 1, bytes: 20_000_000 })
    // A chunk is read as a whole, so the bound may be passed by one.
    expect(Math.max(...batches.slice(0, -1).map(({ bytes }) => bytes))).toBeLessThan(1_300_000)
  })
})

describe('what is dropped', () => {
  const appendOneByOne = async (log: EmbeddedLog, values: string[]) => {
    for (const value of values) await log.append('t', [record(0, value)])
  }

  test('trim moves the start; reading and consuming below it is out of range, nothing else changes', async () => {
    const log = await open()
    await log.createTopic('t', 2)
    await appendOneByOne(log, ['a', 'b'])
    await log.append('t', [record(0, 'c'), record(0, 'd'), record(0, 'e'), record(1, 'other')])
    await log.trim('t', 0, 3)
    await log.trim('t', 0, 1)
    expect(await log.ranges('t')).toEqual([
      { partition: 0, start: 3, end: 5 },
      { partition: 1, start: 0, end: 1 },
    ])
    expect((await readAll(log, 't', 0, 3)).map(text)).toEqual(['d', 'e'])
    const below = { code: 'position_out_of_range', partition: 0, position: 2, start: 3, end: 5 }
    await expect(log.read('t', 0, 2, 1)).rejects.toMatchObject(below)
    const recorder = new Recorder((partition) => (partition === 0 ? 2 : 0))
    const error = await failureOf(await log.consume('t', 'g', recorder))
    expect(error).toBeInstanceOf(PositionOutOfRangeError)
    expect(error).toMatchObject(below)
    expect(recorder.texts(0)).toEqual([])
  })

  test('trim to the end leaves an empty partition that goes on counting', async () => {
    const log = await open()
    await log.createTopic('t', 1)
    await appendOneByOne(log, ['a', 'b'])
    await log.trim('t', 0, 2)
    await expect(log.trim('t', 0, 3)).rejects.toBeInstanceOf(PositionOutOfRangeError)
    expect(await log.ranges('t')).toEqual([{ partition: 0, start: 2, end: 2 }])
    expect(await log.append('t', [record(0, 'c')])).toEqual([2])
  })

  test('retention by bytes drops the oldest records, never the newest append', async () => {
    const log = await open({ retention: { maxBytes: 10_000 } })
    await log.createTopic('t', 1)
    await appendOneByOne(
      log,
      Array.from({ length: 100 }, (_, n) => `${n}`.padEnd(1000)),
    )
    const [range] = await log.ranges('t')
    expect(range!.end).toBe(100)
    expect(range!.start).toBeGreaterThan(85)
    expect(range!.start).toBeLessThan(95)
    await log.append('t', [record(0, 'x'.repeat(50_000))])
    expect(await log.ranges('t')).toEqual([{ partition: 0, start: 100, end: 101 }])
  })

  test('the space of what was dropped is used again', async () => {
    const log = await open({ retention: { maxBytes: 1_000_000 } })
    await log.createTopic('t', 1)
    const value = Buffer.alloc(300_000)
    for (let n = 0; n < 100; n++) await log.append('t', [{ partition: 0, key: null, value }])
    expect(statSync(join(directory, 'data.mdb')).size).toBeLessThan(5_000_000)
  })

  test('retention by age drops what is older, when it is asked to', async () => {
    const keeping = await open()
    await keeping.createTopic('t', 1)
    await appendOneByOne(keeping, ['a', 'b'])
    const [newest] = await keeping.read('t', 0, 1, 1)
    await eventually(() => expect(Date.now()).toBeGreaterThan(newest!.timestamp + 100))
    await keeping.applyRetention()
    expect(await keeping.ranges('t')).toEqual([{ partition: 0, start: 0, end: 2 }])
    const dropping = await open({ retention: { maxAgeMs: 100 } })
    await dropping.applyRetention()
    expect(await dropping.ranges('t')).toEqual([{ partition: 0, start: 2, end: 2 }])
    const patient = await open({ retention: { maxAgeMs: 3_600_000 } })
    await appendOneByOne(patient, ['c', 'd'])
    await patient.applyRetention()
    expect(await patient.ranges('t')).toEqual([{ partition: 0, start: 2, end: 4 }])
  })
})

describe('errors', () => {
  test('of wrong arguments name the place, the value and what was expected', async () => {
    const log = await open()
    await log.createTopic('t', 2)
    const wrong = { partition: 1, key: null, value: 'text' as unknown as Uint8Array }
    await expect(log.append('t', [record(0, 'a'), wrong])).rejects.toMatchObject({
      code: 'record_invalid',
      message: 'the value of record 1 for partition 1 of topic t is invalid: expected bytes',
    })
    await expect(log.read('t', 0, -1, 1)).rejects.toMatchObject({
      code: 'position_invalid',
      message: '-1 is no position in partition 0 of topic t: expected a whole number from 0 on',
    })
    await expect(log.consume('t', '../g', new Recorder())).rejects.toMatchObject({ code: 'group_name_invalid' })
  })

  test('after close everything is refused, and what was begun has ended', async () => {
    const log = await open()
    await log.createTopic('t', 1)
    const recorder = new Recorder()
    await log.consume('t', 'g', recorder)
    const appending = log.append('t', [record(0, 'a')])
    await log.close()
    expect(await appending).toEqual([0])
    await expect(log.append('t', [record(0, 'b')])).rejects.toMatchObject({ code: 'closed' })
    await expect(log.read('t', 0, 0, 1)).rejects.toMatchObject({ code: 'closed' })
    expect((await readAll(await open(), 't', 0)).map(text)).toEqual(['a'])
  })

  test('a directory that cannot be one is named', async () => {
    const file = fileURLToPath(import.meta.url)
    await expect(openEmbeddedLog(file)).rejects.toMatchObject({
      code: 'open_failed',
      message: expect.stringContaining(file),
    })
  })
})
