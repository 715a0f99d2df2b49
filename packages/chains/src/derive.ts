import type { Person } from '@weaklink/interactions'
import { chainId } from './chain-id.ts'
import type { Chain, ChainInteraction, Episode, Reason, State } from './model.ts'
import { compareInteractions } from './order.ts'
import { stepOf } from './rules.ts'
import { type Met, placeOf, placesOf, type Thread, type Walk } from './walk.ts'

/**
 * What a walk means at T: every thread becomes a chain with its state, place and the facts that reports ask for.
 *
 * @param tick T in epoch milliseconds, null for minus infinity
 */
export function deriveWalk(person: Person, walk: Walk, tick: number | null): Chain[] {
  const threads = walk.threads
    .filter((thread) => !thread.gathered)
    .sort((a, b) => compareInteractions(first(a), first(b)))
  const ids = threads.map((thread) => chainId(person, first(thread).interaction.id))
  const chains: Chain[] = new Array(threads.length)
  let actedLater = false
  let boughtLater = false
  for (let k = threads.length - 1; k >= 0; k--) {
    const thread = threads[k]
    const id = ids[k]
    if (thread === undefined || id === undefined) continue
    const chain = deriveThread(walk, thread, id, k + 1, ids[k - 1] ?? null, tick, { actedLater, boughtLater })
    chains[k] = chain
    if (thread.body.some((met) => met.by === 'customer')) {
      actedLater = true
      if (chain.state === 'converted') boughtLater = true
    }
  }
  return chains
}

/** The earliest deadline of what is still open at T, null where nothing is. */
export function nextDeadline(chains: readonly Chain[]): number | null {
  let next: number | null = null
  for (const { deadline } of chains) if (deadline !== null && (next === null || deadline < next)) next = deadline
  return next
}

/** The interaction that a chain begins with, and has its id from. */
export function first(thread: Thread): Met {
  const met = thread.body[0]
  if (met === undefined) throw new Error('a chain has at least one interaction')
  return met
}

function deriveThread(
  walk: Walk,
  thread: Thread,
  id: string,
  ordinal: number,
  previous: string | null,
  tick: number | null,
  later: { actedLater: boolean; boughtLater: boolean },
): Chain {
  const places = placesOf(thread)
  const place = placeOf(thread)
  // Nothing but results: then they are the places.
  const onlyResults = places === thread.body
  const state = stateOf(thread, tick)
  const ended = state !== 'open'
  const broken = state === 'broken'
  return {
    id,
    ordinal,
    previous,
    state,
    reason: broken ? reasonOf(thread, place) : null,
    place: place.interaction.touchpoint,
    placeIndex: thread.body.indexOf(place),
    furthest: furthestOf(walk, places, place).interaction.touchpoint,
    startedAt: first(thread).at,
    lastAt: place.at,
    closedAt: ended ? endOf(thread) : null,
    deadline: ended ? null : thread.deadline,
    atRisk: state === 'open' && (place.outcome === 'abandoned' || place.reaction === 'negative'),
    reversed: thread.reversed,
    complained: state === 'converted' && thread.epilogue.some((met) => met.reaction === 'negative'),
    returned: broken && later.actedLater,
    returnedAndBought: broken && later.boughtLater,
    recovered: recoveredOf(thread, onlyResults),
    staff: staffOf(thread),
    brokenEpisode: broken ? (place.interaction.episode ?? null) : null,
    interactions: thread.body
      .map((met) => inChain(met, false, onlyResults || !met.result))
      .concat(thread.epilogue.map((met) => inChain(met, true, !met.result))),
    episodes: episodesOf(walk, thread),
  }
}

/** @param tick T in epoch milliseconds, null for minus infinity */
export function stateOf(thread: Thread, tick: number | null): State {
  if (thread.closing === null && (tick === null || tick <= thread.deadline)) return 'open'
  if (thread.outreach) return 'ignored'
  return thread.closing?.by === 'final' && thread.closing.met.outcome === 'bought' ? 'converted' : 'broken'
}

/** When a chain that has ended did so. */
export function endOf(thread: Thread): number {
  return thread.closing?.by === 'final' ? thread.closing.met.at : thread.deadline
}

/** Why a broken chain broke. */
export function reasonOf(thread: Thread, place: Met): Reason {
  if (thread.closing?.by === 'final') return 'refused'
  if (place.outcome === 'abandoned') return 'abandoned'
  return place.reaction === 'negative' ? 'dissatisfied' : 'silence'
}

export function furthestOf(walk: Walk, places: readonly Met[], place: Met): Met {
  let furthest = place
  let highest: number | null = null
  for (const met of places) {
    const step = stepOf(walk.catalogue, met.interaction.touchpoint)
    if (step !== null && (highest === null || step >= highest)) {
      furthest = met
      highest = step
    }
  }
  return furthest
}

function recoveredOf(thread: Thread, onlyResults: boolean): string[] {
  const lastAct = thread.body.findLastIndex(
    (met) => met.by === 'customer' && met.outcome !== 'refused' && met.outcome !== 'abandoned',
  )
  const recovered: string[] = []
  for (let k = 0; k < lastAct; k++) {
    const met = thread.body[k]
    if (met !== undefined && isBad(met) && (onlyResults || !met.result)) recovered.push(met.interaction.touchpoint)
  }
  return recovered.length < 2 ? recovered : [...new Set(recovered)].sort()
}

/** The customer gave up, refused or was displeased. */
function isBad(met: Met): boolean {
  return met.outcome === 'abandoned' || met.outcome === 'refused' || met.reaction === 'negative'
}

function staffOf(thread: Thread): number {
  let agents: Set<string> | null = null
  for (const { interaction } of thread.body) {
    if (interaction.agent === undefined) continue
    agents ??= new Set()
    agents.add(interaction.agent)
  }
  return agents?.size ?? 0
}

function inChain(met: Met, epilogue: boolean, place: boolean): ChainInteraction {
  const { interaction, by, outcome, reaction } = met
  return { interaction, by, outcome, reaction, epilogue, place }
}

function episodesOf(walk: Walk, thread: Thread): Episode[] {
  const members = new Map<string, Met[]>()
  for (const met of thread.body) {
    const { episode } = met.interaction
    if (episode === undefined) continue
    const mets = members.get(episode)
    if (mets === undefined) members.set(episode, [met])
    else mets.push(met)
  }
  return [...members].map(([id, mets]) => {
    const [opening, last] = [mets[0], mets.at(-1)]
    if (opening === undefined || last === undefined) throw new Error('an episode has at least one interaction')
    const broke = isBad(last)
    return {
      id,
      group: groupOf(walk, mets),
      startedAt: opening.at,
      endedAt: last.at,
      interactions: mets.length,
      waitMs: Math.min(
        mets.reduce((sum, met) => sum + (met.interaction.waitMs ?? 0), 0),
        Number.MAX_SAFE_INTEGER,
      ),
      broke,
      brokeAt: broke ? last.interaction.touchpoint : null,
    }
  })
}

function groupOf(walk: Walk, mets: readonly Met[]): string | null {
  for (const { interaction } of mets) {
    const group = walk.catalogue.touchpoints.get(interaction.touchpoint)?.group
    if (group !== undefined) return group
  }
  return null
}
