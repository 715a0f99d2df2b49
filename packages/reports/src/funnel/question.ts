import { chainRow } from '../chains/question.ts'
import { byColumns, type Question, type Row } from '../question.ts'
import { type FunnelQuery, funnelParameters, funnelQuery } from './options.ts'
import { funnel } from './query.ts'
import { type FunnelReport, funnelReport } from './shape.ts'
import { funnelText } from './text.ts'

export const funnelQuestion: Question<typeof funnelParameters, FunnelQuery, FunnelReport> = {
  name: 'funnel',
  summary: 'How far chains come along steps, and what became of those that came no further',
  description:
    'Open chains may come further yet and are never counted as lost. Every number can be followed to its chains with --chains STEP:WHAT.',
  parameters: funnelParameters,
  examples: [
    `--steps 'ad_view > site_visit > call_wait|chat > pay:bought' --by channel`,
    `--steps 'site_visit > chat? > not complaint > pay:bought<2d' --window 7d --between 1:3`,
    `--steps '^ad_view > site_visit > call_talk > ^pay:bought' --order any --count customers`,
    `--steps 'ad_view > call_wait > pay' --chains 2:lost`,
  ],
  shape: funnelReport,
  query: funnelQuery,
  ask: funnel,
  found: ({ totals }) => totals.chains,
  text: funnelText,
  rows: (report) => (report.list === null ? stepRows(report) : report.list.chains.map(chainRow)),
  async *stream(store, query) {
    const all = query.list === null ? null : { ...query.list, limit: Number.MAX_SAFE_INTEGER }
    const { list, ...report } = await funnel(store, { ...query, list: all })
    yield list === null ? stepRows({ ...report, list }) : list.chains.map(chainRow)
  },
  rates: ({ groups }) =>
    groups.flatMap(({ by, steps }) =>
      steps.flatMap(({ step, text, fromFirst, fromPrevious }) => {
        if (fromPrevious === null) return []
        const key = { ...byColumns(by), step, text }
        const before = { key, name: 'fromPrevious', part: fromPrevious.part, of: fromPrevious.of }
        // Of the second step they are one and the same.
        return step === 2 ? [before] : [before, { key, name: 'fromFirst', part: fromFirst.part, of: fromFirst.of }]
      }),
    ),
}

function stepRows({ groups }: FunnelReport): Row[] {
  return groups.flatMap(({ by, steps }) =>
    steps.map(({ reasons, fromFirst, fromPrevious, chains: _, ...step }) => ({
      ...byColumns(by),
      ...step,
      ...reasons,
      fromFirst: fromFirst.rate,
      fromFirstLow: fromFirst.low,
      fromFirstHigh: fromFirst.high,
      fromPrevious: fromPrevious?.rate ?? null,
      fromPreviousLow: fromPrevious?.low ?? null,
      fromPreviousHigh: fromPrevious?.high ?? null,
    })),
  )
}
