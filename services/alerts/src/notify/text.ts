/** What people read of alerts, at night, on a phone: who, where, since when, what to do. */
import { DateTime } from 'luxon'
import type { Alert } from '../alert.ts'
import { durationWords } from '../engine/words.ts'
import type { Telling } from './outbox.ts'

/** Control characters and marks that turn the direction of text: names come from outside. */
const UNPRINTABLE = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu

/** One line, fit to be shown. */
export function oneLine(text: string, most = Number.POSITIVE_INFINITY): string {
  const line = text.replace(UNPRINTABLE, ' ').replace(/\s+/g, ' ').trim()
  return line.length > most ? `${line.slice(0, most - 1).trimEnd()}…` : line
}

/** How long it fires, or fired. */
export function durationOfAlert({ startsAt, endsAt }: Alert, now: number): string {
  return secondsWords((endsAt ?? now) - startsAt)
}

/** Of one telling: subject of a mail, first line of a chat message. */
export function titleOf({ firing, resolved, reason, leftOut, at }: Telling): string {
  const [alert] = [...firing, ...resolved]
  if (alert === undefined) return 'Nothing'
  const total = firing.length + resolved.length + leftOut
  const isFiring = firing.length > 0
  const severity = firing.concat(resolved).find(({ labels }) => labels.severity !== undefined)?.labels.severity
  const mark = severity === undefined ? '' : ` [${oneLine(severity, 20)}]`
  if (total === 1) {
    if (!isFiring) return `RESOLVED after ${durationOfAlert(alert, at)}${mark}: ${oneLine(alert.summary)}`
    const state = reason === 'repeat' ? `STILL FIRING for ${durationOfAlert(alert, at)}` : 'FIRING'
    return `${state}${mark}: ${oneLine(alert.summary)}`
  }
  const subjects = new Set(firing.concat(resolved).map(subjectOf))
  const subject = subjects.size === 1 ? [...subjects][0] : `${subjects.size} kinds of alerts`
  if (!isFiring) return `RESOLVED${mark}: ${resolved.length} × ${subject}`
  const state = reason === 'repeat' ? 'STILL FIRING' : 'FIRING'
  const longest = Math.min(...firing.map(({ startsAt }) => startsAt))
  const rest = resolved.length === 0 ? '' : `, ${resolved.length} resolved`
  const since = at - longest < 1_000 ? '' : `, the longest for ${secondsWords(at - longest)}`
  return `${state}${mark}: ${firing.length + leftOut} × ${subject}${rest}${since}`
}

function secondsWords(ms: number): string {
  return durationWords(Math.round(ms / 1_000) * 1_000)
}

function subjectOf({ rule, labels: { queue, touchpoint } }: Alert): string {
  const where = queue !== undefined ? ` in ${queue}` : touchpoint !== undefined ? ` at ${touchpoint}` : ''
  return oneLine(`${rule}${where}`)
}

/** An alert in facts: name and value, in the order in which they matter. */
export function factsOf(alert: Alert, now: number, zone: string): readonly (readonly [string, string])[] {
  const { labels, startsAt, endsAt, rule } = alert
  const { alertname: _, severity, customer, queue, touchpoint, ...others } = labels
  const facts: (readonly [string, string | undefined])[] = [
    ['Who', customer && `customer ${customer}`],
    ['Where', [queue && `queue ${queue}`, touchpoint && `touchpoint ${touchpoint}`].filter(Boolean).join(', ')],
    ['Since', `${timeText(startsAt, zone)}${endsAt === null ? ` (${durationOfAlert(alert, now)})` : ''}`],
    ['Until', endsAt === null ? undefined : `${timeText(endsAt, zone)} (after ${durationOfAlert(alert, now)})`],
    ['Rule', `${rule}${severity === undefined ? '' : ` (${severity})`}`],
    ...Object.entries(others),
  ]
  return facts.flatMap(([name, value]) => (value ? [[name, oneLine(value)] as const] : []))
}

/** The sections of a message: what is new, what is over, what goes on; each with at most so many alerts, and how many more. */
export function sectionsOf(telling: Telling, most: number): readonly Section[] {
  const { firing, resolved, fresh, leftOut, reason } = telling
  const news = firing.filter(({ key }) => fresh.has(key))
  const others = firing.filter(({ key }) => !fresh.has(key))
  const section = (title: string, alerts: readonly Alert[], more = 0): Section => ({
    title: `${title} (${alerts.length + more})`,
    alerts: alerts.slice(0, most),
    more: Math.max(0, alerts.length - most) + more,
  })
  return [
    section('Firing', news),
    section('Resolved', resolved),
    section(reason === 'repeat' ? 'Still firing' : 'Firing already', others, leftOut),
  ].filter(({ alerts, more }) => alerts.length + more > 0)
}

export interface Section {
  readonly title: string
  readonly alerts: readonly Alert[]
  readonly more: number
}

/** The command that keeps a group quiet for an hour, for who reads the message; null where its labels say too little. */
export function silenceCommand({ groupLabels, firing }: Telling): string | null {
  const labels = Object.keys(groupLabels).length > 0 ? groupLabels : { alertname: firing[0]?.rule ?? '' }
  const matchers = Object.entries(labels).map(([label, value]) => shellWord(`${label}=${oneLine(value)}`))
  if (firing.length === 0 || matchers.length === 0) return null
  return `weaklink alerts silence ${matchers.join(' ')} --for 1h --why '…'`
}

function shellWord(text: string): string {
  return /^[\w.=:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function timeText(at: number, zone: string): string {
  return DateTime.fromMillis(at, { zone }).toFormat('yyyy-MM-dd HH:mm:ss ZZZZ')
}

/** Where more is to be seen: the customer's chains, else the report that the rule is about; null without an address. */
export function linkOf({ labels: { customer, queue, touchpoint } }: Alert, baseUrl: string | null): string | null {
  if (baseUrl === null) return null
  const api = `${baseUrl.replace(/\/+$/, '')}/api/v1`
  if (customer !== undefined) return `${api}/customers/${encodeURIComponent(customer)}`
  if (queue !== undefined) return `${api}/reports/waits`
  return touchpoint === undefined ? `${api}/reports/weak-links` : `${api}/reports/breakpoints`
}

/** The state that a telling leaves its group in. */
export function groupStatus({ firing, leftOut }: Telling): 'firing' | 'resolved' {
  return firing.length + leftOut > 0 ? 'firing' : 'resolved'
}
