import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import { encodeFact, INTERACTIONS_TOPIC, type Interaction } from '@weaklink/interactions'
import { afterAll, expect, it } from 'vitest'
import { replay } from '../src/index.ts'
import { rulesIn } from './course.ts'

const directory = await mkdtemp(join(tmpdir(), 'weaklink-replay-'))
const log = await openEmbeddedLog(directory)
afterAll(async () => {
  await log.close()
  await rm(directory, { recursive: true, force: true })
})

const RULES = rulesIn(`
rules:
  - { name: too-long, waiting: { longerThan: 1m } }
  - { name: nothing, absence: { touchpoint: checkout, for: 10m } }
  - { name: breaks, breakRate: { touchpoint: quote, over: 1d, against: 28d, above: 2 } }
`)

it('says what the rules would have said, and what stood in the log', async () => {
  await log.createTopic(INTERACTIONS_TOPIC, 2)
  const now = Date.now()
  const interactions: Interaction[] = [
    { id: '1', customer: 'anna', touchpoint: 'call_queue', at: now - 120_000, episode: 'a', queue: 'support' },
    { id: '2', customer: 'boris', touchpoint: 'call_queue', at: now - 5_000, episode: 'b', queue: 'sales' },
    { id: '3', customer: 'clara', touchpoint: 'quote', at: now },
    { id: '4', customer: 'dora', touchpoint: 'landing_page', at: now },
    { id: '5', customer: 'anna', touchpoint: 'call_wait', at: now, episode: 'a', queue: 'support', waitMs: 120_000 },
  ]
  for (const [k, interaction] of interactions.entries()) {
    await log.append(INTERACTIONS_TOPIC, [{ partition: k % 2, ...encodeFact({ kind: 'interaction', interaction }) }])
  }
  const { told, seen } = await replay(log, RULES, now - 3_600_000, now + 1_200_000)
  expect(told.map(({ alert: { rule, labels, endsAt } }) => [rule, labels.customer, endsAt !== null])).toEqual([
    ['too-long', 'anna', false],
    ['too-long', 'anna', true],
    ['too-long', 'boris', false],
    ['nothing', undefined, false],
  ])
  expect(seen.queues).toEqual(new Set(['support', 'sales']))
  expect(seen.touchpoints).toEqual(new Set(['call_queue', 'call_wait', 'quote']))
})

it('knows nothing of an empty time', async () => {
  const { told } = await replay(log, RULES, Date.now() - 7_200_000, Date.now() - 3_600_000)
  expect(told).toEqual([])
})
