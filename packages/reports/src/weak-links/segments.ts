import { conditionsOf } from '../drill.ts'
import type { Key, Params, Where } from '../keys.ts'
import { QueryError } from '../query-error.ts'

/** One value of a key at the beginning of a chain, by which chains are told apart. Its number is its place in the list, from 1. */
export interface SegmentValue {
  readonly key: Key
  /** As `--where` takes it: `channel=search`; empty where the key is absent. */
  readonly text: string
}

/** Keys have at most this many values, the most frequent ones. */
export const MOST_VALUES = 12
/** Without `--by`: as many props at most, those that most chains have. */
export const MOST_PROPS = 8

/** Without `--by`: these, and the props that have few values. */
export const DEFAULT_KEYS: readonly Key[] = [
  { kind: 'field', name: 'channel' },
  { kind: 'field', name: 'campaign' },
  { kind: 'returning', name: 'returning' },
]

/** @throws QueryError for a key whose values are not a segment */
export function requireSegment(key: Key): Key {
  if (['at', 'id', 'customer', 'order', 'episode'].includes(key.name)) {
    throw new QueryError('by', key.name, 'keys that many chains share: channel, campaign, returning, props.NAME …')
  }
  return key
}

/** SQL for the value of a key as `--where` takes it, over the columns of `chainUnits`. */
export function textSql(key: Key, params: Params): string {
  switch (key.kind) {
    case 'customer':
      return `if(kind = 'customer', customer, '')`
    case 'returning':
      return `if(returning, 'true', 'false')`
    case 'props': {
      const prop = params.bind(key.prop, 'String')
      return propTextSql(`JSONExtractRaw(first_props, ${prop})`)
    }
    case 'field':
      return `ifNull(toString(first_${key.name}), '')`
  }
}

/** SQL for the text of a prop's value out of its JSON: the number 1 and the string "1" are one value, as for `--where`. */
export function propTextSql(json: string): string {
  return `if(startsWith(${json}, '"'), JSONExtractString(${json}), if(${json} = 'null', '', ${json}))`
}

/** A segment as conditions of `--where`; a key that the selection narrows down is narrowed down further. */
export function whereOf(segment: readonly SegmentValue[], where: Where): readonly string[] {
  const names = new Set<string>(segment.map(({ key }) => key.name))
  return [...conditionsOf(where, names), ...segment.map(({ key, text }) => `${key.name}=${text}`)]
}
