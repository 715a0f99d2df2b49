import { Command, CommanderError, Option } from 'commander'
import { alertsCommand } from './commands/alerts.ts'
import { catalogueCommand } from './commands/catalogue.ts'
import { chainCommand } from './commands/chain.ts'
import { demoCommand } from './commands/demo.ts'
import { doctorCommand } from './commands/doctor.ts'
import { importCommand } from './commands/import.ts'
import { initCommand } from './commands/init.ts'
import { migrateCommand } from './commands/migrate.ts'
import { rebuildCommand } from './commands/rebuild.ts'
import { rejectedCommand } from './commands/rejected.ts'
import { reportCommand } from './commands/report.ts'
import { sendCommand } from './commands/send.ts'
import { sqlCommand } from './commands/sql.ts'
import { tailCommand } from './commands/tail.ts'
import { unlinkCommand } from './commands/unlink.ts'
import { upCommand } from './commands/up.ts'
import { waitingCommand } from './commands/waiting.ts'
import { explain } from './explain.ts'
import { withoutCommands } from './terminal.ts'

const program = new Command('weaklink')
  .description('Finds where and why the chains of your customers break.')
  .version('0.1.0')
  .addOption(new Option('--data-dir <dir>', 'where everything is kept').default('.weaklink').env('WEAKLINK_DATA_DIR'))
  .option('--json', 'one JSON document on stdout instead of text')
  .addHelpText(
    'after',
    `
Begin with an export of customer events:
  weaklink init export.csv              look at it, write mapping.yaml and touchpoints.yaml
  weaklink import export.csv --mapping mapping.yaml --catalogue touchpoints.yaml --clock data
  weaklink report breakpoints           where chains break, the weakest place first
  weaklink chain CUSTOMER               one customer's chains, step by step

Or with events as they happen:
  weaklink up                           take them in over HTTP, as they come
  weaklink send, weaklink tail          send some, and watch what comes

Without an export:  weaklink demo
Exit codes: 0 done, 1 failed, 2 bad usage.`,
  )

for (const command of [
  upCommand(),
  sendCommand(),
  tailCommand(),
  waitingCommand(),
  initCommand(),
  importCommand(),
  reportCommand(),
  chainCommand(),
  sqlCommand(),
  catalogueCommand(),
  rebuildCommand(),
  unlinkCommand(),
  rejectedCommand(),
  alertsCommand(),
  doctorCommand(),
  migrateCommand(),
  demoCommand(),
]) {
  program.addCommand(command)
}
for (const command of withAllBelow(program)) {
  command.exitOverride().configureHelp({ showGlobalOptions: true }).showHelpAfterError('(add --help for what it takes)')
}

// Who reads the answer may stop early (`| head`): that is no failure. A full disk behind stdout is one.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`${explain(error).message}\n`)
  process.exit(1)
})

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    const { message, exitCode } = explain(error)
    process.stderr.write(`${withoutCommands(message)}\n`)
    process.exitCode = exitCode
  }
}

function withAllBelow(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withAllBelow)]
}
