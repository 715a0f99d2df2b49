import type { Chain } from '@weaklink/chains'
import { type Further, furtherOf, type Precedence, type Yield } from '../src/weak-links/progress.ts'
import type { Source, Spot } from '../src/weak-links/search.ts'
import type { Series, Shared } from '../src/weak-links/series.ts'

/**
 * Chains in memory as a source of counts, as the definitions read: one chain after the other into every series that it
 * belongs to. What the store counts is right where it counts the same.
 */
export interface PlainChain {
  readonly lost: boolean
  /** The touchpoints of its path, with the day of each from the first day that is looked at. */
  readonly path: readonly { readonly touchpoint: string; readonly day: number }[]
  /** Touchpoints that it reached, beyond those of its path too. */
  readonly reached: readonly string[]
  /** Numbers of its segment values, ascending. */
  readonly segments: readonly number[]
}

export interface NaiveOptions {
  readonly days: number
  readonly minChains: number
}

/** The days from 1970-01-01, as `path` has them. */
export function plainChain(chain: Chain, firstDay: number, segments: readonly number[]): PlainChain {
  return {
    lost: chain.state === 'broken',
    path: chain.interactions
      .filter((met, index) => met.place && index <= chain.placeIndex)
      .map(({ interaction }) => ({
        touchpoint: interaction.touchpoint,
        day: Math.floor(interaction.at / 86_400_000) - firstDay,
      })),
    reached: chain.interactions
      .filter((met) => met.place && !met.epilogue)
      .map(({ interaction }) => interaction.touchpoint),
    segments,
  }
}

export function naiveSource(chains: readonly PlainChain[], { days, minChains }: NaiveOptions): Source {
  const further = furtherOf(
    yieldsOf(chains).filter(({ reached }) => reached >= minChains),
    precedencesOf(chains),
  )
  const visited = chains.map((chain) => visitsOf(chain, days, further))
  const paired = new Set<string>()
  let looked = new Set<string>()

  return {
    async singles() {
      const all = new Counted(days)
      for (const { chain, visits } of visited) {
        for (const visit of visits) for (const segment of singlesOf(chain)) all.add(chain, visit, segment, false)
      }
      looked = new Set(
        all.list
          .filter(({ segment, reached }) => segment.length === 0 && sum(reached) >= 2 * minChains)
          .map(({ element }) => element),
      )
      return all.list.filter(({ element, reached }) => looked.has(element) && sum(reached) >= minChains)
    },
    async pairs(elements) {
      for (const element of elements) paired.add(element)
      const all = new Counted(days)
      for (const { chain, visits } of visited) {
        for (const visit of visits) {
          if (paired.has(visit.element)) for (const segment of pairsOf(chain)) all.add(chain, visit, segment, false)
        }
      }
      return all.list.filter(({ reached }) => sum(reached) >= minChains)
    },
    async lostAt(spots) {
      const all = new Counted(days)
      const last = spots.at(-1)
      for (const { chain, visits } of visited) {
        const [at, ...before] = spots.toReversed().map((spot) => visits.find((visit) => isLostAt(chain, visit, spot)))
        if (last === undefined || at === undefined || before.some((visit) => visit !== undefined)) continue
        for (const visit of visits) {
          const segments = [...singlesOf(chain), ...(paired.has(visit.element) ? pairsOf(chain) : [])]
          for (const segment of segments) all.add(chain, visit, segment, visit.position > at.position)
        }
      }
      return all.list
    },
  }
}

/** The last time that a chain came to a touchpoint or went over a link. */
interface Visit {
  readonly element: string
  readonly day: number
  readonly position: number
  readonly lostHere: boolean
}

function visitsOf(chain: PlainChain, days: number, further: Further) {
  const isKnown = (touchpoint: string) => further.has(touchpoint)
  const visits = new Map<string, Visit>()
  for (const [position, { touchpoint, day }] of chain.path.entries()) {
    const before = chain.path[position - 1]?.touchpoint
    const cameFurther = further.get(touchpoint)?.some((other) => chain.reached.includes(other)) === true
    const lostHere = chain.lost && !cameFurther
    const elements = [touchpoint, ...(before === undefined || before === touchpoint ? [] : [`${before}>${touchpoint}`])]
    for (const element of elements) {
      if (element.split('>').every(isKnown)) visits.set(element, { element, day, position, lostHere })
    }
  }
  return { chain, visits: [...visits.values()].filter(({ day }) => day >= 0 && day < days) }
}

export function isLostAt(chain: PlainChain, visit: Visit, { element, segment, window }: Spot): boolean {
  return (
    visit.element === element &&
    visit.lostHere &&
    visit.day >= window.from &&
    visit.day < window.to &&
    segment.every((value) => chain.segments.includes(value))
  )
}

export function yieldsOf(chains: readonly PlainChain[]): Yield[] {
  const touchpoints = new Set(chains.flatMap(({ reached }) => reached))
  return [...touchpoints].map((touchpoint) => ({
    touchpoint,
    reached: chains.filter(({ reached }) => reached.includes(touchpoint)).length,
    converted: chains.filter(({ reached, lost }) => reached.includes(touchpoint) && !lost).length,
  }))
}

export function precedencesOf(chains: readonly PlainChain[]): Precedence[] {
  const counts = new Map<string, number>()
  for (const { reached } of chains) {
    const firsts = [...new Set(reached)]
    for (const [index, before] of firsts.entries()) {
      for (const after of firsts.slice(index + 1)) {
        counts.set(`${before} ${after}`, (counts.get(`${before} ${after}`) ?? 0) + 1)
      }
    }
  }
  return [...counts].map(([key, chains]) => {
    const [before = '', after = ''] = key.split(' ')
    return { before, after, chains }
  })
}

function singlesOf({ segments }: PlainChain): readonly (readonly number[])[] {
  return [[], ...segments.map((value) => [value])]
}

function pairsOf({ segments }: PlainChain): readonly (readonly number[])[] {
  return segments.flatMap((one, index) => segments.slice(index + 1).map((other) => [one, other]))
}

class Counted {
  readonly #days: number
  readonly #byKey = new Map<string, Series & Shared>()

  constructor(days: number) {
    this.#days = days
  }

  get list(): (Series & Shared)[] {
    return [...this.#byKey.values()]
  }

  add(chain: PlainChain, visit: Visit, segment: readonly number[], after: boolean): void {
    const key = `${visit.element} ${segment.join(' ')}`
    let series = this.#byKey.get(key)
    if (series === undefined) {
      const empty = () => new Float64Array(this.#days)
      const counts = { reached: empty(), lost: empty(), lostAtAll: empty(), after: empty() }
      series = { element: visit.element, segment, ...counts }
      this.#byKey.set(key, series)
    }
    const count = (counts: Float64Array) => {
      counts[visit.day] = (counts[visit.day] ?? 0) + 1
    }
    count(series.reached)
    if (visit.lostHere) count(series.lost)
    if (chain.lost) count(series.lostAtAll)
    if (after) count(series.after)
  }
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0)
}
