import { statSync } from 'node:fs'
import {
  applyMapping,
  checkMapping,
  createDefaultIds,
  type Interaction,
  InvalidMapping,
  identityMapping,
  type Mapping,
  QueueLogReader,
  type Rejection,
  validate,
  withId,
} from '@weaklink/interactions'
import { InputError, type RowFormat, readRows } from '../input/index.ts'
import { inOrderOfLog, isQueueLogName, readQueueLogFile } from './queue-log.ts'

/** What a file may hold: rows, or the lines of Asterisk's queue log. */
export type ImportFormat = RowFormat | 'queue-log'

/**
 * What one line of a file gave. A line may give several interactions, and a rejection for each that is none; one of a
 * queue log may be about no caller, and give nothing.
 */
export type Line =
  | { readonly ok: true; readonly line: number; readonly interaction: Interaction }
  | { readonly ok: false; readonly line: number; readonly rejection: Rejection; readonly text: string }

export interface LineBatch {
  readonly lines: readonly Line[]
  /** Rows read for them. */
  readonly rows: number
  /** How much of the file has been read, 0 to 1; 0 where its size is not known, as of a pipe. */
  readonly part: number
}

export interface ReadInteractionsOptions {
  readonly format?: ImportFormat
  readonly mapping?: Mapping
  /** Remembers the calls from one file of a queue log to the next. */
  readonly queueLog?: QueueLogReader
  /** The receipt that `at` is held against, epoch milliseconds. */
  readonly now: number
}

/** Whether a file is one of a queue log: by the format that was named, else by its name. */
export function isQueueLog(path: string, format: ImportFormat | undefined): boolean {
  return format === undefined ? isQueueLogName(path) : format === 'queue-log'
}

/** The files as they are to be read: those of a queue log last, and in the order of their lines. */
export async function inOrder(paths: readonly string[], format: ImportFormat | undefined): Promise<string[]> {
  const logs = paths.filter((path) => isQueueLog(path, format))
  return [...paths.filter((path) => !isQueueLog(path, format)), ...(await inOrderOfLog(logs))]
}

/**
 * Reads a file as interactions: rows, mapped, validated and with ids. Every row gives at least one line.
 *
 * @throws InvalidMapping where a mapping does not fit the columns, before the first row
 * @throws InputError where the file ends before its end; everything before that was handed over
 */
export async function* readInteractions(path: string, options: ReadInteractionsOptions): AsyncGenerator<LineBatch> {
  const { format, mapping, queueLog = new QueueLogReader(), now } = options
  if (format === 'queue-log' || isQueueLog(path, format)) yield* readQueueLogFile(path, queueLog, now)
  else yield* readMappedRows(path, { ...(format === undefined ? {} : { format }), mapping, now })
}

async function* readMappedRows(
  path: string,
  {
    format,
    mapping,
    now,
  }: { readonly format?: RowFormat; readonly mapping: Mapping | undefined; readonly now: number },
): AsyncGenerator<LineBatch> {
  const defaultId = createDefaultIds()
  let fitted: Mapping | undefined
  for await (const { rows, columns, bytesRead, bytesTotal } of readRows(path, {
    ...(format === undefined ? {} : { format }),
    ...mapping?.file,
  })) {
    fitted ??= fit(mapping, columns, path)
    const lines: Line[] = []
    for (const row of rows) {
      if (!row.ok) {
        lines.push(row)
        continue
      }
      for (const mapped of applyMapping(fitted, row.row)) {
        const checked = mapped.ok ? validate(mapped.input, { receivedAt: now }) : mapped
        if (!checked.ok) lines.push({ ok: false, line: row.line, rejection: checked.rejection, text: row.text })
        else {
          const { interaction } = checked
          lines.push({
            ok: true,
            line: row.line,
            interaction: withId(interaction, interaction.id ?? defaultId(interaction)),
          })
        }
      }
    }
    yield { lines, rows: rows.length, part: bytesTotal === 0 ? 0 : bytesRead / bytesTotal }
  }
}

/**
 * Looks at the head of every file: a mapping that does not fit the third of them is found before the first is taken in.
 * What cannot be read at all is left to the import, and so is a pipe, which can be read only once.
 *
 * @throws InvalidMapping
 */
export async function checkHeads(
  paths: readonly string[],
  { format, mapping }: Pick<ReadInteractionsOptions, 'format' | 'mapping'>,
): Promise<void> {
  for (const path of paths) {
    if (format === 'queue-log' || isQueueLog(path, format)) continue
    if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? false)) continue
    try {
      for await (const { columns } of readRows(path, {
        ...(format === undefined ? {} : { format }),
        ...mapping?.file,
      })) {
        fit(mapping, columns, path)
        break
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error
    }
  }
}

/** The mapping for a file with these columns (null: JSON); without one, the file is in our own shape. */
function fit(mapping: Mapping | undefined, columns: readonly string[] | null, path: string): Mapping {
  if (mapping === undefined) return identityMapping(columns, path)
  const errors = columns === null ? [] : checkMapping(mapping, columns)
  if (errors.length > 0) throw new InvalidMapping(errors)
  return mapping
}
