import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openEmbeddedLog } from '../../packages/event-log/src/embedded/index.ts'
import { encodeFact, INTERACTIONS_TOPIC } from '../../packages/interactions/src/index.ts'
import { temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// What an import that was killed leaves behind: interactions in the log that nobody has taken in.

const folder = temporaryFolder()
afterAll(() => folder.remove())
const data = join(folder.path, 'data')

it('answers say that something is missing, and the next import says that it took it in', async () => {
  const anna = { id: '1', customer: 'anna', touchpoint: 'ad_view', at: Date.UTC(2024, 4, 1) }
  const boris = { ...anna, customer: 'boris' }
  const file = join(folder.path, 'events.jsonl')
  writeFileSync(file, `${JSON.stringify(anna)}\n`)
  expect(await weaklinkJson(['import', file, '--data-dir', data])).toMatchObject({ accepted: 1, completed: 0 })

  const log = await openEmbeddedLog(join(data, 'log'))
  await log.append(INTERACTIONS_TOPIC, [{ partition: 0, ...encodeFact({ kind: 'interaction', interaction: boris }) }])
  await log.close()

  for (const command of [
    ['report', 'breakpoints'],
    ['report', 'chains'],
    ['chain', 'anna'],
  ]) {
    const { stderr } = await weaklink([...command, '--data-dir', data])
    expect(stderr).toMatch(/An import was interrupted: 1 records? (is|are) not in this answer yet/)
  }
  const again = await weaklinkJson(['import', file, '--data-dir', data])
  expect(again).toMatchObject({ accepted: 0, duplicates: 1, completed: 1 })
  const { stderr } = await weaklink(['report', 'breakpoints', '--data-dir', data])
  expect(stderr).not.toContain('interrupted')
})
