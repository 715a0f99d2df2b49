import type { IncomingHttpHeaders } from 'node:http'
import { type Rejection, slug } from '@weaklink/interactions'
import { Problem } from '@weaklink/runtime'
import { type Intake, rejection } from './intake.ts'

/**
 * CloudEvents 1.0 over HTTP: an interaction stands in `data`, and what it does not say is taken from the attributes of
 * the event; docs/cloudevents.md is its text for people.
 */

type Dictionary = Readonly<Record<string, unknown>>

export type Mode = 'structured' | 'batched' | 'binary'

const STRUCTURED = 'application/cloudevents+json'
const BATCHED = 'application/cloudevents-batch+json'
const REQUIRED = ['id', 'source', 'type'] as const
const NOT_EMPTY = 'a string that is not empty'
/** Of the attributes in headers; everything else with this beginning is an extension, and says nothing to us. */
const PREFIX = 'ce-'

/** @throws Problem 415 for a request that holds no event in any mode that is read here */
export function modeOf(headers: IncomingHttpHeaders): Mode {
  const type = mediaType(headers['content-type'])
  if (type === STRUCTURED) return 'structured'
  if (type === BATCHED) return 'batched'
  if (!type.startsWith('application/cloudevents') && PREFIX.concat('specversion') in headers) return 'binary'
  const got = type === '' ? 'none' : type
  throw new Problem(
    415,
    `The body is no CloudEvent that is read here: expected the content type ${STRUCTURED} or ${BATCHED}, or the headers ce-specversion, ce-id, ce-source and ce-type; got the content type ${got}.`,
  )
}

/** The event of a request in binary mode: attributes from its headers, data from its body. */
export function binaryEvent(headers: IncomingHttpHeaders, body: unknown): Dictionary {
  const event: Record<string, unknown> = {}
  for (const name of ['specversion', 'id', 'source', 'type', 'time', 'subject'])
    event[name] = decoded(headers[PREFIX + name])
  if (headers['content-type'] !== undefined) event.datacontenttype = headers['content-type']
  if (body !== undefined) event.data = body
  return event
}

/** Takes in one event in the JSON format. */
export function takeCloudEvent(intake: Intake, index: number, event: unknown): void {
  if (!isDictionary(event)) {
    intake.refuse(index, null, rejection('not_an_object', '', 'a CloudEvent, a JSON object', event), event)
    return
  }
  const data = dataOf(event)
  const wrong = wrongAttribute(event) ?? data.wrong
  if (wrong !== undefined) {
    intake.refuse(index, event.id, wrong, event)
    return
  }
  const names: Record<string, string> = {}
  const input: Record<string, unknown> = {}
  const complete = (field: string, attribute: string, value: unknown) => {
    names[field] = attribute
    input[field] = value
  }
  // Those of the attributes first: an interaction is written in this order.
  if (!present(data.input.id)) complete('id', 'id', event.id)
  if (!present(data.input.customer) && !present(data.input.anonymousId) && present(event.subject))
    complete('customer', 'subject', event.subject)
  if (!present(data.input.touchpoint)) complete('touchpoint', 'type', slug(event.type as string))
  if (!present(data.input.at)) complete('at', 'time', present(event.time) ? event.time : intake.receivedAt)
  for (const field of Object.keys(data.input)) if (!Object.hasOwn(names, field)) define(input, field, data.input[field])
  const nameOf = (field: string) => {
    if (Object.hasOwn(names, field)) return names[field]!
    return field === '' ? 'data' : `data.${field}`
  }
  intake.interaction(index, input, { input: event, id: data.input.id ?? event.id, nameOf })
}

function wrongAttribute(event: Dictionary): Rejection | undefined {
  if (event.specversion !== '1.0') {
    const reason = present(event.specversion) ? 'unknown_value' : 'missing_field'
    return rejection(reason, 'specversion', '1.0', event.specversion)
  }
  for (const name of REQUIRED) {
    const value = event[name]
    if (typeof value === 'string' && value !== '') continue
    const reason = value === undefined || value === null ? 'missing_field' : value === '' ? 'empty' : 'wrong_type'
    return rejection(reason, name, NOT_EMPTY, value)
  }
  return undefined
}

function dataOf(event: Dictionary): { readonly input: Dictionary; readonly wrong?: Rejection } {
  const none = (wrong: Rejection) => ({ input: {}, wrong })
  const type = typeof event.datacontenttype === 'string' ? mediaType(event.datacontenttype) : 'application/json'
  let { data } = event
  if (event.data_base64 !== undefined) {
    try {
      data = JSON.parse(Buffer.from(String(event.data_base64), 'base64').toString('utf8'))
    } catch {
      return none(rejection('not_json', 'data_base64', 'JSON in UTF-8, in Base64', event.data_base64))
    }
  }
  if (data === undefined || data === null) return { input: {} }
  if (type !== 'application/json' && !type.endsWith('+json'))
    return none(rejection('unknown_value', 'datacontenttype', 'application/json', event.datacontenttype))
  if (!isDictionary(data)) return none(rejection('not_an_object', 'data', 'an interaction, a JSON object', data))
  return { input: data }
}

/** Keeps a key like `__proto__` a key, to be refused by its name. */
function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

/** Header values are percent-encoded where they are not plain ASCII. */
function decoded(value: string | readonly string[] | undefined): string | undefined {
  const text = typeof value === 'string' ? value : value?.[0]
  if (text === undefined || !text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** As JSON has it: null says that there is nothing. */
function present(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isDictionary(value: unknown): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
