import type { Turns } from '../turns.ts'
import { copyOf, type Graph, takeOut } from './walks.ts'

/** Up to so many players every set of them is looked at. */
export const MOST_EXACT = 12
/** More would take more than some seconds. */
export const MOST_PLAYERS = 500
/** Steps of computing that drawing orders may take; with many players fewer are drawn than were asked for. */
const BUDGET = 1.5e9
const FEWEST_SAMPLES = 30

export interface Shares {
  /** By player, one amount a measure. */
  readonly values: readonly Float64Array[]
  /** Their standard errors from drawing; null where nothing was drawn. */
  readonly errors: readonly Float64Array[] | null
  /** How many orders were drawn; null where all sets were looked at. */
  readonly samples: number | null
}

/**
 * The **value function**: what walks earn that keep to a set of names, every walk that comes to another one being lost. It is
 * the removal of the Markov graph (Anderl et al. 2016), for sets instead of single names; Singal, Besbes, Désir, Goyal and
 * Iyengar (Shapley Meets Uniform, Management Science 68 (2022)) define the worth of a set on the Markov graph likewise. It never
 * falls when a name joins a set, is 0 of none, and of all it is the total: so no share is negative, and they sum to the total.
 *
 * @param graph of order 1: state `i + 1` is that of player `i`
 * @returns by set (bit `i`: player `i` is in it), set after set, one amount a measure
 */
export function worthOfSets(graph: Graph): Float64Array {
  const players = graph.size - 1
  const worth = new Float64Array(2 ** players * graph.measures)
  const decide = (graph: Graph, player: number, set: number): void => {
    if (player === players) {
      worth.set(graph.earns.subarray(0, graph.measures), set * graph.measures)
      return
    }
    // Who is not in the set just stays: what leads there earns nothing.
    decide(graph, player + 1, set)
    const joined = copyOf(graph)
    takeOut(joined, player + 1)
    decide(joined, player + 1, set | (1 << player))
  }
  decide(graph, 0, 0)
  return worth
}

/**
 * Shapley's value (A Value for n-Person Games, 1953): what each player adds to a set, averaged over all orders in which players
 * may join.
 *
 * @param worth by set, as `worthOfSets` gives it
 */
export function exactShapley(players: number, worth: Float64Array): Float64Array[] {
  const sets = 2 ** players
  const measures = worth.length / sets
  // Of the orders of all players, the share in which exactly a certain set of this size comes before a certain player.
  const weights: number[] = []
  for (let size = 0; size < players; size++) {
    weights.push(size === 0 ? 1 / players : ((weights[size - 1] ?? 0) * size) / (players - size))
  }
  return Array.from({ length: players }, (_, player) => {
    const value = new Float64Array(measures)
    for (let set = 0; set < sets; set++) {
      if ((set & (1 << player)) !== 0) continue
      const weight = weights[bits(set)] ?? 0
      const [before, after] = [set * measures, (set | (1 << player)) * measures]
      for (let measure = 0; measure < measures; measure++) {
        const added = (worth[after + measure] ?? 0) - (worth[before + measure] ?? 0)
        value[measure] = (value[measure] ?? 0) + weight * added
      }
    }
    return value
  })
}

/**
 * The same from random orders (Castro, Gómez, Tejada: Polynomial calculation of the Shapley value based on sampling. Computers &
 * Operations Research 36 (2009) 1726–1730), with the standard error of each mean. The players of one order share the total
 * exactly, so all of them do. Taking states out in that order gives what each one adds, at the cost of solving the graph once.
 */
export async function sampledShapley(graph: Graph, samples: number, seed: number, turns: Turns): Promise<Shares> {
  const { size, measures } = graph
  const players = size - 1
  const drawn = Math.min(samples, Math.max(FEWEST_SAMPLES, Math.floor(BUDGET / (size ** 3 / 3))))
  const random = randomFrom(seed)
  const order = Array.from({ length: players }, (_, player) => player)
  const sums = order.map(() => new Float64Array(measures))
  const squares = order.map(() => new Float64Array(measures))
  for (let sample = 0; sample < drawn; sample++) {
    shuffle(order, random)
    const joining = copyOf(graph)
    let before = joining.earns.slice(0, measures)
    for (const player of order) {
      takeOut(joining, player + 1)
      const after = joining.earns.slice(0, measures)
      for (let measure = 0; measure < measures; measure++) {
        const added = (after[measure] ?? 0) - (before[measure] ?? 0)
        add(sums[player], measure, added)
        add(squares[player], measure, added * added)
      }
      before = after
    }
    await turns.take()
  }
  return {
    values: sums.map((sum) => sum.map((total) => total / drawn)),
    errors: squares.map((square, player) =>
      square.map((total, measure) => {
        const mean = (sums[player]?.[measure] ?? 0) / drawn
        return Math.sqrt(Math.max(0, total / drawn - mean * mean) / (drawn - 1))
      }),
    ),
    samples: drawn,
  }
}

/** Exact where that is possible. */
export async function shapley(graph: Graph, samples: number, seed: number, turns: Turns): Promise<Shares> {
  const players = graph.size - 1
  if (players > MOST_EXACT) return sampledShapley(graph, samples, seed, turns)
  return { values: exactShapley(players, worthOfSets(graph)), errors: null, samples: null }
}

function add(amounts: Float64Array | undefined, at: number, amount: number): void {
  if (amounts !== undefined) amounts[at] = (amounts[at] ?? 0) + amount
}

function bits(set: number): number {
  let count = 0
  for (let rest = set; rest !== 0; rest &= rest - 1) count++
  return count
}

/** Fisher and Yates. */
function shuffle(order: number[], random: () => number): void {
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const [a, b] = [order[last] ?? 0, order[other] ?? 0]
    order[last] = b
    order[other] = a
  }
}

/** mulberry32 (Tommy Ettinger): the same on every machine. From 0 to 1, 1 excluded. */
function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
