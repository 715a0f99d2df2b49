import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Broker, startBroker } from '../../../infra/kafka/broker.ts'
import {
  connect,
  DEFAULT_DATABASE,
  type KeptServer,
  keepEmbeddedServer,
} from '../../../packages/clickhouse/src/index.ts'
import { LogError } from '../../../packages/event-log/src/index.ts'
import { type KafkaLog, openKafkaLog } from '../../../packages/event-log/src/kafka/index.ts'
import {
  encodeFact,
  eventHeaders,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOf,
} from '../../../packages/interactions/src/index.ts'
import { chance } from '../../../services/simulator/src/index.ts'
import { clickhouseStore, followedPositions } from '../../../services/tracker/src/index.ts'
import { weaklink } from '../../support/weaklink.ts'
import { brokenText, type Comparison, compare } from './compare.ts'
import { type Content, contentOf, keyOf, poison } from './content.ts'
import { Part } from './parts.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly interactions: number
  /** How long faults go on at least; the interactions are sent evenly over that time. */
  readonly seconds: number
  /** At least so many things go wrong. */
  readonly faults: number
  /** Of them at least so many kills; default 0. */
  readonly kills?: number
  /** Only this goes wrong; default: everything. */
  readonly only?: string
  readonly trackers: number
  readonly partitions: number
  /** How long ClickHouse is away once in the run; 0: it is not. */
  readonly longSeconds: number
  readonly say: (line: string) => void
}

export interface ChaosResult extends Comparison {
  /** By kind, how often it was done. */
  readonly faults: Readonly<Record<string, number>>
  readonly kills: number
  readonly pauses: number
  readonly poisoned: number
  /** What ended by itself though nobody had killed it. */
  readonly fell: readonly string[]
  readonly seconds: number
}

const KEY = 'a-key-that-nobody-guesses'
const HTTP_BATCH = 100
const DIRECT_BATCH = 60
const SENDERS = 3
/** What is sent to the embedded log before the move to Kafka. */
const BEFORE_THE_MOVE = 0.04
const POISON_EVERY = 400
const SESSION_MS = 6_000
/** Whoever has it is a zombie when it goes on: the group has given its partitions to others. */
export const ZOMBIE = 'tracker beyond its session paused'
const QUIET_MS = 180_000

/** One run: known content, everything that can be killed, and in the end all of it held against the oracle. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const began = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'weaklink-chaos-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const content = contentOf(options.seed, options.interactions, Date.now() - 60_000)
  const clickhouse = await keepEmbeddedServer({
    directory: join(folder, 'clickhouse'),
    what: 'chaos',
    onDown() {},
    onUp() {},
  })
  stack.defer(() => clickhouse.stop())
  const broker = await startBroker({ directory: join(folder, 'kafka') })
  stack.defer(() => broker.stop())
  const company = new Company(options, folder, content, clickhouse, broker)
  stack.defer(() => company.end())
  await company.beginEmbedded()
  await company.moveToKafka()
  await company.liveThroughFaults()
  await company.recover()
  const compared = await compare({ ...company.kept(), content })
  return { ...company.counts(), ...compared, seconds: Math.round((performance.now() - began) / 1_000) }
}

class Company {
  readonly #options: ChaosOptions
  readonly #folder: string
  readonly #content: Content
  readonly #clickhouse: KeptServer
  readonly #broker: Broker
  readonly #draw: ReturnType<typeof chance>
  readonly #environment: NodeJS.ProcessEnv
  readonly #log: KafkaLog
  readonly #trackers: Part[] = []
  /** Those of before the move. */
  readonly #others: Part[] = []
  #collector!: Part
  /** Interactions that were sent and acknowledged. */
  #next = 0
  #acknowledged = 0
  #poisoned = 0
  /** By place in the log, poison that was acknowledged. */
  readonly #poison = new Map<string, { readonly n: number; readonly partition: number; readonly offset: number }>()
  readonly #brokenBefore = new Map<string, string>()
  readonly #faults: Record<string, number> = {}
  readonly #fell: string[] = []
  #started = 0

  constructor(options: ChaosOptions, folder: string, content: Content, clickhouse: KeptServer, broker: Broker) {
    this.#options = options
    this.#folder = folder
    this.#content = content
    this.#clickhouse = clickhouse
    this.#broker = broker
    this.#draw = chance(options.seed ^ 0x5eed)
    const url = new URL(clickhouse.url)
    url.username = clickhouse.username
    url.password = clickhouse.password
    this.#environment = {
      KAFKA_BROKERS: broker.brokers.join(','),
      KAFKA_SESSION_MS: String(SESSION_MS),
      CLICKHOUSE_URL: url.href,
      WEAKLINK_WRITE_KEYS: KEY,
      WEAKLINK_ADMIN_KEYS: `${KEY}-of-an-admin`,
    }
    this.#log = openKafkaLog({ brokers: broker.brokers })
  }

  /** The first of it goes to the embedded log of one machine, over the ClickHouse that stays. */
  async beginEmbedded(): Promise<void> {
    const { say } = this.#options
    const environment = { ...this.#environment, KAFKA_BROKERS: '' }
    const whole = new Part('embedded', this.#folder, ['--port', '0'], environment)
    this.#others.push(whole)
    await whole.start()
    const until = Math.round(this.#content.sent.length * BEFORE_THE_MOVE)
    while (this.#next < until) await this.#sendByHttp(whole, this.#take(HTTP_BATCH))
    await whole.end('SIGKILL')
    await whole.start()
    // What is in the log of before has to be taken in before the move: it is not looked at any more.
    await this.#soon('the embedded log is taken in', async () => {
      const { stdout } = await weaklink(['doctor', '--data-dir', whole.directory], { env: environment })
      return stdout.includes('everything is taken in')
    })
    await whole.end('SIGTERM')
    say(`${until} interactions went to the embedded log`)
  }

  /** The explicit step to another log: without it a tracker refuses. */
  async moveToKafka(): Promise<void> {
    const { partitions, trackers, say } = this.#options
    const migrate = (...args: string[]) =>
      weaklink(['migrate', ...args, '--data-dir', join(this.#folder, 'cli')], { env: this.#environment })
    const created = await migrate('--partitions', String(partitions))
    if (created.status !== 0) throw new Error(`weaklink migrate failed: ${created.stderr}`)
    const early = this.#newTracker()
    this.#others.push(early)
    const refused = await early.start().then(
      async () => {
        await this.#soon('a tracker of another log refuses', async () => !early.runs)
        return early.ended ?? ''
      },
      (error: Error) => error.message,
    )
    if (!/--new-log/.test(refused)) throw new Error(`A tracker of another log did not refuse as it should: ${refused}`)
    for (const { id, place, reason, closedAt } of await this.#ask<Broken>(BROKEN)) {
      this.#brokenBefore.set(id, brokenText(place, reason, Number(closedAt)))
    }
    const moved = await migrate('--partitions', String(partitions), '--new-log')
    if (moved.status !== 0) throw new Error(`weaklink migrate --new-log failed: ${moved.stderr}`)
    this.#collector = new Part('collector', this.#folder, ['--services', 'collector', '--port', '0'], this.#environment)
    await this.#collector.start()
    for (let k = 0; k < trackers; k++) await this.#add()
    say(`moved to Kafka: ${partitions} partitions, ${trackers} trackers`)
  }

  async liveThroughFaults(): Promise<void> {
    const { seconds, faults, kills = 0, say } = this.#options
    const started = performance.now()
    const elapsed = () => (performance.now() - started) / 1_000
    const rest = this.#content.sent.length - this.#next
    const before = this.#next
    const mayGo = () => this.#next - before <= (rest * elapsed()) / seconds
    const senders = Array.from({ length: SENDERS }, async (_, which) => {
      while (this.#next < this.#content.sent.length) {
        if (!mayGo()) {
          await sleep(20)
          continue
        }
        if (which % 2 === 0) await this.#sendByHttp(this.#collector, this.#take(HTTP_BATCH))
        else await this.#sendDirectly(this.#take(DIRECT_BATCH))
      }
    })
    let done = false
    const sending = Promise.all(senders).then(() => {
      done = true
    })
    let told = 0
    for (let count = 0; count < faults || this.kills() < kills || elapsed() < seconds || !done; count++) {
      await this.#fault(count)
      await sleep(this.#draw.between(100, Math.max(300, (seconds * 600) / faults)))
      if (elapsed() - told < 20) continue
      told = elapsed()
      say(
        `${Math.round(told)} s: ${this.#acknowledged.toLocaleString('en-US')} acknowledged, ${this.kills()} kills, ${this.pauses()} pauses`,
      )
    }
    await sending
  }

  /** Everything runs again, has taken everything in, and is judged; then it ends in order. */
  async recover(): Promise<void> {
    const { say } = this.#options
    say('everything is started again')
    while (this.#trackers.length < 2) await this.#add()
    for (const part of [...this.#trackers, this.#collector]) {
      part.resume()
      if (!part.runs) await this.#again(part)
    }
    const store = clickhouseStore(connect({ ...this.#clickhouse, database: DEFAULT_DATABASE }), (operation) =>
      operation(),
    )
    const settled = async () => {
      const ranges = await this.#log.ranges(INTERACTIONS_TOPIC)
      const positions = followedPositions(await store.loadPositions())
      return ranges.every(({ partition, end }) => positions.find((one) => one.partition === partition)?.offset === end)
    }
    // What is taken in last may make others follow, and ticks come after it.
    for (let round = 0; round < 4; round++) {
      await this.#soon('everything is taken in', settled)
      await sleep(1_500)
    }
    await this.#soon('everything is judged', async () => {
      const [row] = await this.#ask<{ n: number }>(
        'SELECT count() AS n FROM customer_chains FINAL WHERE nextDeadline < now64(3) - 5',
      )
      return Number(row?.n ?? 0) === 0
    })
    for (const part of this.#trackers) this.#noteFall(part)
    await Promise.all([...this.#trackers, this.#collector].map((part) => part.end('SIGTERM')))
    this.#trackers.length = 0
    await this.#soon('everything is written', settled)
  }

  kept() {
    return {
      log: this.#log,
      clickhouse: this.#clickhouse,
      poison: [...this.#poison.values()],
      brokenBefore: this.#brokenBefore,
      partitions: this.#options.partitions,
      environment: this.#environment,
      dataDir: join(this.#folder, 'cli'),
    }
  }

  counts() {
    return {
      faults: this.#faults,
      kills: this.kills(),
      pauses: this.pauses(),
      poisoned: this.#poisoned,
      fell: this.#fell,
    }
  }

  async end(): Promise<void> {
    await Promise.all([...this.#trackers, ...this.#others, this.#collector].map((part) => part?.end('SIGKILL')))
    await this.#log.close()
  }

  kills = () => this.#sum('killed')
  pauses = () => this.#sum('paused')

  #sum(what: string): number {
    return Object.entries(this.#faults).reduce((sum, [name, n]) => sum + (name.endsWith(what) ? n : 0), 0)
  }

  /** One thing goes wrong. Things that are away come back while others go wrong. */
  async #fault(count: number): Promise<void> {
    const { between, happens } = this.#draw
    for (const part of [...this.#trackers, this.#collector]) this.#noteFall(part)
    for (const part of [...this.#trackers, this.#collector]) if (!part.runs && !part.paused) await this.#again(part)
    const tracker = this.#trackers[between(0, this.#trackers.length - 1)]!
    const wrongs: readonly (readonly [name: string, happen: (name: string) => Promise<void>, weight: number])[] = [
      ['tracker killed', (name) => this.#kill(tracker, name, 'SIGKILL'), 30],
      ['tracker stopped', (name) => this.#kill(tracker, name, 'SIGTERM'), 6],
      ['tracker paused', (name) => this.#pause(tracker, name, between(200, 3_000)), 10],
      [ZOMBIE, (name) => this.#pause(tracker, name, SESSION_MS + between(3_000, 8_000)), 8],
      ['tracker with its disk killed', (name) => this.#wipe(tracker, name), 6],
      ['tracker added', (name) => this.#grow(name), 4],
      ['tracker removed', (name) => this.#shrink(name), 4],
      ['collector killed', (name) => this.#kill(this.#collector, name, 'SIGKILL'), 12],
      ['collector paused', (name) => this.#pause(this.#collector, name, between(200, 3_000)), 4],
      ['ClickHouse killed', (name) => this.#killClickHouse(name), 12],
      ['ClickHouse paused', (name) => this.#pauseClickHouse(name, between(500, 6_000)), 6],
      ['broker killed', (name) => this.#killBroker(name), 8],
      ['broker paused', (name) => this.#pauseBroker(name, between(300, 5_000)), 5],
    ]
    const { only, faults, longSeconds } = this.#options
    const possible = wrongs.filter(([name]) => only === undefined || name === only)
    const [name, happen] = this.#draw.pick(possible.map((one) => [one, one[2]]))
    // Once in a run ClickHouse is away for long.
    if (count === Math.floor(faults / 2) && longSeconds > 0) {
      await this.#pauseClickHouse('ClickHouse for long paused', longSeconds * 1_000)
    } else await happen(name)
    if (happens(0.3)) await sleep(between(0, 300))
  }

  #did(what: string): void {
    this.#faults[what] = (this.#faults[what] ?? 0) + 1
  }

  async #kill(part: Part, what: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!part.runs || part.paused) return
    this.#did(what)
    await part.end(signal)
    await this.#again(part)
  }

  async #pause(part: Part, what: string, ms: number): Promise<void> {
    if (!part.runs || part.paused) return
    this.#did(what)
    part.pause()
    // Others go wrong meanwhile.
    setTimeout(() => part.resume(), ms)
  }

  async #killClickHouse(what: string): Promise<void> {
    if (this.#clickhouse.down() !== null) return
    this.#did(what)
    signal(this.#clickhouse.pid, 'SIGKILL')
  }

  async #pauseClickHouse(what: string, ms: number): Promise<void> {
    const { pid } = this.#clickhouse
    if (this.#clickhouse.down() !== null || !signal(pid, 'SIGSTOP')) return
    this.#did(what)
    setTimeout(() => signal(pid, 'SIGCONT'), ms)
  }

  async #killBroker(what: string): Promise<void> {
    this.#did(what)
    await this.#broker.kill('SIGKILL')
    await sleep(this.#draw.between(0, 4_000))
    await this.#broker.start()
  }

  async #pauseBroker(what: string, ms: number): Promise<void> {
    this.#did(what)
    this.#broker.pause()
    await sleep(ms)
    this.#broker.resume()
  }

  /** Its machine is replaced: it begins with nothing. */
  async #wipe(part: Part, what: string): Promise<void> {
    if (!part.runs || part.paused) return
    this.#did(what)
    await part.end('SIGKILL')
    part.wipe()
    await this.#again(part)
  }

  async #grow(what: string): Promise<void> {
    if (this.#trackers.length >= this.#options.trackers + 2) return
    this.#did(what)
    await this.#add()
  }

  async #shrink(what: string): Promise<void> {
    const part = this.#trackers.at(-1)
    if (this.#trackers.length <= 2 || part === undefined || part.paused) return
    this.#did(what)
    this.#trackers.pop()
    await part.end('SIGTERM')
  }

  #newTracker(): Part {
    const args = ['--services', 'tracker', '--port', '0']
    return new Part(`tracker-${++this.#started}`, this.#folder, args, this.#environment)
  }

  async #add(): Promise<void> {
    const part = this.#newTracker()
    this.#trackers.push(part)
    await this.#again(part)
  }

  async #again(part: Part): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await part.start()
        return
      } catch (error) {
        if (attempt === 5) throw error
        this.#fell.push(error instanceof Error ? error.message : String(error))
        await sleep(500)
      }
    }
  }

  #noteFall(part: Part): void {
    if (part?.ended == null) return
    this.#fell.push(part.ended)
    part.ended = null
  }

  #take(count: number): readonly Interaction[] {
    const batch = this.#content.sent.slice(this.#next, this.#next + count)
    this.#next += batch.length
    return batch
  }

  /** Sends until it is acknowledged, as a producer with a queue on its disk does. */
  async #sendByHttp(part: Part, batch: readonly Interaction[]): Promise<void> {
    for (;;) {
      try {
        const answer = await fetch(`${part.url}/v1/interactions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
          body: JSON.stringify(batch),
          signal: AbortSignal.timeout(20_000),
        })
        const body = (await answer.json()) as { rejected?: readonly unknown[] }
        if (answer.status === 202) {
          if ((body.rejected ?? []).length > 0) throw new Error(`refused: ${JSON.stringify(body.rejected)}`)
          break
        }
        if (answer.status < 500 && answer.status !== 429)
          throw new TypeError(`HTTP ${answer.status}: ${JSON.stringify(body)}`)
      } catch (error) {
        if (error instanceof Error && /^(refused|HTTP)/.test(error.message)) throw error
      }
      await sleep(100)
    }
    this.#acknowledged += batch.length
  }

  /** Straight into the topic, as producers in other languages do, with poison among it. */
  async #sendDirectly(batch: readonly Interaction[]): Promise<void> {
    const { partitions } = this.#options
    const records = batch.map((interaction) => {
      const record = encodeFact({ kind: 'interaction', interaction })
      const partition = partitionOf(keyOf(interaction), partitions)
      return { partition, ...record, headers: eventHeaders(record.value) }
    })
    await this.#append(records)
    this.#acknowledged += batch.length
    if (!this.#draw.happens(batch.length / POISON_EVERY)) return
    const n = this.#poisoned++
    const partition = this.#draw.between(0, partitions - 1)
    const [offset] = await this.#append([{ partition, ...poison(n) }])
    this.#poison.set(`${partition}-${offset}`, { n, partition, offset: offset! })
  }

  async #append(records: Parameters<KafkaLog['append']>[1]): Promise<readonly number[]> {
    for (;;) {
      try {
        return await this.#log.append(INTERACTIONS_TOPIC, records)
      } catch (error) {
        if (!(error instanceof LogError && error.retryHelps)) throw error
        await sleep(100)
      }
    }
  }

  async #soon(what: string, check: () => Promise<boolean>): Promise<void> {
    const began = performance.now()
    const until = began + QUIET_MS
    for (;;) {
      for (const part of this.#trackers) {
        this.#noteFall(part)
        if (!part.runs && part.url !== '') await this.#again(part)
      }
      if (await check().catch(() => false)) {
        this.#options.say(`${what}, after ${((performance.now() - began) / 1_000).toFixed(1)} s`)
        return
      }
      if (performance.now() > until) throw new Error(`Not within ${QUIET_MS / 1_000} s: ${what}`)
      await sleep(300)
    }
  }

  async #ask<T>(query: string): Promise<readonly T[]> {
    const store = connect({ ...this.#clickhouse, database: DEFAULT_DATABASE })
    try {
      return await store.query<T>(query)
    } finally {
      await store.close()
    }
  }
}

interface Broken {
  readonly id: string
  readonly place: string
  readonly reason: string
  readonly closedAt: number
}

const BROKEN = `
  SELECT id, place, reason, toUnixTimestamp64Milli(assumeNotNull(closedAt)) AS closedAt FROM chains WHERE state = 'broken'`

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
