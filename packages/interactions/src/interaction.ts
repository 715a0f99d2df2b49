/**
 * The words of this package:
 * - an **interaction** is one event: this customer met this touchpoint at this instant;
 * - a **person** is whose interaction it is: a known customer or, while nobody knows who it is, an anonymous id;
 *   the two kinds never collide, even when their ids are the same string.
 */

export const ACTORS = ['customer', 'company'] as const
export const OUTCOMES = ['continued', 'bought', 'refused', 'abandoned'] as const
export const REACTIONS = ['positive', 'neutral', 'negative'] as const

export type Actor = (typeof ACTORS)[number]
export type Outcome = (typeof OUTCOMES)[number]
export type Reaction = (typeof REACTIONS)[number]

export type Props = Readonly<Record<string, string | number | boolean>>

/**
 * An accepted interaction. What the producer left out stays absent (`by`, `outcome` and `reaction` are resolved
 * against the catalogue when chains are derived, so that a changed catalogue changes them too).
 */
export interface Interaction {
  /** Idempotency key, unique per person, 1..128 characters. */
  readonly id: string
  /** Known customer, 1..256 characters. At least one of `customer` and `anonymousId` is present; `customer` wins. */
  readonly customer?: string
  readonly anonymousId?: string
  /** Touchpoint slug. */
  readonly touchpoint: string
  /** Event time in epoch milliseconds, whole. */
  readonly at: number
  readonly by?: Actor
  readonly outcome?: Outcome
  readonly reaction?: Reaction
  readonly episode?: string
  readonly order?: string
  readonly waitMs?: number
  readonly durationMs?: number
  readonly value?: number
  readonly cost?: number
  readonly currency?: string
  readonly channel?: string
  readonly campaign?: string
  readonly queue?: string
  readonly agent?: string
  readonly props?: Props
}

export type PersonKind = 'customer' | 'anonymous'

export interface Person {
  readonly kind: PersonKind
  readonly customer: string
}

/** Whose interaction it is: the known customer where there is one, else the anonymous id. */
export function personOf(interaction: Pick<Interaction, 'customer' | 'anonymousId'>): Person {
  return interaction.customer !== undefined
    ? { kind: 'customer', customer: interaction.customer }
    : { kind: 'anonymous', customer: interaction.anonymousId ?? '' }
}

/** In front of the key of an anonymous person; no id has this character. */
const ANONYMOUS = '\u0000'

/** A string that is equal for the same person only; the two kinds never collide. */
export function personKey(person: Person): string {
  // Of a customer the id itself: a million keys then take no memory of their own.
  return person.kind === 'customer' ? person.customer : ANONYMOUS + person.customer
}

/** The person of a key. */
export function personOfKey(key: string): Person {
  return key.startsWith(ANONYMOUS) ? { kind: 'anonymous', customer: key.slice(1) } : { kind: 'customer', customer: key }
}
