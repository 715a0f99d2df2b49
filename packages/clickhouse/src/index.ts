/** A tuple as the value of a parameter. */
export { TupleParam } from '@clickhouse/client'
export { ANALYST_VIEWS } from './embedded/config.ts'
export { type Endpoint, readEndpoint } from './embedded/endpoint.ts'
export { type KeptServer, type KeptServerOptions, keepEmbeddedServer } from './embedded/keep.ts'
export {
  type EmbeddedServer,
  type EmbeddedServerOptions,
  type ServerExit,
  startEmbeddedServer,
} from './embedded/server.ts'
export { StoreError, type StoreErrorCode } from './errors.ts'
export { type MigrateOptions, migrate } from './migrate.ts'
export { type Columns, column } from './native.ts'
export { ANALYST_SETTINGS, DEFAULT_DATABASE } from './settings.ts'
export { type ConnectOptions, connect, type Keys, type QueryOptions, type Store, type Table } from './store.ts'
