import type { Store } from '@weaklink/clickhouse'
import { type Drill, drillInto } from '../drill.ts'
import { wilson } from '../intervals.ts'
import { Params } from '../keys.ts'
import { groupValues, shownPeriod } from '../selection.ts'
import { requireTouchpoints } from '../touchpoints/known.ts'
import type { PathsQuery } from './options.ts'
import type { Ends, PathBranch, PathsReport } from './shape.ts'
import { ENDS, pathsSql } from './sql.ts'

/** What `pathsSql` gives. */
interface Counted {
  readonly part: 'asOf' | 'total' | 'node' | 'link' | 'variant' | 'branch'
  readonly grp: string
  readonly shown: readonly string[]
  readonly counts: readonly number[]
  readonly times: readonly (number | null)[]
  readonly items: number
  readonly first: number
}

type Group = PathsReport['groups'][number]
type Totals = PathsReport['totals']

/**
 * What chains went through, in order: the graph of what directly follows what, whole paths, and the tree from or to a touchpoint.
 *
 * Sums that hold, in each group: over all nodes (the folded ones included) starts and ends sum to `totals`, each end by itself;
 * the variants' chains and ends too. `ends` of a node are what the report breakpoints says of the place.
 *
 * @throws QueryError where `after` or `before` names a touchpoint that there is not
 * @throws StoreError
 */
export async function askPaths(store: Store, query: PathsQuery): Promise<PathsReport> {
  const { selection, tree } = query
  if (tree !== null) await requireTouchpoints(store, tree.direction, [tree.touchpoint])
  const params = new Params()
  const sql = pathsSql(query, params)
  const rows = await store.query<Counted>(sql, params.values, {
    settings: { enable_shared_storage_snapshot_in_query: 1 },
  })
  const asOf = rows.find(({ part }) => part === 'asOf')?.times[0] ?? null
  const byGroup = Map.groupBy(
    rows.filter(({ part }) => part !== 'asOf'),
    ({ grp }) => grp,
  )
  if (query.by.length === 0 && byGroup.size === 0) byGroup.set('[]', [])
  const groups = [...byGroup].map(([grp, members]) => ({ grp, group: groupOf(grp, members, query) }))
  groups.sort((a, b) => b.group.totals.chains - a.group.totals.chains || (a.grp < b.grp ? -1 : 1))
  return {
    asOf: asOf === null ? null : new Date(asOf).toISOString(),
    ...shownPeriod(selection),
    fold: query.fold,
    limit: query.limit,
    after: tree?.direction === 'after' ? tree.touchpoint : null,
    before: tree?.direction === 'before' ? tree.touchpoint : null,
    depth: query.depth,
    totals: groups.map(({ group }) => group.totals).reduce(addTotals, totalsOf([])),
    groups: groups.map(({ group }) => group),
  }
}

function groupOf(grp: string, rows: readonly Counted[], query: PathsQuery): Group {
  const of = (part: Counted['part']) => {
    const all = rows.filter((row) => row.part === part).sort((a, b) => a.first - b.first)
    return { shown: all.filter(({ shown }) => shown.length > 0), other: all.find(({ shown }) => shown.length === 0) }
  }
  const by = groupValues(grp, query.by)
  const drill: Drill = drillInto(query.selection, by)
  const totals = totalsOf(of('total').shown[0]?.counts ?? [])
  const [nodes, links, variants] = [of('node'), of('link'), of('variant')]
  const otherVariants = variants.other?.counts ?? []
  return {
    by,
    totals,
    nodes: nodes.shown.map(({ shown: [touchpoint = ''], counts }) => {
      const [reached = 0, afterwards = 0, occurrences = 0, starts = 0, ...ends] = counts
      const chains = { ...drill, with: [touchpoint] }
      return { touchpoint, reached, afterwards, occurrences, starts, ends: endsOf(ends), chains }
    }),
    otherNodes: {
      touchpoints: nodes.other?.items ?? 0,
      occurrences: nodes.other?.counts[2] ?? 0,
      starts: nodes.other?.counts[3] ?? 0,
      ends: endsOf(nodes.other?.counts.slice(4) ?? []),
    },
    links: links.shown.map(({ shown: [from = '', to = ''], counts, times }) => {
      const [occurrences = 0, inChains = 0, closedChains = 0, closedFrom = 0] = counts
      return {
        ...{ from, to, occurrences, inChains },
        share: closedFrom === 0 ? null : closedChains / closedFrom,
        ...{ closedChains, closedFrom },
        timeMs: { p50: times[0] ?? null, p95: times[1] ?? null },
        chains: { ...drill, link: `${from}>${to}` },
      }
    }),
    otherLinks: { links: links.other?.items ?? 0, occurrences: links.other?.counts[0] ?? 0 },
    variants: variants.shown.map(({ shown: path, counts: [inChains = 0, ...ends] }) => ({
      path: [...path],
      inChains,
      share: inChains / totals.chains,
      ...endsAndRate(ends),
      chains: query.fold === 'repeats' ? { ...drill, variant: path.join('>') } : null,
    })),
    otherVariants: {
      variants: variants.other?.items ?? 0,
      inChains: otherVariants[0] ?? 0,
      ...endsAndRate(otherVariants.slice(1)),
    },
    tree: query.tree === null ? null : treeOf(query.tree.touchpoint, of('branch').shown),
  }
}

/** The rows are the ways that are shown, the commonest first, each after those that it begins with. */
function treeOf(touchpoint: string, ways: readonly Counted[]): PathBranch {
  const key = (way: readonly string[]) => way.join('>')
  const root = branchOf(touchpoint, ways[0]?.counts ?? [])
  const known = new Map([[touchpoint, root]])
  for (const { shown: way, counts } of ways.slice(1)) {
    const before = known.get(key(way.slice(0, -1)))
    if (before === undefined) throw new Error('a way is shown without the way it begins with')
    const branch = branchOf(way.at(-1) ?? '', counts)
    before.branches.push(branch)
    before.other.inChains -= branch.inChains
    known.set(key(way), branch)
  }
  return root
}

function branchOf(touchpoint: string, [inChains = 0, endOfPath = 0, ...ends]: readonly number[]): PathBranch {
  return {
    ...{ touchpoint, inChains, endOfPath, ...endsAndRate(ends) },
    branches: [],
    other: { inChains: inChains - endOfPath },
  }
}

function endsAndRate(counts: readonly number[]) {
  const ends = endsOf(counts)
  const tried = ends.converted + ends.broken
  const interval = wilson(ends.converted, tried)
  return {
    ends,
    conversionRate: tried === 0 ? null : ends.converted / tried,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  }
}

/** Counts in the order of ENDS. */
function endsOf(counts: readonly number[]): Ends {
  const end = Object.fromEntries(Object.keys(ENDS).map((name, index) => [name, counts[index] ?? 0]))
  const { converted = 0, open = 0, ignored = 0, refused = 0, abandoned = 0, dissatisfied = 0, silence = 0 } = end
  return {
    ...{ converted, broken: refused + abandoned + dissatisfied + silence, open, ignored },
    reasons: { refused, abandoned, dissatisfied, silence },
  }
}

function totalsOf([chains = 0, occurrences = 0, ...ends]: readonly number[]): Totals {
  return { chains, occurrences, ends: endsOf(ends) }
}

function addTotals(a: Totals, b: Totals): Totals {
  const list = ({ chains, occurrences, ends: { converted, open, ignored, reasons } }: Totals) => {
    const { refused, abandoned, dissatisfied, silence } = reasons
    return [chains, occurrences, converted, open, ignored, refused, abandoned, dissatisfied, silence]
  }
  const more = list(b)
  return totalsOf(list(a).map((value, index) => value + (more[index] ?? 0)))
}
