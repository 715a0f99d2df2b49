import type { QueryOptions, Store, Table } from '@weaklink/clickhouse'
import { explained } from './explain.ts'
import { SqlError } from './sql-error.ts'

/** The answer to a query of a person. Whole numbers that JSON holds exactly are numbers, larger ones texts. */
export interface SqlAnswer extends Pick<Table, 'columns'> {
  /** In blocks, as they come. Rejects as `askSql` does. */
  readonly rows: AsyncIterable<readonly (readonly unknown[])[]>
}

/**
 * Asks a query of a person. What it may read, and how much, is for the account that asks: ClickHouse itself holds the limits.
 * Here is only told what they are.
 *
 * @param analyst an account that reads the views for analysts and nothing else
 * @throws SqlError where the query cannot be answered as it is, StoreError where the store is away
 */
export async function askSql(analyst: Store, text: string, options: QueryOptions = {}): Promise<SqlAnswer> {
  const sql = text.trim().replace(/;+$/, '')
  try {
    if (sql === '') throw new SqlError('query', `The query is empty. For example: ${EXAMPLE}`)
    const { columns, rows } = await analyst.streamTable(sql, undefined, options)
    const wide = columns.map(({ type }) => WIDE.test(type))
    return {
      columns,
      rows: (async function* () {
        try {
          for await (const block of rows) {
            yield block.map((row) => row.map((value, k) => (wide[k] === true ? exact(value) : value)))
          }
        } catch (error) {
          throw await explained(error, sql, analyst)
        }
      })(),
    }
  } catch (error) {
    throw await explained(error, sql, analyst)
  }
}

const EXAMPLE = 'SELECT place, reason, count() FROM chains GROUP BY ALL'

/** Come as text, since a JSON number would round them. */
const WIDE = /^(Nullable\()?U?Int(64|128|256)\)?$/

function exact(value: unknown): unknown {
  return typeof value === 'string' && Number.isSafeInteger(Number(value)) ? Number(value) : value
}
