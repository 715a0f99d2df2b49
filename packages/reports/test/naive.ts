import type { Catalogue, Chain, ChainInteraction, Reason, State } from '@weaklink/chains'
import type { Person } from '@weaklink/interactions'
import type { BreakpointsReport } from '../src/breakpoints/shape.ts'
import type { BreakpointsOptions } from '../src/index.ts'

/**
 * The report as its definition reads, over chains in memory: one loop for each number and nothing clever. What the
 * database answers is right where it says the same.
 */
export interface PersonChains {
  readonly person: Person
  readonly chains: readonly Chain[]
}

/** A chain, or an episode that takes a chain's part. */
export interface Unit {
  readonly person: Person
  readonly state: State
  readonly reason: Reason | null
  readonly place: string
  readonly startedAt: number
  readonly closedAt: number | null
  readonly atRisk: boolean
  readonly reversed: boolean
  readonly complained: boolean
  readonly returned: boolean
  readonly returnedAndBought: boolean
  readonly recovered: readonly string[]
  readonly returning: boolean
  readonly interactions: readonly ChainInteraction[]
}

/**
 * @param options as on the command line; the catalogue is only needed for `within` with `at: 'furthest'`
 * @param tick the newest T
 */
export function naiveBreakpoints(
  people: readonly PersonChains[],
  options: BreakpointsOptions & { readonly catalogue?: Catalogue },
  tick: number | null,
): BreakpointsReport {
  const at = options.at ?? 'place'
  const date = options.date ?? 'start'
  const from = options.from === undefined ? null : Date.parse(options.from)
  const to = options.to === undefined ? null : Date.parse(options.to)
  const by = [options.by ?? []].flat().flatMap((names) => names.split(','))
  const where = [options.where ?? []].flat()

  const units = people.flatMap(({ person, chains }) =>
    options.within === undefined
      ? chainUnits(person, chains, at)
      : episodeUnits(person, chains, options.within, at, options.catalogue),
  )
  const fitting = units.filter((unit) => fits(unit, where))
  const selected = fitting.filter((unit) => {
    const instant = date === 'start' ? unit.startedAt : unit.closedAt
    return instant !== null && (from === null || instant >= from) && (to === null || instant < to)
  })
  const count = (test: (unit: Unit) => boolean) => selected.filter(test).length

  const groups = new Map<string, Unit[]>()
  if (by.length === 0) groups.set('[]', [])
  for (const unit of selected) {
    const key = JSON.stringify(by.map((name) => keyValue(unit, name)))
    const members = groups.get(key) ?? []
    members.push(unit)
    groups.set(key, members)
  }
  const broken = (members: readonly Unit[]) => members.filter((unit) => unit.state === 'broken').length

  return {
    asOf: iso(tick),
    refreshedAt: null,
    from: iso(from),
    to: iso(to),
    date: date as 'start' | 'end',
    at: at as 'place' | 'furthest',
    within: options.within ?? null,
    settledThrough: settledThrough(fitting),
    olderCatalogue: 0,
    totals: {
      customers: new Set(selected.map(({ person }) => JSON.stringify([person.kind, person.customer]))).size,
      chains: selected.length,
      open: count((unit) => unit.state === 'open'),
      atRisk: count((unit) => unit.atRisk),
      converted: count((unit) => unit.state === 'converted'),
      reversed: count((unit) => unit.reversed),
      complained: count((unit) => unit.complained),
      broken: broken(selected),
      ignored: count((unit) => unit.state === 'ignored'),
      returned: count((unit) => unit.returned),
      returnedAndBought: count((unit) => unit.returnedAndBought),
    },
    groups: [...groups]
      .sort(([a, as], [b, bs]) => broken(bs) - broken(as) || (a < b ? -1 : 1))
      .map(([key, members]) => ({
        by: Object.fromEntries(JSON.parse(key).map((value: unknown, index: number) => [by[index], value])),
        breakpoints: breakpointsOf(members),
      })),
  }
}

function breakpointsOf(units: readonly Unit[]): BreakpointsReport['groups'][number]['breakpoints'] {
  const placed = units.map((unit) => ({ unit, places: placesOf(unit) }))
  const all = placed.flatMap(({ places }) => places)
  const places = new Set(all.map((met) => met.interaction.touchpoint))
  const broken = units.filter((unit) => unit.state === 'broken').length
  const rows = [...places].map((touchpoint) => {
    const mets = all.filter((met) => met.interaction.touchpoint === touchpoint)
    const reaching = placed.filter(({ places }) =>
      places.some((met) => !met.epilogue && met.interaction.touchpoint === touchpoint),
    )
    const here = units.filter((unit) => unit.place === touchpoint)
    const inState = (state: State) => here.filter((unit) => unit.state === state)
    const because = (reason: Reason) => here.filter((unit) => unit.reason === reason).length
    const waits = mets.flatMap((met) => met.interaction.waitMs ?? []).sort((a, b) => a - b)
    return {
      touchpoint,
      interactions: mets.length,
      reached: reaching.length,
      passed: reaching.length - here.length,
      convertedHere: inState('converted').length,
      openHere: inState('open').length,
      ignoredHere: inState('ignored').length,
      broke: inState('broken').length,
      returned: inState('broken').filter((unit) => unit.returned).length,
      reasons: {
        refused: because('refused'),
        abandoned: because('abandoned'),
        dissatisfied: because('dissatisfied'),
        silence: because('silence'),
      },
      recovered: units.filter((unit) => unit.recovered.includes(touchpoint)).length,
      waitMs: { p50: nearestRank(waits, 50), p95: nearestRank(waits, 95) },
    }
  })
  const exposed = rows.reduce((sum, row) => sum + row.reached - row.openHere, 0)
  const excess = (row: (typeof rows)[number]) =>
    BigInt(row.broke * exposed) - BigInt((row.reached - row.openHere) * broken)
  rows.sort((a, b) => {
    const [of, other] = [excess(a), excess(b)]
    if (of !== other) return of > other ? -1 : 1
    return a.touchpoint < b.touchpoint ? -1 : 1
  })
  return rows.map((row) => {
    const tried = row.reached - row.openHere
    const expectedBroke = exposed === 0 ? 0 : (tried * broken) / exposed
    return {
      ...row,
      breakRate: tried === 0 ? null : row.broke / tried,
      expectedBroke,
      excess: row.broke - expectedBroke,
      shareOfBreaks: broken === 0 ? null : row.broke / broken,
    }
  })
}

function placesOf(unit: Unit): readonly ChainInteraction[] {
  return unit.interactions.filter((met) => met.place)
}

function nearestRank(sorted: readonly number[], percent: number): number | null {
  for (const [index, value] of sorted.entries()) if ((index + 1) * 100 >= percent * sorted.length) return value
  return null
}

function settledThrough(units: readonly Unit[]): string | null {
  const dated = units.map(({ startedAt, state }) => ({ day: new Date(startedAt).toISOString().slice(0, 10), state }))
  const settled = [...new Set(dated.map(({ day }) => day))].filter((one) => {
    const started = dated.filter(({ day }) => day <= one)
    const ended = started.filter(({ state }) => state !== 'open')
    return ended.length * 100 >= started.length * 99
  })
  return settled.sort().at(-1) ?? null
}

// Chains and episodes as units

export function chainUnits(person: Person, chains: readonly Chain[], at: string): Unit[] {
  return chains.map((chain, index) => ({
    ...chain,
    person,
    place: at === 'furthest' && chain.state !== 'converted' ? chain.furthest : chain.place,
    returning: chains.slice(0, index).some((before) => before.interactions.some(isContact)),
  }))
}

function episodeUnits(
  person: Person,
  chains: readonly Chain[],
  group: string,
  at: string,
  catalogue: Catalogue | undefined,
): Unit[] {
  const episodes = chains.flatMap((chain) => {
    const own = chain.interactions.filter((met) => !met.epilogue)
    return chain.episodes
      .filter((episode) => episode.group === group)
      .map((episode) => ({ chain, own, mets: own.filter((met) => met.interaction.episode === episode.id) }))
  })
  const units = episodes.map(({ chain, own, mets }): Unit => {
    const last = mets.at(-1)!
    const nothingElse = mets.every((met) => !met.place)
    const interactions = mets.map((met) => ({ ...met, place: met.place || nothingElse }))
    const places = interactions.filter((met) => met.place)
    const broke = isBad(last)
    const open = !broke && chain.state === 'open' && own.at(-1) === last
    const state = broke ? 'broken' : open ? 'open' : chain.state === 'ignored' ? 'ignored' : 'converted'
    const lastPlace = places.at(-1)!
    const stepOf = (met: ChainInteraction) => catalogue?.touchpoints.get(met.interaction.touchpoint)?.step
    const steps = places.flatMap((met) => stepOf(met) ?? [])
    const furthest = places.findLast((met) => stepOf(met) === Math.max(...steps)) ?? lastPlace
    const recovered = interactions.filter(
      (met, index) =>
        met.place &&
        isBad(met) &&
        interactions
          .slice(index + 1)
          .some((later) => later.by === 'customer' && later.outcome !== 'refused' && later.outcome !== 'abandoned'),
    )
    return {
      person,
      state,
      reason: !broke
        ? null
        : last.outcome === 'refused'
          ? 'refused'
          : last.outcome === 'abandoned'
            ? 'abandoned'
            : 'dissatisfied',
      place: (at === 'furthest' && state !== 'converted' ? furthest : lastPlace).interaction.touchpoint,
      startedAt: mets[0]!.interaction.at,
      closedAt: open ? null : last.interaction.at,
      atRisk: open && (lastPlace.outcome === 'abandoned' || lastPlace.reaction === 'negative'),
      reversed: false,
      complained: false,
      returned: false,
      returnedAndBought: false,
      recovered: recovered.map((met) => met.interaction.touchpoint),
      returning: false,
      interactions,
    }
  })
  return units.map((unit, index) => {
    const later = units.slice(index + 1).filter((other) => other.interactions.some((met) => met.by === 'customer'))
    const broke = unit.state === 'broken'
    return {
      ...unit,
      returned: broke && later.length > 0,
      returnedAndBought: broke && later.some((other) => other.state === 'converted'),
      returning: units.slice(0, index).some((before) => before.interactions.some(isContact)),
    }
  })
}

function isBad(met: ChainInteraction): boolean {
  return met.outcome === 'abandoned' || met.outcome === 'refused' || met.reaction === 'negative'
}

function isContact(met: ChainInteraction): boolean {
  return met.by === 'customer' || met.outcome === 'bought' || met.outcome === 'refused'
}

// Keys

export function fits(unit: Unit, where: readonly string[]): boolean {
  const names = new Set(where.map((text) => text.slice(0, text.indexOf('='))))
  return [...names].every((name) =>
    where
      .filter((text) => text.startsWith(`${name}=`))
      .map((text) => text.slice(name.length + 1))
      .some((wanted) => hasValue(keyValue(unit, name), name === 'at' ? iso(Date.parse(wanted))! : wanted)),
  )
}

function hasValue(value: string | number | boolean | null, wanted: string): boolean {
  if (value === null) return wanted === ''
  return typeof value === 'number' ? wanted !== '' && Number(wanted) === value : String(value) === wanted
}

export function keyValue(unit: Unit, name: string): string | number | boolean | null {
  const met = unit.interactions[0]!
  if (name === 'returning') return unit.returning
  if (name === 'customer') return unit.person.kind === 'customer' ? unit.person.customer : null
  if (name === 'at') return iso(met.interaction.at)
  if (name === 'by' || name === 'outcome' || name === 'reaction') return met[name]
  if (name.startsWith('props.')) return met.interaction.props?.[name.slice('props.'.length)] ?? null
  return (met.interaction as unknown as Record<string, string | number>)[name] ?? null
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
