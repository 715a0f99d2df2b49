import {
  type AnyOptions,
  type AskableQuestion,
  FORMATS,
  flagOf,
  parseFormat,
  QUESTIONS,
  written,
} from '@weaklink/reports'
import { Command, Option } from 'commander'
import { z } from 'zod'
import { catalogueOf, namesOf, sayWhatWaits, withWorkspace } from '../run.ts'
import { print } from '../terminal.ts'

export function reportCommand(): Command {
  const command = new Command('report').description(
    'what chains say: where they break, what leads to a sale, who is behind a number',
  )
  for (const question of QUESTIONS) command.addCommand(questionCommand(question))
  return command
}

function questionCommand(question: AskableQuestion): Command {
  const { name, summary, description, parameters, examples } = question
  const command = new Command(name).description(`${summary}. ${description}`).summary(summary)
  for (const [parameter, schema] of Object.entries(parameters.shape))
    command.addOption(optionOf(parameter, schema as z.ZodType))
  return command
    .addOption(new Option('--format <format>', 'how it is written: text, json, csv or ndjson').default('text'))
    .addHelpText(
      'after',
      `\nExamples:\n${examples.map((example) => `  weaklink report ${name} ${example}`).join('\n')}`,
    )
    .action((_flags: unknown, command: Command) =>
      withWorkspace(command, {}, async (run) => {
        const { format: formatText, ...flags } = command.opts<
          Record<string, string | string[] | true> & { format: string }
        >()
        const format = parseFormat(formatText, FORMATS)
        const options = Object.fromEntries(
          Object.entries(flags).map(([key, value]) => [key, value === true ? 'true' : value]),
        )
        const { terminal, workspace } = run
        const prepared = question.prepare(options as AnyOptions)
        await sayWhatWaits(run)
        if (!terminal.json && (format === 'csv' || format === 'ndjson')) {
          await print(written(prepared.rows(workspace.store), format))
          return
        }
        const answer = await prepared.answer(workspace.store)
        const catalogue = await catalogueOf(workspace)
        const names = namesOf(catalogue.touchpoints.values())
        const { style, width } = terminal
        for (const hint of answer.hints) terminal.note(hint)
        if (format === 'json' && !terminal.json) await print([`${JSON.stringify(answer.report, null, 2)}\n`])
        else {
          terminal.answer(
            () => answer.text({ style, width, names }),
            () => answer.report,
          )
        }
      }),
    )
}

/** Placeholders of values that are not called like their option. */
const VALUES: Readonly<Record<string, string>> = {
  from: 'time',
  to: 'time',
  where: 'key=value',
  by: 'keys',
  compare: 'period',
}

/** `minChains` → `--min-chains <minChains>`; what may only be true or false is a flag. */
function optionOf(parameter: string, schema: z.ZodType): Option {
  const kebab = flagOf(parameter)
  const { description = '' } = schema
  const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema
  if (inner instanceof z.ZodEnum && inner.options.every((one) => one === 'true' || one === 'false')) {
    return new Option(`--${kebab}`, description)
  }
  const option = new Option(`--${kebab} <${VALUES[parameter] ?? kebab}>`, description)
  if (!(inner instanceof z.ZodArray)) return option
  return option.argParser((one: string, all: string[] = []) => [...all, one])
}
