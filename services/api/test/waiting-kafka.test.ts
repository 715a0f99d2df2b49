import type { EventLog } from '@weaklink/event-log'
import { openKafkaLog } from '@weaklink/event-log/kafka'
import { encodeFact, INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../../infra/kafka/broker.ts'
import { describeWithJava } from '../../../tests/support/kafka.ts'
import type { WaitingNow } from '../src/live/board-shape.ts'
import { met, type Running, startApi, storeAt } from './support.ts'

await describeWithJava('who waits, with Kafka', () => {
  let broker: Broker
  let log: EventLog
  const apis: Running[] = []

  beforeAll(async () => {
    broker = await startBroker()
    log = await openKafkaLog({ brokers: broker.brokers })
    await log.createTopic(INTERACTIONS_TOPIC, 3)
    await log.createTopic(REJECTED_TOPIC, 1)
  })
  afterAll(async () => {
    for (const one of apis) await one.close()
    await log.close()
    await broker.stop()
  })

  const start = async () => {
    const one = await startApi({ store: storeAt(9), log })
    apis.push(one)
    return one
  }
  const append = (who: string, touchpoint: string, partition: number) =>
    log.append(INTERACTIONS_TOPIC, [
      { partition, ...encodeFact(met(`${who}-${touchpoint}`, { customer: who, touchpoint, episode: who })) },
    ])
  const people = async (one: Running) => {
    const { calls } = await one.json<WaitingNow>('/api/v1/live/waiting')
    return calls.map(({ customer }) => customer)
  }

  it('every process of the API says the same, at once, also one that has just been started', async () => {
    const first = await start()
    await append('anna', 'call_queue', 0)
    await append('boris', 'call_queue', 1)
    expect(await people(first)).toEqual(['anna', 'boris'])
    const second = await start()
    expect(await people(second)).toEqual(['anna', 'boris'])
    for (let k = 0; k < 20; k++) {
      await append(`user-${k}`, 'call_queue', k % 3)
      await append(`user-${k}`, 'call_wait', k % 3)
    }
    await append('anna', 'call_wait', 0)
    await append('clara', 'call_queue', 2)
    for (const one of apis) expect(await people(one)).toEqual(['boris', 'clara'])
  })
})
