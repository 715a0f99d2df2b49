import type { Question, Row } from '../question.ts'
import { type WeakLinksQuery, weakLinksParameters, weakLinksQuery } from './options.ts'
import { askWeakLinks } from './query.ts'
import { type WeakLink, type WeakLinksReport, weakLinksReport } from './shape.ts'
import { weakLinksText } from './text.ts'

export const weakLinksQuestion: Question<typeof weakLinksParameters, WeakLinksQuery, WeakLinksReport> = {
  name: 'weak-links',
  summary: 'Where, for whom and since when more chains are lost than otherwise',
  description:
    'Finds by itself what one would have to guess: a touchpoint or a link, a segment and a period in which more chains are lost ' +
    'than at the same place otherwise, with how many, the interval, and how sure that is. One cause is told once. Chains that are ' +
    'not settled are left out. The method: docs/reports/weak-links.md.',
  parameters: weakLinksParameters,
  examples: [
    '',
    '--from 2024-04-01 --by channel,props.platform',
    '--where channel=search --limit 3',
    '--fdr 0.01 --json',
  ],
  shape: weakLinksReport,
  query: weakLinksQuery,
  ask: askWeakLinks,
  found: ({ totals }) => totals.chains,
  text: weakLinksText,
  rows: ({ findings, standing }) => [
    ...findings.map((one) => rowOf('period', one)),
    ...standing.map((one) => rowOf('standing', one)),
  ],
}

function rowOf(kind: 'period' | 'standing', finding: WeakLink): Row {
  const { touchpoint, link, segment, fromBetween, toBetween, chains: _, ...numbers } = finding
  return {
    kind,
    touchpoint,
    link: link === null ? null : link.join('>'),
    segment: Object.entries(segment)
      .map(([key, value]) => `${key}=${value ?? ''}`)
      .join('&'),
    fromEarliest: fromBetween?.[0] ?? null,
    fromLatest: fromBetween?.[1] ?? null,
    toEarliest: toBetween?.[0] ?? null,
    toLatest: toBetween?.[1] ?? null,
    ...numbers,
  }
}
