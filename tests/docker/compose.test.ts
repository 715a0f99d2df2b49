import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startBroker } from '../../infra/kafka/broker.ts'
import { freePorts } from '../../infra/kafka/ports.ts'
import { parseAlerts } from '../../services/alerts/src/index.ts'
import { DEFAULT_PORT } from '../../services/cli/src/up/http.ts'
import { openKafka } from '../../services/cli/src/workspace.ts'
import { describeWithJava } from '../support/kafka.ts'
import { buildContext, instructionsOf, ROOT } from './context.ts'

// No image can be pulled where this runs: what docker-compose.yml says is checked as far as that goes without.

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string | number>>
  readonly healthcheck?: { readonly disable?: boolean; readonly test?: readonly string[] }
  readonly restart?: string
  readonly stop_grace_period?: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly command?: readonly string[]
  readonly profiles?: readonly string[]
  readonly secrets?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly deploy?: {
    readonly replicas?: number
    readonly resources?: { readonly limits?: { readonly memory: string } }
  }
}

interface Scrape {
  readonly authorization: { readonly credentials_file: string }
  readonly dns_sd_configs: readonly { readonly names: readonly string[]; readonly port: number }[]
}

const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')
const example = readFileSync(join(ROOT, '.env.example'), 'utf8')
const VARIABLE = /\$\{(\w+)(:\?([^}]*))?\}/g
const variables = new Map(
  [...text.matchAll(VARIABLE)].map(([, name = '', , message]) => [name, { message, value: `secret-of-${name}` }]),
)
const file = parse(
  text.replaceAll(VARIABLE, (_, name: string) => variables.get(name)?.value ?? ''),
  { merge: true },
) as {
  services: Record<string, Service>
  secrets: Record<string, { readonly environment: string }>
}
const services = Object.entries(file.services)
const [ours, others] = [
  services.filter(([, { image }]) => image.startsWith('weaklink:')),
  services.filter(([, { image }]) => !image.startsWith('weaklink:')),
]

describe('docker-compose.yml', () => {
  it('is what the Compose specification allows', () => {
    // The schema comes with a package of testcontainers.
    const ofContainers = createRequire(createRequire(import.meta.url).resolve('testcontainers'))
    const folder = join(ofContainers.resolve('docker-compose'), '..', '..')
    const schema = JSON.parse(readFileSync(join(folder, 'schema', 'compose-spec.json'), 'utf8')) as object
    const validate = new Ajv2020({ strict: false, validateFormats: false, validateSchema: false }).compile(schema)
    validate(file)
    expect(validate.errors).toBeNull()
  })

  it('has the services that are promised', () => {
    const always = ['api', 'clickhouse', 'collector', 'kafka', 'migrate', 'tracker']
    const monitoring = ['alertmanager', 'alerts', 'grafana', 'prometheus']
    const named = (isAlways: boolean) =>
      services.flatMap(([name, { profiles }]) => ((profiles === undefined) === isAlways ? name : [])).sort()
    expect(named(true)).toEqual(always)
    expect(named(false)).toEqual(monitoring)
    for (const name of monitoring) expect(file.services[name]?.profiles).toEqual(['monitoring'])
    expect(file.services.tracker?.deploy?.replicas).toBe(2)
    for (const name of ['collector', 'tracker', 'api', 'alerts'])
      expect(file.services[name]?.command).toEqual(['up', '--services', name])
  })

  it('alerts by rules that can be read, and tells the Alertmanager beside it', () => {
    const text = readFileSync(join(ROOT, 'infra/alertmanager/alerts.yaml'), 'utf8')
    const { rules, notify } = parseAlerts(text, 'alerts.yaml', {})
    expect(rules.length).toBeGreaterThan(0)
    expect(notify?.receivers).toMatchObject([{ target: { kind: 'alertmanager', url: 'http://alertmanager:9093' } }])
    expect(file.services.alerts?.environment?.WEAKLINK_ALERTS).toBe('/etc/weaklink/alerts.yaml')
  })

  it('has no default for what is secret, and .env.example names all of it without a value', () => {
    for (const [name, { message }] of variables)
      expect([name, message]).toEqual([name, 'make one as .env.example says'])
    const named = example.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(named.sort()).toEqual([...variables.keys()].map((name) => `${name}=`).sort())
    const secrets = /password|keys$|jaas/i
    for (const [, { environment = {} }] of services) {
      for (const [name, value] of Object.entries(environment))
        if (secrets.test(name)) expect(String(value), name).toContain('secret-of-')
    }
  })

  it.each(services)('%s: a pinned image, a limit of memory, a health check, a restart policy', (name, service) => {
    const tag = service.image.split(':')[1]
    expect(tag).toMatch(/^v?\d+\.\d+(\.\d+)*$/)
    expect(service.deploy?.resources?.limits?.memory).toMatch(/^\d+[mg]$/)
    expect(service.stop_grace_period).toMatch(/^\d+s$/)
    const isOnce = name === 'migrate'
    expect(service.restart).toBe(isOnce ? 'no' : 'unless-stopped')
    expect(service.healthcheck?.disable ?? false).toBe(isOnce)
    // Ours have that of their image.
    if (!service.build) expect(service.healthcheck?.test?.[0]).toBe('CMD')
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {}))
      expect(condition).toBe(other === 'migrate' ? 'service_completed_successfully' : 'service_healthy')
  })

  it('what others keep is in a volume, and what is mounted exists', () => {
    for (const [, { volumes = [] }] of others) {
      expect(volumes.some((volume) => /^\w+:/.test(volume))).toBe(true)
      for (const volume of volumes) {
        const [source = ''] = volume.split(':')
        if (source.startsWith('.')) expect(statSync(join(ROOT, source)).isFile(), source).toBe(true)
      }
    }
  })

  it('Prometheus asks with the key that everybody who is asked knows', () => {
    expect(file.services.prometheus?.secrets).toEqual(['metrics-key'])
    expect(file.secrets['metrics-key']?.environment).toBe('WEAKLINK_METRICS_KEY')
    const config = readFileSync(join(ROOT, 'infra/prometheus/prometheus.yml'), 'utf8')
    const [scrape] = (parse(config) as { scrape_configs: Scrape[] }).scrape_configs
    expect(scrape?.authorization.credentials_file).toBe('/run/secrets/metrics-key')
    const [found] = scrape?.dns_sd_configs ?? []
    for (const [name, { command = [], environment = {} }] of ours) {
      if (command[0] !== 'up') continue
      expect(found?.names).toContain(name)
      expect(String(environment.WEAKLINK_READ_KEYS).split(',')).toContain('secret-of-WEAKLINK_METRICS_KEY')
    }
    expect(found?.port).toBe(DEFAULT_PORT)
  })

  it.each(ours)('%s: from our Dockerfile, where the others are', (_, { build, environment = {} }) => {
    expect(existsSync(join(ROOT, build?.context ?? '', build?.dockerfile ?? ''))).toBe(true)
    expect(environment.KAFKA_BROKERS).toBe('kafka:9092')
    const url = new URL(
      String(environment.CLICKHOUSE_URL ?? 'http://weaklink:secret-of-CLICKHOUSE_PASSWORD@clickhouse:8123'),
    )
    expect([url.host, url.username]).toEqual([
      'clickhouse:8123',
      file.services.clickhouse?.environment?.CLICKHOUSE_USER,
    ])
    expect(url.password).toBe(file.services.clickhouse?.environment?.CLICKHOUSE_PASSWORD)
  })
})

describe('the Dockerfile', () => {
  const instructions = instructionsOf(join(ROOT, 'infra/docker/Dockerfile'))
  const of = (name: string) => instructions.filter((one) => one.name === name).map((one) => one.text)

  it('begins with the Node of package-lock.json, ends as another user than root, and lets signals arrive', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string }>
    }
    const version = lock.packages['node_modules/node']?.version
    for (const from of of('FROM')) expect(from).toMatch(new RegExp(`^node:${version}-\\w+-slim( AS \\w+)?$`))
    expect(of('USER')).toEqual(['node'])
    // A shell in between would keep the signals to itself.
    for (const text of [...of('ENTRYPOINT'), ...of('CMD')]) expect(JSON.parse(text)).toBeInstanceOf(Array)
    expect(of('HEALTHCHECK')).toEqual([expect.stringMatching(/CMD \["node", "-e", .*\/healthz/)])
  })

  it('copies what is there, and nothing secret or large is among it', () => {
    const context = buildContext()
    const sources = of('COPY')
      .filter((text) => !text.includes('--from='))
      .flatMap((text) => text.split(' ').slice(0, -1))
    for (const source of sources)
      expect([source, context.some((path) => path === source || path.startsWith(`${source}/`))]).toEqual([source, true])
    expect(
      context.filter((path) => !sources.some((source) => path === source || path.startsWith(`${source}/`))),
    ).toEqual([])
    expect(context.filter((path) => /(^|\/)(test|node_modules|\.env|\.weaklink)(\/|$)/.test(path))).toEqual([])
    expect(context).toContain('packages/clickhouse/migrations/0001-chains.sql')
    const bytes = context.reduce((sum, path) => sum + statSync(join(ROOT, path)).size, 0)
    expect(bytes).toBeLessThan(5_000_000)
  })
})

await describeWithJava('the Kafka of docker-compose.yml', () => {
  it('starts with these settings, and lets in who has the password alone', async () => {
    const [environment, client] = [file.services.kafka?.environment ?? {}, file.services.collector?.environment ?? {}]
    const properties = Object.fromEntries(
      Object.entries(environment).flatMap(([name, value]) =>
        name === 'KAFKA_HEAP_OPTS' ? [] : [[propertyOf(name), String(value)]],
      ),
    )
    // Its ports and its data are those of the test; the plain listener is what the test starts it by.
    const { 'log.dirs': _, listeners, 'advertised.listeners': advertised, ...rest } = properties
    expect(listeners).toMatch(/^INTERNAL:\/\/:9092,EXTERNAL:\/\/:19092,CONTROLLER:\/\/localhost:9093$/)
    expect(advertised).toBe('INTERNAL://kafka:9092,EXTERNAL://127.0.0.1:9092')
    const [plain, internal, external, controller] = await freePorts(4)
    const broker = await startBroker({
      port: plain!,
      properties: {
        ...rest,
        'controller.quorum.voters': `1@127.0.0.1:${controller}`,
        'listener.security.protocol.map': `${rest['listener.security.protocol.map']},PLAINTEXT:PLAINTEXT`,
        listeners: `PLAINTEXT://127.0.0.1:${plain},INTERNAL://127.0.0.1:${internal},EXTERNAL://127.0.0.1:${external},CONTROLLER://127.0.0.1:${controller}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${plain},INTERNAL://127.0.0.1:${internal},EXTERNAL://127.0.0.1:${external}`,
      },
    })
    try {
      for (const port of [internal, external]) {
        const variables = { ...stringsOf(client), KAFKA_BROKERS: `127.0.0.1:${port}` }
        const log = await openKafka(variables)
        const topic = `from-${port === internal ? 'inside' : 'outside'}`
        await log?.createTopic(topic, 2)
        const record = { partition: 1, key: null, value: Buffer.from('taken in') }
        expect(await log?.append(topic, [record])).toEqual([0])
        await log?.close()
        const stranger = await openKafka({ ...variables, KAFKA_SASL_PASSWORD: 'guessed' })
        await expect(stranger?.describe(topic)).rejects.toMatchObject({ code: 'not_authorized' })
        await stranger?.close()
      }
    } finally {
      await broker.stop()
    }
  })
})

/** As the image makes them of its environment: `_` is a dot, `__` an underscore, `___` a hyphen. */
function propertyOf(variable: string): string {
  return variable
    .replace(/^KAFKA_/, '')
    .toLowerCase()
    .replaceAll(/_+/g, (run) => ({ 1: '.', 2: '_', 3: '-' })[run.length] ?? run)
}

const stringsOf = (values: Readonly<Record<string, string | number>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]))
