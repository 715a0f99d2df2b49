/**
 * The part `notify:` of `alerts.yaml`: who is told of alerts, and how often. `notifySchema` is the shape of the file (the
 * `error` of each schema is what was expected there); `resolveNotify` fills in what the environment holds.
 */
import { durationOf } from '@weaklink/reports'
import { DateTime } from 'luxon'
import { z } from 'zod'

const DURATION_EXAMPLE = 'a duration like 0s 500ms 20s 3m 24h 7d'
const LABEL = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Groups by all labels, as in Alertmanager's configuration. */
export const ALL_LABELS = '...'

const duration = z
  .string({ error: DURATION_EXAMPLE })
  .refine((text) => durationOf(text) !== null, { error: DURATION_EXAMPLE })
const positiveDuration = duration.refine((text) => durationOf(text) !== 0, { error: 'a duration longer than nothing' })
const text = (error: string) => z.string({ error }).min(1, { error })
const secretText = (what: string) => text(`${what}, or \${NAME} for a variable of the environment`)
const url = secretText('an http or https URL')
const map = <T extends z.core.$ZodLooseShape>(shape: T, error: string) =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? error : undefined) })

const KINDS = ['alertmanager', 'webhook', 'slack', 'pagerduty', 'email'] as const
const ONE_KIND = `exactly one of ${KINDS.join(', ')}`

const alertmanager = map({ url: url.describe('Where its API is, as in http://127.0.0.1:9093') }, 'a map with url')
const webhook = map(
  {
    url,
    secret: secretText('a secret').optional().describe('Signs each request, as Standard Webhooks has it.'),
  },
  'a map with url, and secret where requests are to be signed',
)
const slack = map({ url: url.describe('The incoming webhook that Slack made.') }, 'a map with url')
const pagerduty = map(
  {
    routingKey: secretText('the integration key of a service'),
    url: url.optional().describe('Default: https://events.pagerduty.com/v2/enqueue'),
  },
  'a map with routingKey',
)

const TLS = ['required', 'implicit', 'optional', 'none'] as const
type MailTls = (typeof TLS)[number]
const PORT = `a port from 1 to 65535, or \${NAME} for a variable of the environment`
const address = text('a mail address')
const email = map(
  {
    to: z.array(address, { error: 'a list of mail addresses' }).min(1, { error: 'at least one mail address' }),
    from: address,
    smtp: map(
      {
        host: text('the name of a mail server'),
        port: z
          .union(
            [
              z.int({ error: PORT }).min(1, { error: PORT }).max(65_535, { error: PORT }),
              z.string().regex(/^\$\{\w+\}$/, { error: PORT }),
            ],
            { error: PORT },
          )
          .optional()
          .describe('Default: 587, or 465 with tls: implicit.'),
        user: secretText('a user').optional(),
        pass: secretText('a password').optional(),
        tls: z
          .enum(TLS, { error: `one of ${TLS.join(', ')}` })
          .optional()
          .describe(
            'required: STARTTLS or nothing; implicit: from the first byte, as on port 465; optional: where the server offers it; none. Default: implicit on port 465, required with a password, else optional.',
          ),
      },
      'a map with host',
    ).refine(({ user, pass }) => (user === undefined) === (pass === undefined), {
      error: 'both user and pass, or neither',
    }),
  },
  'a map with to, from and smtp',
)

const receiver = map(
  {
    name: z
      .string({ error: 'a name' })
      .regex(/^[\w.-]{1,64}$/, { error: 'a name of at most 64 letters, digits, _ . and -' }),
    alertmanager: alertmanager.optional(),
    webhook: webhook.optional(),
    slack: slack.optional(),
    pagerduty: pagerduty.optional(),
    email: email.optional(),
  },
  `a map with name and ${ONE_KIND}`,
).refine((one) => KINDS.filter((kind) => one[kind] !== undefined).length === 1, { error: `beside name ${ONE_KIND}` })

const labelName = z.string({ error: 'the name of a label' }).regex(LABEL, { error: 'the name of a label' })
const route = map(
  {
    match: z
      .record(
        labelName,
        z.union([z.string(), z.array(z.string()).min(1)], { error: 'a text, or a list of texts (numbers in quotes)' }),
        {
          error: 'a map of labels to values like { severity: page }',
        },
      )
      .optional()
      .describe('All of these labels have one of these values. Without it: every alert.'),
    to: z
      .array(text('the name of a receiver'), { error: 'a list of receivers' })
      .min(1, { error: 'at least one receiver' }),
    continue: z.boolean({ error: 'true or false' }).optional().describe('Look at the routes after it as well.'),
  },
  'a map with to, and match',
)

/** The shape of `notify:`. */
export const notifySchema = map(
  {
    group: map(
      {
        by: z
          .array(z.union([labelName, z.literal(ALL_LABELS)], { error: 'the name of a label' }), {
            error: 'a list of labels',
          })
          .optional()
          .describe(
            'Alerts that are alike in these labels are told together; [...] in quotes: each label set alone. Default: alertname, queue.',
          ),
        wait: duration.optional().describe('How long the first alert of a group waits for others. Default: 0s.'),
        interval: duration.optional().describe('How long after a message of a group its next one. Default: 5s.'),
      },
      'a map with by, wait, interval',
    ).optional(),
    repeat: positiveDuration.optional().describe('What still fires is told again after so long. Default: 4h.'),
    giveUp: map(
      {
        attempts: z
          .int({ error: 'a whole number' })
          .min(1, { error: 'at least 1' })
          .optional()
          .describe('Default: 100.'),
        after: positiveDuration.optional().describe('Default: 4h.'),
      },
      'a map with attempts, after',
    )
      .optional()
      .describe(
        'When a receiver that does not answer is given up for a message, which then is in the list of the failed.',
      ),
    zone: z
      .string({ error: 'a time zone like Europe/Berlin' })
      .refine((zone) => DateTime.local({ zone }).isValid, { error: 'a time zone like Europe/Berlin' })
      .optional()
      .describe('Of the times in messages to people. Default: UTC.'),
    receivers: z.array(receiver, { error: 'a list of receivers' }).min(1, { error: 'at least one receiver' }),
    routes: z
      .array(route, { error: 'a list of routes' })
      .optional()
      .describe('The first that matches. What none matches goes to all receivers.'),
  },
  'a map with receivers',
).check(({ value, issues }) => {
  const names = value.receivers.map(({ name }) => name)
  const report = (path: (string | number)[], input: string, message: string) =>
    issues.push({ code: 'custom', path, input, message })
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name)
    if (first < index) report(['receivers', index, 'name'], name, `a name of its own (receiver ${first + 1} has it)`)
  }
  for (const [index, { to }] of (value.routes ?? []).entries()) {
    for (const [position, name] of to.entries()) {
      if (!names.includes(name))
        report(['routes', index, 'to', position], name, `one of the receivers ${names.join(', ')}`)
    }
  }
})

/** `notify:` as it stands in the file. */
export type NotifyFile = z.infer<typeof notifySchema>

/** How a receiver is reached; every `${NAME}` is filled in. */
export type Target =
  | { readonly kind: 'alertmanager'; readonly url: string }
  | { readonly kind: 'webhook'; readonly url: string; readonly secret: string | null }
  | { readonly kind: 'slack'; readonly url: string }
  | { readonly kind: 'pagerduty'; readonly url: string; readonly routingKey: string }
  | {
      readonly kind: 'email'
      readonly to: readonly string[]
      readonly from: string
      readonly host: string
      readonly port: number
      readonly login: { readonly user: string; readonly pass: string } | null
      readonly tls: MailTls
    }

export interface Receiver {
  readonly name: string
  readonly target: Target
}

interface Route {
  readonly match: Readonly<Record<string, readonly string[]>>
  readonly to: readonly string[]
  readonly continue: boolean
}

export interface NotifyConfig {
  readonly group: { readonly by: readonly string[]; readonly waitMs: number; readonly intervalMs: number }
  readonly repeatMs: number
  readonly giveUp: { readonly attempts: number; readonly afterMs: number }
  readonly zone: string
  readonly receivers: readonly Receiver[]
  readonly routes: readonly Route[]
}

/** One thing that is wrong with `notify:`; `path` is below it. `got` never shows what may be secret. */
export interface NotifyProblem {
  readonly path: readonly PropertyKey[]
  readonly got: string
  readonly expected: string
}

/** Everything that is wrong with `notify:` in this environment. */
export class NotifyError extends Error {
  override readonly name = 'NotifyError'
  readonly problems: readonly NotifyProblem[]

  constructor(problems: readonly NotifyProblem[]) {
    super(
      problems.map(({ path, got, expected }) => `notify${shown(path)}: got ${got}, expected ${expected}`).join('\n'),
    )
    this.problems = problems
  }
}

/** What of a receiver may be shown where it is wrong. */
const NO_SECRETS = ['name', 'to', 'from', 'host', 'port', 'tls']

/**
 * Whether what stands at a path of the file may be secret, so that no message is to show it: of a receiver everything that
 * is not known to be harmless, since a key may stand where another was expected.
 */
export function mayBeSecret(path: readonly PropertyKey[]): boolean {
  if (!path.includes('receivers')) return path.at(-1) === 'notify'
  const last = path.slice(path.indexOf('receivers') + 1).findLast((key) => typeof key === 'string')
  return last === undefined || !NO_SECRETS.includes(last)
}

const PAGERDUTY_URL = 'https://events.pagerduty.com/v2/enqueue'

/**
 * Fills in the defaults, and each `${NAME}` of the receivers from the environment: once, so that what a variable holds is
 * taken as it is.
 *
 * @throws NotifyError naming each variable that is missing or empty, and what makes no URL, port or address
 */
export function resolveNotify(
  file: NotifyFile,
  environment: Readonly<Record<string, string | undefined>>,
): NotifyConfig {
  const problems: NotifyProblem[] = []
  const report = (path: readonly PropertyKey[], got: string, expected: string) => problems.push({ path, got, expected })

  const filled = (value: string, path: readonly PropertyKey[]): string => {
    const missing = new Set<string>()
    const result = value.replace(/\$\{(\w*)\}/g, (_, name: string) => {
      const held = environment[name]
      if (held === undefined || held === '') missing.add(name)
      return held ?? ''
    })
    for (const name of missing) report(path, `\${${name}}`, `the variable ${name} in the environment`)
    return missing.size > 0 ? '' : result
  }
  const address = (value: string, path: readonly PropertyKey[]): string => {
    const result = filled(value, path)
    const parsed = URL.canParse(result) ? new URL(result) : null
    const isHttp = parsed !== null && ['http:', 'https:'].includes(parsed.protocol)
    if (result !== '' && !isHttp) report(path, 'something else (not shown)', 'an http or https URL')
    return result
  }

  const targetOf = (one: NotifyFile['receivers'][number], path: readonly PropertyKey[]): Target => {
    if (one.alertmanager) {
      return { kind: 'alertmanager', url: address(one.alertmanager.url, [...path, 'alertmanager', 'url']) }
    }
    if (one.webhook) {
      const { url, secret } = one.webhook
      const at = [...path, 'webhook']
      return {
        kind: 'webhook',
        url: address(url, [...at, 'url']),
        secret: secret === undefined ? null : filled(secret, [...at, 'secret']),
      }
    }
    if (one.slack) return { kind: 'slack', url: address(one.slack.url, [...path, 'slack', 'url']) }
    if (one.pagerduty) {
      const { url = PAGERDUTY_URL, routingKey } = one.pagerduty
      const at = [...path, 'pagerduty']
      return {
        kind: 'pagerduty',
        url: address(url, [...at, 'url']),
        routingKey: filled(routingKey, [...at, 'routingKey']),
      }
    }
    return mailOf(one.email as NonNullable<typeof one.email>, [...path, 'email'])
  }

  const mailOf = (mail: NonNullable<NotifyFile['receivers'][number]['email']>, at: readonly PropertyKey[]): Target => {
    const addressOf = (value: string, path: readonly PropertyKey[]) => {
      const result = filled(value, path)
      if (result !== '' && !/^[^\s@]+@[^\s@]+$|<[^\s@]+@[^\s@]+>$/.test(result)) {
        report(path, value === result ? JSON.stringify(value) : 'something else (not shown)', 'a mail address')
      }
      return result
    }
    const { host, user, pass, tls } = mail.smtp
    const portText = mail.smtp.port ?? (tls === 'implicit' ? 465 : 587)
    const port = typeof portText === 'number' ? portText : Number(filled(portText, [...at, 'smtp', 'port']) || 587)
    if (!Number.isInteger(port) || port < 1 || port > 65_535) report([...at, 'smtp', 'port'], String(port), PORT)
    const login =
      user === undefined || pass === undefined
        ? null
        : { user: filled(user, [...at, 'smtp', 'user']), pass: filled(pass, [...at, 'smtp', 'pass']) }
    return {
      kind: 'email',
      to: mail.to.map((value, index) => addressOf(value, [...at, 'to', index])),
      from: addressOf(mail.from, [...at, 'from']),
      host: filled(host, [...at, 'smtp', 'host']),
      port,
      login,
      tls: tls ?? (port === 465 ? 'implicit' : login === null ? 'optional' : 'required'),
    }
  }

  const config: NotifyConfig = {
    group: {
      by: file.group?.by ?? ['alertname', 'queue'],
      waitMs: msOf(file.group?.wait ?? '0s'),
      intervalMs: msOf(file.group?.interval ?? '5s'),
    },
    repeatMs: msOf(file.repeat ?? '4h'),
    giveUp: { attempts: file.giveUp?.attempts ?? 100, afterMs: msOf(file.giveUp?.after ?? '4h') },
    zone: file.zone ?? 'UTC',
    receivers: file.receivers.map((one, index) => ({ name: one.name, target: targetOf(one, ['receivers', index]) })),
    routes: (file.routes ?? []).map(({ match = {}, to, continue: goesOn = false }) => ({
      match: Object.fromEntries(Object.entries(match).map(([label, value]) => [label, [value].flat()])),
      to,
      continue: goesOn,
    })),
  }
  if (problems.length > 0) throw new NotifyError(problems)
  return config
}

/**
 * The names of the receivers that are told of an alert with these labels: those of the first route that matches, and of
 * further ones while the matching route says `continue`. What no route matches goes to all: an alert that nobody hears of
 * is worse than one too many.
 */
export function receiversFor(
  { receivers, routes }: Pick<NotifyConfig, 'receivers' | 'routes'>,
  labels: Readonly<Record<string, string>>,
): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { match, to, continue: goesOn } of routes) {
    if (!Object.entries(match).every(([label, values]) => values.includes(labels[label] ?? ''))) continue
    for (const name of to) names.add(name)
    if (!goesOn) return names
  }
  return names.size > 0 ? names : new Set(receivers.map(({ name }) => name))
}

function msOf(text: string): number {
  return durationOf(text) ?? 0
}

function shown(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
}
