import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NotifyError, notifySchema, resolveNotify, tryReceivers } from '../src/notify/index.ts'
import { eventually, running } from './receivers/running.ts'
import { alert, TestMemory } from './receivers/samples.ts'
import { type Behaviour, TestReceiver } from './receivers/server.ts'

// Whatever a receiver answers, and however it fails: what was written to logs, memory, metrics and answers holds no secret.

const ENVIRONMENT = {
  HOOK_TOKEN: 'hook-quokka/§',
  HOOK_SECRET: 'hook-narwhal',
  SLACK_TOKEN: 'T0AAAA/B0BBBB/slackwombat',
  ROUTING_KEY: 'routing-axolotl',
  BASIC_PASS: 'basic-pa%ss-ocelot',
  SMTP_USER: 'smtp-kestrel',
  SMTP_PASS: 'smtp-"pangolin',
}
const SECRETS = [
  /quokka/,
  /narwhal/,
  /wombat/,
  /axolotl/,
  /ocelot/,
  /kestrel/,
  /pangolin/,
  ...Object.values(ENVIRONMENT).map(
    (secret) =>
      new RegExp(
        Buffer.from(secret)
          .toString('base64')
          .replace(/[+/=]+/g, '.*'),
      ),
  ),
  new RegExp(Buffer.from(`kim:${ENVIRONMENT.BASIC_PASS}`).toString('base64').slice(0, 20)),
]

let server: TestReceiver
let mailServer: ReturnType<typeof createServer>
let mailPort: number

beforeAll(async () => {
  server = await TestReceiver.start()
  // Says back whatever it hears.
  mailServer = createServer((socket) => {
    socket.on('error', () => {})
    socket.write('220 hello\r\n')
    socket.on('data', (data) => {
      const line = data.toString().trim()
      if (line.startsWith('EHLO')) socket.write('250-hello\r\n250 AUTH PLAIN\r\n')
      else
        socket.write(
          `535 not ${line} nor ${Buffer.from(line.split(' ').at(-1) ?? '', 'base64')
            .toString()
            .replaceAll('\0', ' ')}\r\n`,
        )
    })
  })
  await new Promise<void>((resolve) => mailServer.listen(0, '127.0.0.1', resolve))
  mailPort = (mailServer.address() as { port: number }).port
})
afterAll(async () => {
  mailServer.close()
  await server.stop()
})

const notify = () => ({
  giveUp: { attempts: 1 },
  receivers: [
    {
      name: 'hook',
      webhook: { url: `${server.url}/h/\${HOOK_TOKEN}?token=\${HOOK_SECRET}`, secret: `\${HOOK_SECRET}` },
    },
    { name: 'chat', slack: { url: `${server.url}/services/\${SLACK_TOKEN}` } },
    { name: 'duty', pagerduty: { routingKey: `\${ROUTING_KEY}`, url: server.url } },
    { name: 'ops', alertmanager: { url: `http://kim:\${BASIC_PASS}@127.0.0.1:${server.port}/am` } },
    {
      name: 'mail',
      email: {
        to: ['ops@example.com'],
        from: 'w@example.com',
        smtp: {
          host: '127.0.0.1',
          port: mailPort,
          user: `\${SMTP_USER}`,
          pass: `\${SMTP_PASS}`,
          tls: 'none' as const,
        },
      },
    },
  ],
})

const echo =
  (status: number): Behaviour =>
  (response, _, { url, headers, text }) =>
    void response
      .writeHead(status, { location: `http://elsewhere${url}`, 'content-type': 'text/plain' })
      .end(`${decodeURIComponent(url)} ${url} ${JSON.stringify(headers)} ${text.slice(0, 60)} ${headers.authorization}`)

describe('secrets', () => {
  it.each([
    ['echoes what it got with 400', echo(400)],
    ['echoes what it got with 500', echo(500)],
    ['echoes what it got with 200', echo(200)],
    ['redirects', echo(307)],
    ['resets the connection', (response) => response.socket?.resetAndDestroy()],
    ['answers nonsense', (response) => response.socket?.end(`HTTP/9 ${ENVIRONMENT.ROUTING_KEY}\r\n`)],
  ] as [string, Behaviour][])('are nowhere when a receiver %s', async (_, behaviour) => {
    server.behaviour = behaviour
    server.received.length = 0
    const memory = new TestMemory()
    const { notifier, logged, registry } = await running(notify(), { environment: ENVIRONMENT, memory })
    notifier.tell([alert({ startsAt: Date.now() })])
    const done = () => new Set(memory.records.map(({ key }) => key.split('/')[1])).size
    await eventually(() => done() === 5)
    const config = resolveNotify(notifySchema.parse(notify()), ENVIRONMENT)
    const trial = await tryReceivers(config, { now: Date.now() })
    await notifier.stop()
    const written = [
      logged.join('\n'),
      JSON.stringify(memory.records),
      await registry.metrics(),
      JSON.stringify(trial),
    ].join('\n')
    expect(SECRETS.filter((secret) => secret.test(written))).toEqual([])
    // They did arrive where they belong.
    expect(server.received.some(({ text }) => text.includes(ENVIRONMENT.ROUTING_KEY))).toBe(true)
    expect(server.received.some(({ url }) => url.includes('slackwombat'))).toBe(true)
  })

  it('do not follow a redirect', async () => {
    const elsewhere = await TestReceiver.start()
    server.behaviour = (response) => void response.writeHead(308, { location: `${elsewhere.url}/` }).end()
    const { notifier, memory } = await running(notify(), { environment: ENVIRONMENT })
    notifier.tell([alert({ startsAt: Date.now() })])
    await eventually(() => memory.records.filter(({ key }) => key.startsWith('failed/')).length === 5)
    expect(elsewhere.received).toEqual([])
    await elsewhere.stop()
  })

  it('are not in the error of a configuration', () => {
    const environment = { ...ENVIRONMENT, SLACK_TOKEN: undefined, HOOK_TOKEN: ' http://[bad' }
    const file = notify()
    Object.assign(file.receivers[0]?.webhook ?? {}, { url: `\${HOOK_SECRET}` })
    expect(() => resolveNotify(notifySchema.parse(file), environment)).toThrow(NotifyError)
    try {
      resolveNotify(notifySchema.parse(file), environment)
    } catch (error) {
      expect(SECRETS.filter((secret) => secret.test((error as Error).message))).toEqual([])
      expect((error as Error).message).toContain('SLACK_TOKEN')
    }
  })
})
