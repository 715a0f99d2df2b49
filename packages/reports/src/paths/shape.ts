import { z } from 'zod'
import { groupShape, selectionShape } from '../selection-shape.ts'

const count = z.int().nonnegative()
const rate = z.number().nullable()

/** The options of `report chains` that list the chains a row is about. */
export const drillShape = z.record(z.string(), z.union([z.string(), z.array(z.string())]))

/** What became of chains; `broken` is the sum of its reasons. */
export const endsShape = z.object({
  converted: count,
  broken: count,
  open: count,
  ignored: count,
  reasons: z.object({ refused: count, abandoned: count, dissatisfied: count, silence: count }),
})

/** Nearest rank, in milliseconds. */
const timeMs = z.object({ p50: count.nullable(), p95: count.nullable() })

/**
 * converted / (converted + broken) and its 95 % interval (Wilson): open chains may still do either, ignored ones are messages
 * that nobody answered. Null where there is neither.
 */
const conversion = { conversionRate: rate, low: rate, high: rate }

/** occurrences = starts + the occurrences of the links to it = the occurrences of the links from it + all of `ends`. */
export const pathNode = z.object({
  touchpoint: z.string(),
  /** Chains that came here: `reached` of the report breakpoints. */
  reached: count,
  /** Of them, those that met it only after their place: a message that nobody answered, and no part of the path. */
  afterwards: count,
  /** How often paths come here. */
  occurrences: count,
  /** Paths that begin here. */
  starts: count,
  /** Paths that end here: broke, convertedHere, openHere and ignoredHere of the report breakpoints. */
  ends: endsShape,
  /** Those of `reached`. */
  chains: drillShape,
})

export const pathLink = z.object({
  from: z.string(),
  /** What comes directly after it in the path. */
  to: z.string(),
  occurrences: count,
  /** Chains in whose path it occurs. */
  inChains: count,
  /** closedChains / closedFrom: of the ended chains that were at `from`, how many ever went from there directly to `to`. */
  share: rate,
  closedChains: count,
  closedFrom: count,
  /** From the one to the other, of all occurrences. */
  timeMs,
  chains: drillShape,
})

export const pathVariant = z.object({
  path: z.array(z.string()),
  inChains: count,
  /** Of all chains of the group. */
  share: z.number(),
  ends: endsShape,
  ...conversion,
  /** Null with `fold: none`: `report chains` knows paths whose equal neighbours are one. */
  chains: drillShape.nullable(),
})

/** A way of chains: inChains = endOfPath + inChains of its branches + inChains of `other`. */
export interface PathBranch {
  touchpoint: string
  inChains: number
  /** Chains whose path has nothing more in this direction: it ends here, or with `before` begins here. */
  endOfPath: number
  /** What became of all chains of this branch in the end, wherever they ended. */
  ends: z.infer<typeof endsShape>
  conversionRate: number | null
  low: number | null
  high: number | null
  /** The commonest first. */
  branches: PathBranch[]
  /** Chains that go on in ways that are not shown: folded by `limit`, or beyond `depth`. */
  other: { inChains: number }
}

export const pathBranch: z.ZodType<PathBranch> = z.object({
  touchpoint: z.string(),
  inChains: count,
  endOfPath: count,
  ends: endsShape,
  ...conversion,
  get branches() {
    return z.array(pathBranch)
  },
  other: z.object({ inChains: count }),
})

export const pathTotals = z.object({
  chains: count,
  /** Touches: the occurrences of all nodes = chains + occurrences of all links. */
  occurrences: count,
  ends: endsShape,
})

export const pathsReport = z.object({
  ...selectionShape,
  /** Whether equal neighbours are one in variants and in the tree. Nodes and links are never folded. */
  fold: z.enum(['repeats', 'none']),
  /** At most so many nodes, links, variants and branches of each group are shown; the rest is in `other…`. */
  limit: z.int().positive(),
  /** What the tree is about, if one was asked for. */
  after: z.string().nullable(),
  before: z.string().nullable(),
  depth: z.int().positive(),
  totals: pathTotals,
  /** Most chains first. */
  groups: z.array(
    z.object({
      by: groupShape,
      totals: pathTotals,
      /** By `reached`, most first. */
      nodes: z.array(pathNode),
      otherNodes: z.object({ touchpoints: count, occurrences: count, starts: count, ends: endsShape }),
      /** By `occurrences`, most first. */
      links: z.array(pathLink),
      otherLinks: z.object({ links: count, occurrences: count }),
      /** By `inChains`, most first. */
      variants: z.array(pathVariant),
      otherVariants: z.object({ variants: count, inChains: count, ends: endsShape, ...conversion }),
      /** What follows the first time at `after`, or what led to the first time at `before`. Null where no tree was asked for. */
      tree: pathBranch.nullable(),
    }),
  ),
})

export type Ends = z.infer<typeof endsShape>
export type PathNode = z.infer<typeof pathNode>
export type PathLink = z.infer<typeof pathLink>
export type PathVariant = z.infer<typeof pathVariant>
export type PathsReport = z.infer<typeof pathsReport>
