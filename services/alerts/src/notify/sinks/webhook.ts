import { createHmac } from 'node:crypto'
import type { Alert } from '../../alert.ts'
import { statusOf, type Telling } from '../outbox.ts'
import { groupStatus, linkOf } from '../text.ts'
import { annotationsOf, labelsOf } from './alertmanager.ts'
import { postJson } from './http.ts'
import type { Sink } from './sink.ts'

/** What Alertmanager writes where an alert has no end yet. */
const NO_END = '0001-01-01T00:00:00Z'

/**
 * A webhook in Alertmanager's shape, version "4". Headers after Standard Webhooks: `webhook-id` is the same for each attempt
 * to tell the same; with a secret `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
 */
export function webhookSink(
  url: string,
  secret: string | null,
  hide: (text: string) => string,
  baseUrl: string | null,
): Sink {
  return {
    async send(telling, signal) {
      const body = JSON.stringify(webhookBody(telling, baseUrl))
      const { isPage } = await postJson(url, body, headersFor(telling.id, body, secret, Date.now()), signal, hide)
      return isPage ? 'answered with a page; is this the right address?' : null
    },
  }
}

function headersFor(id: string, body: string, secret: string | null, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  const unsigned = { 'webhook-id': id, 'webhook-timestamp': timestamp }
  if (secret === null) return unsigned
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { ...unsigned, 'webhook-signature': `v1,${signature}` }
}

/** The body, as Alertmanager's documentation of `webhook_config` describes it. */
export function webhookBody(telling: Telling, baseUrl: string | null) {
  const { receiver, firing, resolved, fresh, groupLabels, group, leftOut } = telling
  // What is new comes first.
  const news = [...firing, ...resolved].sort((a, b) => Number(fresh.has(b.key)) - Number(fresh.has(a.key)))
  const alerts = news.map((alert) => ({
    status: statusOf(alert),
    labels: labelsOf(alert),
    annotations: annotationsOf(alert),
    startsAt: new Date(alert.startsAt).toISOString(),
    endsAt: alert.endsAt === null ? NO_END : new Date(alert.endsAt).toISOString(),
    generatorURL: linkOf(alert, baseUrl) ?? '',
    fingerprint: fingerprintOf(alert),
  }))
  return {
    receiver,
    status: groupStatus(telling),
    alerts,
    groupLabels,
    commonLabels: inCommon(alerts.map(({ labels }) => labels)),
    commonAnnotations: inCommon(alerts.map(({ annotations }) => annotations)),
    externalURL: baseUrl ?? '',
    version: '4',
    groupKey: `{}:${group}`,
    truncatedAlerts: leftOut,
  }
}

function inCommon(all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const [first = {}, ...rest] = all
  return Object.fromEntries(Object.entries(first).filter(([name, value]) => rest.every((one) => one[name] === value)))
}

const FNV_OFFSET = 0xcbf29ce484222325n
const FNV_PRIME = 0x100000001b3n
const SEPARATOR = 0xff

/** Alertmanager's: FNV-1a (64 bits) over the sorted names and values of the labels, so that both call an alert the same. */
function fingerprintOf(alert: Alert): string {
  let hash = FNV_OFFSET
  const add = (byte: number) => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME)
  }
  for (const [name, value] of Object.entries(labelsOf(alert)).sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const part of [name, value]) {
      for (const byte of Buffer.from(part)) add(byte)
      add(SEPARATOR)
    }
  }
  return hash.toString(16).padStart(16, '0')
}
