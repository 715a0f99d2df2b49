import { REJECTION_REASONS, type RejectionReason, rejectionText } from '@weaklink/interactions'
import { Command } from 'commander'
import { formatOf, InputError } from '../input/index.ts'
import type { CommonOptions } from '../run.ts'
import { type BatchAnswer, CollectorClient } from '../send/client.ts'
import { type Item, itemsOf, single } from '../send/input.ts'
import { targetOf, withTarget } from '../target.ts'
import { openTerminal, type Terminal, UsageError } from '../terminal.ts'

interface SendFlags extends CommonOptions {
  readonly touchpoint?: string
  readonly customer?: string
  readonly anonymousId?: string
  readonly at?: string
  readonly outcome?: string
  readonly dryRun?: boolean
}

type Refused = Omit<BatchAnswer['rejected'][number], 'index'> & { readonly line: number }

interface Sent {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: readonly Refused[]
  readonly dryRun: boolean
}

/** Of one request; the collector takes 1,000 and 500 KB. */
const BATCH = { items: 1_000, bytes: 450_000 } as const
/** Rejections that the text lists. */
const SHOWN = 20

export function sendCommand(): Command {
  return withTarget(new Command('send'), 'a write key')
    .description('send interactions to a running Weaklink, as a program would, and see what becomes of them')
    .argument('[file]', 'JSON lines or one array, plain or .gz; - is standard input. With --touchpoint: field=value …')
    .argument('[pairs...]')
    .option('--touchpoint <id>', 'send a single interaction: where it was')
    .option('--customer <id>', 'whose it is')
    .option('--anonymous-id <id>', 'whose it is, where nobody knows yet')
    .option('--at <time>', 'when it was; default: now')
    .option('--outcome <outcome>', 'continued, bought, refused or abandoned')
    .option('--dry-run', 'have it checked only; nothing is taken in')
    .addHelpText(
      'after',
      `
Examples:
  weaklink send --touchpoint site_visit --customer anna
  weaklink send --touchpoint call_wait --customer anna --outcome abandoned waitMs=95000 queue=sales props.device=mobile
  weaklink send events.jsonl --dry-run
  producer | weaklink send - --url https://weaklink.example.org --key write_…

Where the collector is busy or away for a while, it is tried again; what has no id gets one, so nothing counts twice.
Many events of the past are taken in faster by weaklink import.`,
    )
    .action(async (file: string | undefined, pairs: readonly string[], _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<SendFlags>()
      const terminal = openTerminal({ json: flags.json ?? false })
      const items = chosen(file, pairs, flags)
      const target = await targetOf(command, 'send')
      let noted = ''
      const client = new CollectorClient({
        target,
        dryRun: flags.dryRun ?? false,
        onRetry: (why) => {
          if (why !== noted) terminal.note(`${why} Trying again …`)
          noted = why
        },
      })
      const sent = await sendAll(items, client, flags.dryRun ?? false)
      terminal.answer(
        () => sentText(sent, terminal),
        () => sent,
      )
      if (sent.rejected.length > 0 && sent.accepted + sent.duplicates === 0) process.exitCode = 1
    })
}

/** What is to be sent. */
function chosen(
  file: string | undefined,
  pairs: readonly string[],
  { touchpoint, customer, anonymousId, at, outcome }: SendFlags,
): AsyncIterable<Item> | Iterable<Item> {
  const fields = { touchpoint, customer, anonymousId, at, outcome }
  if (Object.values(fields).some((value) => value !== undefined)) {
    if (touchpoint === undefined) throw new UsageError('A single interaction needs --touchpoint: where it was.')
    return [single(fields, file === undefined ? pairs : [file, ...pairs], new Date())]
  }
  if (pairs.length > 0) throw new UsageError('send takes one file; or --touchpoint with field=value …')
  if (file === undefined) {
    throw new UsageError('What is to be sent? A file, - for standard input, or --touchpoint … --customer … for one.')
  }
  if (file !== '-' && isCsv(file))
    throw new UsageError(`${file} is CSV, which "weaklink import" takes in; send takes JSON.`)
  return itemsOf(file)
}

function isCsv(path: string): boolean {
  try {
    return formatOf(path) === 'csv'
  } catch (error) {
    if (error instanceof InputError) return false
    throw error
  }
}

async function sendAll(
  items: AsyncIterable<Item> | Iterable<Item>,
  client: CollectorClient,
  dryRun: boolean,
): Promise<Sent> {
  const rejected: Refused[] = []
  let [accepted, duplicates] = [0, 0]
  let batch: { readonly line: number; readonly json: string }[] = []
  let bytes = 0
  const flush = async () => {
    if (batch.length === 0) return
    const answer = await client.send(batch.map(({ json }) => json))
    accepted += answer.accepted
    duplicates += answer.duplicates
    for (const { index, ...refused } of answer.rejected) rejected.push({ line: batch[index]?.line ?? 0, ...refused })
    batch = []
    bytes = 0
  }
  for await (const item of items) {
    if (!item.ok) {
      rejected.push({ line: item.line, id: null, ...item.rejection })
      continue
    }
    const size = Buffer.byteLength(item.json) + 1
    if (batch.length === BATCH.items || bytes + size > BATCH.bytes) await flush()
    batch.push(item)
    bytes += size
  }
  await flush()
  rejected.sort((a, b) => a.line - b.line)
  return { accepted, duplicates, rejected, dryRun }
}

function sentText({ accepted, duplicates, rejected, dryRun }: Sent, { style }: Terminal): string {
  const lines = [
    style.bold(
      `${count(accepted)} accepted, ${count(duplicates)} duplicates, ${count(rejected.length)} rejected${dryRun ? '. Nothing was taken in.' : ''}`,
    ),
    ...rejected.slice(0, SHOWN).map((one) => {
      const id = one.id === null ? '' : ` (id ${JSON.stringify(one.id)})`
      return `  line ${one.line}${id}: ${style.red(one.reason)} ${reasonText(one)}`
    }),
  ]
  if (rejected.length > SHOWN) lines.push(`  … and ${count(rejected.length - SHOWN)} more; --json has all`)
  return lines.join('\n')
}

function reasonText({ reason, field, expected, got }: Refused): string {
  if (reason in REJECTION_REASONS) return rejectionText({ reason: reason as RejectionReason, field, expected, got })
  return `${field === '' ? '' : `${field}: `}Expected ${expected}, got ${got}.`
}

function count(n: number): string {
  return n.toLocaleString('en-US')
}
