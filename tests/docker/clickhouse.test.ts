import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, DEFAULT_DATABASE, migrate } from '@weaklink/clickhouse'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../../infra/kafka/ports.ts'
import { libraryPath } from '../../packages/clickhouse/src/embedded/library.ts'
import { MIGRATIONS } from '../../services/cli/src/workspace.ts'
import { until } from '../support/up.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import { ROOT } from './context.ts'

// The two files that docker-compose.yml gives its ClickHouse, read by the same engine: around them stands what the image
// has, as far as it matters here.

const CHILD = fileURLToPath(new URL('../../packages/clickhouse/src/embedded/child.ts', import.meta.url))
const folder = temporaryFolder()
const [OWNER_PASSWORD, ANALYST_PASSWORD] = ['of-the-owner', 'of-the-analyst']
let engine: ChildProcess
let url: string
let said = ''

beforeAll(async () => {
  const [port = 0] = await freePorts(1)
  url = `http://127.0.0.1:${port}`
  for (const name of ['config.d', 'users.d', 'data']) mkdirSync(join(folder.path, name))
  const ours = join(ROOT, 'infra/docker/clickhouse')
  cpSync(join(ours, 'config.xml'), join(folder.path, 'config.d/weaklink.xml'))
  cpSync(join(ours, 'users.xml'), join(folder.path, 'users.d/weaklink.xml'))
  const account = (password: string) =>
    `<password>${password}</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>`
  writeFileSync(
    join(folder.path, 'users.xml'),
    `<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>
      <default>${account('')}</default><weaklink>${account(OWNER_PASSWORD)}</weaklink>
    </users></clickhouse>`,
  )
  writeFileSync(
    join(folder.path, 'config.xml'),
    `<clickhouse>
      <path>${folder.path}/data/</path><listen_host>127.0.0.1</listen_host><http_port>${port}</http_port>
      <mysql_port>9004</mysql_port><log-level>warning</log-level>
      <user_directories><users_xml><path>${folder.path}/users.xml</path></users_xml></user_directories>
    </clickhouse>`,
  )
  engine = spawn(process.execPath, [CHILD], {
    cwd: folder.path,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { ...process.env, CLICKHOUSE_ANALYST_PASSWORD: ANALYST_PASSWORD, TZ: 'UTC' },
  })
  engine.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const order = {
    library: libraryPath(),
    configFile: join(folder.path, 'config.xml'),
    lockFile: join(folder.path, 'lock'),
  }
  engine.stdin?.write(`${JSON.stringify(order)}\n`)
  await until(async () => {
    if (engine.exitCode !== null || engine.signalCode !== null) throw new Error(`the engine ended: ${said}`)
    return await fetch(`${url}/ping`).then(
      ({ ok }) => ok,
      () => false,
    )
  }, 'the engine answered')
})
afterAll(() => {
  engine?.kill('SIGKILL')
  folder.remove()
})

describe('the ClickHouse of docker-compose.yml', () => {
  const as = (username: string, password: string) => connect({ url, username, password, database: DEFAULT_DATABASE })

  it('Weaklink makes its tables, with an account that manages no others', async () => {
    const owner = as('weaklink', OWNER_PASSWORD)
    expect((await migrate(owner, MIGRATIONS)).applied.length).toBeGreaterThan(0)
    await owner.command(
      "INSERT INTO interactions_log (kind, customer, id, touchpoint, at) VALUES ('customer', 'anna', '1', 'chat', now64(3))",
    )
    const [setting] = await owner.query(`SELECT value FROM system.server_settings WHERE name = 'mark_cache_size'`)
    expect(setting).toEqual({ value: '268435456' })
    await expect(owner.command(`CREATE USER somebody IDENTIFIED BY 'secret'`)).rejects.toMatchObject({
      code: 'forbidden',
    })
    await owner.close()
  })

  it('the analyst reads the views with the password of the environment, and nothing else, and raises no limit', async () => {
    const analyst = as('analyst', ANALYST_PASSWORD)
    expect(await analyst.query('SELECT customer, touchpoint FROM interactions')).toEqual([
      { customer: 'anna', touchpoint: 'chat' },
    ])
    for (const view of ['chains', 'chain_interactions', 'identities'])
      expect(await analyst.query(`SELECT * FROM ${view}`)).toEqual([])
    for (const sql of [
      'SELECT * FROM interactions_log',
      'SELECT * FROM interactions SETTINGS max_execution_time = 3600',
    ])
      await expect(analyst.query(sql), sql).rejects.toMatchObject({ code: 'forbidden' })
    await expect(analyst.command('DROP TABLE positions')).rejects.toMatchObject({ code: 'forbidden' })
    await analyst.close()
    const stranger = as('analyst', '')
    await expect(stranger.ping()).rejects.toMatchObject({ code: 'auth' })
    await stranger.close()
  })
})
