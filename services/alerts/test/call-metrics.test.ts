import type { WaitingCall } from '@weaklink/chains'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { callMetrics } from '../src/call-metrics.ts'

const NOW = Date.UTC(2026, 0, 5, 9)
const SECOND = 1_000

function begin() {
  const waiting: WaitingCall[] = []
  const registry = new Registry()
  const { ended } = callMetrics(registry, { waiting: () => waiting, instant: () => NOW })
  const call = (queue: string | null, sinceMs: number) => {
    const episode = `call-${waiting.length}`
    waiting.push({
      id: episode,
      customer: 'anna',
      anonymousId: null,
      episode,
      queue,
      touchpoint: 'call_queue',
      since: NOW - sinceMs,
    })
  }
  const says = async (name: string) =>
    [...(await registry.metrics()).matchAll(new RegExp(`^${name}\\{(.*)\\} (\\S+)$`, 'gm'))].map(
      ([, labels, value]) => `${labels} ${value}`,
    )
  return { waiting, call, ended, says }
}

it('tells who waits in each queue, and how long the first of them; an emptied queue says 0', async () => {
  const { waiting, call, says } = begin()
  call('support', 30 * SECOND)
  call('support', 90 * SECOND)
  call(null, 5 * SECOND)
  expect(await says('weaklink_calls_waiting')).toEqual(['queue="support" 2', 'queue="" 1'])
  expect(await says('weaklink_calls_longest_wait_seconds')).toEqual(['queue="support" 90', 'queue="" 5'])
  waiting.length = 0
  expect(await says('weaklink_calls_waiting')).toEqual(['queue="support" 0', 'queue="" 0'])
  expect(await says('weaklink_calls_longest_wait_seconds')).toEqual(['queue="support" 0', 'queue="" 0'])
})

it('counts waits by how they ended, but not those of before the start, which are only read back', async () => {
  const { ended, says } = begin()
  ended({ queue: 'sales', at: NOW - 1, waitMs: 20 * SECOND, how: 'answered' })
  ended({ queue: 'sales', at: NOW, waitMs: 20 * SECOND, how: 'answered' })
  ended({ queue: 'sales', at: NOW + SECOND, waitMs: 21 * SECOND, how: 'answered' })
  ended({ queue: 'sales', at: NOW + SECOND, waitMs: 200 * SECOND, how: 'abandoned' })
  expect(await says('weaklink_call_wait_seconds_count')).toEqual([
    'queue="sales",outcome="answered" 2',
    'queue="sales",outcome="abandoned" 1',
  ])
  // Service level within 20 s: exactly 20 s is within.
  expect(await says('weaklink_call_wait_seconds_bucket')).toContain('le="20",queue="sales",outcome="answered" 1')
})

it('does not make a series of each of endlessly many queues', async () => {
  const { call, says } = begin()
  for (let n = 0; n < 250; n++) call(`queue-${n}`, SECOND)
  const series = await says('weaklink_calls_waiting')
  expect(series).toHaveLength(101)
  expect(series).toContain('queue="(others)" 150')
  expect(await says('weaklink_calls_waiting')).toEqual(series)
})
