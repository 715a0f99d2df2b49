import { randomUUID } from 'node:crypto'
import { type Catalogue, contentOf } from '@weaklink/chains'
import type { EventLog, NewRecord } from '@weaklink/event-log'
import {
  type EventCounts,
  encodeFact,
  type Fact,
  FILE_HEADER,
  IMPORT_HEADER,
  INTERACTIONS_TOPIC,
  LINE_HEADER,
  type Mapping,
  partitionOf,
  personOf,
  type QueueLogReader,
  REJECTED_TOPIC,
  type RejectionReason,
} from '@weaklink/interactions'
import { InputError } from '../input/index.ts'
import type { Derivation } from '../run.ts'
import type { Workspace } from '../workspace.ts'
import { checkHeads, type ImportFormat, inOrder, type LineBatch, readInteractions } from './interactions.ts'
import { RejectedFile, type RejectedLine } from './rejected-file.ts'

export interface ImportOptions {
  readonly files: readonly string[]
  readonly format?: ImportFormat
  readonly mapping?: Mapping
  /** Reads the files that are queue logs. */
  readonly queueLog: QueueLogReader
  /** Comes into force before the first interaction. Absent: the one in force stays. */
  readonly catalogue?: Catalogue
  /** `data`: when the import ends, it is as late as its newest interaction; `wall`: as late as it is. */
  readonly clock: 'data' | 'wall'
  readonly onProgress: (progress: ImportProgress) => void
}

interface ImportProgress {
  readonly phase: 'reading' | 'deriving'
  /** 0 to 1. */
  readonly part: number
  readonly interactions: number
}

/** What came of an import, after the tracker has taken everything in. */
export interface ImportSummary {
  /** Rows read from the files. */
  readonly read: number
  /** Interactions that were not there before. */
  readonly accepted: number
  /** Interactions that an interrupted import had left in the log, and that this one took in first. */
  readonly completed: number
  /** Interactions that were; conflicts included. */
  readonly duplicates: number
  /** Duplicates whose content differs from what is there. */
  readonly conflicts: number
  readonly rejected: number
  readonly rejectedBy: Readonly<Partial<Record<RejectionReason, number>>>
  /** Null where nothing was rejected. */
  readonly rejectedFile: string | null
  /** Lines of queue logs that gave nothing, by event; null where there were none. */
  readonly events: EventCounts | null
  /** The oldest and the newest instant read, RFC 3339; null where nothing was. */
  readonly from: string | null
  readonly to: string | null
  /** T after the import: chains are judged as of this instant. */
  readonly asOf: string | null
  readonly seconds: number
}

export interface ImportResult {
  readonly summary: ImportSummary
  /** A file that ended before its end: what came before it is in, the same import again completes it. */
  readonly broken: InputError | null
}

/**
 * Reads files into the log, and waits until the tracker has derived the chains. Every line counts somewhere: accepted,
 * duplicate, or rejected with a reason and written to the file of rejected lines. Nothing depends on the import living
 * to its end: the same import again finds what is there and adds the rest.
 *
 * @throws InvalidMapping, InputError for a file that cannot be read at all, and what log and store throw
 */
export async function importFiles(
  workspace: Workspace,
  log: EventLog,
  tracker: Derivation,
  options: ImportOptions,
): Promise<ImportResult> {
  const started = performance.now()
  const importId = randomUUID()
  const { partitions, identity } = await log.describe(INTERACTIONS_TOPIC)
  const everywhere = (fact: Fact) =>
    log.append(
      INTERACTIONS_TOPIC,
      Array.from({ length: partitions }, (_, partition) => ({ partition, ...encodeFact(fact) })),
    )
  const rejectedFrom = await log.ranges(REJECTED_TOPIC)

  const files = await inOrder(options.files, options.format)
  await checkHeads(files, options)
  const writtenBefore = (await workspace.trackerStore.loadPositions()).filter((one) => one.logIdentity === identity)
  await tracker.settled()
  // A running tracker left nothing waiting: what it took in meanwhile is from others.
  const completed = workspace.service === null ? acceptedIn(tracker.positions()) - acceptedIn(writtenBefore) : 0
  if (options.catalogue !== undefined) await putInForce(workspace, tracker, options.catalogue, everywhere)

  const rejectedFile = new RejectedFile(workspace.directory, options.files)
  const rejectedBy: Partial<Record<RejectionReason, number>> = {}
  const setAside = async (lines: readonly RejectedLine[]) => {
    for (const { reason } of lines) rejectedBy[reason] = (rejectedBy[reason] ?? 0) + 1
    await rejectedFile.write(lines)
  }

  let [read, interactions] = [0, 0]
  let oldestAt: number | null = null
  let newestAt: number | null = null
  let broken: InputError | null = null
  for (const [k, file] of files.entries()) {
    // One append is under way while the next lines are read.
    let appended: Promise<unknown> = Promise.resolve()
    try {
      for await (const batch of readInteractions(file, { ...options, now: Date.now() })) {
        const records: NewRecord[] = []
        for (const line of batch.lines) {
          if (!line.ok) continue
          const { interaction } = line
          oldestAt = Math.min(oldestAt ?? interaction.at, interaction.at)
          newestAt = Math.max(newestAt ?? interaction.at, interaction.at)
          const headers = { [IMPORT_HEADER]: importId, [FILE_HEADER]: file, [LINE_HEADER]: String(line.line) }
          records.push({
            partition: partitionOf(personOf(interaction).customer, partitions),
            ...encodeFact({ kind: 'interaction', interaction }, headers),
          })
        }
        await setAside(rejectedIn(batch, file))
        await appended
        appended = records.length > 0 ? log.append(INTERACTIONS_TOPIC, records) : Promise.resolve()
        appended.catch(() => {})
        read += batch.rows
        interactions += records.length
        options.onProgress({ phase: 'reading', part: (k + batch.part) / files.length, interactions })
      }
    } catch (error) {
      // A file that breaks off, or the third of four that is not there: the rest is still taken in.
      if (!(error instanceof InputError)) throw error
      broken ??= error
    } finally {
      await appended
    }
  }

  if (broken !== null && read === 0) throw broken
  await everywhere({ kind: 'import-end', importId })
  const now = Date.now()
  // A tick may not be later than its record; interactions may, by the few minutes that clocks differ.
  const tick = options.clock === 'wall' ? now : newestAt === null ? null : Math.min(newestAt, now)
  if (tick !== null) await everywhere({ kind: 'tick', tick })
  options.onProgress({ phase: 'deriving', part: 1, interactions })
  await tracker.settled()

  await setAside(await rejectedByTracker(log, rejectedFrom, importId))
  await rejectedFile.close()
  const counts = tracker.positions().flatMap(({ imports }) => imports.filter(({ id }) => id === importId))
  const sum = (what: 'accepted' | 'duplicates' | 'conflicts') => counts.reduce((total, one) => total + one[what], 0)
  return {
    summary: {
      read,
      accepted: sum('accepted'),
      completed,
      duplicates: sum('duplicates'),
      conflicts: sum('conflicts'),
      rejected: Object.values(rejectedBy).reduce((total, n) => total + n, 0),
      rejectedBy,
      events: countsOf(options.queueLog),
      rejectedFile: rejectedFile.isEmpty ? null : rejectedFile.path,
      from: instant(oldestAt),
      to: instant(newestAt),
      asOf: instant(
        tracker
          .positions()
          .reduce<number | null>((latest, { tick }) => (tick === null ? latest : Math.max(latest ?? tick, tick)), null),
      ),
      seconds: Math.round(performance.now() - started) / 1000,
    },
    broken,
  }
}

function countsOf(reader: QueueLogReader): EventCounts | null {
  const counts = reader.counts()
  return Object.keys({ ...counts.ignored, ...counts.unknown }).length === 0 ? null : counts
}

function acceptedIn(positions: readonly { readonly accepted: number }[]): number {
  return positions.reduce((total, { accepted }) => total + accepted, 0)
}

function instant(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}

/** Stores a catalogue and puts it in force in every partition, unless it already is. */
export async function putInForce(
  workspace: Workspace,
  tracker: Derivation,
  catalogue: Catalogue,
  everywhere: (fact: Fact) => Promise<unknown>,
): Promise<boolean> {
  if (tracker.positions().every((position) => position.catalogue === catalogue.hash)) return false
  await workspace.trackerStore.storeCatalogue(catalogue.hash, contentOf(catalogue))
  await everywhere({ kind: 'catalogue', hash: catalogue.hash })
  return true
}

function rejectedIn(batch: LineBatch, file: string): RejectedLine[] {
  return batch.lines.flatMap((line) => (line.ok ? [] : [{ file, line: line.line, ...line.rejection, text: line.text }]))
}

/** What only the tracker could reject (a customer's limit), from the topic where it set it aside. */
async function rejectedByTracker(
  log: EventLog,
  from: Awaited<ReturnType<EventLog['ranges']>>,
  importId: string,
): Promise<RejectedLine[]> {
  const lines = new Map<string, RejectedLine>()
  for (const { partition, end } of from) {
    for (let position = end; ; ) {
      const records = await log.read(REJECTED_TOPIC, partition, position, 1_000)
      const last = records.at(-1)
      if (last === undefined) break
      position = last.offset + 1
      for (const { headers, value } of records) {
        if (headers[IMPORT_HEADER] !== importId) continue
        // After a crash the tracker may have set a record aside twice: its coordinates say that it is the same.
        lines.set(`${headers['weaklink-partition']}:${headers['weaklink-offset']}`, {
          file: headers[FILE_HEADER] ?? '',
          line: Number(headers[LINE_HEADER]),
          reason: headers['weaklink-reason'] as RejectionReason,
          field: headers['weaklink-field'] ?? '',
          expected: headers['weaklink-expected'] ?? '',
          got: headers['weaklink-got'] ?? '',
          text: new TextDecoder().decode(value),
        })
      }
    }
  }
  return [...lines.values()]
}
