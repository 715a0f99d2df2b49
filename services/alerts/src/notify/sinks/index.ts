import type { NotifyConfig, Target } from '../config.ts'
import type { Grouping } from '../outbox.ts'
import { hideSecrets } from '../secrets.ts'
import { alertmanagerSink, REFRESH_MS } from './alertmanager.ts'
import { emailSink } from './email.ts'
import { pagerdutySink } from './pagerduty.ts'
import type { Sink } from './sink.ts'
import { slackSink } from './slack.ts'
import { webhookSink } from './webhook.ts'

/** How many new alerts one message holds, where a program reads them. */
const MOST_IN_ONE = 500

export function sinkOf(target: Target, options: { readonly baseUrl: string | null; readonly zone: string }): Sink {
  const { baseUrl } = options
  const hide = hideSecrets(target)
  switch (target.kind) {
    case 'alertmanager':
      return alertmanagerSink(target.url, hide, baseUrl)
    case 'webhook':
      return webhookSink(target.url, target.secret, hide, baseUrl)
    case 'slack':
      return slackSink(target.url, hide, options)
    case 'pagerduty':
      return pagerdutySink({ ...target, hide, baseUrl })
    case 'email':
      return emailSink(target, hide, options)
  }
}

/** How a receiver is told: those that group by themselves get each alert at once. */
export function groupingOf(target: Target, { group, repeatMs }: Pick<NotifyConfig, 'group' | 'repeatMs'>): Grouping {
  const alone = { waitMs: 0, intervalMs: 0, closesQuietly: true, needsRefresh: false }
  switch (target.kind) {
    case 'alertmanager':
      return { ...alone, by: [], repeatMs: REFRESH_MS, needsRefresh: true, most: MOST_IN_ONE }
    case 'pagerduty':
      return { ...alone, by: 'key', repeatMs, most: 1 }
    case 'webhook':
      return { ...group, repeatMs, closesQuietly: false, needsRefresh: false, most: MOST_IN_ONE }
    case 'slack':
    case 'email':
      return { ...group, repeatMs, closesQuietly: false, needsRefresh: false, most: Number.POSITIVE_INFINITY }
  }
}
