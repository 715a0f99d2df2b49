import { type Interaction, type Person, sameContent } from '@weaklink/interactions'
import type { Catalogue } from './catalogue.ts'
import { deriveWalk } from './derive.ts'
import type { Chain } from './model.ts'
import { compareInteractions } from './order.ts'
import { type Met, meet, startWalk, step, type Walk } from './walk.ts'

/**
 * One person's history and the chains it makes: `(interactions, catalogue, T) → chains`.
 *
 * What arrives in order costs one step of the walk. What arrives out of order is put in its place, and the walk starts
 * anew once, at the next derivation, however many of them came.
 */
export interface History {
  readonly person: Person
  catalogue: Catalogue
  /** Sorted by SPEC.md rule 2, under `catalogue`. */
  mets: Met[]
  readonly byId: Map<string, Interaction>
  walk: Walk
  /** How many of `mets` the walk has taken in. */
  walked: number
}

/** What became of an interaction: a `conflict` is a duplicate whose content differs from the one that counts. */
export type Intake = 'accepted' | 'duplicate' | 'conflict'

/** A history with nothing in it. */
export function startHistory(person: Person, catalogue: Catalogue): History {
  return { person, catalogue, mets: [], byId: new Map(), walk: startWalk(catalogue), walked: 0 }
}

/** Takes one interaction of this person in. The first of an id counts (rule 1); the caller keeps the order of the log. */
export function addInteraction(history: History, interaction: Interaction): Intake {
  const known = history.byId.get(interaction.id)
  if (known !== undefined) return sameContent(known, interaction) ? 'duplicate' : 'conflict'
  history.byId.set(interaction.id, interaction)
  insert(history, meet(history.catalogue, interaction))
  return 'accepted'
}

/** From now on the whole history stands under this catalogue. */
export function changeCatalogue(history: History, catalogue: Catalogue): void {
  if (history.catalogue.hash === catalogue.hash) return
  history.catalogue = catalogue
  history.mets = Array.from(history.byId.values(), (interaction) => meet(catalogue, interaction)).sort(compareMets)
  restart(history)
}

/**
 * The chains of this history at T, in the order of their first interactions.
 *
 * @param tick T in epoch milliseconds, null for minus infinity: nothing has ended for want of an answer
 */
export function chainsOf(history: History, tick: number | null): Chain[] {
  for (; history.walked < history.mets.length; history.walked++) {
    const met = history.mets[history.walked]
    if (met !== undefined) step(history.walk, met)
  }
  return deriveWalk(history.person, history.walk, compareMets, tick)
}

/** The chains of one person from everything that arrived, in the order of the log. */
export function deriveChains(
  person: Person,
  arrivals: readonly Interaction[],
  catalogue: Catalogue,
  tick: number | null,
): Chain[] {
  const history = startHistory(person, catalogue)
  for (const interaction of arrivals) addInteraction(history, interaction)
  return chainsOf(history, tick)
}

function insert(history: History, met: Met): void {
  const { mets } = history
  const last = mets.at(-1)
  if (last === undefined || compareMets(last, met) < 0) {
    mets.push(met)
    return
  }
  let [low, high] = [0, mets.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = mets[middle]
    if (other !== undefined && compareMets(other, met) < 0) low = middle + 1
    else high = middle
  }
  mets.splice(low, 0, met)
  if (low < history.walked) restart(history)
}

function restart(history: History): void {
  history.walk = startWalk(history.catalogue)
  history.walked = 0
}

function compareMets(a: Met, b: Met): number {
  return compareInteractions(
    { at: a.at, outcome: a.outcome, id: a.interaction.id },
    { at: b.at, outcome: b.outcome, id: b.interaction.id },
  )
}
