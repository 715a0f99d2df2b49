import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BreakpointsReport } from '../../packages/reports/src/index.ts'
import { openWorkspace } from '../../services/cli/src/workspace.ts'
import { background, clickhousePid, endAll, lives, type Up, until, up } from '../support/up.ts'
import { temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// `weaklink up` and the other commands while it runs, as users run them.

const folder = temporaryFolder()
afterAll(async () => {
  await endAll()
  folder.remove()
})

const post = (one: Up, interactions: readonly object[]) =>
  fetch(`${one.url}/v1/interactions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${one.keys.write}`, 'content-type': 'application/json' },
    body: JSON.stringify(interactions),
  })

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()

/** Waits until so many interactions can be asked for. */
async function stored(dataDir: string, n: number): Promise<void> {
  await until(async () => {
    const { rows } = await weaklinkJson<{ rows: { n: number }[] }>([
      'sql',
      'SELECT count() AS n FROM interactions',
      '--data-dir',
      dataDir,
    ])
    expect(rows[0]?.n).toBeLessThanOrEqual(n)
    return rows[0]?.n === n
  }, `${n} interactions were there`)
}

describe('while it runs', () => {
  const data = join(folder.path, 'running')
  let service: Up
  beforeAll(async () => {
    service = await up(data)
  })
  afterAll(() => service.end())

  it('what is sent over HTTP is in the reports, the chain and SQL, and the analyst still only reads', async () => {
    const answer = await post(service, [
      { id: '1', customer: 'anna', touchpoint: 'ad_view', at: ago(60), channel: 'search' },
      { id: '2', customer: 'anna', touchpoint: 'call_wait', at: ago(50), outcome: 'abandoned', waitMs: 95_000 },
      { id: '3', customer: 'anna', touchpoint: 'deal_lost', at: ago(40), outcome: 'refused' },
    ])
    expect([answer.status, await answer.json()]).toEqual([202, { accepted: 3, duplicates: 0, rejected: [] }])
    await stored(data, 3)
    const report = await weaklink(['report', 'breakpoints', '--json', '--data-dir', data])
    expect(report.stderr).toBe('')
    expect((JSON.parse(report.stdout) as BreakpointsReport).totals).toMatchObject({ customers: 1, broken: 1 })
    expect((await weaklink(['chain', 'anna', '--data-dir', data])).stdout).toContain('broken at call_wait')
    expect(await weaklink(['sql', 'DROP TABLE customer_chains', '--data-dir', data])).toMatchObject({ status: 1 })
    const doctor = await weaklink(['doctor', '--data-dir', data])
    expect(doctor).toMatchObject({ status: 0, stdout: expect.stringContaining(`answers at ${service.url}`) })
    const overHttp = await fetch(`${service.url}/api/v1/reports/breakpoints`, {
      headers: { authorization: `Bearer ${service.keys.admin}` },
    })
    expect(await overHttp.json()).toEqual(JSON.parse(report.stdout))
  })

  it('import takes in what it reads, catalogue apply and rebuild do their work, by its tracker', async () => {
    const events = join(folder.path, 'events.jsonl')
    const rows = Array.from({ length: 500 }, (_, k) => ({
      customer: `imported-${k % 100}`,
      touchpoint: k % 5 === 4 ? 'payment' : 'site_visit',
      at: ago(10_000 - k),
    }))
    writeFileSync(events, `${rows.map((row) => JSON.stringify(row)).join('\n')}\nno interaction\n`)
    const first = await weaklink(['import', events, '--clock', 'data', '--json', '--data-dir', data])
    expect(first.stderr).toContain(`weaklink up runs here (process ${service.pid})`)
    expect(JSON.parse(first.stdout)).toMatchObject({ accepted: 500, duplicates: 0, completed: 0, rejected: 1 })
    expect(await weaklinkJson(['import', events, '--data-dir', data])).toMatchObject({ accepted: 0, duplicates: 500 })
    await stored(data, 503)

    const catalogue = join(folder.path, 'touchpoints.yaml')
    writeFileSync(catalogue, 'touchpoints:\n  - { id: site_visit }\n  - { id: payment, outcome: bought }\n')
    const applied = await weaklinkJson(['catalogue', 'apply', catalogue, '--rebuild', '--data-dir', data])
    expect(applied).toMatchObject({ changed: true, rebuilt: 101, olderCatalogue: 0 })
    const smaller = join(folder.path, 'smaller.yaml')
    writeFileSync(smaller, 'touchpoints:\n  - { id: site_visit }\n')
    const taken = await weaklink(['catalogue', 'apply', smaller, '--data-dir', data])
    expect(taken).toMatchObject({ status: 0, stderr: expect.stringContaining('payment (100)') })
    expect(await weaklinkJson(['catalogue', 'apply', catalogue, '--rebuild', '--data-dir', data])).toMatchObject({
      changed: true,
    })
    const { totals } = await weaklinkJson<BreakpointsReport>(['report', 'breakpoints', '--data-dir', data])
    expect(totals.converted).toBe(100)
  })

  it('send says what became of each line, tail shows it live, with the reject and its reason', async () => {
    const tail = background(['tail', '--data-dir', data, '--json'])
    await until(() => tail.stdout().includes('"ready"'), 'tail was connected')
    const single = ['send', '--touchpoint', 'chat', '--customer', 'clara', 'waitMs=1200', 'props.device=mobile']
    expect(await weaklinkJson([...single, '--data-dir', data])).toMatchObject({ accepted: 1, rejected: [] })
    const lines = join(folder.path, 'lines.jsonl')
    writeFileSync(
      lines,
      [
        JSON.stringify({ id: 'good', customer: 'clara', touchpoint: 'quote', at: ago(1) }),
        JSON.stringify({ id: 'bad', customer: 'clara', touchpoint: 'quote' }),
        '{ half of',
        JSON.stringify({ id: 'good', customer: 'clara', touchpoint: 'quote', at: ago(1) }),
      ].join('\n'),
    )
    const sent = await weaklinkJson<{ rejected: object[] }>(['send', lines, '--data-dir', data])
    expect(sent).toMatchObject({ accepted: 1, duplicates: 1 })
    expect(sent.rejected).toMatchObject([
      { line: 2, id: 'bad', reason: 'missing_field', field: 'at' },
      { line: 3, reason: expect.stringMatching(/json|incomplete/) },
    ])
    const dry = await weaklink(['send', lines, '--dry-run', '--data-dir', data])
    expect(dry.stdout).toContain('Nothing was taken in')
    expect(dry.stdout).toMatch(/line 2 \(id "bad"\): missing_field at: /)

    await until(() => tail.stdout().includes('"good"') && tail.stdout().includes('"rejected"'), 'tail showed it')
    const outcome = await tail.end('SIGINT')
    expect(outcome.status).toBe(0)
    const events = outcome.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; data: { id?: string } })
    const of = (kind: string) => events.filter(({ event }) => event === kind).map(({ data: one }) => one)
    expect(of('interaction')).toMatchObject([
      { customer: 'clara', touchpoint: 'chat', waitMs: 1200, props: { device: 'mobile' } },
      { id: 'good', touchpoint: 'quote' },
    ])
    expect(of('rejected')).toMatchObject([{ id: 'bad', reason: 'missing_field', field: 'at' }])
  })

  it('tail in words, since the start, for one customer; it ends with its reader', async () => {
    const tail = background(['tail', '--since-start', '--customer', 'anna', '--data-dir', data])
    await until(() => tail.stdout().includes('deal_lost'), 'the past was shown')
    expect(tail.stdout()).toMatch(
      /anna +ad_view +search\n.*anna +call_wait +abandoned +waited 95s\n.*deal_lost +refused/,
    )
    expect(tail.stdout()).not.toContain('imported')
    tail.child.stdout?.destroy()
    const { status } = await post(service, [{ customer: 'anna', touchpoint: 'chat', at: ago(0) }])
    expect(status).toBe(202)
    expect(await tail.ended).toMatchObject({ status: 0, stderr: '' })
  })

  it('a second one is refused, and says by whom', async () => {
    const second = await weaklink(['up', '--data-dir', data, '--port', '0'])
    expect(second).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(new RegExp(`running is in use by process ${service.pid} \\(weaklink up, since `)),
    })
  })

  it('a command that would look into another ClickHouse or log is told so', async () => {
    const env = { CLICKHOUSE_URL: 'http://127.0.0.1:9' }
    expect(await weaklink(['report', 'breakpoints', '--data-dir', data], { env })).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(
        /the embedded ClickHouse; here CLICKHOUSE_URL names http:\/\/127.0.0.1:9. Unset it/,
      ),
    })
    const kafka = { KAFKA_BROKERS: '127.0.0.1:9' }
    expect(await weaklink(['report', 'breakpoints', '--data-dir', data], { env: kafka })).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/has its log in this directory; here KAFKA_BROKERS names 127.0.0.1:9. Unset it/),
    })
  })

  it('its ClickHouse is killed: it is started again, and nothing is lost', async () => {
    const before = await weaklinkJson<{ rows: { n: number }[] }>([
      'sql',
      'SELECT count() AS n FROM interactions',
      '--data-dir',
      data,
    ])
    const ready = () => fetch(`${service.url}/readyz`).then(({ status }) => status)
    let sent = 0
    for (const round of [1, 2]) {
      const victim = clickhousePid(data)
      process.kill(victim, 'SIGKILL')
      for (let k = 0; k < 20; k++) {
        const answer = await post(service, [{ customer: `late-${round}-${k}`, touchpoint: 'chat', at: ago(1) }])
        expect(answer.status).toBe(202)
        sent++
      }
      await until(() => existsSync(join(data, 'clickhouse', 'endpoint.json')), 'it was there again')
      expect(clickhousePid(data)).not.toBe(victim)
      await until(async () => (await ready()) === 200, 'it was ready')
    }
    await stored(data, (before.rows[0]?.n ?? 0) + sent)
    expect(service.stderr()).toContain('the embedded ClickHouse is gone')
  })

  it('SIGTERM: it ends with 0, leaves no process, and the data can be worked on', async () => {
    const server = clickhousePid(data)
    const answer = await post(service, [{ customer: 'the last', touchpoint: 'chat', at: ago(0) }])
    expect(answer.status).toBe(202)
    expect(await service.end('SIGTERM')).toMatchObject({ status: 0 })
    expect(lives(server)).toBe(false)
    expect(existsSync(join(data, 'up.json'))).toBe(false)
    const { stdout, stderr } = await weaklink(['chain', 'the last', '--data-dir', data])
    expect({ stdout, stderr }).toMatchObject({ stdout: expect.stringContaining('chat'), stderr: '' })
    for (const command of [
      ['tail', '--data-dir', data],
      ['send', '--touchpoint', 'chat', '--customer', 'x', '--data-dir', data],
    ]) {
      expect(await weaklink(command)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('weaklink up --data'),
      })
    }
  })
})

describe('its start and its end', () => {
  afterEach(endAll)

  it('shows the keys once, and a line that sends a first interaction as it stands', async () => {
    const data = join(folder.path, "it's new")
    for (const start of [1, 2]) {
      const one = background(['up', '--data-dir', data, '--port', '0'])
      await until(() => one.stdout().includes('Ctrl-C'), 'it was ready')
      const keys = JSON.parse(readFileSync(join(data, 'keys.json'), 'utf8')) as { write: string; admin: string }
      expect(one.stdout().includes(keys.write)).toBe(start === 1)
      expect(one.stdout().includes(keys.admin)).toBe(start === 1)
      const curl = /^ +(curl .*)$/m.exec(one.stdout())?.[1] ?? ''
      const { stdout } = await promisify(execFile)('bash', ['-c', curl])
      expect(JSON.parse(stdout)).toEqual({ accepted: 1, duplicates: 0, rejected: [] })
      await one.end('SIGINT')
    }
    expect((await weaklink(['chain', 'anna', '--data-dir', data])).stdout).toContain('site_visit')
  })

  it('a tail that looks on does not keep it from ending; it goes on with the next start', async () => {
    const data = join(folder.path, 'again')
    let service = await up(data)
    const tail = background(['tail', '--json', '--data-dir', data])
    await until(() => tail.stdout().includes('"ready"'), 'tail was connected')
    await post(service, [{ customer: 'first', touchpoint: 'chat', at: ago(1) }])
    await until(() => tail.stdout().includes('first'), 'tail saw the first')
    await service.end()
    service = await up(data)
    await post(service, [{ customer: 'second', touchpoint: 'chat', at: ago(0) }])
    await until(() => tail.stdout().includes('second'), 'tail saw the second')
    expect(tail.stdout().match(/second/g)).toHaveLength(1)
    expect(tail.stderr()).toMatch(/connection ended[\s\S]*It goes on/i)
  })

  it('killed, with all it had acknowledged but not taken in: the next start takes it in', async () => {
    const data = join(folder.path, 'killed')
    const first = await up(data)
    const server = clickhousePid(data)
    for (let k = 0; k < 10; k++) await post(first, [{ customer: `c-${k}`, touchpoint: 'chat', at: ago(1) }])
    await first.end('SIGKILL')
    await until(() => !lives(server), 'its ClickHouse was gone')
    const second = await up(data)
    await stored(data, 10)
    expect(await second.end()).toMatchObject({ status: 0 })
  })

  it('killed and started again: a command that was under way says so, and does not wait for the one that is gone', async () => {
    const data = join(folder.path, 'replaced')
    const first = await up(data)
    const said: string[] = []
    const workspace = await openWorkspace({
      ...{ dataDir: data, what: 'a command', create: false, onRetry: (text: string) => said.push(text) },
    })
    await first.end('SIGKILL')
    const second = await up(data)
    await expect(workspace.trackerStore.loadPositions()).rejects.toThrow(
      `weaklink up (process ${first.pid}) has ended.`,
    )
    expect(said).not.toEqual([])
    await workspace.close()
    expect(await second.end()).toMatchObject({ status: 0 })
  })

  it('its ClickHouse hangs: a signal ends it all the same, a second one at once; what was acknowledged is there later', async () => {
    const data = join(folder.path, 'hanging')
    for (const signals of [1, 2]) {
      const one = await up(data)
      const server = clickhousePid(data)
      process.kill(server, 'SIGSTOP')
      try {
        expect((await post(one, [{ customer: 'anna', touchpoint: 'chat', at: ago(1) }])).status).toBe(202)
        const ended = one.end()
        await until(() => one.stderr().includes('weaklink stops'), 'it was stopping')
        // Signals that come together are one.
        while (signals === 2 && one.child.exitCode === null) {
          one.child.kill()
          await sleep(100)
        }
        expect((await ended).status).toBe(signals === 1 ? 0 : 1)
      } finally {
        if (lives(server)) process.kill(server, 'SIGCONT')
      }
      await until(() => !lives(server), 'its ClickHouse was gone')
    }
    const service = await up(data)
    await stored(data, 2)
    await service.end()
  })

  it('keys that are damaged, too short, or of two kinds', async () => {
    const data = join(folder.path, 'damaged')
    await (await up(data)).end()
    writeFileSync(join(data, 'keys.json'), '')
    const damaged = await weaklink(['up', '--port', '0', '--data-dir', data])
    expect(damaged).toMatchObject({ status: 1, stderr: expect.stringMatching(/keys\.json is damaged: .*Delete it/) })
    const env = { WEAKLINK_WRITE_KEYS: 'the-same-key-twice', WEAKLINK_ADMIN_KEYS: 'the-same-key-twice' }
    const twice = await weaklink(['up', '--port', '0', '--data-dir', join(folder.path, 'twice')], { env })
    expect(twice).toMatchObject({ status: 1, stderr: expect.stringContaining('each kind needs its own') })
    const short = await weaklink(['up', '--port', '0', '--host', '0.0.0.0', '--data-dir', join(folder.path, 'short')], {
      env: { WEAKLINK_WRITE_KEYS: 'abc', WEAKLINK_ADMIN_KEYS: 'a-key-that-is-long-enough' },
    })
    expect(short).toMatchObject({ status: 1, stderr: expect.stringContaining('shorter than 16 characters') })
  })

  it('a port that is taken, an address beyond this machine without keys, a host that is none', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? String(address.port) : ''
    const data = join(folder.path, 'refused')
    const inUse = await weaklink(['up', '--data-dir', data, '--port', port])
    taken.close()
    expect(inUse).toMatchObject({ status: 1, stderr: expect.stringMatching(new RegExp(`Port ${port} .*--port`)) })
    const open = await weaklink(['up', '--data-dir', data, '--host', '0.0.0.0', '--port', '0'])
    expect(open).toMatchObject({ status: 1, stderr: expect.stringMatching(/WEAKLINK_WRITE_KEYS.*WEAKLINK_READ_KEYS/) })
    const nowhere = await weaklink(['up', '--data-dir', data, '--port', '70000'])
    expect(nowhere.status).toBe(2)
    expect(existsSync(join(data, 'up.json'))).toBe(false)
  })

  it('CLICKHOUSE_URL away: it waits, refuses with Retry-After meanwhile, and can be ended', async () => {
    const data = join(folder.path, 'away')
    const env = { CLICKHOUSE_URL: 'http://127.0.0.1:9' }
    const one = background(['up', '--data-dir', data, '--port', '0', '--json'], { env })
    const listening = /listening at (http:[^"]+)/
    await until(() => listening.test(one.stderr()), 'it listened')
    const url = listening.exec(one.stderr())?.[1] ?? ''
    const keys = JSON.parse(readFileSync(join(data, 'keys.json'), 'utf8')) as Up['keys']
    const refused = await post({ ...one, url, keys }, [{ customer: 'x', touchpoint: 'chat', at: ago(0) }])
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([503, expect.any(Number)])
    const ready = await fetch(`${url}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('127.0.0.1:9')])
    expect(await one.end()).toMatchObject({ status: 0, stdout: '' })
  })
})

/** A Node that is too old, which hands over to the project's own. */
const oldNode = (process.env.PATH ?? '')
  .split(delimiter)
  .map((directory) => join(directory, 'node'))
  .find((path) => existsSync(path) && Number(execFileSync(path, ['-p', 'process.versions.node.split(".")[0]'])) < 24)

describe.skipIf(oldNode === undefined)('started by a Node older than 24 (left out where there is none)', () => {
  afterEach(endAll)
  const node = oldNode ?? ''
  const serviceOf = (data: string) => (JSON.parse(readFileSync(join(data, 'up.json'), 'utf8')) as { pid: number }).pid

  it('a signal reaches the real one, which ends in good order', async () => {
    const data = join(folder.path, 'wrapped')
    const one = await up(data, { node })
    const [real, server] = [serviceOf(data), clickhousePid(data)]
    expect(real).not.toBe(one.pid)
    expect(await one.end('SIGINT')).toMatchObject({ status: 0, stderr: expect.stringContaining('has stopped') })
    expect([real, server].map(lives)).toEqual([false, false])
  })

  it('killed itself, it leaves nothing running, and what was acknowledged is there', async () => {
    const data = join(folder.path, 'orphaned')
    const one = await up(data, { node })
    const [real, server] = [serviceOf(data), clickhousePid(data)]
    expect((await post(one, [{ customer: 'anna', touchpoint: 'chat', at: ago(1) }])).status).toBe(202)
    one.child.kill('SIGKILL')
    await until(() => !lives(real) && !lives(server), 'both were gone')
    expect((await weaklink(['chain', 'anna', '--data-dir', data])).stdout).toContain('chat')
  })

  it('hands on the exit code', async () => {
    const one = background(['report', 'breakpoints', '--data-dir', join(folder.path, 'nothing')], { node })
    expect(await one.ended).toMatchObject({ status: 2, stderr: expect.stringContaining('holds no Weaklink data') })
  })
})
