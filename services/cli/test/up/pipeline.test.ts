import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readEndpoint } from '@weaklink/clickhouse'
import { encodeFact, INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { createLogger } from '@weaklink/runtime/logger'
import { afterAll, expect, it } from 'vitest'
import { serviceLog } from '../../src/up/log.ts'
import { createRegistry, measurePipeline, measureStore } from '../../src/up/metrics.ts'
import { startPipeline } from '../../src/up/pipeline.ts'
import { openServiceStore } from '../../src/up/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'weaklink-pipeline-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await holds()); attempt++) {
    if (attempt > 1_000) throw new Error('it never came to be')
    await sleep(50)
  }
}

it('a ClickHouse that hangs: the lag grows and is told, more is refused; it goes on, and everything is taken in once', async () => {
  const logger = createLogger({ level: 'silent' })
  const store = await openServiceStore({ directory, what: 'a test', url: undefined, logger })
  const log = serviceLog({ directory, brokers: null, environment: {}, logger })
  await log.open(undefined)
  await store.migrate(undefined)
  const written: string[] = []
  const pipeline = await startPipeline({
    log,
    store,
    isAlone: true,
    onWritten: (rows) => written.push(...rows.map(({ person }) => person.customer)),
    maxLag: 20,
  })
  const registry = createRegistry()
  measurePipeline(registry, () => pipeline)
  measureStore(registry, store)
  let appended = 0
  const append = () => {
    const interaction = { id: `${appended}`, customer: `c-${appended}`, touchpoint: 'chat', at: Date.now() }
    appended++
    return log.log.append(INTERACTIONS_TOPIC, [{ partition: 0, ...encodeFact({ kind: 'interaction', interaction }) }])
  }
  await append()
  await until(() => written.length === 1)
  expect([pipeline.overloaded(), store.trouble()]).toEqual([null, null])

  const { pid = 0 } = (await readEndpoint(join(directory, 'clickhouse'))) ?? {}
  process.kill(pid, 'SIGSTOP')
  try {
    await until(async () => {
      await append()
      return pipeline.overloaded() !== null
    })
    expect(pipeline.overloaded()).toMatch(/^\d+ records wait to be taken in\./)
    await until(() => store.trouble() !== null)
    expect(store.trouble()).toContain('does not answer')
    const metrics = await registry.metrics()
    expect(metrics).toMatch(/^weaklink_clickhouse_up 0$/m)
    expect(metrics).toMatch(/^weaklink_tracker_lag_records\{partition="0"\} [1-9]/m)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await until(() => pipeline.overloaded() === null && store.trouble() === null)
  await until(() => pipeline.standing().every(({ lag }) => lag === 0))
  expect(await registry.metrics()).toContain(
    `weaklink_tracker_interactions_total{partition="0",result="accepted"} ${appended}\n`,
  )
  await pipeline.stop()
  expect(new Set(written).size).toBe(appended)
  const [row] = await store.store.query<{ n: number; unique: number }>(
    'SELECT count() AS n, uniqExact(customer) AS unique FROM interactions',
  )
  expect(row).toEqual({ n: appended, unique: appended })
  await log.close()
  await store.close()
})
