import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTables, storeAll } from '../../../packages/reports/test/stored.ts'
import { CATALOGUE, PEOPLE, TICK } from '../../../packages/reports/test/story.ts'
import { met, openTestLog, PARTITIONS, startApi, storeAt, type TestLog } from './support.ts'

let db: TestStore
let log: TestLog

beforeAll(async () => {
  db = await startTestStore()
  log = await openTestLog()
  await createTables(db.store)
  await storeAll(db.store, CATALOGUE, TICK, PEOPLE)
})
afterAll(async () => {
  await log.remove()
  await db.stop()
})

/** As a server that was just started says it: what it looked up is told for some seconds. */
async function metrics(store = db.store): Promise<string> {
  const api = await startApi({ store, log: log.log })
  try {
    // A Prometheus waits no longer by default.
    const response = await fetch(`${api.url}/metrics`, {
      headers: { authorization: 'Bearer read_key' },
      signal: AbortSignal.timeout(10_000),
    })
    return await response.text()
  } finally {
    await api.close()
  }
}

/** Value by labels, as they stand in the text. */
function seriesOf(text: string, name: string): Record<string, number> {
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))
  return Object.fromEntries([...lines].map(([, labels = '', value]) => [labels, Number(value)]))
}

const each = (values: readonly number[]) =>
  Object.fromEntries(values.map((value, partition) => [`partition="${partition}"`, value]))
const sum = (series: Record<string, number>) => Object.values(series).reduce((all, one) => all + one, 0)

async function writePosition(partition: number, logIdentity: string, offset: number, epoch: number): Promise<void> {
  const row = { partition, epoch, logIdentity, offset, tick: null, catalogue: CATALOGUE.hash }
  const counts = { accepted: offset, duplicates: 0, conflicts: 0, rejected: 0, newestAt: null, imports: [] }
  await db.store.command(`INSERT INTO positions FORMAT JSONEachRow ${JSON.stringify({ ...row, ...counts })}`)
}

test('no tracker runs: what waits is told, by partition, and how long the oldest of it waits', async () => {
  const nothing = await metrics()
  expect(seriesOf(nothing, 'weaklink_pipeline_lag_records')).toEqual(each([0, 0, 0]))
  expect(seriesOf(nothing, 'weaklink_pipeline_lag_seconds')).toEqual(each([0, 0, 0]))

  await log.put(...Array.from({ length: 30 }, (_, n) => met(`${n}`, { customer: `c-${n}` })))
  const ends = (await log.log.ranges(INTERACTIONS_TOPIC)).map(({ end }) => end)
  expect(ends.every((end) => end > 1)).toBe(true)

  // The position that there is belongs to another log: of this one nothing was taken in.
  const waiting = await metrics()
  expect(seriesOf(waiting, 'weaklink_pipeline_lag_records')).toEqual(each(ends))
  expect(seriesOf(waiting, 'weaklink_pipeline_offset')).toEqual(each([0, 0, 0]))
  for (const age of Object.values(seriesOf(waiting, 'weaklink_pipeline_lag_seconds'))) expect(age).toBeGreaterThan(0)

  const { identity } = await log.log.describe(INTERACTIONS_TOPIC)
  for (let partition = 0; partition < PARTITIONS; partition++)
    await writePosition(partition, identity, partition === 1 ? ends[1]! - 1 : ends[partition]!, 2)
  const nearly = await metrics()
  expect(seriesOf(nearly, 'weaklink_pipeline_lag_records')).toEqual(each([0, 1, 0]))
  expect(seriesOf(nearly, 'weaklink_pipeline_offset')).toEqual(each([ends[0]!, ends[1]! - 1, ends[2]!]))
  const ages = seriesOf(nearly, 'weaklink_pipeline_lag_seconds')
  expect([ages['partition="0"'], ages['partition="2"']]).toEqual([0, 0])
  expect(ages['partition="1"']).toBeGreaterThan(0)

  await log.log.trim(INTERACTIONS_TOPIC, 1, ends[1]!)
  const trimmed = await metrics()
  expect(seriesOf(trimmed, 'weaklink_pipeline_lag_records')).toEqual(each([0, 0, 0]))
})

test('chains by state and reason are those of the view, and the disks have room', async () => {
  await db.store.command('SYSTEM WAIT VIEW aggregates_refresh')
  await db.store.command('SYSTEM REFRESH VIEW aggregates_refresh')
  await db.store.command('SYSTEM WAIT VIEW aggregates_refresh')
  const text = await metrics()
  const rows = await db.store.query<{ state: string; reason: string; chains: number }>(
    'SELECT toString(state) AS state, toString(reason) AS reason, count() AS chains FROM chains GROUP BY state, reason',
  )
  const told = Object.entries(seriesOf(text, 'weaklink_chains')).filter(([, chains]) => chains > 0)
  expect(told.sort()).toEqual(
    rows.map(({ state, reason, chains }) => [`state="${state}",reason="${reason}"`, chains]).sort(),
  )
  expect(seriesOf(text, 'weaklink_aggregates_age_seconds')['']).toBeGreaterThanOrEqual(0)
  const [free, size] = ['free', 'size'].map((what) => sum(seriesOf(text, `weaklink_clickhouse_disk_${what}_bytes`)))
  expect(free).toBeGreaterThan(0)
  expect(size).toBeGreaterThan(free!)
})

test('a ClickHouse that is away or hangs keeps nobody from reading the metrics; what nobody can say is not said', async () => {
  const hanging = createServer(() => {}).listen(0, '127.0.0.1')
  await once(hanging, 'listening')
  try {
    for (const port of [1, (hanging.address() as AddressInfo).port]) {
      const store = storeAt(port)
      const text = await metrics(store)
      expect(text).toMatch(/^weaklink_ready 1$/m)
      expect(text).not.toMatch(/^weaklink_(pipeline|chains|aggregates|clickhouse_disk)\w*(\{| )/m)
      await store.close()
    }
  } finally {
    hanging.close()
  }
})
