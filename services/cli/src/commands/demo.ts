import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BreakpointsReport, breakpointsText, type TouchpointsReport } from '@weaklink/reports'
import { KEYS_FILE, lockFile } from '@weaklink/runtime'
import { type PlantedWeakLink, planted, runSimulator, type SimulatorProgress } from '@weaklink/simulator'
import { Command } from 'commander'
import { type CommonOptions, namesOf } from '../run.ts'
import { refusalOf } from '../target.ts'
import { CommandError, openTerminal, type Terminal, UsageError } from '../terminal.ts'
import { portOf } from '../up/http.ts'
import { LOCK } from '../up/service.ts'
import { untilStopped } from '../up/signals.ts'
import type { Running } from '../up/start.ts'

const DEMO_DIRECTORY = '.weaklink/demo'
const MARKER = 'demo.txt'
/** What a directory of Weaklink holds. */
const CONTENT = ['log', 'rejected', 'imports.json', KEYS_FILE]
const SEED = 7
const HISTORY = { days: 90, customersPerDay: 45 } as const
/** So many times busier than in its history the company goes on, so that one sees something happen. */
const LIVE_SPEED = 1_000

interface DemoFlags extends CommonOptions {
  readonly exit?: boolean
  readonly stay?: boolean
  readonly port: number
}

interface Found {
  readonly planted: PlantedWeakLink
  /** 1 = the weakest place of the report; null where the report does not list it. */
  readonly rank: number | null
  readonly report: BreakpointsReport
}

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'a simulated company with planted weak links: its history, whether the report finds them, and live traffic',
    )
    .option('--exit', 'end when the report is printed; without a terminal it does that by itself')
    .option('--stay', 'go on also without a terminal')
    .option('--port <n>', 'where it listens; 0 takes any free one', portOf, 0)
    .addHelpText('after', `\nBegins anew each time, in ${DEMO_DIRECTORY} unless --data-dir names another directory.`)
    .action(async (_flags: unknown, command: Command) => {
      const root = command.parent
      // Only a directory that was named on the command line: WEAKLINK_DATA_DIR is where the user's own data is.
      if (root?.getOptionValueSource('dataDir') !== 'cli') root?.setOptionValue('dataDir', DEMO_DIRECTORY)
      const { dataDir, json = false, exit = false, stay = false, port } = command.optsWithGlobals<DemoFlags>()
      const terminal = openTerminal({ json })
      clear(dataDir)
      // What a service brings along is large: only it loads it.
      const [{ startUp }, { createLogger }] = await Promise.all([
        import('../up/start.ts'),
        import('@weaklink/runtime/logger'),
      ])
      await untilStopped(
        (signal) =>
          startUp({
            ...{ dataDir, port, what: 'weaklink demo', embedded: true, signal },
            environment: process.env,
            logger: createLogger({ level: 'error' }),
          }),
        {
          async ready(running, signal) {
            const simulator = new AbortController()
            const ends = exit || (!stay && process.stdout.isTTY !== true)
            const company = startCompany(running, terminal, AbortSignal.any([signal, simulator.signal]), !ends)
            try {
              await company.history
              await answer(running, terminal, dataDir, ends)
              if (ends) return 'stop'
              terminal.note('\nThe company goes on living, now. Ctrl-C stops it.')
              await Promise.race([company.ended, running.done])
              return 'stop'
            } finally {
              simulator.abort()
              await company.ended.catch(() => {})
            }
          },
          stopping: () => terminal.note('\nStopping.'),
        },
      )
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
  const locks = [join(dataDir, LOCK), join(dataDir, 'clickhouse', 'lock')].map((path) =>
    lockFile(path, 'weaklink demo'),
  )
  try {
    const clickhouse = readdirSync(join(dataDir, 'clickhouse')).filter((name) => !name.endsWith('lock'))
    for (const name of clickhouse) rmSync(join(dataDir, 'clickhouse', name), { recursive: true, force: true })
    for (const name of CONTENT) rmSync(join(dataDir, name), { recursive: true, force: true })
    writeFileSync(marker, 'Made by weaklink demo, which empties this directory each time.\n')
  } finally {
    for (const lock of locks) lock.release()
  }
}

/** The company sends to the collector as any producer does. */
function startCompany(
  { url, keys }: Running,
  terminal: Terminal,
  signal: AbortSignal,
  live: boolean,
): { readonly history: Promise<void>; readonly ended: Promise<void> } {
  const customers = HISTORY.days * HISTORY.customersPerDay
  terminal.note(
    `A company that repairs heatings and household appliances: ${HISTORY.days} days, some ${customers.toLocaleString('en-US')} people, some of whom it knows only by their cookies, sent over HTTP to ${url}.`,
  )
  const bar = terminal.progress()
  const begin = Date.now()
  const started = performance.now()
  const historySent = Promise.withResolvers<void>()
  let over = false
  const historyIsOver = ({ sent, rejected }: Pick<SimulatorProgress, 'sent' | 'rejected'>) => {
    if (over) return
    over = true
    bar.stop()
    if (signal.aborted) return historySent.reject(signal.reason)
    const seconds = ((performance.now() - started) / 1_000).toFixed(1)
    const refused = rejected === 0 ? '' : `, ${rejected.toLocaleString('en-US')} of them rejected`
    terminal.note(`${sent.toLocaleString('en-US')} interactions in ${seconds} s${refused}.\n`)
    historySent.resolve()
  }
  const ended = runSimulator({
    ...{ url, writeKey: keys?.write ?? '', seed: SEED, history: HISTORY, signal },
    ...(live ? { live: { speed: LIVE_SPEED } } : {}),
    onProgress(progress) {
      if (progress.phase === 'live') return historyIsOver(progress)
      const passed = 1 - (begin - progress.at) / (HISTORY.days * 86_400_000)
      bar.show(passed, progress.trouble ?? `${progress.sent.toLocaleString('en-US')} interactions`)
    },
  }).then(historyIsOver)
  ended.catch((error: unknown) => {
    bar.stop()
    historySent.reject(error)
  })
  return { history: historySent.promise.then(() => undefined), ended }
}

async function answer(running: Running, terminal: Terminal, dataDir: string, ends: boolean): Promise<void> {
  await running.judged(Date.now())
  const report = await ask<BreakpointsReport>(running, '/api/v1/reports/breakpoints')
  const { touchpoints } = await ask<TouchpointsReport>(running, '/api/v1/touchpoints')
  const names = namesOf(touchpoints)
  const found: Found[] = []
  for (const one of planted()) {
    const where = (one.where ?? []).map((each) => `where=${encodeURIComponent(each)}`).join('&')
    const within =
      one.where === null ? report : await ask<BreakpointsReport>(running, `/api/v1/reports/breakpoints?${where}`)
    const place = within.groups[0]?.breakpoints.findIndex(({ touchpoint }) => touchpoint === one.touchpoint) ?? -1
    found.push({ planted: one, rank: place < 0 ? null : place + 1, report: within })
  }
  terminal.answer(
    () =>
      [
        breakpointsText(report, { style: terminal.style, width: terminal.width, names }),
        terminal.style.bold('What was planted, and where the report has it:'),
        ...found.map((one) => foundText(one)),
        '',
        ...(ends
          ? ['Look further:']
          : [
              terminal.style.bold(`It answers at ${running.url}; what it takes and answers: ${running.url}/docs`),
              'In another terminal:',
              `  npx weaklink tail --data-dir ${dataDir}`,
            ]),
        `  npx weaklink report breakpoints --where campaign=summer_sale --by props.device --data-dir ${dataDir}`,
        `  npx weaklink report chains --place call_wait --limit 10 --data-dir ${dataDir}`,
        `  npx weaklink chain customer-00002 --data-dir ${dataDir}`,
        `  npx weaklink sql "SELECT place, reason, count() FROM chains GROUP BY ALL ORDER BY 3 DESC" --data-dir ${dataDir}`,
      ].join('\n'),
    () => ({ url: running.url, report, planted: found.map(({ planted: one, rank }) => ({ ...one, rank })) }),
  )
}

/** As anybody asks. */
async function ask<T>({ url, keys }: Running, path: string): Promise<T> {
  const answered = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${keys?.admin}` } })
  if (answered.ok) return (await answered.json()) as T
  throw new CommandError(`${path} was refused: ${await refusalOf(answered)}`)
}

function foundText({ planted, rank, report }: Found): string {
  const where = (planted.where ?? []).map((each) => ` --where ${each}`).join('')
  const place = report.groups[0]?.breakpoints[(rank ?? 0) - 1]
  const says =
    place === undefined
      ? 'not listed'
      : `no. ${rank}${where === '' ? '' : ` with${where}`}: ${place.broke} of ${place.reached} chains broke there, ${place.excess.toFixed(0)} more than expected`
  return `  ${planted.touchpoint}: ${planted.what}\n    → ${says}`
}
