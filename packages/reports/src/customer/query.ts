import type { Store } from '@weaklink/clickhouse'
import type { CustomerChain, CustomerInteraction, CustomerReport } from './shape.ts'

const CUSTOMER_SQL = `
  SELECT kind, customer, chains
  FROM customer_chains FINAL
  WHERE customer = {customer:String} AND notEmpty(chains.id)
  ORDER BY kind`

/** As the table has them: an empty string where something is absent. */
interface Row {
  readonly kind: 'customer' | 'anonymous'
  readonly customer: string
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
  const [rows, [position]] = await Promise.all([
    store.query<Row>(CUSTOMER_SQL, { customer }),
    store.query<{ asOf: string | null }>('SELECT max(tick) AS asOf FROM positions FINAL'),
  ])
  return {
    asOf: position?.asOf ?? null,
    customer,
    people: rows.map(({ kind, customer, chains }) => ({ kind, customer, chains: chains.map(chainOf) })),
  }
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
