import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openEmbeddedLog } from '../src/embedded/index.ts'
import { damageBatch } from './damage.ts'

const directory = mkdtempSync(join(tmpdir(), 'weaklink-damaged-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const record = (text: string) => ({ partition: 0, key: null, value: Buffer.from(text) })

it('a damaged batch: what comes before is read, it is named, and its bytes can be had', async () => {
  const log = await openEmbeddedLog(directory)
  await log.createTopic('t', 1)
  await log.append('t', [record('a')])
  await log.append('t', [record('b'), record('c')])
  await log.append('t', [record('d')])
  await log.close()
  await damageBatch(directory, 't', 1)

  const again = await openEmbeddedLog(directory)
  try {
    expect((await again.read('t', 0, 0, 10)).map(({ value }) => String(value))).toEqual(['a'])
    await expect(again.read('t', 0, 1, 10)).rejects.toMatchObject({
      code: 'batch_unreadable',
      retryHelps: false,
      message: expect.stringContaining('rejected skip --partition 0 --offset 1'),
    })
    expect(await again.unreadableBatch('t', 0, 0)).toBeNull()
    const batch = await again.unreadableBatch('t', 0, 1)
    expect(batch).toMatchObject({ offset: 1, next: 3, problem: 'its record 1 of 2 breaks off' })
    expect(String(batch?.bytes)).toContain('b')
    expect((await again.read('t', 0, 3, 10)).map(({ value }) => String(value))).toEqual(['d'])
    await expect(again.unreadableBatch('t', 0, 4)).rejects.toMatchObject({ code: 'position_out_of_range' })

    const taken: string[] = []
    const consumer = await again.consume('t', 'g', {
      assigned: async () => 0,
      records: async (_, records) => {
        taken.push(...records.map(({ value }) => String(value)))
      },
      caughtUp: async () => {},
      revoked: async () => {
        taken.push('revoked')
      },
      lost: () => {},
    })
    await expect(consumer.done).rejects.toMatchObject({ code: 'batch_unreadable' })
    // What came before can be written to the end, so that the position stands where the batch begins.
    expect(taken).toEqual(['a', 'revoked'])
  } finally {
    await again.close()
  }
})
