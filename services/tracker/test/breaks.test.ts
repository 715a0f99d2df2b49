import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BreakEvent, breakEventSchema, chainId, contentOf, parseCatalogue } from '@weaklink/chains'
import { migrate, type Store } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import type { EventLog, LogRecord } from '@weaklink/event-log'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import {
  BREAKS_TOPIC,
  encodeFact,
  type Fact,
  INTERACTIONS_TOPIC,
  type Interaction,
  partitionOf,
  partitionOfKey,
  personOf,
  REJECTED_TOPIC,
} from '@weaklink/interactions'
import { CloudEvent, HTTP } from 'cloudevents'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { beginEpoch, clickhouseStore, startTracker, type Tracker, type TrackerOptions } from '../src/index.ts'

// What becomes of breaks, told in a topic of a real log, with a real ClickHouse.

const MIGRATIONS = fileURLToPath(new URL('../../../packages/clickhouse/migrations', import.meta.url))
const DAY = 86_400_000
const START = Date.UTC(2024, 0, 1)
const PARTITIONS = 3
/** As many as it likes: nothing makes them the same. */
const BREAK_PARTITIONS = 2
const patience = (days: number) =>
  parseCatalogue(`defaults: { patience: ${days}d }\ntouchpoints: [{ id: visit }]`, 'touchpoints.yaml')
const catalogue = patience(30)

let test: TestStore
let store: Store
let folder: string
let log: EventLog
beforeEach(async () => {
  test = await startTestStore()
  store = test.store
  await migrate(store, MIGRATIONS)
  folder = mkdtempSync(join(tmpdir(), 'weaklink-breaks-'))
  log = await openLog('log')
  await log.createTopic(BREAKS_TOPIC, BREAK_PARTITIONS)
})
afterEach(async () => {
  await log.close()
  await test.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function openLog(name: string): Promise<EventLog> {
  const opened = await openEmbeddedLog(join(folder, name))
  await opened.createTopic(INTERACTIONS_TOPIC, PARTITIONS)
  await opened.createTopic(REJECTED_TOPIC, 1)
  return opened
}

const trackerStore = () => clickhouseStore(store, (operation) => operation())
const start = (options: Partial<TrackerOptions> = {}) =>
  startTracker({ log, store: trackerStore(), catalogue, clock: 'none', cacheLimit: 0, ...options })

/** A tracker that begins with nothing in memory, takes in what is there, and ends. */
async function track(options: Partial<TrackerOptions> = {}): Promise<void> {
  const tracker = await start(options)
  await tracker.settled()
  await tracker.stop()
}

const keyOf = (fact: Fact): string => {
  if (fact.kind === 'interaction') return personOf(fact.interaction).customer
  if (fact.kind === 'touch') return fact.person.customer
  return fact.kind === 'link' ? fact.link.anonymousId : ''
}
const append = (...facts: readonly Fact[]) =>
  log.append(
    INTERACTIONS_TOPIC,
    facts.map((fact) => ({ partition: partitionOf(keyOf(fact), PARTITIONS), ...encodeFact(fact) })),
  )
const everywhere = (fact: Fact) =>
  log.append(
    INTERACTIONS_TOPIC,
    Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, ...encodeFact(fact) })),
  )
const itIs = (day: number) => everywhere({ kind: 'tick', tick: START + day * DAY })
const itIsThere = (customer: string, day: number) => {
  const tick = encodeFact({ kind: 'tick', tick: START + day * DAY })
  return log.append(INTERACTIONS_TOPIC, [{ partition: partitionOf(customer, PARTITIONS), ...tick }])
}
const met = (customer: string, day: number, more: Partial<Interaction> = {}): Fact => ({
  kind: 'interaction',
  interaction: { id: `${customer}-${day}`, customer, touchpoint: 'visit', at: START + day * DAY, ...more },
})
const chainOf = (customer: string, day: number) => chainId({ kind: 'customer', customer }, `${customer}-${day}`)
const dayText = (day: number) => new Date(START + day * DAY).toISOString()

async function records(): Promise<LogRecord[]> {
  const all: LogRecord[] = []
  for (const { partition, start: from } of await log.ranges(BREAKS_TOPIC)) {
    all.push(...(await log.read(BREAKS_TOPIC, partition, from, 1_000)))
  }
  return all
}
const eventOf = ({ value }: LogRecord) => breakEventSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')))
/** Everything that was told, by version. */
const told = async () => (await records()).map(eventOf).sort((a, b) => a.version - b.version)
const inShort = ({ type, chain, place, reason, brokeAt }: BreakEvent) => [type, chain, place, reason, brokeAt]

describe('a system that listens', () => {
  it('hears of every break, healing and retraction, finds each in ClickHouse, and no restart makes a difference', async () => {
    const missing: BreakEvent[] = []
    const asToldTo: EventLog = {
      ...delegated(log),
      async append(topic, appended) {
        for (const { value } of topic === BREAKS_TOPIC ? appended : []) {
          const event = breakEventSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')))
          if (!(await isThere(event))) missing.push(event)
        }
        return log.append(topic, appended)
      },
    }
    const next = async (...facts: readonly Fact[]) => {
      await append(...facts)
      await track({ log: asToldTo })
    }
    const tick = async (day: number) => {
      await itIs(day)
      await track({ log: asToldTo })
    }
    await next(met('anna', 0), met('boris', 20), met('clara', 2, { touchpoint: 'call', outcome: 'abandoned' }))
    await next(met('dora', 3, { touchpoint: 'quote', outcome: 'refused', episode: 'e' }))
    expect((await told()).map(inShort)).toEqual([['broke', chainOf('dora', 3), 'quote', 'refused', dayText(3)]])
    await tick(35)
    await next(met('anna', 10))
    await tick(60)
    await next(met('boris', 5))

    const events = await told()
    const of = (customer: string) => events.filter((event) => event.customer === customer).map(inShort)
    expect(of('anna')).toEqual([
      ['broke', chainOf('anna', 0), 'visit', 'silence', dayText(30)],
      ['healed', chainOf('anna', 0), 'visit', 'silence', dayText(30)],
      ['broke', chainOf('anna', 0), 'visit', 'silence', dayText(40)],
    ])
    expect(of('clara')).toEqual([['broke', chainOf('clara', 2), 'call', 'abandoned', dayText(32)]])
    expect(of('boris')).toEqual([
      ['broke', chainOf('boris', 20), 'visit', 'silence', dayText(50)],
      ['retracted', chainOf('boris', 20), 'visit', 'silence', dayText(50)],
      ['broke', chainOf('boris', 5), 'visit', 'silence', dayText(50)],
    ])
    const retracted = events.find(({ type }) => type === 'retracted')
    expect(retracted).toMatchObject({ replacement: chainOf('boris', 5), movedTo: null, tick: dayText(60) })
    expect(events.find(({ type }) => type === 'healed')).toMatchObject({ state: 'open', tick: dayText(35) })
    expect(missing).toEqual([])

    // Whoever keeps the newest of each chain knows what is broken now.
    const newest = new Map(events.map((event) => [event.chain, event]))
    const broken = [...newest.values()].filter(({ type }) => type === 'broke' || type === 'changed')
    expect(broken.map(({ chain }) => chain).sort()).toEqual(await brokenChains())
  })

  it('gets a CloudEvent, keyed by the customer, in the partition of the key', async () => {
    await append(met('анна', 0, { outcome: 'refused' }), {
      kind: 'interaction',
      interaction: { id: 'x', anonymousId: 'cookie', touchpoint: 'visit', at: START, outcome: 'refused' },
    })
    await track()
    const all = await records()
    expect(all.map(({ key }) => Buffer.from(key ?? []).toString()).sort()).toEqual(['cookie', 'анна'])
    for (const record of all) {
      const event = eventOf(record)
      expect(record.partition).toBe(partitionOfKey(record.key ?? new Uint8Array(), BREAK_PARTITIONS))
      // As the Kafka binding names its headers, so does the HTTP one, with a hyphen.
      const headers = Object.fromEntries(
        Object.entries(record.headers).map(([name, value]) => [name.replace(/^ce_/, 'ce-'), value]),
      )
      const read = HTTP.toEvent({ headers, body: Buffer.from(record.value).toString() })
      expect(read).toBeInstanceOf(CloudEvent)
      expect(read).toMatchObject({
        id: event.event,
        type: 'weaklink.chain.broke',
        source: 'weaklink',
        subject: event.chain,
        time: event.recordedAt,
        data: event,
      })
    }
    const [known] = all.map(eventOf).filter(({ customer }) => customer !== undefined)
    expect(known).toMatchObject({ customer: 'анна', chain: chainOf('анна', 0), interactions: 1, episode: null })
  })

  it('is told again, under the same ids, what was told before the position was written', async () => {
    await append(met('anna', 0))
    await track()
    await itIsThere('anna', 31)
    const dying = trackerStore()
    const second = await start({ store: { ...dying, writePositions: () => Promise.reject(new Error('killed')) } })
    await expect(second.done).rejects.toThrow('killed')
    const before = await told()
    expect(before.map(inShort)).toEqual([['broke', chainOf('anna', 0), 'visit', 'silence', dayText(30)]])
    await track()
    expect(await told()).toEqual([...before, ...before])
  })

  it('is told what was not, though its row was written', async () => {
    await append(met('anna', 0))
    await track()
    await itIsThere('anna', 31)
    const deaf: EventLog = {
      ...delegated(log),
      append: (topic, appended) =>
        topic === BREAKS_TOPIC ? Promise.reject(new Error('killed')) : log.append(topic, appended),
    }
    const second = await start({ log: deaf })
    await expect(second.done).rejects.toThrow('killed')
    expect(await brokenChains()).toEqual([chainOf('anna', 0)])
    expect(await told()).toEqual([])
    await track()
    expect((await told()).map(inShort)).toEqual([['broke', chainOf('anna', 0), 'visit', 'silence', dayText(30)]])
  })

  it('hears what a changed catalogue makes of somebody once they are derived under it, and once only', async () => {
    const patient = patience(90)
    await trackerStore().storeCatalogue(patient.hash, contentOf(patient))
    await append(met('anna', 0), met('boris', 0), met('clara', 0))
    await itIs(31)
    await everywhere({ kind: 'catalogue', hash: patient.hash })
    await track()
    expect(await told()).toHaveLength(3)
    await append({ kind: 'touch', person: { kind: 'customer', customer: 'anna' } }, met('boris', 5))
    await track()
    await append({ kind: 'touch', person: { kind: 'customer', customer: 'anna' } }, met('boris', 6))
    await track()
    const events = (await told()).slice(3)
    expect(events.map(({ type, customer }) => `${customer} ${type}`).sort()).toEqual(['anna healed', 'boris healed'])
    expect(events.map((event) => event.catalogue)).toEqual([patient.hash, patient.hash])
    expect(await brokenChains()).toEqual([chainOf('clara', 0)])
  })

  it('hears that what somebody anonymous did is theirs no more, and of it again under the customer', async () => {
    await append({
      kind: 'interaction',
      interaction: { id: 'x', anonymousId: 'cookie', touchpoint: 'visit', at: START, outcome: 'refused' },
    })
    await track()
    await append({ kind: 'link', link: { id: 'l', anonymousId: 'cookie', customer: 'anna' } })
    await track()
    const chain = (customer: string, kind: 'customer' | 'anonymous') => chainId({ kind, customer }, 'x')
    const events = await told()
    expect(events.map(({ anonymousId, customer, type, chain: id }) => [anonymousId, customer, type, id])).toEqual(
      expect.arrayContaining([
        ['cookie', undefined, 'broke', chain('cookie', 'anonymous')],
        ['cookie', undefined, 'retracted', chain('cookie', 'anonymous')],
        [undefined, 'anna', 'broke', chain('anna', 'customer')],
      ]),
    )
    expect(events).toHaveLength(3)
    expect(events.find(({ type }) => type === 'retracted')).toMatchObject({ replacement: null, movedTo: 'anna' })
  })

  it('hears once of what broke while the log was replaced by one that is further on', async () => {
    const elsewhere = ['boris', 'clara', 'dora', 'emil'].find((one) => {
      return partitionOf(one, PARTITIONS) !== partitionOf('anna', PARTITIONS)
    })
    const boris = elsewhere ?? 'nobody'
    await append(met('anna', 0), met(boris, 0))
    await itIsThere('anna', 31)
    await track()
    expect((await told()).map(({ customer }) => customer)).toEqual(['anna'])
    await log.close()
    log = await openLog('another')
    await log.createTopic(BREAKS_TOPIC, BREAK_PARTITIONS)
    const topic = await log.describe(INTERACTIONS_TOPIC)
    await beginEpoch(trackerStore(), topic, await log.ranges(INTERACTIONS_TOPIC), catalogue.hash)
    // T is past this deadline as well, and no tick has said so to its partition yet.
    await track()
    expect(await told()).toEqual([])
    await itIs(32)
    await track()
    expect((await told()).map(inShort)).toEqual([['broke', chainOf(boris, 0), 'visit', 'silence', dayText(30)]])
  })
})

describe('where nobody listens', () => {
  it('nothing is told without the topic, and asking for it is an error', async () => {
    await log.close()
    log = await openLog('without')
    await append(met('anna', 0, { outcome: 'refused' }))
    await track()
    expect(await brokenChains()).toEqual([chainOf('anna', 0)])
    await expect(start({ breaks: true })).rejects.toMatchObject({ code: 'topic_unknown' })
  })

  it('nothing is told where that is not wanted', async () => {
    await append(met('anna', 0, { outcome: 'refused' }))
    await track({ breaks: false })
    expect(await brokenChains()).toEqual([chainOf('anna', 0)])
    expect(await told()).toEqual([])
  })
})

it('a customer with many interactions is told of like any other', async () => {
  const tracker: Tracker = await start({ cacheLimit: 1_000_000, flushMs: 3_600_000 })
  // Each third of the visits ends a chain; the last ones come late.
  const visits = Array.from({ length: 300 }, (_, n) =>
    met('anna', n, n % 3 === 2 ? { outcome: 'refused', touchpoint: 'quote' } : {}),
  )
  await append(...visits.filter((_, n) => n % 100 !== 50))
  await append(...visits.filter((_, n) => n % 100 === 50))
  await tracker.settled()
  await tracker.stop()
  const newest = new Map((await told()).map((event) => [event.chain, event]))
  const broken = [...newest.values()].filter(({ type }) => type === 'broke' || type === 'changed')
  expect(broken.map(({ chain }) => chain).sort()).toEqual(await brokenChains())
  expect(broken.length).toBeGreaterThan(90)
})

async function brokenChains(): Promise<string[]> {
  const rows = await store.query<{ id: string }>("SELECT id FROM chains WHERE state = 'broken' ORDER BY id")
  return rows.map(({ id }) => id)
}

/** The row of whose chain it is stands in ClickHouse, and says the same as long as nobody has changed it since. */
async function isThere({ version, customer, chain, type }: BreakEvent): Promise<boolean> {
  const [row] = await store.query<{ version: number; broken: readonly string[] }>(
    `SELECT version, arrayFilter(chain -> chain.state = 'broken', chains).id AS broken
     FROM customer_chains FINAL WHERE kind = 'customer' AND customer = {customer:String}`,
    { customer },
  )
  if (row === undefined || row.version < version) return false
  return row.version > version || row.broken.includes(chain) === (type === 'broke' || type === 'changed')
}

function delegated(to: EventLog): EventLog {
  return {
    createTopic: (topic, partitions) => to.createTopic(topic, partitions),
    describe: (topic) => to.describe(topic),
    ranges: (topic) => to.ranges(topic),
    append: (topic, appended) => to.append(topic, appended),
    read: (topic, partition, position, max) => to.read(topic, partition, position, max),
    consume: (topic, group, handler) => to.consume(topic, group, handler),
    close: () => to.close(),
  }
}
