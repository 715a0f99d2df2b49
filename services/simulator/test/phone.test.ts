import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LocalTime } from '../src/company/local-time.ts'
import { PhoneLine, PICK_UP_MS, type Roster } from '../src/company/phone-line.ts'
import { roster, type Staffing } from '../src/company/staff.ts'
import { type Process, Timeline } from '../src/company/timeline.ts'
import { type Occurrence, simulate } from '../src/index.ts'

const DAY = 86_400_000
const HOUR = 3_600_000
const CUSTOMERS_A_DAY = 90
const START = Date.UTC(2026, 2, 16)

interface Caller {
  readonly at: number
  readonly patienceMs: number
  readonly talkMs: number
}

interface Served {
  readonly caller: number
  readonly agent: string | null
  /** Of the answer, or of hanging up. */
  readonly at: number
}

describe('a telephone line', () => {
  const caller = fc.record({ at: fc.nat(4_000), patienceMs: fc.nat(1_500), talkMs: fc.integer({ min: 1, max: 900 }) })
  const callers = fc
    .array(caller, { maxLength: 40 })
    .map((list) => list.sort((a, b) => a.at - b.at || a.patienceMs - b.patienceMs))
  /** How many agents work in each stretch of 1,000 ms. */
  const shifts = fc.array(fc.nat(3), { minLength: 1, maxLength: 6 })

  it('serves first come, first served, with every idle agent, whoever waits no longer than their patience', () => {
    fc.assert(
      fc.property(callers, shifts, (list, agents) => {
        const served = runLine(list, rosterOf(agents))
        expect(served.map(({ caller }) => caller).sort((a, b) => a - b)).toEqual(list.map((_, k) => k))
        const working = (at: number) => agents[Math.floor(at / 1_000)] ?? 0
        const answered = served.filter(({ agent }) => agent !== null)
        const talks = answered.map(({ caller, agent, at }) => ({
          agent,
          from: at - PICK_UP_MS,
          to: at + list[caller]!.talkMs,
          caller,
        }))
        for (const talk of talks) {
          // On shift, and one at a time.
          expect(Number(talk.agent)).toBeLessThan(working(talk.from))
          const same = talks.filter((other) => other !== talk && other.agent === talk.agent)
          expect(same.every((other) => other.to <= talk.from || other.from >= talk.to)).toBe(true)
          // Within patience, after all who came before or gave up.
          expect(talk.from).toBeLessThanOrEqual(list[talk.caller]!.at + list[talk.caller]!.patienceMs)
          expect(talks.every((other) => other.caller > talk.caller || other.from <= talk.from)).toBe(true)
        }
        for (const { caller, agent, at } of served) {
          const { at: came, patienceMs } = list[caller]!
          const until = agent === null ? at : at - PICK_UP_MS
          if (agent === null) expect(at).toBe(came + patienceMs)
          // Nobody waits while an agent is idle.
          for (let instant = came; instant < until; instant++) {
            const busy = talks.filter(({ from, to }) => from <= instant && instant < to)
            const idle = working(instant) - busy.filter((talk) => Number(talk.agent) < working(instant)).length
            expect(idle, `at ${instant} caller ${caller} waits`).toBe(0)
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('lets nobody wait where agents are plenty', () => {
    const list = Array.from({ length: 50 }, (_, k) => ({ at: k * 10, patienceMs: 0, talkMs: 5_000 }))
    const served = runLine(list, rosterOf(Array(100).fill(50)))
    expect(served.map(({ at, caller }) => at - list[caller]!.at)).toEqual(list.map(() => PICK_UP_MS))
  })
})

describe('the calls of the company', () => {
  const occurrences = [...simulate({ seed: 8, start: START, end: START + 30 * DAY, customersPerDay: CUSTOMERS_A_DAY })]
  const time = new LocalTime(null)
  const calls = callsOf(occurrences)

  it('are announced at once, and every one that was ended by hanging up or by an answer', () => {
    const ended = calls.filter(({ to }) => to < START + 29 * DAY)
    expect(ended.length).toBeGreaterThan(1_000)
    for (const { queuedAt, waitedUntil, waitMs, abandoned, answers } of ended) {
      expect(waitMs).toBe(waitedUntil - queuedAt)
      if (abandoned) expect(answers).toEqual([])
      else expect(answers.length).toBeGreaterThan(0)
    }
  })

  it('are taken in the order in which they came, by agents on shift, each of them one at a time', () => {
    const staffing: Staffing = { customersPerDay: () => CUSTOMERS_A_DAY, share: 1, longLunch: true, prefix: 'agent-' }
    const onShift = roster(time, staffing)
    const taken = calls.filter(({ abandoned }) => !abandoned)
    for (const [k, call] of taken.entries()) {
      const from = call.waitedUntil - PICK_UP_MS
      if (k > 0) expect(taken[k - 1]!.waitedUntil).toBeLessThanOrEqual(call.waitedUntil)
      if (call.answers[0] !== undefined) expect(onShift.onShift(from)).toContain(call.answers[0].agent)
    }
    const talks = taken.flatMap(({ answers }) => answers)
    expect(talks.length).toBeGreaterThan(1_000)
    for (const own of Map.groupBy(talks, ({ agent }) => agent).values()) {
      own.sort((a, b) => a.from - b.from)
      for (const [k, talk] of own.entries()) if (k > 0) expect(own[k - 1]!.to).toBeLessThanOrEqual(talk.from)
    }
  })

  it('wait longest, and are given up, at lunch by the local clock, in winter and in summer', () => {
    const hour = (at: number) => Math.floor((time.of(at) % DAY) / HOUR)
    for (const month of [2, 3]) {
      const inMonth = calls.filter(({ queuedAt }) => new Date(queuedAt).getUTCMonth() === month)
      const lunch = inMonth.filter(({ queuedAt }) => hour(queuedAt) === 12 || hour(queuedAt) === 13)
      const rest = inMonth.filter(({ queuedAt }) => hour(queuedAt) < 12 || hour(queuedAt) > 13)
      const lost = (of: typeof calls) => of.filter(({ abandoned }) => abandoned).length / of.length
      expect(lost(lunch)).toBeGreaterThan(0.3)
      expect(lost(rest)).toBeLessThan(0.1)
    }
  })

  it('obey Little’s law: those who wait at a time are those who come in a time, times how long they wait', () => {
    const [from, to] = [START + DAY, START + 28 * DAY]
    const inside = calls.filter(({ queuedAt }) => queuedAt >= from && queuedAt < to)
    const meanWait = inside.reduce((sum, { waitMs }) => sum + waitMs, 0) / inside.length
    let waiting = 0
    let seen = 0
    for (let at = from; at < to; at += 60_000, seen++) {
      waiting += inside.filter(({ queuedAt, waitedUntil }) => queuedAt <= at && at < waitedUntil).length
    }
    const expected = (inside.length / (to - from)) * meanWait
    expect(waiting / seen / expected).toBeGreaterThan(0.9)
    expect(waiting / seen / expected).toBeLessThan(1.1)
  })
})

/** Lets these callers call; who waited how long. */
function runLine(list: readonly Caller[], agents: Roster): Served[] {
  const timeline = new Timeline(0)
  const line = new PhoneLine('line', timeline, agents)
  const served: Served[] = []
  function* life(caller: number, { at, patienceMs, talkMs }: Caller): Process {
    yield at
    const agent = yield* line.wait(patienceMs)
    served.push({ caller, agent, at: timeline.now })
    if (agent === null) return
    yield timeline.now + talkMs
    line.hangUp(agent)
  }
  for (const [k, caller] of list.entries()) timeline.run(life(k, caller))
  while (timeline.next < 1_000_000) timeline.step()
  return served
}

function rosterOf(agents: readonly number[]): Roster {
  return {
    onShift: (at) => Array.from({ length: agents[Math.floor(at / 1_000)] ?? 0 }, (_, k) => String(k)),
    nextChange: (at) => (Math.floor(at / 1_000) + 1) * 1_000,
  }
}

/** By the time of their begin: what the interactions of each call to the service line say. */
function callsOf(occurrences: readonly Occurrence[]) {
  const episodes = Map.groupBy(occurrences, ({ interaction }) => interaction.episode ?? '')
  return [...episodes.values()].flatMap((own) => {
    const [queued, waited, ...rest] = own.map(({ interaction }) => interaction)
    if (queued?.touchpoint !== 'call_queue' || waited === undefined) return []
    expect(waited.touchpoint).toBe('call_wait')
    const answers = rest
      .filter(({ touchpoint }) => touchpoint === 'call_answer')
      .map(({ agent, at, durationMs = 0 }) => ({ agent, from: at - durationMs - PICK_UP_MS, to: at }))
    return [
      {
        queuedAt: queued.at,
        waitedUntil: waited.at,
        waitMs: waited.waitMs ?? Number.NaN,
        abandoned: waited.outcome === 'abandoned',
        answers,
        to: own.at(-1)!.at,
      },
    ]
  })
}
