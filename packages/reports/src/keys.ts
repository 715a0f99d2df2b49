import { ACTORS, OUTCOMES, REACTIONS } from '@weaklink/interactions'
import { parseInstant } from './period.ts'
import { QueryError } from './query-error.ts'

/**
 * A **key** is what `--by` splits and `--where` filters by: a field of the first interaction, one of its props
 * (`props.x`), whose it is (`customer`), or `returning`.
 */
export type Key =
  | { readonly kind: 'field'; readonly name: FieldName }
  | { readonly kind: 'props'; readonly name: `props.${string}`; readonly prop: string }
  | { readonly kind: 'customer'; readonly name: 'customer' }
  | { readonly kind: 'returning'; readonly name: 'returning' }

/** The value of a key; null where it is absent. */
export type KeyValue = string | number | boolean | null

/** A field's type decides how it is compared and shown. */
const FIELDS = {
  touchpoint: 'text',
  channel: 'text',
  campaign: 'text',
  queue: 'text',
  agent: 'text',
  by: ACTORS,
  outcome: OUTCOMES,
  reaction: REACTIONS,
  episode: 'text',
  order: 'text',
  currency: 'text',
  value: 'number',
  cost: 'number',
  waitMs: 'number',
  durationMs: 'number',
  at: 'instant',
  id: 'text',
} as const

type FieldName = keyof typeof FIELDS

/** As an error names them. */
const ALLOWED_KEYS = `one of ${Object.keys(FIELDS).join(', ')}, customer, returning, or props.NAME`

/** @throws QueryError naming the keys there are */
export function parseKey(option: 'by' | 'where', text: string): Key {
  if (Object.hasOwn(FIELDS, text)) return { kind: 'field', name: text as FieldName }
  if (text === 'customer' || text === 'returning') return { kind: text, name: text } as Key
  if (text.startsWith('props.') && text.length > 'props.'.length) {
    return { kind: 'props', name: text as `props.${string}`, prop: text.slice('props.'.length) }
  }
  throw new QueryError(option, text, ALLOWED_KEYS)
}

/** The array of `interactions` that a key reads, null where it reads none. */
export function columnOf(key: Key): string | null {
  if (key.kind === 'field') return key.name
  return key.kind === 'props' ? 'props' : null
}

/** Values bound to the parameters of a query. */
export class Params {
  readonly values: Record<string, unknown> = {}

  /** Binds a value and gives its placeholder. */
  bind(value: unknown, type: string): string {
    const name = `p${Object.keys(this.values).length}`
    this.values[name] = value
    return `{${name}:${type}}`
  }
}

/**
 * SQL for the key's value as JSON text (`null` where absent), over the columns `first_NAME`, `kind`, `customer` and
 * `returning`: one string however the types differ, so that any keys group together.
 */
export function jsonSql(key: Key, params: Params): string {
  switch (key.kind) {
    case 'customer':
      return `if(kind = 'customer', toJSONString(customer), 'null')`
    case 'returning':
      return `if(returning, 'true', 'false')`
    case 'props': {
      const raw = `JSONExtractRaw(first_props, ${params.bind(key.prop, 'String')})`
      return `if(${raw} = '', 'null', ${raw})`
    }
    case 'field': {
      const first = `first_${key.name}`
      const type = FIELDS[key.name]
      if (type === 'number') return `ifNull(toString(${first}), 'null')`
      if (type === 'instant') return `toString(toUnixTimestamp64Milli(${first}))`
      return `if(toString(${first}) = '', 'null', toJSONString(toString(${first})))`
    }
  }
}

/** What `jsonSql` gave, as the answer shows it. */
export function showValue(key: Key, json: string | number | boolean | null): KeyValue {
  return key.name === 'at' && typeof json === 'number' ? new Date(json).toISOString() : json
}

/**
 * SQL for "the key has this value", over the same columns as `jsonSql`. An empty value asks for what lacks the key.
 *
 * @throws QueryError where the key cannot have such a value
 */
function equalsSql(key: Key, value: string, params: Params): string {
  switch (key.kind) {
    case 'customer':
      return `if(kind = 'customer', customer, '') = ${params.bind(value, 'String')}`
    case 'returning':
      if (value !== 'true' && value !== 'false') throw badValue(key, value, 'true or false')
      return value === 'true' ? 'returning' : 'NOT returning'
    case 'props':
      return propEqualsSql(params.bind(key.prop, 'String'), value, params)
    case 'field':
      return fieldEqualsSql(key, value, params)
  }
}

function fieldEqualsSql(key: Key & { kind: 'field' }, value: string, params: Params): string {
  const first = `first_${key.name}`
  const type = FIELDS[key.name]
  if (type === 'text') return `${first} = ${params.bind(value, 'String')}`
  if (type === 'number') {
    if (value === '') return `${first} IS NULL`
    if (!isNumber(value)) throw badValue(key, value, 'a number, or nothing for those without')
    return `ifNull(${first} = ${params.bind(Number(value), 'Float64')}, false)`
  }
  if (type === 'instant') {
    return `toUnixTimestamp64Milli(${first}) = ${params.bind(parseInstant('where', value), 'Int64')}`
  }
  if (!(type as readonly string[]).includes(value)) throw badValue(key, value, `one of ${type.join(', ')}`)
  return `toString(${first}) = ${params.bind(value, 'String')}`
}

/**
 * A prop may be a string, a number or a boolean; `1` finds both the number and the string, an empty value also what lacks the
 * prop. As JSON after a second `=` it is exactly that: `="1"`, `=1`, `=""`, `=null` (it lacks the prop).
 */
function propEqualsSql(prop: string, value: string, params: Params): string {
  const is = (type: string, test: string) => `(JSONType(first_props, ${prop}) IN (${type}) AND ${test})`
  if (value.startsWith('=')) {
    const exactly = exactValue(value)
    if (exactly === null) return `NOT JSONHas(first_props, ${prop})`
    if (typeof exactly === 'boolean') return is(`'Bool'`, `JSONExtractBool(first_props, ${prop}) = ${exactly}`)
    return typeof exactly === 'string'
      ? is(`'String'`, `JSONExtractString(first_props, ${prop}) = ${params.bind(exactly, 'String')}`)
      : is(`'Int64', 'UInt64', 'Double'`, `JSONExtractFloat(first_props, ${prop}) = ${params.bind(exactly, 'Float64')}`)
  }
  const any = [is(`'String'`, `JSONExtractString(first_props, ${prop}) = ${params.bind(value, 'String')}`)]
  if (value === '') any.push(`NOT JSONHas(first_props, ${prop})`)
  if (value === 'true' || value === 'false') any.push(is(`'Bool'`, `JSONExtractBool(first_props, ${prop}) = ${value}`))
  if (isNumber(value)) {
    const number = params.bind(Number(value), 'Float64')
    any.push(is(`'Int64', 'UInt64', 'Double'`, `JSONExtractFloat(first_props, ${prop}) = ${number}`))
  }
  return `(${any.join(' OR ')})`
}

function exactValue(value: string): KeyValue {
  try {
    const exactly: unknown = JSON.parse(value.slice(1))
    if (exactly === null || ['string', 'number', 'boolean'].includes(typeof exactly)) return exactly as KeyValue
  } catch {
    // Said below.
  }
  throw new QueryError('where', `props.…=${value}`, 'after == a value as JSON: "text", 1, true or null')
}

/** The condition of `where` that selects just the chains which `by` gives this value. */
export function conditionOf(key: string, value: KeyValue): string {
  return key.startsWith('props.') ? `${key}==${JSON.stringify(value)}` : `${key}=${value ?? ''}`
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text))
}

function badValue(key: Key, value: string, expected: string): QueryError {
  return new QueryError('where', `${key.name}=${value}`, expected)
}

/** Keys and the values that are asked for: several values of one key are alternatives, several keys have to fit all. */
export type Where = ReadonlyMap<string, { readonly key: Key; readonly values: readonly string[] }>

/** @throws QueryError */
export function parseWhere(texts: readonly string[]): Where {
  const where = new Map<string, { key: Key; values: string[] }>()
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 1) throw new QueryError('where', text, `KEY=VALUE, where KEY is ${ALLOWED_KEYS}`)
    const key = parseKey('where', text.slice(0, at))
    const value = text.slice(at + 1)
    equalsSql(key, value, new Params())
    const known = where.get(key.name)
    if (known === undefined) where.set(key.name, { key, values: [value] })
    else known.values.push(value)
  }
  return where
}

export function whereSql(where: Where, params: Params): string {
  const conditions = [...where.values()].map(
    ({ key, values }) => `(${values.map((value) => equalsSql(key, value, params)).join(' OR ')})`,
  )
  return conditions.length === 0 ? 'true' : conditions.join(' AND ')
}
