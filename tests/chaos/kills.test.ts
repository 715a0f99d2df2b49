import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { generateBusiness } from '../../services/simulator/src/index.ts'
import { BIN, temporaryFolder, weaklink, weaklinkJson } from '../support/weaklink.ts'

// SIGKILL at random moments of an import, and the same import again: nothing is lost, nothing counted twice.

const kills = Number(process.env.WEAKLINK_KILLS ?? 8)
const customers = Number(process.env.WEAKLINK_CUSTOMERS ?? 2_500)
const seed = Number(process.env.WEAKLINK_SEED ?? Math.floor(Math.random() * 1e9))

const folder = temporaryFolder()
afterAll(() => folder.remove())

const events = join(folder.path, 'events.jsonl')
const { interactions } = generateBusiness({ seed: 5, customers, days: 120, start: Date.UTC(2026, 0, 5) })
const lines = interactions.map((interaction) => JSON.stringify(interaction))
// Every hundredth line is none: what is rejected must survive the kills as well, and stand there once.
for (let k = 50; k < lines.length; k += 101) lines.splice(k, 0, `{"broken line": ${k}`)
writeFileSync(events, `${lines.join('\n')}\n`)
const rejected = lines.length - interactions.length

interface Summary {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: number
  readonly rejectedFile: string
}

async function state(dataDir: string): Promise<object> {
  const chains = await weaklink([
    'sql',
    'SELECT * FROM chain_interactions ORDER BY customer, ordinal, position',
    '--json',
    '--data-dir',
    dataDir,
  ])
  const report = await weaklink(['report', 'breakpoints', '--by', 'channel', '--json', '--data-dir', dataDir])
  return { report: report.stdout, chains: chains.stdout }
}

/** Starts the import in a process group of its own and kills all of it, or only its ClickHouse, after a while. */
async function killed(dataDir: string, afterMs: number, only: 'everything' | 'ClickHouse'): Promise<void> {
  const { CLICKHOUSE_URL: _, ...env } = process.env
  const child = spawn(process.execPath, [BIN, 'import', events, '--clock', 'data', '--data-dir', dataDir], {
    detached: true,
    stdio: 'ignore',
    env: { ...env, WEAKLINK_GIVE_UP_SECONDS: '1' },
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  await Promise.race([sleep(afterMs), ended])
  try {
    if (only === 'everything') process.kill(-(child.pid ?? 0), 'SIGKILL')
    else process.kill(JSON.parse(readFileSync(join(dataDir, 'clickhouse', 'endpoint.json'), 'utf8')).pid, 'SIGKILL')
  } catch {
    // It had not begun, or was already over: then this was no kill, and that is fine.
  }
  await ended
}

describe(`an import that is killed ${kills} times (seed ${seed})`, () => {
  it('comes to the same chains and the same report as one that is not', { timeout: 1_200_000 }, async () => {
    const whole = join(folder.path, 'whole')
    const started = performance.now()
    expect(await weaklinkJson<Summary>(['import', events, '--clock', 'data', '--data-dir', whole])).toMatchObject({
      accepted: interactions.length,
      rejected,
    })
    const tookMs = performance.now() - started

    const data = join(folder.path, 'killed')
    let random = seed
    for (let k = 0; k < kills; k++) {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0
      await killed(data, ((random >>> 8) / 2 ** 24) * tookMs, k % 4 === 3 ? 'ClickHouse' : 'everything')
    }
    const last = await weaklinkJson<Summary>(['import', events, '--clock', 'data', '--data-dir', data])
    expect({ ...last, accepted: last.accepted + last.duplicates }).toMatchObject({
      accepted: interactions.length,
      rejected,
    })
    expect(readFileSync(last.rejectedFile, 'utf8').trimEnd().split('\n')).toHaveLength(rejected)
    expect(await state(data)).toEqual(await state(whole))
  })
})
