import {
  addInteraction,
  builtinCatalogue,
  chainsOf,
  type History,
  startHistory,
} from '../../packages/chains/src/index.ts'
import { encode, type Interaction, personKey, personOf, validate } from '../../packages/interactions/src/index.ts'
import { disturbed, stream } from './stream.ts'
import { markdownTable, percentile, writeBenchmark } from './support.ts'

/**
 * What the core costs (bytes → JSON → validation → chains), against a plain loop of `JSON.parse` over the same buffers:
 * the least that anybody has to do who reads interactions at all. `npm run bench:core`; the page is
 * docs/benchmarks/core.md. Each way is run several times in turn, and the median counts.
 */

const ROUNDS = 12
/** Who changed is derived after so many, as a tracker does in an import (there when so many wait, or after a minute). */
const FLUSH = 1_000_000
const DAYS = 120
const RECEIVED_AT = Date.UTC(2100, 0)

if (globalThis.gc === undefined) throw new Error('run it with node --expose-gc, as npm run bench:core does')

const bytesOf = (interactions: Iterable<Interaction>) => Array.from(interactions, (one) => Buffer.from(encode(one)))

/** Nanoseconds an interaction of one run, after a collection. */
function timed(work: () => void, count: number): number {
  globalThis.gc?.()
  const started = performance.now()
  work()
  return ((performance.now() - started) * 1e6) / count
}

function parse(buffers: readonly Buffer[]): void {
  for (const buffer of buffers) JSON.parse(buffer.toString())
}

function parseAndValidate(buffers: readonly Buffer[]): void {
  for (const buffer of buffers) {
    const result = validate(JSON.parse(buffer.toString()), { receivedAt: RECEIVED_AT, idRequired: true })
    if (!result.ok) throw new Error(`the stream holds something invalid: ${result.rejection.reason}`)
  }
}

/** The whole core. Answers how many chains there are, so that nobody may optimise them away. */
function core(buffers: readonly Buffer[]): number {
  const customers = new Map<string, { readonly history: History; changed: boolean }>()
  let changed: { readonly history: History; changed: boolean }[] = []
  let [taken, chains] = [0, 0]
  const flush = () => {
    for (const one of changed) {
      chains += chainsOf(one.history, builtinCatalogue, null).length
      one.changed = false
    }
    changed = []
  }
  for (const buffer of buffers) {
    const result = validate(JSON.parse(buffer.toString()), { receivedAt: RECEIVED_AT, idRequired: true })
    if (!result.ok) throw new Error(`the stream holds something invalid: ${result.rejection.reason}`)
    const person = personOf(result.interaction)
    const key = personKey(person)
    let one = customers.get(key)
    if (one === undefined) {
      one = { history: startHistory(person), changed: false }
      customers.set(key, one)
    }
    if (addInteraction(one.history, result.interaction) === 'accepted' && !one.changed) {
      one.changed = true
      changed.push(one)
    }
    if (++taken % FLUSH === 0) flush()
  }
  flush()
  return chains
}

/** Medians of the ways, taken in turn so that a slow moment of the machine meets all of them. */
function compare(ways: Readonly<Record<string, { readonly count: number; readonly work: () => void }>>) {
  const times: Record<string, number[]> = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
  for (let round = 0; round <= ROUNDS; round++) {
    // Another one begins each round: who comes after whom matters to the memory that a run finds.
    const all = Object.entries(ways)
    const turn = [...all.slice(round % all.length), ...all.slice(0, round % all.length)]
    for (const [name, { count, work }] of turn) {
      const took = timed(work, count)
      if (round > 0) times[name]?.push(took)
    }
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, all]) => [
      name,
      percentile(
        all.sort((a, b) => a - b),
        0.5,
      ),
    ]),
  ) as Record<string, number>
}

const clean = [...stream({ interactions: 200_000, customers: 10_000, days: DAYS })]
const [cleanBytes, late] = [bytesOf(clean), bytesOf(disturbed(clean, 0.1, 0.01))]
const of = (buffers: readonly Buffer[], work: (buffers: readonly Buffer[]) => void) => ({
  count: buffers.length,
  work: () => work(buffers),
})
const medians = compare({
  'JSON.parse alone': of(cleanBytes, parse),
  'JSON.parse and validation': of(cleanBytes, parseAndValidate),
  'the core: JSON.parse, validation, chains': of(cleanBytes, core),
  'the core, 10 % out of order and 1 % twice': of(late, core),
})
const base = medians['JSON.parse alone'] ?? 0
const whole = medians['the core: JSON.parse, validation, chains'] ?? 0

const INTERACTIONS = 2_000_000
const sizes = [10_000, 100_000, 1_000_000].map((customers) => {
  const buffers = bytesOf(stream({ interactions: INTERACTIONS, customers, days: DAYS }))
  const runs = Array.from({ length: 3 }, () => timed(() => core(buffers), buffers.length))
  return {
    customers,
    ns: percentile(
      runs.sort((a, b) => a - b),
      0.5,
    ),
  }
})

const right = (title: string) => ({ title, align: 'right' as const })
const n = (value: number) => Math.round(value).toLocaleString('en-US')
writeBenchmark(
  'core',
  `# Core

Written by \`npm run bench:core\`: Node ${process.version}, one thread. Bytes of ${n(clean.length)} interactions of 10,000 customers (${n(cleanBytes.reduce((sum, { length }) => sum + length, 0) / clean.length)} bytes each); everybody who changed is derived whole after every ${n(FLUSH)} interactions. Medians of ${ROUNDS} runs, the ways taken in turn.

${markdownTable(
  [
    { title: 'what', align: 'left' },
    right('ns an interaction'),
    right('interactions a second'),
    right('of JSON.parse'),
  ],
  Object.entries(medians).map(([what, ns]) => [what, n(ns), n(1e9 / ns), (base / ns).toFixed(2)]),
)}
The disturbed stream runs at ${(whole / (medians['the core, 10 % out of order and 1 % twice'] ?? 1)).toFixed(2)} of the clean one's speed.

## More customers

${n(INTERACTIONS)} interactions each, so that who has more customers has shorter histories; medians of 3 runs.

${markdownTable(
  [
    right('customers'),
    right('interactions of each'),
    right('ns an interaction'),
    right('against a tenth of the customers'),
  ],
  sizes.map(({ customers, ns }, k) => [
    n(customers),
    n(INTERACTIONS / customers),
    n(ns),
    k === 0 ? '' : `× ${(ns / (sizes[k - 1]?.ns ?? 1)).toFixed(2)}`,
  ]),
)}`,
)
