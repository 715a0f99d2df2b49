import { customerReport, customerText } from '@weaklink/reports'
import { Command } from 'commander'
import { sayWhatWaits, withWorkspace } from '../run.ts'

export function chainCommand(): Command {
  return new Command('chain')
    .description('one customer: all chains as a timeline, with the break')
    .argument('<customer>')
    .addHelpText('after', '\nExamples:\n  weaklink chain user_0042\n  weaklink chain +79161234567 --json')
    .action((customer: string, _flags: unknown, command: Command) =>
      withWorkspace(command, {}, async (run) => {
        const { terminal, workspace } = run
        await sayWhatWaits(run)
        const report = await customerReport(workspace.store, customer)
        terminal.answer(
          () => customerText(report, { style: terminal.style, width: terminal.width }),
          () => report,
        )
      }),
    )
}
