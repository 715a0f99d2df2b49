import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expected } from './expected.ts'
import { MISTAKES } from './mistakes.ts'
import { type Schedule, schedules } from './schedule.ts'
import { type Outcome, type Plant, simulate } from './simulator.ts'

/**
 * L4: however the log is cut into batches, wherever the tracker dies and starts again, whatever it forgets, and whoever
 * else still writes: the rows are those of the oracle, nothing is counted twice, and nothing rejected is lost.
 *
 * A failure prints its seed and path. With both, the one schedule that failed is run again, exactly:
 *
 *     WEAKLINK_SEED=… WEAKLINK_PATH=… npx vitest run services/tracker/test/schedules.test.ts
 *
 * With the seed alone all schedules of that run are, up to the failure and its shrinking. WEAKLINK_RUNS=100000 looks for
 * some minutes.
 */

/** In one run, of the real tracker as well as of each mistake. */
const SCHEDULES = 1_000
const HOUR_MS = 3_600_000
/** What is planted must be found from wherever chance begins. */
const SEEDS = [1, 2, 3]

/** In the end the outcome, or a part of it, is as the oracle says. */
const property = (plant?: Plant, part: (outcome: Outcome) => unknown = (outcome) => outcome) =>
  fc.asyncProperty(schedules, async (schedule) => {
    const { outcome, logs } = await simulate(schedule, plant)
    expect(part(outcome)).toEqual(part(expected(schedule, logs)))
  })

/** What the environment says about a run of fast-check. */
function fromEnvironment({
  WEAKLINK_SEED,
  WEAKLINK_PATH,
  WEAKLINK_RUNS,
}: NodeJS.ProcessEnv): fc.Parameters<[Schedule]> {
  return {
    numRuns: Number(WEAKLINK_RUNS ?? SCHEDULES),
    ...(WEAKLINK_SEED === undefined ? {} : { seed: Number(WEAKLINK_SEED) }),
    ...(WEAKLINK_PATH === undefined ? {} : { path: WEAKLINK_PATH, endOnFailure: true }),
  }
}

async function report(details: fc.RunDetails<[Schedule]>): Promise<void> {
  if (!details.failed) return
  const replay = `WEAKLINK_SEED=${details.seed} WEAKLINK_PATH=${details.counterexamplePath}`
  throw new Error(`Replay it with ${replay}\n${await fc.asyncDefaultReportMessage(details)}`, {
    cause: details.errorInstance,
  })
}

describe('the tracker of a partition', () => {
  it('L4: batches, flushes, deaths, evictions and late writers change nothing', { timeout: HOUR_MS }, async () => {
    await fc.assert(property(), { ...fromEnvironment(process.env), asyncReporter: report })
  })
})

describe('the simulator', () => {
  it('lets a process die at whatever it asks for', async () => {
    const died = new Set<string>()
    for (const schedule of fc.sample(schedules, { seed: 1, numRuns: 200 })) {
      for (const what of (await simulate(schedule)).deaths) died.add(what)
    }
    expect([...died].sort()).toEqual([
      'follow',
      'loadAhead',
      'loadCatalogue',
      'loadCatalogues',
      'loadDeadlines',
      'loadHistories',
      'loadPositions',
      'putAside',
      'tell',
      'writePositions',
      'writeRows, customers',
      'writeRows, identities',
      'writeRows, interactions',
    ])
  })

  it.each(Object.entries(MISTAKES))('finds the mistake that %s', async (_, { plant, breaks, shownBy }) => {
    if (shownBy !== undefined) {
      const [right, wrong] = [await simulate(shownBy), await simulate(shownBy, plant)]
      expect(right.outcome).toEqual(expected(shownBy, right.logs))
      expect(breaks(wrong.outcome)).not.toEqual(breaks(expected(shownBy, wrong.logs)))
      return
    }
    for (const seed of SEEDS) {
      const found = await fc.check(property(plant, breaks), { seed, numRuns: SCHEDULES, endOnFailure: true })
      // Not because something was thrown: because the outcome is wrong.
      expect(found.errorInstance, `seed ${seed}`).toMatchObject({ name: 'AssertionError' })
    }
  })

  it('finds the same one again by seed and path', async () => {
    const { plant, breaks } = MISTAKES['T is lost at a restart']!
    const first = await fc.check(property(plant, breaks), { seed: 1, numRuns: SCHEDULES, endOnFailure: true })
    expect(first.failed).toBe(true)
    const again = await fc.check(
      property(plant, breaks),
      fromEnvironment({ WEAKLINK_SEED: String(first.seed), WEAKLINK_PATH: first.counterexamplePath ?? '' }),
    )
    expect(again.numRuns).toBe(1)
    expect(fc.stringify(again.counterexample)).toBe(fc.stringify(first.counterexample))
  })
})
