import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** Starts the process, sends each signal once its stdout has the line named, and answers how it ended. */
async function run(behaviour: string, signals: readonly { after: string; send: NodeJS.Signals }[]) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('shutting-down.ts', import.meta.url)), behaviour])
  const pending = [...signals]
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', (text) => {
    stderr += text
  })
  child.stdout.on('data', (text) => {
    stdout += text
    const next = pending[0]
    if (next !== undefined && stdout.includes(next.after)) {
      pending.shift()
      child.kill(next.send)
    }
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, lines: stdout.trim().split('\n'), stderr }
}

test('a signal closes in reverse order and exits with 0', async () => {
  const { code, lines } = await run('', [{ after: 'ready', send: 'SIGTERM' }])
  expect(lines).toEqual(['ready', 'second closed', 'first closed'])
  expect(code).toBe(0)
})

test('a closer that fails is logged, the others still close, the exit code is 1', async () => {
  const { code, lines, stderr } = await run('fail', [{ after: 'ready', send: 'SIGINT' }])
  expect(lines).toEqual(['ready', 'first closed'])
  expect(stderr).toContain('could not close second')
  expect(code).toBe(1)
})

test('a second signal exits at once', async () => {
  const { code } = await run('hang', [
    { after: 'ready', send: 'SIGTERM' },
    { after: 'hanging', send: 'SIGINT' },
  ])
  expect(code).toBe(130)
})
