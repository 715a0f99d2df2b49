import { decodeBreak } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import { decodeFact, type Fact, type Interaction, LINK_HEADER } from '@weaklink/interactions'
import type { Refused } from '../options.ts'
import { eventOf, instantText, type LiveEvent } from './events.ts'

/** How much of a rejected record is shown. */
const MAX_VALUE = 2_000

/** What a record of the interactions log says. Null where it is nothing (that comes again as `rejected`). */
export function factIn(record: LogRecord): Fact | null {
  const decoded = decodeFact(record, record.timestamp)
  return decoded.ok ? decoded.fact : null
}

/** Whether a record is a copy, under the customer, of what somebody did while anonymous. It is not shown. */
export function isCopy({ headers }: LogRecord): boolean {
  return headers[LINK_HEADER] !== undefined
}

/** The event of a record of the interactions log, null for ticks and the like, which are not shown. */
export function eventOfFact(fact: Fact, record: LogRecord): LiveEvent | null {
  const coordinates = {
    partition: record.partition,
    offset: record.offset,
    receivedAt: instantText(record.timestamp),
  }
  switch (fact.kind) {
    case 'interaction': {
      const { interaction } = fact
      const { customer, anonymousId, touchpoint } = interaction
      const data = { ...interaction, at: instantText(interaction.at), ...coordinates }
      return eventOf('interaction', [customer, anonymousId], touchpoint, data as typeof data & { props?: Props })
    }
    case 'link': {
      const { id, anonymousId, customer } = fact.link
      const data = { state: 'linked', id, anonymousId, customer, ...coordinates } as const
      return eventOf('link', [customer, anonymousId], null, data)
    }
    case 'unlink': {
      const { anonymousId } = fact
      const data = { state: 'unlinked', id: null, anonymousId, customer: null, ...coordinates } as const
      return eventOf('link', [anonymousId], null, data)
    }
    default:
      return null
  }
}

type Props = Record<string, string | number | boolean>

/** The event of a record that the tracker set aside. */
export function eventOfRejected(record: LogRecord): LiveEvent {
  const { headers } = record
  const value = Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength).toString('utf8')
  const about = peek(value)
  return eventOf('rejected', [about.customer, about.anonymousId, keyOf(record)], about.touchpoint, {
    by: 'tracker',
    id: about.id,
    reason: headers['weaklink-reason'] ?? '',
    field: headers['weaklink-field'] ?? '',
    expected: headers['weaklink-expected'] ?? '',
    got: headers['weaklink-got'] ?? '',
    value: cut(value),
    at: instantText(record.timestamp),
    partition: wholeOf(headers['weaklink-partition']),
    offset: wholeOf(headers['weaklink-offset']),
  })
}

/** What broke longer before it was known is history, as an import brings it. */
const RECENT_MS = 3_600_000

/**
 * The event of a record of the topic of breaks, null where it tells of none that is new. The same may come twice, after a
 * crash.
 */
export function eventOfBreak({ value }: LogRecord): LiveEvent | null {
  const told = decodeBreak(value)
  if (told === null || (told.type !== 'broke' && told.type !== 'changed')) return null
  if (Date.parse(told.brokeAt) < Date.parse(told.recordedAt) - RECENT_MS) return null
  const { customer, anonymousId = '', chain, place, furthest, reason, episode, startedAt, lastAt, brokeAt } = told
  const whose = customer === undefined ? 'anonymous' : 'customer'
  return eventOf('break', [customer ?? anonymousId], place, {
    ...{ kind: whose, customer: customer ?? anonymousId, chain, place, furthest, reason, episode, startedAt, lastAt },
    closedAt: brokeAt,
  })
}

/** The event of what the collector refused. */
export function eventOfRefused({ id, reason, field, expected, got, value, at }: Refused): LiveEvent {
  const about = peek(value)
  return eventOf('rejected', [about.customer, about.anonymousId], about.touchpoint, {
    by: 'collector',
    id: id ?? null,
    reason,
    field,
    expected,
    got,
    value: cut(value),
    at: instantText(at),
    partition: null,
    offset: null,
  })
}

/** What can be made out of something that is not right. */
function peek(json: string): Record<'id' | 'customer' | 'anonymousId' | 'touchpoint', string | null> {
  let value: Partial<Record<keyof Interaction, unknown>> = {}
  try {
    value = Object(JSON.parse(json))
  } catch {
    // Then nothing can.
  }
  const text = (name: keyof Interaction) => (typeof value[name] === 'string' ? value[name] : null)
  return {
    id: text('id'),
    customer: text('customer'),
    anonymousId: text('anonymousId'),
    touchpoint: text('touchpoint'),
  }
}

function keyOf({ key }: LogRecord): string | null {
  return key === null ? null : Buffer.from(key).toString('utf8')
}

function cut(value: string): string {
  return value.length <= MAX_VALUE ? value : `${value.slice(0, MAX_VALUE - 1).toWellFormed()}…`
}

function wholeOf(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : null
}
