import type { Reason, State } from '@weaklink/chains'
import { wilson } from '../src/intervals.ts'
import type { Ends, PathBranch, PathsReport } from '../src/paths/shape.ts'
import { chainUnits, fits, keyValue, type PersonChains, type Unit } from './naive.ts'

/** Options as on a command line; those that are left out have their defaults. */
export interface PathsOptions {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly date?: string | undefined
  readonly where?: string | readonly string[] | undefined
  readonly by?: string | readonly string[] | undefined
  readonly fold?: string | undefined
  readonly limit?: string | undefined
  readonly after?: string | undefined
  readonly before?: string | undefined
  readonly depth?: string | undefined
}

/** The report as its definitions read, over chains in memory. `chains`, the drill, is left out: a test follows it. */
export function naivePaths(people: readonly PersonChains[], options: PathsOptions, tick: number | null) {
  const limit = Number(options.limit ?? 20)
  const depth = Number(options.depth ?? 3)
  const selected = selectedUnits(people, options)
  const groups = groupsOf(selected, options).sort(([a, as], [b, bs]) => bs.length - as.length || (a < b ? -1 : 1))
  return {
    asOf: iso(tick),
    from: options.from === undefined ? null : iso(Date.parse(options.from)),
    to: options.to === undefined ? null : iso(Date.parse(options.to)),
    date: options.date ?? 'start',
    fold: options.fold ?? 'repeats',
    limit,
    after: options.after ?? null,
    before: options.before ?? null,
    depth,
    totals: totalsOf(selected),
    groups: groups.map(([key, units]) => ({
      by: byOf(key, options),
      totals: totalsOf(units),
      ...nodesOf(units, limit),
      ...linksOf(units, limit),
      ...variantsOf(units, limit, options.fold !== 'none'),
      tree: treeOf(units, limit, options, depth),
    })),
  }
}

export function selectedUnits(people: readonly PersonChains[], options: PathsOptions): Unit[] {
  const where = [options.where ?? []].flat()
  return people
    .flatMap(({ person, chains }) => chainUnits(person, chains, 'place'))
    .filter((unit) => fits(unit, where))
    .filter((unit) => {
      const instant = options.date === 'end' ? unit.closedAt : unit.startedAt
      return (
        instant !== null &&
        (options.from === undefined || instant >= Date.parse(options.from)) &&
        (options.to === undefined || instant < Date.parse(options.to))
      )
    })
}

/** Units by the values of `by` as JSON text; without `by` one group, also of nothing. */
export function groupsOf(units: readonly Unit[], options: PathsOptions): [string, Unit[]][] {
  const by = [options.by ?? []].flat()
  const groups = Map.groupBy(units, (unit) => JSON.stringify(by.map((name) => keyValue(unit, name))))
  if (by.length === 0 && groups.size === 0) groups.set('[]', [])
  return [...groups]
}

export function byOf(key: string, options: PathsOptions) {
  const by = [options.by ?? []].flat()
  return Object.fromEntries(JSON.parse(key).map((value: unknown, index: number) => [by[index], value]))
}

export function placesOf(unit: Unit) {
  return unit.interactions.filter((met) => met.place && !met.epilogue)
}

/** The places up to the one where the chain is or ended. */
export function pathOf(unit: Unit & { readonly placeIndex?: number }) {
  return unit.interactions.slice(0, (unit.placeIndex ?? 0) + 1).filter((met) => met.place)
}

function namesOf(unit: Unit): string[] {
  return pathOf(unit).map((met) => met.interaction.touchpoint)
}

function endsOf(units: readonly Unit[]): Ends {
  const state = (one: State) => units.filter((unit) => unit.state === one).length
  const reason = (one: Reason) => units.filter((unit) => unit.reason === one).length
  return {
    converted: state('converted'),
    broken: state('broken'),
    open: state('open'),
    ignored: state('ignored'),
    reasons: {
      refused: reason('refused'),
      abandoned: reason('abandoned'),
      dissatisfied: reason('dissatisfied'),
      silence: reason('silence'),
    },
  }
}

function rateOf(units: readonly Unit[]) {
  const { converted, broken } = endsOf(units)
  const interval = wilson(converted, converted + broken)
  return {
    conversionRate: converted + broken === 0 ? null : converted / (converted + broken),
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  }
}

function totalsOf(units: readonly Unit[]) {
  return {
    chains: units.length,
    occurrences: units.reduce((sum, unit) => sum + pathOf(unit).length, 0),
    ends: endsOf(units),
  }
}

function nodesOf(units: readonly Unit[], limit: number) {
  const touchpoints = [...new Set(units.flatMap((unit) => placesOf(unit).map((met) => met.interaction.touchpoint)))]
  const times = (names: readonly string[], touchpoint: string) => names.filter((name) => name === touchpoint).length
  const nodes = touchpoints.map((touchpoint) => {
    const reaching = units.filter((unit) => placesOf(unit).some((met) => met.interaction.touchpoint === touchpoint))
    return {
      touchpoint,
      reached: reaching.length,
      afterwards: reaching.filter((unit) => !namesOf(unit).includes(touchpoint)).length,
      occurrences: units.reduce((sum, unit) => sum + times(namesOf(unit), touchpoint), 0),
      starts: units.filter((unit) => namesOf(unit)[0] === touchpoint).length,
      ends: units.filter((unit) => namesOf(unit).at(-1) === touchpoint),
    }
  })
  nodes.sort((a, b) => b.reached - a.reached || compareNames([a.touchpoint], [b.touchpoint]))
  const rest = nodes.slice(limit)
  return {
    nodes: nodes.slice(0, limit).map((node) => ({ ...node, ends: endsOf(node.ends) })),
    otherNodes: {
      touchpoints: rest.length,
      occurrences: rest.reduce((sum, node) => sum + node.occurrences, 0),
      starts: rest.reduce((sum, node) => sum + node.starts, 0),
      ends: endsOf(rest.flatMap((node) => node.ends)),
    },
  }
}

function linksOf(units: readonly Unit[], limit: number) {
  const steps = units.flatMap((unit) => {
    const path = pathOf(unit)
    return path.slice(1).map((met, index) => ({
      unit,
      from: path[index]!.interaction.touchpoint,
      to: met.interaction.touchpoint,
      elapsed: met.interaction.at - path[index]!.interaction.at,
    }))
  })
  const kinds = [...new Set(steps.map(({ from, to }) => JSON.stringify([from, to])))]
  const links = kinds.map((kind) => {
    const [from, to]: [string, string] = JSON.parse(kind)
    const those = steps.filter((step) => step.from === from && step.to === to)
    const closedChains = units.filter(
      (unit) => unit.state !== 'open' && those.some((step) => step.unit === unit),
    ).length
    const closedFrom = units.filter((unit) => unit.state !== 'open' && namesOf(unit).includes(from)).length
    const elapsed = those.map((step) => step.elapsed).sort((a, b) => a - b)
    return {
      from,
      to,
      occurrences: those.length,
      inChains: new Set(those.map(({ unit }) => unit)).size,
      share: closedFrom === 0 ? null : closedChains / closedFrom,
      closedChains,
      closedFrom,
      timeMs: { p50: nearestRank(elapsed, 50), p95: nearestRank(elapsed, 95) },
    }
  })
  links.sort((a, b) => b.occurrences - a.occurrences || compareNames([a.from, a.to], [b.from, b.to]))
  return {
    links: links.slice(0, limit),
    otherLinks: {
      links: links.slice(limit).length,
      occurrences: links.slice(limit).reduce((sum, link) => sum + link.occurrences, 0),
    },
  }
}

function variantsOf(units: readonly Unit[], limit: number, folds: boolean) {
  const ways = Map.groupBy(units, (unit) => JSON.stringify(folded(namesOf(unit), folds)))
  const variants = [...ways].map(([text, those]) => ({ path: JSON.parse(text) as string[], those }))
  variants.sort(
    (a, b) => b.those.length - a.those.length || a.path.length - b.path.length || compareNames(a.path, b.path),
  )
  const rest = variants.slice(limit).flatMap(({ those }) => those)
  return {
    variants: variants.slice(0, limit).map(({ path, those }) => ({
      path,
      inChains: those.length,
      share: those.length / units.length,
      ends: endsOf(those),
      ...rateOf(those),
    })),
    otherVariants: {
      variants: variants.slice(limit).length,
      inChains: rest.length,
      ends: endsOf(rest),
      ...rateOf(rest),
    },
  }
}

function folded(names: readonly string[], folds: boolean): string[] {
  return names.filter((name, index) => !folds || name !== names[index - 1])
}

/** The whole tree first; then the branches with most chains are kept, and what is under a kept one is what is kept of it. */
function treeOf(units: readonly Unit[], limit: number, options: PathsOptions, depth: number): PathBranch | null {
  const touchpoint = options.after ?? options.before
  if (touchpoint === undefined) return null
  const ways = units.flatMap((unit) => {
    const path = folded(namesOf(unit), options.fold !== 'none')
    const at = path.indexOf(touchpoint)
    if (at === -1) return []
    return [{ unit, way: options.after === undefined ? path.slice(0, at + 1).reverse() : path.slice(at) }]
  })
  const begun = new Map<string, string[]>()
  for (const { way } of ways) {
    for (let taken = 2; taken <= depth + 1 && taken <= way.length; taken++) {
      begun.set(JSON.stringify(way.slice(0, taken)), way.slice(0, taken))
    }
  }
  const along = (some: readonly string[]) => ways.filter(({ way }) => some.every((name, index) => way[index] === name))
  const kept = [...begun.values()]
    .sort((a, b) => along(b).length - along(a).length || a.length - b.length || compareNames(a, b))
    .slice(0, limit)
  const branch = (way: readonly string[]): PathBranch => {
    const those = along(way)
    const branches = kept
      .filter((one) => one.length === way.length + 1 && way.every((name, index) => one[index] === name))
      .map(branch)
    const endOfPath = those.filter((one) => one.way.length === way.length).length
    return {
      touchpoint: way.at(-1)!,
      inChains: those.length,
      endOfPath,
      ends: endsOf(those.map(({ unit }) => unit)),
      ...rateOf(those.map(({ unit }) => unit)),
      branches,
      other: {
        inChains: those.length - endOfPath - branches.reduce((sum, one) => sum + one.inChains, 0),
      },
    }
  }
  return branch([touchpoint])
}

export function nearestRank(sorted: readonly number[], percent: number): number | null {
  for (const [index, value] of sorted.entries()) if ((index + 1) * 100 >= percent * sorted.length) return value
  return null
}

/** As ClickHouse orders arrays of texts: by their UTF-8 bytes. */
function compareNames(a: readonly string[], b: readonly string[]): number {
  for (const [index, name] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    const order = Buffer.compare(Buffer.from(name), Buffer.from(other))
    if (order !== 0) return order
  }
  return a.length - b.length
}

export function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** The report without its drills. */
export function withoutDrills(report: PathsReport): unknown {
  return JSON.parse(
    JSON.stringify(report, (key, value) => (key === 'chains' && typeof value !== 'number' ? undefined : value)),
  )
}
