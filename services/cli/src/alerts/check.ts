import {
  type AlertsConfig,
  AlertsFileError,
  durationWords,
  instantWords,
  parseAlerts,
  type Replay,
  type Rule,
  replay,
  ruleSentence,
  tryReceivers,
} from '@weaklink/alerts'
import { builtinCatalogue } from '@weaklink/chains'
import { nearestName } from '@weaklink/interactions'
import type { Command } from 'commander'
import { readText } from '../run.ts'
import { CommandError, type Terminal, UsageError } from '../terminal.ts'
import { openAlertsLog } from './memory.ts'
import { trialText } from './trial.ts'

/** Of the alerts that a rule would have told, the newest are shown. */
const SHOWN = 5

/** Checks a file of rules, and says what they would have said of the last hours of the log, where there is one. */
export async function checkRules(terminal: Terminal, command: Command, file: string, sinceMs: number): Promise<void> {
  const { rules, notify } = readAlerts(file)
  const log = await openAlertsLog(command)
  let past: Replay | null = null
  try {
    const now = Date.now()
    if (log !== null) past = await replay(log, rules, now - sinceMs, now)
  } finally {
    await log?.close()
  }
  const warnings = warningsOf(rules, past, sinceMs)
  const receivers = notify?.receivers.map(({ name, target }) => ({ name, kind: target.kind })) ?? []
  const { bold, dim, yellow } = terminal.style
  terminal.answer(
    () =>
      [
        `${file} is valid: ${rules.length === 1 ? '1 rule' : `${rules.length} rules`}, told to ${
          receivers.length === 0 ? 'nobody (there is no notify)' : receivers.map(({ name }) => name).join(', ')
        }.`,
        ...warnings.map((warning) => yellow(`Perhaps a mistake: ${warning}`)),
        '',
        ...rules.flatMap((rule) => [`${bold(rule.name)} ${ruleSentence(rule)}.`, ...pastLines(rule, past, dim), '']),
        past === null
          ? dim('There is no log here to try them on.')
          : dim(`What they would have said is of the last ${durationWords(sinceMs)}; times are UTC.`),
      ].join('\n'),
    () => ({
      file,
      rules: rules.map((rule) => ({ name: rule.name, severity: rule.severity, does: ruleSentence(rule) })),
      receivers,
      warnings,
      told: past === null ? null : past.told.map(({ at, alert }) => ({ at: new Date(at).toISOString(), ...alert })),
    }),
  )
}

/** Sends a test alert to each receiver of a file. */
export async function sendTest(terminal: Terminal, file: string, baseUrl: string | null): Promise<void> {
  const { notify } = readAlerts(file)
  if (notify === null) throw new UsageError(`${file} has no notify: there is nobody to send anything to.`)
  const trials = await tryReceivers(notify, { baseUrl, now: Date.now() })
  terminal.answer(
    () => trialText(trials, terminal.style),
    () => ({ receivers: trials }),
  )
  const failed = trials.filter(({ ok }) => !ok).length
  if (failed > 0) throw new CommandError(`${failed} of ${trials.length} receivers could not be told.`)
}

/** @throws UsageError with everything that is wrong with the file */
function readAlerts(file: string): AlertsConfig {
  try {
    return parseAlerts(readText(file), file, process.env)
  } catch (error) {
    if (error instanceof AlertsFileError) throw new UsageError(error.message)
    throw error
  }
}

function pastLines(rule: Rule, past: Replay | null, dim: (text: string) => string): string[] {
  if (past === null) return []
  if (rule.kind === 'breakRate') return [dim('  asks ClickHouse how things are now: nothing can be said of the past')]
  const told = past.told.filter(({ alert }) => alert.rule === rule.name)
  const fired = told.filter(({ alert }) => alert.endsAt === null)
  if (fired.length === 0) return ['  would not have fired']
  const ends = new Map(told.map(({ alert }) => [alert.key, alert.endsAt]))
  const lines = fired.slice(-SHOWN).map(({ alert }) => {
    const endsAt = ends.get(alert.key) ?? null
    const until = endsAt === null ? 'still so' : `for ${durationWords(endsAt - alert.startsAt)}`
    return `    ${instantWords(alert.startsAt).slice(0, -4)}  ${until}  ${alert.summary}`
  })
  const before = fired.length - lines.length
  return [
    `  would have fired ${fired.length === 1 ? 'once' : `${fired.length} times`}:`,
    ...(before > 0 ? [dim(`    … ${before} before`)] : []),
    ...lines,
  ]
}

/** Names that nothing has, as far as it can be known. */
function warningsOf(rules: readonly Rule[], past: Replay | null, sinceMs: number): string[] {
  const known = [...builtinCatalogue.touchpoints.keys()]
  const { touchpoints, queues } = past?.seen ?? { touchpoints: new Set<string>(), queues: new Set<string>() }
  const lately = past === null ? '' : `, and nothing happened there in the last ${durationWords(sinceMs)}`
  return rules.flatMap((rule) => {
    if ('touchpoint' in rule) {
      const { touchpoint } = rule
      if (known.includes(touchpoint) || touchpoints.has(touchpoint)) return []
      return [
        `${rule.name}: no touchpoint of the built-in ones is called ${touchpoint}${lately}${meant(touchpoint, known)}`,
      ]
    }
    if (queues.size === 0) return []
    return (rule.queues ?? [])
      .filter((queue) => !queues.has(queue))
      .map((queue) => {
        const others = [...queues].sort()
        return `${rule.name}: no call was in the queue ${queue} in the last ${durationWords(sinceMs)}${meant(queue, others)}; there were ${others.join(', ')}`
      })
  })
}

function meant(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  return nearest === undefined ? '' : ` (${nearest}?)`
}
