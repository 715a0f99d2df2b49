import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BreakpointsReport, breakpoints, breakpointsQuery } from '@weaklink/reports'
import { lockFile } from '@weaklink/runtime'
import { generateBusiness, type PlantedWeakLink } from '@weaklink/simulator'
import { Command } from 'commander'
import { importFiles } from '../import/import.ts'
import { type CommonOptions, type Run, withTracker } from '../run.ts'
import { UsageError } from '../terminal.ts'
import { breakpointsAnswer } from './report.ts'

const DEMO_DIRECTORY = '.weaklink/demo'
const MARKER = 'demo.txt'
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
      // Only a directory that was named on the command line: WEAKLINK_DATA_DIR is where the user's own data is.
      if (root?.getOptionValueSource('dataDir') !== 'cli') root?.setOptionValue('dataDir', DEMO_DIRECTORY)
      const { dataDir } = command.optsWithGlobals<CommonOptions>()
      clear(dataDir)

      const { interactions, planted } = generateBusiness(BUSINESS)
      const folder = mkdtempSync(join(tmpdir(), 'weaklink-demo-'))
      const file = join(folder, 'business.jsonl')
      try {
        writeFileSync(file, interactions.map((interaction) => `${JSON.stringify(interaction)}\n`).join(''))
        await withTracker(command, { create: true, embedded: true }, async (run) => {
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

/**
 * Empties the directory of an earlier demo, while nobody uses it.
 *
 * @throws UsageError where it holds data that no demo made; InUseError where somebody works on it
 */
function clear(dataDir: string): void {
  const marker = join(dataDir, MARKER)
  if (existsSync(join(dataDir, 'clickhouse')) && !existsSync(marker)) {
    throw new UsageError(`${dataDir} holds data that no demo made; name another directory with --data-dir.`)
  }
  const lock = lockFile(join(dataDir, 'clickhouse', 'lock'), 'weaklink demo')
  try {
    const clickhouse = readdirSync(join(dataDir, 'clickhouse')).filter((name) => !name.endsWith('lock'))
    for (const name of clickhouse) rmSync(join(dataDir, 'clickhouse', name), { recursive: true, force: true })
    for (const name of ['log', 'rejected', 'imports.json'])
      rmSync(join(dataDir, name), { recursive: true, force: true })
    writeFileSync(marker, 'Made by weaklink demo, which empties this directory each time.\n')
  } finally {
    lock.release()
  }
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
