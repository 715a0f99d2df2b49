import { expect, test } from 'vitest'
import { retry } from '../src/index.ts'

const failing = (times: number) => {
  let calls = 0
  return async () => {
    calls++
    if (calls <= times) throw new Error(`failure ${calls}`)
    return calls
  }
}

test('tries until it succeeds, each wait within its bounds and below the maximum', async () => {
  const waits: [attempt: number, delayMs: number][] = []
  const answer = await retry(failing(4), {
    firstDelayMs: 2,
    maxDelayMs: 8,
    onRetry: (_error, attempt, delayMs) => waits.push([attempt, delayMs]),
  })
  expect(answer).toBe(5)
  expect(waits.map(([attempt]) => attempt)).toEqual([1, 2, 3, 4])
  const full = [2, 4, 8, 8]
  for (const [index, [, delayMs]] of waits.entries()) {
    expect(delayMs).toBeGreaterThanOrEqual(full[index]! / 2)
    expect(delayMs).toBeLessThanOrEqual(full[index]!)
  }
})

test('gives up on an error that no repetition can heal', async () => {
  const giveUp = (error: unknown) => error instanceof Error && error.message === 'failure 2'
  await expect(retry(failing(9), { firstDelayMs: 1, maxDelayMs: 1, giveUp })).rejects.toThrow('failure 2')
})

test('ends with the reason of the signal, also in the middle of a wait', async () => {
  const stop = new AbortController()
  const trying = retry(failing(9), {
    signal: stop.signal,
    firstDelayMs: 3_600_000,
    maxDelayMs: 3_600_000,
    onRetry: () => setImmediate(() => stop.abort(new Error('closing'))),
  })
  await expect(trying).rejects.toThrow('closing')
})
