import type { Question } from '../question.ts'
import { type WaitsQuery, waitsParameters, waitsQuery } from './options.ts'
import { askWaits } from './query.ts'
import { waitsRows } from './rows.ts'
import { type WaitsReport, waitsReport } from './shape.ts'
import { waitsText } from './text.ts'

export const waitsQuestion: Question<typeof waitsParameters, WaitsQuery, WaitsReport> = {
  name: 'waits',
  summary: 'how calls are answered, how long callers hold out, and what waiting costs',
  description:
    'Of each queue and hour: calls received, answered, abandoned, turned away, still waiting; waits, service level, callbacks. ' +
    'How long callers hold out before they give up (Kaplan–Meier). And what became of chains by the wait they contained. A ' +
    'call counts when it entered the queue. Where there is nothing to divide by there is nothing, not 0.',
  parameters: waitsParameters,
  examples: [
    '',
    '--from 2024-05-01 --to 2024-05-02 --zone Europe/Berlin',
    '--queue support --per day --service-level 80:20s --short 5s --json',
  ],
  shape: waitsReport,
  query: waitsQuery,
  ask: askWaits,
  found: ({ totals }) => totals.received + totals.chains,
  text: waitsText,
  rows: waitsRows,
}
