import { ANALYST_VIEWS, type Store, StoreError } from '@weaklink/clickhouse'
import { nearestName } from '@weaklink/interactions'
import { SqlError, type SqlErrorKind } from './sql-error.ts'

const ALLOWED =
  `Allowed is one SELECT (also WITH, EXPLAIN and DESCRIBE) over the views ${ANALYST_VIEWS.join(', ')}. Nothing can be ` +
  'written, no file, address or system table read, no setting changed.'

/** Numbers of ClickHouse's error table. */
const CODES: Readonly<Record<string, SqlErrorKind | 'table' | 'column'>> = {
  47: 'column', // UNKNOWN_IDENTIFIER
  60: 'table', // UNKNOWN_TABLE
  81: 'table', // UNKNOWN_DATABASE
  497: 'table', // ACCESS_DENIED: of a table, mostly
  159: 'timeout', // TIMEOUT_EXCEEDED
  160: 'timeout', // TOO_SLOW
}

/**
 * What went wrong with a query, in the words of who asked it: what ClickHouse says of it, and what is allowed instead. What is
 * not about the query stays as it is.
 */
export async function explained(error: unknown, sql: string, analyst: Store): Promise<unknown> {
  if (!(error instanceof StoreError) || !(error.cause instanceof Error)) return error
  const code = 'code' in error.cause ? (CODES[String(error.cause.code)] ?? null) : null
  const said = brief(error.cause.message)
  if (/\bFORMAT\b/.test(said) && !/\bformat\b/i.test(sql))
    return new SqlError('query', `The query ends too early: something is missing at its end. ${ALLOWED}`, error)
  if (code === 'timeout') return new SqlError('timeout', `The query took too long: ${said} ${LESS}`, error)
  if (error.retriable) return error
  if (error.code === 'limit') return new SqlError('limit', `The query needs more than it may: ${said} ${LESS}`, error)
  const hint = hintOf(sql)
  if (hint !== null) return new SqlError(hint[0], `${hint[1]} ${ALLOWED}`, error)
  if (code === 'table') {
    const table = tableIn(said)
    if (table !== null)
      return new SqlError('query', `There is no ${table} to be read here. ${nearestView(table)}${ALLOWED}`, error)
  }
  if (error.code === 'forbidden') return new SqlError('forbidden', `This is not allowed: ${said} ${ALLOWED}`, error)
  if (error.code !== 'rejected') return error
  const nearest = code === 'column' && !said.includes('Maybe you meant') ? await nearestColumn(said, sql, analyst) : ''
  return new SqlError('query', `${said}${nearest}`, error)
}

const LESS = 'Ask for less: fewer rows, a shorter period, or a sum instead of its parts.'

/** What has no place here, of a query that failed: what it is, and whether it is forbidden or only written otherwise. */
const HINTS: readonly (readonly [clause: RegExp, kind: SqlErrorKind, hint: string])[] = [
  [
    /^(insert|create|drop|alter|truncate|rename|exchange|delete|update|optimize|attach|detach|replace|undrop|move|backup|restore)\b/i,
    'forbidden',
    'Nothing can be written or changed.',
  ],
  [/^(kill|system|grant|revoke|use|check|watch)\b/i, 'forbidden', 'This is for who runs the server.'],
  [/;\s*\S/, 'query', 'One statement at a time.'],
  [/\binto\s+outfile\b/i, 'query', 'INTO OUTFILE would write a file of the server: leave it out.'],
  [/^set\b|\bsettings\s+\w+\s*=/i, 'forbidden', 'Settings and limits cannot be changed.'],
  [
    /\bformat\s+\w+\s*$/i,
    'query',
    'Leave FORMAT out: --format or, over HTTP, ?format=csv and ?format=ndjson say how it is written.',
  ],
  [
    /\b(from|join|table|describe|desc)\s+(?!(numbers|zeros|values|generate\w*|view|null)\b)[a-z]\w*\s*\(|\bfile\s*\(/i,
    'forbidden',
    'Only the views can be read, and no table function that looks elsewhere.',
  ],
]

function hintOf(sql: string): readonly [kind: SqlErrorKind, hint: string] | null {
  const bare = sql.replace(LITERAL_OR_COMMENT, (token) => (/^(--|\/\*)/.test(token) ? ' ' : "''")).trim()
  const found = HINTS.find(([clause]) => clause.test(bare))
  return found === undefined ? null : [found[1], found[2]]
}

const LITERAL_OR_COMMENT = /'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|--[^\n]*|\/\*.*?\*\//gs

/** The first line, without what helps nobody: the query once more, the version, the name of the code. */
function brief(message: string): string {
  const text = (message.split('\n')[0] ?? '')
    .replace(/\s*\(version [^)]*\)\s*$/, '')
    .replace(/ in scope .*?(?=\. Maybe you meant|\.?$)/s, '')
    .replace(/, Stack trace.*$/, '')
    // The client adds a FORMAT to every query.
    .replace(/ \(JSONCompact\w+\)/, '')
    .replace(/\.?\s*$/, '.')
  return text.length > 500 ? `${text.slice(0, 500)} …` : text
}

/** Which table cannot be read. */
function tableIn(said: string): string | null {
  return (
    /grant SELECT(?:\([^)]*\))? ON (?:[\w`]+\.)?[`]?([^\s`,.()]+)/.exec(said)?.[1] ??
    /(?:table expression identifier|table|database) [`']?(?:\w+\.)?([^\s`',.]+)/i.exec(said)?.[1] ??
    null
  )
}

function nearestView(table: string): string {
  const nearest = nearestName(table, ANALYST_VIEWS)
  return nearest === undefined ? '' : `Did you mean ${nearest}? `
}

async function nearestColumn(said: string, sql: string, analyst: Store): Promise<string> {
  const unknown = /identifier [`']([^`']+)[`']/.exec(said)?.[1]?.split('.').at(-1)
  if (unknown === undefined) return ''
  const views = ANALYST_VIEWS.filter((view) => new RegExp(`\\b${view}\\b`).test(sql))
  const described = await Promise.all(
    views.map((view) => analyst.query<{ name: string }>(`DESCRIBE TABLE ${view}`).catch(() => [])),
  )
  const names = [...new Set(described.flat().map(({ name }) => name))]
  const nearest = nearestName(unknown, names)
  if (nearest !== undefined) return ` Did you mean ${nearest}?`
  return names.length === 0 ? '' : ` There are: ${names.join(', ')}.`
}
