import type { Chain, ChainInteraction } from '@weaklink/chains'
import type { PersonChains } from './naive.ts'

/**
 * Attribution as its definitions read, over chains in memory: for every chain, what each of its touches gets; for the models of
 * graphs, one system of equations for each question, solved by elimination as at school.
 */

export interface Naive {
  readonly of: 'touchpoint' | 'channel' | 'campaign'
  readonly aim: 'converted' | 'broken'
  readonly halfLifeMs: number
  readonly order: number
  readonly from: number | null
  readonly to: number | null
  readonly date: 'start' | 'end'
  /** Of the first interaction: `channel=ads`, empty for none. */
  readonly where: string | null
  readonly by: 'channel' | 'campaign' | null
}

export interface NaiveMeasure {
  readonly currency: string | null
  readonly total: number
  readonly touched: ReadonlyMap<string | null, number>
  readonly touches: ReadonlyMap<string | null, number>
  /** Model → key → credit. */
  readonly credits: Readonly<Record<string, ReadonlyMap<string | null, number> | null>>
}

export interface NaiveGroup {
  readonly value: string | null
  readonly totals: { chains: number; open: number; converted: number; broken: number; ignored: number }
  readonly measures: readonly NaiveMeasure[]
}

export function naiveAttribution(people: readonly PersonChains[], asked: Naive): NaiveGroup[] {
  const selected = people
    .flatMap(({ chains }) => chains)
    .filter((chain) => {
      const instant = asked.date === 'start' ? chain.startedAt : chain.closedAt
      if (instant === null || (asked.from !== null && instant < asked.from)) return false
      if (asked.to !== null && instant >= asked.to) return false
      if (asked.where === null) return true
      const [key, value] = asked.where.split('=') as ['channel' | 'campaign', string]
      return (chain.interactions[0]!.interaction[key] ?? '') === value
    })
  const groups = new Map<string | null, Chain[]>()
  if (asked.by === null) groups.set(null, [])
  for (const chain of selected) {
    const value = asked.by === null ? null : (chain.interactions[0]!.interaction[asked.by] ?? null)
    groups.set(value, [...(groups.get(value) ?? []), chain])
  }
  return [...groups].map(([value, chains]) => {
    const count = (state: string) => chains.filter((chain) => chain.state === state).length
    const currencies = new Set(
      asked.aim === 'broken' ? [] : chains.flatMap((chain) => (earnedBy(chain) === null ? [] : [currencyOf(chain)])),
    )
    return {
      value,
      totals: {
        chains: chains.length,
        open: count('open'),
        converted: count('converted'),
        broken: count('broken'),
        ignored: count('ignored'),
      },
      measures: [
        measureOf(chains, (chain) => (chain.state === asked.aim ? 1 : null), null, asked),
        ...[...currencies].map((currency) =>
          measureOf(chains, (chain) => (currencyOf(chain) === currency ? earnedBy(chain) : null), currency, asked),
        ),
      ],
    }
  })
}

/** What its purchase earned. */
export function earnedBy(chain: Chain): number | null {
  if (chain.state !== 'converted' || chain.reversed) return null
  return chain.interactions.find((met) => !met.epilogue && met.outcome === 'bought')!.interaction.value ?? null
}

function currencyOf(chain: Chain): string | null {
  const sale = chain.interactions.find((met) => !met.epilogue && met.outcome === 'bought')
  return sale?.interaction.currency ?? null
}

export function touchesOf(chain: Chain): ChainInteraction[] {
  if (chain.state === 'converted') {
    const own = chain.interactions.filter((met) => !met.epilogue)
    const sale = own.findIndex((met) => met.outcome === 'bought')
    const before = own.slice(0, sale).filter((met) => met.place)
    return before.length > 0 ? before : [own[sale]!]
  }
  return chain.interactions.slice(0, chain.placeIndex + 1).filter((met) => met.place && !met.epilogue)
}

interface Walk {
  readonly path: readonly (string | null)[]
  readonly instants: readonly number[]
  readonly amount: number | null
}

function measureOf(
  chains: readonly Chain[],
  amountOf: (chain: Chain) => number | null,
  currency: string | null,
  { of, halfLifeMs, order }: Naive,
): NaiveMeasure {
  const walks = chains
    .filter(({ state }) => state === 'converted' || state === 'broken')
    .map((chain): Walk => {
      const carrying = touchesOf(chain).filter((met) => met.interaction[of] !== undefined)
      return {
        path: carrying.length === 0 ? [null] : carrying.map((met) => met.interaction[of]!),
        instants: carrying.length === 0 ? [0] : carrying.map((met) => met.interaction.at),
        amount: amountOf(chain),
      }
    })
  const earning = walks.filter((walk) => walk.amount !== null)
  const keys = [...new Set(walks.flatMap((walk) => walk.path))]
  const sumOver = (share: (walk: Walk, index: number) => number) => {
    const sums = new Map<string | null, number>()
    for (const walk of earning) {
      for (const [index, key] of walk.path.entries()) {
        sums.set(key, (sums.get(key) ?? 0) + walk.amount! * share(walk, index))
      }
    }
    return sums
  }
  const count = (of: (walk: Walk, key: string | null) => number) => {
    return new Map(keys.map((key) => [key, earning.reduce<number>((sum, walk) => sum + of(walk, key), 0)]))
  }
  const total = earning.reduce((sum, walk) => sum + walk.amount!, 0)
  const decayed = (walk: Walk, index: number) => 2 ** (-(walk.instants.at(-1)! - walk.instants[index]!) / halfLifeMs)
  return {
    currency,
    total,
    touched: count((walk, key) => (walk.path.includes(key) ? 1 : 0)),
    touches: count((walk, key) => walk.path.filter((other) => other === key).length),
    credits: {
      first: sumOver((_, index) => (index === 0 ? 1 : 0)),
      last: sumOver(({ path }, index) => (index === path.length - 1 ? 1 : 0)),
      linear: sumOver(({ path }) => 1 / path.length),
      position: sumOver(({ path }, index) => {
        if (path.length === 1) return 1
        if (path.length === 2) return 0.5
        return index === 0 || index === path.length - 1 ? 0.4 : 0.2 / (path.length - 2)
      }),
      decay: sumOver((walk, index) => {
        const all = walk.path.reduce((sum, _, other) => sum + decayed(walk, other), 0)
        return decayed(walk, index) / all
      }),
      markov: naiveMarkov(walks, keys, total, order),
      // So many sets take too long.
      shapley: keys.length > 7 ? null : naiveShapley(walks, keys),
    },
  }
}

type Path = Pick<Walk, 'path' | 'amount'>

/** @returns what walks of the graph earn, together, that keep to some keys */
export function naiveWorth(walks: readonly Path[], order: number): (kept: ReadonlySet<string | null>) => number {
  const states: string[] = []
  const numberOf = (path: readonly (string | null)[]) => {
    const name = JSON.stringify(path.slice(-order))
    if (!states.includes(name)) states.push(name)
    return states.indexOf(name)
  }
  const steps: [from: number, to: number, key: string | null][] = []
  const ends: [from: number, amount: number][] = []
  for (const { path, amount } of walks) {
    for (const [index, key] of path.entries()) {
      steps.push([numberOf(path.slice(0, index)), numberOf(path.slice(0, index + 1)), key])
    }
    ends.push([numberOf(path), amount ?? 0])
  }
  if (walks.length === 0) return () => 0
  const size = states.length
  const visits = states.map(
    (_, state) => steps.filter(([from]) => from === state).length + ends.filter(([from]) => from === state).length,
  )
  return (kept) => {
    // x = Q x + r: what a walk earns that stands at a state.
    const rows = states.map((_, state) =>
      Array.from({ length: size + 1 }, (_, column): number => (column === state ? 1 : 0)),
    )
    for (const [from, to, key] of steps) if (kept.has(key)) rows[from]![to] = rows[from]![to]! - 1 / visits[from]!
    for (const [from, amount] of ends) rows[from]![size] = rows[from]![size]! + amount / visits[from]!
    return solve(rows)[0]! * walks.length
  }
}

/** Gauss and Jordan, with pivots; the right side is the last column. */
function solve(rows: number[][]): number[] {
  const size = rows.length
  for (let column = 0; column < size; column++) {
    let pivot = column
    for (let row = column; row < size; row++) {
      if (Math.abs(rows[row]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = row
    }
    ;[rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!]
    for (let row = 0; row < size; row++) {
      if (row === column) continue
      const factor = rows[row]![column]! / rows[column]![column]!
      for (let other = column; other <= size; other++) {
        rows[row]![other] = rows[row]![other]! - factor * rows[column]![other]!
      }
    }
  }
  return rows.map((row, index) => row[size]! / row[index]!)
}

function naiveMarkov(walks: readonly Walk[], keys: readonly (string | null)[], total: number, order: number) {
  const worth = naiveWorth(walks, order)
  const others = (key: string | null) => new Set(walks.flatMap(({ path }) => path).filter((other) => other !== key))
  const removals = keys.map((key) => (total === 0 ? 0 : 1 - worth(others(key)) / total))
  const all = removals.reduce((sum, removal) => sum + removal, 0)
  return new Map(keys.map((key, index) => [key, all === 0 ? 0 : (total * removals[index]!) / all]))
}

/** Over all sets of the others, how much it adds; sets of one size have the same weight. */
export function naiveShapley(walks: readonly Path[], keys: readonly (string | null)[]) {
  const worthOf = naiveWorth(walks, 1)
  const worths = new Map<string, number>()
  const worth = (members: readonly (string | null)[]) => {
    const name = JSON.stringify(members)
    if (!worths.has(name)) worths.set(name, worthOf(new Set(members)))
    return worths.get(name)!
  }
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1))
  return new Map(
    keys.map((key) => {
      let value = 0
      for (let set = 0; set < 2 ** keys.length; set++) {
        const members = keys.filter((_, index) => (set & (1 << index)) !== 0)
        if (members.includes(key)) continue
        const orders = factorial(members.length) * factorial(keys.length - members.length - 1)
        const joined = keys.filter((other) => other === key || members.includes(other))
        value += (orders / factorial(keys.length)) * (worth(joined) - worth(members))
      }
      return [key, value]
    }),
  )
}
