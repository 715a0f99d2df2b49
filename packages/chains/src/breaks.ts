import type { Interaction, Person } from '@weaklink/interactions'
import type { Catalogue } from './catalogue.ts'
import { chainId } from './chain-id.ts'
import { endOf, first, furthestOf, reasonOf, stateOf } from './derive.ts'
import type { Reason, State } from './model.ts'
import { compareInteractions } from './order.ts'
import { type Met, meet, placeOf, placesOf, step, type Thread, type Walk, walkOver } from './walk.ts'

/**
 * What becomes of the breaks of one person from one moment to the next.
 *
 *                  broke                  changed: another place, reason or instant
 *     not broken ─────────▶ broken ─────▶ broken
 *          ▲                   │
 *          ├────── healed ─────┤ the chain is still there, under its id: it goes on, or has never been broken as it is told now
 *      no chain ◀─ retracted ──┘ no chain has this id any more: another interaction is its first, or its first one is gone
 */

/** Where, why and when a chain broke: who knows one of these knows whether it is still the same break. */
interface Break {
  /** Touchpoint of the place. */
  readonly place: string
  readonly reason: Reason
  /** Of the place. */
  readonly episode: string | null
  readonly startedAt: number
  /** Instant of the place. */
  readonly lastAt: number
  /** Instant of the end: of the refusal, or the deadline. */
  readonly brokeAt: number
}

/** A break that stands. */
interface StandingBreak extends Break {
  /** Touchpoint of the furthest place. */
  readonly furthest: string
  /** The epilogue included. */
  readonly interactions: number
}

export type BreakChange = { readonly chain: string } & (
  | { readonly type: 'broke'; readonly now: StandingBreak }
  | { readonly type: 'changed'; readonly was: Break; readonly now: StandingBreak }
  | { readonly type: 'healed'; readonly was: Break; readonly state: Exclude<State, 'broken'> }
  /** `replacement`: the chain that the first interaction of this one is in now, null where it is in none. */
  | { readonly type: 'retracted'; readonly was: Break; readonly replacement: string | null }
)

/** The chains of one person at one moment, to be gone on from. */
export interface Watched {
  readonly person: Person
  readonly walk: Walk
  /** Of the order of SPEC.md. */
  last: Met | null
  /** T in epoch milliseconds, null for minus infinity. */
  tick: number | null
}

/** Begins with these interactions, in whatever order they came. */
export function watch(
  person: Person,
  interactions: readonly Interaction[],
  catalogue: Catalogue,
  tick: number | null,
): Watched {
  const { walk, last } = walkOver(interactions, catalogue)
  return { person, walk, last, tick }
}

/**
 * Takes one more interaction in, which costs the same however many there are, and answers what it changed.
 *
 * @returns null, and nothing is taken in, where others come after it: then only a new watch can say
 */
export function watchNext(watched: Watched, interaction: Interaction): BreakChange[] | null {
  const { walk, last, tick } = watched
  const met = meet(walk.catalogue, interaction)
  if (last !== null && compareInteractions(last, met) > 0) return null
  // What comes last can break, or heal, no other chain than the newest: older ones have ended, and outreach is never broken.
  const { newest } = walk
  const was = newest === null ? null : breakOf(newest, tick)
  step(walk, met)
  watched.last = met
  const changes: BreakChange[] = []
  if (newest !== null) pushChange(changes, watched, newest, was)
  if (walk.newest !== null && walk.newest !== newest) pushChange(changes, watched, walk.newest, null)
  return changes
}

/** T becomes this one; answers what that changed. */
export function watchUntil(watched: Watched, tick: number | null): BreakChange[] {
  const { open } = watched.walk
  const was = open === null ? null : breakOf(open, watched.tick)
  watched.tick = tick
  const changes: BreakChange[] = []
  if (open !== null) pushChange(changes, watched, open, was)
  return changes
}

/** What is different between two moments of the same person. */
export function breakChanges(before: Watched, after: Watched): BreakChange[] {
  const changes: BreakChange[] = []
  const now = byFirst(after.walk)
  const had = byFirst(before.walk)
  let chainOfInteraction: ReadonlyMap<string, string> | null = null
  for (const [id, thread] of had) {
    const was = breakOf(thread, before.tick)
    const same = now.get(id)
    if (same !== undefined) pushChange(changes, after, same, was)
    else if (was !== null) {
      chainOfInteraction ??= firstByInteraction(after.walk)
      const into = chainOfInteraction.get(id)
      const replacement = into === undefined ? null : chainId(after.person, into)
      changes.push({ chain: chainId(before.person, id), type: 'retracted', was, replacement })
    }
  }
  for (const [id, thread] of now) if (!had.has(id)) pushChange(changes, after, thread, null)
  return changes
}

/** By the id of its first interaction each thread that is a chain. */
function byFirst({ threads }: Walk): Map<string, Thread> {
  return new Map(threads.flatMap((thread) => (thread.gathered ? [] : [[first(thread).id, thread]])))
}

/** By the id of each interaction the first one of its chain. */
function firstByInteraction({ threads }: Walk): Map<string, string> {
  const found = new Map<string, string>()
  for (const thread of threads) {
    if (thread.gathered) continue
    for (const met of thread.body) found.set(met.id, first(thread).id)
    for (const met of thread.epilogue) found.set(met.id, first(thread).id)
  }
  return found
}

function pushChange(to: BreakChange[], { person, walk, tick }: Watched, thread: Thread, was: Break | null): void {
  const now = breakOf(thread, tick)
  if (now === null && was === null) return
  if (now !== null && was !== null && isSame(now, was)) return
  const chain = chainId(person, first(thread).id)
  if (now === null) {
    const state = stateOf(thread, tick)
    if (was !== null && state !== 'broken') to.push({ chain, type: 'healed', was, state })
    return
  }
  const furthest = furthestOf(walk, placesOf(thread), placeOf(thread)).interaction.touchpoint
  const standing = { ...now, furthest, interactions: thread.body.length + thread.epilogue.length }
  to.push(was === null ? { chain, type: 'broke', now: standing } : { chain, type: 'changed', was, now: standing })
}

/** Null where the chain is not broken. */
function breakOf(thread: Thread, tick: number | null): Break | null {
  if (stateOf(thread, tick) !== 'broken') return null
  const place = placeOf(thread)
  return {
    place: place.interaction.touchpoint,
    reason: reasonOf(thread, place),
    episode: place.interaction.episode ?? null,
    startedAt: first(thread).at,
    lastAt: place.at,
    brokeAt: endOf(thread),
  }
}

function isSame(a: Break, b: Break): boolean {
  return (
    a.place === b.place &&
    a.reason === b.reason &&
    a.episode === b.episode &&
    a.lastAt === b.lastAt &&
    a.brokeAt === b.brokeAt
  )
}
