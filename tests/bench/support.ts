import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { builtinCatalogue } from '../../packages/chains/src/index.ts'
import { QueueLogReader } from '../../packages/interactions/src/index.ts'
import { importFiles } from '../../services/cli/src/import/import.ts'
import { FLUSH_MS } from '../../services/cli/src/run.ts'
import { openWorkspace } from '../../services/cli/src/workspace.ts'
import { startTracker } from '../../services/tracker/src/index.ts'

/** What benchmarks share: reading what a process has used (Linux), figures, and the page in docs/benchmarks. */

/** CPU-seconds that a process has used so far. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  // In ticks, of which Linux has 100 a second on every machine that we run on.
  return (Number(user) + Number(system)) / 100
}

/** CPU-seconds that all processes of the machine have used since it started. */
export function cpuSecondsOfMachine(): number {
  const [user, nice, system, , , irq, softirq] =
    readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).slice(1).map(Number) ?? []
  return [user, nice, system, irq, softirq].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) / 100
}

/** The most memory, in MiB, that a process has ever had resident. */
export function peakResidentMb(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) / 1024
}

/**
 * Nearest rank: the value at the 1-based rank ceil(p · n).
 *
 * @param sorted in ascending order, at least one
 * @param p above 0, at most 1
 */
export function percentile(sorted: readonly number[], p: number): number {
  const value = sorted[Math.ceil(p * sorted.length) - 1]
  if (value === undefined) throw new RangeError(`there is no percentile ${p} of ${sorted.length} values`)
  return value
}

export interface Column {
  readonly title: string
  readonly align: 'left' | 'right'
}

export function markdownTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map(({ align }) => (align === 'right' ? '---:' : '---'))),
    ...rows.map(line),
  ].join('')
}

/** A new data directory with its log and a tracker, as `weaklink import` has them. */
export async function openForImport(dataDir: string) {
  const workspace = await openWorkspace({ dataDir, what: 'a benchmark', create: true, embedded: true, onRetry() {} })
  const log = await workspace.openLog()
  const { trackerStore: store } = workspace
  const tracker = await startTracker({ log, store, catalogue: builtinCatalogue, clock: 'none', flushMs: FLUSH_MS })
  return {
    workspace,
    importFile: (file: string) =>
      importFiles(workspace, log, tracker, {
        ...{ files: [file], clock: 'data', queueLog: new QueueLogReader(), onProgress() {} },
      }),
    /** The workspace stays open. */
    stopTracker: () => tracker.stop(),
  }
}

/** Prints the page and writes it to docs/benchmarks/NAME.md, in the project's format. */
export function writeBenchmark(name: string, text: string): void {
  process.stdout.write(text)
  const path = fileURLToPath(new URL(`../../docs/benchmarks/${name}.md`, import.meta.url))
  writeFileSync(path, text)
  const biome = fileURLToPath(new URL('../../node_modules/.bin/biome', import.meta.url))
  execFileSync(biome, ['format', '--write', path], { stdio: ['ignore', 'ignore', 'inherit'] })
}
