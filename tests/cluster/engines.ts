/**
 * A cluster of embedded engines on loopback, with the files of infra/clickhouse. An embedded engine is `clickhouse local`:
 * it has neither the queue of ON CLUSTER nor the port that replicas fetch from one another by. Two stand-ins take their
 * place, and only these: a statement ON CLUSTER is run on one server after the other, and Distributed writes each row to
 * all replicas of its shard (internal_replication = false), where replication would copy it before the quorum counts.
 *
 * And where a peer breaks off a connection, `clickhouse local` ends itself, as a program at a terminal may and a server does
 * not. So none asks two replicas and breaks off the slower one, and an engine that ends while it is wanted is started again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ChildOrder } from '../../packages/clickhouse/src/embedded/child.ts'
import { libraryPath } from '../../packages/clickhouse/src/embedded/library.ts'
import { type ConnectOptions, connect, type Store } from '../../packages/clickhouse/src/index.ts'

const CHILD = fileURLToPath(new URL('../../packages/clickhouse/src/embedded/child.ts', import.meta.url))
const INFRA = new URL('../../infra/clickhouse/', import.meta.url)
const PASSWORDS = { CLICKHOUSE_WEAKLINK_PASSWORD: 'of-weaklink', CLICKHOUSE_ANALYST_PASSWORD: 'of-analysts' }
const SECRET = { CLICKHOUSE_CLUSTER_SECRET: 'of-servers' }
const START_MS = 60_000

export interface Engine {
  readonly shard: string
  readonly replica: string
  /** Of the process that runs now. */
  readonly pid: number
  /** As `weaklink`. Statements ON CLUSTER run on every server. */
  readonly store: Store
  /** Like `store`, of another database, which each server has to be asked to create. */
  another(database: string): Store
  /** Another client of this server. */
  connect(options?: Partial<ConnectOptions>): Store
  /** SIGKILL. */
  kill(): Promise<void>
  /** Again, with its data. */
  start(): Promise<void>
}

export interface Cluster {
  readonly name: string
  readonly engines: readonly Engine[]
  stop(): Promise<void>
}

/** The servers that infra/clickhouse names, each by its HTTP and its TCP port on loopback. */
interface Place {
  readonly host: string
  readonly shard: string
  readonly replica: string
  readonly http: number
  readonly tcp: number
}

export async function startCluster(database: string): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'weaklink-cluster-'))
  const config = await readFile(new URL('config.d/weaklink.xml', INFRA), 'utf8')
  const hosts = [...config.matchAll(/<replica><host>(clickhouse-(\d+)-(\d+))</g)]
  const ports = await freePorts(hosts.length * 2)
  const places = hosts.map(([, host = '', shard = '', replica = ''], n): Place => {
    return { host, shard, replica, http: ports[2 * n] ?? 0, tcp: ports[2 * n + 1] ?? 0 }
  })
  let onLoopback = config.replaceAll('<internal_replication>true<', '<internal_replication>false<')
  for (const { host, tcp } of places) {
    onLoopback = onLoopback.replace(
      `<host>${host}</host><port>9000</port>`,
      `<host>127.0.0.1</host><port>${tcp}</port>`,
    )
  }
  const engines: OneEngine[] = []
  const cluster = { name: 'weaklink', engines, stop }
  async function stop(): Promise<void> {
    for (const engine of engines) await engine.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    for (const place of places) {
      const engine = new OneEngine(join(folder, place.host), place, database, engines)
      engines.push(engine)
      await engine.write(onLoopback)
    }
    await Promise.all(engines.map((engine) => engine.start()))
    for (const engine of engines) await engine.own.createDatabase()
  } catch (error) {
    await stop()
    throw error
  }
  return cluster
}

class OneEngine implements Engine {
  readonly shard: string
  readonly replica: string
  readonly own: Store
  readonly store: Store
  readonly #folder: string
  readonly #place: Place
  readonly #database: string
  readonly #all: readonly OneEngine[]
  readonly #clients: Store[] = []
  #process: ChildProcess | null = null
  /** It should run: started again where it ends by itself. */
  #wanted = false
  #starting: Promise<void> = Promise.resolve()

  constructor(folder: string, place: Place, database: string, all: readonly OneEngine[]) {
    this.#folder = folder
    this.#place = place
    this.#database = database
    this.shard = place.shard
    this.replica = place.replica
    this.#all = all
    this.own = this.connect()
    this.store = this.another(database)
  }

  another(database: string): Store {
    const own = this.connect({ database })
    const command: Store['command'] = async (sql, params, options) => {
      const here = sql.replace(/ ON CLUSTER `\w+`/, '').replace(/\bReplicated(\w+)\('[^']*', '[^']*'(, )?/, '$1(')
      if (here === sql) return own.command(sql, params, options)
      for (const engine of this.#all) await engine.own.command(here, params, options)
    }
    return { ...own, command }
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  connect(options: Partial<ConnectOptions> = {}): Store {
    const account = { username: 'weaklink', password: PASSWORDS.CLICKHOUSE_WEAKLINK_PASSWORD }
    const url = `http://127.0.0.1:${this.#place.http}`
    const store = connect({ url, database: this.#database, ...account, ...options })
    this.#clients.push(store)
    return store
  }

  async write(cluster: string): Promise<void> {
    for (const part of ['config.d', 'users.d', 'cwd']) await mkdir(join(this.#folder, part), { recursive: true })
    const { http, tcp } = this.#place
    const users = join(this.#folder, 'users.xml')
    const file = (name: string, content: string) => writeFile(join(this.#folder, name), content, { mode: 0o600 })
    await file(
      'config.xml',
      `<clickhouse><path>${this.#folder}/data/</path><listen_host>127.0.0.1</listen_host>
       <http_port>${http}</http_port><tcp_port>${tcp}</tcp_port>
       <log-level>error</log-level><logger><level>error</level><console>1</console></logger>
       <user_directories><users_xml><path>${users}</path></users_xml></user_directories>
       <max_server_memory_usage_to_ram_ratio>0.1</max_server_memory_usage_to_ram_ratio></clickhouse>`,
    )
    await file(
      'users.xml',
      `<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><no_password/>
       <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></clickhouse>`,
    )
    await file('config.d/weaklink.xml', cluster)
    await file('users.d/weaklink.xml', await readFile(new URL('users.d/weaklink.xml', INFRA), 'utf8'))
    const patient = ['weaklink', 'analyst'].map(
      (name) => `<${name}><use_hedged_requests>0</use_hedged_requests></${name}>`,
    )
    await file('users.d/zz-embedded.xml', `<clickhouse><profiles>${patient.join('')}</profiles></clickhouse>`)
  }

  async start(): Promise<void> {
    this.#wanted = true
    this.#starting = this.#run()
    await this.#starting
  }

  async #run(): Promise<void> {
    const macros = {
      CLICKHOUSE_HOST: '127.0.0.1',
      CLICKHOUSE_SHARD: this.shard,
      CLICKHOUSE_REPLICA: this.replica,
    }
    const child = spawn(process.execPath, [CHILD], {
      cwd: join(this.#folder, 'cwd'),
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...process.env, ...PASSWORDS, ...SECRET, ...macros, NODE_OPTIONS: '', TZ: 'UTC' },
    })
    this.#process = child
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000)
    })
    child.stdin.on('error', () => {})
    const order: ChildOrder = {
      library: libraryPath(),
      configFile: join(this.#folder, 'config.xml'),
      lockFile: join(this.#folder, 'data.lock'),
    }
    child.stdin.write(`${JSON.stringify(order)}\n`)
    const admin = connect({ url: `http://127.0.0.1:${this.#place.http}`, database: 'default' })
    const giveUpAt = Date.now() + START_MS
    try {
      for (;;) {
        try {
          await admin.command('SYSTEM START LISTEN TCP')
          break
        } catch (error) {
          if (isOver(child) || Date.now() > giveUpAt) {
            throw new Error(`the engine ${this.#place.host} did not start: ${said}`, { cause: error })
          }
          await sleep(50)
        }
      }
    } finally {
      await admin.close()
    }
    child.once('close', () => {
      if (!this.#wanted) return
      this.#starting = this.#run()
      // Whoever asks it next meets the failure.
      this.#starting.catch(() => {})
    })
  }

  async kill(): Promise<void> {
    this.#wanted = false
    await this.#starting.catch(() => {})
    const child = this.#process
    if (child === null || isOver(child)) return
    const ended = once(child, 'close')
    child.kill('SIGKILL')
    await ended
  }

  async close(): Promise<void> {
    for (const store of this.#clients) await store.close()
    await this.kill()
  }
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address()
      server.close()
      await once(server, 'close')
      if (address === null || typeof address === 'string') throw new Error('no port was given')
      return address.port
    }),
  )
}
