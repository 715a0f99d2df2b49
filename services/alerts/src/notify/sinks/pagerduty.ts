import type { Alert } from '../../alert.ts'
import type { Telling } from '../outbox.ts'
import { durationOfAlert, linkOf, oneLine } from '../text.ts'
import { postJson, shown } from './http.ts'
import { SendError, type Sink } from './sink.ts'

/** Of PagerDuty's documentation: longer ones are cut there, or refused. */
const LONGEST_SUMMARY = 1024

const SEVERITIES: Readonly<Record<string, 'critical' | 'error' | 'warning' | 'info'>> = {
  page: 'critical',
  critical: 'critical',
  error: 'error',
  high: 'error',
  warning: 'warning',
  warn: 'warning',
  low: 'warning',
  info: 'info',
}

interface PagerDutyOptions {
  readonly url: string
  readonly routingKey: string
  readonly hide: (text: string) => string
  readonly baseUrl: string | null
}

/** PagerDuty, Events API v2: one incident for each alert, by `dedup_key`. */
export function pagerdutySink({ url, routingKey, hide, baseUrl }: PagerDutyOptions): Sink {
  return {
    async send(telling, signal) {
      for (const alert of [...telling.firing, ...telling.resolved]) {
        const body = JSON.stringify({ routing_key: routingKey, ...eventOf(alert, telling, baseUrl) })
        const { status, text } = await postJson(url, body, {}, signal, hide)
        // Anything else would be a page that nobody got.
        if (status !== 202) {
          throw new SendError(`answered ${status}, expected 202 as PagerDuty does${shown(text, hide)}`, true)
        }
      }
      return null
    },
  }
}

function eventOf(alert: Alert, { at }: Telling, baseUrl: string | null) {
  const { key, rule, labels, summary, description, runbook, startsAt, endsAt, value } = alert
  if (endsAt !== null) return { event_action: 'resolve', dedup_key: key }
  const link = linkOf(alert, baseUrl)
  const place = labels.queue ?? labels.touchpoint
  return {
    event_action: 'trigger',
    dedup_key: key,
    client: 'Weaklink',
    ...(baseUrl === null ? {} : { client_url: baseUrl }),
    payload: {
      summary: oneLine(summary, LONGEST_SUMMARY),
      source: labels.customer ?? place ?? 'weaklink',
      severity: SEVERITIES[(labels.severity ?? 'warning').toLowerCase()] ?? 'error',
      timestamp: new Date(startsAt).toISOString(),
      ...(place === undefined ? {} : { component: place }),
      group: rule,
      class: rule,
      custom_details: {
        ...labels,
        description,
        fires_for: durationOfAlert(alert, at),
        ...(value === null ? {} : { value }),
        ...(runbook === null ? {} : { runbook }),
      },
    },
    links: [
      ...(runbook === null ? [] : [{ href: runbook, text: 'What to do' }]),
      ...(link === null ? [] : [{ href: link, text: labels.customer === undefined ? 'Report' : 'Timeline' }]),
    ],
  }
}
