import type { Question, Row } from '../question.ts'
import { type ChainsQuery, chainsParameters, chainsQuery } from './options.ts'
import { chainsReport, streamChains } from './query.ts'
import { type ChainSummary, type ChainsReport, chainsReport as shape } from './shape.ts'
import { chainsText } from './text.ts'

export const chainsQuestion: Question<typeof chainsParameters, ChainsQuery, ChainsReport> = {
  name: 'chains',
  summary: 'The chains themselves, the newest first',
  description:
    'Page by page: pass `next` as `cursor`. As CSV or NDJSON, without a limit: all of them, customer by customer.',
  parameters: chainsParameters,
  examples: [
    '--state broken --place call_wait',
    '--where channel=search --from 2024-05-19 --limit 20',
    '--link "call_wait > quote" --format ndjson',
  ],
  shape,
  query: chainsQuery,
  ask: chainsReport,
  found: ({ chains }) => chains.length,
  text: chainsText,
  rows: ({ chains }) => chains.map(chainRow),
  async *stream(store, query) {
    for await (const chains of streamChains(store, query)) yield chains.map(chainRow)
  },
}

/** All that it met, the epilogue apart, as `ad_view > site_visit x3 > purchase`. */
export function chainRow({ path, ...chain }: ChainSummary): Row {
  const steps = path.map(({ touchpoint, times }) => (times > 1 ? `${touchpoint} x${times}` : touchpoint))
  return { ...chain, touchpoints: steps.join(' > ') }
}
