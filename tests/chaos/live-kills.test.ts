import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { chance } from '../../services/simulator/src/index.ts'
import { BIN, temporaryFolder, weaklinkJson } from '../support/weaklink.ts'

// SIGKILL of `weaklink up` with everything under it, at random moments of live traffic: what was acknowledged is there
// once, and what was not may be there once, if its sender sends it again. WEAKLINK_SEED draws the same moments.

const kills = Number(process.env.WEAKLINK_LIVE_KILLS ?? 20)
const seed = Number(process.env.WEAKLINK_SEED ?? Math.floor(Math.random() * 2 ** 32))
const SENDERS = 4
const BATCH = 20
/** At most so long each process lives once it is ready. */
const LIFE_MS = 1_500
const DEVICES = 3

const folder = temporaryFolder()
/** Those that were started and have not ended: whatever fails, none stays behind. */
const living = new Set<ChildProcess>()
afterAll(() => {
  // ClickHouse dies with its parent.
  for (const child of living) child.kill('SIGKILL')
  folder.remove()
})
const dataDir = join(folder.path, 'data')

interface Ready {
  readonly url: string
  readonly keys?: { readonly write: string }
}

/** A tree of processes in a group of its own, so that one signal ends all of it but ClickHouse, which dies with its parent. */
async function up(port: number): Promise<{ ready: Ready; child: ChildProcess }> {
  const args = [BIN, 'up', '--json', '--port', String(port), '--data-dir', dataDir]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  living.add(child)
  child.once('exit', () => living.delete(child))
  let text = ''
  for await (const line of createInterface({ input: child.stdout! })) {
    text += line
    if (line === '}') return { ready: JSON.parse(text) as Ready, child }
  }
  throw new Error(`weaklink up ended before it was ready: ${text}`)
}

describe('live traffic', () => {
  it(`every acknowledged interaction is there once after ${kills} kills`, { timeout: 600_000 }, async () => {
    const { between, happens } = chance(seed)
    const first = await up(0)
    let child = first.child
    const port = Number(new URL(first.ready.url).port)
    const key = first.ready.keys?.write ?? ''
    const acknowledged: string[] = []
    const sent = new Set<string>()
    let unanswered = 0
    /** Requests that a living process did not answer, and a dead one did not break off. */
    let hung = 0
    let stopped = false

    const post = async (batch: readonly { id: string }[]): Promise<boolean> => {
      try {
        const answer = await fetch(`http://127.0.0.1:${port}/v1/interactions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify(batch),
          signal: AbortSignal.timeout(10_000),
        })
        if (answer.status !== 202) return false
        const { accepted } = (await answer.json()) as { accepted: number }
        expect(accepted).toBe(batch.length)
        return true
      } catch (error) {
        if (error instanceof DOMException && error.name === 'TimeoutError') hung++
        return false
      }
    }
    const sender = async (which: number) => {
      for (let n = 0; !stopped; n++) {
        const batch = Array.from({ length: BATCH }, (_, k) => {
          const who = { customer: `c${which}-${n % 50}`, device: `d${which}-${n % 50}-${k % DEVICES}` }
          // Somebody is anonymous until they log in: then both ids come, and everything is the customer's.
          const person =
            k % 4 === 0
              ? { anonymousId: who.device }
              : k % 4 === 1
                ? { customer: who.customer, anonymousId: who.device }
                : { customer: who.customer }
          return {
            id: `${which}-${n}-${k}`,
            touchpoint: k % 7 === 6 ? 'purchase' : 'site_visit',
            at: Date.now(),
            ...person,
          }
        })
        for (const { id } of batch) sent.add(id)
        const tries = happens(0.5) ? 200 : 1
        let done = false
        for (let attempt = 0; attempt < tries && !done && !stopped; attempt++) {
          if (attempt > 0) await sleep(50)
          done = await post(batch)
        }
        if (done) for (const { id } of batch) acknowledged.push(id)
        else {
          unanswered++
          await sleep(20)
        }
      }
    }
    const sending = Promise.all(Array.from({ length: SENDERS }, (_, k) => sender(k)))
    for (let kill = 0; kill < kills; kill++) {
      await sleep(between(0, LIFE_MS))
      process.kill(-child.pid!, 'SIGKILL')
      child = (await up(port)).child
    }
    await sleep(500)
    stopped = true
    await sending
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))

    // The next process takes in what the last one had not.
    const last = await up(port)
    const wrong = async () => {
      const query = 'SELECT id, count() AS n FROM chain_interactions GROUP BY id'
      const { rows } = await weaklinkJson<{ rows: { id: string; n: number }[] }>(['sql', query, '--data-dir', dataDir])
      const there = new Set(rows.map(({ id }) => id))
      return {
        missing: acknowledged.filter((id) => !there.has(id)),
        twice: rows.filter(({ n }) => n !== 1),
        neverSent: rows.filter(({ id }) => !sent.has(id)),
      }
    }
    await expect
      .poll(wrong, { timeout: 60_000, message: `seed ${seed}` })
      .toEqual({ missing: [], twice: [], neverSent: [] })
    expect(acknowledged.length).toBeGreaterThan(kills * BATCH)
    expect(unanswered).toBeGreaterThan(0)
    expect(hung).toBe(0)
    last.child.kill('SIGTERM')
    await new Promise((resolve) => last.child.once('exit', resolve))
  })
})
