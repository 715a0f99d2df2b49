import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtinCatalogue } from '@weaklink/chains'
import { connect, migrate } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import type { EventLog } from '@weaklink/event-log'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import { encodeFact, INTERACTIONS_TOPIC, type Interaction, REJECTED_TOPIC } from '@weaklink/interactions'
import { createLogger } from '@weaklink/runtime/logger'
import { clickhouseStore, startTracker } from '@weaklink/tracker'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { breakRates } from '../src/break-rates.ts'
import { type Alert, startAlerts } from '../src/index.ts'
import { rulesIn } from './course.ts'

const MIGRATIONS = fileURLToPath(new URL('../../../packages/clickhouse/migrations', import.meta.url))
const HOUR = 3_600_000
const NOW = Date.now()
const RULES = rulesIn(
  'rules: [{ name: breaks, breakRate: { touchpoint: checkout, over: 1d, against: 28d, above: 1.5, atLeast: 50 } }]',
)
const [RULE] = RULES

let test: TestStore
let log: EventLog
let folder: string

/** Chains that end at the checkout, some of them without a purchase. */
function checkouts(count: number, broke: number, from: number, to: number): Interaction[] {
  return Array.from({ length: count }, (_, k) => ({
    id: `checkout-${from}-${k}`,
    customer: `customer-${from}-${k}`,
    touchpoint: 'checkout',
    at: from + Math.floor(((to - from) * k) / count),
    outcome: k < broke ? 'refused' : 'bought',
  }))
}

beforeAll(async () => {
  test = await startTestStore()
  await migrate(test.store, MIGRATIONS)
  folder = await mkdtemp(join(tmpdir(), 'weaklink-alerts-'))
  log = await openEmbeddedLog(folder)
  await log.createTopic(INTERACTIONS_TOPIC, 1)
  await log.createTopic(REJECTED_TOPIC, 1)
  const interactions = [
    ...checkouts(300, 60, NOW - 20 * 24 * HOUR, NOW - 25 * HOUR),
    ...checkouts(100, 45, NOW - 23 * HOUR, NOW - HOUR),
    // Before the time that counts.
    ...checkouts(50, 50, NOW - 60 * 24 * HOUR, NOW - 40 * 24 * HOUR),
  ]
  const records = interactions.map((interaction) => ({
    partition: 0,
    ...encodeFact({ kind: 'interaction', interaction }),
  }))
  await log.append(INTERACTIONS_TOPIC, records)
  const store = clickhouseStore(test.store, (operation) => operation())
  const tracker = await startTracker({ log, store, catalogue: builtinCatalogue, clock: 'none' })
  await tracker.settled()
  await tracker.stop()
}, 60_000)
afterAll(async () => {
  await log.close()
  await test.stop()
  await rm(folder, { recursive: true, force: true })
})

it('counts the chains that ended lately, and in the time before', async () => {
  if (RULE?.kind !== 'breakRate') throw new Error('it is about breaks')
  expect(await breakRates(test.store, RULE, NOW)).toEqual({
    recent: { broke: 45, reached: 100 },
    past: { broke: 60, reached: 300 },
  })
})

async function begin(store: Parameters<typeof startAlerts>[0]['store'], registry: Registry) {
  const told: Alert[] = []
  const alerts = startAlerts({
    ...{ log, store, rules: RULES, registry },
    notifier: () => ({ tell: (changes) => void told.push(...changes), recall() {}, stop: async () => {} }),
    logger: createLogger({ level: 'silent' }),
  })
  return { told, alerts }
}

it('fires by what ClickHouse says', async () => {
  const { told, alerts } = await begin(test.store, new Registry())
  while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  await alerts.stop()
  expect(told[0]).toMatchObject({
    rule: 'breaks',
    labels: { touchpoint: 'checkout' },
    summary: '45 % of the chains break at checkout, 20 % before',
    description:
      'Of 100 chains that reached checkout and ended in the last 1 d, 45 broke there: 45 %. In the 28 d before it was 20 % (60 of 300).',
    value: 0.45,
  })
}, 30_000)

it('what fires goes on firing while ClickHouse is away, which is counted', async () => {
  // Nobody listens there.
  const away = connect({ url: 'http://127.0.0.1:9', database: 'weaklink' })
  const registry = new Registry()
  const { told, alerts } = await begin(away, registry)
  const failed = /weaklink_alerts_rule_failures_total\{rule="breaks"\} 1/
  while (!failed.test(await registry.metrics())) await new Promise((resolve) => setTimeout(resolve, 50))
  expect(alerts.alerts().map(({ rule }) => rule)).toEqual(['breaks'])
  await alerts.stop()
  expect(told.every(({ endsAt }) => endsAt === null)).toBe(true)
  await away.close()
}, 30_000)
