import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { builtinCatalogue, type Catalogue, parseCatalogue } from '@weaklink/chains'
import { type EventLog, LogError } from '@weaklink/event-log'
import { INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { catalogueInForce } from '@weaklink/reports'
import { startTracker, TRACKER_GROUP, type Tracker } from '@weaklink/tracker'
import type { Command } from 'commander'
import { followTracker, paced } from './follow.ts'
import { openTerminal, type Terminal, UsageError } from './terminal.ts'
import { serviceOf } from './up/service.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/** Options that every command has. */
export interface CommonOptions {
  readonly dataDir: string
  readonly json?: boolean
}

export interface Run {
  readonly terminal: Terminal
  readonly workspace: Workspace
}

interface WorkspaceMode {
  /** The directory may be new. */
  readonly create?: boolean
  readonly embedded?: boolean
}

/**
 * Nobody waits for the rows in between: an import writes rarely, so that it writes each customer rarely. What it had not
 * written when it was interrupted is read from the log once more.
 */
export const FLUSH_MS = 60_000

/** Runs the work of a command on the workspace it names, and closes that whatever happens. */
export async function withWorkspace<T>(
  command: Command,
  mode: WorkspaceMode,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  const { dataDir, json = false } = command.optsWithGlobals<CommonOptions>()
  const terminal = openTerminal({ json })
  const what = `weaklink ${command.name()}`
  const workspace = await openWorkspace({
    dataDir,
    what,
    create: mode.create ?? false,
    embedded: mode.embedded ?? false,
    onRetry: (message) => terminal.note(message),
  })
  try {
    return await work({ terminal, workspace })
  } finally {
    await workspace.close()
  }
}

/** What a command needs of the tracker, be it its own or that of `weaklink up`. */
export type Derivation = Pick<Tracker, 'positions' | 'settled'>

type TrackedRun = Run & { readonly log: EventLog; readonly tracker: Derivation }

/**
 * Like `withWorkspace`, with the log and a tracker that follows it: that of the `weaklink up` which runs on the directory,
 * those of the group in Kafka, else one of the command's own.
 */
export function withTracker<T>(
  command: Command,
  mode: WorkspaceMode,
  work: (run: TrackedRun) => Promise<T>,
): Promise<T> {
  return withWorkspace(command, mode, async (run) => {
    const { workspace } = run
    const { service, directory, trackerStore } = workspace
    const [kafka, log] = [await workspace.openKafka(), await workspace.openLog()]
    const follow = async (gone: () => Promise<string | null>) => {
      const tracker = await followTracker(log, trackerStore, gone)
      return await work({ ...run, log: paced(log, tracker), tracker })
    }
    if (service !== null) {
      return await follow(async () =>
        (await serviceOf(directory)) === null ? 'weaklink up ended before it had taken everything in.' : null,
      )
    }
    const isUnfollowed = async () => (await kafka?.membersOf(TRACKER_GROUP))?.length === 0
    if (kafka !== null && !(await isUnfollowed())) {
      return await follow(async () =>
        (await isUnfollowed()) ? 'The last tracker of this Kafka ended before it had taken everything in.' : null,
      )
    }
    const options = { log, store: trackerStore, catalogue: builtinCatalogue, clock: 'none' } as const
    const tracker = await startTracker(kafka === null ? { ...options, flushMs: FLUSH_MS } : options)
    try {
      return await Promise.race([
        // In Kafka others may come and take a share.
        kafka === null ? work({ ...run, log, tracker }) : follow(async () => null),
        tracker.done.then(() => Promise.reject(new Error('the tracker stopped'))),
      ])
    } finally {
      await tracker.stop()
    }
  })
}

/** What a running tracker takes in within a moment is not worth a word. */
export const A_MOMENT_RECORDS = 20_000

/** Says so where something in the log is in no answer yet: an interrupted import left it, or a tracker is behind. */
export async function sayWhatWaits(run: Run): Promise<void> {
  try {
    await sayHowMuchWaits(run)
  } catch (error) {
    // The answer comes from ClickHouse, and is right as far as it goes.
    if (!(error instanceof LogError && error.retryHelps)) throw error
    run.terminal.note(`Whether something waits that is not in this answer yet cannot be said: ${error.message}`)
  }
}

async function sayHowMuchWaits({ terminal, workspace }: Run): Promise<void> {
  const isKafka = (await workspace.openKafka()) !== null
  if (!isKafka && !existsSync(join(workspace.directory, 'log'))) return
  const log = await workspace.openLog()
  const { identity } = await log.describe(INTERACTIONS_TOPIC)
  const positions = await workspace.trackerStore.loadPositions()
  let waiting = 0
  for (const { partition, start, end } of await log.ranges(INTERACTIONS_TOPIC)) {
    const position = positions.find((one) => one.partition === partition && one.logIdentity === identity)
    waiting += end - (position?.offset ?? start)
  }
  const records = waiting === 1 ? '1 record is' : `${waiting.toLocaleString('en-US')} records are`
  if (workspace.service !== null || isKafka) {
    const who = workspace.service === null ? 'The trackers are' : 'weaklink up is'
    if (waiting > A_MOMENT_RECORDS) terminal.note(`${who} behind: ${records} not in this answer yet, but soon will be.`)
  } else if (waiting > 0) {
    terminal.note(
      `An import was interrupted: ${records} not in this answer yet. Run the same import again to complete it.`,
    )
  }
}

/** @throws UsageError where the file cannot be read, CatalogueError where it is wrong */
export function readCatalogue(path: string): Catalogue {
  return parseCatalogue(readText(path), path)
}

/** @throws UsageError where the file cannot be read */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

/** The catalogue in force: what the log said last, else the built-in one. */
export async function catalogueOf({ store }: Workspace): Promise<Catalogue> {
  return (await catalogueInForce(store)) ?? builtinCatalogue
}

type Named = { readonly id: string; readonly name?: Readonly<Record<string, string>> | undefined }

/** What a touchpoint is called: in English, else in the first language that it has a name in. */
export function nameOf({ name }: Named): string | undefined {
  return name?.en ?? Object.values(name ?? {})[0]
}

/** The names of touchpoints, by id. */
export function namesOf(touchpoints: Iterable<Named>): Map<string, string> {
  const named = Array.from(touchpoints, (one) => [one.id, nameOf(one)] as const)
  return new Map(named.filter((pair): pair is [string, string] => pair[1] !== undefined))
}
