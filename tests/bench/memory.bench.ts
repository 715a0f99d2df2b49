import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BIN, temporaryFolder } from '../support/weaklink.ts'
import { writeStream } from './stream.ts'
import { markdownTable, writeBenchmark } from './support.ts'

/**
 * A million customers with an open chain each: what the process that tracks them has resident while it imports them, and
 * how long another one takes to go on from there. Both are the command that a user would run.
 * `npm run bench:memory [-- CUSTOMERS]`; the page is docs/benchmarks/memory.md.
 */

const customers = Number(process.argv[2] ?? 1_000_000)
const EACH = 2

interface Memory {
  readonly resident: number
  /** Of it: pages of files, above all of the log, which the system takes back when it needs them. */
  readonly ofFiles: number
}

interface Run {
  readonly seconds: number
  readonly peak: Memory
  readonly summary: { readonly accepted: number }
}

async function importing(file: string, dataDir: string): Promise<Run> {
  const started = performance.now()
  const args = [BIN, 'import', file, '--clock', 'data', '--json', '--data-dir', dataDir]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (text) => {
    out += text
  })
  let ended = false
  const end = new Promise<void>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      ended = true
      if (code === 0) resolve()
      else reject(new Error(`weaklink import ended with ${code}`))
    })
  })
  let peak: Memory = { resident: 0, ofFiles: 0 }
  const watch = async () => {
    while (!ended) {
      const now = memoryOf(child.pid ?? 0)
      if (now.resident > peak.resident) peak = now
      await sleep(50)
    }
  }
  await Promise.all([end, watch()])
  return { seconds: (performance.now() - started) / 1000, peak, summary: JSON.parse(out) }
}

/** Megabytes (10^6 bytes) that a process has resident now; none once it is gone. */
function memoryOf(pid: number): Memory {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const of = (name: string) =>
      (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024) / 1e6
    return { resident: of('VmRSS'), ofFiles: of('RssFile') }
  } catch {
    return { resident: 0, ofFiles: 0 }
  }
}

const folder = temporaryFolder()
try {
  const [everybody, one, dataDir] = ['everybody.jsonl', 'one.jsonl', 'data'].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ]
  // Twenty days, with a patience of thirty: nobody's chain has ended when the last interaction happens.
  const options = { interactions: EACH * customers, customers, days: 20, nobodyDecides: true }
  writeStream(everybody, options)
  writeStream(one, { ...options, interactions: 1, customers: 1, days: 0, idPrefix: 'one more ' })
  const first = await importing(everybody, dataDir)
  const again = await importing(one, dataDir)

  const right = (title: string) => ({ title, align: 'right' as const })
  const n = (value: number) => Math.round(value).toLocaleString('en-US')
  const row = (what: string, { summary, seconds, peak }: Run) => [
    what,
    n(summary.accepted),
    seconds.toFixed(1),
    n(peak.resident),
    n(peak.ofFiles),
  ]
  writeBenchmark(
    'memory',
    `# Memory

Written by \`npm run bench:memory -- ${customers}\`: ${n(customers)} customers with an open chain each, ${EACH} interactions of each, in one file. Megabytes of the process that reads, logs and tracks (ClickHouse is another one), at its peak; those of files are pages of the log, which the system takes back when it needs them. The second line is the same command with one interaction more, on the directory of the first: all that a restart does, from the start of the process to its end.

${markdownTable(
  [{ title: 'what', align: 'left' }, right('interactions'), right('seconds'), right('MB resident'), right('of files')],
  [row('import of everybody', first), row('start again, and one more', again)],
)}
Starting again takes ${(first.seconds / again.seconds).toFixed(0)} times less time than the import did.
`,
  )
} finally {
  folder.remove()
}
