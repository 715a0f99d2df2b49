import { Command } from 'commander'
import { withWorkspace } from '../run.ts'

export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the tables of ClickHouse up to date (every other command does it too)')
    .action((_flags: unknown, command: Command) =>
      withWorkspace(command, { create: true }, async ({ terminal, workspace }) => {
        const applied = await workspace.store.query<{ name: string }>(
          'SELECT name FROM schema_migrations FINAL ORDER BY number',
        )
        const names = applied.map(({ name }) => name)
        terminal.answer(
          () => `The tables of ${workspace.store.url} are up to date: ${names.join(', ')}`,
          () => ({ url: workspace.store.url, database: workspace.store.database, migrations: names }),
        )
      }),
    )
}
