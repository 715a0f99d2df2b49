import type { Store } from '@weaklink/clickhouse'
import { catalogueInForce } from '../breakpoints/query.ts'
import { drillInto } from '../drill.ts'
import { Params } from '../keys.ts'
import { QueryError } from '../query-error.ts'
import { groupValues } from '../selection.ts'
import { Turns } from '../turns.ts'
import type { Fate } from './calls-sql.ts'
import { costOf } from './cost.ts'
import type { ServiceLevel, WaitsQuery } from './options.ts'
import { patienceOf } from './patience.ts'
import type { WaitsReport } from './shape.ts'
import { waitsSql } from './sql.ts'
import { Tally } from './tally.ts'
import { bySlot, keyOf, type Slot, Slots, slotStart } from './zone.ts'

/** What `waitsSql` gives. */
interface Counted {
  readonly part: 'asOf' | 'calls' | 'cost'
  readonly grp: string
  readonly queue: string
  readonly label: string
  readonly state: string
  readonly quarter: number
  readonly counts: readonly number[]
  readonly waits: readonly number[]
}

type Group = WaitsReport['groups'][number]

/** Hours without calls are listed up to so many rows of a queue. */
const MOST_FILLED = 1000
/** Where no catalogue says how long a wait may be. */
const USUAL: ServiceLevel = { target: 0.8, withinMs: 20_000 }

/**
 * How calls were taken, by queue and hour; how long callers hold out; and what became of chains by how long they waited.
 *
 * Sums that hold, in each group: over the slots of a queue, and over the queues, the calls are those of the totals; over all
 * rows of `cost` the chains are all chains that started in the period.
 *
 * @throws QueryError where there is no such queue
 * @throws StoreError
 */
export async function askWaits(store: Store, query: WaitsQuery): Promise<WaitsReport> {
  const serviceLevel = query.serviceLevel ?? (await usualLevel(store))
  const params = new Params()
  const rows = await store.query<Counted>(waitsSql(query, params), params.values, {
    settings: { enable_shared_storage_snapshot_in_query: 1 },
  })
  const asOf = rows.find(({ part }) => part === 'asOf')?.waits[0] ?? null
  const found = rows.filter(({ part }) => part !== 'asOf')
  if (query.queues.length > 0 && !found.some(({ part }) => part === 'calls')) await requireQueues(store, query.queues)

  const { from, to } = query.selection
  const slots = new Slots(query.per, query.zone)
  const everySlot = from === null || to === null ? null : slots.within(from, to, MOST_FILLED)
  const byGroup = Map.groupBy(found, ({ grp }) => grp)
  if (query.by.length === 0 && byGroup.size === 0) byGroup.set('[]', [])
  const turns = new Turns()
  const groups: { grp: string; group: Group }[] = []
  for (const [grp, members] of byGroup) {
    groups.push({ grp, group: await groupOf(grp, members, query, serviceLevel, slots, everySlot, turns) })
  }
  groups.sort((a, b) => b.group.totals.received - a.group.totals.received || (a.grp < b.grp ? -1 : 1))

  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return {
    asOf: iso(asOf),
    from: iso(from),
    to: iso(to),
    zone: query.zone,
    per: query.per,
    queues: [...query.queues],
    serviceLevel,
    shortMs: query.shortMs,
    wait: query.wait,
    filled: everySlot !== null,
    totals: {
      received: groups.reduce((sum, { group }) => sum + group.totals.received, 0),
      chains: groups.reduce(
        (sum, { group }) => sum + group.cost.reduce((all, { counts }) => all + counts.chains, 0),
        0,
      ),
    },
    groups: groups.map(({ group }) => group),
  }
}

async function groupOf(
  grp: string,
  rows: readonly Counted[],
  query: WaitsQuery,
  serviceLevel: ServiceLevel,
  slotsOfZone: Slots,
  everySlot: readonly Slot[] | null,
  turns: Turns,
): Promise<Group> {
  const all = new Told(everySlot)
  const queues = new Map(query.queues.map((queue) => [queue, new Told(everySlot)]))
  const cost = new Map<string, Record<string, number>>()
  for (const row of rows) {
    const [count = 0, talkMs = 0, talks = 0, calledBack = 0] = row.counts
    if (row.part === 'cost') {
      cost.set(row.label, { ...cost.get(row.label), [row.state]: count })
      continue
    }
    const calls = { fate: row.label as Fate, calls: count, waits: row.waits, talkMs, talks, calledBack }
    const queue = queues.get(row.queue) ?? new Told(everySlot)
    queues.set(row.queue, queue)
    const slot = slotsOfZone.ofQuarter(row.quarter)
    for (const told of [all, queue]) told.add(slot, calls)
    await turns.take()
  }
  const { totals, slots } = await all.figures(query, serviceLevel, turns)
  const listed: Group['queues'] = []
  for (const [queue, told] of queues) {
    listed.push({ queue: queue === '' ? null : queue, ...(await told.figures(query, serviceLevel, turns)) })
  }
  const by = groupValues(grp, query.by)
  const drill = {
    ...drillInto(query.selection, by),
    ...(query.wait === 'longest' ? {} : { wait: query.wait }),
    ...(query.queues.length === 0 ? {} : { queue: [...query.queues] }),
  }
  return {
    by,
    totals,
    slots,
    queues: listed.sort(
      (a, b) => b.totals.received - a.totals.received || ((a.queue ?? '') < (b.queue ?? '') ? -1 : 1),
    ),
    patience: patienceOf(
      all.total.waits('abandoned', 'short'),
      all.total.waits('answered', 'timeout', 'key', 'empty', 'other'),
    ),
    cost: costOf(cost, drill),
  }
}

/** The calls of one queue, or of all, together and by slot. */
class Told {
  readonly total = new Tally()
  readonly #slots = new Map<string, { slot: Slot; tally: Tally }>()

  constructor(slots: readonly Slot[] | null) {
    for (const slot of slots ?? []) this.#slots.set(keyOf(slot), { slot, tally: new Tally() })
  }

  add(slot: Slot, calls: Parameters<Tally['add']>[0]): void {
    this.total.add(calls)
    const known = this.#slots.get(keyOf(slot)) ?? { slot, tally: new Tally() }
    known.tally.add(calls)
    this.#slots.set(keyOf(slot), known)
  }

  async figures({ per, zone }: WaitsQuery, serviceLevel: ServiceLevel, turns: Turns) {
    const slots: Group['slots'] = []
    for (const { slot, tally } of [...this.#slots.values()].sort((a, b) => bySlot(a.slot, b.slot))) {
      await turns.take()
      slots.push({ start: slotStart(per, zone, slot), ...tally.figures(serviceLevel) })
    }
    return { totals: this.total.figures(serviceLevel), slots }
  }
}

async function usualLevel(store: Store): Promise<ServiceLevel> {
  const expected = (await catalogueInForce(store))?.touchpoints.get('call_wait')?.expectedWaitMs
  return expected === undefined ? USUAL : { ...USUAL, withinMs: expected }
}

/** A queue that nobody ever called is a mistake; one that merely had no calls then is an empty report. */
async function requireQueues(store: Store, queues: readonly string[]): Promise<void> {
  const rows = await store.query<{ queue: string }>(
    `SELECT DISTINCT call.2 AS queue
     FROM (
       SELECT arrayJoin(arrayZip(arrayFlatten(chains.interactions.touchpoint), arrayFlatten(chains.interactions.queue))) AS call
       FROM customer_chains FINAL)
     WHERE call.1 IN ('call_queue', 'call_wait')
     ORDER BY queue`,
  )
  const known = rows.map(({ queue }) => queue)
  const unknown = queues.find((queue) => !known.includes(queue))
  if (unknown === undefined || known.length === 0) return
  const named = known.filter((queue) => queue !== '')
  throw new QueryError(
    'queue',
    unknown,
    named.length === 0 ? 'none: calls here name no queue' : `a queue that had calls: ${named.slice(0, 20).join(', ')}`,
  )
}
