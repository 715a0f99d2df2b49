import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { mayBeSecret, receiversFor } from '../src/notify/config.ts'
import { type NotifyConfig, NotifyError, notifySchema, resolveNotify } from '../src/notify/index.ts'

const EVERYTHING = `
group: { by: [alertname, queue], wait: 2s, interval: 5m }
repeat: 12h
giveUp: { attempts: 5, after: 30m }
zone: Europe/Berlin
receivers:
  - { name: ops, alertmanager: { url: http://127.0.0.1:9093 } }
  - { name: hook, webhook: { url: "https://hooks.example.com/\${HOOK_PATH}", secret: "\${HOOK_SECRET}" } }
  - { name: chat, slack: { url: "\${SLACK_WEBHOOK}" } }
  - { name: duty, pagerduty: { routingKey: "\${PAGERDUTY_KEY}" } }
  - { name: mail, email: { to: [ops@example.com], from: "Weaklink <weaklink@example.com>", smtp: { host: mail.example.com, user: "\${SMTP_USER}", pass: "\${SMTP_PASS}" } } }
routes:
  - { match: { severity: page }, to: [duty, ops] }
  - { to: [chat] }
`
const ENVIRONMENT = {
  HOOK_PATH: 'a/b',
  HOOK_SECRET: `see \${OTHER}`,
  OTHER: 'not this',
  SLACK_WEBHOOK: 'https://hooks.slack.com/services/T0/B0/x',
  PAGERDUTY_KEY: 'k',
  SMTP_USER: 'u',
  SMTP_PASS: 'p',
}

describe('notify: in alerts.yaml', () => {
  it('is read with its variables filled in, each once', () => {
    const config = configOf(EVERYTHING)
    expect(config).toMatchObject({
      group: { by: ['alertname', 'queue'], waitMs: 2_000, intervalMs: 300_000 },
      repeatMs: 43_200_000,
      giveUp: { attempts: 5, afterMs: 1_800_000 },
      zone: 'Europe/Berlin',
      routes: [
        { match: { severity: ['page'] }, to: ['duty', 'ops'], continue: false },
        { match: {}, to: ['chat'], continue: false },
      ],
    })
    expect(config.receivers.map(({ target }) => target)).toEqual([
      { kind: 'alertmanager', url: 'http://127.0.0.1:9093' },
      { kind: 'webhook', url: 'https://hooks.example.com/a/b', secret: `see \${OTHER}` },
      { kind: 'slack', url: ENVIRONMENT.SLACK_WEBHOOK },
      { kind: 'pagerduty', url: 'https://events.pagerduty.com/v2/enqueue', routingKey: 'k' },
      {
        kind: 'email',
        to: ['ops@example.com'],
        from: 'Weaklink <weaklink@example.com>',
        host: 'mail.example.com',
        port: 587,
        login: { user: 'u', pass: 'p' },
        tls: 'required',
      },
    ])
  })

  it('has defaults', () => {
    expect(configOf('receivers: [{ name: ops, alertmanager: { url: http://127.0.0.1:9093 } }]')).toMatchObject({
      group: { by: ['alertname', 'queue'], waitMs: 0, intervalMs: 5_000 },
      repeatMs: 14_400_000,
      giveUp: { attempts: 100, afterMs: 14_400_000 },
      zone: 'UTC',
      routes: [],
    })
  })

  it.each([
    ['of port 465', '{ host: m, port: 465 }', { port: 465, tls: 'implicit' }],
    ['of implicit TLS', '{ host: m, tls: implicit }', { port: 465, tls: 'implicit' }],
    ['without a password', '{ host: m }', { port: 587, tls: 'optional' }],
    ['with a port of the environment', `{ host: m, port: "\${MAIL_PORT}" }`, { port: 2525, tls: 'optional' }],
  ])('knows the TLS %s', (_, smtp, expected) => {
    const text = `receivers: [{ name: mail, email: { to: [a@b.c], from: a@b.c, smtp: ${smtp} } }]`
    expect(configOf(text, { MAIL_PORT: '2525' }).receivers[0]?.target).toMatchObject(expected)
  })

  it.each([
    ['no receivers', 'receivers: []', 'receivers: at least one receiver'],
    [
      'an unknown key',
      'repeats: 1h\nreceivers: [{ name: a, slack: { url: http://a } }]',
      'Unrecognized key: "repeats"',
    ],
    ['an unknown key of a receiver', 'receivers: [{ name: a, slack: { uri: http://a } }]', 'Unrecognized key: "uri"'],
    [
      'a receiver of no kind',
      'receivers: [{ name: a }]',
      'receivers.0: beside name exactly one of alertmanager, webhook, slack, pagerduty, email',
    ],
    [
      'a receiver of two kinds',
      'receivers: [{ name: a, slack: { url: http://a }, webhook: { url: http://a } }]',
      'receivers.0: beside name exactly one of alertmanager, webhook, slack, pagerduty, email',
    ],
    [
      'a bad duration',
      'repeat: 4 hours\nreceivers: [{ name: a, slack: { url: http://a } }]',
      'repeat: a duration like 0s 500ms 20s 3m 24h 7d',
    ],
    [
      'a repeat of nothing',
      'repeat: 0s\nreceivers: [{ name: a, slack: { url: http://a } }]',
      'repeat: a duration longer than nothing',
    ],
    [
      'a bad zone',
      'zone: Berlin\nreceivers: [{ name: a, slack: { url: http://a } }]',
      'zone: a time zone like Europe/Berlin',
    ],
    [
      'two of one name',
      'receivers: [{ name: a, slack: { url: http://a } }, { name: a, slack: { url: http://b } }]',
      'receivers.1.name: a name of its own (receiver 1 has it)',
    ],
    [
      'a route to nobody',
      'receivers: [{ name: a, slack: { url: http://a } }]\nroutes: [{ to: [b] }]',
      'routes.0.to.0: one of the receivers a',
    ],
    [
      'a user without a password',
      'receivers: [{ name: a, email: { to: [a@b.c], from: a@b.c, smtp: { host: m, user: u } } }]',
      'receivers.0.email.smtp: both user and pass, or neither',
    ],
    [
      'a bad port',
      'receivers: [{ name: a, email: { to: [a@b.c], from: a@b.c, smtp: { host: m, port: 0 } } }]',
      'receivers.0.email.smtp.port: a port from 1 to 65535',
    ],
  ])('refuses %s', (_, text, expected) => {
    const { error } = notifySchema.safeParse(parse(text))
    const said = error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n')
    expect(said).toContain(expected)
  })

  it('names each variable that is missing or empty, and never what another holds', () => {
    const environment = { ...ENVIRONMENT, HOOK_SECRET: '', SLACK_WEBHOOK: 'hush-hush', PAGERDUTY_KEY: undefined }
    const { message } = thrownBy(() => configOf(EVERYTHING, environment))
    expect(message.split('\n')).toEqual([
      `notify.receivers[1].webhook.secret: got \${HOOK_SECRET}, expected the variable HOOK_SECRET in the environment`,
      'notify.receivers[2].slack.url: got something else (not shown), expected an http or https URL',
      `notify.receivers[3].pagerduty.routingKey: got \${PAGERDUTY_KEY}, expected the variable PAGERDUTY_KEY in the environment`,
    ])
  })

  it('says which values no message may show', () => {
    expect(mayBeSecret(['receivers', 0, 'slack', 'url'])).toBe(true)
    expect(mayBeSecret(['receivers', 0, 'email', 'smtp', 'pass'])).toBe(true)
    expect(mayBeSecret(['notify', 'receivers', 0, 'slack'])).toBe(true)
    expect(mayBeSecret(['notify', 'receivers', 0])).toBe(true)
    expect(mayBeSecret(['notify', 'receivers'])).toBe(true)
    expect(mayBeSecret(['notify'])).toBe(true)
    expect(mayBeSecret(['receivers', 0, 'email', 'smtp', 'port'])).toBe(false)
    expect(mayBeSecret(['notify', 'receivers', 0, 'email', 'to', 1])).toBe(false)
    expect(mayBeSecret(['notify', 'routes', 0, 'to', 0])).toBe(false)
  })
})

describe('routes', () => {
  const receivers = ['duty', 'ops', 'chat'].map((name) => ({
    name,
    target: { kind: 'slack', url: 'http://a' } as const,
  }))
  const route = (match: Record<string, string[]>, to: string[], goesOn = false) => ({ match, to, continue: goesOn })
  const who = (routes: NotifyConfig['routes'], labels: Record<string, string>) => [
    ...receiversFor({ receivers, routes }, labels),
  ]

  it.each([
    ['none: everybody', [], { severity: 'page' }, ['duty', 'ops', 'chat']],
    [
      'the first that matches',
      [route({ severity: ['page'] }, ['duty']), route({}, ['chat'])],
      { severity: 'page' },
      ['duty'],
    ],
    ['the next one', [route({ severity: ['page'] }, ['duty']), route({}, ['chat'])], { severity: 'warning' }, ['chat']],
    [
      'going on',
      [route({ severity: ['page'] }, ['duty'], true), route({}, ['chat'])],
      { severity: 'page' },
      ['duty', 'chat'],
    ],
    ['any of several values', [route({ queue: ['a', 'b'] }, ['ops'])], { queue: 'b' }, ['ops']],
    ['none that matches: everybody', [route({ queue: ['a'] }, ['ops'])], {}, ['duty', 'ops', 'chat']],
  ] as const)('%s', (_, routes, labels, expected) => {
    expect(who(routes as unknown as NotifyConfig['routes'], labels as Record<string, string>)).toEqual(expected)
  })
})

function configOf(text: string, environment: Record<string, string | undefined> = ENVIRONMENT): NotifyConfig {
  return resolveNotify(notifySchema.parse(parse(text)), environment)
}

function thrownBy(work: () => unknown): NotifyError {
  try {
    work()
  } catch (error) {
    if (error instanceof NotifyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
