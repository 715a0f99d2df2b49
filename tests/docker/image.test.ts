import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type EmbeddedServer, startEmbeddedServer } from '@weaklink/clickhouse'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../infra/kafka/broker.ts'
import { describeWithJava } from '../support/kafka.ts'
import { type Background, background, endAll, until } from '../support/up.ts'
import { temporaryFolder } from '../support/weaklink.ts'
import { buildContext, instructionsOf, ROOT } from './context.ts'

// What infra/docker/Dockerfile builds, without an engine that could build it: its steps in folders instead of layers. One
// step is played: `npm install` copies what it would install, by package-lock.json, from the packages of the project.

const folder = temporaryFolder()
afterAll(async () => {
  await endAll()
  folder.remove()
})

interface Image {
  /** Of the last stage, standing for `/`. */
  readonly root: string
  readonly environment: Readonly<Record<string, string>>
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly healthcheck: readonly string[]
}

function build(): Image {
  const context = buildContext()
  const stages = new Map<string, string>()
  let root = ''
  let cwd = '/'
  let environment: Record<string, string> = {}
  const exec = new Map<string, readonly string[]>()
  const inside = (path: string) => join(root, path.startsWith('/') ? path : join(cwd, path))
  for (const { name, text } of instructionsOf(join(ROOT, 'infra/docker/Dockerfile'))) {
    if (name === 'FROM') {
      root = join(folder.path, `stage-${stages.size}`)
      mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
      stages.set(/ AS (\w+)$/.exec(text)?.[1] ?? 'image', root)
      cwd = '/'
      environment = {}
    } else if (name === 'WORKDIR') {
      cwd = text
      mkdirSync(inside('.'), { recursive: true })
    } else if (name === 'ENV') {
      for (const pair of text.split(/\s+/)) environment[pair.split('=', 1)[0] ?? ''] = pair.replace(/^[^=]*=/, '')
    } else if (name === 'COPY') copy(text)
    else if (name === 'RUN') run(text.replace(/^(--\S+\s+)*/, ''))
    else if (name === 'ENTRYPOINT' || name === 'CMD') exec.set(name, JSON.parse(text) as string[])
    else if (name === 'HEALTHCHECK') exec.set(name, JSON.parse(text.replace(/^.*?CMD /, '')) as string[])
    else expect(['USER', 'EXPOSE', 'STOPSIGNAL']).toContain(name)
  }
  const [entrypoint = [], command = [], healthcheck = []] = ['ENTRYPOINT', 'CMD', 'HEALTHCHECK'].map((one) =>
    exec.get(one),
  )
  return { root, environment, entrypoint, command, healthcheck }

  function copy(text: string): void {
    const words = text.split(' ')
    const from = words[0]?.startsWith('--from=') ? stages.get(words.shift()?.slice('--from='.length) ?? '') : undefined
    const target = words.pop() ?? ''
    for (const source of words) {
      if (from !== undefined) {
        cpSync(join(from, source), inside(target), { recursive: true, verbatimSymlinks: true })
        continue
      }
      const into = target.endsWith('/') ? join(target, source) : target
      for (const path of context.filter((one) => one === source || one.startsWith(`${source}/`)))
        cpSync(join(ROOT, path), join(inside(into), path.slice(source.length)))
    }
  }

  function run(command: string): void {
    if (command.startsWith('npm install ')) {
      expect(command).toContain('--omit=dev')
      installProduction(inside('.'))
    } else {
      // A path from the root is one of the stage.
      const here = command.replaceAll(/(?<=\s)\/(?=usr|app)/g, `${root}/`)
      execFileSync('sh', ['-c', here], { cwd: inside('.') })
    }
  }
}

/** What package-lock.json has for production, as far as it is installed for this platform. */
function installProduction(target: string): void {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; link?: boolean }>
  }
  for (const [path, { dev = false, link = false }] of Object.entries(packages)) {
    const source = join(ROOT, path)
    if (!/^node_modules\//.test(path) || dev || !existsSync(source)) continue
    mkdirSync(dirname(join(target, path)), { recursive: true })
    if (link) symlinkSync(readlinkSync(source), join(target, path))
    // Half a gigabyte, to be thrown away by the next step: its place is enough.
    else if (path.startsWith('node_modules/@chdb/')) mkdirSync(join(target, path), { recursive: true })
    else cpSync(source, join(target, path), { recursive: true, verbatimSymlinks: true })
  }
}

let image: Image
beforeAll(() => {
  image = build()
  // Only the last stage becomes the image.
  rmSync(join(folder.path, 'stage-0'), { recursive: true, force: true })
})

/** Runs the image's entry point with these words, or its own. */
function start(words: readonly string[], env: NodeJS.ProcessEnv = {}): Background {
  const [node, ...entrypoint] = image.entrypoint
  expect(node).toBe('node')
  return background(words, {
    bin: entrypoint.map((word) => word.replace(/^\/app/, join(image.root, 'app'))),
    cwd: join(image.root, 'app'),
    // Here it is not alone in its network.
    env: { ...image.environment, WEAKLINK_HOST: '127.0.0.1', WEAKLINK_PORT: '0', ...env },
  })
}

describe('the image', () => {
  it('has all commands, and no embedded engine', async () => {
    expect(await start(['--help']).ended).toMatchObject({ status: 0, stdout: expect.stringContaining('migrate') })
    for (const name of ['@chdb', 'lmdb', '@lmdb', 'ffi-rs', '@yuuang', 'vitest', 'typescript', 'node'])
      expect([name, existsSync(join(image.root, 'app/node_modules', name))]).toEqual([name, false])
    expect(readlinkSync(join(image.root, 'usr/local/bin/weaklink'))).toContain(image.entrypoint[1])
  })

  it('says what must be set', async () => {
    const missing = await start(image.command, { WEAKLINK_DATA_DIR: join(folder.path, 'data') }).ended
    expect(missing).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^[^\n]*Set KAFKA_BROKERS and CLICKHOUSE_URL/),
    })
    const open = await start(image.command, { WEAKLINK_HOST: '0.0.0.0', KAFKA_BROKERS: 'kafka:9092' }).ended
    expect(open).toMatchObject({ status: 1, stderr: expect.stringMatching(/WEAKLINK_WRITE_KEYS to send/) })
  })
})

await describeWithJava('the image with Kafka and ClickHouse', () => {
  let broker: Broker
  let server: EmbeddedServer
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([
      startBroker(),
      startEmbeddedServer({ directory: join(folder.path, 'clickhouse'), what: 'a test' }),
    ])
  })
  afterAll(async () => {
    await endAll()
    await server?.stop()
    await broker?.stop()
  })

  it('migrates, takes an interaction in, derives its chain, answers, is healthy, and ends on SIGTERM', async () => {
    const [write, read] = ['a-write-key-of-the-test', 'a-read-key-of-the-test']
    const url = new URL(server.url)
    url.username = server.username
    url.password = server.password
    const env = {
      KAFKA_BROKERS: broker.brokers.join(','),
      CLICKHOUSE_URL: url.href,
      WEAKLINK_WRITE_KEYS: write,
      WEAKLINK_READ_KEYS: read,
      WEAKLINK_DATA_DIR: join(folder.path, 'of-migrate'),
    }
    expect(await start(['migrate', '--partitions', '8'], env).ended).toMatchObject({ status: 0 })
    const parts = ['collector', 'tracker', 'api'].map((name) =>
      start(['up', '--services', name, '--json'], { ...env, WEAKLINK_DATA_DIR: join(folder.path, 'never-made') }),
    )
    await until(() => parts.every((one) => /^\}$/m.test(one.stdout())), 'all were up')
    const [collector = '', , api = ''] = parts.map((one) => (JSON.parse(one.stdout()) as { url: string }).url)
    const sent = await fetch(`${collector}/v1/interactions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${write}` },
      body: JSON.stringify({ customer: 'anna', touchpoint: 'chat', at: new Date().toISOString() }),
    })
    expect(sent.status).toBe(202)
    await until(async () => {
      const answer = await fetch(`${api}/api/v1/customers/anna`, { headers: { authorization: `Bearer ${read}` } })
      return answer.ok && (await answer.text()).includes('"chat"')
    }, 'the chain was there')

    const [node = '', ...check] = image.healthcheck
    expect(node).toBe('node')
    const healthy = (port: string) => () =>
      execFileSync(process.execPath, check, { env: { WEAKLINK_PORT: port }, stdio: 'ignore' })
    expect(healthy(new URL(api).port)).not.toThrow()
    for (const one of parts) expect(await one.end('SIGTERM')).toMatchObject({ status: 0 })
    expect(healthy(new URL(api).port)).toThrow()
    expect(existsSync(join(folder.path, 'never-made'))).toBe(false)
  })
})
