import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ANALYST_SETTINGS } from '../settings.ts'

/** The views that analysts may rely on; the embedded `analyst` account reads these and nothing else. */
export const ANALYST_VIEWS = [
  'interactions',
  'chains',
  'chain_interactions',
  'identities',
  'breakpoints_daily',
  'conversion_daily',
  'waits_hourly',
] as const

/** The account that owns everything; its name stays the same for ever because views name it as their definer. */
export const OWNER = 'weaklink'
export const ANALYST = 'analyst'

export interface Account {
  readonly username: string
  readonly password: string
}

/**
 * The engine runs these as the user `default`, who has to log in without a password. So `default` is granted nothing
 * more, and a quota of just these queries leaves it only expressions without a table (`SELECT 1`) afterwards.
 */
const START_UP_QUERIES = [
  'SYSTEM START LISTEN HTTP',
  // Ends never: the engine lives as long as its query.
  'SELECT sleepEachRow(1) FROM system.numbers FORMAT Null ' +
    'SETTINGS function_sleep_max_microseconds_per_block=1000000000000, max_block_size=1',
]

export const START_UP = START_UP_QUERIES.join('; ')

export function newPassword(): string {
  return randomBytes(24).toString('base64url')
}

export interface ServerConfig {
  readonly directory: string
  readonly database: string
  readonly port: number
  readonly owner: Account
  readonly analyst: Account
}

/** Writes config.xml and users.xml into the directory and returns the path of the former. Passwords only as hashes. */
export async function writeConfig(config: ServerConfig): Promise<string> {
  const file = join(config.directory, 'config.xml')
  const users = join(config.directory, 'users.xml')
  await writeFile(users, element('clickhouse', usersOf(config)), { mode: 0o600 })
  await writeFile(file, element('clickhouse', serverOf(config, users)), { mode: 0o600 })
  return file
}

/** A tree of XML elements; a list repeats its element. */
type Tree = { readonly [name: string]: string | number | Tree | readonly (string | number)[] }

function serverOf({ directory, port }: ServerConfig, users: string): Tree {
  const data = join(directory, 'data')
  return {
    path: `${data}/`,
    tmp_path: `${data}/tmp/`,
    user_files_path: `${data}/user_files/`,
    format_schema_path: `${data}/format_schemas/`,
    // Alone on loopback, HTTP only.
    listen_host: '127.0.0.1',
    http_port: port,
    keep_alive_timeout: 60,
    'log-level': 'warning',
    // What is wrong with a query is for who sent it, and reaches it with the answer.
    logger: { level: 'warning', console: 1, levels: { executeQuery: 'none', DynamicQueryHandler: 'none' } },
    user_directories: { users_xml: { path: users } },
    access_control_improvements: {
      select_from_system_db_requires_grant: 'true',
      select_from_information_schema_requires_grant: 'true',
      settings_constraints_replace_previous: 'true',
      on_cluster_queries_require_cluster_grant: 'true',
      table_engines_require_grant: 'true',
    },
    // One machine with other work to do: 0.3 GB when idle, and never more than half of the memory.
    max_server_memory_usage_to_ram_ratio: 0.5,
    mark_cache_size: 128 * 1024 * 1024,
    index_mark_cache_size: 16 * 1024 * 1024,
    uncompressed_cache_size: 0,
    index_uncompressed_cache_size: 0,
    mmap_cache_size: 64,
    compiled_expression_cache_size: 16 * 1024 * 1024,
    background_schedule_pool_size: 8,
    max_concurrent_queries: 100,
    max_connections: 256,
  }
}

function usersOf({ database, owner, analyst }: ServerConfig): Tree {
  return {
    profiles: {
      default: {},
      analyst: {
        readonly: 1,
        // A read-only user may send a setting only with the value that it has already.
        ...ANALYST_SETTINGS,
        allow_ddl: 0,
        allow_introspection_functions: 0,
        max_execution_time: 60,
        max_memory_usage: 4_000_000_000,
        max_result_rows: 1_000_000,
        max_result_bytes: 256_000_000,
        result_overflow_mode: 'throw',
        max_temporary_data_on_disk_size_for_user: 10_000_000_000,
        max_concurrent_queries_for_user: 8,
      },
    },
    quotas: {
      default: {},
      // 63 years: longer than any server runs; more does not fit the engine's 32 bits.
      start_up: { interval: { duration: 2_000_000_000, queries: START_UP_QUERIES.length } },
      analyst: { interval: { duration: 3600, queries: 10_000, execution_time: 3600 } },
    },
    users: {
      default: {
        no_password: '',
        networks: { ip: '127.0.0.1' },
        profile: 'default',
        quota: 'start_up',
        grants: { query: ['GRANT SYSTEM LISTEN ON *.*', 'GRANT SELECT ON system.numbers'] },
      },
      [owner.username]: {
        password_sha256_hex: sha256(owner.password),
        networks: { ip: '127.0.0.1' },
        profile: 'default',
        quota: 'default',
        access_management: 1,
      },
      [analyst.username]: {
        password_sha256_hex: sha256(analyst.password),
        networks: { ip: '127.0.0.1' },
        profile: 'analyst',
        quota: 'analyst',
        default_database: database,
        grants: { query: ANALYST_VIEWS.map((view) => `GRANT SELECT ON ${database}.${view}`) },
      },
    },
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function element(name: string, content: Tree[string], indent = ''): string {
  if (Array.isArray(content)) return content.map((item) => element(name, item, indent)).join('')
  if (typeof content === 'object') {
    const inner = Object.entries(content).map(([key, value]) => element(key, value, `${indent}  `))
    return `${indent}<${name}>\n${inner.join('')}${indent}</${name}>\n`
  }
  return `${indent}<${name}>${escaped(String(content))}</${name}>\n`
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}
