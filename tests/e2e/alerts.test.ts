import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endAll, type Up, until, up } from '../support/up.ts'
import { temporaryFolder, weaklink } from '../support/weaklink.ts'

// Alerts of a whole `weaklink up`, as operations has them: a file of rules, and a webhook that hears of them.

const folder = temporaryFolder()
/** What the webhook heard, by customer: `firing abc`, `resolved abc` with the key that says which alert it is. */
const heard: { customer: string; status: string; key: string; message: string }[] = []
let hook: Server

beforeAll(async () => {
  hook = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { alerts } = JSON.parse(Buffer.concat(parts).toString('utf8')) as {
        alerts: {
          status: string
          fingerprint: string
          startsAt: string
          labels: Record<string, string>
          annotations: Record<string, string>
        }[]
      }
      for (const { status, labels, annotations, fingerprint, startsAt } of alerts) {
        const key = `${fingerprint} ${startsAt}`
        heard.push({ customer: labels.customer ?? '', status, key, message: annotations.summary ?? '' })
      }
      response.end()
    })
  })
  hook.listen(0, '127.0.0.1')
  await once(hook, 'listening')
})
afterAll(async () => {
  await endAll()
  hook.close()
  folder.remove()
})

const of = (customer: string) => heard.filter((one) => one.customer === customer)

function writeRules(name: string, longerThan: string): string {
  const file = join(folder.path, name)
  writeFileSync(
    file,
    `rules:
  - name: waiting-too-long
    waiting: { longerThan: ${longerThan} }
    severity: page
notify:
  group: { by: [customer] }
  receivers:
    - { name: hook, webhook: { url: "http://127.0.0.1:${(hook.address() as AddressInfo).port}/" } }
`,
  )
  return file
}

const send = async (one: Up, interactions: readonly object[]) => {
  const answer = await fetch(`${one.url}/v1/interactions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${one.keys.write}`, 'content-type': 'application/json' },
    body: JSON.stringify(interactions),
  })
  expect(answer.status).toBe(202)
}
const enters = (customer: string, at = Date.now()) => ({
  ...{ customer, touchpoint: 'call_queue', at, episode: `call of ${customer}`, queue: 'support' },
})
const givesUp = (customer: string, waitMs: number) => ({
  ...{ customer, touchpoint: 'call_wait', at: Date.now(), episode: `call of ${customer}`, queue: 'support', waitMs },
  outcome: 'abandoned',
})

describe('a customer who waits too long', () => {
  it('is told of while he waits, once, also when the service is killed, and no more when he is gone', async () => {
    const data = join(folder.path, 'data')
    const rules = writeRules('alerts.yaml', '1s')
    const options = { env: { WEAKLINK_ALERTS: rules } }
    const first = await up(data, options)
    await send(first, [enters('anna')])
    await until(() => of('anna').length > 0, 'somebody heard of anna')
    expect(of('anna')).toMatchObject([{ status: 'firing', message: expect.stringMatching(/anna.*support/) }])
    const list = await weaklink(['alerts', 'list', '--data-dir', data])
    expect(list.stdout).toMatch(/waiting-too-long[\s\S]*anna/)

    // Boris enters the queue, and nobody looks while his wait becomes too long.
    await send(first, [enters('boris')])
    await first.end('SIGKILL')
    const second = await up(data, options)
    await until(() => of('boris').length > 0, 'somebody heard of boris')
    await send(second, [givesUp('anna', 90_000)])
    await until(() => of('anna').some(({ status }) => status === 'resolved'), 'anna was told to be gone')
    await send(second, [givesUp('boris', 60_000)])
    await until(() => of('boris').some(({ status }) => status === 'resolved'), 'boris was told to be gone')

    for (const customer of ['anna', 'boris']) {
      const told = of(customer)
      // A kill may make it tell again: the same alert, by the same key.
      expect(new Set(told.map(({ key }) => key)).size).toBe(1)
      expect(told.filter(({ status }) => status === 'resolved')).toHaveLength(1)
      expect(told.at(-1)?.status).toBe('resolved')
    }
    const metrics = await (
      await fetch(`${second.url}/metrics`, { headers: { authorization: `Bearer ${second.keys.admin}` } })
    ).text()
    expect(metrics).toMatch(/^weaklink_notifications_total\{.*receiver="hook".*\} [1-9]/m)
    await second.end()
  })

  it('by rules that stand in the data directory', async () => {
    const data = join(folder.path, 'own')
    const before = await up(data)
    await before.end()
    writeRules(join('own', 'alerts.yaml'), '500ms')
    const service = await up(data)
    await send(service, [enters('carla')])
    await until(() => of('carla').length > 0, 'somebody heard of carla')
    await service.end()
  })
})

describe('what is wrong is said before anything starts', () => {
  const data = join(folder.path, 'never')
  const cases: [why: string, text: string | null, said: RegExp][] = [
    ['no such file', null, /--alerts .*rules\.yaml cannot be read/],
    ['no such key', 'rules:\n  - { name: a, waitin: { longerThan: 2m } }\n', /rules\.yaml:2:\d+ .*waitin/],
    [
      'no duration',
      'rules:\n  - name: a\n    waiting:\n      longerThan: long\n',
      /rules\.yaml:4:\d+ .*longerThan.*long/,
    ],
  ]
  it.each(cases)('%s', async (_, text, said) => {
    const file = join(folder.path, 'rules.yaml')
    if (text !== null) writeFileSync(file, text)
    const outcome = await weaklink(['up', '--data-dir', data, '--port', '0', '--alerts', file])
    expect(outcome.stderr).toMatch(said)
    expect(outcome.status).not.toBe(0)
  })

  it('alerts without rules, rules without alerts', async () => {
    const env = { KAFKA_BROKERS: '127.0.0.1:1' }
    const without = await weaklink(['up', '--services', 'alerts', '--data-dir', data], { env })
    expect(without).toMatchObject({ status: 2, stderr: expect.stringContaining('--alerts FILE') })
    const other = await weaklink(['up', '--services', 'collector', '--alerts', 'a.yaml', '--data-dir', data], { env })
    expect(other).toMatchObject({ status: 2, stderr: expect.stringContaining('runs the service alerts') })
  })
})
