import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createAlertsTopic, memoryOf } from '@weaklink/alerts'
import { type EmbeddedLog, openEmbeddedLog } from '@weaklink/event-log/embedded'
import { encodeFact, INTERACTIONS_TOPIC, type Interaction } from '@weaklink/interactions'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder, weaklink, weaklinkJson } from '../../../../tests/support/weaklink.ts'

// The commands themselves, beside a process that has the same log open, as weaklink up has.

const folder = temporaryFolder()
const RULES = `
rules:
  - { name: too-long, waiting: { longerThan: 2m, queue: [support, suport] } }
  - { name: nothing, absence: { touchpoint: chekout, for: 10m } }
  - { name: breaks, breakRate: { touchpoint: quote, over: 1d, against: 28d, above: 2 } }
`
let log: EmbeddedLog

beforeAll(async () => {
  log = await openEmbeddedLog(join(folder.path, 'log'))
  await createAlertsTopic(log)
  await log.createTopic(INTERACTIONS_TOPIC, 1)
  const call = { customer: 'anna', at: Date.now() - 180_000, episode: 'a', queue: 'support' }
  const interactions: Interaction[] = [
    { ...call, id: '1', touchpoint: 'call_queue' },
    { ...call, id: '2', touchpoint: 'call_wait', at: Date.now(), waitMs: 180_000, outcome: 'abandoned' },
  ]
  for (const interaction of interactions) {
    await log.append(INTERACTIONS_TOPIC, [{ partition: 0, ...encodeFact({ kind: 'interaction', interaction }) }])
  }
})
afterAll(async () => {
  await log.close()
  folder.remove()
})

function fileOf(text: string): string {
  const file = join(folder.path, 'alerts.yaml')
  writeFileSync(file, text)
  return file
}
const alerts = (...args: readonly string[]) => weaklink(['alerts', '--data-dir', folder.path, ...args])

describe('weaklink alerts test', () => {
  it('says what each rule does and would have said, and what may be a mistake', async () => {
    const { status, stdout } = await alerts('test', fileOf(RULES))
    expect(status).toBe(0)
    expect(stdout).toContain('too-long fires for each customer who has waited longer than 2 min in support or suport')
    expect(stdout).toMatch(/would have fired once:\n.* {2}anna has waited 2 min in support/)
    expect(stdout).toContain('too-long: no call was in the queue suport in the last 1 d (support?); there were support')
    expect(stdout).toContain('no touchpoint of the built-in ones is called chekout')
    expect(stdout).toContain('(checkout?)')
    expect(stdout).toContain('asks ClickHouse how things are now')
  })

  it('says it as JSON', async () => {
    const file = fileOf(RULES)
    const answer = await weaklinkJson<{ rules: object[]; told: object[]; warnings: string[] }>([
      'alerts',
      'test',
      file,
      '--data-dir',
      folder.path,
    ])
    expect(answer.rules.length).toBe(3)
    expect(answer.told).toMatchObject([
      { rule: 'too-long', endsAt: null },
      { rule: 'too-long', description: expect.stringMatching('gave up') },
    ])
    expect(answer.warnings.length).toBe(2)
  })

  it('needs no data', async () => {
    const file = fileOf(RULES)
    const { status, stdout } = await weaklink(['alerts', 'test', file, '--data-dir', join(folder.path, 'none')])
    expect(status).toBe(0)
    expect(stdout).toContain('There is no log here to try them on.')
  })

  it('with mistakes is bad usage', async () => {
    const file = fileOf('rules: [{ name: a, waiting: { longerThan: long } }]')
    const { status, stderr } = await alerts('test', file)
    expect([status, stderr.trim()]).toEqual([
      2,
      `${file}:1:43 rules[0].waiting.longerThan: got "long", expected a duration like 500ms 20s 3m 24h 7d`,
    ])
    expect((await alerts('test', join(folder.path, 'nowhere.yaml'))).status).toBe(2)
  })

  it('sends a test alert to each receiver, and says which could not be told', async () => {
    const heard: string[] = []
    const server = createServer((request, response) => {
      request.on('data', (part) => heard.push(String(part))).on('end', () => response.end())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const receivers = [
      `{ name: here, webhook: { url: "${url}" } }`,
      '{ name: away, webhook: { url: "http://127.0.0.1:9/" } }',
    ]
    const file = fileOf(`${RULES}notify: { receivers: [${receivers.join(', ')}] }`)
    const { status, stdout } = await alerts('test', file, '--send')
    server.close()
    expect(status).toBe(1)
    expect(stdout).toMatch(/sent +here/)
    expect(stdout).toMatch(/failed +away/)
    expect(heard.join()).toContain('weaklink-test')
  })
})

describe('weaklink alerts list', () => {
  it('says what fires', async () => {
    expect((await alerts('list')).stdout.trim()).toBe('Nothing fires.')
    const alert = {
      ...{ key: 'k', rule: 'too-long', labels: { alertname: 'too-long', severity: 'page', customer: 'anna' } },
      ...{ summary: 'anna has waited 2 min', description: 'She does.', runbook: 'https://example.com/runbook' },
      ...{ startsAt: Date.UTC(2026, 2, 2, 9), endsAt: null, value: 120 },
    }
    await memoryOf(log).remember([{ key: 'alert/k', value: { print: 'p', group: 'g', alert } }])
    const { stdout } = await alerts('list')
    expect(stdout).toContain('anna has waited 2 min  since 2026-03-02 09:00:00 UTC · too-long · page')
    expect(stdout).toContain('https://example.com/runbook')
    await memoryOf(log).remember([
      { key: 'alert/k', value: { print: 'p', group: 'g', alert: { ...alert, endsAt: Date.now() } } },
    ])
    expect((await alerts('list')).stdout.trim()).toBe('Nothing fires.')
  })

  it('says that nobody alerts where nothing runs', async () => {
    const { stderr } = await alerts('list')
    expect(stderr).toContain('nobody alerts now')
  })

  it('names a directory that holds nothing', async () => {
    const { status, stderr } = await weaklink(['alerts', 'list', '--data-dir', join(folder.path, 'none')])
    expect(status).toBe(2)
    expect(stderr).toContain('holds no Weaklink data')
  })
})
