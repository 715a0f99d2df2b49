import { encodeFact, INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { type CatalogueTouchpoint, type TouchpointsReport, touchpointsReport } from '@weaklink/reports'
import Table from 'cli-table3'
import { Command } from 'commander'
import { durationText } from '../duration.ts'
import { putInForce } from '../import/import.ts'
import { type CommonOptions, readCatalogue, withTracker, withWorkspace } from '../run.ts'
import { openTerminal } from '../terminal.ts'
import { rebuild } from './rebuild.ts'

export function catalogueCommand(): Command {
  return new Command('catalogue')
    .description('the touchpoints in force: check a file, show, apply')
    .addCommand(checkCommand())
    .addCommand(showCommand())
    .addCommand(applyCommand())
}

function checkCommand(): Command {
  return new Command('check')
    .description('read a touchpoints.yaml and say what is wrong with it')
    .argument('<file>')
    .action((file: string, _flags: unknown, command: Command) => {
      const terminal = openTerminal({ json: command.optsWithGlobals<CommonOptions>().json ?? false })
      const catalogue = readCatalogue(file)
      terminal.answer(
        () => `${file} is right: ${catalogue.touchpoints.size} touchpoints, hash ${catalogue.hash}.`,
        () => ({ file, hash: catalogue.hash, touchpoints: catalogue.touchpoints.size }),
      )
    })
}

function showCommand(): Command {
  return new Command('show')
    .description('the touchpoints in force, and those that interactions name but the catalogue lacks')
    .action((_flags: unknown, command: Command) =>
      withWorkspace(command, {}, async ({ terminal, workspace }) => {
        const report = await touchpointsReport(workspace.store)
        terminal.answer(
          () => catalogueText(report),
          () => report,
        )
      }),
    )
}

function applyCommand(): Command {
  return new Command('apply')
    .description('put a touchpoints.yaml in force; from then on customers are derived under it')
    .argument('<file>')
    .option('--rebuild', 'also derive those customers again who have no new interactions')
    .action((file: string, flags: { rebuild?: boolean }, command: Command) =>
      withTracker(command, { create: true }, async (run) => {
        const { terminal, workspace, log, tracker } = run
        const catalogue = readCatalogue(file)
        await tracker.settled()
        const partitions = tracker.positions().map(({ partition }) => partition)
        const changed = await putInForce(workspace, tracker, catalogue, (fact) =>
          log.append(
            INTERACTIONS_TOPIC,
            partitions.map((partition) => ({ partition, ...encodeFact(fact) })),
          ),
        )
        await tracker.settled()
        const rebuilt = flags.rebuild === true ? await rebuild(run, { all: false }) : 0
        const [older] = await workspace.store.query<{ n: number }>(OLDER, { hash: catalogue.hash })
        const left = older?.n ?? 0
        terminal.answer(
          () =>
            [
              changed ? `${file} is in force.` : `${file} was already in force.`,
              ...(rebuilt > 0 ? [`${rebuilt} customers were derived again.`] : []),
              ...(left > 0 ? [`${left} customers still stand on an older catalogue: weaklink rebuild`] : []),
            ].join('\n'),
          () => ({ hash: catalogue.hash, changed, rebuilt, olderCatalogue: left }),
        )
      }),
    )
}

function catalogueText({ touchpoints, patienceMs, epilogueMs, uncatalogued }: TouchpointsReport): string {
  const table = new Table({
    head: ['touchpoint', 'name', 'step', 'by', 'means', 'patience', 'interactions'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'right', 'left', 'left', 'right', 'right'],
  })
  for (const touchpoint of touchpoints) {
    table.push([
      touchpoint.id,
      touchpoint.name?.en ?? Object.values(touchpoint.name ?? {})[0] ?? '',
      touchpoint.step ?? '',
      touchpoint.by ?? 'customer',
      meaning(touchpoint),
      touchpoint.patienceMs === undefined ? '' : durationText(touchpoint.patienceMs),
      touchpoint.interactions.toLocaleString('en-US'),
    ])
  }
  const notes = [
    `Where nothing else is said: patience ${durationText(patienceMs)}, epilogue ${durationText(epilogueMs)}.`,
  ]
  if (uncatalogued.length > 0) {
    notes.push(
      `Met by customers, but not in the catalogue: ${uncatalogued.map(({ touchpoint }) => touchpoint).join(', ')}.`,
    )
  }
  return `${table.toString()}\n${notes.join('\n')}`
}

/** What the catalogue says of an interaction there beyond its place. */
function meaning({ outcome, result, stage }: CatalogueTouchpoint): string {
  const words = [
    outcome === 'continued' ? undefined : outcome,
    result === true ? 'result' : undefined,
    stage === 'post_purchase' ? 'after the sale' : undefined,
  ]
  return words.filter((word) => word !== undefined).join(', ')
}

const OLDER = 'SELECT count() AS n FROM customer_chains FINAL WHERE catalogue != {hash:String}'
