import { columnOf, type Key } from './keys.ts'
import type { Of } from './selection-shape.ts'

/** What a query may read of a chain. */
export type ChainColumn =
  | UnitColumn
  | 'id'
  | 'ordinal'
  | 'previous'
  | 'furthest'
  | 'lastAt'
  | 'staff'
  /** 1-based, into the arrays of interactions: the interaction that is the place. */
  | 'placeIndex'
  /** More of the interactions, one array each, named after their fields; an empty text where the field is absent: */
  | 'times'
  | 'actors'
  | 'outcomes'
  | 'reactions'
  | 'episodes'
  | 'orders'
  | 'durations'
  | 'values'
  | 'costs'
  | 'currencies'
  | 'channels'
  | 'campaigns'
  | 'queues'
  | 'agents'
  /** JSON texts. */
  | 'props'

/**
 * A **unit** is what a breakpoints report counts: a chain, or with `--within` an episode. Both become rows of the same
 * columns, so that one query answers for both. ClickHouse reads every array that ARRAY JOIN names, wanted or not (10 M
 * interactions: 412 MB against 32 MB), so a query names the columns it needs.
 */
export type UnitColumn =
  | 'state'
  | 'reason'
  | 'place'
  | 'startedAt'
  | 'closedAt'
  | 'atRisk'
  | 'reversed'
  | 'complained'
  | 'returned'
  | 'returnedAndBought'
  /** Touchpoints of places at which a bad moment was recovered. */
  | 'recovered'
  /** Of the unit's interactions, one array each: */
  | 'touchpoints'
  | 'isPlace'
  | 'isEpilogue'
  | 'waits'

/** An interaction by the company that nobody answered; every other unit is a contact. */
const OUTREACH = `(by = 'company' AND outcome NOT IN ('bought', 'refused'))`

/**
 * Chains, read from the columns of `customer_chains` that are asked for. Also `kind`, `customer` and those of `keys`.
 *
 * @param at with `furthest`, the place of what did not convert is its furthest
 */
export function chainUnits(columns: readonly ChainColumn[], keys: readonly Key[], at: 'place' | 'furthest'): string {
  const arrays = new Map<string, string>()
  const selected = ['kind', 'customer']
  for (const column of columns) {
    if (column === 'place' && at === 'furthest') {
      for (const name of ['state', 'place', 'furthest']) arrays.set(`c_${name}`, `chains.${name}`)
      selected.push(`if(c_state = 'converted', c_place, c_furthest) AS place`)
    } else {
      arrays.set(`c_${column}`, INTERACTION_ARRAYS[column] ?? `chains.${column}`)
      selected.push(`c_${column} AS ${column}`)
    }
  }
  for (const key of keys) {
    const column = columnOf(key)
    if (column !== null) {
      arrays.set(`first_${column}`, `arrayMap(values -> values[1], chains.interactions.${column})`)
      selected.push(`first_${column}`)
    }
    if (key.kind === 'returning') {
      arrays.set('returning', RETURNING_CHAINS)
      selected.push('returning')
    }
  }
  const joined = [...arrays].map(([alias, array]) => `${array} AS ${alias}`)
  return `
    SELECT ${[...new Set(selected)].join(', ')}
    FROM customer_chains FINAL
    ARRAY JOIN ${joined.join(', ')}`
}

/** Where it stands what interactions carry: one entry for each, an empty text where it carries none. */
export const COLUMN_OF = {
  touchpoint: 'touchpoints',
  channel: 'channels',
  campaign: 'campaigns',
} as const satisfies Record<Of, ChainColumn>

const INTERACTION_ARRAYS: Partial<Record<ChainColumn, string>> = {
  touchpoints: 'chains.interactions.touchpoint',
  isPlace: 'chains.interactions.place',
  isEpilogue: 'chains.interactions.epilogue',
  waits: 'chains.interactions.waitMs',
  times: 'chains.interactions.at',
  actors: 'chains.interactions.by',
  outcomes: 'chains.interactions.outcome',
  reactions: 'chains.interactions.reaction',
  episodes: 'chains.interactions.episode',
  orders: 'chains.interactions.order',
  durations: 'chains.interactions.durationMs',
  values: 'chains.interactions.value',
  costs: 'chains.interactions.cost',
  currencies: 'chains.interactions.currency',
  channels: 'chains.interactions.channel',
  campaigns: 'chains.interactions.campaign',
  queues: 'chains.interactions.queue',
  agents: 'chains.interactions.agent',
  props: 'chains.interactions.props',
}

/** For each chain: the customer had a chain before that was more than unanswered outreach. */
const RETURNING_CHAINS = `
  arrayMap(
    (position, contact) -> contact > 0 AND position > contact,
    arrayEnumerate(chains.id),
    arrayWithConstant(
      length(chains.id),
      arrayFirstIndex(
        (bys, outcomes) -> length(bys) > 1 OR NOT arrayExists((by, outcome) -> ${OUTREACH}, bys, outcomes),
        chains.interactions.by, chains.interactions.outcome)))`
