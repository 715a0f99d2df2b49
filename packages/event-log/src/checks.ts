import { LogError } from './errors.ts'
import type { NewRecord, TopicDescription } from './port.ts'

// What both logs ask of their callers, so that what works with one works with the other.

type Topic = Pick<TopicDescription, 'topic' | 'partitions'>

/** The names that Kafka allows. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/
const MAX_PARTITIONS = 10_000

export function checkName(kind: 'topic' | 'group', name: string): void {
  if (NAME.test(name)) return
  throw new LogError(
    `${kind}_name_invalid`,
    `${JSON.stringify(name)} is no name of a ${kind}: expected 1 to 249 of a-z A-Z 0-9 . _ -`,
  )
}

export function checkPartitionCount(topic: string, partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= MAX_PARTITIONS) return
  throw new LogError(
    'partitions_invalid',
    `topic ${topic} cannot have ${partitions} partitions: expected a whole number from 1 to ${MAX_PARTITIONS}`,
  )
}

export function partitionsDiffer({ topic, partitions }: Topic, wanted: number): LogError {
  return new LogError(
    'partitions_differ',
    `topic ${topic} has ${partitions} partitions, not ${wanted}: their number never changes`,
  )
}

export function checkPartition({ topic, partitions }: Topic, partition: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return
  throw new LogError(
    'partition_unknown',
    `topic ${topic} has no partition ${partition}: expected 0 to ${partitions - 1}`,
  )
}

export function checkPosition({ topic }: Topic, partition: number, position: number): void {
  if (Number.isSafeInteger(position) && position >= 0) return
  throw new LogError(
    'position_invalid',
    `${position} is no position in partition ${partition} of topic ${topic}: expected a whole number from 0 on`,
  )
}

export function checkRecord(topic: Topic, record: NewRecord, index: number): void {
  const { partition, key, value, headers } = record
  checkPartition(topic, partition)
  const invalid = wrongIn(value, key, headers)
  if (invalid === null) return
  throw new LogError(
    'record_invalid',
    `${invalid.field} of record ${index} for partition ${partition} of topic ${topic.topic} is invalid: expected ${invalid.expected}`,
  )
}

function wrongIn(
  value: unknown,
  key: unknown,
  headers: NewRecord['headers'],
): { readonly field: string; readonly expected: string } | null {
  if (!(value instanceof Uint8Array)) return { field: 'the value', expected: 'bytes' }
  if (key !== null && !(key instanceof Uint8Array)) return { field: 'the key', expected: 'bytes or null' }
  if (headers === undefined) return null
  const name = Object.keys(headers).find((one) => typeof headers[one] !== 'string')
  return name === undefined ? null : { field: `the header ${name}`, expected: 'a string' }
}
