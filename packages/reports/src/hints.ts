import type { Store } from '@weaklink/clickhouse'
import { chainUnits } from './chain-units.ts'
import { jsonSql, type Key, Params, showValue, type Where, whereSql } from './keys.ts'

/** How many values a hint lists. */
const LISTED = 12

/**
 * Why an answer may be empty though it should not be: a `--where` that no chain at all begins with, or a prop that none has.
 * One sentence for each, with what there is instead. Empty where everything may match, or nothing is stored.
 *
 * @throws StoreError
 */
export async function hintsFor(store: Store, where: Where, by: readonly Key[]): Promise<string[]> {
  const hints: string[] = []
  for (const [name, condition] of where) {
    if (await occurs(store, [condition.key], (params) => whereSql(new Map([[name, condition]]), params))) continue
    const values = await valuesOf(store, condition.key)
    if (values.length === 0) continue
    const asked = condition.values.map((value) => `${name}=${value}`).join(', ')
    hints.push(
      values.every((value) => value === null)
        ? `No chain begins with ${name} at all.${await propsHint(store, condition.key)}`
        : `No chain begins with ${asked}. Values of ${name}: ${listed(values.map((value) => String(value ?? '(none)')))}.`,
    )
  }
  for (const key of by) {
    if (key.kind !== 'props' || where.has(key.name)) continue
    if (await occurs(store, [key], (params) => `${jsonSql(key, params)} != 'null'`)) continue
    const names = await propsHint(store, key)
    if (names !== '') hints.push(`No chain begins with ${key.name}.${names}`)
  }
  return hints
}

async function occurs(store: Store, keys: readonly Key[], condition: (params: Params) => string): Promise<boolean> {
  const params = new Params()
  const sql = `SELECT 1 AS found FROM (${chainUnits(['state'], keys, 'place')}) WHERE ${condition(params)} LIMIT 1`
  return (await store.query(sql, params.values)).length > 0
}

/** The commonest first; one more than are listed. */
async function valuesOf(store: Store, key: Key) {
  const params = new Params()
  const rows = await store.query<{ value: string }>(
    `SELECT ${jsonSql(key, params)} AS value FROM (${chainUnits(['state'], [key], 'place')})
     GROUP BY value ORDER BY count() DESC, value LIMIT ${LISTED + 1}`,
    params.values,
  )
  return rows.map(({ value }) => showValue(key, JSON.parse(value)))
}

async function propsHint(store: Store, key: Key): Promise<string> {
  if (key.kind !== 'props') return ''
  const rows = await store.query<{ name: string }>(
    `SELECT DISTINCT arrayJoin(JSONExtractKeys(arrayJoin(arrayDistinct(arrayMap(props -> props[1], chains.interactions.props))))) AS name
     FROM customer_chains FINAL ORDER BY name LIMIT ${LISTED + 1}`,
  )
  if (rows.length === 0) return ' Chains here begin with no props.'
  return ` Props that chains begin with: ${listed(rows.map(({ name }) => `props.${name}`))}.`
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, LISTED).join(', ')}${names.length > LISTED ? ' …' : ''}`
}
