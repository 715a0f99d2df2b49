import { builtinCatalogue, type Catalogue } from '@weaklink/chains'
import { encodeFact, INTERACTIONS_TOPIC } from '@weaklink/interactions'
import { type CatalogueTouchpoint, type TouchpointsReport, touchpointsReport } from '@weaklink/reports'
import Table from 'cli-table3'
import { Command } from 'commander'
import { durationText } from '../duration.ts'
import { putInForce } from '../import/import.ts'
import { type CommonOptions, nameOf, type Run, readCatalogue, withTracker, withWorkspace } from '../run.ts'
import { openTerminal, UsageError } from '../terminal.ts'
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
    .argument('[file]')
    .option('--rebuild', 'also derive those customers again who have no new interactions')
    .option('--built-in', 'the one that Weaklink begins with, instead of a file')
    .action((file: string | undefined, flags: { rebuild?: boolean; builtIn?: boolean }, command: Command) =>
      withTracker(command, { create: true }, async (run) => {
        const { terminal, workspace, log, tracker } = run
        if ((file === undefined) !== (flags.builtIn === true)) throw new UsageError('Name a file, or say --built-in.')
        const catalogue = file === undefined ? builtinCatalogue : readCatalogue(file)
        const name = file ?? 'The built-in catalogue'
        await sayWhatIsTakenOut(run, catalogue)
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
              changed ? `${name} is in force.` : `${name} was already in force.`,
              ...(rebuilt > 0 ? [`${rebuilt} customers were derived again.`] : []),
              ...(left > 0 ? [`${left} customers still stand on an older catalogue: weaklink rebuild`] : []),
            ].join('\n'),
          () => ({ hash: catalogue.hash, changed, rebuilt, olderCatalogue: left }),
        )
      }),
    )
}

/** What a new catalogue lacks that customers have met and the one in force knows: from then on it means nothing special. */
export async function sayWhatIsTakenOut({ terminal, workspace }: Run, catalogue: Catalogue): Promise<void> {
  const { touchpoints } = await touchpointsReport(workspace.store)
  const lost = touchpoints.filter(({ id, interactions }) => interactions > 0 && !catalogue.touchpoints.has(id))
  if (lost.length === 0) return
  const some = lost
    .slice(0, LOST_SHOWN)
    .map(({ id, interactions }) => `${id} (${interactions.toLocaleString('en-US')})`)
  const more = lost.length > LOST_SHOWN ? ` and ${lost.length - LOST_SHOWN} more` : ''
  terminal.note(
    `This catalogue takes the place of the one in force, and lacks touchpoints that it has and customers have met: ` +
      `${some.join(', ')}${more}. Their outcome, step and patience are then the defaults. ` +
      'weaklink catalogue show tells what is in force.',
  )
}

const LOST_SHOWN = 8

function catalogueText({ touchpoints, patienceMs, epilogueMs, uncatalogued }: TouchpointsReport): string {
  const table = new Table({
    head: ['touchpoint', 'name', 'step', 'by', 'means', 'patience', 'interactions'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'right', 'left', 'left', 'right', 'right'],
  })
  for (const touchpoint of touchpoints) {
    table.push([
      touchpoint.id,
      nameOf(touchpoint) ?? '',
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

const OLDER = "SELECT count() AS n FROM customer_chains FINAL WHERE movedTo = '' AND catalogue != {hash:String}"
