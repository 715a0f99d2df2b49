import type { Alert } from '../../alert.ts'
import type { Telling } from '../outbox.ts'
import { factsOf, linkOf, oneLine, sectionsOf, silenceCommand, titleOf } from '../text.ts'
import { postJson } from './http.ts'
import type { Sink } from './sink.ts'

/** Slack's limits: 150 characters in a header, 3000 in a section, 50 blocks. */
const LONGEST_HEADER = 150
const LONGEST_SECTION = 2900
const SHOWN = 8

/** An incoming webhook of Slack, or of a chat that understands the same. */
export function slackSink(
  url: string,
  hide: (text: string) => string,
  options: { readonly baseUrl: string | null; readonly zone: string },
): Sink {
  return {
    async send(telling, signal) {
      const body = JSON.stringify(slackMessage(telling, options))
      const { isPage } = await postJson(url, body, {}, signal, hide)
      return isPage ? 'answered with a page instead of "ok"; is this the right address?' : null
    },
  }
}

/** `text` is what a phone shows of it. */
export function slackMessage(telling: Telling, { baseUrl, zone }: { baseUrl: string | null; zone: string }) {
  const title = titleOf(telling)
  const isLone = telling.firing.length + telling.resolved.length + telling.leftOut === 1
  const sections = sectionsOf(telling, SHOWN)
  const silence = silenceCommand(telling)
  return {
    text: escaped(title),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: oneLine(title, LONGEST_HEADER), emoji: false } },
      ...sections.flatMap(({ title: heading, alerts, more }) => [
        ...(isLone ? [] : [section(`*${heading}*`)]),
        ...alerts.map((alert) => section(alertText(alert, telling.at, zone, baseUrl))),
        ...(more > 0 ? [section(`… and ${more} more`)] : []),
      ]),
      ...(silence === null ? [] : [context(`To keep this quiet: \`${escaped(silence).replaceAll('`', "'")}\``)]),
    ],
  }
}

function alertText(alert: Alert, now: number, zone: string, baseUrl: string | null): string {
  const link = linkOf(alert, baseUrl)
  const facts = factsOf(alert, now, zone).map(([name, value]) => `${escaped(name)}: ${escaped(value)}`)
  return [
    `*${escaped(oneLine(alert.summary)).replaceAll('*', '∗')}*`,
    ...(alert.description === '' ? [] : [escaped(alert.description)]),
    facts.join('\n'),
    ...(alert.runbook === null || alert.endsAt !== null ? [] : [`What to do: ${linked(alert.runbook)}`]),
    ...(link === null ? [] : [`See: ${linked(link)}`]),
  ].join('\n')
}

function section(text: string) {
  return { type: 'section', text: { type: 'mrkdwn', text: cut(text) } }
}

function context(text: string) {
  return { type: 'context', elements: [{ type: 'mrkdwn', text: cut(text) }] }
}

function cut(text: string): string {
  return text.length > LONGEST_SECTION ? `${text.slice(0, LONGEST_SECTION)} …` : text
}

/** As Slack asks for it: so that no name becomes a link, or calls a channel. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function linked(url: string): string {
  return `<${escaped(url).replaceAll('|', '%7C')}>`
}
