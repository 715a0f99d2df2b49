import type { Question } from '../question.ts'
import { type AttributionQuery, attributionParameters, attributionQuery } from './options.ts'
import { attribution } from './query.ts'
import { attributionRows } from './rows.ts'
import { type AttributionReport, attributionReport } from './shape.ts'
import { attributionText } from './text.ts'

type AttributionQuestion = Question<typeof attributionParameters, AttributionQuery, AttributionReport>

export const attributionQuestion: AttributionQuestion = {
  name: 'attribution',
  summary: 'Which touchpoints, channels or campaigns earned the sales, by seven models side by side',
  description:
    'Shares the conversions, and their value in each currency, out among the touches before the purchase. The credits of each ' +
    'model add up to the total exactly. Credit is not cause: no model knows what would have sold without a touch.',
  parameters: attributionParameters,
  examples: [
    '--of channel --from 2024-04-01 --to 2024-05-01',
    '--of campaign --model first,last,decay --half-life 12h',
    '--model markov --order 2 --by returning',
  ],
  shape: attributionReport,
  query: (options) => attributionQuery('converted', options),
  ask: attribution,
  found: ({ totals }) => totals.chains,
  text: attributionText,
  rows: attributionRows,
}

export const blameQuestion: AttributionQuestion = {
  ...attributionQuestion,
  name: 'blame',
  summary: 'Which touchpoints, channels or campaigns the lost chains went over, by seven models side by side',
  description:
    'Attribution, mirrored: shares the broken chains out among their touches up to and including the place where they broke. ' +
    'The blame by each model adds up to the broken chains exactly. Blame is not cause: a popular place is on many lost chains.',
  examples: ['--from 2024-04-01 --to 2024-05-01', '--of channel --model markov,shapley', '--by props.platform'],
  query: (options) => attributionQuery('broken', options),
}
