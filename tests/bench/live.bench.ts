import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { BIN, temporaryFolder, weaklinkJson } from '../support/weaklink.ts'
import { bodies, type Sender, sender } from './load.ts'
import { cpuSecondsOf, markdownTable, percentile, writeBenchmark } from './support.ts'

// `weaklink up` as users run it, with the load in a process of its own (this one): how long from the answer of the
// collector to the report, and what happens when twice as much is offered as it can take.

const VISIBLE_SECONDS = Number(process.argv[2] ?? 60)
const OVERLOAD_SECONDS = Number(process.argv[3] ?? 60)
const PER_SECOND = 1_000
const CAPACITY_SECONDS = 20
const BATCH = 100
const CONNECTIONS = 64
/** How often something is sent whose way to the report is timed. */
const PROBE_MS = 250
const POLL_MS = 50

interface Ready {
  readonly url: string
  readonly pid: number
  readonly keys: { readonly write: string; readonly admin: string }
}

async function up(dataDir: string): Promise<{ ready: Ready; child: ChildProcess }> {
  const child = spawn(process.execPath, [BIN, 'up', '--json', '--port', '0', '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let text = ''
  for await (const line of createInterface({ input: child.stdout! })) {
    text += line
    if (line === '}') break
  }
  child.stdout?.resume()
  return { ready: JSON.parse(text) as Ready, child }
}

/** Sends what `next` gives at a steady pace, however slow the answers are. */
async function pace(seconds: number, perSecond: number, send: (k: number) => void): Promise<void> {
  const started = performance.now()
  for (let k = 0; ; ) {
    const elapsed = (performance.now() - started) / 1_000
    if (elapsed >= seconds) return
    for (; k < elapsed * perSecond; k++) send(k)
    await sleep(5)
  }
}

/** Interactions with the touchpoint `probe` that the report counts. */
async function probesSeen({ url, keys }: Ready): Promise<number> {
  const answer = await fetch(`${url}/api/v1/reports/breakpoints`, {
    headers: { authorization: `Bearer ${keys.admin}` },
  })
  if (!answer.ok) throw new Error(`the report answered ${answer.status}: ${await answer.text()}`)
  const { groups } = (await answer.json()) as {
    groups: { breakpoints: { touchpoint: string; interactions: number }[] }[]
  }
  return groups[0]?.breakpoints.find(({ touchpoint }) => touchpoint === 'probe')?.interactions ?? 0
}

/** Milliseconds from the answer to an interaction to the first report that counts it, in ascending order. */
async function visible(ready: Ready, load: Sender): Promise<number[]> {
  const size = 20
  const batches = bodies(Math.ceil((VISIBLE_SECONDS * PER_SECOND) / size) + 10, size, 'v')
  const acknowledgedAt: number[] = []
  const took: number[] = []
  let sending = true
  const probing = (async () => {
    for (let k = 0; sending; k++) {
      const probe = [{ id: `p${k}`, customer: `probe-${k}`, touchpoint: 'probe', at: Date.now() }]
      const { status } = await load.send(Buffer.from(JSON.stringify(probe)))
      if (status !== 202) throw new Error(`a probe was answered ${status}`)
      acknowledgedAt.push(performance.now())
      await sleep(PROBE_MS)
    }
  })()
  const polling = (async () => {
    while (sending || took.length < acknowledgedAt.length) {
      const known = acknowledgedAt.length
      const seen = await probesSeen(ready)
      // They are sent one after the other, and the report sees them in that order.
      while (took.length < Math.min(seen, known)) took.push(performance.now() - acknowledgedAt[took.length]!)
      await sleep(POLL_MS)
    }
  })()
  const answers: Promise<unknown>[] = []
  await pace(VISIBLE_SECONDS, PER_SECOND / size, (k) => {
    answers.push(load.send(batches[k % batches.length]!))
  })
  await Promise.all(answers)
  sending = false
  await probing
  await polling
  return took.sort((a, b) => a - b)
}

/** Sends as much as is taken; answers how many interactions a second were. */
async function capacity(load: Sender): Promise<number> {
  const batches = bodies(2_000, BATCH, 'c')
  const until = performance.now() + CAPACITY_SECONDS * 1_000
  let accepted = 0
  let next = 0
  await Promise.all(
    Array.from({ length: CONNECTIONS / 4 }, async () => {
      while (performance.now() < until) {
        const { status, retryAfter } = await load.send(renamed(batches, next++))
        if (status === 202) accepted += BATCH
        else await sleep(Number(retryAfter ?? 1) * 1_000)
      }
    }),
  )
  return accepted / CAPACITY_SECONDS
}

/** The k-th body: when all were sent, the same ones again with other ids, so that each is accepted once. */
function renamed(batches: readonly Buffer[], k: number): Buffer {
  const body = batches[k % batches.length]!
  const round = Math.floor(k / batches.length)
  return round === 0 ? body : Buffer.from(body.toString('utf8').replaceAll('"id":"', `"id":"${round}-`))
}

interface Overload {
  readonly offered: number
  readonly accepted: number
  /** By status: 503 where the tracker is behind, 429 where the key sends too much. */
  readonly refused: Readonly<Record<503 | 429, number>>
  readonly withoutRetryAfter: number
  readonly other: number
  /** Megabytes of the process, every second. */
  readonly memory: readonly number[]
  readonly cpuSeconds: number
}

async function overload(ready: Ready, load: Sender, perSecond: number): Promise<Overload> {
  const batches = bodies(2_000, BATCH, 'o')
  let [accepted, withoutRetryAfter, other] = [0, 0, 0]
  const refused = { 503: 0, 429: 0 }
  const memory: number[] = []
  const look = setInterval(() => memory.push(residentMb(ready.pid)), 1_000)
  const before = cpuSecondsOf(ready.pid)
  const answers: Promise<void>[] = []
  let offered = 0
  await pace(OVERLOAD_SECONDS, perSecond / BATCH, (k) => {
    offered += BATCH
    const sent = load.send(renamed(batches, k)).then(({ status, retryAfter }) => {
      if (status === 202) accepted += BATCH
      else if (status === 503 || status === 429) {
        refused[status] += BATCH
        if (retryAfter === undefined) withoutRetryAfter += BATCH
      } else other += BATCH
    })
    answers.push(sent)
  })
  await Promise.all(answers)
  clearInterval(look)
  const cpuSeconds = cpuSecondsOf(ready.pid) - before
  return { offered, accepted, refused, withoutRetryAfter, other, memory, cpuSeconds }
}

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

async function stored(dataDir: string, prefix: string): Promise<number> {
  const query = `SELECT count() AS n FROM interactions WHERE match(id, '^([0-9]+-)?${prefix}[0-9]')`
  const { rows } = await weaklinkJson<{ rows: [{ n: number }] }>(['sql', query, '--data-dir', dataDir])
  return rows[0].n
}

/** When the tracker has taken everything in. */
async function caughtUp({ url, keys }: Ready): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${keys.admin}` } })
    const text = await answer.text()
    const lags = [...text.matchAll(/^weaklink_tracker_lag_records\{[^}]*\} (\d+)/gm)].map((match) => Number(match[1]))
    if (lags.length > 0 && lags.every((lag) => lag === 0)) break
    await sleep(200)
  }
  // What is taken in is written within a second.
  await sleep(3_000)
}

const folder = temporaryFolder()
const dataDir = join(folder.path, 'data')
const { ready, child } = await up(dataDir)
try {
  const load = sender(`${ready.url}/v1/interactions`, ready.keys.write, CONNECTIONS)
  const took = await visible(ready, load)
  await caughtUp(ready)
  const perSecond = await capacity(load)
  await caughtUp(ready)
  const over = await overload(ready, load, 2 * perSecond)
  await caughtUp(ready)
  const inStore = await stored(dataDir, 'o')
  load.close()
  const n = (value: number) => Math.round(value).toLocaleString('en-US')
  const at = (p: number) => `${(percentile(took, p) / 1_000).toFixed(1)} s`
  const half = over.memory.slice(Math.floor(over.memory.length / 2))
  const row = (what: string, figure: string) => [what, figure]
  writeBenchmark(
    'live',
    `# Live

Written by \`npm run bench:live -- ${VISIBLE_SECONDS} ${OVERLOAD_SECONDS}\`: \`weaklink up\` with everything embedded, the load in a process of its own, all on one machine.

## From the answer to the report

${n(PER_SECOND)} interactions a second for ${VISIBLE_SECONDS} seconds in batches of 20; four times a second one more, whose way is timed from the collector's answer to the first \`GET /api/v1/reports/breakpoints\` that counts it (asked every ${POLL_MS} ms). Of ${n(took.length)}:

${markdownTable(
  [
    { title: 'p50', align: 'right' },
    { title: 'p95', align: 'right' },
    { title: 'p99', align: 'right' },
    { title: 'longest', align: 'right' },
  ],
  [[at(0.5), at(0.95), at(0.99), at(1)]],
)}
## Twice as much as it can take

What it takes for ${CAPACITY_SECONDS} seconds from senders that wait when they are told to is its capacity: ${n(perSecond)} interactions a second. Then twice that was offered for ${OVERLOAD_SECONDS} seconds, in batches of ${BATCH} over ${CONNECTIONS} connections, whatever was answered.

${markdownTable(
  [
    { title: 'what', align: 'left' },
    { title: 'figure', align: 'right' },
  ],
  [
    row('offered', n(over.offered)),
    row('accepted (202)', n(over.accepted)),
    row('stored afterwards', n(inStore)),
    row('told to come later (503: the tracker is behind)', n(over.refused[503])),
    row('told to come later (429: more than the rate of a key)', n(over.refused[429])),
    row('… without Retry-After', n(over.withoutRetryAfter)),
    row('answered otherwise', n(over.other)),
    row(
      'memory of the process: median of the first half',
      `${n(
        percentile(
          [...over.memory.slice(0, half.length)].sort((a, b) => a - b),
          0.5,
        ),
      )} MB`,
    ),
    row(
      '… of the second half',
      `${n(
        percentile(
          [...half].sort((a, b) => a - b),
          0.5,
        ),
      )} MB`,
    ),
    row('… the most', `${n(Math.max(...over.memory))} MB`),
    row('CPU-seconds of the process', over.cpuSeconds.toFixed(1)),
  ],
)}`,
  )
  if (inStore !== over.accepted) throw new Error(`${over.accepted} were accepted, ${inStore} are stored`)
} finally {
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('exit', resolve))
  folder.remove()
}
