import { ANALYST_SETTINGS, connect, DEFAULT_DATABASE, type Endpoint, type Store } from '@weaklink/clickhouse'

/** Its name on every server, as infra/clickhouse has it. */
const ANALYST = 'analyst'

/**
 * The store as the account that reads the views for analysts and nothing else. The embedded server has one; on a server of
 * CLICKHOUSE_URL the operator makes it and gives its password in CLICKHOUSE_ANALYST_PASSWORD. Null where there is none.
 */
export function analystStore(
  endpoint: Endpoint | { readonly url: string },
  environment: Readonly<Record<string, string | undefined>>,
): Store | null {
  const password = environment.CLICKHOUSE_ANALYST_PASSWORD
  const account = 'analyst' in endpoint ? endpoint.analyst : password ? { username: ANALYST, password } : null
  if (account === null) return null
  return connect({ url: endpoint.url, ...account, database: DEFAULT_DATABASE, settings: ANALYST_SETTINGS })
}

/** Who works with the account of the owner may read what that account may; here at least nothing can be written by it. */
export function readOnlyStore(endpoint: { readonly url: string }): Store {
  const settings = { ...ANALYST_SETTINGS, readonly: '2' }
  return connect({ ...endpoint, database: DEFAULT_DATABASE, settings })
}
