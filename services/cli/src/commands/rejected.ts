import type { EventLog } from '@weaklink/event-log'
import {
  INTERACTIONS_TOPIC,
  nearestName,
  REJECTION_REASONS,
  type RejectedRecord,
  rejectedText,
} from '@weaklink/interactions'
import { durationOf } from '@weaklink/reports'
import { Command, InvalidArgumentError } from 'commander'
import { recordAgain, replay } from '../rejected/replay.ts'
import { skipBatch } from '../rejected/skip.ts'
import { countByReason, type Entry, recordsOf, surveyRejected, UNREADABLE_BATCH } from '../rejected/survey.ts'
import { withTracker, withWorkspace } from '../run.ts'
import { CommandError, UsageError } from '../terminal.ts'

const SHOWN = 20
/** Characters of a record on its line. */
const BEGINNING = 100

export function rejectedCommand(): Command {
  return new Command('rejected')
    .description(
      'what could not be taken in: look at it, put it into the log once more, or move past what nobody can read',
    )
    .addCommand(listCommand())
    .addCommand(replayCommand())
    .addCommand(skipCommand())
}

interface Filter {
  readonly reason?: string
  /** Epoch milliseconds. */
  readonly since?: number
  readonly partition?: number
  readonly offset?: readonly number[]
}

function listCommand(): Command {
  return new Command('list')
    .description('the rejected records, the newest last, and how many there are of each reason')
    .option('--reason <reason>', 'of this reason only', reasonOf)
    .option('--since <when>', 'rejected since then: 2h, 7d, or a time as 2026-01-31T09:00:00Z', sinceOf)
    .option('--limit <n>', 'how many are shown', wholeOf, SHOWN)
    .addHelpText(
      'after',
      `
Where a record stands is said by its partition and offset in weaklink.interactions. One that a crash, or a replay, rejected
more than once counts once.

Examples:
  weaklink rejected list --since 1d
  weaklink rejected list --reason key_mismatch --limit 1000 --json`,
    )
    .action((flags: Filter & { limit: number }, command: Command) =>
      withWorkspace(command, {}, async ({ terminal, workspace }) => {
        const log = await workspace.openLog()
        const { entries: all, foreign } = await surveyRejected(log)
        const entries = all.filter(isMeant(flags))
        const shown: { at: number; rejected: RejectedRecord }[] = []
        for await (const { entry, rejected } of recordsOf(log, entries.slice(-flags.limit || entries.length))) {
          shown.push({ at: entry.at, rejected: terminal.json ? rejected : beginningOf(rejected) })
        }
        shown.sort((a, b) => a.at - b.at)
        const byReason = countByReason(entries)
        const { dim } = terminal.style
        terminal.answer(
          () => {
            if (entries.length === 0)
              return all.length === 0 ? 'Nothing was rejected.' : 'Nothing of that was rejected.'
            const lines = shown.map(({ at, rejected }) => {
              const { partition, offset } = rejected.source
              const text = `${rejectedText(rejected)}${rejected.replayed ? ' (again, after a replay)' : ''}`
              return `${instant(at)}  ${partition}/${offset}  ${text}  ${dim(printable(rejected.record.value))}`
            })
            const before = entries.length - shown.length
            return [
              ...(before > 0 ? [dim(`… ${before} older ones; --limit shows more`)] : []),
              ...lines,
              '',
              ...countLines(byReason),
              ...(foreign > 0 ? [`  ${foreign}  put there by somebody else, without a reason`] : []),
            ].join('\n')
          },
          () => ({
            rejected: entries.length,
            byReason: Object.fromEntries(byReason.map(({ reason, records }) => [reason, records])),
            foreign,
            records: shown.map(({ at, rejected }) => json(at, rejected)),
          }),
        )
      }),
    )
}

function replayCommand(): Command {
  return new Command('replay')
    .description('put rejected records into the log once more, after what was wrong with them was repaired')
    .option('--reason <reason>', 'of this reason only', reasonOf)
    .option('--since <when>', 'rejected since then: 2h, 7d, or a time as 2026-01-31T09:00:00Z', sinceOf)
    .option('--partition <n>', 'of this partition of weaklink.interactions', wholeOf)
    .option('--offset <n...>', 'at these offsets of that partition', wholesOf)
    .option('--dry-run', 'show what would be put into the log, and do nothing')
    .addHelpText(
      'after',
      `
The bytes are those that came; a record whose key was wrong gets that of its customer. Doing it twice changes nothing: the
ids are known. What is still wrong is rejected again. A catalogue that comes in again is the one in force from then on.

Examples:
  weaklink rejected replay --reason at_in_future     the clock of that producer was ahead: by now it is late enough
  weaklink rejected replay --reason customer_limit --dry-run
  weaklink rejected replay --partition 3 --offset 41 42`,
    )
    .action((flags: Filter & { dryRun?: true }, command: Command) => {
      if (flags.offset !== undefined && flags.partition === undefined)
        throw new UsageError('--offset counts within a partition: name it with --partition.')
      if (flags.dryRun === true) {
        return withWorkspace(command, {}, async ({ terminal, workspace }) => {
          const log = await workspace.openLog()
          const entries = await entriesToReplay(log, flags)
          const { partitions } = await log.describe(INTERACTIONS_TOPIC)
          const records: { at: number; rejected: RejectedRecord; to: number }[] = []
          for await (const { entry, rejected } of recordsOf(log, entries)) {
            const { partition } = recordAgain(rejected, '', partitions)
            records.push({ at: entry.at, rejected: terminal.json ? rejected : beginningOf(rejected), to: partition })
          }
          terminal.answer(
            () =>
              [
                ...records.map(
                  ({ rejected: { source, record }, to }) =>
                    `${source.partition}/${source.offset} → partition ${to}  ${printable(record.value)}`,
                ),
                `${counted(records.length, 'record')} would be replayed.`,
              ].join('\n'),
            () => ({
              dryRun: true,
              records: records.map(({ at, rejected, to }) => ({ ...json(at, rejected), toPartition: to })),
            }),
          )
        })
      }
      return withTracker(command, {}, async ({ terminal, log, tracker }) => {
        const entries = await entriesToReplay(log, flags)
        const result = await replay(log, tracker, entries)
        terminal.answer(
          () => {
            if (entries.length === 0) return 'Nothing of that was rejected.'
            const { replayed, accepted, duplicates, others, rejected, rejectedBy } = result
            const became = [
              accepted > 0 ? `${accepted} taken in` : '',
              duplicates > 0 ? `${duplicates} known already` : '',
              others > 0 ? `${counted(others, 'control record')} read` : '',
              rejected > 0
                ? `${rejected} rejected again (${Object.entries(rejectedBy)
                    .map(([reason, n]) => `${n} ${reason}`)
                    .join(', ')})`
                : '',
            ].filter((part) => part !== '')
            return `${counted(replayed, 'record')} replayed: ${became.join(', ')}.`
          },
          () => result,
        )
      })
    })
}

function skipCommand(): Command {
  return new Command('skip')
    .description('move the tracker past a batch of the log that cannot be read at all; its bytes are kept')
    .requiredOption('--partition <n>', 'as the tracker that ended named it', wholeOf)
    .requiredOption('--offset <n>', 'the first one of the batch, as the tracker named it', wholeOf)
    .addHelpText(
      'after',
      `
A record that is wrong in itself needs no skipping: the tracker sets it aside and goes on. A batch that cannot even be taken
apart (its bytes are damaged) ends the tracker, since nobody can tell what it held. This puts the batch as it is into
weaklink.rejected, then lets the tracker go on behind it. It refuses where the tracker does not stand there, and where the
batch can be read.

Example:
  weaklink rejected skip --partition 3 --offset 41`,
    )
    .action((flags: { partition: number; offset: number }, command: Command) =>
      withWorkspace(command, {}, async ({ terminal, workspace }) => {
        const skipped = await skipBatch(await workspace.openLog(), workspace.trackerStore, flags)
        terminal.answer(
          () =>
            `The batch at the offsets ${skipped.offset} to ${skipped.next - 1} of partition ${skipped.partition} (${skipped.bytes} bytes: ` +
            `${skipped.problem}) stands in weaklink.rejected now. The tracker goes on at ${skipped.next}: start it again.`,
          () => skipped,
        )
      }),
    )
}

/** @throws CommandError where all that is meant was kept in a form that cannot be put into the log again */
async function entriesToReplay(log: EventLog, filter: Filter): Promise<readonly Entry[]> {
  if (filter.reason === UNREADABLE_BATCH)
    throw new UsageError(
      `What stands under ${UNREADABLE_BATCH} is bytes that nobody can read as records: there is nothing to replay.`,
    )
  const meant = (await surveyRejected(log)).entries.filter(isMeant(filter))
  const whole = meant.filter((entry) => entry.whole)
  if (meant.length > 0 && whole.length === 0) {
    throw new CommandError(
      `${counted(meant.length, 'record')} cannot be replayed: of what is too large only the beginning was kept, and a batch that nobody can read holds no records.`,
    )
  }
  return whole
}

function isMeant({ reason, since, partition, offset }: Filter): (entry: Entry) => boolean {
  return (entry) =>
    (reason === undefined || entry.reason === reason) &&
    (since === undefined || entry.at >= since) &&
    (partition === undefined || entry.source.partition === partition) &&
    (offset === undefined || offset.includes(entry.source.offset))
}

function countLines(byReason: readonly { reason: string; records: number }[]): string[] {
  const total = byReason.reduce((sum, { records }) => sum + records, 0)
  const width = String(byReason[0]?.records ?? 0).length
  return [
    `${counted(total, 'record')} rejected:`,
    ...byReason.map(({ reason, records }) => `  ${String(records).padStart(width)}  ${reason}`),
  ]
}

function json(at: number, { source, rejection, replayed, cut, record: { key, value, headers } }: RejectedRecord) {
  return {
    at: instant(at),
    partition: source.partition,
    offset: source.offset,
    ...rejection,
    replayed,
    cut,
    key: key === null ? null : { base64: Buffer.from(key).toString('base64'), text: textOf(key) },
    value: { base64: Buffer.from(value).toString('base64'), text: textOf(value) },
    headers,
  }
}

const instant = (at: number) => new Date(at).toISOString()

const counted = (n: number, what: string) => `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`

/** Without most of its bytes: a list of long ones stays small. */
function beginningOf(rejected: RejectedRecord): RejectedRecord {
  const { record } = rejected
  return { ...rejected, record: { ...record, value: Buffer.from(record.value.subarray(0, 4 * BEGINNING)) } }
}

/** The first characters of something that may be anything. */
function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 4 * BEGINNING)).toString('utf8')
  const cut = text.length > BEGINNING ? `${text.slice(0, BEGINNING - 1).toWellFormed()}…` : text
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd')
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

function reasonOf(text: string): string {
  if (Object.hasOwn(REJECTION_REASONS, text)) return text
  const nearest = nearestName(text, Object.keys(REJECTION_REASONS))
  throw new InvalidArgumentError(
    nearest === undefined
      ? `Expected one of ${Object.keys(REJECTION_REASONS).join(', ')}.`
      : `Did you mean ${nearest}?`,
  )
}

function sinceOf(text: string): number {
  const ago = durationOf(text)
  if (ago !== null) return Date.now() - ago
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at))
    throw new InvalidArgumentError('Expected a duration as 2h or 7d, or a time as 2026-01-31T09:00:00Z.')
  return at
}

function wholeOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Expected a whole number, 0 or more.')
  return Number(text)
}

const wholesOf = (text: string, before: readonly number[] = []) => [...before, wholeOf(text)]
