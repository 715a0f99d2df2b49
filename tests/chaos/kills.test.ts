import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { chance, generateBusiness } from '../../services/simulator/src/index.ts'
import { BIN, temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// SIGKILL at random moments of an import, and the same import again: nothing is lost, nothing counted twice. Only a
// kill that meets a running import counts. `npm run test:kills` is the long one; WEAKLINK_SEED draws the same moments.

const kills = Number(process.env.WEAKLINK_KILLS ?? 8)
const customers = Number(process.env.WEAKLINK_CUSTOMERS ?? 2_500)
const seed = Number(process.env.WEAKLINK_SEED ?? Math.floor(Math.random() * 2 ** 32))
/** Imports that may be started for one kill that counts. */
const ATTEMPTS = 10
/** How long an import may live on without its ClickHouse; it gives up after a second. */
const ORPHAN_MS = 60_000
const POLL_MS = 10

const folder = temporaryFolder()
afterAll(() => folder.remove())

const events = join(folder.path, 'events.jsonl')
const { interactions } = generateBusiness({ seed: 5, customers, days: 120, start: Date.UTC(2026, 0, 5) })
const lines = interactions.map((interaction) => JSON.stringify(interaction))
// Somebody has more interactions than a customer may have: what only the tracker can reject, all through the last tenth.
const LIMIT = 20_000
const beyondLimit = LIMIT / 10
const every = lines.length / (LIMIT + beyondLimit)
const busy = Array.from({ length: LIMIT + beyondLimit }, (_, k) => {
  const like = interactions[Math.floor(k * every)]
  return JSON.stringify({ ...like, id: `busy-${k}`, customer: 'busy' })
})
for (let k = busy.length - 1; k >= 0; k--) lines.splice(Math.floor(k * every), 0, busy[k]!)
const good = lines.length - beyondLimit
// Every hundredth line is none: what is rejected must survive the kills as well, and stand there once.
const broken: string[] = []
for (let k = 50; k < lines.length; k += 101) {
  broken.push(`{"broken line": ${k}`)
  lines.splice(k, 0, `{"broken line": ${k}`)
}
writeFileSync(events, `${lines.join('\n')}\n`)

interface Summary {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: number
  readonly rejectedFile: string
}

const importInto = (dataDir: string) => ['import', events, '--clock', 'data', '--data-dir', dataDir]

async function state(dataDir: string): Promise<object> {
  const chains = await weaklink([
    'sql',
    'SELECT * FROM chain_interactions ORDER BY customer, ordinal, position',
    '--json',
    '--data-dir',
    dataDir,
  ])
  const report = await weaklink(['report', 'breakpoints', '--by', 'channel', '--json', '--data-dir', dataDir])
  expect([chains.status, report.status], `${chains.stderr}${report.stderr}`).toEqual([0, 0])
  return { report: report.stdout, chains: chains.stdout }
}

/** The running server of a data directory, as the file says that it left; a killed import leaves one behind as well. */
function endpointOf(dataDir: string): string | null {
  try {
    return readFileSync(join(dataDir, 'clickhouse', 'endpoint.json'), 'utf8')
  } catch {
    return null
  }
}

/** Bytes in the file of rejected lines, where one was begun since that instant: it grows with what is read. */
function rejectedBytes(dataDir: string, since: number): number {
  try {
    const directory = join(dataDir, 'rejected')
    const files = readdirSync(directory).map((name) => statSync(join(directory, name)))
    return Math.max(0, ...files.map((file) => (file.mtimeMs >= since ? file.size : 0)))
  } catch {
    return 0
  }
}

type Victim = 'everything' | 'ClickHouse alone'

interface Moment {
  /** Everything is read: what is left is to derive, and to write what the tracker rejected. Else: the import is started. */
  readonly after: 'reading' | 'start'
  readonly ms: number
}

/** When the undisturbed import had begun to work, had read everything, and was over: milliseconds since its start. */
interface Undisturbed {
  readonly begunMs: number
  readonly readMs: number
  readonly ms: number
  /** In the file of rejected lines when everything is read. */
  readonly readBytes: number
}

/** Runs the import undisturbed; measures it. */
async function undisturbed(dataDir: string): Promise<Undisturbed & { readonly summary: Summary }> {
  const [since, started] = [Date.now(), performance.now()]
  const seen: { readonly ms: number; readonly begun: boolean; readonly bytes: number }[] = []
  const watch = setInterval(() => {
    const ms = performance.now() - started
    seen.push({ ms, begun: endpointOf(dataDir) !== null, bytes: rejectedBytes(dataDir, since) })
  }, POLL_MS)
  const summary = await weaklinkJson<Summary>(importInto(dataDir))
  clearInterval(watch)
  const ms = performance.now() - started
  const whileReading = rejectedLines(summary).slice(0, broken.length)
  const readBytes = Buffer.byteLength(whileReading.map((line) => `${line}\n`).join(''))
  const begunMs = seen.find(({ begun }) => begun)?.ms ?? 0
  return { summary, begunMs, readMs: seen.find(({ bytes }) => bytes >= readBytes)?.ms ?? ms, ms, readBytes }
}

function rejectedLines({ rejectedFile }: Summary): string[] {
  return readFileSync(rejectedFile, 'utf8').trimEnd().split('\n')
}

/**
 * Starts the import in a process group of its own and kills all of it, with its ClickHouse, or only that.
 *
 * @returns how long the import had run, milliseconds, and whether it was at work when the signal went out, had not yet
 *   begun, or was already over
 */
async function kill(
  dataDir: string,
  victim: Victim,
  moment: Moment,
  readBytes: number,
): Promise<{ readonly ranMs: number; readonly was: 'at work' | 'starting' | 'over' }> {
  const { CLICKHOUSE_URL: _, ...env } = process.env
  const stale = endpointOf(dataDir)
  const [since, started] = [Date.now(), performance.now()]
  const child = spawn(process.execPath, [BIN, ...importInto(dataDir)], {
    detached: true,
    stdio: 'ignore',
    env: { ...env, WEAKLINK_GIVE_UP_SECONDS: '1' },
  })
  let over = false
  const ended = new Promise<{ status: number | null; signal: string | null }>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (status, signal) => {
      over = true
      resolve({ status, signal })
    })
  })
  if (moment.after === 'reading') {
    while (!over && rejectedBytes(dataDir, since) < readBytes) await Promise.race([sleep(POLL_MS), ended])
  }
  await Promise.race([sleep(moment.ms), ended])

  const ranMs = performance.now() - started
  const endpoint = endpointOf(dataDir)
  // The passwords in it are new at every start. Without it the server does not answer yet, and there is no work.
  const server = endpoint === null || endpoint === stale ? null : (JSON.parse(endpoint) as { readonly pid: number }).pid
  if (victim === 'everything') {
    signal(-(child.pid ?? 0))
    if (server !== null) signal(server)
  } else {
    // Where there is none yet to kill, the import goes.
    signal(server ?? -(child.pid ?? 0))
  }
  const gaveUp = await Promise.race([ended.then(() => false), sleep(ORPHAN_MS, true, { ref: false })])
  if (gaveUp) {
    signal(-(child.pid ?? 0))
    throw new Error(`an import whose ClickHouse was killed was still there after ${ORPHAN_MS / 1000} s`)
  }
  const outcome = await ended
  if (victim === 'everything' ? outcome.signal !== 'SIGKILL' : outcome.status === 0) return { ranMs, was: 'over' }
  return { ranMs, was: server === null ? 'starting' : 'at work' }
}

/** SIGKILL, to a process or (negative) a group, which may be gone already. */
function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

describe(`an import that is killed ${kills} times (seed ${seed})`, () => {
  it('comes to the same chains and the same report as one that is not', { timeout: 3_600_000 }, async () => {
    const whole = join(folder.path, 'whole')
    const { summary, begunMs, readMs, ms, readBytes } = await undisturbed(whole)
    const rejected = broken.length + beyondLimit
    expect(summary).toMatchObject({ accepted: good, duplicates: 0, rejected })
    const texts = rejectedLines(summary).map((line) => (JSON.parse(line) as { text: string }).text)
    expect(texts.slice(0, broken.length)).toEqual(broken)
    expect(new Set(texts).size).toBe(rejected)

    const data = join(folder.path, 'killed')
    const random = chance(seed).next
    const met: { readonly victim: Victim; readonly after: Moment['after']; readonly part: number }[] = []
    /** The newest import that nobody disturbed; the machine may be busier, or less busy, than it was at first. */
    let newestMs = ms
    /** When the newest import had begun at the earliest. */
    let newestBegunMs = begunMs
    let attempts = 0
    while (met.length < kills) {
      const k = met.length
      if (attempts++ >= kills * ATTEMPTS) {
        throw new Error(`only ${k} of ${kills} kills met an import at work in ${kills * ATTEMPTS} attempts`)
      }
      const victim = k % 4 === 3 ? 'ClickHouse alone' : 'everything'
      // Somewhere in the time that an undisturbed run works; every fifth one in the last phase, whenever that begins.
      const moment: Moment =
        k % 5 === 2
          ? { after: 'reading', ms: random() * (ms - readMs) }
          : { after: 'start', ms: newestBegunMs + random() * (newestMs - newestBegunMs) }
      const { ranMs, was } = await kill(data, victim, moment, readBytes)
      const part = (ranMs - begunMs) / (newestMs - begunMs)
      if (was === 'at work') met.push({ victim, after: moment.after, part })
      if (was === 'over') {
        newestBegunMs = Math.min(newestBegunMs, begunMs)
        newestMs = Math.max(ranMs, newestBegunMs + 1)
      }
      if (was === 'starting') {
        newestBegunMs = Math.max(newestBegunMs, ranMs)
        newestMs = Math.max(newestMs, newestBegunMs + ms - begunMs)
      }
    }
    const tenths = new Array<number>(11).fill(0)
    for (const { part } of met) tenths[Math.min(10, Math.max(0, Math.floor(10 * part)))]!++
    const count = (is: (one: (typeof met)[number]) => boolean) => met.filter(is).length
    const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`
    console.log(
      [
        `seed ${seed}: of ${attempts} imports of ${lines.length} lines, ${kills} were killed at work`,
        `everything ${count(({ victim }) => victim === 'everything')}, ClickHouse alone ${count(({ victim }) => victim !== 'everything')}`,
        `undisturbed: begun after ${seconds(begunMs)}, read after ${seconds(readMs)}, over after ${seconds(ms)}; the newest after ${seconds(newestMs)}`,
        `kills by tenths of an undisturbed run's work: ${tenths.slice(0, 10).join(' ')}, later: ${tenths[10]}`,
        `kills on purpose when everything was read: ${count(({ after }) => after === 'reading')}`,
      ].join('\n'),
    )

    const last = await weaklinkJson<Summary>(importInto(data))
    expect({ rejected: last.rejected, there: last.accepted + last.duplicates }).toEqual({ rejected, there: good })
    expect(readFileSync(last.rejectedFile, 'utf8') === readFileSync(summary.rejectedFile, 'utf8')).toBe(true)
    expect(await state(data)).toEqual(await state(whole))
  })
})
