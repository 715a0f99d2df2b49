import { createHash } from 'node:crypto'
import { createTransport } from 'nodemailer'
import type { Alert } from '../../alert.ts'
import type { Target } from '../config.ts'
import type { Telling } from '../outbox.ts'
import { factsOf, groupStatus, linkOf, oneLine, sectionsOf, silenceCommand, titleOf } from '../text.ts'
import { reasonOf, shown } from './http.ts'
import { SendError, type Sink } from './sink.ts'

const SHOWN = 25
const LONGEST_SUBJECT = 200
const CONNECT_MS = 10_000

type MailTarget = Extract<Target, { kind: 'email' }>

/** A mail with text and HTML; those of one group stand together in a mail program. */
export function emailSink(
  target: MailTarget,
  hide: (text: string) => string,
  options: { readonly baseUrl: string | null; readonly zone: string },
): Sink {
  const { host, port, login, tls, from, to } = target
  // A header of its own, so that no answering machine answers.
  const headers = { 'Auto-Submitted': 'auto-generated' }
  const domain = from.replace(/^.*@|>$/g, '')
  return {
    async send(telling, signal) {
      const transport = createTransport({
        host,
        port,
        secure: tls === 'implicit',
        requireTLS: tls === 'required',
        ignoreTLS: tls === 'none',
        // A server that offers TLS and cannot do it is no reason for silence.
        opportunisticTLS: tls === 'optional',
        ...(login === null ? {} : { auth: login }),
        connectionTimeout: CONNECT_MS,
        greetingTimeout: CONNECT_MS,
        socketTimeout: CONNECT_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      })
      const late = Promise.withResolvers<never>()
      const giveUp = () => late.reject(new SendError('the mail server did not take it in time', true))
      signal.addEventListener('abort', giveUp, { once: true })
      try {
        const { text, html } = mailText(telling, options)
        const thread = `<${createHash('sha256').update(telling.group).digest('hex').slice(0, 32)}@${domain}>`
        const message = {
          ...{ from, to: [...to], headers, text, html },
          subject: oneLine(titleOf(telling), LONGEST_SUBJECT),
          date: new Date(telling.at),
          // The same for each attempt: who got it already may know it by that.
          messageId: `<${telling.id}@${domain}>`,
          ...{ inReplyTo: thread, references: thread },
          priority: groupStatus(telling) === 'firing' ? ('high' as const) : ('normal' as const),
        }
        const { rejected = [] } = await Promise.race([transport.sendMail(message), late.promise])
        return rejected.length > 0 ? `${rejected.length} of ${to.length} addresses were refused` : null
      } catch (error) {
        throw error instanceof SendError ? error : failureOf(error, hide)
      } finally {
        signal.removeEventListener('abort', giveUp)
        transport.close()
      }
    },
  }
}

/** What a server answers with 5xx it answers again, as with the wrong password. */
function failureOf(error: unknown, hide: (text: string) => string): SendError {
  const { responseCode, response, permanent, code, command } = Object(error) as {
    responseCode?: number
    response?: string
    permanent?: boolean
    code?: string
    command?: string
  }
  if (code === 'ETLS') return new SendError('no encrypted connection to the mail server (see tls:)', true)
  if (responseCode !== undefined) {
    const step = command === undefined ? '' : ` to ${oneLine(command.split(' ')[0] ?? '', 20)}`
    return new SendError(
      `the mail server answered ${responseCode}${step}${shown((response ?? '').replace(/^\d{3}[ -]/, ''), hide)}`,
      permanent !== true,
    )
  }
  if (code === 'EAUTH' || code === 'ENOAUTH') return new SendError('the mail server knows no way to log in', false)
  if (code === 'ETIMEDOUT') return new SendError('no answer of the mail server in time', true)
  const { originalCode } = Object(error) as { originalCode?: string }
  return new SendError(`the mail server: ${reasonOf(Object.assign(new Error(), { code: originalCode ?? code }))}`, true)
}

/** The body, twice. */
export function mailText(telling: Telling, { baseUrl, zone }: { baseUrl: string | null; zone: string }) {
  const sections = sectionsOf(telling, SHOWN)
  const isLone = telling.firing.length + telling.resolved.length + telling.leftOut === 1
  const silence = silenceCommand(telling)
  const rowsOf = (alert: Alert) => {
    const link = linkOf(alert, baseUrl)
    return [
      ...factsOf(alert, telling.at, zone),
      ...(alert.runbook === null || alert.endsAt !== null ? [] : [['What to do', alert.runbook] as const]),
      ...(link === null ? [] : [['See', link] as const]),
    ]
  }
  const lines: string[] = []
  const html: string[] = []
  for (const { title, alerts, more } of sections) {
    if (!isLone) {
      lines.push(title.toUpperCase(), '')
      html.push(`<h2 style="font-size:1.1em">${escaped(title)}</h2>`)
    }
    for (const alert of alerts) {
      const rows = rowsOf(alert)
      const { description } = alert
      lines.push(oneLine(alert.summary), ...(description === '' ? [] : [description]), '')
      lines.push(...rows.map(([name, value]) => `  ${name.padEnd(10)}  ${value}`), '')
      html.push(
        `<p><strong>${escaped(oneLine(alert.summary))}</strong>${description === '' ? '' : `<br>${escaped(description)}`}</p>`,
        `<table>${rows.map(([name, value]) => `<tr><td style="padding-right:1em;color:#666">${escaped(name)}</td><td>${linkedOr(value)}</td></tr>`).join('')}</table>`,
      )
    }
    if (more > 0) {
      lines.push(`… and ${more} more`, '')
      html.push(`<p>… and ${more} more</p>`)
    }
  }
  if (silence !== null) {
    lines.push('To keep this quiet:', `  ${silence}`, '')
    html.push(`<p style="color:#666">To keep this quiet: <code>${escaped(silence)}</code></p>`)
  }
  return {
    text: lines.join('\n'),
    html: `<!doctype html>\n<html><body style="font-family:sans-serif">\n${html.join('\n')}\n</body></html>\n`,
  }
}

function linkedOr(value: string): string {
  return /^https?:\/\/\S+$/.test(value) ? `<a href="${escaped(value)}">${escaped(value)}</a>` : escaped(value)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
