import Table from 'cli-table3'
import { Command } from 'commander'
import { askSql, printable, SqlError, sqlText } from '@weaklink/reports'
import { withWorkspace } from '../run.ts'
import { UsageError } from '../terminal.ts'

/** A table on a terminal has an end; `--json` has none. */
const SHOWN_ROWS = 1_000

export function sqlCommand(): Command {
  return new Command('sql')
    .description('ask in SQL: views interactions, chains, chain_interactions; nothing can be changed')
    .argument('<query>')
    .addHelpText(
      'after',
      `
Examples:
  weaklink sql "SELECT place, reason, count() FROM chains WHERE state = 'broken' GROUP BY ALL ORDER BY 3 DESC"
  weaklink sql "SELECT touchpoint, avg(waitMs) FROM interactions GROUP BY touchpoint" --json
  weaklink sql "DESCRIBE chains"`,
    )
    .action((query: string, _flags: unknown, command: Command) =>
      withWorkspace(command, {}, async ({ terminal, workspace }) => {
        const text = query.trim().replace(/;$/, '')
        if (text === '')
          throw new UsageError('The query is empty. For example: weaklink sql "SELECT * FROM chains LIMIT 5"')
        const { columns, rows } = await workspace.ask(text)
        terminal.answer(
          () => {
            const table = new Table({
              head: columns.map(({ name }) => name),
              style: { head: [], border: [], compact: true },
            })
            for (const row of rows.slice(0, SHOWN_ROWS)) table.push(row.map(cell))
            const rest = rows.length > SHOWN_ROWS ? ` (the first ${SHOWN_ROWS} shown; --json has all)` : ''
            return `${table.toString()}\n${rows.length} ${rows.length === 1 ? 'row' : 'rows'}${rest}`
          },
          () => ({
            columns,
            rows: rows.map((row) => Object.fromEntries(columns.map(({ name }, k) => [name, row[k]]))),
          }),
        )
      }),
    )
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
