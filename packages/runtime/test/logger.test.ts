import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** Logs one line in a process of its own (the logger writes to the real stderr) and answers what came out. */
function logged(options: object, fields: object) {
  const index = fileURLToPath(new URL('../src/index.ts', import.meta.url))
  const script = `import { createLogger } from ${JSON.stringify(index)}
    const log = createLogger(${JSON.stringify({ name: 'tracker', ...options })})
    log.debug('not important'); log.info(${JSON.stringify(fields)}, 'started'); process.kill(process.pid, 'SIGKILL')`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
}

test('writes JSON to stderr at once, nothing below its level, and no secrets', () => {
  const fields = { port: 1, writeKey: 's1', clickhouse: { password: 's2', user: { apiKey: 's3' } } }
  const { stdout, stderr } = logged({}, fields)
  expect(stdout).toBe('')
  expect(stderr).not.toMatch(/s[123]"/)
  expect(JSON.parse(stderr)).toMatchObject({
    level: 30,
    name: 'tracker',
    msg: 'started',
    port: 1,
    writeKey: '[Redacted]',
  })
})

test('keeps the key of a request out of the log', () => {
  const { stderr } = logged({}, { request: { headers: { 'x-api-key': 'secret1', authorization: 'secret2' } } })
  expect(stderr).toContain('[Redacted]')
  expect(stderr).not.toMatch(/secret[12]/)
})

test('writes a readable line where asked', () => {
  const { stderr } = logged({ pretty: true }, { port: 1, writeKey: 's1' })
  expect(stderr).toMatch(/^\d\d:\d\d:\d\d info tracker: started port=1 writeKey="\[Redacted\]"\n$/)
})
