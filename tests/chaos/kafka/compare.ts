import { type BreakEvent, builtinCatalogue, type Chain, decodeBreak } from '../../../packages/chains/src/index.ts'
import { connect, DEFAULT_DATABASE, type Endpoint, type Store } from '../../../packages/clickhouse/src/index.ts'
import type { KafkaLog } from '../../../packages/event-log/src/kafka/index.ts'
import {
  BREAKS_TOPIC,
  decodeFact,
  INTERACTIONS_TOPIC,
  type Person,
  partitionOf,
  personKey,
  REJECTED_TOPIC,
} from '../../../packages/interactions/src/index.ts'
import { naiveBreakpoints, type PersonChains } from '../../../packages/reports/test/naive.ts'
import { clickhouseStore, followedPositions } from '../../../services/tracker/src/index.ts'
import { weaklink } from '../../support/weaklink.ts'
import { type Content, expectedChains } from './content.ts'

export interface Kept {
  readonly log: KafkaLog
  readonly clickhouse: Endpoint
  readonly content: Content
  readonly partitions: number
  /** Acknowledged records that nobody can take in. */
  readonly poison: readonly { readonly n: number; readonly partition: number; readonly offset: number }[]
  /** By chain, what was broken before there was a topic that told of it. */
  readonly brokenBefore: ReadonlyMap<string, string>
  readonly environment: NodeJS.ProcessEnv
  readonly dataDir: string
}

export interface Comparison {
  readonly interactions: number
  readonly customers: number
  readonly chains: number
  /** Of each kind what is wrong, the first few of them; empty where all is right. */
  readonly wrong: Readonly<Record<string, readonly string[]>>
  readonly rejected: number
  /** Events of `weaklink.breaks`, those that came again included. */
  readonly told: number
  /** Reports that were held against the naive ones. */
  readonly reports: number
}

const SHOWN = 5
const PARTS = 16
const QUESTIONS = [{}, { by: 'channel' }, { date: 'end' as const }, { within: 'phone' }] as const

/** Reads everything back and holds it against what the naive reading makes of what was sent. */
export async function compare(kept: Kept): Promise<Comparison> {
  const { content, clickhouse, partitions } = kept
  const store = connect({ ...clickhouse, database: DEFAULT_DATABASE })
  try {
    const positions = followedPositions(await clickhouseStore(store, (operation) => operation()).loadPositions())
    const tickOf = (name: string) =>
      positions.find(({ partition }) => partition === partitionOf(name, partitions))?.tick ?? null
    const expected = expectedChains(content, builtinCatalogue, tickOf)
    const wrong: Record<string, string[]> = {}
    const blame = (kind: string, what: string) => {
      wrong[kind] ??= []
      if (wrong[kind].length < SHOWN) wrong[kind].push(what)
    }
    await compareChains(store, expected, content, blame)
    await compareInteractions(store, content, blame)
    const rejected = await compareRejected(kept, blame)
    const told = await compareBreaks(kept, expected, blame)
    const newest = Math.max(...positions.map(({ tick }) => tick ?? Number.NEGATIVE_INFINITY))
    for (const question of QUESTIONS) await compareReport(kept, expected, question, newest, blame)
    return {
      interactions: new Set(content.sent.map(({ id }) => id)).size,
      customers: content.customers.size,
      chains: expected.reduce((sum, { chains }) => sum + chains.length, 0),
      wrong,
      rejected,
      told,
      reports: QUESTIONS.length,
    }
  } finally {
    await store.close()
  }
}

type Blame = (kind: string, what: string) => void

interface StoredRow extends Person {
  readonly movedTo: string
  readonly chains: readonly Record<string, unknown>[]
}

const CHAINS = `
  SELECT kind, customer, movedTo, chains FROM customer_chains FINAL
  WHERE cityHash64(customer) % {parts:UInt32} = {part:UInt32}`

async function compareChains(
  store: Store,
  expected: readonly PersonChains[],
  { devices }: Content,
  blame: Blame,
): Promise<void> {
  const byKey = new Map(expected.map(({ person, chains }) => [personKey(person), chains]))
  for (let part = 0; part < PARTS; part++) {
    for (const { kind, customer, movedTo, chains } of await store.query<StoredRow>(CHAINS, { parts: PARTS, part })) {
      const key = personKey({ kind, customer })
      const owner = kind === 'anonymous' ? (devices.get(customer) ?? '') : ''
      if (movedTo !== owner) blame('moved', `${key} is moved to ${movedTo || 'nobody'}, expected ${owner || 'nobody'}`)
      const should = byKey.get(key)
      byKey.delete(key)
      if (owner !== '') {
        if (chains.length > 0) blame('moved', `${key} was moved, and still has ${chains.length} chains`)
        continue
      }
      if (should === undefined) {
        blame('unknown customers', key)
        continue
      }
      const [is, ought] = [chains.map(storedChain), should.map(derivedChain)].map((one) => JSON.stringify(one))
      if (is !== ought) blame('chains', `${key} has ${is}, expected ${ought}`)
    }
  }
  for (const key of byKey.keys()) blame('missing customers', key)
}

const instant = (text: unknown) => (typeof text === 'string' ? Date.parse(text) : null)

function storedChain(chain: Record<string, unknown>) {
  const interactions = chain.interactions as readonly { id: string; touchpoint: string; epilogue: boolean }[]
  return {
    ...{ id: chain.id, ordinal: Number(chain.ordinal), state: chain.state, reason: chain.reason, place: chain.place },
    ...{ furthest: chain.furthest, startedAt: instant(chain.startedAt), lastAt: instant(chain.lastAt) },
    ...{ closedAt: instant(chain.closedAt), deadline: instant(chain.deadline), atRisk: chain.atRisk },
    ...{ reversed: chain.reversed, complained: chain.complained, returned: chain.returned },
    ...{ returnedAndBought: chain.returnedAndBought, recovered: chain.recovered },
    interactions: interactions.map(({ id, touchpoint, epilogue }) => [id, touchpoint, epilogue]),
  }
}

function derivedChain(chain: Chain): ReturnType<typeof storedChain> {
  const { id, ordinal, state, reason, place, furthest, startedAt, lastAt, closedAt, deadline, atRisk } = chain
  const { reversed, complained, returned, returnedAndBought, recovered, interactions } = chain
  return {
    ...{ id, ordinal, state, reason: reason ?? '', place, furthest, startedAt, lastAt, closedAt, deadline, atRisk },
    ...{ reversed, complained, returned, returnedAndBought, recovered: [...recovered] },
    interactions: interactions.map(({ interaction, epilogue }) => [interaction.id, interaction.touchpoint, epilogue]),
  }
}

/** Every interaction once, under its person. */
async function compareInteractions(store: Store, { customers }: Content, blame: Blame): Promise<void> {
  const query = `SELECT kind, customer, id FROM interactions WHERE cityHash64(customer) % {parts:UInt32} = {part:UInt32}`
  const missing = new Set<string>()
  for (const [name, interactions] of customers) for (const { id } of interactions) missing.add(`${name}/${id}`)
  for (let part = 0; part < PARTS; part++) {
    for (const { kind, customer, id } of await store.query<Person & { id: string }>(query, { parts: PARTS, part })) {
      const key = `${kind === 'anonymous' ? '\u0000' : ''}${customer}/${id}`
      if (!missing.delete(key)) blame('interactions twice or unknown', key)
    }
  }
  for (const key of missing) blame('interactions lost', key)
}

/** What cannot be taken in stands in the topic of the rejected with its bytes, its place and the reason. */
async function compareRejected({ log, poison, partitions }: Kept, blame: Blame): Promise<number> {
  const places = new Map<string, string>()
  for (const { partition, start, end } of await log.ranges(REJECTED_TOPIC)) {
    for (let position = start; position < end; ) {
      const records = await log.read(REJECTED_TOPIC, partition, position, 1_000)
      for (const { headers, value } of records) {
        const [from, at] = [Number(headers['weaklink-partition']), Number(headers['weaklink-offset'])]
        const place = `${from}-${at}`
        places.set(place, headers['weaklink-reason'] ?? '')
        const [origin] = await log.read(INTERACTIONS_TOPIC, from, at, 1)
        if (origin?.offset !== at || !Buffer.from(origin.value).equals(value)) blame('rejected bytes', place)
      }
      position = (records.at(-1)?.offset ?? end) + 1
    }
  }
  for (const { n, partition, offset } of poison) {
    const reason = places.get(`${partition}-${offset}`)
    const [record] = await log.read(INTERACTIONS_TOPIC, partition, offset, 1)
    const decoded = record === undefined ? null : decodeFact(record, record.timestamp, { partition, partitions })
    // Whether a catalogue is known only the store can say.
    const expected = decoded?.ok === false ? decoded.rejection.reason : 'unknown_catalogue'
    if (reason !== expected) blame('rejected', `poison ${n} at ${partition}-${offset}: ${reason}, expected ${expected}`)
  }
  return places.size
}

/** Who reads the topic of breaks as its page says knows what is broken. */
async function compareBreaks(
  { log, brokenBefore }: Kept,
  expected: readonly PersonChains[],
  blame: Blame,
): Promise<number> {
  const known = new Map<string, BreakEvent>()
  let told = 0
  for (const { partition, start, end } of await log.ranges(BREAKS_TOPIC)) {
    for (let position = start; position < end; ) {
      const records = await log.read(BREAKS_TOPIC, partition, position, 1_000)
      for (const { value } of records) {
        const event = decodeBreak(value)
        if (event === null) {
          blame('breaks', 'an event that cannot be read')
          continue
        }
        told++
        const before = known.get(event.chain)
        if (before === undefined || event.version > before.version) known.set(event.chain, event)
      }
      position = (records.at(-1)?.offset ?? end) + 1
    }
  }
  const lost = new Map(brokenBefore)
  for (const [chain, { type, place, reason, brokeAt }] of known) {
    if (type === 'broke' || type === 'changed') lost.set(chain, brokenText(place, reason, Date.parse(brokeAt)))
    else lost.delete(chain)
  }
  for (const { chains } of expected) {
    for (const { id, state, place, reason, closedAt } of chains) {
      if (state !== 'broken') continue
      const ought = brokenText(place, reason, closedAt)
      const is = lost.get(id)
      lost.delete(id)
      if (is !== ought) blame('breaks', `${id} was told as ${is}, and is ${ought}`)
    }
  }
  for (const [chain, text] of lost) blame('breaks', `${chain} was told as ${text}, and is not broken`)
  return told
}

/** What is broken, as a line. */
export const brokenText = (place: string, reason: string | null, closedAt: number | null): string =>
  `${reason} at ${place}, ${new Date(closedAt ?? 0).toISOString()}`

async function compareReport(
  { environment, dataDir }: Kept,
  expected: readonly PersonChains[],
  question: { readonly by?: string; readonly date?: 'end'; readonly within?: string },
  tick: number,
  blame: Blame,
): Promise<void> {
  const flags = Object.entries(question).flatMap(([name, value]) => [`--${name}`, value])
  const args = ['report', 'breakpoints', '--json', ...flags, '--data-dir', dataDir]
  const { status, stdout, stderr } = await weaklink(args, { env: environment })
  if (status !== 0) {
    blame('reports', `weaklink ${args.join(' ')} ended with ${status}: ${stderr}`)
    return
  }
  const ought = naiveBreakpoints(expected, { ...question, catalogue: builtinCatalogue }, tick)
  const is = JSON.parse(stdout) as typeof ought
  const difference = firstDifference(is, JSON.parse(JSON.stringify(ought)), 'report')
  if (difference !== null) blame('reports', `${flags.join(' ') || 'all'}: ${difference}`)
}

function firstDifference(is: unknown, ought: unknown, place: string): string | null {
  if (Object.is(is, ought)) return null
  if (typeof is !== 'object' || typeof ought !== 'object' || is === null || ought === null) {
    return `${place} is ${JSON.stringify(is)}, expected ${JSON.stringify(ought)}`
  }
  for (const name of new Set([...Object.keys(is), ...Object.keys(ought)])) {
    const [a, b] = [is, ought].map((one) => (one as Record<string, unknown>)[name])
    const difference = firstDifference(a, b, `${place}.${name}`)
    if (difference !== null) return difference
  }
  return null
}
