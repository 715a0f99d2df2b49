import { byColumns, type Question } from '../question.ts'
import { type BreakpointsQuery, breakpointsParameters, breakpointsQuery } from './options.ts'
import { breakpoints } from './query.ts'
import { type BreakpointsReport, breakpointsReport } from './shape.ts'
import { breakpointsText } from './text.ts'

export const breakpointsQuestion: Question<typeof breakpointsParameters, BreakpointsQuery, BreakpointsReport> = {
  name: 'breakpoints',
  summary: 'Where and why chains break, the weakest place first',
  description: 'Every chain counts at one place; the sums over the places are the totals.',
  parameters: breakpointsParameters,
  examples: [
    '--by channel,props.platform --from 2024-04-01 --to 2024-05-01',
    '--where campaign=spring --at furthest',
    '--within phone',
    '--from 2024-05-01 --to 2024-06-01 --compare previous',
  ],
  shape: breakpointsReport,
  query: breakpointsQuery,
  ask: (store, query, kept) => breakpoints(store, query, kept?.days),
  found: ({ totals }) => totals.chains,
  text: breakpointsText,
  rows: ({ groups }) =>
    groups.flatMap(({ by, breakpoints: places }) =>
      places.map(({ reasons, waitMs, ...place }) => ({
        ...byColumns(by),
        ...place,
        ...reasons,
        waitMsP50: waitMs.p50,
        waitMsP95: waitMs.p95,
      })),
    ),
  rates: ({ totals, groups }) => [
    { key: {}, name: 'conversionRate', part: totals.converted, of: totals.converted + totals.broken },
    ...groups.flatMap(({ by, breakpoints: places }) =>
      places.map(({ touchpoint, broke, reached, openHere }) => ({
        key: { ...byColumns(by), touchpoint },
        name: 'breakRate',
        part: broke,
        of: reached - openHere,
      })),
    ),
  ],
}
