import {
  type BreakChange,
  type BreakNews,
  breakChanges,
  type Catalogue,
  type Watched,
  watch,
  watchNext,
  watchUntil,
} from '@weaklink/chains'
import type { Interaction } from '@weaklink/interactions'
import type { Remembered } from './histories.ts'

/**
 * What each record made of somebody's breaks. It compares their chains before and after that one record, whenever their
 * row is written, so that the log alone says what is told, and under which version:
 *
 *     before: what was known, under the catalogue and the T that they were derived at last
 *     after:  what is known with the record, under those in force
 */

/** What a record did to a history: it brought the newest interaction, nothing (all is derived again), or changed it otherwise. */
export type Cause = 'interaction' | 'again' | { readonly before: readonly Interaction[] }

/** What was seen since the last row. */
export interface Observed {
  readonly news: BreakNews[]
  /** The chains as they are now; only of a long history, whose chains are not to be derived for every record. */
  watched: Watched | null
  /** About how much memory it takes, in interactions. */
  weight: number
}

/** A record, and what is in force from it on. */
export interface Moment {
  readonly version: number
  /** When the log took it in, epoch milliseconds. */
  readonly recordedAt: number
  readonly catalogue: Catalogue
  readonly tick: number | null
  /** A history of more interactions is watched until its row is written, instead of being walked over for each record. */
  readonly watchBeyond: number
}

/** About what one piece of news takes, in interactions. */
const NEWS_WEIGHT = 2
const NOTHING: readonly Interaction[] = []

/** What somebody did that counts under their own name: of an anonymous person who is known by now, nothing. */
export function ownInteractions({ identity, interactions }: Remembered): readonly Interaction[] {
  return identity !== null && identity.current !== null ? NOTHING : interactions
}

/**
 * To be called after each record that changed a history.
 *
 * @param tickBefore T that the chains before were derived at
 * @returns how much heavier the history became, in interactions
 */
export function observe(history: Remembered, cause: Cause, tickBefore: number | null, moment: Moment): number {
  const under = history.catalogue ?? moment.catalogue
  history.catalogue = moment.catalogue
  const own = ownInteractions(history)
  if (own !== history.interactions && typeof cause === 'string') return 0

  const watched = history.observed?.watched ?? watch(history.person, before(own, cause), under, tickBefore)
  watched.tick = tickBefore
  const inPlace = under.hash === moment.catalogue.hash ? goOn(watched, own, cause, moment.tick) : null
  const now = inPlace === null ? watch(history.person, own, moment.catalogue, moment.tick) : watched
  const changes = inPlace ?? breakChanges(watched, now)
  return keep(history, changes, own.length > moment.watchBeyond ? now : null, moment)
}

function before(own: readonly Interaction[], cause: Cause): readonly Interaction[] {
  if (typeof cause !== 'string') return cause.before
  return cause === 'interaction' ? own.slice(0, -1) : own
}

/** Null where what was watched so far cannot be gone on with. */
function goOn(
  watched: Watched,
  own: readonly Interaction[],
  cause: Cause,
  tick: number | null,
): readonly BreakChange[] | null {
  if (cause === 'again') return watchUntil(watched, tick)
  const newest = own.at(-1)
  if (cause !== 'interaction' || newest === undefined || watched.tick !== tick) return null
  return watchNext(watched, newest)
}

function keep(
  history: Remembered,
  changes: readonly BreakChange[],
  watched: Watched | null,
  { version, recordedAt, tick, catalogue }: Moment,
): number {
  if (changes.length === 0 && watched === null && history.observed === null) return 0
  history.observed ??= { news: [], watched: null, weight: 0 }
  const { observed } = history
  const movedTo = history.identity?.current?.customer ?? null
  for (const change of changes) {
    observed.news.push({ change, version, recordedAt, tick, catalogue: catalogue.hash, movedTo })
  }
  observed.watched = watched
  const weight = NEWS_WEIGHT * observed.news.length + (watched === null ? 0 : history.interactions.length)
  const heavier = weight - observed.weight
  observed.weight = weight
  return heavier
}
