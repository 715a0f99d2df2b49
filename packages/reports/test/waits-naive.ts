import type { ChainInteraction, State } from '@weaklink/chains'
import { DateTime } from 'luxon'
import { durationOf } from '../src/duration.ts'
import { wilson } from '../src/intervals.ts'
import { chainUnits, fits, type PersonChains, type Unit } from './naive.ts'
import { byOf, groupsOf, iso, nearestRank } from './paths-naive.ts'

/** Options as on a command line; those that are left out have their defaults. */
export interface WaitsOptions {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly where?: string | readonly string[] | undefined
  readonly by?: string | readonly string[] | undefined
  readonly queue?: string | readonly string[] | undefined
  readonly per?: string | undefined
  readonly zone?: string | undefined
  readonly serviceLevel?: string | undefined
  readonly short?: string | undefined
  readonly wait?: string | undefined
}

interface Call {
  readonly unit: Unit
  readonly queue: string
  readonly entered: number
  readonly fate: string
  readonly wait: number | null
  readonly talk: number | null
  readonly calledBack: boolean
}

const HOUR = 3_600_000

/** The report as its definitions read, over chains in memory; hours and days are luxon's. */
export function naiveWaits(people: readonly PersonChains[], options: WaitsOptions, tick: number | null) {
  const zone = options.zone ?? 'UTC'
  const per = options.per ?? 'hour'
  const instant = (text: string | undefined) =>
    text === undefined ? null : DateTime.fromISO(text, { zone, setZone: text.includes('T') }).toMillis()
  const [from, to] = [instant(options.from), instant(options.to)]
  const [percent, within] = (options.serviceLevel ?? '80:20s').split(':') as [string, string]
  const level = { target: Number(percent) / 100, withinMs: durationOf(within)! }
  const shortMs = options.short === undefined ? null : durationOf(options.short)
  const queues = [options.queue ?? []].flat()
  const inPeriod = (at: number) => (from === null || at >= from) && (to === null || at < to)
  const inQueue = (queue: string) => queues.length === 0 || queues.includes(queue)

  const units = people.map(({ person, chains }) => chainUnits(person, chains, 'place'))
  const chosen = (unit: Unit) => fits(unit, [options.where ?? []].flat())
  const calls = units
    .flatMap((ofPerson) => callsOf(ofPerson, tick, shortMs))
    .filter(({ unit, entered, queue }) => chosen(unit) && inPeriod(entered) && inQueue(queue))
  const selected = units.flat().filter((unit) => chosen(unit) && inPeriod(unit.startedAt))

  const keyOf = (unit: Unit) => groupsOf([unit], options)[0]![0]
  const keys = new Set([...calls.map(({ unit }) => keyOf(unit)), ...selected.map(keyOf)])
  if (options.by === undefined && keys.size === 0) keys.add('[]')
  const filled = from !== null && to !== null
  const everyStart = filled ? startsIn(per, zone, from, to) : []
  const figures = (some: readonly Call[]) => figuresOf(some, level)
  const slots = (some: readonly Call[]) =>
    [...new Set([...everyStart, ...some.map(({ entered }) => startOf(per, zone, entered))])]
      .sort((a, b) => Date.parse(a ?? '') - Date.parse(b ?? ''))
      .map((start) => ({ start, ...figures(some.filter(({ entered }) => startOf(per, zone, entered) === start)) }))

  const groups = [...keys].map((key) => {
    const its = calls.filter(({ unit }) => keyOf(unit) === key)
    const names = [...new Set([...queues, ...its.map(({ queue }) => queue)])]
    return {
      key,
      group: {
        by: byOf(key, options),
        totals: figures(its),
        slots: slots(its),
        queues: names
          .map((name) => its.filter(({ queue }) => queue === name))
          .map((some, index) => ({ queue: names[index]! || null, totals: figures(some), slots: slots(some) }))
          .sort((a, b) => b.totals.received - a.totals.received || ((a.queue ?? '') < (b.queue ?? '') ? -1 : 1)),
        patience: { calls: known(its).length, gaveUp: known(its).filter(gaveUp).length, steps: survival(its) },
        cost: costOf(
          selected.filter((unit) => keyOf(unit) === key),
          inQueue,
          options.wait ?? 'longest',
        ),
      },
    }
  })
  groups.sort((a, b) => b.group.totals.received - a.group.totals.received || (a.key < b.key ? -1 : 1))
  return {
    asOf: iso(tick),
    from: iso(from),
    to: iso(to),
    zone,
    per,
    queues,
    serviceLevel: level,
    shortMs,
    wait: options.wait ?? 'longest',
    filled,
    totals: {
      received: calls.filter(({ fate }) => fate !== 'short').length,
      chains: selected.length,
    },
    groups: groups.map(({ group }) => group),
  }
}

function callsOf(units: readonly Unit[], tick: number | null, shortMs: number | null): Call[] {
  const all = units
    .flatMap((unit) => unit.interactions.map((met) => ({ unit, met, at: met.interaction.at })))
    .sort((a, b) => a.at - b.at)
    .filter(({ met }) => ['call_queue', 'call_wait', 'call_answer', 'call_back'].includes(met.interaction.touchpoint))
  const is = (touchpoint: string) => (one: { met: ChainInteraction }) => one.met.interaction.touchpoint === touchpoint
  const prop = ({ met }: { met: ChainInteraction }, name: string) => met.interaction.props?.[name] ?? ''
  const calls: Call[] = []
  const place = ({ interaction: { episode, queue } }: ChainInteraction) => JSON.stringify([episode ?? '', queue ?? ''])
  for (const name of new Set(all.filter((one) => !is('call_back')(one)).map(({ met }) => place(met)))) {
    const here = all.filter(({ met }) => place(met) === name)
    const [, queue] = JSON.parse(name) as [string, string]
    for (const turned of here.filter((one) => is('call_queue')(one) && prop(one, 'turnedAway') !== '')) {
      const fate =
        { closed: 'closed', full: 'saturated', diverted: 'saturated' }[String(prop(turned, 'turnedAway'))] ?? 'blocked'
      calls.push({ ...turned, queue, entered: turned.at, fate, wait: null, talk: null, calledBack: false })
    }
    const entries = here.filter((one) => is('call_queue')(one) && prop(one, 'turnedAway') === '')
    const ends = here.filter(is('call_wait'))
    const talks = here.filter(is('call_answer'))
    for (let k = 0; k < Math.max(entries.length, ends.length); k++) {
      const [entry, end] = [entries[k], ends[k]]
      const recorded = end?.met.interaction.waitMs
      const entered = entry?.at ?? Math.max(0, end!.at - (recorded ?? 0))
      if (end === undefined) {
        const late = tick !== null && entered < tick - HOUR
        const fate = entry!.met.outcome === 'abandoned' ? 'abandoned' : late ? 'unended' : 'waiting'
        calls.push({ unit: entry!.unit, queue, entered, fate, wait: null, talk: null, calledBack: false })
        continue
      }
      const wait = recorded ?? (entry !== undefined && end.at >= entry.at ? end.at - entry.at : null)
      const by = String(prop(end, 'ended'))
      const left = ['timeout', 'key', 'empty'].includes(by) ? by : 'other'
      const abandoned = end.met.outcome === 'abandoned'
      const fate = abandoned
        ? shortMs !== null && wait !== null && wait <= shortMs
          ? 'short'
          : 'abandoned'
        : by === ''
          ? 'answered'
          : left
      const next = all.slice(all.indexOf(end) + 1).find((one) => is('call_queue')(one) || is('call_back')(one))
      const talk = fate === 'answered' ? talks.shift()?.met.interaction.durationMs : undefined
      const calledBack = next !== undefined && is('call_back')(next)
      calls.push({ unit: (entry ?? end).unit, queue, entered, fate, wait, talk: talk ?? null, calledBack })
    }
  }
  return calls
}

function figuresOf(calls: readonly Call[], { target, withinMs }: { target: number; withinMs: number }) {
  const of = (...fates: string[]) => calls.filter(({ fate }) => fates.includes(fate))
  const waits = (...fates: string[]) =>
    of(...fates)
      .flatMap(({ wait }) => wait ?? [])
      .sort((a, b) => a - b)
  const ratio = (part: number, all: number) => (all === 0 ? null : part / all)
  const mean = (values: readonly number[]) => ratio(sum(values), values.length)
  const spread = (values: readonly number[]) => ({
    mean: mean(values),
    p50: nearestRank(values, 50),
    p90: nearestRank(values, 90),
    p95: nearestRank(values, 95),
  })
  const [answered, abandoned] = [waits('answered'), waits('abandoned')]
  const received = calls.length - of('short').length
  const taken = received - of('closed').length
  const inTime = answered.filter((wait) => wait <= withinMs).length
  const both = ratio(inTime, answered.length + abandoned.length)
  const talks = calls.flatMap(({ talk }) => talk ?? [])
  const all = waits('answered', 'abandoned', 'timeout', 'key', 'empty', 'other')
  return {
    received,
    answered: of('answered').length,
    abandoned: of('abandoned').length,
    closed: of('closed').length,
    saturated: of('saturated').length,
    blocked: of('blocked').length,
    left: {
      timeout: of('timeout').length,
      key: of('key').length,
      empty: of('empty').length,
      other: of('other').length,
    },
    waiting: of('waiting').length,
    unended: of('unended').length,
    shortAbandons: of('short').length,
    averageWaitMs: mean(of('answered').length > 0 ? answered : abandoned),
    answeredWaitMs: spread(answered),
    abandonedWaitMs: spread(abandoned),
    longestWaitMs: all.at(-1) ?? null,
    averageTalkMs: mean(talks),
    answeredRate: ratio(of('answered').length, taken),
    abandonRate: ratio(of('abandoned').length, taken),
    serviceLevel: {
      answeredInTime: inTime,
      ofAnswered: ratio(inTime, answered.length),
      ofAnsweredAndAbandoned: both,
      met: both === null ? null : both >= target,
    },
    callbacks: {
      asked: of('key').length,
      afterGivingUp: of('abandoned').filter(({ calledBack }) => calledBack).length,
    },
  }
}

const gaveUp = ({ fate }: Call) => fate === 'abandoned' || fate === 'short'
const known = (calls: readonly Call[]) => calls.filter(({ wait }) => wait !== null)

/** The product-limit estimate from its formula, from the beginning for every step. */
function survival(calls: readonly Call[]) {
  const times = [
    ...new Set(
      known(calls)
        .filter(gaveUp)
        .map(({ wait }) => wait!),
    ),
  ].sort((a, b) => a - b)
  const atRisk = (ms: number) => known(calls).filter(({ wait }) => wait! >= ms).length
  const events = (ms: number) => known(calls).filter((call) => gaveUp(call) && call.wait === ms).length
  return times.map((ms) => ({
    ms,
    atRisk: atRisk(ms),
    gaveUp: events(ms),
    holding: times.filter((one) => one <= ms).reduce((product, one) => product * (1 - events(one) / atRisk(one)), 1),
  }))
}

function costOf(units: readonly Unit[], inQueue: (queue: string) => boolean, which: string) {
  const bucketOf = (unit: Unit) => {
    const waits = unit.interactions.filter(
      ({ interaction, epilogue }) =>
        interaction.touchpoint === 'call_wait' && !epilogue && inQueue(interaction.queue ?? ''),
    )
    const counted = which === 'first' ? waits.slice(0, 1) : waits
    if (counted.length === 0) return 'none'
    if (counted.some(({ outcome }) => outcome === 'abandoned')) return 'abandoned'
    const longest = Math.max(...counted.map(({ interaction }) => interaction.waitMs ?? -1))
    if (longest < 0) return 'unknown'
    if (longest < 10_000) return '0-10s'
    if (longest < 30_000) return '10-30s'
    if (longest < 60_000) return '30-60s'
    if (longest < 120_000) return '1-2m'
    return longest < 300_000 ? '2-5m' : '5m+'
  }
  const buckets = ['0-10s', '10-30s', '30-60s', '1-2m', '2-5m', '5m+', 'abandoned', 'unknown', 'none']
  return buckets.map((bucket) => {
    const its = units.filter((unit) => bucketOf(unit) === bucket)
    const count = (state: State) => its.filter((unit) => unit.state === state).length
    const tried = count('converted') + count('broken')
    const share = (part: number) => ({
      rate: tried === 0 ? null : part / tried,
      low: wilson(part, tried)?.low ?? null,
      high: wilson(part, tried)?.high ?? null,
    })
    return {
      bucket,
      counts: {
        chains: its.length,
        converted: count('converted'),
        broken: count('broken'),
        ignored: count('ignored'),
        open: count('open'),
      },
      conversion: share(count('converted')),
      break: share(count('broken')),
    }
  })
}

function startOf(per: string, zone: string, at: number): string | null {
  if (per === 'none') return null
  const time = DateTime.fromMillis(at, { zone })
  const start =
    per === 'halfhour'
      ? time.minus({ minutes: time.minute % 30, seconds: time.second, milliseconds: time.millisecond })
      : per === 'hour'
        ? time.minus({ minutes: time.minute, seconds: time.second, milliseconds: time.millisecond })
        : time.startOf(per as 'day' | 'week')
  return start.toISO({ includeOffset: true })!.replace('Z', '+00:00')
}

function startsIn(per: string, zone: string, from: number, to: number): (string | null)[] {
  const starts: (string | null)[] = []
  for (let at = from; at < to; at += 15 * 60_000) starts.push(startOf(per, zone, at))
  starts.push(startOf(per, zone, to - 1))
  return [...new Set(starts)]
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
