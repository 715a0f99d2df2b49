import type { Turns } from '../turns.ts'
import { copyOf, type Graph, onlyStates, takeOut } from './walks.ts'

/** More would take too much memory: a graph of so many has 72 MB. */
export const MOST_STATES = 3000
/** Steps of computing, some ten seconds. Graphs of real chains take far less: few names follow a name. */
const MOST_WORK = 6e9

/**
 * The removal effect of each name in each measure: the share of what walks earn that is gone when every walk that comes to the
 * name is lost (Anderl et al. 2016). Exact, by solving the graph; nothing is simulated. A walk that comes to a name a second
 * time was lost the first time.
 *
 * @param earned what a walk earns on average, in each measure
 * @returns by the number of the name, one share a measure; 0 where nothing is earned. Null where that takes too long
 */
export async function removalEffects(
  graph: Graph,
  names: number,
  earned: readonly number[],
  turns: Turns,
): Promise<number[][] | null> {
  const effects: number[][] = []
  let work = 0

  // What walks earn that never come to a name is known once all states of the others are taken out. Half of the names at a
  // time, so that most of the work serves many of them.
  async function within(graph: Graph, from: number, to: number): Promise<void> {
    if (work > MOST_WORK) return
    if (to - from === 1) {
      effects[from] = earned.map((all, measure) =>
        all === 0 ? 0 : Math.max(0, (all - (graph.earns[measure] ?? 0)) / all),
      )
      return
    }
    const middle = (from + to) >> 1
    await within(await without(graph, (name) => name >= middle), from, middle)
    await within(await without(graph, (name) => name < middle), middle, to)
  }

  /** The states of these names taken out. */
  async function without(graph: Graph, out: (name: number) => boolean): Promise<Graph> {
    const left = copyOf(graph)
    const kept = [0]
    const gone: number[] = []
    for (let state = 1; state < graph.size; state++) (out(graph.nameOf[state] ?? -1) ? gone : kept).push(state)
    for (const state of byLinks(graph, gone)) {
      const spent = takeOut(left, state)
      work += spent
      await turns.take()
      if (work > MOST_WORK) break
    }
    return onlyStates(left, kept)
  }

  if (names > 0) await within(graph, 0, names)
  return work > MOST_WORK ? null : effects
}

/** Those with few neighbours first: taking them out adds the fewest steps between others. */
function byLinks({ size, steps }: Graph, states: readonly number[]): number[] {
  const [into, outOf] = [new Int32Array(size), new Int32Array(size)]
  for (let from = 0; from < size; from++) {
    for (let to = 0; to < size; to++) {
      if (steps[from * size + to] === 0) continue
      into[to] = (into[to] ?? 0) + 1
      outOf[from] = (outOf[from] ?? 0) + 1
    }
  }
  const links = (state: number) => (into[state] ?? 0) * (outOf[state] ?? 0)
  return states.toSorted((a, b) => links(a) - links(b) || a - b)
}
