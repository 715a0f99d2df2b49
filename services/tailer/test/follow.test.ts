import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type FollowEvent, followLines } from '../src/follow.ts'
import type { Position } from '../src/position.ts'

const folder = mkdtempSync(join(tmpdir(), 'weaklink-follow-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let folders = 0
/** A path in a folder of its own. */
function freshLog(): string {
  const own = mkdtempSync(join(folder, `${folders++}-`))
  return join(own, 'queue_log')
}

interface Following {
  readonly lines: string[]
  readonly events: FollowEvent[]
  /** After the last block. */
  position(): Position | null
  stop(): Promise<void>
}

const running = new Set<Following>()
afterEach(async () => {
  for (const one of running) await one.stop()
})

/** Follows a log in the background; lines that are none stand there with their reason. */
function follow(path: string, from: Position | null = null): Following {
  const lines: string[] = []
  const events: FollowEvent[] = []
  const ending = new AbortController()
  let position = from
  const work = (async () => {
    const options = {
      path,
      from,
      pollMs: 5,
      signal: ending.signal,
      onEvent: (event: FollowEvent) => events.push(event),
    }
    for await (const block of followLines(options)) {
      for (const line of block.lines) lines.push(line.ok ? line.text : `${line.reason}: ${line.text.slice(0, 20)}`)
      position = block.position
    }
  })()
  const one: Following = {
    lines,
    events,
    position: () => position,
    async stop() {
      running.delete(one)
      ending.abort()
      await work
    },
  }
  running.add(one)
  return one
}

async function seen(one: Following, ...lines: string[]): Promise<void> {
  for (const end = performance.now() + 20_000; one.lines.length < lines.length; await sleep(5)) {
    if (performance.now() > end) break
  }
  expect(one.lines).toEqual(lines)
}

const kinds = ({ events }: Following) => events.map(({ kind }) => kind)

describe('a log that grows', () => {
  it('is read line by line; a half line waits for its end', async () => {
    const path = freshLog()
    writeFileSync(path, 'one\ntwo\nthr')
    const one = follow(path)
    await seen(one, 'one', 'two')
    appendFileSync(path, 'ee\r\nfo')
    await seen(one, 'one', 'two', 'three')
    appendFileSync(path, 'ur\n')
    await seen(one, 'one', 'two', 'three', 'four')
  })

  it('need not be there yet', async () => {
    const path = freshLog()
    const one = follow(path)
    await sleep(30)
    expect(kinds(one)).toEqual(['missing'])
    writeFileSync(path, 'one\n')
    await seen(one, 'one')
  })

  it('is read on where another process ended', async () => {
    const path = freshLog()
    writeFileSync(path, 'one\ntwo\n')
    const first = follow(path)
    await seen(first, 'one', 'two')
    await first.stop()
    appendFileSync(path, 'three\n')
    await seen(follow(path, first.position()), 'three')
  })

  it('a line without end is passed over', async () => {
    const path = freshLog()
    writeFileSync(path, `one\n${'x'.repeat(600_000)}`)
    const one = follow(path)
    await seen(one, 'one', `line_too_long: ${'x'.repeat(20)}`)
    appendFileSync(path, 'xxx\ntwo\n')
    await seen(one, 'one', `line_too_long: ${'x'.repeat(20)}`, 'two')
  })

  it('bytes that are no UTF-8 do not cost the line', async () => {
    const path = freshLog()
    writeFileSync(path, Buffer.concat([Buffer.from('M'), Buffer.from([0xfc]), Buffer.from('ller\n')]))
    await seen(follow(path), 'M\ufffdller')
  })
})

describe('rotation while it is followed', () => {
  it('by a rename: what is written to the old file until the next one is begun is not lost', async () => {
    const path = freshLog()
    writeFileSync(path, 'one\n')
    const one = follow(path)
    await seen(one, 'one')
    renameSync(path, `${path}.1`)
    appendFileSync(`${path}.1`, 'two\n')
    await seen(one, 'one', 'two')
    // logrotate makes the new file before Asterisk opens it.
    writeFileSync(path, '')
    await sleep(30)
    appendFileSync(`${path}.1`, 'three\n')
    await seen(one, 'one', 'two', 'three')
    appendFileSync(`${path}.1`, 'four\n')
    appendFileSync(path, 'five\n')
    await seen(one, 'one', 'two', 'three', 'four', 'five')
    expect(kinds(one)).not.toContain('lost')
  })

  it('the old file ends within a line', async () => {
    const path = freshLog()
    writeFileSync(path, 'one\ntw')
    const one = follow(path)
    await seen(one, 'one')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'three\n')
    await seen(one, 'one', 'incomplete_line: tw', 'three')
  })

  it('by copying and truncating: what came in between is read from the copy', async () => {
    const path = freshLog()
    writeFileSync(path, 'one\ntwo\n')
    const one = follow(path)
    await seen(one, 'one', 'two')
    appendFileSync(path, 'three\n')
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    appendFileSync(path, 'four\n')
    await seen(one, 'one', 'two', 'three', 'four')
    expect(kinds(one)).not.toContain('lost')
  })

  it('by truncating alone, also where the new content is longer than the old: it is read from its start', async () => {
    const path = freshLog()
    writeFileSync(path, 'one\n')
    const one = follow(path)
    await seen(one, 'one')
    writeFileSync(path, 'two and more\nthree\n')
    await seen(one, 'one', 'two and more', 'three')
    expect(kinds(one)).toContain('lost')
  })

  it('the name is gone for a while', async () => {
    const path = freshLog()
    writeFileSync(path, 'one\n')
    const one = follow(path)
    await seen(one, 'one')
    rmSync(path)
    await sleep(30)
    writeFileSync(path, 'two\n')
    await seen(one, 'one', 'two')
  })
})

describe('rotation while nobody follows', () => {
  /** Follows the first two lines, then rotates with `rotate`, and follows again. */
  async function afterwards(rotate: (path: string) => void | Promise<void>): Promise<Following> {
    const path = freshLog()
    writeFileSync(path, 'one\ntwo\n')
    const first = follow(path)
    await seen(first, 'one', 'two')
    await first.stop()
    appendFileSync(path, 'three\n')
    await rotate(path)
    return follow(path, first.position())
  }

  it('once, by a rename', async () => {
    const one = await afterwards((path) => {
      renameSync(path, `${path}.1`)
      writeFileSync(path, 'four\n')
    })
    await seen(one, 'three', 'four')
  })

  it('and the next file is not begun yet', async () => {
    const one = await afterwards((path) => renameSync(path, `${path}.1`))
    await seen(one, 'three')
  })

  it('three times, and the oldest compressed', async () => {
    const one = await afterwards((path) => {
      for (const [k, line] of ['four\n', 'five\n', 'six\n'].entries()) {
        renameSync(path, `${path}.${3 - k}`)
        writeFileSync(path, line)
      }
      writeFileSync(`${path}.3.gz`, gzipSync('one\ntwo\nthree\n'))
      writeFileSync(`${path}.2.gz`, gzipSync('four\n'))
      // As gzip leaves it: the time of what it packed.
      const now = Date.now() / 1_000
      for (const [name, age] of [
        ['.3.gz', 30],
        ['.2.gz', 20],
        ['.1', 10],
      ] as const)
        utimesSync(path + name, now - age, now - age)
      for (const name of ['.3', '.2']) rmSync(path + name)
    })
    await seen(one, 'three', 'four', 'five', 'six')
    expect(kinds(one)).not.toContain('lost')
  })

  it('by copying and truncating', async () => {
    const one = await afterwards((path) => {
      copyFileSync(path, `${path}-20240501`)
      truncateSync(path)
      appendFileSync(path, 'four\n')
    })
    await seen(one, 'three', 'four')
  })

  it('and the old file was deleted: it says so', async () => {
    const one = await afterwards((path) => {
      rmSync(path)
      writeFileSync(path, 'four\n')
    })
    await seen(one, 'four')
    expect(one.events).toContainEqual(expect.objectContaining({ kind: 'lost', offset: 8 }))
  })

  it('a compressed file that breaks off', async () => {
    const one = await afterwards((path) => {
      rmSync(path)
      const lines = Array.from({ length: 5_000 }, (_, k) => `line ${k * 7919}`)
      const packed = gzipSync(`one\ntwo\nthree\n${lines.join('\n')}\n`)
      writeFileSync(`${path}.1.gz`, packed.subarray(0, packed.length / 2))
      writeFileSync(path, 'last\n')
    })
    for (const end = performance.now() + 20_000; one.lines.at(-1) !== 'last' && performance.now() < end; )
      await sleep(5)
    expect(one.lines[0]).toBe('three')
    expect(kinds(one)).toContain('damaged')
  })
})

/** Older files are put in order by when they were written, which some file systems say to a tick of the kernel. */
const MTIME_MS = 10

it('whatever is done to a log that a writer rotates, and wherever following is interrupted, each line comes once', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 3 }).map((n) => ({ do: 'write', n }) as const) },
    { weight: 1, arbitrary: fc.constant({ do: 'rename' } as const) },
    { weight: 1, arbitrary: fc.constant({ do: 'copy' } as const) },
    { weight: 2, arbitrary: fc.constant({ do: 'restart' } as const) },
    { weight: 2, arbitrary: fc.constant({ do: 'catch up' } as const) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const path = freshLog()
      let [written, rotated] = [0, 0]
      const write = (n: number) => {
        for (let k = 0; k < n; k++) appendFileSync(path, `line ${written++}\n`)
      }
      write(1)
      let one = follow(path)
      const lines: string[] = []
      const all = async () => {
        for (const end = performance.now() + 10_000; lines.length + one.lines.length < written; await sleep(2)) {
          if (performance.now() > end) break
        }
      }
      // Without a position there is only the file that has the name now.
      await all()
      for (const each of steps) {
        if (each.do === 'write') write(each.n)
        else if (each.do === 'catch up') await all()
        else if (each.do === 'restart') {
          await one.stop()
          lines.push(...one.lines)
          one = follow(path, one.position())
        } else if (each.do === 'rename') {
          renameSync(path, `${path}.${++rotated}`)
          write(1)
        } else {
          copyFileSync(path, `${path}.${++rotated}`)
          await sleep(MTIME_MS)
          truncateSync(path)
          write(1)
        }
        await sleep(MTIME_MS)
      }
      await all()
      await one.stop()
      lines.push(...one.lines)
      expect(lines).toEqual(Array.from({ length: written }, (_, k) => `line ${k}`))
    }),
    { numRuns: 40 },
  )
}, 120_000)
