import { existsSync } from 'node:fs'
import {
  DEFAULT_CALLER_RULE,
  InvalidCallerRule,
  parseMapping,
  QueueLogReader,
  REJECTION_REASONS,
  rejectionText,
} from '@weaklink/interactions'
import { Command, Option } from 'commander'
import { eventsText, followQueueLog } from '../import/follow-queue-log.ts'
import { compareMapping } from '../import/history.ts'
import { type ImportSummary, importFiles } from '../import/import.ts'
import {
  type ImportFormat,
  inOrder,
  isQueueLog,
  type Line,
  type ReadInteractionsOptions,
  readInteractions,
} from '../import/interactions.ts'
import { type CommonOptions, catalogueOf, readCatalogue, readText, withTracker } from '../run.ts'
import { withTarget } from '../target.ts'
import { openTerminal, type Terminal, UsageError } from '../terminal.ts'
import type { Workspace } from '../workspace.ts'
import { sayWhatIsTakenOut } from './catalogue.ts'

interface ImportFlags extends CommonOptions {
  readonly format?: ImportFormat
  readonly mapping?: string
  readonly customer?: string
  readonly catalogue?: string
  readonly clock: 'data' | 'wall'
  readonly dryRun?: boolean
  readonly mappingChanged?: boolean
  readonly follow?: boolean
}

/** How many interactions a dry run shows. */
const SHOWN = 10
const QUEUE_LOG = 'queue-log'

export function importCommand(): Command {
  return withTarget(new Command('import'), 'with --follow: a write key')
    .description("take interactions in from files: CSV, JSON lines or Asterisk's queue log, plain or .gz")
    .argument('<file...>', 'files; "queue-log" before them says the same as --format queue-log')
    .addOption(new Option('--format <format>', 'else it follows from the name').choices(['jsonl', 'csv', QUEUE_LOG]))
    .option('--mapping <file>', 'mapping.yaml: which column is what (else the columns are named like our fields)')
    .option(
      '--catalogue <file>',
      'touchpoints.yaml: what is known of the touchpoints; stays in force for later imports',
    )
    .addOption(
      new Option(
        '--clock <clock>',
        'wall: chains whose deadline is over by now have ended; data: by the newest interaction',
      )
        .choices(['wall', 'data'])
        .default('wall'),
    )
    .option('--dry-run', 'take nothing in: show the first interactions and everything that would be rejected')
    .option(
      '--mapping-changed',
      'import a file again under another mapping, although its events may then stand there twice',
    )
    .option(
      '--customer <rule>',
      `of a queue log: which customer a caller is, a template over {caller}, {name}, {queue} (default: ${DEFAULT_CALLER_RULE})`,
    )
    .option('--follow', 'of a queue log: send it to a running Weaklink, and go on as it grows, until Ctrl-C')
    .option('--checkpoint <file>', 'with --follow: where it remembers how far it came; default: in the data directory')
    .addHelpText(
      'after',
      `
Examples:
  weaklink import events.jsonl
  weaklink import crm.csv --mapping mapping.yaml --catalogue touchpoints.yaml --dry-run
  weaklink import 2024-*.csv.gz --mapping mapping.yaml --clock data
  weaklink import queue-log /var/log/asterisk/queue_log* --dry-run
  weaklink import queue-log /var/log/asterisk/queue_log --follow --url https://weaklink.example.org --key write_…

Importing a file twice, or a longer export of the same history, changes nothing that was there.
It also works while weaklink up runs on the directory: by the wall clock, whatever --clock says.
Rejected lines are written to a file that the summary names; the other lines are taken in.`,
    )
    .action(async (words: string[], _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<ImportFlags>()
      const { files, format } = chosen(words, flags)
      if (flags.follow === true) {
        await followQueueLog(command, files[0] ?? '')
        return
      }
      const mappingText = flags.mapping === undefined ? null : readText(flags.mapping)
      const mapping = mappingText === null ? undefined : parseMapping(mappingText, flags.mapping ?? '')
      const catalogue = flags.catalogue === undefined ? undefined : readCatalogue(flags.catalogue)
      const options = {
        ...(format === undefined ? {} : { format }),
        ...(mapping === undefined ? {} : { mapping }),
        queueLog: queueLogReader(flags.customer),
      }
      if (flags.dryRun === true) {
        await dryRun(openTerminal({ json: flags.json ?? false }), files, options)
        return
      }
      await withTracker(command, { create: true }, async (run) => {
        const { terminal, workspace, log, tracker } = run
        if (catalogue !== undefined) await sayWhatIsTakenOut(run, catalogue)
        const clock = workspace.service === null ? flags.clock : 'wall'
        if (clock !== flags.clock) {
          terminal.note(
            `weaklink up runs here (process ${workspace.service?.pid}) and judges chains by the wall clock, so --clock data changes nothing.`,
          )
        }
        let remember = compareMapping(
          workspace.directory,
          files,
          mappingText ?? ruleText(flags.customer),
          flags.mappingChanged ?? false,
        )
        const bar = terminal.progress()
        try {
          const result = await importFiles(workspace, log, tracker, {
            files,
            ...options,
            ...(catalogue === undefined ? {} : { catalogue }),
            clock,
            onProgress: ({ phase, part, interactions }) => {
              if (interactions > 0) {
                remember()
                remember = () => {}
              }
              bar.show(part, phase === 'reading' ? `${count(interactions)} interactions read` : 'deriving chains')
            },
          })
          bar.stop()
          terminal.answer(
            () => summaryText(terminal, result.summary),
            () => result.summary,
          )
          for (const remark of await remarks(workspace, result.summary, clock)) terminal.note(remark)
          if (result.broken !== null) {
            terminal.note(`${result.broken.message} What came before is in; import the whole file to complete it.`)
            process.exitCode = 1
          } else if (result.summary.read > 0 && result.summary.accepted + result.summary.duplicates === 0) {
            terminal.note('Nothing could be taken in.')
            process.exitCode = 1
          }
        } finally {
          bar.stop()
        }
      })
    })
}

/**
 * The files and their format, where the first word may be that.
 * @throws UsageError for options that do not go together
 */
function chosen(
  words: readonly string[],
  flags: ImportFlags,
): { readonly files: readonly string[]; readonly format: ImportFormat | undefined } {
  const isFormat = words[0] === QUEUE_LOG && !existsSync(QUEUE_LOG)
  if (isFormat && words.length === 1) throw new UsageError('Which file? weaklink import queue-log FILE')
  const files = isFormat ? words.slice(1) : words
  const format = isFormat ? (flags.format ?? QUEUE_LOG) : flags.format
  const logs = files.filter((file) => isQueueLog(file, format))
  if (logs.length === files.length && flags.mapping !== undefined)
    throw new UsageError('A queue log needs no --mapping: --customer says which customer a caller is.')
  if (logs.length === 0 && flags.customer !== undefined)
    throw new UsageError('--customer is for queue logs; for other files a mapping says whose each row is.')
  if (flags.follow !== true) return { files, format }
  if (files.length !== 1 || logs.length !== 1)
    throw new UsageError('--follow follows one queue log: weaklink import queue-log FILE --follow')
  if (flags.dryRun === true || flags.catalogue !== undefined)
    throw new UsageError('--follow sends to a running Weaklink: --dry-run and --catalogue are for imports.')
  return { files, format }
}

function queueLogReader(customer: string | undefined): QueueLogReader {
  try {
    return new QueueLogReader(customer === undefined ? {} : { customer })
  } catch (error) {
    throw error instanceof InvalidCallerRule ? new UsageError(`--customer: ${error.message}`) : error
  }
}

/** A rule, as something to compare with that of the import before; null where it is the default. */
function ruleText(customer: string | undefined): string | null {
  return customer === undefined || customer === DEFAULT_CALLER_RULE ? null : JSON.stringify({ customer })
}

/** What an owner would want to know before believing the report. */
async function remarks(workspace: Workspace, { to, asOf }: ImportSummary, clock: 'data' | 'wall'): Promise<string[]> {
  const lines: string[] = []
  const { hash, patienceMs } = await catalogueOf(workspace)
  const [state] = await workspace.store.query<{ older: number; newestAt: number | null }>(STATE, { hash })
  if (to !== null && asOf !== null && clock === 'wall' && Date.parse(asOf) - Date.parse(to) > patienceMs) {
    lines.push(
      `The newest of these interactions is from ${day(to)}, and chains are judged as of today: what was still open then counts as ended.\n` +
        'For an export that ended some time ago, import into an empty directory with --clock data.',
    )
  }
  if (asOf !== null && clock === 'data' && Date.parse(asOf) > (state?.newestAt ?? Number.POSITIVE_INFINITY)) {
    lines.push(
      `Chains are judged as of ${day(asOf)}, which is later than the newest interaction: an earlier import, or weaklink up, said that it was so late, and time does not go back.\n` +
        'To judge by the data alone, import into an empty directory with --clock data.',
    )
  }
  if ((state?.older ?? 0) > 0)
    lines.push(`${count(state?.older ?? 0)} customers still stand on an older catalogue: weaklink rebuild`)
  return lines
}

const STATE = `
  SELECT
    (SELECT countIf(movedTo = '' AND catalogue != {hash:String}) FROM customer_chains FINAL) AS older,
    (SELECT toUnixTimestamp64Milli(max(newestAt)) FROM positions FINAL) AS newestAt`

function day(instant: string): string {
  return instant.slice(0, 10)
}

async function dryRun(
  terminal: Terminal,
  files: readonly string[],
  options: Omit<ReadInteractionsOptions, 'now'> & { readonly queueLog: QueueLogReader },
): Promise<void> {
  const first: Line[] = []
  const rejected: (Line & { file: string })[] = []
  let [read, good] = [0, 0]
  for (const file of await inOrder(files, options.format)) {
    for await (const batch of readInteractions(file, { ...options, now: Date.now() })) {
      read += batch.rows
      for (const line of batch.lines) {
        if (!line.ok) rejected.push({ file, ...line })
        else if (++good <= SHOWN) first.push(line)
      }
    }
  }
  terminal.answer(
    () => {
      const { bold, red } = terminal.style
      const shown = first.map((line) => (line.ok ? `  ${JSON.stringify(withTime(line.interaction))}` : ''))
      const bad = rejected.map((line) =>
        line.ok ? '' : `  ${line.file}:${line.line} ${red(line.rejection.reason)} ${rejectionText(line.rejection)}`,
      )
      return [
        bold(
          `${count(read)} rows read, ${count(good)} interactions, ${count(rejected.length)} rejected. Nothing was taken in.`,
        ),
        ...(shown.length > 0 ? ['', `The first ${shown.length}:`, ...shown] : []),
        ...(bad.length > 0 ? ['', 'Rejected:', ...bad] : []),
        ...eventsText(options.queueLog.counts()),
      ].join('\n')
    },
    () => ({
      read,
      interactions: good,
      first: first.map((line) => (line.ok ? withTime(line.interaction) : null)),
      rejected: rejected.map((line) =>
        line.ok ? null : { file: line.file, line: line.line, ...line.rejection, text: line.text },
      ),
      events: options.queueLog.counts(),
    }),
  )
  if (read > 0 && good === 0) process.exitCode = 1
}

function withTime<T extends { readonly at: number }>(interaction: T): object {
  return { ...interaction, at: new Date(interaction.at).toISOString() }
}

function summaryText(terminal: Terminal, summary: ImportSummary): string {
  const { bold, yellow } = terminal.style
  const reasons = Object.entries(summary.rejectedBy).sort((a, b) => b[1] - a[1])
  const lines = [
    bold(
      `${count(summary.read)} rows read: ${count(summary.accepted)} interactions taken in, ${count(summary.duplicates)} already there, ${count(summary.rejected)} rejected (${summary.seconds.toFixed(1)} s)`,
    ),
  ]
  if (summary.completed > 0) {
    lines.push(`Before that, ${count(summary.completed)} were taken in that an interrupted import had left waiting.`)
  }
  if (summary.from !== null && summary.to !== null) {
    const judged = summary.asOf === null ? '' : `; chains are judged as of ${day(summary.asOf)}`
    lines.push(`Interactions from ${day(summary.from)} to ${day(summary.to)} (UTC)${judged}.`)
  }
  if (summary.conflicts > 0) {
    lines.push(yellow(`${count(summary.conflicts)} of those already there have another content now; the first stays.`))
  }
  for (const [reason, n] of reasons) {
    lines.push(yellow(`  ${count(n)} × ${reason}: ${REJECTION_REASONS[reason as keyof typeof REJECTION_REASONS]}`))
  }
  if (summary.events !== null) lines.push(...eventsText(summary.events))
  if (summary.rejectedFile !== null) lines.push(`Rejected lines, with line, field and reason: ${summary.rejectedFile}`)
  return lines.join('\n')
}

function count(n: number): string {
  return n.toLocaleString('en-US')
}
