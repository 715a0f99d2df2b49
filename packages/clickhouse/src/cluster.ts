/**
 * The schema on a cluster, out of the same migrations that one server runs.
 *
 *   one server                      every server of the cluster
 *   table `t` (…MergeTree)      ─▶  `t_shard` (Replicated…MergeTree): the rows of its shard
 *                                   `t` (Distributed over t_shard): the rows of all; what we write to and read from
 *   table whose comment is      ─▶  `t_shard`, as it is, and `t` (Distributed over t_shard)
 *   OF_EACH_SERVER
 *   view `v` of tables          ─▶  `v_shard`: the same view of the tables of its shard
 *                                   `v` (Distributed over v_shard)
 *   refreshable view `r`        ─▶  `r_shard`: each server refreshes what is of its shard
 *
 * So no other SQL of ours knows of the cluster. A view may be computed shard by shard because all that it compares
 * (FINAL, `IN (SELECT …)`) is of one customer, and a customer's rows are on one shard.
 */
import { StoreError } from './errors.ts'
import { quoted, type Store } from './store.ts'

export interface ClusterOptions {
  /** As the servers' `remote_servers` name it. */
  readonly cluster: string
  /** The account that views read as; every server has it. */
  readonly definer: string
}

/**
 * Each server names its shard and itself in its macros. The path has names and no {uuid}, which would be another one for
 * a server that gets its tables later.
 */
const REPLICA = `'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'`

/**
 * No window of remembered inserts: repeating one is harmless, and a repeated one has to meet the quorum by itself. What
 * comes from another replica is on the disk before it counts, as what is inserted is.
 */
const REPLICA_SETTINGS = 'replicated_deduplication_window = 0, min_compressed_bytes_to_fsync_after_fetch = 1'

/** The comment of a table that nothing is inserted into, since each server fills it by itself. */
const OF_EACH_SERVER = "COMMENT 'Each server makes its own rows.'"

const LITERAL_OR_COMMENT = /'(?:[^'\\]|\\.|'')*'|--[^\n]*|\/\*.*?\*\//gs
const CREATE_TABLE = /^(CREATE TABLE(?: IF NOT EXISTS)?) \{db\}\.(\w+)(.*)$/s
const ALTER_TABLE = /^(ALTER TABLE) \{db\}\.(\w+)(.*)$/s
const CREATE_VIEW = /^(CREATE(?: OR REPLACE)? VIEW(?: IF NOT EXISTS)?) \{db\}\.(\w+)(.*)$/s
const CREATE_REFRESHED = /^(CREATE MATERIALIZED VIEW(?: IF NOT EXISTS)?) \{db\}\.(\w+)(\s+REFRESH .*)$/s
const ENGINE = /\bENGINE = (\w*MergeTree)(?:\(([^()]*)\))?/

/**
 * Turns statements of migrations, given one after the other from the first one on, into those that a cluster runs in
 * their stead. Each of these may be repeated like the original. In all of them `{db}` stands for the database.
 */
export function clusterForm({ cluster, definer }: ClusterOptions): (statement: string) => string[] {
  const on = `ON CLUSTER ${quoted(cluster)}`
  /** The Distributed table over what every shard has, with its sharding key where rows are inserted. */
  const over = (create: string, name: string, ...key: string[]) =>
    `${create} {db}.${name} ${on} AS {db}.${name}_shard ` +
    `ENGINE = Distributed(${[quoted(cluster), '{db}', `${name}_shard`, ...key].join(', ')})`
  const ofShard = (query: string) =>
    query
      .replaceAll(/\{db\}\.(\w+)/g, '{db}.$1_shard')
      // Named, since the other servers run it as an account of their own.
      .replace('DEFINER = CURRENT_USER', `DEFINER = ${quoted(definer)}`)
  const keys = new Map<string, string>()

  return (statement) => {
    const text = withoutComments(statement)
    const table = CREATE_TABLE.exec(text)
    if (table !== null && ENGINE.test(text)) {
      const [, create = '', name = '', rest = ''] = table
      if (text.includes(OF_EACH_SERVER)) return [`${create} {db}.${name}_shard ${on}${rest}`, over(create, name)]
      const key = shardingKey(rest)
      keys.set(name, key)
      return [`${create} {db}.${name}_shard ${on}${replicated(rest)}`, over(create, name, key)]
    }
    const alter = ALTER_TABLE.exec(text)
    const key = keys.get(alter?.[2] ?? '')
    if (alter !== null && key !== undefined) {
      const [, verb, name = '', rest] = alter
      return [`${verb} {db}.${name}_shard ${on}${rest}`, over('CREATE OR REPLACE TABLE', name, key)]
    }
    const view = CREATE_VIEW.exec(text)
    if (view !== null) {
      const [, create = '', name = '', rest = ''] = view
      return [`${create} {db}.${name}_shard ${on}${ofShard(rest)}`, over(create.replace('VIEW', 'TABLE'), name)]
    }
    const refreshed = CREATE_REFRESHED.exec(text)
    if (refreshed !== null) {
      const [, create, name, rest = ''] = refreshed
      return [`${create} {db}.${name}_shard ${on}${ofShard(rest)}`]
    }
    throw new StoreError(
      'schema',
      `It has no form for a cluster: ${text.slice(0, 100)} … There are forms for CREATE TABLE (of an engine of the ` +
        'MergeTree family), ALTER TABLE of such a table, CREATE VIEW, and CREATE MATERIALIZED VIEW … REFRESH.',
    )
  }
}

function withoutComments(statement: string): string {
  return statement.replace(LITERAL_OR_COMMENT, (token) => (token.startsWith("'") ? token : '')).trim()
}

function replicated(definition: string): string {
  const text = definition.replace(ENGINE, (_, engine: string, values?: string) => {
    return `ENGINE = Replicated${engine}(${[REPLICA, ...(values === undefined ? [] : [values])].join(', ')})`
  })
  return `${text.trimEnd()}${/\bSETTINGS\b/.test(text) ? ',' : ' SETTINGS'} ${REPLICA_SETTINGS}`
}

/**
 * By the first column of the table's key, so that what FINAL compares is on one shard. A text goes by the hash that
 * Kafka's producers choose partitions by: where the number of shards divides that of partitions, all customers of a
 * partition are on one shard, and what a tracker flushes goes to that one only. A number is its own hash: the position of
 * a partition is where its customers are.
 */
function shardingKey(definition: string): string {
  const [, column = ''] = /\bORDER BY \(?(\w+)/.exec(definition) ?? []
  const [, type = ''] = new RegExp(`[(,]\\s*${column}\\s+(\\w+)`).exec(definition) ?? []
  if (type === 'String') return `kafkaMurmurHash(${column})`
  if (/^UInt\d+$/.test(type)) return column
  throw new StoreError('schema', `Rows cannot be spread over shards by the column "${column}" of type "${type}".`)
}

/** Settings without which an acknowledged row could be lost or overlooked on a cluster, and what they have to be. */
interface Required {
  readonly name: string
  readonly why: string
  readonly fits: (value: string, replicas: number) => boolean
  readonly value: (replicas: number) => string
}

const REQUIRED: readonly Required[] = [
  {
    name: 'distributed_foreground_insert',
    why: 'or an insert is acknowledged before its shard has it',
    fits: (value) => value === '1',
    value: () => '1',
  },
  {
    name: 'insert_quorum',
    why: 'or a row is acknowledged that another replica, asked right afterwards, does not have yet',
    // The majority of two is both, and of one that is left of two it is this one.
    fits: (value, replicas) => value === String(replicas) || replicas === 1 || (replicas === 2 && value === 'auto'),
    value: (replicas) => (replicas === 2 ? "'auto'" : String(replicas)),
  },
  {
    name: 'distributed_product_mode',
    why: 'or a question about several customers looks for them on one shard only',
    fits: (value) => value === 'global',
    value: () => "'global'",
  },
  {
    name: 'skip_unavailable_shards',
    why: 'or a report leaves out what is on a shard that is away',
    fits: (value) => value === '0',
    value: () => '0',
  },
]

/**
 * Makes sure that the server knows the cluster and that our account has the settings that it takes (infra/clickhouse).
 * @throws StoreError `schema`
 */
export async function checkCluster(store: Store, cluster: string): Promise<void> {
  const shards = await store.query<{ replicas: number }>(
    'SELECT count() AS replicas FROM system.clusters WHERE cluster = {cluster:String} GROUP BY shard_num',
    { cluster },
  )
  const where = `The ClickHouse server at ${store.url}`
  if (shards.length === 0) {
    throw new StoreError(
      'schema',
      `${where} knows no cluster "${cluster}". Name one of its remote_servers in CLICKHOUSE_CLUSTER, or unset it.`,
    )
  }
  const replicas = Math.max(...shards.map((shard) => shard.replicas))
  const settings = await store.query<{ name: string; value: string }>(
    'SELECT name, value FROM system.settings WHERE has({names:Array(String)}, name)',
    { names: REQUIRED.map(({ name }) => name) },
  )
  for (const { name, why, fits, value } of REQUIRED) {
    const found = settings.find((setting) => setting.name === name)?.value ?? ''
    if (fits(found, replicas)) continue
    throw new StoreError(
      'schema',
      `${where} has the setting ${name} = ${found} for this account. On the cluster "${cluster}" it has to be ` +
        `${value(replicas)}, ${why}: set it in the account's profile, as infra/clickhouse does.`,
    )
  }
}
