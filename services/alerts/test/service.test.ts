import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { EventLog } from '@weaklink/event-log'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import { ALERTS_TOPIC, encodeFact, INTERACTIONS_TOPIC, type Interaction } from '@weaklink/interactions'
import { createLogger } from '@weaklink/runtime/logger'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Alert, memoryOf, type Notifier, parseAlerts, startAlerts } from '../src/index.ts'

const PROGRAM = fileURLToPath(new URL('programs/alerting.ts', import.meta.url))
const PARTITIONS = 3
const RULES = `
rules:
  - { name: too-long, waiting: { longerThan: 1s } }
  - { name: crowd, queueLength: { above: 3 } }
`

let directory: string
let log: EventLog
const started: ChildProcess[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weaklink-alerts-'))
  log = await openEmbeddedLog(join(directory, 'log'))
  await log.createTopic(INTERACTIONS_TOPIC, PARTITIONS)
})
afterEach(async () => {
  for (const child of started.splice(0)) await kill(child)
  await log.close()
  await rm(directory, { recursive: true, force: true })
})

/** A process of its own, killed as if the power went. */
function start(rules = RULES): ChildProcess {
  const child = spawn(process.execPath, [PROGRAM, join(directory, 'log'), join(directory, 'told'), rules], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  started.push(child)
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

interface Line {
  readonly pid: number
  readonly alert: Alert
}

function told(): Line[] {
  const path = join(directory, 'told')
  if (!existsSync(path)) return []
  // A process that is killed may leave half a line.
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Line)
}

const states = (rule = 'too-long') =>
  new Set(
    told()
      .filter(({ alert }) => alert.rule === rule)
      .map(({ alert }) => `${alert.labels.customer ?? ''} ${alert.endsAt === null ? 'firing' : 'resolved'}`.trim()),
  )

async function until(what: () => boolean): Promise<void> {
  while (!what()) await sleep(20)
}

async function append(...interactions: Interaction[]): Promise<void> {
  await log.append(
    INTERACTIONS_TOPIC,
    interactions.map((interaction, k) => ({
      partition: k % PARTITIONS,
      ...encodeFact({ kind: 'interaction', interaction }),
    })),
  )
}

let made = 0
const enters = (customer: string): Interaction => ({
  ...{ id: `q${made++}`, customer, touchpoint: 'call_queue', at: Date.now() },
  ...{ episode: customer, queue: 'support' },
})
/** Always on the partition of the call: a test has few of them. */
async function ends(customer: string): Promise<void> {
  const interaction: Interaction = { ...enters(customer), touchpoint: 'call_wait', waitMs: 5, outcome: 'abandoned' }
  await append(interaction)
}

const PEOPLE = ['anna', 'boris', 'clara', 'dora', 'emil', 'fay']

describe('killed while alerts fire and calls wait', () => {
  it('nothing is missed, and nothing fires twice under a new key', async () => {
    const first = start()
    await append(...PEOPLE.slice(0, 3).map(enters))
    await until(() => states().size === 3)
    // These two still are within what the rule allows.
    await append(enters('dora'), enters('emil'))
    await until(() => states('crowd').has('firing'))
    await kill(first)
    await ends('anna')
    await append(enters('fay'))
    const second = start()
    await until(() => ['anna resolved', 'dora firing', 'emil firing', 'fay firing'].every((one) => states().has(one)))
    await kill(second)
    for (const who of PEOPLE.slice(1)) await ends(who)
    start()
    await until(() => states().size === 12 && states('crowd').has('resolved'))
    const keys = Map.groupBy(told(), ({ alert }) => alert.labels.customer ?? alert.rule)
    for (const lines of keys.values()) expect(new Set(lines.map(({ alert }) => alert.key)).size).toBe(1)
    expect(keys.size).toBe(7)
    const [again] = told().filter(({ pid, alert }) => pid === second.pid && alert.labels.customer === 'boris')
    // What fires still is told by whoever comes, under the key it has.
    expect(again?.alert.startsAt).toBe(told().find(({ alert }) => alert.labels.customer === 'boris')?.alert.startsAt)
  }, 60_000)

  it('one alerts, the other stands by until it is needed', async () => {
    const first = start()
    await append(enters('anna'))
    await until(() => states().has('anna firing'))
    const second = start()
    await append(enters('boris'))
    await until(() => states().has('boris firing'))
    expect(new Set(told().map(({ pid }) => pid))).toEqual(new Set([first.pid]))
    await kill(first)
    await ends('boris')
    await until(() => states().has('boris resolved'))
    expect(told().at(-1)?.pid).toBe(second.pid)
  }, 60_000)
})

describe('in one process', () => {
  const logger = createLogger({ level: 'silent' })
  const begin = (told: Alert[], registry = new Registry(), more: Partial<Notifier> = {}) =>
    startAlerts({
      log,
      store: null,
      rules: parseAlerts(RULES, 'alerts.yaml', {}).rules,
      notifier: () => ({ tell: (changes) => void told.push(...changes), recall() {}, stop: async () => {}, ...more }),
      registry,
      logger,
    })

  it('what fires is in the topic before it is told, and in the metrics', async () => {
    const [seen, registry] = [[] as Alert[], new Registry()]
    let recorded: readonly string[] = []
    const alerts = begin(seen, registry, {
      tell(changes) {
        seen.push(...changes)
        if (changes.length > 0)
          void memoryOf(log)
            .load()
            .then((records) => {
              recorded = records.map(({ key }) => key)
            })
      },
    })
    await append(enters('anna'))
    await until(() => recorded.length > 0)
    expect(recorded).toEqual([`alert/${seen.at(-1)?.key}`])
    expect(alerts.isWorking()).toBe(true)
    expect(alerts.alerts().map(({ labels }) => labels.customer)).toEqual(['anna'])
    const text = await registry.metrics()
    expect(text).toContain('weaklink_alerts_firing{rule="too-long",severity="warning"} 1')
    expect(text).toContain('weaklink_alerts_working 1')
    expect(text).toContain('weaklink_alerts_changes_total{rule="too-long",state="firing"} 1')
    await alerts.stop()
    expect((await log.ranges(ALERTS_TOPIC))[0]?.end).toBe(1)
  }, 30_000)

  it('recalls what the topic holds before anything is told, then what others write to it', async () => {
    const memory = memoryOf(log)
    await log.createTopic(ALERTS_TOPIC, 1)
    await memory.remember([
      { key: 'silence/1', value: { who: 'ann' } },
      { key: 'silence/2', value: 2 },
      { key: 'silence/1', value: null },
    ])
    const order: string[] = []
    const alerts = begin([], new Registry(), {
      tell: (changes) => void order.push(`tell ${changes.length}`),
      recall: (records) => void order.push(...records.map(({ key, value }) => `${key} ${JSON.stringify(value)}`)),
    })
    await until(() => order.length === 2)
    await memory.remember([{ key: 'silence/3', value: 3 }])
    await until(() => order.length === 3)
    expect(order).toEqual(['silence/2 2', 'tell 0', 'silence/3 3'])
    await alerts.stop()
  }, 30_000)

  it('a record that nobody can read stops nothing', async () => {
    await log.createTopic(ALERTS_TOPIC, 1)
    const key = Buffer.from('alert/broken')
    await log.append(ALERTS_TOPIC, [
      { partition: 0, key, value: Buffer.from('{') },
      { partition: 0, key: null, value: Buffer.from('1') },
      { partition: 0, key, value: Buffer.from('{"print":"x","group":"","alert":{}}') },
    ])
    await log.append(INTERACTIONS_TOPIC, [{ partition: 0, key, value: Buffer.from('nonsense') }])
    const seen: Alert[] = []
    const alerts = begin(seen)
    await append(enters('anna'))
    await until(() => seen.length > 0)
    await alerts.stop()
  }, 30_000)
})

it('remembers much at once, in order', async () => {
  await log.createTopic(ALERTS_TOPIC, 1)
  const memory = memoryOf(log)
  const records = Array.from({ length: 3_000 }, (_, k) => ({ key: `k${k}`, value: { text: 'x'.repeat(500), k } }))
  await memory.remember(records)
  const loaded = await memory.load()
  expect(loaded.map(({ key, value }) => ({ key, value }))).toEqual(records)
})
