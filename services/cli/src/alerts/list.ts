import { failedIn, firingIn, instantWords } from '@weaklink/alerts'
import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import { failedText } from './failed.ts'
import { nobodyAlerts, withAlertsMemory } from './memory.ts'

/** What fires, the newest first. */
export async function listAlerts(terminal: Terminal, command: Command): Promise<void> {
  const alerts = firingIn(await withAlertsMemory(command, (memory) => memory.load()))
  const { bold, dim } = terminal.style
  const remark = await nobodyAlerts(command)
  if (remark !== null) terminal.note(remark)
  terminal.answer(
    () =>
      alerts.length === 0
        ? 'Nothing fires.'
        : alerts
            .map(({ summary, description, startsAt, labels, runbook, rule }) =>
              [
                `${bold(summary)}  ${dim(`since ${instantWords(startsAt)} · ${rule} · ${labels.severity ?? ''}`)}`,
                `  ${description}`,
                ...(runbook === null ? [] : [`  ${runbook}`]),
              ].join('\n'),
            )
            .join('\n\n'),
    () => alerts.map((alert) => ({ ...alert, startsAt: new Date(alert.startsAt).toISOString() })),
  )
}

/** What receivers were not told. */
export async function listFailed(terminal: Terminal, command: Command): Promise<void> {
  const failed = failedIn(await withAlertsMemory(command, (memory) => memory.load()), Date.now())
  terminal.answer(
    () => failedText(failed),
    () => failed.map((one) => ({ ...one, at: new Date(one.at).toISOString() })),
  )
}
