import { statfs } from 'node:fs/promises'
import { LogError } from '@weaklink/event-log'
import { INTERACTIONS_TOPIC, REJECTED_TOPIC } from '@weaklink/interactions'
import { touchpointsReport } from '@weaklink/reports'
import { Command } from 'commander'
import { A_MOMENT_RECORDS, catalogueOf, withWorkspace } from '../run.ts'
import type { Workspace } from '../workspace.ts'

/** One thing that was looked at. `bad` makes the command fail; `remark` is worth knowing. */
interface Finding {
  readonly what: string
  readonly state: 'good' | 'remark' | 'bad'
  readonly says: string
}

/** Less free disk than this is worth a remark. */
const LITTLE_DISK_BYTES = 1 << 30

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check the set-up: disk, ClickHouse, log, position, catalogue')
    .action((_flags: unknown, command: Command) =>
      withWorkspace(command, {}, async ({ terminal, workspace }) => {
        const findings = [
          await disk(workspace),
          ...service(workspace),
          await clickhouse(workspace),
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

/** The log's ranges against the positions: what is not yet taken in, or no longer there. */
async function log(workspace: Workspace): Promise<Finding[]> {
  try {
    const opened = await workspace.openLog()
    const { identity } = await opened.describe(INTERACTIONS_TOPIC)
    const positions = await workspace.trackerStore.loadPositions()
    const findings = (await opened.ranges(INTERACTIONS_TOPIC)).map(({ partition, start, end }): Finding => {
      const what = `log, partition ${partition}`
      const position = positions.find((one) => one.partition === partition && one.logIdentity === identity)
      if (position === undefined) {
        return {
          what,
          state: end === start ? 'good' : 'remark',
          says: `${end - start} records wait to be taken in; ${workspace.service === null ? 'the next command that writes does it' : 'weaklink up is about to'}`,
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
      const moment = workspace.service !== null && lag <= A_MOMENT_RECORDS
      return lag === 0 || moment
        ? {
            what,
            state: 'good',
            says: `${lag === 0 ? 'everything is taken in' : `${lag} records are just being taken in`}: ${taken}`,
          }
        : { what, state: 'remark', says: `${lag} records wait to be taken in; ${taken}` }
    })
    const rejected = (await opened.ranges(REJECTED_TOPIC)).reduce((sum, { start, end }) => sum + end - start, 0)
    if (rejected > 0)
      findings.push({ what: 'rejected', state: 'remark', says: `${rejected} records stand in ${REJECTED_TOPIC}` })
    return findings
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return [{ what: 'log', state: 'bad', says: error.message }]
  }
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
