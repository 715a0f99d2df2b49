import type { ClickHouseSettings } from '@clickhouse/client'

/** The database of Weaklink where nothing else is named. */
export const DEFAULT_DATABASE = 'weaklink'

/**
 * What every query of ours runs under, sent with each request because defaults differ between versions and servers.
 * The embedded `analyst` account is read-only and may not change settings: its profile holds these same values. On a
 * server of CLICKHOUSE_URL the operator makes that account, with `GRANT SELECT` on the views and a profile with
 * `readonly = 2` (or with `readonly = 1` and these values, as here).
 */
export const QUERY_SETTINGS = {
  // On by default in new versions: an insert would be acknowledged out of a buffer.
  async_insert: 0,
  date_time_output_format: 'iso',
  date_time_input_format: 'best_effort',
  cast_string_to_date_time_mode: 'best_effort',
  session_timezone: 'UTC',
  // 64-bit integers as JSON numbers: ours stay below 2^53. NaN and infinity become null.
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_denormals: 0,
  output_format_json_named_tuples_as_objects: 1,
  join_use_nulls: 0,
  // An answer up to this size is sent when the query is over, so that an error is an error and not a broken end of rows.
  // Not `wait_end_of_query`, which buffers on disk: with the disk full it answers every query with no rows (26.7).
  http_response_buffer_size: '4194304',
  cancel_http_readonly_queries_on_client_close: 1,
} satisfies ClickHouseSettings

/** Of the analyst: what people ask for may be any 64-bit integer, which JSON numbers would round. */
export const ANALYST_SETTINGS = {
  ...QUERY_SETTINGS,
  output_format_json_quote_64bit_integers: 1,
} satisfies ClickHouseSettings
