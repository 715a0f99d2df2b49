import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WaitingEvent } from '@weaklink/api'
import { durationOf } from '@weaklink/reports'
import { Command } from 'commander'
import type { CommonOptions } from '../run.ts'
import { liveEvents } from '../tail/stream.ts'
import { targetOf, withTarget } from '../target.ts'
import { CommandError, openTerminal, type Terminal, UsageError, withoutCommands } from '../terminal.ts'
import { WAITING_ROUTE, type WaitingFilter, whoWaits } from '../waiting/ask.ts'
import { boardText, eventText } from '../waiting/text.ts'

interface WaitingFlags extends CommonOptions {
  readonly queue?: readonly string[]
  readonly longerThan?: string
  readonly limit?: string
  readonly follow?: boolean
}

const MOST_CALLS = 1_000
const REDRAW_MS = 1_000
/** Lines of a screen that are not calls: the heading, titles, and some queues. */
const OTHER_LINES = 12

export function waitingCommand(): Command {
  return withTarget(new Command('waiting'), 'an API key')
    .description('who waits in a queue now, who has waited longest first, and what they did before')
    .option('--queue <queue>', 'only this queue; may be given again', (one: string, all: string[] = []) => [
      ...all,
      one,
    ])
    .option('--longer-than <duration>', 'only who has waited for so long by now: 30s, 2m')
    .option('--limit <n>', 'at most so many calls, 1 to 1000; 100 where nothing is said')
    .option('--follow', 'go on: on a terminal a board that is drawn every second, else one line for each change')
    .addHelpText(
      'after',
      `
Examples:
  weaklink waiting
  weaklink waiting --follow --queue support --longer-than 30s
  weaklink waiting --follow --json        one JSON object a line: now, began, ended

In a path, ✗ is where they gave up or refused, ! where it was bad, ✓ where they bought. Times are UTC.
Who waits is known at once; what they did before, some seconds later.`,
    )
    .action(async (_flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<WaitingFlags>()
      const filter = filterOf(flags)
      const terminal = openTerminal({ json: flags.json ?? false })
      const ending = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort())
      if (flags.follow !== true) {
        const now = await whoWaits(await targetOf(command, 'ask'), filter, ending.signal)
        terminal.answer(
          () => boardText(now, terminal),
          () => now,
        )
      } else if (process.stdout.isTTY === true && !terminal.json) await redraw(command, filter, terminal, ending.signal)
      else await printChanges(command, filter, terminal, ending.signal)
    })
}

/** @throws UsageError */
function filterOf({ queue, longerThan, limit }: WaitingFlags): WaitingFilter {
  if (longerThan !== undefined && durationOf(longerThan) === null) {
    throw new UsageError(`--longer-than ${longerThan} is no duration: expected one like 500ms, 30s, 2m or 1h`)
  }
  if (limit !== undefined && !(/^\d{1,4}$/.test(limit) && Number(limit) >= 1 && Number(limit) <= MOST_CALLS)) {
    throw new UsageError(`--limit ${limit} is out of range: expected a whole number from 1 to ${MOST_CALLS}`)
  }
  return { queue, longerThan, limit }
}

/** Draws the board over and over, until it is ended. A service that is away for a while is waited for, once it answered. */
async function redraw(command: Command, filter: WaitingFilter, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const { stdout } = process
  for (let first = true; !signal.aborted; first = false) {
    const rows = stdout.rows || 24
    const room = Math.max(1, rows - OTHER_LINES)
    const limit = String(Math.min(Number(filter.limit ?? room), room))
    let text: string
    try {
      // Asked for each time: a service that was started again may be elsewhere.
      const now = await whoWaits(await targetOf(command, 'ask'), { ...filter, limit }, signal)
      text = boardText(now, { style: terminal.style, width: stdout.columns || terminal.width })
    } catch (error) {
      if (signal.aborted) return
      if (first || !(error instanceof CommandError)) throw error
      text = `${error.message} Trying again …`
    }
    const lines = withoutCommands(text)
      .split('\n')
      .slice(0, rows - 1)
    stdout.write(`${first ? CLEAR : HOME}${lines.join(`${REST_OF_LINE}\n`)}${REST}\n`)
    await sleep(REDRAW_MS, undefined, { signal }).catch(() => {})
  }
}

const HOME = '\u001b[H'
const CLEAR = `\u001b[2J${HOME}`
/** Erases what was there before, so that nothing flickers. */
const REST_OF_LINE = '\u001b[K'
const REST = `${REST_OF_LINE}\u001b[J`

async function printChanges(
  command: Command,
  filter: WaitingFilter,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  let [lost, begun] = [false, false]
  const events = liveEvents({
    target: () => targetOf(command, 'ask'),
    route: WAITING_ROUTE,
    filter: { ...filter },
    sinceStart: false,
    signal,
    onLost(why) {
      if (!lost) terminal.note(`${why} Trying again …`)
      lost = true
    },
  })
  for await (const { data } of events) {
    const event = data as WaitingEvent
    const isRepeat = begun && !lost && event.state === 'now'
    if (lost) terminal.note('It goes on.')
    lost = false
    begun = true
    // A person who reads lines has read them.
    if (isRepeat && !terminal.json) continue
    const text = terminal.json ? JSON.stringify(event) : withoutCommands(eventText(event, terminal))
    if (text === '') terminal.note('Nobody waits now.')
    else if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain')
  }
}
