import { encodeFact, type Fact, INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'
import { afterEach, beforeEach } from 'vitest'
import type { ApiLimits } from '../src/index.ts'
import { Listener, met, openTestLog, type Running, startApi, storeAt, type TestLog } from './support.ts'

/** People of all partitions. */
export const PEOPLE = ['anna', 'boris', 'clara', 'dora', 'hana', 'fay']

export function many(from: number, to: number): Fact[] {
  return names(from, to).map((id, k) => met(id, { customer: PEOPLE[(from + k) % PEOPLE.length]! }))
}

export function names(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, k) => `i${from + k}`)
}

/** A log and a server on it for each test. */
export function useLive() {
  let log: TestLog
  let running: Running
  const listeners: Listener[] = []
  const start = (limits: Partial<ApiLimits>) => startApi({ store: storeAt(9), log: log.log, limits })

  beforeEach(async () => {
    log = await openTestLog()
    running = await start({})
  })
  afterEach(async () => {
    for (const listener of listeners.splice(0)) listener.close()
    await running.close()
    await log.remove()
  })

  return {
    get log() {
      return log
    },
    get running() {
      return running
    },
    async restart(limits: Partial<ApiLimits> = {}): Promise<void> {
      await running.close()
      running = await start(limits)
    },
    async listen(path = '', lastEventId = '', asleep?: Promise<void>): Promise<Listener> {
      const listener = await Listener.open(running, path, lastEventId, asleep)
      listeners.push(listener)
      return listener
    },
    /** Sets a record aside as the tracker does. */
    async reject(id: string): Promise<void> {
      const { key, value } = encodeFact(met(id))
      const headers = {
        'weaklink-reason': 'customer_limit',
        'weaklink-field': 'customer',
        'weaklink-expected': 'at most 20000',
        'weaklink-got': '20001',
        'weaklink-topic': INTERACTIONS_TOPIC,
        'weaklink-partition': '1',
        'weaklink-offset': '7',
      }
      await log.log.append(REJECTED_TOPIC, [{ partition: 0, key, value, headers }])
    },
  }
}
