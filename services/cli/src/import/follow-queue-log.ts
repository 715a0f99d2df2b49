import { createHash } from 'node:crypto'
import { basename, join, resolve } from 'node:path'
import { InvalidCallerRule, rejectionText } from '@weaklink/interactions'
import { rejectedPath, startTailer, type TailerCounts, TailerError, type TailerEvent } from '@weaklink/tailer'
import type { Command } from 'commander'
import type { CommonOptions } from '../run.ts'
import { targetOf } from '../target.ts'
import { CommandError, openTerminal, type Terminal, UsageError } from '../terminal.ts'

interface FollowFlags extends CommonOptions {
  readonly url?: string
  readonly customer?: string
  readonly checkpoint?: string
}

/** Of the same kind, one after the other, so many rejected lines are shown; all are counted. */
const SHOWN = 20

/**
 * `weaklink import queue-log FILE --follow`: sends the log to a running Weaklink, and goes on as it grows, until a
 * signal ends it.
 *
 * @throws CommandError where nothing runs, or the collector refuses the key; UsageError for a wrong rule
 */
export async function followQueueLog(command: Command, path: string): Promise<void> {
  const flags = command.optsWithGlobals<FollowFlags>()
  const terminal = openTerminal({ json: flags.json ?? false })
  await targetOf(command, 'send')
  const checkpointPath = flags.checkpoint ?? defaultCheckpoint(flags, path)
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort())
  const stopped = new Promise<void>((done) => ending.signal.addEventListener('abort', () => done()))
  try {
    const tailer = await startTailer({
      path,
      checkpointPath,
      target: () => targetOf(command, 'send'),
      ...(flags.customer === undefined ? {} : { customer: flags.customer }),
      onEvent: teller(terminal),
    })
    try {
      await Promise.race([stopped, tailer.done])
    } finally {
      await tailer.stop()
    }
    await tailer.done
    terminal.answer(
      () => countsText(tailer.counts(), checkpointPath),
      () => tailer.counts(),
    )
  } catch (error) {
    if (error instanceof InvalidCallerRule) throw new UsageError(`--customer: ${error.message}`)
    if (error instanceof TailerError) throw new CommandError(error.message)
    throw error
  }
}

/** In the data directory, by the log and the Weaklink that is named: another one has another place in the log. */
function defaultCheckpoint({ dataDir, url = '' }: FollowFlags, path: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([resolve(path), url]))
    .digest('hex')
    .slice(0, 8)
  return join(resolve(dataDir), 'queue-logs', `${basename(path).slice(0, 100)}-${digest}.json`)
}

function teller(terminal: Terminal): (event: TailerEvent) => void {
  let rejected = 0
  let away = ''
  return (event) => {
    switch (event.kind) {
      case 'reading':
        terminal.note(
          event.offset === 0 ? `Reading ${event.path}.` : `Reading ${event.path} from byte ${event.offset}.`,
        )
        return
      case 'missing':
        terminal.note(`${event.path} cannot be read (${event.why}); waiting for it.`)
        return
      case 'lost':
        terminal.note(
          `${event.path} is not the file any more that was read up to byte ${event.offset}, and that one is not beside it: lines may be lost. Reading it from its start.`,
        )
        return
      case 'damaged':
        terminal.note(`${event.path} is damaged (${event.why}); its other lines are lost.`)
        return
      case 'checkpoint_damaged':
        terminal.note(`${event.path} is damaged: the log is sent once more from its start, which doubles nothing.`)
        return
      case 'retrying':
        if (event.why !== away) terminal.note(`${event.why} Trying again …`)
        away = event.why
        return
      case 'delivering':
        away = ''
        terminal.note('It goes on.')
        return
      case 'rejected':
        rejected++
        if (rejected <= SHOWN) terminal.note(`Rejected: ${rejectionText(event.rejection)}`)
        if (rejected === SHOWN)
          terminal.note('Further rejected lines are counted, and written to the file beside the checkpoint.')
        return
      default:
        event satisfies never
    }
  }
}

function countsText(counts: TailerCounts, checkpointPath: string): string {
  const { lines, accepted, rejected } = counts
  return [
    `${count(lines)} lines read: ${count(accepted)} interactions delivered, ${count(rejected)} lines rejected.`,
    ...(rejected > 0 ? [`Rejected lines, with reason: ${rejectedPath(checkpointPath)}`] : []),
    ...eventsText(counts),
  ].join('\n')
}

/** Which events gave no interaction, for people. */
export function eventsText({ ignored, unknown }: Pick<TailerCounts, 'ignored' | 'unknown'>): string[] {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([event, n]) => `${count(n)} × ${event}`)
      .join(', ')
  return [
    ...(Object.keys(ignored).length > 0 ? [`Nothing of a caller, or told before: ${list(ignored)}.`] : []),
    ...(Object.keys(unknown).length > 0 ? [`Unknown events: ${list(unknown)}.`] : []),
  ]
}

function count(n: number): string {
  return n.toLocaleString('en-US')
}
