import { printable } from '@weaklink/reports'
import { durationText } from '../duration.ts'
import type { Style } from '../terminal.ts'
import type { LiveEvent } from './stream.ts'

/** Characters of a value that was rejected. */
const SHOWN = 200
const WHO = 26
const WHERE = 16

/** An event as one line: when, who, where, and what happened. Null where there is nothing to tell. */
export function eventText({ event, data }: LiveEvent, style: Style): string | null {
  const of = fieldsOf(data)
  switch (event) {
    case 'interaction':
      return line(time(of.text('at')), who(of), of.text('touchpoint').padEnd(WHERE), ...details(of))
    case 'rejected': {
      const field = of.text('field') === '' ? '' : `${of.text('field')}: `
      const what = `${of.text('reason')} ${field}expected ${of.text('expected')}, got ${of.text('got')}`
      const value = of.text('value').slice(0, SHOWN)
      return line(time(of.text('at')), style.red('rejected'.padEnd(WHO)), style.red(what), style.dim(value))
    }
    case 'break':
      return line(
        time(of.text('closedAt')),
        who(of),
        style.yellow(`the chain broke at ${of.text('place')} (${of.text('reason')})`),
      )
    case 'waiting':
      return waitingText(of, style)
    case 'link':
      return line(
        time(of.text('receivedAt')),
        of.text('anonymousId').padEnd(WHO),
        of.text('state') === 'linked' ? `is said to be ${of.text('customer')}` : 'is nobody known any more',
      )
    case 'gap':
      return style.yellow(
        `${of.text('topic')}: what came next is not held any more (${of.text('reason')}); it goes on where it can`,
      )
    default:
      return null
  }
}

function waitingText(of: Fields, style: Style): string | null {
  const where = of.text('queue') === '' ? '' : ` in ${of.text('queue')}`
  const since = time(of.text('since'))
  if (of.text('state') === 'began') return line(since, who(of), style.yellow(`waits${where}`))
  if (of.text('state') === 'ended') {
    const after = of.number('waitedMs')
    const by = of.text('outcome') || of.text('endedBy') || 'nothing more was heard'
    return line(
      time(of.text('endedAt')),
      who(of),
      `waits no more: ${by}${after === null ? '' : ` after ${seconds(after)}`}`,
    )
  }
  const calls = of.list('calls')
  if (calls.length === 0) return null
  return calls
    .map((call) => fieldsOf(call))
    .map((call) =>
      line(
        time(call.text('since')),
        who(call),
        style.yellow(call.text('queue') === '' ? 'waits' : `waits in ${call.text('queue')}`),
      ),
    )
    .join('\n')
}

function details(of: Fields): string[] {
  const waited = of.number('waitMs')
  const value = of.number('value')
  return [
    of.text('outcome'),
    of.text('reaction'),
    of.text('channel'),
    of.text('campaign'),
    of.text('queue'),
    of.text('agent'),
    waited === null ? '' : `waited ${seconds(waited)}`,
    value === null ? '' : `${value} ${of.text('currency')}`.trimEnd(),
  ].filter((one) => one !== '')
}

function who(of: Fields): string {
  return (of.text('customer') || of.text('anonymousId')).padEnd(WHO)
}

function line(...parts: readonly string[]): string {
  return parts
    .filter((part) => part !== '')
    .join('  ')
    .trimEnd()
}

/** `2024-03-04 11:02:00`, UTC as everywhere. */
function time(instant: string): string {
  return instant.slice(0, 19).replace('T', ' ')
}

function seconds(ms: number): string {
  return durationText(Math.round(ms / 1_000) * 1_000)
}

interface Fields {
  /** Empty where there is none. */
  text(name: string): string
  number(name: string): number | null
  list(name: string): readonly unknown[]
}

/** The fields of what came, fit to be printed. */
function fieldsOf(data: unknown): Fields {
  const fields = Object(data) as Readonly<Record<string, unknown>>
  return {
    text: (name) => (typeof fields[name] === 'string' ? printable(fields[name]) : ''),
    number: (name) => (typeof fields[name] === 'number' ? fields[name] : null),
    list: (name) => (Array.isArray(fields[name]) ? fields[name] : []),
  }
}
