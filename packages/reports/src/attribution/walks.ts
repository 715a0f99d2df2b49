/**
 * **Walks** are the paths of chains as a Markov graph (Anderl, Becker, von Wangenheim, Schumann: Mapping the customer journey.
 * International Journal of Research in Marketing 33 (2016) 457–474). A state is what the next step depends on: the last
 * `order` names of the walk, fewer at its beginning; the first state is that of none. From each state a walk steps on, or ends
 * and earns, as often as the chains did.
 */
export class Walks {
  readonly #order: number
  readonly #states: State[] = [newState([])]
  /** By the names that it stands for. */
  readonly #ids = new Map<string, number>([['[]', 0]])
  readonly #names = new Set<string>()
  /** How many walks were added. */
  walks = 0

  constructor(order: number) {
    this.#order = order
  }

  /**
   * @param path at least one name
   * @param walks how many chains went it
   * @param earned what they earned together, one amount for each measure; nothing where they ended otherwise
   */
  add(path: readonly string[], walks: number, earned: ReadonlyMap<number, number>): void {
    this.walks += walks
    let state = this.#states[0]
    for (const name of path) {
      if (state === undefined) break
      state.visits += walks
      const step = state.steps.get(name) ?? { to: this.#after(state, name), walks: 0 }
      if (step.walks === 0) state.steps.set(name, step)
      step.walks += walks
      state = this.#states[step.to]
    }
    if (state === undefined) return
    state.visits += walks
    state.ended += walks
    for (const [measure, amount] of earned) state.earned.set(measure, (state.earned.get(measure) ?? 0) + amount)
  }

  get size(): number {
    return this.#states.length
  }

  /** Sorted by code unit. */
  names(): string[] {
    return [...this.#names].sort()
  }

  /**
   * The same, and in the same order, in whatever order the walks came: state by state by the names that it stands for. So with
   * `order` 1 the state `i + 1` is that of the name `i`.
   *
   * @param measures how many there are
   */
  graph(measures: number): Graph {
    const size = this.#states.length
    const names = this.names()
    const numbers = new Map(names.map((name, index) => [name, index]))
    const order = this.#states
      .map(({ names }, id) => ({ id, path: names.map((name) => numbers.get(name) ?? -1) }))
      .sort((a, b) => comparePaths(a.path, b.path))
    const at = new Int32Array(size)
    for (const [index, { id }] of order.entries()) at[id] = index
    const graph = newGraph(size, measures)
    for (const [id, { names, visits, steps, ended, earned }] of this.#states.entries()) {
      const index = at[id] ?? 0
      const last = names.at(-1)
      graph.nameOf[index] = last === undefined ? -1 : (numbers.get(last) ?? -1)
      for (const { to, walks } of steps.values()) graph.steps[index * size + (at[to] ?? 0)] = walks / visits
      graph.ends[index] = ended / visits
      for (const [measure, amount] of earned) graph.earns[index * measures + measure] = amount / visits
    }
    return graph
  }

  #after(state: State, name: string): number {
    this.#names.add(name)
    const names = [...state.names, name].slice(-this.#order)
    const key = JSON.stringify(names)
    let id = this.#ids.get(key)
    if (id === undefined) {
      id = this.#states.length
      this.#ids.set(key, id)
      this.#states.push(newState(names))
    }
    return id
  }
}

/** The beginning first. */
function comparePaths(a: readonly number[], b: readonly number[]): number {
  for (const [index, name] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    if (name !== other) return name - other
  }
  return a.length - b.length
}

interface State {
  readonly names: readonly string[]
  visits: number
  readonly steps: Map<string, { readonly to: number; walks: number }>
  ended: number
  readonly earned: Map<number, number>
}

function newState(names: readonly string[]): State {
  return { names, visits: 0, steps: new Map(), ended: 0, earned: new Map() }
}

/** The graph in numbers. State 0 is the beginning, to which nothing leads back. */
export interface Graph {
  readonly size: number
  readonly measures: number
  /** For each state the number of its last name, −1 for the beginning. */
  readonly nameOf: Int32Array
  /** Row by row: with which probability a state steps to another. */
  readonly steps: Float64Array
  /** With which it ends. */
  readonly ends: Float64Array
  /** State by state: what a visit earns on average by ending there, in each measure. */
  readonly earns: Float64Array
}

function newGraph(size: number, measures: number): Graph {
  return {
    size,
    measures,
    nameOf: new Int32Array(size),
    steps: new Float64Array(size * size),
    ends: new Float64Array(size),
    earns: new Float64Array(size * measures),
  }
}

export function copyOf(graph: Graph): Graph {
  const { nameOf, steps, ends, earns } = graph
  return { ...graph, nameOf: nameOf.slice(), steps: steps.slice(), ends: ends.slice(), earns: earns.slice() }
}

/** Only these states, in this order. Nothing may lead to the others but from the others. */
export function onlyStates(graph: Graph, kept: readonly number[]): Graph {
  const smaller = newGraph(kept.length, graph.measures)
  for (const [row, state] of kept.entries()) {
    smaller.nameOf[row] = graph.nameOf[state] ?? -1
    smaller.ends[row] = graph.ends[state] ?? 0
    for (const [column, to] of kept.entries()) {
      smaller.steps[row * kept.length + column] = graph.steps[state * graph.size + to] ?? 0
    }
    const from = state * graph.measures
    smaller.earns.set(graph.earns.subarray(from, from + graph.measures), row * graph.measures)
  }
  return smaller
}

/**
 * Takes a state out of the graph so that walks go past it as if it were still there: who stepped to it now steps to where it
 * led, and earns there what it earned. Once a set of states is taken out, `earns` of the beginning is what the walks that keep
 * to that set earn: the others first step to a state that is left. This is Gaussian elimination of the linear system of the
 * fundamental matrix, in the form of Grassmann, Taksar and Heyman (Operations Research 33 (1985) 1107–1116), which subtracts
 * nothing and so loses no digits.
 *
 * @returns how many steps of computing that took
 */
export function takeOut({ size, measures, steps, ends, earns }: Graph, state: number): number {
  const own = state * size
  const to: number[] = []
  let leaving = ends[state] ?? 0
  for (let next = 0; next < size; next++) {
    const share = steps[own + next] ?? 0
    if (share === 0 || next === state) continue
    to.push(next)
    leaving += share
  }
  let work = size
  for (let from = 0; from < size; from++) {
    const share = steps[from * size + state] ?? 0
    if (share === 0 || from === state) continue
    const factor = share / leaving
    const row = from * size
    for (const next of to) steps[row + next] = (steps[row + next] ?? 0) + factor * (steps[own + next] ?? 0)
    steps[row + state] = 0
    ends[from] = (ends[from] ?? 0) + factor * (ends[state] ?? 0)
    for (let measure = 0; measure < measures; measure++) {
      const at = from * measures + measure
      earns[at] = (earns[at] ?? 0) + factor * (earns[state * measures + measure] ?? 0)
    }
    work += to.length + measures
  }
  steps.fill(0, own, own + size)
  return work + size
}
