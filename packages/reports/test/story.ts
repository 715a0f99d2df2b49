import { type Catalogue, catalogueFromContent, deriveChains, type Touchpoint } from '@weaklink/chains'
import type { Interaction } from '@weaklink/interactions'
import type { PersonChains } from './naive.ts'

/** A clinic on a few days in March, small enough to count by hand. */

const DAY = 86_400_000
export const TICK = Date.parse('2024-04-10T00:00:00Z')

const TOUCHPOINTS: readonly Touchpoint[] = [
  { id: 'ad_view' },
  { id: 'call_wait', group: 'phone' },
  { id: 'call_talk', group: 'phone' },
  { id: 'sms', by: 'company' },
  { id: 'visit', outcome: 'bought' },
  { id: 'survey', stage: 'post_purchase' },
]

export function catalogueWith(touchpoints: readonly Touchpoint[] = TOUCHPOINTS): Catalogue {
  return catalogueFromContent(JSON.stringify({ patienceMs: 30 * DAY, epilogueMs: 300_000, touchpoints }))
}

export const CATALOGUE = catalogueWith()

type Told = readonly [at: string, touchpoint: string, more?: Partial<Interaction>]

export function customer(
  name: string,
  told: readonly Told[],
  catalogue = CATALOGUE,
  tick: number | null = TICK,
): PersonChains {
  const person = { kind: 'customer', customer: name } as const
  const arrivals = told.map(([at, touchpoint, more], index) => ({
    id: `${name}-${index}`,
    customer: name,
    touchpoint,
    at: Date.parse(`${at}Z`),
    ...more,
  }))
  return { person, chains: deriveChains(person, arrivals, catalogue, tick) }
}

const CALL = { episode: 'call-1' } as const
const HUNG_UP = { ...CALL, outcome: 'abandoned' } as const

/** Came, waited on the phone, was called back, came to visit and complained. */
export const ANNA = customer('anna', [
  ['2024-03-03T10:21', 'ad_view', { channel: 'ads' }],
  ['2024-03-03T10:25', 'call_wait', { ...HUNG_UP, waitMs: 40_000 }],
  ['2024-03-03T10:26', 'sms'],
  ['2024-03-06T09:00', 'call_wait', { episode: 'call-2', waitMs: 5_000 }],
  ['2024-03-06T09:01', 'call_talk', { episode: 'call-2', durationMs: 240_000, agent: 'eva' }],
  ['2024-03-08T15:00', 'visit', { value: 120, currency: 'EUR' }],
  ['2024-03-10T12:00', 'survey', { reaction: 'negative' }],
])
/** Hung up and never came back. */
export const BORIS = customer('boris', [
  ['2024-03-04T11:00', 'ad_view', { channel: 'ads' }],
  ['2024-03-04T11:02', 'call_wait', { ...HUNG_UP, waitMs: 95_000 }],
])
/** Hung up, returned by another way after the chain had broken, and is still looking. */
export const CLARA = customer('clara', [
  ['2024-03-01T11:00', 'call_wait', { ...HUNG_UP, waitMs: 61_000 }],
  ['2024-04-05T08:00', 'ad_view', { channel: 'seo' }],
])
/** A message that nobody answered. */
export const DORA = customer('dora', [['2024-03-01T11:00', 'sms']])
/** Looked once. */
export const EMIL = customer('emil', [['2024-03-02T08:00', 'ad_view', { channel: 'seo' }]])

export const PEOPLE = [ANNA, BORIS, CLARA, DORA, EMIL]
