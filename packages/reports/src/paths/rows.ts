import { byColumns, type Rate, type Row } from '../question.ts'
import type { Ends, PathBranch, PathsReport } from './shape.ts'

const NOTHING = {
  items: null,
  chains: null,
  afterwards: null,
  occurrences: null,
  starts: null,
  endOfPath: null,
  share: null,
  timeP50Ms: null,
  timeP95Ms: null,
  ...endColumns(null),
}

/**
 * One row for each node, link, variant and branch, and one for what is folded away of each kind (`part` says which; `path` is
 * then empty and `items` how many they are). What a part does not have is null. A `>` goes between touchpoints; the path of a
 * branch goes outwards from the touchpoint that was asked for.
 */
export function pathsRows({ groups }: PathsReport): Row[] {
  return groups.flatMap((group) => {
    const by = byColumns(group.by)
    const row = (part: string, path: readonly string[], more: Row): Row => ({
      ...by,
      part,
      path: path.join('>'),
      ...NOTHING,
      ...more,
    })
    const { nodes, otherNodes, links, otherLinks, variants, otherVariants, tree } = group
    return [
      ...nodes.map(({ touchpoint, reached, afterwards, occurrences, starts, ends }) =>
        row('node', [touchpoint], { chains: reached, afterwards, occurrences, starts, ...endColumns(ends) }),
      ),
      ...(otherNodes.touchpoints === 0
        ? []
        : [
            row('node', [], {
              items: otherNodes.touchpoints,
              occurrences: otherNodes.occurrences,
              starts: otherNodes.starts,
              ...endColumns(otherNodes.ends),
            }),
          ]),
      ...links.map(({ from, to, occurrences, inChains, share, timeMs }) =>
        row('link', [from, to], { chains: inChains, occurrences, share, timeP50Ms: timeMs.p50, timeP95Ms: timeMs.p95 }),
      ),
      ...(otherLinks.links === 0
        ? []
        : [row('link', [], { items: otherLinks.links, occurrences: otherLinks.occurrences })]),
      ...variants.map(({ path, inChains, share, ends }) =>
        row('variant', path, { chains: inChains, share, ...endColumns(ends) }),
      ),
      ...(otherVariants.variants === 0
        ? []
        : [
            row('variant', [], {
              items: otherVariants.variants,
              chains: otherVariants.inChains,
              ...endColumns(otherVariants.ends),
            }),
          ]),
      ...(tree === null ? [] : branchesOf(tree, [])).map(({ way, branch }) =>
        row('branch', way, { chains: branch.inChains, endOfPath: branch.endOfPath, ...endColumns(branch.ends) }),
      ),
    ]
  })
}

/** The share of each link: of the ended chains that were at its first touchpoint, how many went on directly to its second. */
export function pathsRates({ groups }: PathsReport): Rate[] {
  return groups.flatMap(({ by, links }) =>
    links.map(({ from, to, closedChains, closedFrom }) => ({
      key: { ...byColumns(by), from, to },
      name: 'share',
      part: closedChains,
      of: closedFrom,
    })),
  )
}

function branchesOf(branch: PathBranch, before: readonly string[]): { way: string[]; branch: PathBranch }[] {
  const way = [...before, branch.touchpoint]
  return [{ way, branch }, ...branch.branches.flatMap((one) => branchesOf(one, way))]
}

function endColumns(ends: Ends | null) {
  return {
    converted: ends?.converted ?? null,
    broken: ends?.broken ?? null,
    open: ends?.open ?? null,
    ignored: ends?.ignored ?? null,
    refused: ends?.reasons.refused ?? null,
    abandoned: ends?.reasons.abandoned ?? null,
    dissatisfied: ends?.reasons.dissatisfied ?? null,
    silence: ends?.reasons.silence ?? null,
  }
}
