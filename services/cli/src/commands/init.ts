import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Command, Option } from 'commander'
import { parse } from 'yaml'
import { durationText } from '../duration.ts'
import { type Look, lookAt } from '../init/look.ts'
import { mergedText } from '../init/mapping-text.ts'
import { dayOf } from '../init/time-range.ts'
import { titleOf } from '../init/touchpoints.ts'
import { count } from '../init/yaml-text.ts'
import { type RowFormat, type Sniffed, sniff } from '../input/index.ts'
import type { CommonOptions } from '../run.ts'
import { openTerminal, type Style, UsageError } from '../terminal.ts'

interface InitFlags extends CommonOptions {
  readonly format?: RowFormat
  readonly outputDir: string
  readonly force?: boolean
}

/** Rows that are looked at; a file may have any number. */
const MAX_ROWS = 50_000

export function initCommand(): Command {
  return new Command('init')
    .description('look at an export, and write a first mapping.yaml and touchpoints.yaml to correct')
    .argument('<file>', 'CSV or JSON lines, plain or .gz')
    .addOption(new Option('--format <format>', 'else it follows from the extension').choices(['jsonl', 'csv']))
    .option('--output-dir <dir>', 'where the two files are written', '.')
    .option('--force', 'overwrite them where they are there')
    .addHelpText(
      'after',
      `
Example:
  weaklink init crm.csv
  weaklink import crm.csv --mapping mapping.yaml --catalogue touchpoints.yaml --dry-run

It looks at the first ${count(MAX_ROWS)} rows, guesses, and says what it guessed; nothing is taken in.`,
    )
    .action(async (file: string, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<InitFlags>()
      const mappingFile = join(flags.outputDir, 'mapping.yaml')
      const catalogueFile = join(flags.outputDir, 'touchpoints.yaml')
      const present = [mappingFile, catalogueFile].filter((path) => existsSync(path))
      if (present.length > 0 && flags.force !== true) {
        const verb = present.length > 1 ? 'are' : 'is'
        throw new UsageError(
          `${present.join(' and ')} ${verb} there already. Name another directory with --output-dir, or overwrite with --force.`,
        )
      }
      const sniffed = await sniff(file, MAX_ROWS, flags.format === undefined ? {} : { format: flags.format })
      const look = lookAt(sniffed, basename(file), { now: Date.now() })
      await write(flags.outputDir, mappingFile, look.mappingText, flags.force === true)
      await write(flags.outputDir, catalogueFile, look.catalogueText, flags.force === true)

      const words = [
        'npx weaklink import',
        quoted(file),
        '--mapping',
        quoted(mappingFile),
        '--catalogue',
        quoted(catalogueFile),
      ]
      if (flags.format !== undefined) words.push('--format', flags.format)
      // The default needs no words; a variable of this shell may be gone in the next.
      const chosen = ['cli', 'env'].includes(command.getOptionValueSourceWithGlobals('dataDir') ?? '')
      const dataDir = chosen ? ` --data-dir ${quoted(flags.dataDir)}` : ''
      const commands = [
        `${words.join(' ')} --dry-run`,
        `${words.join(' ')} --clock data`,
        'npx weaklink report breakpoints',
      ].map((words) => `${words}${dataDir}`)
      const terminal = openTerminal({ json: flags.json ?? false })
      terminal.answer(
        () => lookText(look, sniffed, basename(file), [mappingFile, catalogueFile], commands, terminal.style),
        () => lookJson(look, [mappingFile, catalogueFile], commands),
      )
    })
}

async function write(directory: string, path: string, text: string, overwrite: boolean): Promise<void> {
  try {
    await mkdir(directory, { recursive: true })
    await writeFile(path, text, { flag: overwrite ? 'w' : 'wx' })
  } catch (error) {
    throw new UsageError(`${path} cannot be written: ${error instanceof Error ? error.message : error}`)
  }
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\p{L}\p{N}_./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

function lookText(
  look: Look,
  sniffed: Sniffed,
  file: string,
  files: readonly string[],
  commands: readonly string[],
  { bold, dim, green, red, yellow }: Style,
): string {
  const { mapping, catalogue } = look
  const { time, people, touchpoint } = mapping
  const format = sniffed.delimiter === null ? 'JSON' : `CSV divided by ${JSON.stringify(sniffed.delimiter)}`
  const guesses: [string, string | undefined, string?][] = [
    ['each', mapping.each],
    ['customer', people.customer, `${count(people.people)} of them`],
    ['anonymousId', people.anonymousId],
    ['touchpoint', touchpoint.template, `${count(look.touchpoints.different)} of them${mergedText(look.touchpoints)}`],
    ['at', time.template, `${time.format}${time.needsZone ? ', zone UTC' : ''}`],
    ['id', mapping.id],
    ['episode', mapping.episode?.column],
    ['order', mapping.order],
    ...mapping.fields.map(({ field, template }): [string, string] => [field, template]),
    ['props', mapping.props.length > 0 ? mapping.props.join(', ') : undefined],
    ['not used', mapping.unused.size > 0 ? [...mapping.unused.keys()].join(', ') : undefined],
  ]
  const touchpoints = catalogue.touchpoints.map((one) => {
    const kind = one.outcome ?? one.reaction ?? one.stage ?? one.by ?? ''
    const paint =
      one.outcome === 'bought' ? green : one.outcome === 'refused' || one.reaction === 'negative' ? red : dim
    const meaning = `${kind}${one.result === true ? ', a result' : ''}${one.patienceMs === undefined ? '' : `, patience ${durationText(one.patienceMs)}`}`
    return `  ${(one.step?.toString() ?? '–').padStart(3)}  ${titleOf(one).padEnd(32)} ${count(one.interactions).padStart(9)}  ${paint(meaning.replace(/^, /, ''))}`.trimEnd()
  })
  const rejected = Object.entries(look.rejectedBy).map(([reason, n]) => `${count(n)} × ${reason}`)
  return [
    bold(`${file}: ${count(look.rows)} rows looked at, ${format}, ${sniffed.encoding}`),
    ...(look.times === null ? [] : [`  from ${dayOf(look.times.from)} to ${dayOf(look.times.to)}`]),
    ...(rejected.length > 0 ? [yellow(`  of which these would be rejected: ${rejected.join(', ')}`)] : []),
    '',
    ...guesses.flatMap(([name, value, note]) =>
      value === undefined ? [] : [`  ${name.padEnd(12)} ${value}${note === undefined ? '' : `  ${dim(`(${note})`)}`}`],
    ),
    '',
    bold('Touchpoints by step'),
    ...touchpoints,
    `  patience ${durationText(catalogue.patience.patienceMs)}${catalogue.patience.gaps === null ? ' (the usual; too few gaps to guess from)' : ', from the gaps seen'}`,
    ...(look.warnings.length > 0
      ? ['', bold('To check'), ...look.warnings.map((warning) => yellow(`  ! ${warning}`))]
      : []),
    '',
    `Written: ${files.join(', ')}. Look through them, then:`,
    ...commands.map((command) => `  ${command}`),
    `Get the ${time.needsZone ? 'time zone' : 'mapping'} right before the first import: importing the same file again under another mapping is refused, because the same events would stand there twice.`,
    dim('--clock data: the export ends with its newest row, so whoever may still come back is open, not lost.'),
  ].join('\n')
}

function lookJson(look: Look, [mappingFile, catalogueFile]: readonly string[], commands: readonly string[]): unknown {
  const { mapping, catalogue } = look
  const { time, people, touchpoint, unused } = mapping
  return {
    files: { mapping: mappingFile, catalogue: catalogueFile },
    mapping: parse(look.mappingText),
    catalogue: parse(look.catalogueText),
    guesses: {
      rows: look.rows,
      rejected: look.rejected,
      rejectedBy: look.rejectedBy,
      people: people.people,
      time: {
        format: time.format,
        needsZone: time.needsZone,
        ambiguous: time.ambiguous,
        hasTimeOfDay: time.hasTimeOfDay,
        from: look.times === null ? null : new Date(look.times.from).toISOString(),
        to: look.times === null ? null : new Date(look.times.to).toISOString(),
      },
      touchpoints: look.touchpoints,
      touchpointColumns: touchpoint.columns,
      unused: Object.fromEntries(unused),
      gaps: catalogue.patience.gaps,
    },
    warnings: look.warnings,
    next: commands,
  }
}
