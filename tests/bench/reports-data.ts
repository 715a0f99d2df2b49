import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../packages/clickhouse/src/index.ts'
import { encode } from '../../packages/interactions/src/index.ts'
import { generateBusiness } from '../../services/simulator/src/index.ts'
import { openForImport } from './support.ts'

/** Of one copy. A customer of the simulator has about 10 interactions; one of ours lives two or three such lives. */
const CUSTOMERS = 5_000
/** With it, a customer has about 20 interactions. */
const LIVES = 12_400
const DAYS = 365
const START = Date.UTC(2025, 0, 1)
/** No merge for so long: what the server wanted to merge by itself, it has. */
const QUIET_SECONDS = 15

export interface DataOptions {
  /** Of one copy; a life has about 8 interactions. */
  readonly lives?: number
  /**
   * Copies lie apart in time, by up to two months, and their waits differ: what is counted by day, or is in order of
   * waits, must not be one copy's, many times over. Else times and fields are the same in all copies.
   */
  readonly apart?: boolean
}

/**
 * A data directory with `copies` × 5,000 customers and about 20 interactions each. One copy is imported by the tracker;
 * ClickHouse multiplies its rows under other ids, a copy an insert, and merges them as it likes.
 */
export async function makeData(
  dataDir: string,
  copies: number,
  { lives = LIVES, apart = false }: DataOptions = {},
): Promise<void> {
  const { workspace, importFile, stopTracker } = await openForImport(dataDir)
  const file = join(dataDir, 'events.jsonl')
  writeFileSync(file, linesOf(CUSTOMERS, lives).join(''))
  await importFile(file)
  await stopTracker()
  rmSync(file)
  await multiply(workspace.store, copies, apart)
  await workspace.close()
}

/** The lives of a business, dealt out to fewer customers. Ids of interactions and episodes name the life: they stay apart. */
function linesOf(customers: number, lives: number): string[] {
  const { interactions } = generateBusiness({ seed: 1, customers: lives, days: DAYS, start: START })
  return interactions.map((interaction) => {
    const life = Number(interaction.customer?.split('-')[1])
    return `${encode({ ...interaction, customer: `customer-${life % customers}` })}\n`
  })
}

async function multiply(store: Store, copies: number, apart: boolean): Promise<void> {
  for (const table of ['interactions_log', 'customer_chains']) {
    await store.command(`CREATE TABLE one_${table} ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${table} FINAL`)
    await store.command(`TRUNCATE TABLE ${table}`)
  }
  const [fields] = await store.query<{ chain: string[]; interaction: string[]; episode: string[] }>(`
    SELECT tupleNames(chains[1]) AS chain, tupleNames(chains[1].interactions[1]) AS interaction,
      tupleNames(chains[1].episodes[1]) AS episode
    FROM one_customer_chains WHERE notEmpty(chains) LIMIT 1`)
  if (fields === undefined) throw new Error('the import made no chains')
  // Ids like those of real customers, in no order: neighbours in the table are not copies of each other.
  const customer = 'lower(hex(sipHash64(customer, {copy:UInt32})))'
  const id = (of: string) => `concat(${of}, '-', toString({copy:UInt32}))`
  const tupleOf = (of: string, names: readonly string[], replaced: Readonly<Record<string, string>>) =>
    `tuple(${names.map((name) => replaced[name] ?? `${of}.${name}`).join(', ')})`
  const earlier = (time: string) => (apart ? `${time} - toIntervalMinute(({copy:UInt32} * 7919) % 87840)` : time)
  const longer = (wait: string) => (apart ? `${wait} + ({copy:UInt32} * 104729) % 9973` : wait)
  const times = (of: string, names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, earlier(`${of}.${name}`)]))
  const met = { id: id('i.id'), ...times('i', ['at']), waitMs: longer('i.waitMs') }
  const interactions = `arrayMap(i -> ${tupleOf('i', fields.interaction, met)}, c.interactions)`
  const episode = tupleOf('e', fields.episode, times('e', ['startedAt', 'endedAt']))
  const episodes = `arrayMap(e -> ${episode}, c.episodes)`
  const previous = `if(c.previous = '', '', ${id('c.previous')})`
  const ofChain = times('c', ['startedAt', 'lastAt', 'closedAt', 'deadline'])
  const chain = tupleOf('c', fields.chain, { id: id('c.id'), previous, interactions, episodes, ...ofChain })
  for (let copy = 1; copy <= copies; copy++) {
    await store.command(
      `INSERT INTO interactions_log
       SELECT * REPLACE (${customer} AS customer, ${id('id')} AS id, ${earlier('at')} AS at, ${longer('waitMs')} AS waitMs)
       FROM one_interactions_log`,
      { copy },
    )
    const chains = `
      INSERT INTO customer_chains
      SELECT * REPLACE (${customer} AS customer, arrayMap(c -> ${chain}, chains) AS chains)
      FROM one_customer_chains`
    await store.command(chains, { copy })
    // Who comes back is written anew, and the old row stays until a merge.
    await store.command(`${chains} WHERE sipHash64(one_customer_chains.customer) % 10 = 0`, { copy })
  }
  for (const table of ['interactions_log', 'customer_chains']) await store.command(`DROP TABLE one_${table}`)
  for (let quiet = 0; quiet < QUIET_SECONDS; quiet++) {
    const [merges] = await store.query<{ running: number }>('SELECT count() AS running FROM system.merges')
    if (merges?.running !== 0) quiet = 0
    await delay(1_000)
  }
}
