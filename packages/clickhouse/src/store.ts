import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client'
import { toStoreError } from './errors.ts'
import { type Columns, nativeBlock, rowsIn } from './native.ts'
import { QUERY_SETTINGS } from './settings.ts'

export interface ConnectOptions {
  /** http(s)://host:port, and the path of a proxy; may carry user and password, which `username` and `password` override. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** Letters, digits and `_`. It need not exist yet: see `createDatabase`. */
  readonly database: string
  /** Of every query; default QUERY_SETTINGS. A read-only account needs those of its profile. */
  readonly settings?: ClickHouseSettings
  /** Of one request, in milliseconds; default 120,000. */
  readonly timeoutMs?: number
}

export interface QueryOptions {
  /** For this query only, above the ones that every query has. A read-only account may not change any. */
  readonly settings?: ClickHouseSettings
  /** Ends the request; the server then stops a query that only reads. */
  readonly signal?: AbortSignal
}

/** A list too long for a parameter: the query reads it as a table, `… WHERE (customer, kind) IN keys`. */
export interface Keys {
  /** Name of the table in the query. */
  readonly name: string
  /** Its columns, as in CREATE TABLE: `customer String, kind Enum8('customer' = 1, 'anonymous' = 2)`. */
  readonly columns: string
  /** One array of column values a row, as JSON values. */
  readonly rows: Iterable<readonly unknown[]>
}

export interface Table {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** In blocks. */
  readonly rows: AsyncIterable<(readonly unknown[])[]>
}

/** All methods reject with StoreError. */
export interface Store {
  /** Without user and password. */
  readonly url: string
  readonly database: string
  /** Rows as objects; `{name:Type}` in the SQL is bound from `params`, a time as a Date. No FORMAT clause, no trailing semicolon. */
  query<T>(sql: string, params?: Readonly<Record<string, unknown>>, options?: QueryOptions): Promise<T[]>
  /** Like `query`, for answers too large to hold: rows as arrays of column values, in blocks as they come. */
  stream<T extends readonly unknown[]>(
    sql: string,
    params?: Readonly<Record<string, unknown>>,
    options?: QueryOptions,
  ): AsyncIterable<T[]>
  /** Like `stream`, for SQL whose columns are not known beforehand: they come in order, with their types, then the rows. */
  streamTable(sql: string, params?: Readonly<Record<string, unknown>>, options?: QueryOptions): Promise<Table>
  /** Like `query`, with one long list of keys. Not for read-only accounts. */
  queryWithKeys<T>(sql: string, keys: Keys, params?: Readonly<Record<string, unknown>>): Promise<T[]>
  /** A statement without rows in its answer. */
  command(sql: string, params?: Readonly<Record<string, unknown>>, options?: QueryOptions): Promise<void>
  /**
   * Inserts the rows that the columns hold (none, no request); columns of the table that are not among them get their
   * defaults. Resolves when the server has written them: on its disk, if the table has `fsync_after_insert`. After an
   * error the rows may be there or not: insert them again. Push nothing into the columns meanwhile.
   */
  insert(table: string, columns: Columns): Promise<void>
  /** Resolves when the server answers and lets us in. */
  ping(): Promise<void>
  /** Creates the store's own database where it is missing. */
  createDatabase(): Promise<void>
  close(): Promise<void>
}

const MAX_CONNECTIONS = 16
/** Less than the keep-alive of any server (ClickHouse has 10 s, the embedded one 60 s), so that we never reuse a socket that it is closing. */
const IDLE_SOCKET_MS = 2_500

/** A client of one database. It opens connections when they are needed: nothing fails here but a malformed argument. */
export function connect(options: ConnectOptions): Store {
  const url = new URL(options.url)
  const username = options.username ?? (decodeURIComponent(url.username) || 'default')
  const password = options.password ?? decodeURIComponent(url.password)
  const shownUrl = `${url.origin}${url.pathname}`.replace(/\/$/, '')
  const { database } = options
  requireName(database)

  const clientFor = (name: string | undefined) =>
    createClient({
      url: url.origin,
      // Of a proxy; the client on its own would take it for a database.
      pathname: url.pathname,
      username,
      password,
      ...(name === undefined ? {} : { database: name }),
      application: 'weaklink',
      request_timeout: options.timeoutMs ?? 120_000,
      max_open_connections: MAX_CONNECTIONS,
      keep_alive: { enabled: true, idle_socket_ttl: IDLE_SOCKET_MS },
      // On one machine compressing costs more than it saves. Inserts are compressed nowhere: the server pays with CPU.
      compression: { request: false, response: !isLoopback(url.hostname) },
      clickhouse_settings: options.settings ?? QUERY_SETTINGS,
      // Errors reach the caller; the client would print them as well.
      log: { level: ClickHouseLogLevel.OFF },
    })
  const client = clientFor(database)

  async function translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw toStoreError(error, shownUrl)
    }
  }

  const optionsOf = (params?: Readonly<Record<string, unknown>>, { settings, signal }: QueryOptions = {}) => ({
    ...(params === undefined ? {} : { query_params: { ...params } }),
    ...(settings === undefined ? {} : { clickhouse_settings: settings }),
    ...(signal === undefined ? {} : { abort_signal: signal }),
  })

  return {
    url: shownUrl,
    database,

    query: <T>(sql: string, params?: Readonly<Record<string, unknown>>, options?: QueryOptions) =>
      translated(async () => {
        const result = await client.query({ query: sql, format: 'JSONEachRow', ...optionsOf(params, options) })
        return await result.json<T>()
      }),

    async *stream<T extends readonly unknown[]>(
      sql: string,
      params?: Readonly<Record<string, unknown>>,
      options?: QueryOptions,
    ) {
      try {
        const result = await client.query({ query: sql, format: 'JSONCompactEachRow', ...optionsOf(params, options) })
        for await (const rows of result.stream<T>()) yield rows.map((row) => row.json<T>())
      } catch (error) {
        throw toStoreError(error, shownUrl)
      }
    },

    streamTable: (sql, params, options) =>
      translated(async () => {
        const format = 'JSONCompactEachRowWithNamesAndTypes'
        const result = await client.query({ query: sql, format, ...optionsOf(params, options) })
        const blocks = result.stream<unknown[]>()[Symbol.asyncIterator]()
        const next = async () => {
          const { value, done } = await blocks.next()
          return done === true ? null : (value as { json<T>(): T }[]).map((row) => row.json<unknown[]>())
        }
        // Names and types are the first rows, perhaps of different blocks.
        const begun: unknown[][] = []
        for (let block = await next(); block !== null; block = begun.length < 2 ? await next() : null)
          begun.push(...block)
        const [names = [], types = [], ...first] = begun
        async function* rows() {
          try {
            if (first.length > 0) yield first
            for (let block = await next(); block !== null; block = await next()) yield block
          } catch (error) {
            throw toStoreError(error, shownUrl)
          }
        }
        return { columns: names.map((name, k) => ({ name: String(name), type: String(types[k]) })), rows: rows() }
      }),

    // As external data. Measured, 5,000 keys into 2 M rows: 0.2 s, the same as one IN list in the body and without its
    // quoting and size limit; a list of tuples in the body takes half as long again, and parameters end at 128 KiB.
    queryWithKeys: <T>(sql: string, keys: Keys, params?: Readonly<Record<string, unknown>>) =>
      translated(async () => {
        const boundary = `weaklink-${randomUUID()}`
        const { stream } = await client.exec({
          query: `${sql}\nFORMAT JSONEachRow`,
          values: Readable.from([externalTable(keys, boundary)], { objectMode: false }),
          http_headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
          query_params: { ...params },
          clickhouse_settings: {
            [`${keys.name}_structure`]: keys.columns,
            [`${keys.name}_format`]: 'JSONCompactEachRow',
          },
        })
        // Line by line: a string has at most half a gigabyte, an answer may have more.
        const rows: T[] = []
        for await (const line of linesOf(stream)) rows.push(JSON.parse(line) as T)
        return rows
      }),

    command: (sql, params, options) =>
      translated(async () => {
        await client.command({ query: sql, ...optionsOf(params, options) })
      }),

    insert: (table, columns) =>
      translated(async () => {
        if (rowsIn(columns) === 0) return
        const { stream } = await client.exec({
          query: `INSERT INTO ${quoted(table)} (${Object.keys(columns).map(quoted).join(', ')}) FORMAT Native`,
          values: Readable.from(nativeBlock(columns), { objectMode: false }),
          // By default the server looks for rows that replace one another within the insert, which took it a quarter of
          // the time of inserting chains. They are found when parts are merged and, before that, by FINAL.
          clickhouse_settings: { optimize_on_insert: 0 },
        })
        // Until it is read, the connection stays taken.
        await textOf(stream)
      }),

    ping: () =>
      translated(async () => {
        const result = await client.ping({ select: true })
        if (!result.success) throw result.error
      }),

    createDatabase: () =>
      translated(async () => {
        // A request that names a missing database fails, even if it is there to create it.
        const outside = clientFor(undefined)
        try {
          await outside.command({ query: `CREATE DATABASE IF NOT EXISTS ${quoted(database)}` })
        } finally {
          await outside.close()
        }
      }),

    close: () => client.close(),
  }
}

/** For a name in SQL. */
export function quoted(name: string): string {
  requireName(name)
  return `\`${name}\``
}

function requireName(name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new RangeError(`"${name}" is not a name for ClickHouse: letters, digits and "_", not starting with a digit`)
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}

function externalTable(keys: Keys, boundary: string): Buffer {
  const lines: string[] = []
  for (const row of keys.rows) lines.push(JSON.stringify(row))
  return Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="${keys.name}"; filename="${keys.name}"\r\n` +
      `Content-Type: application/octet-stream\r\n\r\n${lines.join('\n')}\r\n--${boundary}--\r\n`,
  )
}

async function* linesOf(stream: Readable): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  let begun = ''
  for await (const chunk of stream) {
    const lines = (begun + decoder.write(Buffer.from(chunk as Uint8Array))).split('\n')
    begun = lines.pop() ?? ''
    yield* lines
  }
  begun += decoder.end()
  if (begun !== '') yield begun
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString('utf8')
}
