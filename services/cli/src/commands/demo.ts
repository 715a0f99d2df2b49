import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BreakpointsReport, breakpoints, breakpointsQuery } from '@weaklink/reports'
import { generateBusiness, type PlantedWeakLink } from '@weaklink/simulator'
import { Command } from 'commander'
import { importFiles } from '../import/import.ts'
import { type CommonOptions, type Run, withTracker } from '../run.ts'
import { breakpointsAnswer } from './report.ts'

const DEMO_DIRECTORY = '.weaklink/demo'
const BUSINESS = { seed: 7, customers: 4_000, days: 120, start: Date.UTC(2026, 0, 5) } as const

interface Found {
  readonly planted: PlantedWeakLink
  /** 1 = the weakest place of the report; null where the report does not list it. */
  readonly rank: number | null
  readonly report: BreakpointsReport
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('a generated business with planted weak links: import it, and see whether the report finds them')
    .addHelpText('after', `\nBegins anew each time, in ${DEMO_DIRECTORY} unless --data-dir names another directory.`)
    .action(async (_flags: unknown, command: Command) => {
      const root = command.parent
      if (root?.getOptionValueSource('dataDir') === 'default') root.setOptionValue('dataDir', DEMO_DIRECTORY)
      const { dataDir } = command.optsWithGlobals<CommonOptions>()
      // Only what a data directory of ours consists of is ever removed.
      for (const part of ['clickhouse', 'log', 'rejected'])
        rmSync(join(dataDir, part), { recursive: true, force: true })

      const { interactions, planted } = generateBusiness(BUSINESS)
      const folder = mkdtempSync(join(tmpdir(), 'weaklink-demo-'))
      const file = join(folder, 'business.jsonl')
      try {
        writeFileSync(file, interactions.map((interaction) => `${JSON.stringify(interaction)}\n`).join(''))
        await withTracker(command, { create: true }, async (run) => {
          run.terminal.note(
            `A business that repairs appliances: ${BUSINESS.customers.toLocaleString('en-US')} customers, ${BUSINESS.days} days, ${interactions.length.toLocaleString('en-US')} interactions.`,
          )
          const { summary } = await importFiles(run.workspace, run.log, run.tracker, {
            files: [file],
            clock: 'data',
            onProgress() {},
          })
          run.terminal.note(`Imported in ${summary.seconds.toFixed(1)} s.\n`)
          await answer(run, planted, dataDir)
        })
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })
}

async function answer(run: Run, planted: readonly PlantedWeakLink[], dataDir: string): Promise<void> {
  const { terminal, workspace } = run
  const report = await breakpoints(workspace.store, breakpointsQuery({}))
  const found: Found[] = []
  for (const one of planted) {
    const within =
      one.where === null ? report : await breakpoints(workspace.store, breakpointsQuery({ where: one.where }))
    const place = within.groups[0]?.breakpoints.findIndex(({ touchpoint }) => touchpoint === one.touchpoint) ?? -1
    found.push({ planted: one, rank: place < 0 ? null : place + 1, report: within })
  }
  const table = await breakpointsAnswer(run, report)
  terminal.answer(
    () =>
      [
        table,
        '',
        terminal.style.bold('What was planted, and where the report has it:'),
        ...found.map((one) => foundText(one)),
        '',
        'Look further:',
        `  npx weaklink report breakpoints --where campaign=summer_sale --data-dir ${dataDir}`,
        `  npx weaklink report breakpoints --by channel --data-dir ${dataDir}`,
        `  npx weaklink report chains --place call_wait --data-dir ${dataDir}`,
        `  npx weaklink chain customer-00001 --data-dir ${dataDir}`,
        `  npx weaklink sql "SELECT place, reason, count() FROM chains GROUP BY ALL ORDER BY 3 DESC" --data-dir ${dataDir}`,
      ].join('\n'),
    () => ({ report, planted: found.map(({ planted: one, rank }) => ({ ...one, rank })) }),
  )
}

function foundText({ planted, rank, report }: Found): string {
  const where = planted.where === null ? '' : ` (--where ${planted.where})`
  const place = report.groups[0]?.breakpoints[(rank ?? 0) - 1]
  const says =
    place === undefined
      ? 'not listed'
      : `no. ${rank}: ${place.broke} of ${place.reached} chains broke there, ${place.excess.toFixed(0)} more than expected`
  return `  ${planted.touchpoint}${where}: ${planted.what}\n    → ${says}`
}
