import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog } from '@weaklink/event-log'
import { openKafkaLog } from '@weaklink/event-log/kafka'
import { encodeFact, INTERACTIONS_TOPIC, type Interaction } from '@weaklink/interactions'
import { createLogger } from '@weaklink/runtime/logger'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../../infra/kafka/broker.ts'
import { describeWithJava } from '../../../tests/support/kafka.ts'
import { type Alert, type Alerts, startAlerts } from '../src/index.ts'
import { rulesIn } from './course.ts'

const RULES = rulesIn(`
rules:
  - { name: too-long, waiting: { longerThan: 1s } }
  - { name: far-too-long, waiting: { longerThan: 10s, queue: sales } }
`)

await describeWithJava('with Kafka', () => {
  let broker: Broker
  const logs: EventLog[] = []
  const running: Alerts[] = []
  const told: { by: string; alert: Alert }[] = []

  beforeAll(async () => {
    broker = await startBroker()
    await (await open()).createTopic(INTERACTIONS_TOPIC, 3)
  }, 120_000)
  afterAll(async () => {
    for (const alerts of running) await alerts.stop()
    for (const log of logs) await log.close()
    await broker.stop()
  }, 60_000)

  async function open(): Promise<EventLog> {
    const log = await openKafkaLog({ brokers: broker.brokers })
    logs.push(log)
    return log
  }

  async function start(by: string, registry = new Registry()): Promise<Alerts> {
    const alerts = startAlerts({
      ...{ log: await open(), store: null, rules: RULES, registry },
      notifier: () => ({
        tell: (changes) => void told.push(...changes.map((alert) => ({ by, alert }))),
        recall() {},
        stop: async () => {},
      }),
      logger: createLogger({ level: 'silent' }),
    })
    running.push(alerts)
    return alerts
  }

  async function append(interaction: Interaction, partition: number): Promise<void> {
    await logs[0]?.append(INTERACTIONS_TOPIC, [{ partition, ...encodeFact({ kind: 'interaction', interaction }) }])
  }

  const enters = (customer: string, queue: string): Interaction => ({
    ...{ id: `enters-${customer}`, customer, touchpoint: 'call_queue', at: Date.now(), episode: customer, queue },
  })
  const of = (customer: string) => told.filter(({ alert }) => alert.labels.customer === customer)

  it('one of two works; what it leaves behind the other goes on with, under the same keys', async () => {
    const first = await start('first')
    while (!first.isWorking()) await sleep(20)
    const second = await start('second')
    await append(enters('anna', 'support'), 1)
    while (of('anna').length === 0) await sleep(20)
    expect(second.isWorking()).toBe(false)
    await first.stop()
    while (!second.isWorking()) await sleep(20)
    await append({ ...enters('anna', 'support'), id: 'end', touchpoint: 'call_wait', waitMs: 1 }, 1)
    while (of('anna').at(-1)?.alert.endsAt === null) await sleep(20)
    expect(of('anna')[0]?.by).toBe('first')
    expect(of('anna').at(-1)?.by).toBe('second')
    expect(new Set(of('anna').map(({ alert }) => alert.key)).size).toBe(1)
  }, 120_000)

  it('a broker that hangs: nothing begins until it is back', async () => {
    await append(enters('boris', 'sales'), 2)
    while (of('boris').length === 0) await sleep(20)
    broker.pause()
    await sleep(11_000)
    expect(of('boris').map(({ alert }) => alert.rule)).toEqual(['too-long'])
    broker.resume()
    while (!of('boris').some(({ alert }) => alert.rule === 'far-too-long')) await sleep(20)
  }, 120_000)
})
