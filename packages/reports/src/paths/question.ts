import type { Question } from '../question.ts'
import { type PathsQuery, pathsParameters, pathsQuery } from './options.ts'
import { askPaths } from './query.ts'
import { pathsRates, pathsRows } from './rows.ts'
import { type PathsReport, pathsReport } from './shape.ts'
import { pathsText } from './text.ts'

export const pathsQuestion: Question<typeof pathsParameters, PathsQuery, PathsReport> = {
  name: 'paths',
  summary: 'what follows what, whole paths, and where they end',
  description:
    'The path of a chain is its places up to the one where it is or ended. The answer has the directly-follows graph (how often ' +
    'each touchpoint follows each other one, and how long that takes), whole paths with what became of them, and with "after" or ' +
    '"before" the tree of what follows a touchpoint or leads to it. Ends equal those of the report breakpoints.',
  parameters: pathsParameters,
  examples: ['', '--after call_wait --depth 4', '--by channel --limit 10', '--fold none --json'],
  shape: pathsReport,
  query: pathsQuery,
  ask: askPaths,
  found: ({ totals }) => totals.chains,
  text: pathsText,
  rows: pathsRows,
  rates: pathsRates,
}
