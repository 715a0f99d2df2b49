import { closeSync, openSync, writeSync } from 'node:fs'
import { encode, type Interaction } from '../../packages/interactions/src/index.ts'
import { chance } from '../../services/simulator/src/index.ts'

/**
 * A stream of interactions as a shop with a phone has them, in order of time, made as fast as it can be read: who comes
 * next is drawn evenly from all customers. Nothing is planted in it; `services/simulator` makes businesses with reasons.
 */
interface StreamOptions {
  readonly interactions: number
  readonly customers: number
  readonly days: number
  /** Every customer only looks around, so that every chain is open at the end. */
  readonly nobodyDecides?: boolean
  /** In front of every id. */
  readonly idPrefix?: string
}

const STREAM_START = Date.UTC(2026, 0, 5)

const LOOKING: readonly Partial<Interaction>[] = [
  { touchpoint: 'ad_view', channel: 'search', campaign: 'spring' },
  { touchpoint: 'landing_page', channel: 'search' },
  { touchpoint: 'site_visit', channel: 'direct', durationMs: 94_000, props: { device: 'phone' } },
  { touchpoint: 'product_view', props: { device: 'desktop', page: '/repairs' } },
  { touchpoint: 'call_wait', queue: 'repairs', waitMs: 41_000 },
  { touchpoint: 'call_answer', queue: 'repairs', agent: 'agent-3', durationMs: 180_000 },
  { touchpoint: 'quote', value: 120, currency: 'EUR' },
  { touchpoint: 'chat', agent: 'agent-5' },
]
const DECIDING: readonly Partial<Interaction>[] = [
  { touchpoint: 'payment', outcome: 'bought', value: 120, currency: 'EUR' },
  { touchpoint: 'quote', by: 'customer', outcome: 'refused' },
  { touchpoint: 'call_wait', queue: 'repairs', waitMs: 200_000, outcome: 'abandoned' },
]

/** Any number of times the same stream. */
export function* stream({
  interactions,
  customers,
  days,
  nobodyDecides,
  idPrefix = 'i',
}: StreamOptions): Generator<Interaction> {
  const random = chance(7).next
  const step = (days * 86_400_000) / interactions
  for (let k = 0; k < interactions; k++) {
    // The first of everybody come one after the other, so that nobody is missing.
    const who = k < customers ? (k * 7919) % customers : Math.floor(random() * customers)
    const kinds = nobodyDecides !== true && random() < 0.15 ? DECIDING : LOOKING
    const kind = kinds[Math.floor(random() * kinds.length)]!
    const { touchpoint = '', ...details } = kind
    yield {
      id: `${idPrefix}${k}`,
      customer: `customer-${who}`,
      touchpoint,
      at: Math.floor(STREAM_START + k * step),
      ...details,
    }
  }
}

/** The stream as a file of JSON lines. */
export function writeStream(path: string, options: StreamOptions): void {
  const file = openSync(path, 'w')
  let lines: string[] = []
  const write = () => {
    writeSync(file, lines.join(''))
    lines = []
  }
  for (const interaction of stream(options)) {
    lines.push(`${encode(interaction)}\n`)
    if (lines.length === 10_000) write()
  }
  write()
  closeSync(file)
}

/** The same stream with a part of it late by up to `late` places, and a part of it twice. */
export function disturbed(clean: readonly Interaction[], outOfOrder: number, repeated: number): Interaction[] {
  const random = chance(11).next
  const out: Interaction[] = []
  for (const one of clean) {
    out.push(one)
    if (random() < repeated) out.push(one)
  }
  // Who is late comes up to a hundredth of the stream after his time.
  const places = out.map((one, k) => ({ one, place: k + (random() < outOfOrder ? random() * out.length * 0.01 : 0) }))
  return places.sort((a, b) => a.place - b.place).map(({ one }) => one)
}
