import type { Alert } from '../../alert.ts'
import { linkOf, oneLine } from '../text.ts'
import { postJson } from './http.ts'
import { SendError, type Sink } from './sink.ts'

/** Alertmanager takes an alert for over that it has not heard of until then. */
const KEEP_MS = 300_000
/** How often it hears of what still fires: often enough that some requests may fail. */
export const REFRESH_MS = 60_000

/**
 * Alertmanager, API v2 (`POST /api/v2/alerts`). It groups, repeats, silences and routes by itself.
 *
 * It knows an alert by its labels alone: where two calls of one customer wait in one queue, the end of one is not told
 * while the other still waits.
 */
export function alertmanagerSink(url: string, hide: (text: string) => string, baseUrl: string | null): Sink {
  const address = new URL(url)
  address.pathname = `${address.pathname.replace(/\/+$/, '')}/api/v2/alerts`
  return {
    async send({ firing, resolved, at }, signal) {
      const fires = new Set(firing.map(({ labels }) => identity(labels)))
      const alerts = [...resolved.filter(({ labels }) => !fires.has(identity(labels))), ...firing]
      for (let from = 0; from < alerts.length; from += MOST_IN_ONE) {
        const body = alerts.slice(from, from + MOST_IN_ONE).map((alert) => posted(alert, at, baseUrl))
        const { isPage } = await postJson(address.href, JSON.stringify(body), {}, signal, hide)
        if (isPage) throw new SendError('answered with a page: this is no Alertmanager', true)
      }
      return null
    },
  }
}

const MOST_IN_ONE = 500

function posted(alert: Alert, now: number, baseUrl: string | null) {
  const link = linkOf(alert, baseUrl)
  return {
    labels: labelsOf(alert),
    annotations: annotationsOf(alert),
    startsAt: new Date(alert.startsAt).toISOString(),
    endsAt: new Date(alert.endsAt ?? now + KEEP_MS).toISOString(),
    ...(link === null ? {} : { generatorURL: link }),
  }
}

/** Labels as Alertmanager takes them: names of its alphabet, no empty values. */
export function labelsOf({ labels, rule }: Pick<Alert, 'labels' | 'rule'>): Record<string, string> {
  const entries = Object.entries({ alertname: rule, ...labels })
  return Object.fromEntries(
    entries.filter(([, value]) => value !== '').map(([name, value]) => [name.replace(/^\d|\W/g, '_'), value]),
  )
}

export function annotationsOf({ summary, description, runbook, value, key }: Alert): Record<string, string> {
  return {
    summary: oneLine(summary),
    ...(description === '' ? {} : { description }),
    ...(runbook === null ? {} : { runbook_url: runbook }),
    ...(value === null ? {} : { value: String(value) }),
    key,
  }
}

function identity(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}
