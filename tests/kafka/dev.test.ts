import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, expect, test } from 'vitest'
import { freePorts } from '../../infra/kafka/ports.ts'
import { describeWithJava } from '../support/kafka.ts'
import { until } from '../support/up.ts'
import { temporaryFolder } from '../support/weaklink.ts'

const DEV = fileURLToPath(new URL('../../infra/kafka/dev.ts', import.meta.url))

await describeWithJava('npm run kafka', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  /** Runs it until it is ready, does the work, and ends it as Ctrl-C does. */
  async function whileItRuns(args: readonly string[], work: () => Promise<void>): Promise<string> {
    const child = spawn(process.execPath, [DEV, '--data-dir', folder.path, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    }
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    try {
      await until(() => said.includes('weaklink migrate') || child.exitCode !== null, 'it was ready')
      if (child.exitCode !== null) throw new Error(said)
      await work()
    } finally {
      child.kill('SIGINT')
    }
    expect(await ended).toBe(0)
    return said
  }

  test('says what to set, keeps its data to itself, and begins anew with --fresh', async () => {
    const [port] = (await freePorts(1)) as [number]
    const brokers = `127.0.0.1:${port}`
    const topics = async (create: string[] = []) => {
      const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin()
      await admin.connect()
      if (create.length > 0)
        await admin.createTopics({ topics: create.map((topic) => ({ topic, numPartitions: 2 })), waitForLeaders: true })
      const found = await admin.listTopics()
      await admin.disconnect()
      return found
    }
    const said = await whileItRuns(['--port', `${port}`], async () => {
      expect(await topics(['kept'])).toEqual(['kept'])
      await expect(whileItRuns(['--port', `${port + 1}`, '--fresh'], async () => {})).rejects.toThrow(
        /is in use by process/,
      )
    })
    expect(said).toContain(`export KAFKA_BROKERS=${brokers}\n`)
    expect(said).toContain('weaklink migrate --partitions 8')
    await whileItRuns(['--port', `${port}`], async () => expect(await topics()).toEqual(['kept']))
    await whileItRuns(['--port', `${port}`, '--fresh'], async () => expect(await topics()).toEqual([]))
    expect(existsSync(join(folder.path, '.gitignore'))).toBe(true)
  })
})
