import type { Question } from '../question.ts'
import { type ConversionQuery, conversionParameters, conversionQuery } from './options.ts'
import { askConversion } from './query.ts'
import { conversionRates, conversionRows } from './rows.ts'
import { type ConversionReport, conversionReport } from './shape.ts'
import { conversionText } from './text.ts'

export const conversionQuestion: Question<typeof conversionParameters, ConversionQuery, ConversionReport> = {
  name: 'conversion',
  summary: 'which touchpoints, channels and campaigns go with a sale',
  description:
    'For each touchpoint, channel or campaign: the chains with and without it, their conversion rates with intervals, value, cost ' +
    'and cost per sale, new and returning customers, what followed a touch of it, touches and time before the sale, staff, who ' +
    'came again, and where in the path it stood. Rates are over ended chains; open ones are apart. It describes what goes ' +
    'together and does not say what caused the sale.',
  parameters: conversionParameters,
  examples: ['', '--of channel --from 2024-04-01', '--of campaign --by returning --json'],
  shape: conversionReport,
  query: conversionQuery,
  ask: askConversion,
  found: ({ totals }) => totals.chains,
  text: conversionText,
  rows: conversionRows,
  rates: conversionRates,
}
