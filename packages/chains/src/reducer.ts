import { type Interaction, type Person, sameContent } from '@weaklink/interactions'
import type { Catalogue } from './catalogue.ts'
import { deriveWalk } from './derive.ts'
import type { Chain } from './model.ts'
import { walkOver } from './walk.ts'

/**
 * One person's history, and the chains it makes: `(interactions, catalogue, T) → chains`.
 *
 * Taking an interaction in costs the same wherever it belongs in time. The chains are derived whole each time they are
 * asked for, since they are written whole as well: a walk kept from the time before would save a tenth of that, and cost
 * more memory than the interactions.
 */
export interface History {
  readonly person: Person
  /** In the order in which they came; of each id the first. */
  interactions: readonly Interaction[]
  /** The same by id, from `FEW` on. */
  byId: Map<string, Interaction> | null
}

/** What became of an interaction: a `conflict` is a duplicate whose content differs from the one that counts. */
export type Intake = 'accepted' | 'duplicate' | 'conflict'

/** Up to here looking through all is as fast as a map, which takes more memory than they do. */
const FEW = 8

/** A history with nothing in it. */
export function startHistory(person: Person): History {
  return { person, interactions: [], byId: null }
}

/** The interaction with this id. */
export function knownInteraction(history: History, id: string): Interaction | undefined {
  if (history.byId !== null) return history.byId.get(id)
  for (const known of history.interactions) if (known.id === id) return known
  return undefined
}

/** Takes one interaction of this person in. The first of an id counts (rule 1); the caller keeps the order of the log. */
export function addInteraction(history: History, interaction: Interaction): Intake {
  const known = knownInteraction(history, interaction.id)
  if (known !== undefined) return sameContent(known, interaction) ? 'duplicate' : 'conflict'
  if (history.byId !== null) history.byId.set(interaction.id, interaction)
  else if (history.interactions.length === FEW) {
    history.byId = new Map([...history.interactions, interaction].map((one) => [one.id, one]))
  }
  // An array that is pushed into keeps room for sixteen more, which is much for those who have one or two.
  if (history.interactions.length > 2) (history.interactions as Interaction[]).push(interaction)
  else history.interactions = history.interactions.concat(interaction)
  return 'accepted'
}

/**
 * The chains of this history at T, in the order of their first interactions.
 *
 * @param tick T in epoch milliseconds, null for minus infinity: nothing has ended for want of an answer
 */
export function chainsOf(history: History, catalogue: Catalogue, tick: number | null): Chain[] {
  return deriveWalk(history.person, walkOver(history.interactions, catalogue).walk, tick)
}

/** The chains of one person from everything that arrived, in the order of the log. */
export function deriveChains(
  person: Person,
  arrivals: readonly Interaction[],
  catalogue: Catalogue,
  tick: number | null,
): Chain[] {
  const history = startHistory(person)
  for (const interaction of arrivals) addInteraction(history, interaction)
  return chainsOf(history, catalogue, tick)
}
