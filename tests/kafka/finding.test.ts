import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/weaklink.ts'

// Where a broker comes from, and what is said where there is none.

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const VITEST = join(createRequire(import.meta.url).resolve('vitest/package.json'), '../vitest.mjs')
const CONFIG = fileURLToPath(new URL('programs/vitest.config.ts', import.meta.url))
const folder = temporaryFolder()
/** Takes connections and says nothing: a Docker engine that hangs. */
let silent: Server
beforeAll(async () => {
  silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
})
afterAll(() => {
  silent.close()
  folder.remove()
})

/** A folder for PATH with nothing but these programs, shell scripts. */
function path(name: string, programs: Readonly<Record<string, string>> = {}): string {
  const bin = join(folder.path, name)
  mkdirSync(bin)
  for (const [program, script] of Object.entries(programs)) {
    writeFileSync(join(bin, program), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, program), 0o755)
  }
  return bin
}

interface Outcome {
  readonly status: number
  readonly said: string
}

/** Runs Node with these arguments and this environment alone. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { NO_COLOR: '1', ...env } })
  const [out, err, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: status as number, said: `${out}\n${err}` }
}

const suite = (env: NodeJS.ProcessEnv) => run([VITEST, 'run', '--config', CONFIG], env)

describe('without Java and Docker', () => {
  let bare: string
  beforeAll(() => {
    bare = path('bare')
  })

  test('suites are left out, and a line says which and why', async () => {
    const { status, said } = await suite({ PATH: bare })
    expect(said).toMatch(
      /Left out: "on Kafka", because there is no Kafka: KAFKA_BROKERS is not set; there is no Docker; /,
    )
    expect(said).toMatch(/Left out: "with Java", because There is no Java here .*install Java 17/)
    expect(said).toMatch(/2 skipped/)
    expect(status).toBe(0)
  })

  test('in CI that is a failure', async () => {
    const { status, said } = await suite({ PATH: bare, CI: 'true' })
    expect(said).toMatch(/In CI nothing may be left out: there is no Kafka: KAFKA_BROKERS is not set; /)
    expect(status).toBe(1)
  })

  test('KAFKA_BROKERS is enough for those that need only a broker', async () => {
    const { status, said } = await suite({ PATH: bare, KAFKA_BROKERS: 'one:9092,two:9092' })
    expect(said).not.toContain('Left out: "on Kafka"')
    expect(said).toMatch(/1 passed \| 1 skipped/)
    expect(status).toBe(0)
  })

  test('npm run kafka says what to install', async () => {
    const { status, said } = await run(['infra/kafka/dev.ts'], { PATH: bare })
    expect(said.trim()).toMatch(/^There is no Java here .*: install Java 17 or newer, or set JAVA_HOME\.$/)
    expect(status).toBe(1)
  })
})

test('a Java that is too old is named', async () => {
  const PATH = path('old', { java: `echo 'openjdk version "11.0.22" 2024-01-16' >&2` })
  const { status, said } = await run(['infra/kafka/dev.ts'], { PATH })
  expect(said).toContain('Kafka needs Java 17 or newer, and "java" is openjdk version "11.0.22" 2024-01-16')
  expect(status).toBe(1)
})

test('a Docker engine that hangs holds nobody up', async () => {
  const { port } = silent.address() as AddressInfo
  // The real client where there is one; else one that hangs as well.
  const PATH = `${path('docker', { docker: 'exec /bin/sleep 600' })}`
  const { said } = await suite({ PATH, DOCKER_HOST: `tcp://127.0.0.1:${port}` })
  expect(said).toContain('no Docker engine answers')
})
