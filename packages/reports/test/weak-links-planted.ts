import { type Catalogue, catalogueFromContent, deriveChains } from '@weaklink/chains'
import type { Interaction } from '@weaklink/interactions'
import type { PersonChains } from './naive.ts'
import { type BusinessOptions, businessOf } from './weak-links-business.ts'

/** A business as customers with chains: one chain each, with values of channel, props.device, campaign and props.plan. */

const MINUTE = 60_000
const DAY = 86_400_000
export const START = Date.UTC(2024, 0, 1)

export const CATALOGUE: Catalogue = catalogueFromContent(
  JSON.stringify({ patienceMs: DAY, epilogueMs: MINUTE, touchpoints: [{ id: 'purchase', outcome: 'bought' }] }),
)

/** The segment values of `businessOf` by their numbers, from 1. */
export const VALUES = [
  ...['search', 'social', 'mail', 'direct', 'partner'].map((value) => `channel=${value}`),
  ...['mobile', 'desktop', 'tablet'].map((value) => `props.device=${value}`),
  ...['', 'spring'].map((value) => `campaign=${value}`),
  ...['1', '2', '3', 'none'].map((value) => `props.plan=${value}`),
]

export function peopleOf(options: BusinessOptions, tick = START + (options.days + 3) * DAY): PersonChains[] {
  return businessOf(options).map(({ path, segments }, index) => {
    const customer = `customer-${index}`
    const values = new Map(segments.map((number) => VALUES[number - 1]?.split('=') as [string, string]))
    const plan = values.get('props.plan')
    const beginning = {
      channel: values.get('channel') ?? '',
      ...(values.get('campaign') === '' ? {} : { campaign: values.get('campaign') ?? '' }),
      props: { device: values.get('props.device') ?? '', plan: plan === 'none' ? 'none' : Number(plan) },
    }
    const arrivals: Interaction[] = path.map(({ touchpoint, day }, step) => ({
      id: `i${step}`,
      customer,
      touchpoint,
      at: START + day * DAY + 9 * 60 * MINUTE + step * MINUTE,
      ...(step === 0 ? beginning : {}),
    }))
    const person = { kind: 'customer', customer } as const
    return { person, chains: deriveChains(person, arrivals, CATALOGUE, tick) }
  })
}
