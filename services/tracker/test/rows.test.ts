import { type Columns, migrate } from '@weaklink/clickhouse'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { customerColumns, identityColumns, interactionColumns, positionColumns } from '../src/rows.ts'

// The server converts what differs, silently: an enum numbered otherwise here than there would change its words.

let db: TestStore
beforeAll(async () => {
  db = await startTestStore()
  await migrate(db.store, new URL('../../../packages/clickhouse/migrations', import.meta.url).pathname)
})
afterAll(() => db.stop())

const typesOf = async (table: string): Promise<Record<string, string>> => {
  const rows = await db.store.query<{ name: string; type: string }>(
    'SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}',
    { table },
  )
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]))
}

describe('the columns that the tracker writes are those of the table', () => {
  const position = {
    ...{ partition: 0, epoch: 1, logIdentity: 'x', offset: 0, tick: null, catalogue: '', newestAt: null, imports: [] },
    ...{ accepted: 0, duplicates: 0, conflicts: 0, rejected: 0 },
  }
  const tables: [table: string, columns: Columns][] = [
    ['interactions_log', interactionColumns()],
    ['identity_log', identityColumns()],
    ['customer_chains', customerColumns()],
    ['positions', positionColumns([position])],
  ]
  it.each(tables)('%s', async (table, columns) => {
    const definition = Object.entries(columns).map(([name, { type }]) => `\`${name}\` ${type}`)
    await db.store.command(`CREATE TABLE as_written_${table} (${definition.join(', ')}) ENGINE = Memory`)
    expect(await typesOf(table)).toMatchObject(await typesOf(`as_written_${table}`))
  })
})
