import type { Key } from '../keys.ts'
import { groupValues, shownPeriod } from '../selection.ts'
import { settledThrough } from '../settled.ts'
import type { BreakpointsQuery } from './options.ts'
import { rank } from './rank.ts'
import type { BreakpointsReport } from './shape.ts'
import { COUNTS, TOTALS } from './sql.ts'

type Counted<T> = { readonly [K in keyof T]: number }

/** Of one touchpoint in one group: the group as the text of a JSON array, the counts in the order of COUNTS. */
export type Place = readonly [
  group: string,
  touchpoint: string,
  counts: readonly number[],
  p50: number | null,
  p95: number | null,
]

/** What is counted for an answer, in whichever way. */
export interface Counts {
  /** In the order of TOTALS. */
  readonly totals: readonly number[]
  /** By UTC day: the chains that started then, of the selection by `where` alone, and those of them that have ended. */
  readonly started: Readonly<Record<string, number>>
  readonly ended: Readonly<Record<string, number>>
  /** By touchpoint and group, written one after the other. */
  readonly recovered: Readonly<Record<string, number>>
  readonly places: readonly Place[]
  readonly asOf: string | null
  readonly olderCatalogue: number
}

/** @param refreshedAt of the aggregates that it was counted from; null where it was counted from the chains themselves */
export function reportOf(query: BreakpointsQuery, counts: Counts, refreshedAt: string | null): BreakpointsReport {
  return {
    asOf: counts.asOf,
    refreshedAt,
    ...shownPeriod(query),
    at: query.at,
    within: query.within,
    settledThrough: settledThrough(
      Object.keys(counts.started)
        .sort()
        .map((day) => [day, counts.started[day] ?? 0, counts.ended[day] ?? 0]),
    ),
    olderCatalogue: counts.olderCatalogue,
    totals: named(TOTALS, counts.totals),
    groups: groupsOf(counts, query.by),
  }
}

/** One group where nothing splits, even an empty one; else those that occur, most broken chains first. */
function groupsOf(
  { places, recovered }: Pick<Counts, 'places' | 'recovered'>,
  by: readonly Key[],
): BreakpointsReport['groups'] {
  const groups = Map.groupBy(places, ([group]) => group)
  if (by.length === 0 && groups.size === 0) groups.set('[]', [])
  return [...groups]
    .map(([group, members]) => ({
      by: groupValues(group, by),
      breakpoints: rank(
        members.map(([, touchpoint, counts, p50, p95]) => ({
          touchpoint,
          ...named(COUNTS, counts),
          recovered: recovered[`${touchpoint}${group}`] ?? 0,
          waitMs: { p50, p95 },
        })),
      ),
      broken: members.reduce((sum, [, , counts]) => sum + brokeOf(named(COUNTS, counts)), 0),
      group,
    }))
    .sort((a, b) => b.broken - a.broken || (a.group < b.group ? -1 : 1))
    .map(({ by, breakpoints }) => ({ by, breakpoints }))
}

function brokeOf(counts: Counted<typeof COUNTS>): number {
  return counts.refused + counts.abandoned + counts.dissatisfied + counts.silence
}

function named<T extends object>(names: T, values: readonly number[]): Counted<T> {
  return Object.fromEntries(Object.keys(names).map((name, index) => [name, values[index] ?? 0])) as Counted<T>
}
