import { LogError, type TopicDescription } from '@weaklink/event-log'
import type { KafkaLog, TopicSettings } from '@weaklink/event-log/kafka'
import { BREAKS_TOPIC, INTERACTIONS_TOPIC, REJECTED_ROOM_BYTES, REJECTED_TOPIC } from '@weaklink/interactions'
import { durationText } from './duration.ts'

/** One thing that was looked at. `bad` makes `doctor` fail; `remark` is worth knowing. */
export interface Finding {
  readonly what: string
  readonly state: 'good' | 'remark' | 'bad'
  readonly says: string
}

/** Those of Weaklink in Kafka. */
export const TOPICS = [INTERACTIONS_TOPIC, REJECTED_TOPIC, BREAKS_TOPIC] as const
export type Topic = (typeof TOPICS)[number]

const DAY_MS = 86_400_000
/** A weekend, and the days it takes to find out and repair something: what Kafka must at least keep. */
const REPAIR_MS = 7 * DAY_MS
export const DEFAULT_RETENTION_MS = 30 * DAY_MS
/** What our own producers put into one batch of a partition, and some room. */
const BATCH_BYTES = 1_000_000
const INTERACTIONS_BYTES = 1_048_588
const REJECTED_BYTES = 2_097_152

/** How `weaklink migrate` creates a topic; without a replication, as the cluster does by default. */
export function settingsFor(
  topic: Topic,
  { retentionMs, replication }: { readonly retentionMs: number | null; readonly replication?: number | undefined },
): Partial<TopicSettings> {
  return {
    ...(replication !== undefined && { replication }),
    retentionMs,
    timestampType: 'LogAppendTime',
    maxMessageBytes: topic === REJECTED_TOPIC ? REJECTED_BYTES : INTERACTIONS_BYTES,
    cleanupPolicy: 'delete',
  }
}

/** A topic as it is; null where it is missing. */
export type FoundTopic = { readonly description: TopicDescription; readonly settings: TopicSettings } | null

/** Those of Weaklink, as Kafka has them. */
export async function findTopics(kafka: KafkaLog): Promise<Record<Topic, FoundTopic>> {
  const found = await Promise.all(TOPICS.map(async (topic) => [topic, await findTopic(kafka, topic)] as const))
  return Object.fromEntries(found) as Record<Topic, FoundTopic>
}

async function findTopic(kafka: KafkaLog, topic: Topic): Promise<FoundTopic> {
  try {
    return { description: await kafka.describe(topic), settings: await kafka.settingsOf(topic) }
  } catch (error) {
    if (error instanceof LogError && error.code === 'topic_unknown') return null
    throw error
  }
}

export interface TopicsContext {
  /** As `KAFKA_BROKERS` names them, for the commands that repair something. */
  readonly brokers: string
  /** How old the oldest record is that no tracker has taken in yet; null where there is none. */
  readonly oldestWaitingMs: number | null
  /** The highest partition that was ever followed of this log; null where none was. */
  readonly highestFollowed: number | null
}

/** What is wrong with the topics, each with its value, what was expected, and what to do. */
export function topicFindings(topics: Readonly<Record<Topic, FoundTopic>>, context: TopicsContext): readonly Finding[] {
  const interactions = topics[INTERACTIONS_TOPIC]
  return TOPICS.flatMap((topic) => {
    const found = topics[topic]
    if (found === null) return missing(topic, interactions?.description.partitions)
    const faults = [
      ...partitionFaults(topic, found, interactions, context),
      ...settingFaults(topic, found, interactions, context),
    ]
    const bad = faults.filter(({ state }) => state === 'bad')
    const { partitions } = found.description
    const { retentionMs, replication, timestampType } = found.settings
    const kept = retentionMs === null ? 'for ever' : `for ${durationText(retentionMs)}`
    const good = `${partitions} partitions, ${replication} replicas, kept ${kept}, ${timestampType}`
    return [
      ...(bad.length > 0 ? [] : [{ what: `topic ${topic}`, state: 'good', says: good } as const]),
      ...faults.map((fault) => ({ ...fault, what: `topic ${topic}` })),
    ]
  })
}

function missing(topic: Topic, partitions: number | undefined): Finding[] {
  const says = `it is missing; create it: weaklink migrate --partitions ${partitions ?? 8}`
  return [
    topic === BREAKS_TOPIC
      ? { what: `topic ${topic}`, state: 'remark', says: `${says}. Without it no breaks are told to other systems` }
      : { what: `topic ${topic}`, state: 'bad', says },
  ]
}

type Fault = Omit<Finding, 'what'>
const bad = (says: string): Fault => ({ state: 'bad', says })

/** The partition of a customer follows from their number: it never changes in place. */
function partitionFaults(
  topic: Topic,
  { description: { partitions } }: NonNullable<FoundTopic>,
  interactions: FoundTopic,
  { brokers, highestFollowed }: TopicsContext,
): Fault[] {
  if (topic === INTERACTIONS_TOPIC) {
    if (highestFollowed === null || highestFollowed < partitions) return []
    return [
      bad(
        `it has ${partitions} partitions, but partition ${highestFollowed} of it was followed: it was created anew with fewer. ${ANEW}`,
      ),
    ]
  }
  const expected = interactions?.description.partitions ?? partitions
  if (partitions === expected) return []
  const says = `it has ${partitions} partitions, expected ${expected} as ${INTERACTIONS_TOPIC} has. `
  if (partitions > expected)
    return [{ state: 'remark', says: `${says}It works; only who reads both side by side minds` }]
  return [
    bad(
      `${says}Were some added to ${INTERACTIONS_TOPIC}? Then customers stand in other partitions than before. ${ANEW} ` +
        `Were they always so? Then: kafka-topics.sh --bootstrap-server ${brokers} --alter --topic ${topic} --partitions ${expected}`,
    ),
  ]
}

const ANEW =
  'Stop all producers, let the trackers take everything in, delete the topic, and begin anew with the right number: ' +
  'weaklink migrate --partitions N --new-log.'

function settingFaults(
  topic: Topic,
  { settings }: NonNullable<FoundTopic>,
  interactions: FoundTopic,
  { brokers, oldestWaitingMs }: TopicsContext,
): Fault[] {
  const { retentionMs, timestampType, maxMessageBytes, cleanupPolicy, replication } = settings
  const repair = (config: string) =>
    `kafka-configs.sh --bootstrap-server ${brokers} --alter --entity-type topics --entity-name ${topic} --add-config ${config}`
  const faults: Fault[] = []
  if (topic === INTERACTIONS_TOPIC && timestampType !== 'LogAppendTime') {
    faults.push(
      bad(
        `message.timestamp.type is ${timestampType}, expected LogAppendTime, since interactions of the future are known by the time ` +
          `that the broker took them in: ${repair('message.timestamp.type=LogAppendTime')}`,
      ),
    )
  }
  if (retentionMs !== null && retentionMs < REPAIR_MS) {
    faults.push(
      bad(
        `retention.ms is ${retentionMs} (${durationText(retentionMs)}), expected at least ${REPAIR_MS} (${durationText(REPAIR_MS)}), the time it may ` +
          `take to find out and repair something: ${repair(`retention.ms=${DEFAULT_RETENTION_MS}`)}`,
      ),
    )
  }
  if (topic === INTERACTIONS_TOPIC && retentionMs !== null && oldestWaitingMs !== null) {
    // Half of it: by the other half the trackers have to be through.
    if (oldestWaitingMs > retentionMs / 2) {
      const wait = roughly(oldestWaitingMs)
      faults.push(
        bad(
          `the oldest record that waits for a tracker is ${wait} old, and Kafka deletes what is older than ${durationText(retentionMs)}: it is lost ` +
            `then. Start trackers (weaklink up --services tracker), and until they are through: ${repair('retention.ms=-1')}`,
        ),
      )
    }
  }
  if (cleanupPolicy.split(',').some((policy) => policy.trim() === 'compact')) {
    faults.push(
      bad(
        `cleanup.policy is ${cleanupPolicy}, expected delete: it would keep one record of a customer and throw the others away: ` +
          repair('cleanup.policy=delete'),
      ),
    )
  }
  const room = INTERACTIONS_TOPIC === topic ? null : interactions?.settings.maxMessageBytes
  const least = topic === REJECTED_TOPIC ? (room ?? INTERACTIONS_BYTES) + REJECTED_ROOM_BYTES : BATCH_BYTES
  if (maxMessageBytes < least) {
    const why =
      topic === REJECTED_TOPIC
        ? `the ${least - REJECTED_ROOM_BYTES} of ${INTERACTIONS_TOPIC} and ${REJECTED_ROOM_BYTES} for headers: what cannot be set aside stops its partition`
        : 'what one batch of Weaklink may take'
    const wanted = Math.max(least, topic === REJECTED_TOPIC ? REJECTED_BYTES : INTERACTIONS_BYTES)
    faults.push(
      bad(
        `max.message.bytes is ${maxMessageBytes}, expected at least ${least}, ${why}: ${repair(`max.message.bytes=${wanted}`)}`,
      ),
    )
  }
  if (replication < 2) {
    faults.push({
      state: 'remark',
      says: 'replication is 1: what the broker loses is lost. On a cluster of three, create topics with --replication 3',
    })
  }
  return faults
}

function roughly(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`
  return ms >= 7_200_000 ? `${Math.floor(ms / 3_600_000)} hours` : `${Math.floor(ms / 60_000)} minutes`
}
