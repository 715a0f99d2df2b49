import { setTimeout as sleep } from 'node:timers/promises'
import type { WaitingCall } from '@weaklink/chains'
import { type Store, StoreError } from '@weaklink/clickhouse'
import type { Actor, Outcome, PersonKind, Reaction } from '@weaklink/interactions'
import type { FastifyBaseLogger } from 'fastify'
import type { ChainSoFar } from './board-shape.ts'
import { instantText } from './events.ts'

/** A board is there at once: where the store takes longer, it comes without chains. */
const LATE_MS = 1_500
/** After the store gave no answer it is not asked again for so long, so that the board of a store that is away is quick. */
const REST_MS = 5_000
/** Of a chain. */
const INTERACTIONS = 50

/** Who waits, by what is stored. */
export interface Caller {
  /** Somebody anonymous may have turned out to be a customer. */
  readonly customer: string | null
  readonly chain: ChainSoFar
}

const COLUMNS = `n UInt32, kind Enum8('customer' = 1, 'anonymous' = 2), customer String, id String, since Int64`
/** The calls, with who waits by what is stored. */
const ASKED = `
  SELECT n, id, since, if(moved.movedTo = '', calls.kind, 'customer') AS kind,
    if(moved.movedTo = '', calls.customer, moved.movedTo) AS customer
  FROM calls
  LEFT JOIN (
    SELECT kind, customer, movedTo FROM customer_chains FINAL
    WHERE (customer, kind) IN (SELECT customer, kind FROM calls) AND movedTo != '') AS moved
  ON moved.kind = calls.kind AND moved.customer = calls.customer`
/** Of the interactions of one chain. */
const ARRAYS = ['touchpoint', 'at', 'by', 'outcome', 'reaction', 'epilogue', 'place'] as const
/**
 * `nth`: the chain that holds the call already, else the one that is open, which the call will extend; 0 where there is
 * neither, and the call begins one. A sale is a converted chain that was not taken back; its value as in `conversion`.
 */
const SQL = `
  SELECT asked.n AS n, known.kind AS kind, known.customer AS customer,
    arrayFirstIndex(ids -> has(ids, asked.id), ofInteractions) AS holding,
    if(holding > 0, holding, arrayLastIndex(state -> state = 'open', states)) AS nth,
    chainIds[nth] AS chain, toString(states[nth]) AS state, startedAts[nth] AS startedAt,
    ${ARRAYS.map((name) => `arraySlice(all_${name}[nth], -${INTERACTIONS}) AS ${name}`).join(', ')},
    arraySlice(ofInteractions[nth], -${INTERACTIONS}) AS ids, length(ofInteractions[nth]) - length(ids) AS omitted,
    arrayCount((state, k) -> state != 'ignored' AND (nth = 0 OR k < nth), states, arrayEnumerate(states)) AS chainsBefore,
    arrayExists((isSale, at) -> isSale AND toUnixTimestamp64Milli(assumeNotNull(at)) <= asked.since, sales, closedAts)
      AS boughtBefore,
    arrayMap((outcomes, epilogues) ->
        arrayLastIndex((outcome, epilogue) -> outcome = 'bought' AND NOT epilogue, outcomes, epilogues),
      all_outcome, all_epilogue) AS saleAts,
    arrayFilter(sale -> sale.2 > 0,
      arrayMap((isSale, at, values, currencies) -> (currencies[at], if(isSale, ifNull(values[at], 0.), 0.)),
        sales, saleAts, all_value, all_currency)) AS paid
  FROM (${ASKED}) AS asked
  INNER JOIN (
    SELECT kind, customer, chains.id AS chainIds, chains.state AS states, chains.startedAt AS startedAts,
      chains.closedAt AS closedAts, chains.interactions.id AS ofInteractions,
      arrayMap((state, reversed) -> state = 'converted' AND NOT reversed, chains.state, chains.reversed) AS sales,
      chains.interactions.value AS all_value, chains.interactions.currency AS all_currency,
      ${ARRAYS.map((name) => `chains.interactions.${name} AS all_${name}`).join(', ')}
    FROM customer_chains FINAL
    WHERE (customer, kind) IN (SELECT customer, kind FROM (${ASKED}))) AS known
  ON known.kind = asked.kind AND known.customer = asked.customer`

interface Row {
  /** Which of the calls. */
  readonly n: number
  readonly kind: PersonKind
  readonly customer: string
  readonly holding: number
  readonly nth: number
  readonly chain: string
  readonly state: ChainSoFar['state']
  readonly startedAt: string
  readonly touchpoint: readonly string[]
  readonly at: readonly string[]
  readonly by: readonly Actor[]
  readonly outcome: readonly Outcome[]
  readonly reaction: readonly Reaction[]
  readonly epilogue: readonly boolean[]
  readonly place: readonly boolean[]
  readonly ids: readonly string[]
  readonly omitted: number
  readonly chainsBefore: number
  /** 1: yes. */
  readonly boughtBefore: 0 | 1
  readonly paid: readonly (readonly [currency: string, value: number])[]
}

/** Looks up the chains of those who wait. */
export class ChainsSoFar {
  readonly #store: Store
  readonly #logger: FastifyBaseLogger
  #restsUntil = Number.NEGATIVE_INFINITY

  constructor(store: Store, logger: FastifyBaseLogger) {
    this.#store = store
    this.#logger = logger
  }

  /** One for each call, in their order, by one query; null where the store does not say, or not in time. */
  async of(calls: readonly WaitingCall[]): Promise<readonly Caller[] | null> {
    if (calls.length === 0) return []
    if (performance.now() < this.#restsUntil) return null
    const rows = await this.#ask(calls)
    if (rows === null) {
      this.#restsUntil = performance.now() + REST_MS
      return null
    }
    const byCall = new Map(rows.map((row) => [row.n, row]))
    return calls.map((call, n) => callerOf(call, byCall.get(n)))
  }

  async #ask(calls: readonly WaitingCall[]): Promise<readonly Row[] | null> {
    const keys = calls.map(({ customer, anonymousId, id, since }, n) =>
      customer === null ? [n, 'anonymous', anonymousId, id, since] : [n, 'customer', customer, id, since],
    )
    const rows = this.#store.queryWithKeys<Row>(SQL, { name: 'calls', columns: COLUMNS, rows: keys })
    const inTime = new AbortController()
    try {
      return await Promise.race([rows, sleep(LATE_MS, null, { signal: inTime.signal })])
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#logger.warn({ err: error }, 'the store gave no chains for the board of who waits')
      return null
    } finally {
      inTime.abort()
      rows.catch(() => {})
    }
  }
}

function callerOf(call: WaitingCall, row: Row | undefined): Caller {
  const itself = {
    touchpoint: call.touchpoint,
    at: instantText(call.since),
    by: 'customer',
    outcome: 'continued',
    reaction: 'neutral',
  } as const
  if (row === undefined) {
    const begins = { id: null, state: 'open', startedAt: itself.at, omitted: 0 } as const
    const nothing = { atRisk: false, chainsBefore: 0, boughtBefore: false, value: [] }
    return { customer: call.customer, chain: { ...begins, interactions: [itself], ...nothing } }
  }
  const { touchpoint, at, by, outcome, reaction } = row
  const stored = touchpoint.map((name, k) => ({
    ...{ touchpoint: name, at: at[k] ?? '', by: by[k] ?? 'customer' },
    ...{ outcome: outcome[k] ?? 'continued', reaction: reaction[k] ?? 'neutral' },
  }))
  return {
    customer: row.kind === 'customer' ? row.customer : null,
    chain: {
      id: row.nth === 0 ? null : row.chain,
      state: row.nth === 0 ? 'open' : row.state,
      startedAt: row.nth === 0 ? itself.at : row.startedAt,
      interactions: row.holding > 0 ? stored : [...stored, itself],
      omitted: row.omitted,
      atRisk: wasAtRisk(call, row),
      chainsBefore: row.chainsBefore,
      boughtBefore: row.boughtBefore === 1,
      value: sums(row.paid),
    },
  }
}

/** Whether the customer's last place before the call was abandoned or negative. */
function wasAtRisk(call: WaitingCall, { ids, at, by, place, epilogue, outcome, reaction }: Row): boolean {
  const last = ids.findLastIndex(
    (id, k) =>
      id !== call.id && Date.parse(at[k] ?? '') <= call.since && by[k] === 'customer' && place[k] && !epilogue[k],
  )
  return last >= 0 && (outcome[last] === 'abandoned' || reaction[last] === 'negative')
}

function sums(paid: Row['paid']): ChainSoFar['value'] {
  const byCurrency = new Map<string, number>()
  for (const [currency, value] of paid) byCurrency.set(currency, (byCurrency.get(currency) ?? 0) + value)
  return [...byCurrency]
    .map(([currency, value]) => ({ currency: currency || null, value: Math.round(value * 1e6) / 1e6 }))
    .sort((a, b) => ((a.currency ?? '') < (b.currency ?? '') ? -1 : 1))
}
