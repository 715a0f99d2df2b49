import { builtinCatalogue } from '@weaklink/chains'
import { LogError } from '@weaklink/event-log'
import type { KafkaLog } from '@weaklink/event-log/kafka'
import { ALERTS_TOPIC, INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { durationOf } from '@weaklink/reports'
import { beginEpoch, followedPositions } from '@weaklink/tracker'
import { Command, InvalidArgumentError } from 'commander'
import { durationText } from '../duration.ts'
import { withWorkspace } from '../run.ts'
import { CommandError, UsageError } from '../terminal.ts'
import {
  DEFAULT_RETENTION_MS,
  type Finding,
  findTopics,
  settingsFor,
  TOPICS,
  type Topic,
  topicFindings,
} from '../topics.ts'
import { leftBehindText, recordsLeftBehind, type Workspace } from '../workspace.ts'

interface Flags {
  readonly partitions?: number
  readonly replication?: number
  /** Milliseconds, null for ever. */
  readonly retention?: number | null
  readonly newLog?: true
  readonly leaveBehind?: true
}

export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the tables of ClickHouse up to date, and create the topics in Kafka where it is used')
    .option('--partitions <n>', 'of the topics in Kafka; their number never changes', countOf)
    .option(
      '--replication <n>',
      'on how many brokers Kafka keeps each partition; default: what the cluster does',
      countOf,
    )
    .option('--retention <duration>', 'how long Kafka keeps records: 30d, or forever; default 30d', retentionOf)
    .option('--new-log', 'begin to follow another log than before, on top of what is stored')
    .option(
      '--leave-behind',
      'with --new-log: also where the embedded log of the directory holds what was never taken in',
    )
    .addHelpText(
      'after',
      `
The tables come up to date with every other command too; topics are created by this one alone, and one that exists is only
checked, never altered. What is there already stays as it is: doing it twice changes nothing.

--new-log is for another log over the same ClickHouse: a topic that was created anew, another cluster, or Kafka after the
embedded log. Every customer keeps what is stored. What the log before it held beyond what was taken in is not looked at any
more: let the tracker take everything in first.

Examples:
  weaklink migrate
  KAFKA_BROKERS=kafka:9092 weaklink migrate --partitions 8 --replication 3
  KAFKA_BROKERS=kafka:9092 weaklink migrate --partitions 8 --new-log`,
    )
    .action((flags: Flags, command: Command) =>
      withWorkspace(command, { create: true }, async ({ terminal, workspace }) => {
        const kafka = await workspace.openKafka()
        if (flags.leaveBehind === true && flags.newLog !== true)
          throw new UsageError(
            '--leave-behind goes with --new-log: only then is it remembered that the old log is done with.',
          )
        if (kafka === null) refuseTopicFlags(flags)
        else if (flags.leaveBehind !== true) await refuseToLeaveBehind(workspace)
        const applied = await workspace.store.query<{ name: string }>(
          'SELECT name FROM schema_migrations FINAL ORDER BY number',
        )
        const migrations = applied.map(({ name }) => name)
        const topics = kafka === null ? null : await migrateTopics(kafka, flags)
        const newLog = flags.newLog === true ? await followNewLog(workspace) : null
        for (const { what, says } of topics?.findings ?? []) terminal.note(`${what}: ${says}`)
        terminal.answer(
          () =>
            [
              `The tables of ${workspace.store.url} are up to date: ${migrations.join(', ')}`,
              ...(topics === null ? [] : [topicsText(topics)]),
              ...(newLog === null ? [] : [newLogText(newLog)]),
            ].join('\n'),
          () => ({
            url: workspace.store.url,
            database: workspace.store.database,
            migrations,
            ...(topics !== null && { topics }),
            ...(newLog !== null && { newLog }),
          }),
        )
      }),
    )
}

/** @throws CommandError where the embedded log of the directory holds what nobody would look at any more */
async function refuseToLeaveBehind({ directory, trackerStore }: Workspace): Promise<void> {
  const records = await recordsLeftBehind(directory, await trackerStore.loadPositions())
  if (records === 0) return
  throw new CommandError(leftBehindText(directory, records))
}

/** @throws UsageError where something is asked for that only Kafka has */
function refuseTopicFlags({ partitions, replication, retention }: Flags): void {
  const embedded = 'KAFKA_BROKERS is not set, so the log is the embedded one of the data directory'
  if (partitions !== undefined && partitions !== 1) {
    throw new UsageError(
      `--partitions ${partitions}: ${embedded}, which has 1 partition: one machine, one tracker. Several are for Kafka.`,
    )
  }
  if (replication !== undefined) throw new UsageError(`--replication: ${embedded}, of which there is one copy.`)
  if (retention !== undefined) throw new UsageError(`--retention: ${embedded}, which keeps everything.`)
}

interface MigratedTopics {
  readonly partitions: number
  readonly created: readonly string[]
  readonly existing: readonly Topic[]
  /** What is not as it must be with those that exist. */
  readonly findings: readonly Finding[]
}

/** @throws UsageError without a number of partitions; CommandError where what exists is otherwise than asked for */
async function migrateTopics(kafka: KafkaLog, flags: Flags): Promise<MigratedTopics> {
  const before = await findTopics(kafka)
  const missing = TOPICS.filter((topic) => before[topic] === null)
  const existing = TOPICS.filter((topic) => before[topic] !== null)
  const partitions = flags.partitions ?? before[INTERACTIONS_TOPIC]?.description.partitions
  if (partitions === undefined) {
    throw new UsageError(
      'The topics do not exist yet: say with --partitions how many partitions they are to have. The number never changes. A ' +
        'partition is what one tracker works on at a time: take twice as many as there will ever be cores that run trackers; 8 ' +
        'is enough to begin with on one machine, and docs/scale-out.md has the arithmetic for many.',
    )
  }
  const { retention: retentionMs = DEFAULT_RETENTION_MS, replication } = flags
  refuseOther(flags, before)
  for (const topic of missing) {
    await kafka.createTopic(topic, partitions, settingsFor(topic, { retentionMs, replication }))
  }
  const alerts = await createAlertsTopic(kafka, replication)
  const context = { brokers: process.env.KAFKA_BROKERS ?? '', oldestWaitingMs: null, highestFollowed: null }
  const findings = topicFindings(await findTopics(kafka), context).filter(({ state }) => state === 'bad')
  return { partitions, created: [...missing, ...alerts], existing, findings }
}

/** Where alerts remember what they told: for ever, the newest record of each key. It has one partition, however many others have. */
async function createAlertsTopic(kafka: KafkaLog, replication: number | undefined): Promise<string[]> {
  try {
    await kafka.describe(ALERTS_TOPIC)
    return []
  } catch (error) {
    if (!(error instanceof LogError && error.code === 'topic_unknown')) throw error
  }
  const settings = { ...(replication !== undefined && { replication }), retentionMs: null, cleanupPolicy: 'compact' }
  await kafka.createTopic(ALERTS_TOPIC, 1, settings)
  return [ALERTS_TOPIC]
}

/** What exists is never altered without a word: what was asked for otherwise is told, with the command that does it. */
function refuseOther(
  { partitions, replication, retention }: Flags,
  topics: Awaited<ReturnType<typeof findTopics>>,
): void {
  const tool = (name: string) => `${name} --bootstrap-server ${process.env.KAFKA_BROKERS}`
  for (const topic of TOPICS) {
    const found = topics[topic]
    if (found === null) continue
    const { description, settings } = found
    const has = (what: string, expected: string) =>
      `The topic ${topic} exists already with ${what}, not ${expected}. Nothing was changed. `
    if (partitions !== undefined && description.partitions !== partitions) {
      throw new CommandError(
        `${has(`${description.partitions} partitions`, String(partitions))}Their number never changes in place: customers would ` +
          'stand in other partitions than before. weaklink doctor says more.',
      )
    }
    if (replication !== undefined && settings.replication !== replication) {
      throw new CommandError(
        `${has(`${settings.replication} replicas`, String(replication))}${tool('kafka-reassign-partitions.sh')} moves them.`,
      )
    }
    if (retention !== undefined && settings.retentionMs !== retention) {
      throw new CommandError(
        `${has(`a retention of ${retentionText(settings.retentionMs)}`, retentionText(retention))}To change it: ` +
          `${tool('kafka-configs.sh')} --alter --entity-type topics --entity-name ${topic} --add-config retention.ms=${retention ?? -1}`,
      )
    }
  }
}

interface NewLog {
  readonly epoch: number
  /** The identity of the log that was followed before; empty where none was, null where this one is followed already. */
  readonly before: string | null
  readonly identity: string
  readonly partitions: number
  /** Up to which offsets the log before it was taken in, by partition. */
  readonly takenIn: Readonly<Record<number, number>>
}

async function followNewLog(workspace: Workspace): Promise<NewLog> {
  const log = await workspace.openLog()
  const topic = await log.describe(INTERACTIONS_TOPIC)
  const followed = followedPositions(await workspace.trackerStore.loadPositions())
  const ranges = await log.ranges(INTERACTIONS_TOPIC)
  const { epoch, before } = await beginEpoch(workspace.trackerStore, topic, ranges, builtinCatalogue.hash)
  const takenIn = Object.fromEntries(followed.map(({ partition, offset }) => [partition, offset]))
  return { epoch, before, identity: topic.identity, partitions: topic.partitions, takenIn }
}

function topicsText({ partitions, created, existing }: MigratedTopics): string {
  const lines = []
  const shared = created.filter((topic) => topic !== ALERTS_TOPIC)
  if (shared.length > 0) lines.push(`Created in Kafka with ${partitions} partitions: ${shared.join(', ')}`)
  if (created.includes(ALERTS_TOPIC)) lines.push(`Created in Kafka with 1 partition, for the alerts: ${ALERTS_TOPIC}`)
  if (existing.length > 0) lines.push(`There already, and left as they are: ${existing.join(', ')}`)
  return lines.join('\n')
}

function newLogText({ epoch, before, identity, partitions, takenIn }: NewLog): string {
  if (before === null)
    return `The log ${identity} is the one that is followed already (epoch ${epoch}): nothing was changed.`
  const now = `Followed from now on: the log ${identity}, all ${partitions} partitions from their start (epoch ${epoch}).`
  if (before === '') return now
  const offsets = Object.entries(takenIn).map(([partition, offset]) => `${partition} up to ${offset}`)
  return (
    `Followed until now: the log ${before} (epoch ${epoch - 1}), partition ${offsets.join(', ')}. What it held beyond that is not ` +
    `looked at any more; everything stored stays.\n${now}`
  )
}

const retentionText = (ms: number | null) => (ms === null ? 'for ever' : durationText(ms))

function countOf(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('Expected a whole number, 1 or more.')
  return Number(text)
}

function retentionOf(text: string): number | null {
  if (text === 'forever') return null
  const ms = durationOf(text)
  if (ms === null || ms === 0) throw new InvalidArgumentError('Expected a duration as 30d or 36h, or forever.')
  return ms
}
