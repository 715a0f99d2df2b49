import { createHash } from 'node:crypto'
import { type EventLog, LogError, type PartitionRange } from '@weaklink/event-log'
import { BREAKS_TOPIC, INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'

/**
 * Where a live client stands: a **place** in the log is the next offset of every partition of its topics, and its
 * **cursor** is that as a compact text, the `id` of an event. It also tells which log it is of: offsets of different
 * logs do not compare.
 *
 *     8 hex digits of the topic's identity . offset of partition 0 . offset of partition 1 … ~ the same of the next topic
 */
interface Part {
  readonly topic: string
  readonly partition: number
}

export interface Topics {
  /** The partitions of all topics; a place has one offset for each. */
  readonly parts: readonly Part[]
  /** Of each topic: its tag, and where its partitions stand in `parts`. */
  readonly topics: readonly {
    readonly topic: string
    readonly tag: string
    readonly first: number
    readonly count: number
  }[]
}

export async function topicsOf(log: EventLog): Promise<Topics> {
  const parts: Part[] = []
  const topics: Topics['topics'][number][] = []
  for (const topic of [INTERACTIONS_TOPIC, REJECTED_TOPIC, BREAKS_TOPIC]) {
    const described = await log.describe(topic).catch((error: unknown) => {
      // Not every log has it: then breaks are told by the tracker in this process, if there is one.
      if (topic === BREAKS_TOPIC && error instanceof LogError && error.code === 'topic_unknown') return null
      throw error
    })
    if (described === null) continue
    const { identity, partitions } = described
    const tag = createHash('sha256').update(identity).digest('hex').slice(0, 8)
    topics.push({ topic, tag, first: parts.length, count: partitions })
    for (let partition = 0; partition < partitions; partition++) parts.push({ topic, partition })
  }
  return { parts, topics }
}

/** What the log holds, in the order of `parts`. */
export async function rangesOf(log: EventLog, { topics }: Topics): Promise<PartitionRange[]> {
  const ranges: PartitionRange[] = []
  for (const { topic } of topics) {
    ranges.push(...[...(await log.ranges(topic))].sort((a, b) => a.partition - b.partition))
  }
  return ranges
}

export function cursorText({ topics }: Topics, place: readonly number[]): string {
  return topics
    .map(({ tag, first, count }) =>
      [tag, ...place.slice(first, first + count).map((offset) => offset.toString(36))].join('.'),
    )
    .join('~')
}

/** What a client may say instead of an id: from the oldest record on that the log holds. */
const START = 'start'

/** Of each topic its tag and offsets. */
export type Cursor = typeof START | readonly { readonly tag: string; readonly offsets: readonly number[] }[]

const CURSOR = /^[0-9a-f]{8}(?:\.[0-9a-z]{1,11})+(?:~[0-9a-f]{8}(?:\.[0-9a-z]{1,11})+){1,2}$/

/** Null where the text is no cursor. */
export function parseCursor(text: string): Cursor | null {
  if (text === START) return START
  if (!CURSOR.test(text)) return null
  const cursor = text.split('~').map((one) => {
    const [tag = '', ...offsets] = one.split('.')
    return { tag, offsets: offsets.map((offset) => Number.parseInt(offset, 36)) }
  })
  return cursor.every(({ offsets }) => offsets.every(Number.isSafeInteger)) ? cursor : null
}

/** What a client misses: the log does not hold (any more) what comes next for it. */
export interface Gap {
  readonly topic: string
  /** Null where it is about the whole topic. */
  readonly partition: number | null
  readonly reason: 'no_longer_held' | 'another_log'
  /** The offset that should have come next, and the one that comes instead. */
  readonly from: number | null
  readonly to: number | null
}

/** Where to go on after a cursor, and what is missing there. From a log that is another one, it goes on at the end. */
export function placeAfter(
  cursor: Cursor,
  { topics }: Topics,
  ranges: readonly PartitionRange[],
): { readonly place: number[]; readonly gaps: readonly Gap[] } {
  if (cursor === START) return { place: ranges.map(({ start }) => start), gaps: [] }
  const place = ranges.map(({ end }) => end)
  const gaps: Gap[] = []
  for (const [index, { topic, tag, first, count }] of topics.entries()) {
    const was = cursor[index]
    // It began before there was this topic.
    if (was === undefined) continue
    const beyond = was.offsets.some((offset, k) => offset > (ranges[first + k]?.end ?? 0))
    if (was.tag !== tag || was.offsets.length !== count || beyond) {
      gaps.push({ topic, partition: null, reason: 'another_log', from: null, to: null })
      continue
    }
    for (const [partition, offset] of was.offsets.entries()) {
      const start = ranges[first + partition]?.start ?? 0
      place[first + partition] = Math.max(offset, start)
      if (offset < start) gaps.push({ topic, partition, reason: 'no_longer_held', from: offset, to: start })
    }
  }
  return { place, gaps }
}
