import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { EventLog, NewRecord } from '../../packages/event-log/src/index.ts'
import { encodeFact, INTERACTIONS_TOPIC, type Interaction } from '../../packages/interactions/src/index.ts'
import { type LogPlace, openLog } from '../../services/cli/src/workspace.ts'
import { BIN, temporaryFolder } from '../support/weaklink.ts'
import { createTopic, kafkaPlace, startKafka } from './kafka-world.ts'
import { bodies, sender } from './load.ts'
import { type Column, cpuSecondsOf, markdownTable, percentile, writeBenchmark } from './support.ts'

// How long after a customer has waited too long somebody hears of it, while a thousand interactions a second come; against
// what the log itself takes from one program to another. And what fifty thousand calls cost that wait at once.

const SECONDS = Number(process.argv[2] ?? 60)
const PER_SECOND = 1_000
const BATCH = 20
/** Calls that wait too long, a second. */
const CALLS = 10
const LONGER_THAN_MS = 2_000
/** After so long such a call is answered. */
const ANSWERED_MS = 4_000
const WAITING = 50_000
const COST_SECONDS = 30
const PARTITIONS = 4

/** Ascending; from the instant that something was due to the instant that it was there, in milliseconds. */
type Delays = readonly number[]

/** Does something so often a second; `due` is the instant at which it should be, however late the turn comes. */
async function pace(seconds: number, perSecond: number, act: (k: number, due: number) => void): Promise<void> {
  const started = Date.now()
  for (let k = 0; ; ) {
    const now = Date.now()
    if (now >= started + seconds * 1_000) return
    for (; started + (k * 1_000) / perSecond <= now; k++) act(k, started + (k * 1_000) / perSecond)
    await sleep(1)
  }
}

/** From the instant a record is due to a consumer of the same log, with nothing in between. */
async function bare(place: LogPlace, create: (topic: string) => Promise<void>): Promise<Delays> {
  const topic = 'bench-bare'
  await create(topic)
  const [producer, consumer] = [await openLog(place), await openLog(place)]
  const delays: number[] = []
  const reading = await consumer.consume(topic, 'bench', {
    assigned: async () => 0,
    async records(_, records) {
      const now = Date.now()
      for (const { value } of records) delays.push(now - Number(JSON.parse(Buffer.from(value).toString('utf8')).due))
    },
    async caughtUp() {},
    async revoked() {},
    lost() {},
  })
  // A group that has just been formed is not what is measured.
  await warm(producer, topic, () => delays.length)
  delays.length = 0
  const padding = 'x'.repeat(200)
  let sent = 0
  await pace(SECONDS, PER_SECOND, (k, due) => {
    sent += 1
    const value = Buffer.from(JSON.stringify({ due, padding }))
    void producer.append(topic, [{ partition: k % PARTITIONS, key: Buffer.from(`${k}`), value }])
  })
  while (delays.length < sent) await sleep(20)
  await reading.stop()
  await producer.close()
  await consumer.close()
  return delays.sort((a, b) => a - b)
}

async function warm(log: EventLog, topic: string, seen: () => number): Promise<void> {
  const value = Buffer.from(JSON.stringify({ due: 0 }))
  const records: NewRecord[] = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, key: null, value }))
  await log.append(topic, records)
  while (seen() < PARTITIONS) await sleep(20)
}

interface Ready {
  readonly url: string
  readonly keys: { readonly write: string; readonly admin: string }
}

async function up(dataDir: string, environment: NodeJS.ProcessEnv): Promise<{ ready: Ready; child: ChildProcess }> {
  const child = spawn(process.execPath, [BIN, 'up', '--json', '--port', '0', '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, ...environment },
  })
  let text = ''
  for await (const line of createInterface({ input: child.stdout! })) {
    text += line
    if (line === '}') break
  }
  child.stdout?.resume()
  return { ready: JSON.parse(text) as Ready, child }
}

/** A group of Kafka takes some seconds to say whose the work is. */
async function working({ url, keys }: Ready): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${keys.admin}` } })
    if (/^weaklink_alerts_working 1$/m.test(await answer.text())) return
    await sleep(100)
  }
}

/** From the instant a customer has waited too long to the arrival at a webhook, of a whole `weaklink up` under load. */
async function alerts(environment: NodeJS.ProcessEnv): Promise<{ delays: Delays; calls: number; twice: number }> {
  const arrived = new Map<string, number>()
  let twice = 0
  const hook = createServer((request, response) => {
    const now = Date.now()
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const message = JSON.parse(Buffer.concat(parts).toString('utf8')) as {
        alerts: { status: string; labels: Record<string, string> }[]
      }
      for (const { status, labels } of message.alerts) {
        if (status !== 'firing') continue
        const customer = labels.customer ?? ''
        if (arrived.has(customer)) twice += 1
        else arrived.set(customer, now)
      }
      response.end()
    })
  })
  hook.listen(0, '127.0.0.1')
  await once(hook, 'listening')
  const folder = temporaryFolder()
  const dataDir = join(folder.path, 'data')
  const rules = join(folder.path, 'alerts.yaml')
  writeFileSync(
    rules,
    `rules:
  - { name: waiting-too-long, waiting: { longerThan: ${LONGER_THAN_MS}ms } }
notify:
  group: { by: ["..."] }
  receivers: [{ name: hook, webhook: { url: "http://127.0.0.1:${(hook.address() as AddressInfo).port}/" } }]
`,
  )
  const { ready, child } = await up(dataDir, { ...environment, WEAKLINK_ALERTS: rules })
  await working(ready)
  const load = sender(`${ready.url}/v1/interactions`, ready.keys.write, 32)
  const size = BATCH
  const batches = bodies(Math.ceil((SECONDS * PER_SECOND) / size) + 10, size, 'a')
  const dueAt = new Map<string, number>()
  const answers: Promise<unknown>[] = []
  const send = (interactions: readonly object[]) => {
    answers.push(
      load.send(Buffer.from(JSON.stringify(interactions))).then(({ status, body }) => {
        if (status !== 202) throw new Error(`the collector answered ${status}: ${body}`)
      }),
    )
  }
  const traffic = pace(SECONDS, PER_SECOND / size, (k) => {
    answers.push(load.send(batches[k % batches.length]!))
  })
  const calls = pace(SECONDS, CALLS, (k, due) => {
    const customer = `caller-${k}`
    const call = { customer, episode: `call-${k}`, queue: 'support' }
    const at = Math.floor(due)
    dueAt.set(customer, at + LONGER_THAN_MS)
    send([{ ...call, touchpoint: 'call_queue', at }])
    const answered = { ...call, touchpoint: 'call_wait', waitMs: ANSWERED_MS }
    setTimeout(() => send([{ ...answered, at: at + ANSWERED_MS }]), ANSWERED_MS - (Date.now() - due))
  })
  await Promise.all([traffic, calls])
  await sleep(2 * ANSWERED_MS)
  await Promise.all(answers)
  load.close()
  child.kill('SIGTERM')
  await once(child, 'exit')
  hook.close()
  folder.remove()
  const missing = [...dueAt.keys()].filter((customer) => !arrived.has(customer))
  if (missing.length > 0) throw new Error(`of ${dueAt.size} calls ${missing.length} were told to nobody`)
  const delays = [...dueAt].map(([customer, due]) => arrived.get(customer)! - due).sort((a, b) => a - b)
  return { delays, calls: dueAt.size, twice }
}

const RULES = `rules:
  - { name: waiting-too-long, waiting: { longerThan: 30m } }
  - { name: slow-answers, serviceLevel: { within: 20s, below: 1%, over: 15m } }
  - { name: giving-up, abandonRate: { above: 99%, over: 30m } }
  - { name: long-waits, averageWait: { above: 30m, over: 15m } }
  - { name: long-queue, queueLength: { above: 1000000 } }
`

interface Cost {
  readonly what: string
  readonly cores: number
  readonly megabytes: number
}

/** What the alerts alone take of the machine, with so many calls waiting, with and without traffic. */
async function costs(): Promise<Cost[]> {
  const found: Cost[] = []
  for (const waiting of [0, WAITING]) {
    const folder = temporaryFolder()
    const place: LogPlace = { directory: folder.path, environment: {} }
    const log = await openLog(place)
    if (!(await hasTopic(log))) await log.createTopic(INTERACTIONS_TOPIC, 1)
    const append = async (interactions: readonly Interaction[]) => {
      await log.append(INTERACTIONS_TOPIC, interactions.map(recordOf))
    }
    const now = Date.now()
    for (let k = 0; k < waiting; k += 5_000) {
      await append(
        Array.from({ length: 5_000 }, (_, n) => ({
          ...{ id: `w${k + n}`, customer: `waiting-${k + n}`, touchpoint: 'call_queue', at: now - 1_000 },
          ...{ episode: `call-${k + n}`, queue: `queue-${(k + n) % 20}` },
        })),
      )
    }
    const child = fork(fileURLToPath(new URL('alerts-process.ts', import.meta.url)), [folder.path, RULES])
    for await (const [said] of on(child)) if ((said as { isWorking: boolean }).isWorking) break
    await sleep(3_000)
    for (const perSecond of [0, PER_SECOND]) {
      const before = cpuSecondsOf(child.pid!)
      const appends: Promise<void>[] = []
      await pace(COST_SECONDS, Math.max(1, perSecond / BATCH), (k, due) => {
        if (perSecond === 0) return
        const some = Array.from({ length: BATCH }, (_, n) => ({
          ...{ id: `t${perSecond}-${k}-${n}`, customer: `c${(k * BATCH + n) % 9_973}`, touchpoint: 'site_visit' },
          at: Math.floor(due),
        }))
        appends.push(append(some))
      })
      await Promise.all(appends)
      const cores = (cpuSecondsOf(child.pid!) - before) / COST_SECONDS
      const what = `${waiting.toLocaleString('en-US')} calls wait, ${perSecond.toLocaleString('en-US')} interactions a second`
      found.push({ what, cores, megabytes: residentMb(child.pid!) })
    }
    child.kill('SIGKILL')
    await once(child, 'exit')
    await log.close()
    folder.remove()
  }
  return found
}

async function* on(child: ChildProcess): AsyncGenerator<unknown[]> {
  for (;;) yield await once(child, 'message')
}

async function hasTopic(log: EventLog): Promise<boolean> {
  return await log.describe(INTERACTIONS_TOPIC).then(
    () => true,
    () => false,
  )
}

function recordOf(interaction: Interaction): NewRecord {
  return { partition: 0, ...encodeFact({ kind: 'interaction', interaction }) }
}

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

const LOGS = ['embedded', 'Kafka'] as const
const rows: string[][] = []
const verdicts: string[] = []
for (const kind of LOGS) {
  const broker = kind === 'Kafka' ? await startKafka(PARTITIONS) : null
  const folder = temporaryFolder()
  const place: LogPlace = broker === null ? { directory: folder.path, environment: {} } : kafkaPlace(broker)
  const baseline = await bare(place, async (topic) => {
    if (broker !== null) return await createTopic(broker, topic, PARTITIONS)
    const log = await openLog(place)
    await log.createTopic(topic, PARTITIONS)
    await log.close()
  })
  const told = await alerts(broker === null ? {} : { KAFKA_BROKERS: broker.brokers.join(',') })
  await broker?.stop()
  folder.remove()
  const figures = (what: string, delays: Delays, extra: string) => {
    const at = (p: number) => percentile(delays, p).toFixed(0)
    rows.push([kind, what, delays.length.toLocaleString('en-US'), at(0.5), at(0.95), at(0.99), at(1), extra])
  }
  figures('a record, from one program to another', baseline, '')
  figures('a wait that is too long, to the webhook', told.delays, String(told.twice))
  const allowed = Math.max(2 * percentile(baseline, 0.99), 500)
  verdicts.push(
    `${kind}: asked ≤ ${allowed.toFixed(0)} ms (twice the record's p99, or 500), measured ${percentile(told.delays, 0.99).toFixed(0)} ms.`,
  )
}
const taken = await costs()
const right = (title: string): Column => ({ title, align: 'right' })
const left = (title: string): Column => ({ title, align: 'left' })
writeBenchmark(
  'alerts',
  `# Alerts

Written by \`npm run bench:alerts -- ${SECONDS}\` on one machine with everything on it: log, tracker, ClickHouse, alerts, the load and the webhook.

## From too long a wait to the webhook

${PER_SECOND.toLocaleString('en-US')} interactions a second by way of the collector of a whole \`weaklink up\`, in batches of ${BATCH}, for ${SECONDS} seconds; among them ${CALLS} calls a second that wait ${ANSWERED_MS / 1_000} s, by a rule that finds ${LONGER_THAN_MS / 1_000} s too long, each told by itself, from when the service says that it works. Milliseconds from the instant at which the wait is too long, as scheduled, whenever the generator came to it, until the webhook has the request. Beside it, on the same log in the same run: ${PER_SECOND.toLocaleString('en-US')} records a second appended one by one, each from the instant at which it was due until a consumer has it.

${markdownTable([left('log'), left('what'), right('number'), right('p50'), right('p95'), right('p99'), right('max'), right('told twice')], rows)}
${verdicts.join(' ')}

## Calls that wait at once

A process with nothing but the alerts, five rules, on the embedded log; ${COST_SECONDS} seconds each.

${markdownTable(
  [left('what'), right('cores'), right('resident, MB')],
  taken.map(({ what, cores, megabytes }) => [what, cores.toFixed(3), megabytes.toFixed(0)]),
)}
Asked of ${WAITING.toLocaleString('en-US')}: at most a tenth of a core and 200 MB.
`,
)
