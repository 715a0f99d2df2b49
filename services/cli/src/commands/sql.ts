import { ANALYST_VIEWS } from '@weaklink/clickhouse'
import { askSql, FORMATS, parseFormat, printable, type SqlAnswer, SqlError, sqlText } from '@weaklink/reports'
import Table from 'cli-table3'
import { Command, Option } from 'commander'
import { withWorkspace } from '../run.ts'
import { CommandError, print, type Terminal } from '../terminal.ts'

/** A table on a terminal has an end; `--json` has none. */
const SHOWN_ROWS = 1_000

export function sqlCommand(): Command {
  return new Command('sql')
    .description(`ask in SQL: views ${ANALYST_VIEWS.join(', ')}; nothing can be changed`)
    .argument('<query>')
    .addOption(new Option('--format <format>', 'how it is written: text, json, csv or ndjson').default('text'))
    .addHelpText(
      'after',
      `
Examples:
  weaklink sql "SELECT place, reason, count() FROM chains WHERE state = 'broken' GROUP BY ALL ORDER BY 3 DESC"
  weaklink sql "SELECT touchpoint, avg(waitMs) FROM interactions GROUP BY touchpoint" --json
  weaklink sql "SELECT day, touchpoint, sum(broke) AS broke FROM breakpoints_daily GROUP BY ALL" --format csv
  weaklink sql "DESCRIBE chains"`,
    )
    .action((query: string, flags: { format: string }, command: Command) =>
      withWorkspace(command, {}, async ({ terminal, workspace }) => {
        const format = parseFormat(flags.format, FORMATS)
        try {
          const answer = await askSql(workspace.analyst, query)
          if (!terminal.json && (format === 'csv' || format === 'ndjson')) await print(sqlText(answer, format))
          else await show(answer, terminal, format === 'json')
        } catch (error) {
          throw error instanceof SqlError ? new CommandError(error.message) : error
        }
      }),
    )
}

async function show({ columns, rows: blocks }: SqlAnswer, terminal: Terminal, asJson: boolean): Promise<void> {
  const rows: (readonly unknown[])[] = []
  for await (const block of blocks) for (const row of block) rows.push(row)
  const document = () => ({
    columns,
    rows: rows.map((row) => Object.fromEntries(columns.map(({ name }, k) => [name, row[k]]))),
  })
  terminal.answer(() => {
    if (asJson) return JSON.stringify(document(), null, 2)
    const table = new Table({
      head: columns.map(({ name }) => name),
      style: { head: [], border: [], compact: true },
    })
    for (const row of rows.slice(0, SHOWN_ROWS)) table.push(row.map(cell))
    const rest = rows.length > SHOWN_ROWS ? ` (the first ${SHOWN_ROWS} shown; --json has all)` : ''
    return `${table.toString()}\n${rows.length} ${rows.length === 1 ? 'row' : 'rows'}${rest}`
  }, document)
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value))
}
