import { durationOf } from '@weaklink/reports'
import { Command, InvalidArgumentError } from 'commander'
import type { CommonOptions } from '../run.ts'
import { openTerminal, UsageError } from '../terminal.ts'

interface SilenceFlags {
  readonly for?: number
  readonly until?: number
  readonly from?: number
  readonly why?: string
  readonly by?: string
}

/** `weaklink alerts silence`: keeps alerts from being told, for a time. */
export function silenceCommand(): Command {
  return new Command('silence')
    .description('keep alerts with these labels from being told, for a time')
    .argument('<matchers...>', 'all have to fit: queue=support, customer!=anna, queue=~"sup.*|sales", queue!~test.*')
    .option('--for <duration>', 'how long, as 30m, 2h or 1d', forOf)
    .option('--until <time>', 'instead of --for, as 2026-01-31T09:00:00Z', timeOf)
    .option('--from <time>', 'from when on; default: now', timeOf)
    .option('--why <text>', 'the reason, for others')
    .option('--by <name>', 'who makes it; default: the account on this machine')
    .addCommand(listCommand())
    .addCommand(expireCommand())
    .addHelpText(
      'after',
      `
What fires when the silence ends is told then; what is over by then is not. It holds within a second.

Examples:
  weaklink alerts silence queue=support --for 2h --why "the team is at a training"
  weaklink alerts silence alertname=slow-answers 'queue=~sales|support' --until 2026-12-27T08:00:00Z --why holidays
  weaklink alerts silence list
  weaklink alerts silence expire 1f3a9c02`,
    )
    .action(async (matchers: string[], flags: SilenceFlags, command: Command) => {
      const now = Date.now()
      const from = flags.from ?? now
      const { why, by } = flags
      const until = untilOf(flags, from)
      if (why === undefined) throw new UsageError('Say why, for others who wonder: --why "the line is being repaired"')
      const { makeSilence } = await actions()
      await makeSilence(terminalOf(command), command, { matchers, from, until, why, by }, now)
    })
}

function listCommand(): Command {
  return new Command('list')
    .description('the silences of now and of later')
    .option('--all', 'also those that are over')
    .action(async (flags: { all?: true }, command: Command) => {
      const { listSilences } = await actions()
      await listSilences(terminalOf(command), command, flags.all === true)
    })
}

function expireCommand(): Command {
  return new Command('expire')
    .description('end a silence now')
    .argument('<id>', 'as weaklink alerts silence list shows it')
    .action(async (id: string, _: object, command: Command) => {
      const { endSilence } = await actions()
      await endSilence(terminalOf(command), command, id)
    })
}

/** What they bring along is large: only who needs it loads it. */
const actions = () => import('./silences.ts')

function terminalOf(command: Command) {
  return openTerminal({ json: command.optsWithGlobals<CommonOptions>().json ?? false })
}

function untilOf(flags: SilenceFlags, from: number): number {
  if ((flags.for === undefined) === (flags.until === undefined)) {
    throw new UsageError('Say for how long: either --for 2h, or --until 2026-01-31T09:00:00Z.')
  }
  return flags.until ?? from + (flags.for ?? 0)
}

function forOf(text: string): number {
  const ms = durationOf(text)
  if (ms === null || ms === 0) throw new InvalidArgumentError('Expected a duration as 30m, 2h or 1d.')
  return ms
}

function timeOf(text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new InvalidArgumentError('Expected a time as 2026-01-31T09:00:00Z.')
  return at
}
