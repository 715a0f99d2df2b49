import { QueryError } from '../query-error.ts'
import type { Turns } from '../turns.ts'
import { MOST_STATES, removalEffects } from './markov.ts'
import type { AttributionQuery } from './options.ts'
import { apportion, decimal, unitOf } from './rounding.ts'
import type { AttributionMeasure, AttributionReport, AttributionRow, AttributionStates, Model } from './shape.ts'
import { MOST_PLAYERS, shapley } from './shapley.ts'
import type { PathRow } from './sql.ts'
import { Tally } from './tally.ts'
import { Walks } from './walks.ts'

export type NotComputed = AttributionReport['leftOut'][number]

/** What one group of chains went over, taken in path by path; then who gets the credit. */
export class GroupOfPaths {
  readonly states = { chains: 0, open: 0, converted: 0, broken: 0, ignored: 0 } satisfies AttributionStates
  readonly #query: AttributionQuery
  /** Credited chains; then what they earned, by currency, in millionths. */
  readonly #chains = new Tally()
  readonly #values = new Map<string, { readonly tally: Tally; readonly chains: Tally; readonly measure: number }>()
  /** The converted and the broken ones. Ignored ones are messages of ours that led nowhere: no walk of a customer. */
  readonly #walks: Walks | null
  /** Of order 1. */
  readonly #steps: Walks | null

  constructor(query: AttributionQuery) {
    this.#query = query
    const [markov, shapley] = [query.models.includes('markov'), query.models.includes('shapley')]
    this.#walks = markov ? new Walks(query.order) : null
    this.#steps = !shapley ? null : query.order === 1 && this.#walks !== null ? this.#walks : new Walks(1)
  }

  add(state: Exclude<PathRow[0], 'asOf'>, row: PathRow): void {
    const [, , path, currency, chains, valued, value, decay, decayValue] = row
    this.states.chains += chains
    this.states[state] += chains
    if (state !== 'converted' && state !== 'broken') return
    const earned = new Map<number, number>()
    if (state === this.#query.aim) {
      this.#chains.add(path, chains, decay)
      earned.set(0, chains)
      if (valued > 0) {
        const one = this.#values.get(currency) ?? {
          tally: new Tally(),
          chains: new Tally(),
          measure: this.#values.size + 1,
        }
        this.#values.set(currency, one)
        one.tally.add(path, value, decayValue)
        one.chains.add(path, valued, [])
        earned.set(one.measure, value)
      }
    }
    for (const walks of new Set([this.#walks, this.#steps])) walks?.add(path, chains, earned)
  }

  /**
   * @throws QueryError where a model was asked for by name that cannot be computed
   */
  async credited(
    turns: Turns,
    drill: (name: string) => AttributionRow['chains'],
  ): Promise<{ measures: AttributionMeasure[]; leftOut: NotComputed[]; samples: number | null }> {
    const measures = this.#values.size + 1
    const leftOut: NotComputed[] = []
    const tallies = [this.#chains, ...[...this.#values.values()].map(({ tally }) => tally)]
    const walks = this.#walks
    let effects: Context['effects'] = null
    if (walks !== null) {
      const names = walks.names()
      const perWalk = tallies.map(({ total }) => total / Math.max(walks.walks, 1))
      const solved =
        walks.size > MOST_STATES ? null : await removalEffects(walks.graph(measures), names.length, perWalk, turns)
      if (solved !== null) effects = named(names, solved)
      else leftOut.push(this.#missing('markov', `${walks.size} states are too many to be solved`))
    }
    const steps = this.#steps
    let shares: Context['shares'] = null
    let drawn: number | null = null
    if (steps !== null) {
      const names = steps.names()
      if (names.length > MOST_PLAYERS) {
        leftOut.push(
          this.#missing('shapley', `${names.length} are too many to share, it takes at most ${MOST_PLAYERS}`),
        )
      } else {
        const { samples, seed } = this.#query
        const { values, errors, ...how } = await shapley(steps.graph(measures), samples, seed, turns)
        shares = { values: named(names, values), errors: errors && named(names, errors), walks: steps.walks }
        drawn = how.samples
      }
    }
    const models = this.#query.models.filter((model) => leftOut.every((missing) => missing.model !== model))
    const context: Context = { models, effects, shares, drill }
    const { aim } = this.#query
    return {
      measures: [
        {
          measure: aim === 'converted' ? 'conversions' : 'breaks',
          currency: null,
          ...measured(this.#chains, this.#chains, 0, 1, context),
        },
        ...[...this.#values]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([currency, { tally, chains, measure }]) => ({
            measure: 'value' as const,
            currency: currency === '' ? null : currency,
            ...measured(tally, chains, measure, 1e-6, context),
          })),
      ],
      leftOut,
      samples: drawn,
    }
  }

  /** @throws QueryError where the model was asked for by name */
  #missing(model: Model, why: string): NotComputed {
    const { of, order, named } = this.#query
    if (!named) return { model, why }
    const fewer = `fewer ${of}s, by --where or another --of: ${why}`
    throw model === 'markov' && order > 1
      ? new QueryError('order', `${order}`, `a lower order, or ${fewer}`)
      : new QueryError('model', model, fewer)
  }
}

interface Context {
  readonly models: readonly Model[]
  /** Name → share a measure. */
  readonly effects: ReadonlyMap<string, readonly number[]> | null
  readonly shares: {
    readonly values: ReadonlyMap<string, Float64Array>
    readonly errors: ReadonlyMap<string, Float64Array> | null
    readonly walks: number
  } | null
  readonly drill: (name: string) => AttributionRow['chains']
}

/**
 * @param chains how many chains the tally is of
 * @param scale what one of the tally's amounts is: 1 of chains, a millionth of value
 */
function measured(
  tally: Tally,
  chains: Tally,
  measure: number,
  scale: number,
  context: Context,
): Omit<AttributionMeasure, 'measure' | 'currency'> {
  const { models, effects, shares, drill } = context
  // By a graph a name may earn that was on no chain that did: from there walks go on to where others earned.
  const names = [...new Set([...tally.names(), ...(effects?.keys() ?? []), ...(shares?.values.keys() ?? [])])].sort()
  const total = tally.total * scale
  const unit = unitOf(total)
  const weightOf: Record<Model, (name: string) => number> = {
    first: (name) => tally.first(name),
    last: (name) => tally.last(name),
    linear: (name) => tally.linear(name),
    position: (name) => tally.position(name),
    decay: (name) => tally.decay(name),
    markov: (name) => effects?.get(name)?.[measure] ?? 0,
    shapley: (name) => shares?.values.get(name)?.[measure] ?? 0,
  }
  const credits = models.map((model) => [model, apportion(names.map(weightOf[model]), total, unit)] as const)
  const rows = names.map((name, index) => {
    const own = credits.map(([model, all]) => [model, all[index] ?? 0] as const)
    const error = shares?.errors?.get(name)?.[measure]
    return {
      name,
      sum: own.reduce((sum, [, credit]) => sum + Math.round(credit / unit), 0),
      row: {
        item: name === '' ? null : name,
        touched: chains.touched(name),
        touches: chains.touches(name),
        credits: Object.fromEntries(own) as AttributionRow['credits'],
        removal: effects?.get(name)?.[measure] ?? null,
        shapleyError: error === undefined || shares === null ? null : error * shares.walks * scale,
        chains: measure === 0 ? drill(name) : null,
      },
    }
  })
  return {
    total: decimal(Math.round(total / unit), unit),
    unit,
    rows: rows
      .filter(({ sum, row }) => sum > 0 || row.touched > 0)
      .sort((a, b) => b.sum - a.sum || (a.name < b.name ? -1 : 1))
      .map(({ row }) => row),
  }
}

function named<T>(names: readonly string[], values: readonly T[]): Map<string, T> {
  return new Map(names.flatMap((name, index) => (values[index] === undefined ? [] : [[name, values[index]] as const])))
}
