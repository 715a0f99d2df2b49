import type { Chain, ChainInteraction } from '@weaklink/chains'
import type { Person } from '@weaklink/interactions'
import type { CustomerChain, CustomerInteraction, CustomerReport } from './shape.ts'

/**
 * The report of chains in memory, as the store would answer it.
 *
 * @param tick T in epoch milliseconds, null where there is none
 */
export function customerReportOf(
  people: readonly { readonly person: Person; readonly chains: readonly Chain[] }[],
  customer: string,
  tick: number | null,
): CustomerReport {
  return {
    asOf: iso(tick),
    customer,
    people: people
      .filter(({ person, chains }) => person.customer === customer && chains.length > 0)
      .map(({ person, chains }) => ({
        ...{ kind: person.kind, customer, movedTo: null },
        anonymousIds: person.kind === 'customer' ? anonymousIdsIn(chains) : [],
        chains: chains.map(chainOf),
      }))
      .sort((a, b) => (a.kind === b.kind ? 0 : a.kind === 'customer' ? -1 : 1)),
  }
}

function anonymousIdsIn(chains: readonly Chain[]): string[] {
  const ids = chains.flatMap(({ interactions }) => interactions.flatMap((met) => met.interaction.anonymousId ?? []))
  return [...new Set(ids)].sort()
}

function chainOf(chain: Chain): CustomerChain {
  return {
    ...chain,
    startedAt: instant(chain.startedAt),
    lastAt: instant(chain.lastAt),
    closedAt: iso(chain.closedAt),
    deadline: iso(chain.deadline),
    recovered: [...chain.recovered],
    interactions: chain.interactions.map(interactionOf),
    episodes: chain.episodes.map((episode) => ({
      ...episode,
      startedAt: instant(episode.startedAt),
      endedAt: instant(episode.endedAt),
    })),
  }
}

function interactionOf({ interaction, by, outcome, reaction, epilogue, place }: ChainInteraction): CustomerInteraction {
  return {
    id: interaction.id,
    touchpoint: interaction.touchpoint,
    at: instant(interaction.at),
    by,
    outcome,
    reaction,
    epilogue,
    place,
    episode: interaction.episode ?? null,
    order: interaction.order ?? null,
    waitMs: interaction.waitMs ?? null,
    durationMs: interaction.durationMs ?? null,
    value: interaction.value ?? null,
    cost: interaction.cost ?? null,
    currency: interaction.currency ?? null,
    channel: interaction.channel ?? null,
    campaign: interaction.campaign ?? null,
    queue: interaction.queue ?? null,
    agent: interaction.agent ?? null,
    props: { ...interaction.props },
  }
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}

function iso(ms: number | null): string | null {
  return ms === null ? null : instant(ms)
}
