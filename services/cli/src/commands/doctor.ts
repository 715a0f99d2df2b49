import { statfs } from 'node:fs/promises'
import { ANALYST_VIEWS, StoreError } from '@weaklink/clickhouse'
import { type EventLog, LogError, type PartitionRange } from '@weaklink/event-log'
import type { KafkaLog } from '@weaklink/event-log/kafka'
import { INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'
import { aggregatesState, LATE_MS, touchpointsReport } from '@weaklink/reports'
import { followedPositions, LogChangedError, positionsIn, TRACKER_GROUP } from '@weaklink/tracker'
import { Command } from 'commander'
import { countByReason, surveyRejected } from '../rejected/survey.ts'
import { A_MOMENT_RECORDS, catalogueOf, withWorkspace } from '../run.ts'
import { type Finding, type FoundTopic, findTopics, type Topic, type TopicsContext, topicFindings } from '../topics.ts'
import type { Workspace } from '../workspace.ts'

/** Less free disk than this is worth a remark. */
const LITTLE_DISK_BYTES = 1 << 30

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check the set-up: disk, ClickHouse, log or topics, position, catalogue')
    .action((_flags: unknown, command: Command) =>
      withWorkspace(command, {}, async ({ terminal, workspace }) => {
        const findings = [
          await disk(workspace),
          ...service(workspace),
          await clickhouse(workspace),
          await aggregates(workspace),
          ...(await analyst(workspace)),
          ...(await log(workspace)),
          ...(await catalogue(workspace)),
          ...(await identity(workspace)),
        ]
        const { green, yellow, red } = terminal.style
        const marks = { good: green('✓'), remark: yellow('!'), bad: red('✗') }
        terminal.answer(
          () => findings.map(({ state, what, says }) => `${marks[state]} ${what}: ${says}`).join('\n'),
          () => ({ ok: findings.every(({ state }) => state !== 'bad'), findings }),
        )
        if (findings.some(({ state }) => state === 'bad')) process.exitCode = 1
      }),
    )
}

async function disk({ directory }: Workspace): Promise<Finding> {
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  const says = `${(free / 1e9).toFixed(1)} GB free where ${directory} is`
  return { what: 'disk', state: free < LITTLE_DISK_BYTES ? 'remark' : 'good', says }
}

function service({ service }: Workspace): Finding[] {
  if (service === null) return []
  const says = `runs since ${service.since} (process ${service.pid}) and answers at ${service.url}`
  return [{ what: 'weaklink up', state: 'good', says }]
}

async function clickhouse({ store }: Workspace): Promise<Finding> {
  const [row] = await store.query<{ version: string }>('SELECT version() AS version')
  return { what: 'ClickHouse', state: 'good', says: `version ${row?.version} answers at ${store.url}` }
}

async function aggregates({ store, service }: Workspace): Promise<Finding> {
  const what = 'aggregates'
  const { refreshedAt, ageMs, tookMs, failure } = await aggregatesState(store)
  const instead = 'Until then reports read the chains themselves.'
  if (failure !== null) return { what, state: 'bad', says: `their refresh fails: ${failure} ${instead}` }
  const made = refreshedAt === null ? 'they were not made yet' : `made at ${refreshedAt}`
  const took = tookMs === null ? '' : `, in ${(tookMs / 1_000).toFixed(1)} s`
  // A server that is started for a command has not had the time.
  const isLate = service !== null && (ageMs ?? 0) > LATE_MS
  if (!isLate) return { what, state: 'good', says: `${made}${took}; made anew every 46 s while ClickHouse runs` }
  return { what, state: 'remark', says: `${made}${took}: they are late, ClickHouse has too much to do. ${instead}` }
}

/** The account for SQL: of the embedded ClickHouse it is ours; of another one, the operator's. */
async function analyst({ analyst }: Workspace): Promise<Finding[]> {
  if (!process.env.CLICKHOUSE_URL) return []
  const what = 'analyst'
  if (!process.env.CLICKHOUSE_ANALYST_PASSWORD) {
    const says =
      'CLICKHOUSE_ANALYST_PASSWORD is not set: nobody can ask SQL over HTTP, and weaklink sql asks as the owner, read-only'
    return [{ what, state: 'remark', says }]
  }
  try {
    for (const view of ANALYST_VIEWS) await analyst.query(`SELECT 1 FROM ${view} LIMIT 0`)
    const denied = await analyst.query('SELECT 1 FROM customer_chains LIMIT 0').then(
      () => false,
      (error) => error instanceof StoreError && error.code === 'forbidden',
    )
    return denied
      ? [{ what, state: 'good', says: 'the account reads the views and nothing else' }]
      : [{ what, state: 'bad', says: 'the account reads tables: grant it the views alone, as infra/clickhouse does' }]
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return [{ what, state: 'bad', says: `the account does not read the views: ${error.message}` }]
  }
}

/** The log, its topics, and how far it is taken in; what cannot be looked at says why. */
async function log(workspace: Workspace): Promise<Finding[]> {
  const findings: Finding[] = []
  try {
    const kafka = await workspace.openKafka()
    if (kafka !== null) {
      const topics = await findTopics(kafka)
      findings.push(...topicFindings(topics, await contextOf(kafka, topics, workspace)))
      if (topics[INTERACTIONS_TOPIC] === null || topics[REJECTED_TOPIC] === null) return findings
    }
    const opened = await workspace.openLog()
    findings.push(...(await rejected(opened)))
    findings.push(...(await takenIn(opened, workspace, kafka)))
  } catch (error) {
    if (!(error instanceof LogError || error instanceof LogChangedError)) throw error
    findings.push({ what: 'log', state: 'bad', says: error.message })
  }
  return findings
}

async function contextOf(
  kafka: KafkaLog,
  topics: Readonly<Record<Topic, FoundTopic>>,
  { trackerStore }: Workspace,
): Promise<TopicsContext> {
  const brokers = process.env.KAFKA_BROKERS ?? ''
  const found = topics[INTERACTIONS_TOPIC]
  if (found === null) return { brokers, oldestWaitingMs: null, highestFollowed: null }
  const { identity } = found.description
  const followed = followedPositions(await trackerStore.loadPositions())
  const positions = followed.filter(({ logIdentity }) => logIdentity === identity)
  let oldest = Number.POSITIVE_INFINITY
  for (const range of await kafka.ranges(INTERACTIONS_TOPIC)) {
    const offset = positions.find(({ partition }) => partition === range.partition)?.offset ?? range.start
    const waiting = await firstAt(kafka, range, offset)
    if (typeof waiting === 'object') oldest = Math.min(oldest, waiting?.timestamp ?? oldest)
  }
  return {
    brokers,
    oldestWaitingMs: oldest === Number.POSITIVE_INFINITY ? null : Math.max(0, Date.now() - oldest),
    highestFollowed: positions.length === 0 ? null : Math.max(...positions.map(({ partition }) => partition)),
  }
}

/** The record at a position; null where none stands there; why it cannot be read where nobody can read it. */
async function firstAt(log: EventLog, { partition, start, end }: PartitionRange, offset: number) {
  if (offset < start || offset >= end) return null
  try {
    const [record] = await log.read(INTERACTIONS_TOPIC, partition, offset, 1)
    return record ?? null
  } catch (error) {
    if (error instanceof LogError && error.code === 'batch_unreadable') return error.message
    throw error
  }
}

/** The log's ranges against the positions: what is not yet taken in, or no longer there. */
async function takenIn(log: EventLog, workspace: Workspace, kafka: KafkaLog | null): Promise<Finding[]> {
  const followed = positionsIn(await workspace.trackerStore.loadPositions(), await log.describe(INTERACTIONS_TOPIC))
  const members = kafka === null ? [] : await kafka.membersOf(TRACKER_GROUP)
  const runs = workspace.service !== null || members.length > 0
  const judged = async (range: PartitionRange): Promise<Finding> => {
    const { partition, start, end } = range
    const what = `log, partition ${partition}`
    const position = followed.find((one) => one.partition === partition)
    const first = await firstAt(log, range, position?.offset ?? start)
    if (typeof first === 'string') return { what, state: 'bad', says: first }
    if (position === undefined) {
      return {
        what,
        state: end === start ? 'good' : 'remark',
        says: `${end - start} records wait to be taken in; ${runs ? 'the tracker is about to' : kafka === null ? 'the next command that writes does it' : 'no tracker runs'}`,
      }
    }
    if (position.offset < start || position.offset > end) {
      return {
        what,
        state: 'bad',
        says: `the position ${position.offset} is not in the log, which holds ${start} to ${end}: the log was shortened or replaced`,
      }
    }
    const tick =
      position.tick === null
        ? 'no chain has been ended by time yet'
        : `chains are judged as of ${new Date(position.tick).toISOString()}`
    const taken = `${position.accepted} interactions, ${position.duplicates} duplicates, ${position.rejected} rejected by the tracker; ${tick}`
    const lag = end - position.offset
    const moment = runs && lag <= A_MOMENT_RECORDS
    return lag === 0 || moment
      ? {
          what,
          state: 'good',
          says: `${lag === 0 ? 'everything is taken in' : `${lag} records are just being taken in`}: ${taken}`,
        }
      : { what, state: 'remark', says: `${lag} records wait to be taken in; ${taken}` }
  }
  const findings: Finding[] = []
  for (const range of await log.ranges(INTERACTIONS_TOPIC)) findings.push(await judged(range))
  if (kafka !== null) {
    const who = members.map(({ member, host }) => `${member} on ${host}`).join('; ')
    findings.push({
      what: 'trackers',
      state: members.length > 0 ? 'good' : findings.some(({ state }) => state !== 'good') ? 'bad' : 'remark',
      says:
        members.length === 0
          ? 'none runs, so nothing is taken in: weaklink up --services tracker'
          : `${members.length} in the group: ${who}`,
    })
  }
  return findings
}

async function rejected(log: EventLog): Promise<Finding[]> {
  const { entries } = await surveyRejected(log)
  if (entries.length === 0) return []
  const reasons = countByReason(entries).map(({ reason, records }) => `${records} ${reason}`)
  const records = entries.length === 1 ? '1 record stands' : `${entries.length} records stand`
  const says = `${records} in ${REJECTED_TOPIC} (${reasons.join(', ')}): weaklink rejected list`
  return [{ what: 'rejected', state: 'remark', says }]
}

async function catalogue(workspace: Workspace): Promise<Finding[]> {
  const inForce = await catalogueOf(workspace)
  const [row] = await workspace.store.query<{ customers: number; older: number }>(STANDING, { hash: inForce.hash })
  const findings: Finding[] = [
    row !== undefined && row.older > 0
      ? {
          what: 'catalogue',
          state: 'remark',
          says: `${row.older} of ${row.customers} customers stand on an older one: weaklink rebuild`,
        }
      : {
          what: 'catalogue',
          state: 'good',
          says: `${inForce.touchpoints.size} touchpoints, hash ${inForce.hash}; all ${row?.customers ?? 0} customers stand on it`,
        },
  ]
  const { uncatalogued } = await touchpointsReport(workspace.store)
  const lacking = uncatalogued.map(({ touchpoint }) => touchpoint).sort()
  if (lacking.length > 0) {
    const shown = lacking.slice(0, 10).join(', ')
    findings.push({
      what: 'uncatalogued',
      state: 'remark',
      says: `${lacking.length} touchpoints are not in the catalogue: ${shown}${lacking.length > 10 ? ' …' : ''}`,
    })
  }
  return findings
}

/** Anonymous ids that are customers, and links that were refused because they said otherwise. */
async function identity({ store }: Workspace): Promise<Finding[]> {
  const [linked] = await store.query<{ n: number }>('SELECT count() AS n FROM identities')
  const refused = await store.query<{ anonymousId: string; customer: string; other: string }>(REFUSED)
  if ((linked?.n ?? 0) === 0 && refused.length === 0) return []
  const says = `${linked?.n ?? 0} anonymous ids are customers`
  if (refused.length === 0) return [{ what: 'identity', state: 'good', says }]
  const some = refused
    .slice(0, REFUSED_SHOWN)
    .map(({ anonymousId, customer, other }) => `${anonymousId} is ${customer}, and was said to be ${other}`)
  const more = refused.length > REFUSED_SHOWN ? `; and ${refused.length - REFUSED_SHOWN} more` : ''
  return [
    {
      what: 'identity',
      state: 'remark',
      says: `${says}; refused: ${some.join('; ')}${more}. Where the first was wrong: weaklink unlink ID`,
    },
  ]
}

const REFUSED_SHOWN = 5
const REFUSED = `
  SELECT anonymousId, identities.customer AS customer, other
  FROM (SELECT DISTINCT customer AS anonymousId, other FROM identity_log WHERE change = 'refused') AS refused
  INNER JOIN identities USING anonymousId
  WHERE other != customer
  ORDER BY anonymousId, other`
const STANDING = `
  SELECT countIf(movedTo = '') AS customers, countIf(movedTo = '' AND catalogue != {hash:String}) AS older
  FROM customer_chains FINAL`
