import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, DEFAULT_DATABASE, readEndpoint } from '@weaklink/clickhouse'
import { runSimulator } from '@weaklink/simulator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../support/debian.ts'
import { clickhousePid, endAll, type Up, up } from '../support/up.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import { ALERTS_YAML, startReceivers } from './alerts.ts'
import { type Family, familiesOf, told } from './families.ts'
import { DASHBOARD, MONITORING_MD, namesIn, PANEL_EXPRESSIONS, RULES, RULES_FILE } from './files.ts'
import { type Prometheus, startPrometheus } from './prometheus.ts'

// A pipeline that really runs, with a company that lives: what it says at /metrics is what the documentation, the dashboard
// and the rules speak of.

/** Of what takes its time: chains that are judged, alerts that are told. */
const EXPECTED = [
  /^weaklink_chains\{.*reason="\w+"/m,
  /^weaklink_tracker_time_seconds\{/m,
  /^weaklink_alerts_firing\{rule="waiting-too-long"/m,
  /^weaklink_notifications_total\{receiver="hook",result="told"\} [1-9]/m,
  /^weaklink_notifications_dead\{receiver="gone"\} [1-9]/m,
  /^weaklink_call_wait_seconds_count\{.*outcome="abandoned"\} [1-9]/m,
]

const folder = temporaryFolder()
const company = new AbortController()
let weaklink: Up
let receivers: Awaited<ReturnType<typeof startReceivers>>
let lives: Promise<unknown>
let exposition: string
let families: ReadonlyMap<string, Family>

const metricsOf = async () => await (await get('/metrics')).text()
const get = (path: string, init: RequestInit = {}) =>
  fetch(weaklink.url + path, { ...init, headers: { authorization: `Bearer ${weaklink.keys.admin}` } })

beforeAll(async () => {
  receivers = await startReceivers()
  writeFileSync(join(folder.path, 'alerts.yaml'), ALERTS_YAML(receivers.url))
  weaklink = await up(folder.path)
  const { url, keys } = weaklink
  lives = runSimulator({
    ...{ url, writeKey: keys.write, seed: 7, signal: company.signal },
    history: { days: 10, customersPerDay: 20 },
    live: { speed: 2_000 },
  }).catch(() => {})
  await bad()
  // A live client, who stays, and a question.
  await get('/api/v1/live', { signal: company.signal })
  expect((await get('/api/v1/reports/breakpoints')).status).toBe(200)
  await aggregated()
  const everything = async () => {
    exposition = await metricsOf()
    return EXPECTED.every((series) => series.test(exposition))
  }
  for (let attempt = 0; !(await everything()); attempt++) {
    if (attempt === 30) throw new Error(`not everything came to be said:\n${told(exposition)}`)
    await aggregated()
    await sleep(1_000)
  }
  families = familiesOf(exposition)
})
afterAll(async () => {
  company.abort()
  await lives
  receivers?.stop()
  await endAll()
  folder.remove()
})

let called = 0

/** Something that is refused, somebody who may not send; and calls: one waits and waits, one is answered, one gave up. */
async function bad(): Promise<void> {
  const send = (key: string, body: string) =>
    fetch(`${weaklink.url}/v1/interactions`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body })
  const now = Date.now()
  const call = (touchpoint: string, at: number, more: object = {}) => ({
    ...{ id: `call-${++called}`, customer: `caller-${called}`, episode: `call-${called}`, queue: 'support' },
    ...{ touchpoint, at, ...more },
  })
  const calls = [
    call('call_queue', now - 90_000),
    call('call_wait', now, { waitMs: 12_000 }),
    call('call_wait', now, { waitMs: 70_000, outcome: 'abandoned' }),
  ]
  expect((await send(weaklink.keys.write, JSON.stringify(calls))).status).toBe(202)
  expect((await send(weaklink.keys.write, '[{"touchpoint":"site_visit"}]')).status).toBe(202)
  expect((await send('guessed', '[]')).status).toBe(401)
}

/** As every 46 s, but now. */
async function aggregated(): Promise<void> {
  const endpoint = await readEndpoint(join(folder.path, 'clickhouse'))
  const store = connect({ ...endpoint!, database: DEFAULT_DATABASE })
  await store.command('SYSTEM WAIT VIEW aggregates_refresh')
  await store.command('SYSTEM REFRESH VIEW aggregates_refresh')
  await store.command('SYSTEM WAIT VIEW aggregates_refresh')
  await store.close()
}

const known = () => new Set([...families.keys(), ...RULES.flatMap(({ record }) => record ?? [])])
const family = (name: string) =>
  [name, name.replace(/_(bucket|count|sum)$/, '')].find((candidate) => known().has(candidate))

describe('docs/monitoring.md', () => {
  it('lists everything that /metrics says, with its type and its labels, and nothing else', () => {
    const rows = MONITORING_MD.split('\n').flatMap((line) => {
      const [, name = '', type = '', labels = ''] = line.split('|').map((cell) => cell.trim())
      return /^`\w+`$/.test(name) ? [{ name: name.slice(1, -1), type, labels: labels.match(/\w+/g) ?? [] }] : []
    })
    const listed = rows.map(({ name, type, labels }) => {
      // Of some there is no series yet.
      const isSeen = families.get(name)?.hasSeries ?? true
      return `${name} ${type} ${isSeen ? labels.sort() : ''}`
    })
    const said = [...families].map(([name, { type, labels }]) => `${name} ${type} ${[...labels].sort()}`)
    expect(listed.sort()).toEqual(said.sort())
  })
})

describe('the dashboard', () => {
  it('asks for nothing that nobody says', () => {
    const missing = PANEL_EXPRESSIONS.flatMap(([panel, expression]) =>
      namesIn(expression).flatMap((name) => (family(name) === undefined ? [`${panel}: ${name}`] : [])),
    )
    expect(missing).toEqual([])
    expect(PANEL_EXPRESSIONS.length).toBeGreaterThan(30)
  })

  it('shows every metric of ours but those that only rules and people look at', () => {
    const shown = new Set(PANEL_EXPRESSIONS.flatMap(([, expression]) => namesIn(expression).map(family)))
    const hidden = [...families.keys()].filter((name) => name.startsWith('weaklink_') && !shown.has(name))
    expect(hidden).toEqual([])
  })

  it('its panels have ids of their own, lie beside and below one another, and ask the data source that is chosen', () => {
    const { panels } = DASHBOARD
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const taken = new Map<string, string>()
    for (const { title, type, gridPos, datasource } of panels) {
      if (type !== 'row') expect(datasource?.uid).toBe(`$\{datasource}`)
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x},${y}`), title).toBeUndefined()
          taken.set(`${x},${y}`, title)
        }
      }
    }
  })
})

it('the rules ask for nothing that nobody says', () => {
  const missing = RULES.flatMap(({ alert, record, expr }) =>
    namesIn(expr).flatMap((name) => (family(name) === undefined ? [`${alert ?? record}: ${name}`] : [])),
  )
  expect(missing).toEqual([])
})

await describeWithPrograms(
  'with a real Prometheus',
  'prometheus',
  ['prometheus', 'promtool'],
  ({ prometheus, promtool }) => {
    let server: Prometheus

    beforeAll(async () => {
      const target = { url: weaklink.url, key: weaklink.keys.admin }
      server = await startPrometheus(prometheus, { target, rules: RULES_FILE })
    })
    afterAll(() => server?.stop())

    it('promtool finds nothing against the names, types and texts of the metrics', async () => {
      const child = spawn(promtool, ['check', 'metrics'], { stdio: ['pipe', 'ignore', 'pipe'] })
      child.stdin.end(exposition)
      const [said, [status]] = await Promise.all([textOf(child.stderr), once(child, 'exit')])
      expect([status, said]).toEqual([0, ''])
    })

    it('every panel has something to show', async () => {
      const empty = async () => {
        const without: string[] = []
        for (const [panel, expression] of PANEL_EXPRESSIONS) {
          if ((await server.query(expression)).length === 0) without.push(`${panel}: ${expression}`)
        }
        return without
      }
      // Meanwhile producers go on doing what is wrong: a reason that is new has no rate yet.
      for (let without = await empty(), attempt = 0; without.length > 0; without = await empty(), attempt++) {
        if (attempt === 40) expect(without).toEqual([])
        await bad()
        await sleep(500)
      }
    })

    it('every rule can be evaluated on it, and of the alerts only those fire that ought to', async () => {
      for (const { expr } of RULES) await server.query(expr)
      const answer = await fetch(`${server.url}/api/v1/rules`)
      const { data } = (await answer.json()) as {
        data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] }
      }
      const rules = data.groups.flatMap((group) => group.rules)
      expect(rules.length).toBe(RULES.length)
      expect(rules.filter(({ health }) => health === 'err')).toEqual([])
      const firing = await server.query('ALERTS{alertstate="firing"}')
      // One of the receivers is gone.
      expect(
        firing.map(({ labels }) => labels.alertname).filter((name) => name !== 'WeaklinkAlertsNotDelivered'),
      ).toEqual([])
    })

    it('ClickHouse hangs: Prometheus still gets what there is to be said, and the lag is told when it is back', async () => {
      const seen = (expression: string) => expect.poll(() => server.query(expression), { timeout: 60_000 })
      const pid = clickhousePid(folder.path)
      process.kill(pid, 'SIGSTOP')
      try {
        await seen('weaklink_clickhouse_up == 0').toHaveLength(1)
        // Not of before: two scrapes later it still answers.
        await sleep(2_000)
        await seen('up{job="weaklink"} == 1 and time() - timestamp(up{job="weaklink"}) < 3').toHaveLength(1)
        await seen('weaklink_ready == 0').toHaveLength(1)
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await seen('weaklink_clickhouse_up == 1 and weaklink_ready == 1').toHaveLength(1)
    })

    it('what is acknowledged is visible within some seconds, by what Prometheus sees', async () => {
      company.abort()
      await lives
      const [record] = await server.query('weaklink:pipeline_lag_records:sum')
      expect(record).toBeDefined()
      // Also repeats, which change nothing.
      const body = JSON.stringify({ id: 'twice', customer: 'anna', touchpoint: 'site_visit', at: Date.now() })
      for (let time = 0; time < 3; time++) {
        const sent = await fetch(`${weaklink.url}/v1/interactions`, {
          ...{ method: 'POST', body, headers: { authorization: `Bearer ${weaklink.keys.write}` } },
        })
        expect(sent.status).toBe(202)
      }
      // How long the live client listened is no duration of an answer.
      await expect.poll(metricsOf).toMatch(/^weaklink_api_live_clients 0$/m)
      expect(await metricsOf()).not.toContain('weaklink_api_request_duration_seconds_count{route="/api/v1/live"')
      const repeats = 'weaklink_tracker_interactions_total{result="duplicates"} >= 2'
      const caughtUp = 'weaklink:pipeline_lag_records:sum == 0 and weaklink:pipeline_lag_seconds:max == 0'
      for (const expression of [repeats, caughtUp])
        await expect.poll(() => server.query(expression), { timeout: 60_000 }).toHaveLength(1)
    })
  },
)
