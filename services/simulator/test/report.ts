import { builtinCatalogue, type Chain, deriveChains } from '../../../packages/chains/src/index.ts'
import type { Interaction } from '../../../packages/interactions/src/index.ts'
import { type PlaceCounts, rank } from '../../../packages/reports/src/breakpoints/rank.ts'

/** What `report breakpoints` would say of these interactions: chains counted by hand, ranked as the report ranks them. */
export function breakpointsOf(interactions: Iterable<Interaction>, options: BreakpointsOptions) {
  return rank(countsOf(chainsOf(interactions, options.tick).filter((chain) => fits(chain, options))))
}

export interface BreakpointsOptions {
  readonly tick: number
  /** Chains that began before. */
  readonly to: number
  /** KEY=VALUE, of campaign and props. */
  readonly where?: readonly string[] | null
}

/** The chains of everybody, where an anonymous person is the first customer that came with their id. */
export function chainsOf(interactions: Iterable<Interaction>, tick: number): Chain[] {
  const all = [...interactions]
  const customers = new Map<string, string>()
  for (const { anonymousId, customer } of all) {
    if (anonymousId === undefined || customer === undefined) continue
    if (!customers.has(anonymousId)) customers.set(anonymousId, customer)
  }
  const people = Map.groupBy(all, ({ customer, anonymousId = '' }) => {
    const known = customer ?? customers.get(anonymousId)
    return known === undefined ? `anonymous ${anonymousId}` : `customer ${known}`
  })
  return [...people].flatMap(([name, own]) =>
    deriveChains({ kind: 'customer', customer: name }, own, builtinCatalogue, tick),
  )
}

function fits(chain: Chain, { to, where }: BreakpointsOptions): boolean {
  const first = chain.interactions[0]!.interaction
  return (
    chain.startedAt < to &&
    (where ?? []).every((one) => {
      const [key = '', value] = one.split('=')
      return (key.startsWith('props.') ? first.props?.[key.slice(6)] : first[key as 'campaign']) === value
    })
  )
}

function countsOf(chains: readonly Chain[]): PlaceCounts[] {
  const places = new Map<string, Mutable<PlaceCounts>>()
  const at = (touchpoint: string) => {
    const known = places.get(touchpoint)
    const none = {
      interactions: 0,
      reached: 0,
      convertedHere: 0,
      openHere: 0,
      ignoredHere: 0,
      returned: 0,
      recovered: 0,
    }
    const counts = known ?? {
      ...{ touchpoint, ...none, waitMs: { p50: null, p95: null } },
      ...{ refused: 0, abandoned: 0, dissatisfied: 0, silence: 0 },
    }
    if (known === undefined) places.set(touchpoint, counts)
    return counts
  }
  for (const chain of chains) {
    const reached = chain.interactions.filter(({ place, epilogue }) => place && !epilogue)
    for (const touchpoint of new Set(reached.map(({ interaction }) => interaction.touchpoint))) at(touchpoint).reached++
    const here = at(chain.place)
    if (chain.state === 'converted') here.convertedHere++
    if (chain.state === 'open') here.openHere++
    if (chain.state === 'ignored') here.ignoredHere++
    if (chain.reason !== null) here[chain.reason]++
  }
  return [...places.values()]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
