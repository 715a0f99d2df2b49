import type { Actor, Interaction, Outcome, Reaction } from '@weaklink/interactions'

/**
 * The words are those of SPEC.md. A chain is `open` until a final interaction or its deadline ends it; then it is
 * `converted`, `broken`, or (a message of the company that nobody answered) `ignored`.
 */
export const STATES = ['open', 'converted', 'broken', 'ignored'] as const
export const REASONS = ['refused', 'abandoned', 'dissatisfied', 'silence'] as const

export type State = (typeof STATES)[number]
export type Reason = (typeof REASONS)[number]

/** One interaction as it stands in a chain: the catalogue's defaults are filled in. */
export interface ChainInteraction {
  readonly interaction: Interaction
  readonly by: Actor
  readonly outcome: Outcome
  readonly reaction: Reaction
  /** It belongs to the chain's epilogue: what still belongs to a chain after its end. */
  readonly epilogue: boolean
  /** It is one of the chain's places: not a result, or the chain has nothing but results. Never in an epilogue where it is a result. */
  readonly place: boolean
}

/** Interactions of a chain (epilogue apart) that share an episode id: one phone call, one site session. */
export interface Episode {
  readonly id: string
  /** The catalogue's group of its first interaction that has one. */
  readonly group: string | null
  readonly startedAt: number
  readonly endedAt: number
  readonly interactions: number
  /** Sum of `waitMs`. */
  readonly waitMs: number
  /** Its last interaction is abandoned, refused or negative. */
  readonly broke: boolean
  /** Touchpoint of that last interaction, null where the episode did not break. */
  readonly brokeAt: string | null
}

export interface Chain {
  readonly id: string
  /** 1-based, in the order of first interactions. */
  readonly ordinal: number
  /** Chain id of the one before, null for the first. */
  readonly previous: string | null
  readonly state: State
  /** Null unless broken. */
  readonly reason: Reason | null
  /** Touchpoint of the place. */
  readonly place: string
  /** Index of the place in `interactions`. */
  readonly placeIndex: number
  /** Touchpoint of the furthest place. */
  readonly furthest: string
  readonly startedAt: number
  /** Instant of the place. */
  readonly lastAt: number
  /** Null while open. */
  readonly closedAt: number | null
  /** Of an open chain: until when silence is not yet a break. Null once ended. */
  readonly deadline: number | null
  readonly atRisk: boolean
  readonly reversed: boolean
  readonly complained: boolean
  readonly returned: boolean
  readonly returnedAndBought: boolean
  /** Touchpoints of places at which a bad moment was recovered, sorted by code unit, each once. */
  readonly recovered: readonly string[]
  /** Distinct agents, the epilogue apart. */
  readonly staff: number
  /** Of a broken chain: the episode that its place belongs to. */
  readonly brokenEpisode: string | null
  /** In the order of SPEC.md: the chain itself, then its epilogue. */
  readonly interactions: readonly ChainInteraction[]
  /** In the order of their first interactions. */
  readonly episodes: readonly Episode[]
}
