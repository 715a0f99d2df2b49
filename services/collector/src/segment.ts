import {
  END_OF_TIME,
  expectedIn,
  FIRST_INSTANT,
  MAX_PROPS,
  type Rejection,
  type RejectionReason,
  slug,
} from '@weaklink/interactions'
import { type Intake, type ProducedLink, rejection } from './intake.ts'

/**
 * The Segment spec read as interactions; docs/segment.md is its text for people. The tables here are the whole of it.
 */

export const CALLS = ['track', 'page', 'screen', 'identify', 'alias', 'group'] as const
export type Call = (typeof CALLS)[number]

type Dictionary = Readonly<Record<string, unknown>>

/** The fields that properties of the same name fill, and the campaign, in the order in which an interaction is written. */
const FIELDS = [
  'by',
  'outcome',
  'reaction',
  'episode',
  'order',
  'waitMs',
  'durationMs',
  'value',
  'cost',
  'currency',
  'channel',
  'campaign',
  'queue',
  'agent',
] as const
const ORDER = ['order', 'order_id']

interface Meaning {
  readonly outcome?: 'bought' | 'refused'
  /** The properties that say what was earned; the first that is there counts. */
  readonly value: readonly string[]
}

/** What Segment's ecommerce events mean, by the slug of their name. */
const ECOMMERCE: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['order_completed', { outcome: 'bought', value: ['value', 'revenue', 'total'] }],
  ['completed_order', { outcome: 'bought', value: ['value', 'revenue', 'total'] }],
  ['order_refunded', { outcome: 'refused', value: [] }],
  ['order_cancelled', { outcome: 'refused', value: [] }],
  // They name the money of a sale that has an event of its own: it would count twice.
  ['order_updated', { value: [] }],
  ['checkout_started', { value: [] }],
])
const OTHER: Meaning = { value: ['value', 'revenue'] }

/** Where a page or a screen has no name. */
const UNNAMED = { page: 'site_visit', screen: 'app_visit' } as const

/** A difference between two clocks that the way of a request explains. */
const TRAVEL_MS = 5_000
const WITH_OFFSET = /(?:[Zz]|[+-]\d\d:?\d\d)$/
const NUMERIC = /^\d+(?:\.\d+)?$/

/** An event as it is read: what it says, and where each field of that came from. */
type Reading =
  | { readonly says: 'interaction'; readonly input: Dictionary; readonly names: Names }
  | { readonly says: 'link'; readonly input: ProducedLink; readonly names: Names }
  | { readonly says: 'nothing' }
  | { readonly says: 'wrong'; readonly rejection: Rejection }
type Names = Readonly<Record<string, string>>

/**
 * Takes in one event of the Segment API.
 *
 * @param call what the route says that it is; undefined where the event says it
 * @param batchSentAt of the batch, for an event that has no `sentAt` of its own
 */
export function takeSegmentEvent(
  intake: Intake,
  index: number,
  event: unknown,
  call?: Call,
  batchSentAt?: unknown,
): void {
  if (!isDictionary(event)) {
    intake.refuse(index, null, rejection('not_an_object', '', 'a Segment event, a JSON object', event), event)
    return
  }
  const read = reading(event, call ?? event.type, batchSentAt, intake.receivedAt)
  if (read.says === 'nothing') intake.nothing()
  else if (read.says === 'wrong') intake.refuse(index, event.messageId, read.rejection, event)
  else {
    const { names } = read
    const came = {
      input: event,
      id: event.messageId,
      nameOf: (field: string) => (Object.hasOwn(names, field) ? names[field]! : field),
    }
    if (read.says === 'link') intake.link(index, read.input, came)
    else intake.interaction(index, read.input, came)
  }
}

function reading(event: Dictionary, type: unknown, batchSentAt: unknown, receivedAt: number): Reading {
  switch (type) {
    case 'track':
    case 'page':
    case 'screen':
      return interactionOf(event, type, batchSentAt, receivedAt)
    case 'identify':
    case 'alias':
      return linkOf(event, type)
    case 'group':
      return { says: 'nothing' }
    default:
      return wrong(present(type) ? 'unknown_value' : 'missing_field', 'type', `one of ${CALLS.join(', ')}`, type)
  }
}

function wrong(reason: RejectionReason, field: string, expected: string, got: unknown): Reading {
  return { says: 'wrong', rejection: rejection(reason, field, expected, got) }
}

/** `identify` says who an anonymous person is where it has both ids, `alias` always does. */
function linkOf(event: Dictionary, type: 'identify' | 'alias'): Reading {
  const anonymous = type === 'identify' ? 'anonymousId' : 'previousId'
  const missing = [anonymous, 'userId'].find((name) => !present(event[name]))
  if (missing !== undefined) {
    if (type === 'identify') return { says: 'nothing' }
    return wrong('missing_field', missing, expectedIn('customer'), undefined)
  }
  const input = { id: event.messageId, anonymousId: idText(event[anonymous]), customer: idText(event.userId) }
  return { says: 'link', input, names: { id: 'messageId', anonymousId: anonymous, customer: 'userId' } }
}

function interactionOf(
  event: Dictionary,
  type: 'track' | 'page' | 'screen',
  batchSentAt: unknown,
  receivedAt: number,
): Reading {
  if (present(event.properties) && !isDictionary(event.properties))
    return wrong('wrong_type', 'properties', 'an object', event.properties)
  const properties = dictionary(event.properties)
  const place = touchpointOf(event, type, properties)
  if (!present(place.came)) return wrong('missing_field', place.name, 'the name of the event', place.came)
  if (place.slug === '') return wrong('bad_touchpoint', place.name, 'a name with a letter or a digit', place.came)

  const input: Record<string, unknown> = {}
  const names: Record<string, string> = { customer: 'userId' }
  const set = (field: string, name: string, value: unknown) => {
    if (!present(value)) return
    input[field] = value
    names[field] = name
  }
  set('id', 'messageId', event.messageId)
  set('customer', 'userId', idText(event.userId))
  set('anonymousId', 'anonymousId', idText(event.anonymousId))
  set('touchpoint', place.name, place.slug)
  const time = timeOf(event, batchSentAt, receivedAt)
  set('at', time.name, time.at)

  const means = (type === 'track' && typeof event.event === 'string' && ECOMMERCE.get(slug(event.event))) || OTHER
  const campaign = dictionary(dictionary(event.context).campaign)
  const used = new Set<string>(['touchpoint'])
  for (const field of FIELDS) {
    const candidates = field === 'value' ? means.value : field === 'order' ? ORDER : [field]
    const name = field === 'campaign' ? undefined : candidates.find((candidate) => present(properties[candidate]))
    if (name !== undefined) {
      used.add(name)
      set(field, `properties.${name}`, fitting(field, name, properties[name]))
    } else if (field === 'campaign') set(field, 'context.campaign.name', campaign.name)
    else if (field === 'outcome') set(field, 'event', means.outcome)
    else if (field === 'channel') set(field, 'context.campaign', textOf(campaign.source) ?? textOf(campaign.medium))
  }
  const props = propsOf(properties, used)
  if (props !== undefined) input.props = props
  return { says: 'interaction', input, names }
}

/** The first name there is, where it stood, and its slug. */
function touchpointOf(event: Dictionary, type: 'track' | 'page' | 'screen', properties: Dictionary) {
  const named = (name: string, came: unknown) => ({ name, came, slug: typeof came === 'string' ? slug(came) : came })
  if (present(properties.touchpoint)) return named('properties.touchpoint', properties.touchpoint)
  if (type === 'track') return named('event', event.event)
  if (present(event.name)) return named('name', event.name)
  return present(event.category) ? named('category', event.category) : named('name', UNNAMED[type])
}

/**
 * When it happened: `timestamp`, else `originalTimestamp`, `sentAt`, now. Where the producer's clock is wrong, which
 * its `sentAt` tells, by ours: Segment's `receivedAt − (sentAt − timestamp)`.
 */
function timeOf(event: Dictionary, batchSentAt: unknown, receivedAt: number): { name: string; at: unknown } {
  const sentAt = present(event.sentAt) ? event.sentAt : batchSentAt
  const skewMs = receivedAt - instant(sentAt)
  const name = ['timestamp', 'originalTimestamp'].find((candidate) => present(event[candidate])) ?? 'sentAt'
  const written = name === 'sentAt' ? (Number.isNaN(skewMs) ? receivedAt : sentAt) : event[name]
  const at = instant(written)
  // What is no instant stays as it is, to be refused by its name.
  return { name, at: Math.abs(skewMs) > TRAVEL_MS && !Number.isNaN(at) ? Math.floor(at + skewMs) : written }
}

/** Epoch milliseconds, NaN where it is no time. */
function instant(value: unknown): number {
  const at = typeof value === 'string' && WITH_OFFSET.test(value) ? Date.parse(value) : value
  return typeof at === 'number' && at >= FIRST_INSTANT && at < END_OF_TIME ? at : Number.NaN
}

/** What Segment's producers often write otherwise than we do. */
function fitting(field: string, name: string, value: unknown): unknown {
  if (field === 'order') return idText(value)
  if (field === 'currency' && typeof value === 'string') return value.toUpperCase()
  const isAmount = name === 'revenue' || name === 'total'
  return isAmount && typeof value === 'string' && NUMERIC.test(value) ? Number(value) : value
}

/** The flat ones that are left, as many as there is room for. */
function propsOf(properties: Dictionary, used: ReadonlySet<string>): object | undefined {
  let [count, props] = [0, undefined as Record<string, unknown> | undefined]
  for (const name in properties) {
    const value = properties[name]
    if (used.has(name) || !isFlat(value) || name === '__proto__' || name === '' || !isText(name)) continue
    props ??= {}
    props[name] = value
    if (++count === MAX_PROPS) break
  }
  return props
}

function isFlat(value: unknown): boolean {
  return typeof value === 'string' ? isText(value) : typeof value === 'boolean' || Number.isFinite(value)
}

function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000')
}

/** Ids are texts; many producers have numbers. */
function idText(value: unknown): unknown {
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : value
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Segment's libraries write null or nothing where they have nothing to say. */
function present(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function isDictionary(value: unknown): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function dictionary(value: unknown): Dictionary {
  return isDictionary(value) ? value : {}
}
