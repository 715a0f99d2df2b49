import { durationOf } from '@weaklink/reports'
import { Command, InvalidArgumentError, Option } from 'commander'
import { silenceCommand } from '../alerts/silence.ts'
import type { CommonOptions } from '../run.ts'
import { openTerminal } from '../terminal.ts'

const DAY_MS = 86_400_000

export function alertsCommand(): Command {
  return new Command('alerts')
    .description('what is wrong now, the rules that say so, and silences')
    .addCommand(testCommand())
    .addCommand(listCommand())
    .addCommand(silenceCommand())
}

function testCommand(): Command {
  return new Command('test')
    .description('check a file of rules, and say what they would have said of the last hours')
    .argument('<file>', 'as alerts.yaml')
    .addOption(
      new Option('--since <duration>', 'of so long ago until now').default(DAY_MS, '24h').argParser(durationMs),
    )
    .option('--send', 'send one test alert to each receiver of the file')
    .option('--base-url <url>', 'with --send: where people find this Weaklink, for links')
    .addHelpText(
      'after',
      `
Rules about breaks ask ClickHouse how things are now, so they are left out of what would have been said.

Examples:
  weaklink alerts test alerts.yaml
  weaklink alerts test alerts.yaml --since 7d
  weaklink alerts test alerts.yaml --send      does the message arrive?`,
    )
    .action(async (file: string, flags: { since: number; send?: true; baseUrl?: string }, command: Command) => {
      const terminal = openTerminal({ json: command.optsWithGlobals<CommonOptions>().json ?? false })
      // What alerts bring along is large: only these commands load it.
      const { checkRules, sendTest } = await import('../alerts/check.ts')
      if (flags.send === true) await sendTest(terminal, file, flags.baseUrl ?? null)
      else await checkRules(terminal, command, file, flags.since)
    })
}

function listCommand(): Command {
  return new Command('list')
    .description('what fires now')
    .option('--failed', 'instead, messages of the last seven days that a receiver could not be told')
    .addHelpText(
      'after',
      `
It reads what the service has put into the log: where none runs, it is what fired when it ran last.`,
    )
    .action(async (flags: { failed?: true }, command: Command) => {
      const terminal = openTerminal({ json: command.optsWithGlobals<CommonOptions>().json ?? false })
      const { listAlerts, listFailed } = await import('../alerts/list.ts')
      await (flags.failed === true ? listFailed : listAlerts)(terminal, command)
    })
}

function durationMs(text: string): number {
  const ms = durationOf(text)
  if (ms === null || ms === 0) throw new InvalidArgumentError('Expected a duration as 30m, 2h or 7d.')
  return ms
}
