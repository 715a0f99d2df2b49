import { createRequire } from 'node:module'
import type { Admin, IResourceConfigEntry } from 'kafkajs'

/** How a topic is kept, as far as it matters here. */
export interface TopicSettings {
  /** On how many brokers each partition is kept. */
  readonly replication: number
  /** Null: for ever. */
  readonly retentionMs: number | null
  /** Whose time a record carries: that of the broker, or whatever the producer says. */
  readonly timestampType: 'LogAppendTime' | 'CreateTime'
  /** The largest batch that the topic takes. */
  readonly maxMessageBytes: number
  /** `delete`, `compact`, or both, separated by a comma. */
  readonly cleanupPolicy: string
}

/** ES modules cannot import this name of kafkajs. */
const { ConfigResourceTypes } = createRequire(import.meta.url)('kafkajs') as {
  readonly ConfigResourceTypes: { readonly TOPIC: number }
}
const NAMES = ['retention.ms', 'message.timestamp.type', 'max.message.bytes', 'cleanup.policy'] as const

/** As a request to create a topic names them; -1 replicas: what the cluster does by default. */
export function settingEntries(settings: Partial<TopicSettings>): {
  readonly replication: number
  readonly entries: IResourceConfigEntry[]
} {
  const { replication = -1, retentionMs, timestampType = 'LogAppendTime', maxMessageBytes, cleanupPolicy } = settings
  const entries: IResourceConfigEntry[] = [{ name: 'message.timestamp.type', value: timestampType }]
  if (retentionMs !== undefined) entries.push({ name: 'retention.ms', value: String(retentionMs ?? -1) })
  if (maxMessageBytes !== undefined) entries.push({ name: 'max.message.bytes', value: String(maxMessageBytes) })
  if (cleanupPolicy !== undefined) entries.push({ name: 'cleanup.policy', value: cleanupPolicy })
  return { replication, entries }
}

/** @throws what the broker says, where it does not know the topic or may not tell */
export async function readSettings(admin: Admin, topic: string): Promise<TopicSettings> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [...NAMES] }],
  })
  const entries = resources[0]?.configEntries ?? []
  const value = (name: (typeof NAMES)[number]) => entries.find((one) => one.configName === name)?.configValue ?? ''
  const retentionMs = Number(value('retention.ms'))
  return {
    replication: Math.min(...(topics[0]?.partitions ?? []).map(({ replicas }) => replicas.length)),
    retentionMs: retentionMs < 0 ? null : retentionMs,
    timestampType: value('message.timestamp.type') === 'CreateTime' ? 'CreateTime' : 'LogAppendTime',
    maxMessageBytes: Number(value('max.message.bytes')),
    cleanupPolicy: value('cleanup.policy'),
  }
}
