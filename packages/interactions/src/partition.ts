import { type Interaction, type Person, personOf } from './interaction.ts'

/** Keys are short, and there are many. */
const scratch = Buffer.alloc(1024)

/** The key of a person's records in the log: the id as such, whichever its kind. */
export function partitionKey(of: Person | Pick<Interaction, 'customer' | 'anonymousId'>): string {
  return 'kind' in of ? of.customer : personOf(of).customer
}

/**
 * The partition of a key, as the Java Kafka client's default partitioner chooses it, so that other producers of the
 * topic put a customer's records where ours are: murmur2 of the UTF-8 bytes, made positive, modulo the partitions.
 */
export function partitionOf(key: string | Person, partitions: number): number {
  const text = typeof key === 'string' ? key : partitionKey(key)
  // A UTF-16 unit takes at most 3 bytes.
  const hash = text.length * 3 <= scratch.length ? murmur2(scratch, scratch.write(text)) : murmur2(Buffer.from(text))
  return positive(hash) % partitions
}

/** The partition of the key of a record, whatever bytes it is made of. */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return positive(murmur2(key)) % partitions
}

const positive = (hash: number) => hash & 0x7fffffff

/** MurmurHash2, 32 bits, of the first `length` bytes, as a signed integer: `org.apache.kafka.common.utils.Utils.murmur2`. */
export function murmur2(data: Uint8Array, length = data.length): number {
  const m = 0x5bd1e995
  let hash = 0x9747b28c ^ length
  let index = 0
  for (; index + 4 <= length; index += 4) {
    let k = data[index]! | (data[index + 1]! << 8) | (data[index + 2]! << 16) | (data[index + 3]! << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    k = Math.imul(k, m)
    hash = Math.imul(hash, m) ^ k
  }
  const rest = length - index
  if (rest >= 3) hash ^= data[index + 2]! << 16
  if (rest >= 2) hash ^= data[index + 1]! << 8
  if (rest >= 1) {
    hash ^= data[index]!
    hash = Math.imul(hash, m)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, m)
  return hash ^ (hash >>> 15)
}
