import {
  type BreakpointsQuery,
  type BreakpointsReport,
  breakpoints,
  breakpointsQuery,
  breakpointsText,
  chainsQuery,
  chainsReport,
  chainsText,
} from '@weaklink/reports'
import { Command, Option } from 'commander'
import { catalogueOf, namesOf, type Run, sayWhatWaits, withWorkspace } from '../run.ts'

/** How many values a hint lists. */
const VALUES_SHOWN = 12

export function reportCommand(): Command {
  return new Command('report')
    .description('where chains break, and which ones')
    .addCommand(breakpointsCommand())
    .addCommand(chainsCommand())
}

function breakpointsCommand(): Command {
  return withSelection(new Command('breakpoints'))
    .description('where and why chains break, the weakest place first')
    .addOption(
      new Option('--at <where>', 'place: where it broke; furthest: the furthest place that a chain came to').choices([
        'place',
        'furthest',
      ]),
    )
    .option('--within <group>', 'the same over the episodes of a group of touchpoints, such as phone')
    .option(
      '--by <keys>',
      'one table for each value at the beginning of a chain: channel, campaign, returning, props.x …',
    )
    .addHelpText(
      'after',
      `
Examples:
  weaklink report breakpoints
  weaklink report breakpoints --by channel,props.platform --from 2024-04-01 --to 2024-05-01
  weaklink report breakpoints --where campaign=spring --at furthest
  weaklink report breakpoints --within phone --json`,
    )
    .action((_flags: unknown, command: Command) =>
      withWorkspace(command, {}, async (run) => {
        const query = breakpointsQuery(command.opts())
        await sayWhatWaits(run)
        const report = await breakpoints(run.workspace.store, query)
        if (report.totals.chains === 0 && query.where.size > 0) await sayWhatThereIs(run, query)
        const text = await breakpointsAnswer(run, report)
        run.terminal.answer(
          () => text,
          () => report,
        )
      }),
    )
}

function chainsCommand(): Command {
  return withSelection(new Command('chains'))
    .description('the chains themselves, the newest first')
    .option('--state <state>', 'open, converted, broken or ignored')
    .option('--reason <reason>', 'refused, abandoned, dissatisfied or silence')
    .option('--place <touchpoint>', 'where they are, or ended')
    .option('--customer <id>')
    .option('--limit <n>', 'at most so many', '50')
    .option('--cursor <cursor>', 'go on after the page that ended with it')
    .addHelpText(
      'after',
      `
Examples:
  weaklink report chains --state broken --place call_wait
  weaklink report chains --where channel=search --from 2024-05-19 --limit 20 --json`,
    )
    .action((_flags: unknown, command: Command) =>
      withWorkspace(command, {}, async (run) => {
        const { terminal, workspace } = run
        const query = chainsQuery(command.opts())
        await sayWhatWaits(run)
        const report = await chainsReport(workspace.store, query)
        terminal.answer(
          () => chainsText(report, { style: terminal.style, width: terminal.width }),
          () => report,
        )
      }),
    )
}

/** Nothing fits `--where`: which values would have? */
async function sayWhatThereIs({ terminal, workspace }: Run, { where }: BreakpointsQuery): Promise<void> {
  for (const { key } of where.values()) {
    const { groups } = await breakpoints(workspace.store, breakpointsQuery({ by: key.name }))
    const values = groups.map(({ by }) => String(by[key.name] ?? '(none)'))
    const shown = `${values.slice(0, VALUES_SHOWN).join(', ')}${values.length > VALUES_SHOWN ? ' …' : ''}`
    terminal.note(`Nothing begins with what --where asks for. Values of ${key.name}: ${shown}`)
  }
}

function withSelection(command: Command): Command {
  return command
    .option('--from <time>', 'a day (2024-05-01, UTC) or an instant with its offset; included')
    .option('--to <time>', 'likewise; not included')
    .addOption(
      new Option('--date <which>', 'what the period is about: the start of a chain, or its end').choices([
        'start',
        'end',
      ]),
    )
    .option(
      '--where <key=value>',
      'only chains that begin with this value; may be given several times',
      (one: string, all: string[] = []) => [...all, one],
    )
}

/** The report as text, with the names that the catalogue has for touchpoints. */
async function breakpointsAnswer({ terminal, workspace }: Run, report: BreakpointsReport): Promise<string> {
  const catalogue = await catalogueOf(workspace)
  const names = namesOf(catalogue.touchpoints.values())
  return breakpointsText(report, { style: terminal.style, width: terminal.width, names })
}
