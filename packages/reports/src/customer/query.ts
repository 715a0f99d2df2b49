import type { Store } from '@weaklink/clickhouse'
import type { CustomerChain, CustomerInteraction, CustomerReport } from './shape.ts'

const CUSTOMER_SQL = `
  SELECT kind, customer, movedTo, chains
  FROM customer_chains FINAL
  WHERE customer = {customer:String} AND (notEmpty(chains.id) OR movedTo != '')
  ORDER BY kind`

/** Those that are this customer: an interaction may name others, of which the link was refused or taken back. */
const ANONYMOUS_IDS_SQL = `
  SELECT customer AS anonymousId
  FROM customer_chains FINAL
  WHERE kind = 'anonymous' AND movedTo = {customer:String} AND customer IN (
    SELECT anonymousId FROM interactions_log
    WHERE customer = {customer:String} AND kind = 'customer' AND anonymousId != '')
  ORDER BY anonymousId`

/** As the table has them: an empty string where something is absent. */
interface Row {
  readonly kind: 'customer' | 'anonymous'
  readonly customer: string
  readonly movedTo: string
  readonly chains: readonly (Omit<CustomerChain, 'interactions'> & {
    readonly interactions: readonly (Omit<CustomerInteraction, 'props'> & { readonly props: string })[]
  })[]
}

/**
 * Everything that happened with one customer. The id is looked up in both kinds, known and anonymous.
 *
 * @throws StoreError
 */
export async function customerReport(store: Store, customer: string): Promise<CustomerReport> {
  const [people, [position]] = await Promise.all([
    peopleCalled(store, customer),
    store.query<{ asOf: string | null }>('SELECT max(tick) AS asOf FROM positions FINAL'),
  ])
  const movedTo = people.find((one) => one.movedTo !== null)?.movedTo ?? null
  const elsewhere = movedTo === null || movedTo === customer ? [] : await peopleCalled(store, movedTo)
  return {
    asOf: position?.asOf ?? null,
    customer,
    people: [...people, ...elsewhere.filter(({ kind }) => kind === 'customer')],
  }
}

async function peopleCalled(store: Store, customer: string): Promise<CustomerReport['people']> {
  const [rows, ids] = await Promise.all([
    store.query<Row>(CUSTOMER_SQL, { customer }),
    store.query<{ anonymousId: string }>(ANONYMOUS_IDS_SQL, { customer }),
  ])
  return rows.map((row) => ({
    kind: row.kind,
    customer,
    movedTo: row.movedTo === '' ? null : row.movedTo,
    anonymousIds: row.kind === 'customer' ? ids.map(({ anonymousId }) => anonymousId) : [],
    chains: row.chains.map(chainOf),
  }))
}

function chainOf(row: Row['chains'][number]): CustomerChain {
  return {
    ...row,
    previous: row.previous || null,
    reason: row.reason || null,
    placeIndex: row.placeIndex - 1,
    brokenEpisode: row.brokenEpisode || null,
    interactions: row.interactions.map((met) => ({
      ...met,
      episode: met.episode || null,
      order: met.order || null,
      currency: met.currency || null,
      channel: met.channel || null,
      campaign: met.campaign || null,
      queue: met.queue || null,
      agent: met.agent || null,
      props: met.props === '' ? {} : JSON.parse(met.props),
    })),
    episodes: row.episodes.map((episode) => ({
      ...episode,
      group: episode.group || null,
      brokeAt: episode.brokeAt || null,
    })),
  }
}
