import { readFileSync } from 'node:fs'
import {
  applyMapping,
  checkMapping,
  createDefaultIds,
  type Interaction,
  identityMapping,
  InvalidMapping,
  type Mapping,
  parseMapping,
  type Rejection,
  validate,
} from '@weaklink/interactions'
import { type FileFormat, readRows } from '../input/index.ts'

/** What one line of a file gave. A line may give several interactions, and a rejection for each that is none. */
export type Line =
  | { readonly ok: true; readonly line: number; readonly interaction: Interaction }
  | { readonly ok: false; readonly line: number; readonly rejection: Rejection; readonly text: string }

export interface LineBatch {
  readonly lines: readonly Line[]
  /** Rows read for them. */
  readonly rows: number
  /** How much of the file has been read, 0 to 1. */
  readonly part: number
}

/** @throws InvalidMapping with the place of every mistake */
export function readMapping(path: string): Mapping {
  return parseMapping(readFileSync(path, 'utf8'), path)
}

/**
 * Reads a file as interactions: rows, mapped, validated and with ids. Every row gives at least one line.
 *
 * @param now the receipt that `at` is held against, epoch milliseconds
 * @throws InvalidMapping where a mapping does not fit the columns, before the first row
 * @throws InputError where the file ends before its end; everything before that was handed over
 */
export async function* readInteractions(
  path: string,
  options: { readonly format?: FileFormat; readonly mapping?: Mapping; readonly now: number },
): AsyncGenerator<LineBatch> {
  const defaultId = createDefaultIds()
  let mapping = options.mapping
  const input = await readRows(path, { ...(options.format === undefined ? {} : { format: options.format }), ...mapping?.file })
  if (mapping === undefined) mapping = identityMapping(input.columns, path)
  else if (input.columns !== null) {
    const errors = checkMapping(mapping, input.columns)
    if (errors.length > 0) throw new InvalidMapping(errors)
  }
  for await (const batch of input.batches) {
    const lines: Line[] = []
    for (const row of batch.rows) {
      if (!row.ok) {
        lines.push(row)
        continue
      }
      for (const mapped of applyMapping(mapping, row.row)) {
        const checked = mapped.ok ? validate(mapped.input, { receivedAt: options.now }) : mapped
        if (!checked.ok) lines.push({ ok: false, line: row.line, rejection: checked.rejection, text: textOf(row.row) })
        else lines.push({ ok: true, line: row.line, interaction: { ...checked.interaction, id: checked.interaction.id ?? defaultId(checked.interaction) } })
      }
    }
    yield { lines, rows: batch.rows.length, part: batch.part }
  }
}

function textOf(row: unknown): string {
  return JSON.stringify(row)
}
