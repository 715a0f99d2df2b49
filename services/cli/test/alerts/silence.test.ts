import { join } from 'node:path'
import { createAlertsTopic, memoryOf } from '@weaklink/alerts'
import { type EmbeddedLog, openEmbeddedLog } from '@weaklink/event-log/embedded'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder, weaklink, weaklinkJson } from '../../../../tests/support/weaklink.ts'

// The command itself, beside a process that has the same log open, as weaklink up has.

interface Silence {
  readonly id: string
  readonly matchers: readonly string[]
  readonly from: string
  readonly until: string
  readonly isActive: boolean
}

const folder = temporaryFolder()
let log: EmbeddedLog

beforeAll(async () => {
  log = await openEmbeddedLog(join(folder.path, 'log'))
  await createAlertsTopic(log)
})
afterAll(async () => {
  await log.close()
  folder.remove()
})

const alerts = (...args: readonly string[]) => weaklink(['alerts', '--data-dir', folder.path, ...args])
const answered = <T>(...args: readonly string[]) => weaklinkJson<T>(['alerts', '--data-dir', folder.path, ...args])

describe('weaklink alerts silence', () => {
  it('makes one that others see, lists it, and ends it', async () => {
    const made = await answered<Silence>(
      'silence',
      'queue=support',
      'team!=a',
      '--for',
      '2h',
      '--why',
      'repairs',
      '--by',
      'kim',
    )
    expect(made).toMatchObject({
      matchers: ['queue="support"', 'team!="a"'],
      isActive: true,
      by: 'kim',
      why: 'repairs',
    })
    expect(Date.parse(made.until) - Date.parse(made.from)).toBe(7_200_000)
    expect((await memoryOf(log).load()).map(({ key }) => key)).toEqual([`silence/${made.id}`])
    expect(await answered('silence', 'list')).toEqual([made])
    expect((await alerts('silence', 'list')).stdout).toContain('kim: repairs')
    expect(await answered('silence', 'expire', made.id)).toMatchObject({ id: made.id, isActive: false })
    expect(await answered('silence', 'list')).toEqual([])
    expect(await answered('silence', 'list', '--all')).toMatchObject([{ id: made.id }])
  })

  it('takes a silence of later, to an instant', async () => {
    const [from, until] = ['2030-01-01T00:00:00.000Z', '2030-01-02T08:00:00.000Z']
    const made = await answered(
      'silence',
      'queue=~sales|support',
      '--from',
      from,
      '--until',
      until,
      '--why',
      'holidays',
    )
    expect(made).toMatchObject({ from, until, isActive: false, matchers: ['queue=~"sales|support"'] })
  })

  it.each([
    [['queue=support'], 'Say for how long: either --for 2h, or --until'],
    [['queue=support', '--for', '2h'], 'Say why, for others who wonder: --why'],
    [['queue=support', '--for', 'soon', '--why', 'x'], 'Expected a duration as 30m, 2h or 1d.'],
    [['support', '--for', '2h', '--why', 'x'], 'Got "support", expected label=value'],
    [['queue=~.*', '--for', '2h', '--why', 'x'], 'It would silence every alert'],
    [['expire', 'nobody'], 'There is no silence nobody.'],
  ])('%j is bad usage', async (args, message) => {
    const { status, stderr } = await alerts('silence', ...args)
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)])
  })

  it('says where there is nothing', async () => {
    const { status, stderr } = await weaklink(['alerts', 'silence', 'list', '--data-dir', join(folder.path, 'none')])
    expect([status, stderr]).toEqual([2, expect.stringContaining('holds no Weaklink data')])
  })
})
