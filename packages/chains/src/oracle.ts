import type { Actor, Interaction, Outcome, Person, Reaction } from '@weaklink/interactions'
import type { Catalogue } from './catalogue.ts'
import { chainId } from './chain-id.ts'
import type { Chain, ChainInteraction, Episode, Reason, State } from './model.ts'
import { compareInteractions } from './order.ts'
import { epilogueMs, fullPatienceMs, isFinal, isPostPurchase, isResult, patienceMs, resolve, stepOf } from './rules.ts'

/**
 * The naive oracle: SPEC.md read aloud, rule by rule, over the whole list. It is slow on purpose. The reducer is right
 * where it says the same.
 */

/** An interaction with the catalogue's defaults filled in. The rules call it *e*. */
interface Entry {
  readonly id: string
  readonly at: number
  readonly touchpoint: string
  readonly by: Actor
  readonly outcome: Outcome
  readonly reaction: Reaction
  readonly interaction: Interaction
}

/** A chain while the list is walked. */
interface Draft {
  /** The chain itself. */
  own: Entry[]
  epilogue: Entry[]
  /** It is a message of the company that stands alone. */
  outreach: boolean
  deadline: number
  end: 'none' | 'final' | 'deadline'
  reversed: boolean
}

/**
 * Derives the chains of one person.
 *
 * @param arrivals all interactions of this person in the order of the log, repeats included
 * @param tick T in epoch milliseconds, null where there was no tick yet
 * @returns the chains in the order of their first interactions
 */
export function oracle(
  person: Person,
  arrivals: readonly Interaction[],
  catalogue: Catalogue,
  tick: number | null,
): Chain[] {
  const drafts = walk(sorted(withoutDuplicates(arrivals), catalogue), catalogue)
  endBy(tick ?? Number.NEGATIVE_INFINITY, drafts)
  drafts.sort((a, b) => compareInteractions(a.own[0]!, b.own[0]!))
  return drafts.map((_, index) => chainOf(person, drafts, index, catalogue))
}

/** Rule 1. */
function withoutDuplicates(arrivals: readonly Interaction[]): Interaction[] {
  return arrivals.filter((one, index) => arrivals.findIndex((other) => other.id === one.id) === index)
}

/** Rule 2. */
function sorted(interactions: readonly Interaction[], catalogue: Catalogue): Entry[] {
  return interactions
    .map((interaction) => ({
      id: interaction.id,
      at: interaction.at,
      touchpoint: interaction.touchpoint,
      ...resolve(catalogue, interaction),
      interaction,
    }))
    .sort(compareInteractions)
}

/** Rule 4. */
function walk(list: readonly Entry[], catalogue: Catalogue): Draft[] {
  const chains: Draft[] = []
  const ownPatience = (e: Entry) => patienceMs(catalogue, e.touchpoint, e.by)
  const fullPatience = (e: Entry) => fullPatienceMs(catalogue, e.touchpoint)
  const epilogue = (e: Entry) => epilogueMs(catalogue, e.touchpoint)

  const openChain = () => chains.find((chain) => !chain.outreach && chain.end === 'none')
  const newestChain = () => chains.findLast((chain) => !chain.outreach)
  const newestConverted = () => chains.findLast(converted)

  for (const e of list) {
    endAtDeadline(e)
    if (afterTheSale(e) || aftermath(e) || lateWord(e) || outreach(e)) continue
    if (openChain() === undefined) open(e)
    else extend(e)
  }
  return chains

  /** 4.1 */
  function endAtDeadline(e: Entry): void {
    const chain = openChain()
    if (chain !== undefined && e.at > chain.deadline) chain.end = 'deadline'
  }

  /** 4.2 */
  function afterTheSale(e: Entry): boolean {
    const sale = saleOf(e)
    if (sale === undefined) return false
    const orderMatches = e.interaction.order !== undefined && buying(sale).interaction.order === e.interaction.order
    const joins =
      (e.outcome !== 'bought' && isPostPurchase(catalogue, e.touchpoint)) ||
      (e.outcome === 'refused' && orderMatches) ||
      (e.outcome === 'bought' && orderMatches)
    if (!joins) return false
    joinEpilogueOfSale(sale, e)
    const chain = openChain()
    if (e.by === 'customer' && chain !== undefined) prolong(chain, e)
    return true
  }

  function saleOf(e: Entry): Draft | undefined {
    const order = e.interaction.order
    const sameOrder = chains.find(
      (chain) => converted(chain) && order !== undefined && buying(chain).interaction.order === order,
    )
    if (sameOrder !== undefined) return sameOrder
    const newest = newestConverted()
    if (newest === undefined) return undefined
    return order === undefined || buying(newest).interaction.order === undefined ? newest : undefined
  }

  /** 4.3 */
  function aftermath(e: Entry): boolean {
    const chain = newestChain()
    if (openChain() !== undefined || chain === undefined || chain.end !== 'final') return false
    const f = chain.own.at(-1)!
    const newest = [...chain.own, ...chain.epilogue].at(-1)!
    const inAftermath =
      (f.outcome === 'bought' && e.at <= f.at + epilogue(f)) ||
      (f.outcome === 'refused' && e.at <= newest.at + epilogue(f)) ||
      (e.interaction.episode !== undefined &&
        e.interaction.episode === f.interaction.episode &&
        e.at <= newest.at + fullPatience(newest) &&
        e.at <= f.at + fullPatience(f))
    if (!inAftermath) return false
    if (f.outcome === 'refused' && isFinal(e.outcome)) {
      goOnAndEnd(chain, e)
      return true
    }
    if (!isFinal(e.outcome)) {
      chain.epilogue.push(e)
      return true
    }
    return false
  }

  /** 4.4 */
  function lateWord(e: Entry): boolean {
    const chain = newestChain()
    if (openChain() !== undefined || chain === undefined) return false
    return isResult(catalogue, e.touchpoint) ? lateResult(chain, e) : followUp(chain, e)
  }

  function lateResult(chain: Draft, e: Entry): boolean {
    if (!isFinal(e.outcome)) {
      chain.epilogue.push(e)
      return true
    }
    if (!converted(chain)) {
      goOnAndEnd(chain, e)
      return true
    }
    const orders = [e.interaction.order, buying(chain).interaction.order]
    const differentOrders = orders[0] !== undefined && orders[1] !== undefined && orders[0] !== orders[1]
    if (differentOrders) return false
    joinEpilogueOfSale(chain, e)
    return true
  }

  function followUp(chain: Draft, e: Entry): boolean {
    const patience = ownPatience(e)
    if (e.by !== 'company' || patience === null || isFinal(e.outcome)) return false
    if (chain.end !== 'deadline' || placeOf(chain, catalogue).by !== 'customer') return false
    if (e.at > chain.deadline + catalogue.patienceMs) return false
    goOn(chain, e)
    chain.end = 'none'
    chain.deadline = e.at + patience
    return true
  }

  /** 4.5 */
  function outreach(e: Entry): boolean {
    if (openChain() !== undefined || e.by !== 'company' || isFinal(e.outcome)) return false
    chains.push({ ...draft([e]), outreach: true, deadline: e.at + fullPatience(e) })
    return true
  }

  /** 4.6 and 4.8 */
  function open(e: Entry): void {
    const waiting = chains.filter((chain) => chain.outreach && chain.end === 'none')
    const gathered = waiting.filter((one) => e.at <= one.deadline)
    for (const one of waiting.filter((one) => e.at > one.deadline)) one.end = 'deadline'
    for (const one of gathered) chains.splice(chains.indexOf(one), 1)
    const deadlines = gathered.filter((one) => ownPatience(one.own[0]!) !== null).map((one) => one.deadline)
    const chain = draft([...gathered.flatMap((one) => one.own), e])
    chain.deadline = Math.max(e.at + fullPatience(e), ...deadlines)
    if (isFinal(e.outcome)) chain.end = 'final'
    chains.push(chain)
  }

  /** 4.7 and 4.8 */
  function extend(e: Entry): void {
    const chain = openChain()!
    chain.own.push(e)
    prolong(chain, e)
    if (isFinal(e.outcome)) chain.end = 'final'
  }

  function prolong(chain: Draft, e: Entry): void {
    const patience = ownPatience(e)
    if (patience !== null) chain.deadline = Math.max(chain.deadline, e.at + patience)
  }
}

function draft(own: Entry[]): Draft {
  return { own, epilogue: [], outreach: false, deadline: 0, end: 'none', reversed: false }
}

/** The chain's epilogue becomes part of it, and *e* too. */
function goOn(chain: Draft, e: Entry): void {
  chain.own = [...chain.own, ...chain.epilogue, e]
  chain.epilogue = []
}

function goOnAndEnd(chain: Draft, e: Entry): void {
  goOn(chain, e)
  chain.end = 'final'
}

function joinEpilogueOfSale(sale: Draft, e: Entry): void {
  sale.epilogue.push(e)
  if (e.outcome === 'refused') sale.reversed = true
  if (e.outcome === 'bought') sale.reversed = false
}

function converted(chain: Draft): boolean {
  return chain.end === 'final' && chain.own.at(-1)!.outcome === 'bought'
}

/** The interaction in which the customer of a converted chain bought. */
function buying(chain: Draft): Entry {
  return chain.own.at(-1)!
}

/** Rule 5. */
function endBy(tick: number, chains: readonly Draft[]): void {
  for (const chain of chains) if (chain.end === 'none' && tick > chain.deadline) chain.end = 'deadline'
}

/** The places of the chain itself: what is not a result, or everything where there is nothing but results. */
function placesOf(chain: Draft, catalogue: Catalogue): Entry[] {
  const places = chain.own.filter((e) => !isResult(catalogue, e.touchpoint))
  return places.length > 0 ? places : chain.own
}

function placeOf(chain: Draft, catalogue: Catalogue): Entry {
  const last = chain.own.at(-1)!
  if (chain.end === 'final' && !isResult(catalogue, last.touchpoint)) return last
  const places = placesOf(chain, catalogue)
  const waited = places.findLast((e) => e.by === 'customer' || patienceMs(catalogue, e.touchpoint, e.by) !== null)
  return waited ?? places.at(-1)!
}

function furthestOf(chain: Draft, catalogue: Catalogue): Entry {
  const step = (e: Entry) => stepOf(catalogue, e.touchpoint)
  const steps = placesOf(chain, catalogue).flatMap((e) => step(e) ?? [])
  if (steps.length === 0) return placeOf(chain, catalogue)
  return placesOf(chain, catalogue).findLast((e) => step(e) === Math.max(...steps))!
}

function stateOf(chain: Draft): State {
  if (chain.end === 'none') return 'open'
  if (chain.end === 'deadline') return chain.outreach ? 'ignored' : 'broken'
  return converted(chain) ? 'converted' : 'broken'
}

function reasonOf(chain: Draft, catalogue: Catalogue): Reason | null {
  if (stateOf(chain) !== 'broken') return null
  if (chain.end === 'final') return 'refused'
  const place = placeOf(chain, catalogue)
  if (place.outcome === 'abandoned') return 'abandoned'
  return place.reaction === 'negative' ? 'dissatisfied' : 'silence'
}

function recoveredOf(chain: Draft, catalogue: Catalogue): string[] {
  const places = placesOf(chain, catalogue)
  const recovered = places.filter((e) => {
    const later = chain.own.slice(chain.own.indexOf(e) + 1)
    const bad = e.outcome === 'abandoned' || e.outcome === 'refused' || e.reaction === 'negative'
    return bad && later.some((l) => l.by === 'customer' && l.outcome !== 'refused' && l.outcome !== 'abandoned')
  })
  return [...new Set(recovered.map((e) => e.touchpoint))].sort()
}

function episodesOf(chain: Draft, catalogue: Catalogue): Episode[] {
  const ids = new Set(chain.own.flatMap((e) => e.interaction.episode ?? []))
  return [...ids].map((id) => {
    const entries = chain.own.filter((e) => e.interaction.episode === id)
    const last = entries.at(-1)!
    const broke = last.outcome === 'abandoned' || last.outcome === 'refused' || last.reaction === 'negative'
    return {
      id,
      group: entries.flatMap((e) => catalogue.touchpoints.get(e.touchpoint)?.group ?? [])[0] ?? null,
      startedAt: entries[0]!.at,
      endedAt: last.at,
      interactions: entries.length,
      waitMs: entries.reduce((sum, e) => sum + (e.interaction.waitMs ?? 0), 0),
      broke,
      brokeAt: broke ? last.touchpoint : null,
    }
  })
}

function interactionsOf(chain: Draft, catalogue: Catalogue): ChainInteraction[] {
  const places = placesOf(chain, catalogue)
  const line = (e: Entry, epilogue: boolean, place: boolean): ChainInteraction => {
    return { interaction: e.interaction, by: e.by, outcome: e.outcome, reaction: e.reaction, epilogue, place }
  }
  return [
    ...chain.own.map((e) => line(e, false, places.includes(e))),
    ...chain.epilogue.map((e) => line(e, true, !isResult(catalogue, e.touchpoint))),
  ]
}

function chainOf(person: Person, chains: readonly Draft[], index: number, catalogue: Catalogue): Chain {
  const chain = chains[index]!
  const before = chains[index - 1]
  const state = stateOf(chain)
  const place = placeOf(chain, catalogue)
  const laterWithAct = chains.slice(index + 1).filter((later) => later.own.some((e) => e.by === 'customer'))
  return {
    id: chainId(person, chain.own[0]!.id),
    ordinal: index + 1,
    previous: before === undefined ? null : chainId(person, before.own[0]!.id),
    state,
    reason: reasonOf(chain, catalogue),
    place: place.touchpoint,
    placeIndex: chain.own.indexOf(place),
    furthest: furthestOf(chain, catalogue).touchpoint,
    startedAt: chain.own[0]!.at,
    lastAt: place.at,
    closedAt: chain.end === 'none' ? null : chain.end === 'final' ? chain.own.at(-1)!.at : chain.deadline,
    deadline: chain.end === 'none' ? chain.deadline : null,
    atRisk: state === 'open' && (place.outcome === 'abandoned' || place.reaction === 'negative'),
    reversed: chain.reversed,
    complained: state === 'converted' && chain.epilogue.some((e) => e.reaction === 'negative'),
    returned: state === 'broken' && laterWithAct.length > 0,
    returnedAndBought: state === 'broken' && laterWithAct.some(converted),
    recovered: recoveredOf(chain, catalogue),
    staff: new Set(chain.own.flatMap((e) => e.interaction.agent ?? [])).size,
    brokenEpisode: state === 'broken' ? (place.interaction.episode ?? null) : null,
    interactions: interactionsOf(chain, catalogue),
    episodes: episodesOf(chain, catalogue),
  }
}
