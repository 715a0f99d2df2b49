import { randomUUID } from 'node:crypto'
import { FIELD_NAMES, type FieldName, type Rejection } from '@weaklink/interactions'
import { openSource, readRows, rowsOf } from '../input/index.ts'
import { UsageError } from '../terminal.ts'

/** One thing to send, or a line that cannot be sent at all. */
export type Item =
  | { readonly ok: true; readonly line: number; readonly json: string }
  | { readonly ok: false; readonly line: number; readonly rejection: Rejection }

const NUMBERS: ReadonlySet<FieldName> = new Set(['waitMs', 'durationMs', 'value', 'cost'])
const STDIN = '/dev/stdin'

/** What a file holds, or standard input (`-`): JSON lines or one array, plain or gzipped. */
export async function* itemsOf(path: string): AsyncGenerator<Item> {
  const options = { format: 'jsonl', mayBeArray: true } as const
  const batches =
    path === '-'
      ? rowsOf({ ...(await openSource(STDIN)), path: 'standard input' }, 'jsonl', options)
      : readRows(path, options)
  for await (const { rows } of batches) {
    for (const row of rows) {
      yield row.ok
        ? { ok: true, line: row.line, json: JSON.stringify(withId(row.row)) }
        : { ok: false, line: row.line, rejection: row.rejection }
    }
  }
}

/** So that it can be sent again where the answer got lost. */
function withId(value: unknown): unknown {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject && !('id' in value) ? { id: randomUUID(), ...value } : value
}

/**
 * One interaction out of `field=value` pairs, the time of now where none is given.
 *
 * @throws UsageError for what is no field
 */
export function single(
  fields: Readonly<Record<string, string | undefined>>,
  pairs: readonly string[],
  now: Date,
): Item {
  const interaction: Record<string, unknown> = { id: randomUUID(), at: now.toISOString() }
  const props: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) interaction[name] = value
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals)
    const value = pair.slice(equals + 1)
    if (equals > 0 && name.startsWith('props.')) props[name.slice('props.'.length)] = scalar(value)
    else if (equals > 0 && isField(name)) interaction[name] = NUMBERS.has(name) ? scalar(value) : value
    else {
      throw new UsageError(
        `"${pair}" sets no field: expected name=value with one of ${FIELD_NAMES.filter((field) => field !== 'props').join(', ')}, or props.x=value`,
      )
    }
  }
  if (Object.keys(props).length > 0) interaction.props = props
  return { ok: true, line: 1, json: JSON.stringify(interaction) }
}

function isField(name: string): name is FieldName {
  return name !== 'props' && (FIELD_NAMES as readonly string[]).includes(name)
}

/** What the text says: a number or a truth value where it is one as JSON writes them, else itself. */
function scalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? Number(text) : text
}
