import type { TopicSettings } from '@weaklink/event-log/kafka'
import { BREAKS_TOPIC, INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'
import { describe, expect, it } from 'vitest'
import { DEFAULT_RETENTION_MS, type FoundTopic, settingsFor, TOPICS, type Topic, topicFindings } from '../src/topics.ts'

const DAY = 86_400_000

type Change = Partial<TopicSettings> & { partitions?: number }

/** Three topics as migrate creates them on a cluster of three, but for some changes. */
function topics(changes: Partial<Record<Topic, Change | null>> = {}): Record<Topic, FoundTopic> {
  const all = TOPICS.map((topic): [Topic, FoundTopic] => {
    const change = changes[topic]
    if (change === null) return [topic, null]
    const { partitions = 8, ...settings } = change ?? {}
    const created = settingsFor(topic, { retentionMs: DEFAULT_RETENTION_MS, replication: 3 }) as TopicSettings
    return [topic, { description: { topic, partitions, identity: 'a' }, settings: { ...created, ...settings } }]
  })
  return Object.fromEntries(all) as Record<Topic, FoundTopic>
}

const context = { brokers: 'kafka:9092', oldestWaitingMs: null, highestFollowed: null }
const wrong = (changes: Parameters<typeof topics>[0], more: Partial<typeof context> | object = {}) =>
  topicFindings(topics(changes), { ...context, ...more })
    .filter(({ state }) => state !== 'good')
    .map(({ what, state, says }) => `${state} ${what}: ${says}`)
const configure = (topic: string, config: string) =>
  `kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name ${topic} --add-config ${config}`

describe('topics', () => {
  it('as migrate creates them are good', () => {
    expect(topicFindings(topics(), context)).toEqual(
      TOPICS.map((topic) => ({
        what: `topic ${topic}`,
        state: 'good',
        says: '8 partitions, 3 replicas, kept for 30d, LogAppendTime',
      })),
    )
    expect(wrong({ [INTERACTIONS_TOPIC]: { retentionMs: null } })).toEqual([])
  })

  it('missing: the remedy has the number that the others have', () => {
    expect(wrong({ [INTERACTIONS_TOPIC]: null, [REJECTED_TOPIC]: null, [BREAKS_TOPIC]: null })).toEqual([
      'bad topic weaklink.interactions: it is missing; create it: weaklink migrate --partitions 8',
      'bad topic weaklink.rejected: it is missing; create it: weaklink migrate --partitions 8',
      'remark topic weaklink.breaks: it is missing; create it: weaklink migrate --partitions 8. Without it no breaks are told to other systems',
    ])
    const all = { [INTERACTIONS_TOPIC]: { partitions: 3 }, [REJECTED_TOPIC]: null, [BREAKS_TOPIC]: { partitions: 3 } }
    expect(wrong(all)).toEqual([
      'bad topic weaklink.rejected: it is missing; create it: weaklink migrate --partitions 3',
    ])
  })

  it('the time of producers', () => {
    expect(wrong({ [INTERACTIONS_TOPIC]: { timestampType: 'CreateTime' } })).toEqual([
      expect.stringContaining(
        `message.timestamp.type is CreateTime, expected LogAppendTime, since interactions of the future are known by the time that the broker took them in: ${configure(INTERACTIONS_TOPIC, 'message.timestamp.type=LogAppendTime')}`,
      ),
    ])
    expect(wrong({ [REJECTED_TOPIC]: { timestampType: 'CreateTime' } })).toEqual([])
  })

  it('too short a retention: just short, just enough', () => {
    expect(wrong({ [INTERACTIONS_TOPIC]: { retentionMs: 7 * DAY } })).toEqual([])
    expect(wrong({ [INTERACTIONS_TOPIC]: { retentionMs: DAY } })).toEqual([
      expect.stringMatching(
        /^bad topic weaklink.interactions: retention.ms is 86400000 \(1d\), expected at least 604800000 \(7d\)/,
      ),
    ])
    expect(wrong({ [REJECTED_TOPIC]: { retentionMs: DAY } })[0]).toContain(
      configure(REJECTED_TOPIC, 'retention.ms=2592000000'),
    )
  })

  it('what waits and will soon be deleted', () => {
    const retention = { [INTERACTIONS_TOPIC]: { retentionMs: 10 * DAY } }
    expect(wrong(retention, { oldestWaitingMs: 5 * DAY })).toEqual([])
    expect(wrong(retention, { oldestWaitingMs: 6 * DAY })).toEqual([
      expect.stringMatching(
        /the oldest record that waits for a tracker is 6 days old, and Kafka deletes what is older than 10d.*retention.ms=-1$/,
      ),
    ])
    expect(wrong({ [INTERACTIONS_TOPIC]: { retentionMs: null } }, { oldestWaitingMs: 600 * DAY })).toEqual([])
  })

  it('compaction', () => {
    for (const cleanupPolicy of ['compact', 'compact,delete', 'delete, compact'])
      expect(wrong({ [INTERACTIONS_TOPIC]: { cleanupPolicy } })).toEqual([
        expect.stringContaining(`cleanup.policy is ${cleanupPolicy}, expected delete`),
      ])
  })

  it('no room for the largest record and its headers', () => {
    expect(wrong({ [REJECTED_TOPIC]: { maxMessageBytes: 1_048_588 } })).toEqual([
      expect.stringMatching(
        /max.message.bytes is 1048588, expected at least 1310732, the 1048588 of weaklink.interactions and 262144/,
      ),
    ])
    const large = { [INTERACTIONS_TOPIC]: { maxMessageBytes: 5_000_000 } }
    expect(wrong(large)).toEqual([expect.stringContaining('--add-config max.message.bytes=5262144')])
    expect(wrong({ [INTERACTIONS_TOPIC]: { maxMessageBytes: 100_000 } })).toEqual([
      expect.stringContaining(
        'max.message.bytes is 100000, expected at least 1000000, what one batch of Weaklink may take',
      ),
    ])
  })

  it('one replica is worth a remark', () => {
    expect(wrong({ [BREAKS_TOPIC]: { replication: 1 } })).toEqual([
      expect.stringMatching(/^remark topic weaklink.breaks: replication is 1/),
    ])
  })

  it('another number of partitions than there was, or than the others have', () => {
    expect(wrong({}, { highestFollowed: 7 })).toEqual([])
    expect(wrong({}, { highestFollowed: 8 })).toEqual([
      expect.stringMatching(
        /^bad topic weaklink.interactions: it has 8 partitions, but partition 8 of it was followed.*--new-log/,
      ),
    ])
    expect(wrong({ [INTERACTIONS_TOPIC]: { partitions: 12 } })).toEqual(
      [REJECTED_TOPIC, BREAKS_TOPIC].map((topic) =>
        expect.stringMatching(
          new RegExp(
            `^bad topic ${topic}: it has 8 partitions, expected 12.*--alter --topic ${topic} --partitions 12$`,
          ),
        ),
      ),
    )
    expect(wrong({ [REJECTED_TOPIC]: { partitions: 20 } })).toEqual([
      expect.stringMatching(/^remark topic weaklink.rejected/),
    ])
  })
})
