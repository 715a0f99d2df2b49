import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bodies, sender } from './load.ts'
import { markdownTable, percentile, writeBenchmark } from './support.ts'

// What taking a batch in durably costs, against a bare fastify route that only parses the same JSON and answers. Each
// server has a process of its own, and so has the load: this one.

const SECONDS = Number(process.argv[2] ?? 6)
const ROUNDS = 5
const BATCH = 100
const CONNECTIONS = 16
const SERVER = fileURLToPath(new URL('collector-server.ts', import.meta.url))

interface Server {
  readonly url: string
  cpuSeconds(): Promise<number>
  stop(): void
}

async function start(...args: string[]): Promise<Server> {
  const child = fork(SERVER, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  return { url, cpuSeconds: () => cpuSecondsOf(child), stop: () => child.kill('SIGKILL') }
}

async function cpuSecondsOf(child: ChildProcess): Promise<number> {
  child.send('cpu')
  const [{ cpuSeconds }] = (await once(child, 'message')) as [{ cpuSeconds: number }]
  return cpuSeconds
}

interface Run {
  readonly perSecond: number
  readonly perCpuSecond: number
  readonly p99Ms: number
}

async function run(server: Server, batches: readonly Buffer[]): Promise<Run> {
  const load = sender(`${server.url}/v1/interactions`, 'key', CONNECTIONS)
  const before = await server.cpuSeconds()
  const started = performance.now()
  const until = started + SECONDS * 1_000
  const took: number[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (performance.now() < until) {
        const sentAt = performance.now()
        const { status, body } = await load.send(batches[next++ % batches.length]!)
        if (status >= 300) throw new Error(`answered ${status}: ${body}`)
        took.push(performance.now() - sentAt)
      }
    }),
  )
  const seconds = (performance.now() - started) / 1_000
  const cpu = (await server.cpuSeconds()) - before
  load.close()
  const n = took.length * BATCH
  const p99Ms = percentile(
    took.sort((a, b) => a - b),
    0.99,
  )
  return { perSecond: n / seconds, perCpuSecond: n / cpu, p99Ms }
}

const folder = mkdtempSync(join(tmpdir(), 'weaklink-bench-'))
const servers = { bare: await start('bare'), collector: await start('collector', join(folder, 'log')) }
try {
  const batches = bodies(500, BATCH, 'b')
  const runs: Record<keyof typeof servers, Run[]> = { bare: [], collector: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    for (const kind of round % 2 === 0 ? (['bare', 'collector'] as const) : (['collector', 'bare'] as const)) {
      const one = await run(servers[kind], batches)
      // The first round warms up.
      if (round > 0) runs[kind].push(one)
    }
  }
  const median = (kind: keyof typeof runs, what: keyof Run) =>
    percentile(
      runs[kind].map((one) => one[what]).sort((a, b) => a - b),
      0.5,
    )
  const n = (value: number) => Math.round(value).toLocaleString('en-US')
  const row = (title: string, kind: keyof typeof runs) => [
    title,
    n(median(kind, 'perSecond')),
    n(median(kind, 'perCpuSecond')),
    median(kind, 'p99Ms').toFixed(0),
    (median(kind, 'perCpuSecond') / median('bare', 'perCpuSecond')).toFixed(2),
  ]
  const right = (title: string) => ({ title, align: 'right' as const })
  writeBenchmark(
    'collector',
    `# Collector

Written by \`npm run bench:collector -- ${SECONDS}\`: batches of ${BATCH} interactions (${n(batches[0]?.length ?? 0)} bytes) over ${CONNECTIONS} connections, the load in a process of its own. The collector checks, encodes and appends to the log on disk (fsync) before it answers 202; the bare fastify route parses the same JSON and answers. Medians of ${ROUNDS} runs of ${SECONDS} seconds, taken in turn; CPU-seconds are those of the server's process, the ratio compares interactions per CPU-second.

${markdownTable(
  [
    { title: 'what', align: 'left' },
    right('interactions a second'),
    right('interactions per CPU-second'),
    right('p99 of an answer, ms'),
    right('ratio'),
  ],
  [row('a bare fastify route: parse, answer', 'bare'), row('POST /v1/interactions: durable', 'collector')],
)}`,
  )
} finally {
  for (const server of Object.values(servers)) server.stop()
  rmSync(folder, { recursive: true, force: true })
}
