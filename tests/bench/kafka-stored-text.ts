import { EVERY_MS, POLL_MS } from './kafka-probes.ts'
import { PARTITIONS, PER_SECOND, type Start, type StoredFigures } from './kafka-restart.ts'
import { REBALANCE_DELAY_MS } from './kafka-world.ts'
import { markdownTable, percentile } from './support.ts'

const n = (value: number) => Math.round(value).toLocaleString('en-US')
const s = (ms: number) => (ms / 1_000).toFixed(1)
const right = (title: string) => ({ title, align: 'right' as const })
const left = (title: string) => ({ title, align: 'left' as const })

export function storedInShort({ starts, latency }: StoredFigures): readonly (readonly [string, string])[] {
  return [
    ...starts.map(({ after, total, lastTotal }): [string, string] => [
      `start of a tracker after ${after}`,
      `${s(total)} s to the first row, ${s(lastTotal)} s in its last partition`,
    ]),
    [
      `append → row, at ${n(PER_SECOND)} a second`,
      [0.5, 0.95, 0.99].map((p) => `p${p * 100} ${s(percentile(latency.took, p))} s`).join(', '),
    ],
  ]
}

export function storedText({ interactions, customers, open, starts, latency }: StoredFigures): string {
  const steps: readonly (readonly [string, (start: Start) => number])[] = [
    ['Node and our code', ({ load }) => load],
    ['topics, ClickHouse', ({ ask }) => ask],
    ['joining the group', ({ join }) => join],
    ['position, deadlines', ({ own }) => own],
    ['reading', ({ read }) => read],
    ['histories, writing', ({ write }) => write],
    ['the first row', ({ total }) => total],
    ['… in the last partition', ({ lastTotal }) => lastTotal],
    ['longest wait of an interaction', ({ longestWait }) => longestWait],
  ]
  const asked = [...new Set(starts.flatMap((start) => Object.keys(start.asked)))]
  return `## A tracker starts with nothing

${n(interactions)} interactions of ${n(customers)} customers are stored, of whom ${n(open)} have something open; ${PARTITIONS} partitions. A tracker on Kafka needs no disk, so every start is one on a new machine. While it starts, an interaction of a new customer is appended every ${EVERY_MS} ms. Times are in seconds from the start of the process, step by step, to the row in \`customer_chains\` of the first interaction that it took in (looked for every ${POLL_MS} ms). A broker waits ${n(REBALANCE_DELAY_MS)} ms (its default) for others when somebody joins an empty group; after a SIGKILL it waits until the session of the dead one (30 s) is over. The last column counts everybody's: also those whose tracker was ended.

${markdownTable(
  [left('after'), right('partitions'), ...steps.map(([title]) => right(title))],
  starts.map((start) => [start.after, n(start.partitions), ...steps.map(([, of]) => s(of(start)))]),
)}
What ClickHouse was asked at the start and soon after, seconds of all partitions together (histories, and the catalogues that they were derived under, of two or more partitions at once):

${markdownTable(
  [left('after'), ...asked.map(right)],
  starts.map((start) => [start.after, ...asked.map((what) => s(start.asked[what] ?? 0))]),
)}
## From the log to the row

Two trackers, ${PARTITIONS} partitions, the same store: ${n(latency.perSecond)} interactions a second of customers whose histories are stored, for ${latency.seconds} seconds, and every ${EVERY_MS} ms one more of a new customer, whose way is timed from the call of \`append\` to their row in \`customer_chains\`. Of ${n(latency.took.length)}:

${markdownTable(['p50', 'p95', 'p99', 'longest'].map(right), [
  [0.5, 0.95, 0.99, 1].map((p) => `${s(percentile(latency.took, p))} s`),
])}
Cores in use meanwhile: both trackers ${latency.trackerCpu.toFixed(2)}, ClickHouse ${latency.clickhouseCpu.toFixed(2)} (with what we look for), the broker ${latency.brokerCpu.toFixed(2)}.
`
}
